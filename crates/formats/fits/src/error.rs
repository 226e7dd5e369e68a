//! Why a FITS file could not be read or written. One line: the file, the HDU, what is wrong and
//! what to do.

use elqui_codec::CodecError;

/// Errors of this crate. `file` is a path or the name that the caller gave to bytes; `hdu` reads
/// `HDU 2 (MASK)`.
#[derive(Debug, thiserror::Error)]
pub enum FitsError {
    #[error(transparent)]
    File(#[from] CodecError),
    #[error("`{file}` is not a FITS file: {why}")]
    NotFits { file: String, why: String },
    #[error("`{file}` is a damaged gzip file: {why}; fetch it again")]
    Gzip { file: String, why: String },
    #[error("`{file}`, {hdu}: the header is not usable: {why}")]
    Header { file: String, hdu: String, why: String },
    #[error(
        "`{file}`, {hdu}: the file is cut short (it needs {need} bytes and has {have}); fetch it again"
    )]
    Truncated { file: String, hdu: String, need: u64, have: u64 },
    #[error("`{file}` has no HDU {wanted}; it has: {known}")]
    NoHdu { file: String, wanted: String, known: String },
    #[error("`{file}`, {hdu} is {is}, not {wanted}; choose another HDU as FILE[EXT]")]
    WrongKind { file: String, hdu: String, is: &'static str, wanted: &'static str },
    #[error("`{file}`, {hdu}: {what} is not supported")]
    Unsupported { file: String, hdu: String, what: String },
    #[error("`{file}`, {hdu}: the data are damaged: {why}")]
    Damaged { file: String, hdu: String, why: String },
    #[error(
        "`{file}`, {hdu}: {which} does not match the content; fetch the file again, or ignore checksums"
    )]
    Checksum { file: String, hdu: String, which: &'static str },
    #[error("`{file}` does not hold an exposure of Elqui: {why}")]
    NotAnExposure { file: String, why: String },
    #[error("cannot write {what} as FITS: {why}")]
    CannotWrite { what: String, why: String },
}

pub(crate) type Result<T> = std::result::Result<T, FitsError>;
