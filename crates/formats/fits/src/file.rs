//! A FITS file: its HDUs and their headers, found when it is opened; data are read when asked for.

use crate::card::{CARD, parse_cards};
use crate::checksum::{Sum, combine};
use crate::error::{FitsError, Result};
use crate::name::{Extension, split_extension};
use crate::shape::{BLOCK, HduKind, Shape, integer, padded};
use crate::source::Source;
use elqui_codec::CodecError;
use elqui_image::{Header, Value};
use std::path::Path;

/// One HDU.
#[derive(Debug, Clone, PartialEq)]
pub struct Hdu {
    pub index: usize,
    pub kind: HduKind,
    /// EXTNAME; empty where there is none.
    pub name: String,
    /// EXTVER; 1 where there is none.
    pub version: i64,
    pub header: Header,
    pub(crate) shape: Shape,
    pub(crate) header_start: u64,
    pub(crate) data_start: u64,
}

impl Hdu {
    /// `HDU 2 (MASK)`, as errors call it.
    pub fn label(&self) -> String {
        label(self.index, &self.name)
    }

    /// Axes of the image (first axis first), empty when it is no image.
    pub fn axes(&self) -> &[u64] {
        &self.shape.image_axes
    }

    /// Columns and rows of an image that has two axes (further axes of length 1 do not count).
    pub fn size(&self) -> Option<(usize, usize)> {
        let axes = self.axes();
        let width = usize::try_from(*axes.first()?).ok()?;
        let height = usize::try_from(axes.get(1).copied().unwrap_or(1)).ok()?;
        axes.iter().skip(2).all(|&a| a == 1).then_some((width, height))
    }

    pub fn is_image(&self) -> bool {
        matches!(self.kind, HduKind::Image | HduKind::CompressedImage)
    }

    pub fn is_table(&self) -> bool {
        matches!(self.kind, HduKind::BinTable | HduKind::AsciiTable)
    }
}

fn label(index: usize, name: &str) -> String {
    if name.is_empty() { format!("HDU {index}") } else { format!("HDU {index} ({name})") }
}

/// An open FITS file.
#[derive(Debug)]
pub struct FitsFile {
    name: String,
    pub(crate) source: Source,
    hdus: Vec<Hdu>,
    ignore_checksums: bool,
}

impl FitsFile {
    /// Open a file, gzip'd or not.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::index(Source::open(path)?, path.display().to_string())
    }

    /// Open a file that errors call `name` (an unpacked copy bears that of the original).
    pub fn open_named(path: impl AsRef<Path>, name: &str) -> Result<Self> {
        Self::index(Source::open(path.as_ref())?, name.to_string())
    }

    /// From bytes, gzip'd or not; `name` is what errors call them.
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self> {
        Self::index(Source::from_bytes(bytes, name)?, name.to_string())
    }

    /// Open `FILE` or `FILE[EXT]`; also the HDU that EXT names, if it does.
    pub fn open_extension(text: &str) -> Result<(Self, Option<usize>)> {
        // A file whose own name ends in brackets wins.
        if Path::new(text).exists() {
            return Ok((Self::open(text)?, None));
        }
        let (path, extension) = split_extension(text);
        let file = Self::open(path)?;
        let hdu = extension.map(|e| file.find(&e)).transpose()?;
        Ok((file, hdu))
    }

    /// Do not verify CHECKSUM and DATASUM when data are read.
    pub fn ignore_checksums(mut self, ignore: bool) -> Self {
        self.ignore_checksums = ignore;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn hdus(&self) -> &[Hdu] {
        &self.hdus
    }

    pub fn hdu(&self, index: usize) -> Result<&Hdu> {
        self.hdus.get(index).ok_or_else(|| self.no_hdu(index.to_string()))
    }

    pub fn header(&self, index: usize) -> Result<&Header> {
        Ok(&self.hdu(index)?.header)
    }

    /// Index of the HDU that a number or a name means. Names ignore case; without a version the
    /// first of that name is meant. `PRIMARY` is HDU 0 when no HDU bears that name.
    pub fn find(&self, extension: &Extension) -> Result<usize> {
        let found = match extension {
            Extension::Index(k) => (*k < self.hdus.len()).then_some(*k),
            Extension::Name(name, version) => self
                .hdus
                .iter()
                .position(|h| {
                    h.name.eq_ignore_ascii_case(name) && version.is_none_or(|v| v == h.version)
                })
                .or_else(|| name.eq_ignore_ascii_case("PRIMARY").then_some(0)),
        };
        found.ok_or_else(|| self.no_hdu(extension.to_string()))
    }

    /// Index of the HDU of this EXTNAME.
    pub fn find_name(&self, name: &str) -> Result<usize> {
        self.find(&Extension::Name(name.to_string(), None))
    }

    /// The first HDU that holds an image of two axes.
    pub fn first_image(&self) -> Result<usize> {
        self.hdus
            .iter()
            .position(|h| h.is_image() && h.size().is_some_and(|(w, n)| w > 0 && n > 0))
            .ok_or_else(|| self.no_hdu("with an image".into()))
    }

    /// The first HDU that holds a table.
    pub fn first_table(&self) -> Result<usize> {
        self.hdus.iter().position(Hdu::is_table).ok_or_else(|| self.no_hdu("with a table".into()))
    }

    fn no_hdu(&self, wanted: String) -> FitsError {
        const SHOWN: usize = 12;
        let mut known: Vec<String> = self.hdus.iter().take(SHOWN).map(Hdu::label).collect();
        if self.hdus.len() > SHOWN {
            known.push(format!("... up to HDU {}", self.hdus.len() - 1));
        }
        FitsError::NoHdu { file: self.name.clone(), wanted, known: known.join(", ") }
    }

    fn index(source: Source, name: String) -> Result<Self> {
        let not_fits = |why: &str| FitsError::NotFits { file: name.clone(), why: why.into() };
        let io = |e| FitsError::from(CodecError::read(Path::new(&name), e));
        let total = source.len();
        if total == 0 {
            return Err(not_fits("it is empty"));
        }
        let mut hdus = Vec::new();
        let mut at = 0;
        while at < total {
            let k = hdus.len();
            let first = source.copy(at, CARD as u64).map_err(io)?;
            if k == 0 && !first.starts_with(b"SIMPLE") {
                return Err(not_fits("it does not begin with SIMPLE"));
            }
            // Whatever follows the last HDU without being one (padding, special records) is left.
            if k > 0 && !first.starts_with(b"XTENSION") {
                break;
            }
            let (header, len) =
                read_header(&source, at).map_err(io)?.ok_or_else(|| FitsError::Header {
                    file: name.clone(),
                    hdu: label(k, ""),
                    why: "it has no END (the file is cut short or damaged)".into(),
                })?;
            let extname = header.text("EXTNAME").unwrap_or_default();
            let shape = Shape::from_header(&header, k == 0).map_err(|why| FitsError::Header {
                file: name.clone(),
                hdu: label(k, &extname),
                why,
            })?;
            let data_start = at + len;
            let next = data_start + padded(shape.data_len);
            hdus.push(Hdu {
                index: k,
                kind: shape.kind,
                version: integer(&header, "EXTVER").unwrap_or(1),
                name: extname,
                header,
                shape,
                header_start: at,
                data_start,
            });
            at = next;
        }
        Ok(Self { name, source, hdus, ignore_checksums: false })
    }

    /// Give an HDU's data (unpadded) to `f` in pieces; verify the checksums that the header has.
    pub(crate) fn read_data(&self, hdu: &Hdu, mut f: impl FnMut(&[u8])) -> Result<()> {
        let (start, len) = (hdu.data_start, hdu.shape.data_len);
        self.check_length(hdu)?;
        let io = |e| FitsError::from(CodecError::read(Path::new(&self.name), e));
        let sums = if self.ignore_checksums { None } else { stated_sums(&hdu.header) };
        let Some((datasum, has_checksum)) = sums else {
            return self.source.pieces(start, len, f).map_err(io);
        };
        let mut sum = Sum::default();
        // The pieces are multiples of a word; the padding completes the last one.
        let mut tail = Vec::new();
        self.source
            .pieces(start, len, |piece| {
                let whole = piece.len() / 4 * 4;
                sum.add(&piece[..whole]);
                tail.extend_from_slice(&piece[whole..]);
                f(piece);
            })
            .map_err(io)?;
        let padding = self.source.copy(start + len, padded(len) - len).map_err(io)?;
        tail.extend_from_slice(&padding);
        sum.add(&tail);
        let wrong =
            |which| FitsError::Checksum { file: self.name.clone(), hdu: hdu.label(), which };
        if datasum.is_some_and(|stated| stated != sum.value()) {
            return Err(wrong("DATASUM"));
        }
        if has_checksum {
            let mut header_sum = Sum::default();
            self.source
                .pieces(hdu.header_start, start - hdu.header_start, |p| header_sum.add(p))
                .map_err(io)?;
            if !matches!(combine(sum.value(), header_sum.value()), 0 | u32::MAX) {
                return Err(wrong("CHECKSUM"));
            }
        }
        Ok(())
    }

    /// All of an HDU's data, verified.
    pub(crate) fn data(&self, hdu: &Hdu) -> Result<Vec<u8>> {
        self.check_length(hdu)?;
        let mut out = Vec::with_capacity(hdu.shape.data_len as usize);
        self.read_data(hdu, |piece| out.extend_from_slice(piece))?;
        Ok(out)
    }

    /// The data must be in the file: what a header claims is never allocated on trust.
    pub(crate) fn check_length(&self, hdu: &Hdu) -> Result<()> {
        let need = hdu.data_start + hdu.shape.data_len;
        let have = self.source.len();
        if need > have {
            let (file, hdu) = (self.name.clone(), hdu.label());
            return Err(FitsError::Truncated { file, hdu, need, have });
        }
        Ok(())
    }

    /// Verify the checksums that an HDU has, reading its data piece by piece.
    pub fn verify_hdu(&self, hdu: usize) -> Result<()> {
        let hdu = self.hdu(hdu)?;
        match stated_sums(&hdu.header) {
            Some(_) => self.read_data(hdu, |_| {}),
            None => self.check_length(hdu),
        }
    }

    /// Read every HDU's data and verify what checksums it has.
    pub fn verify(&self) -> Result<()> {
        self.hdus.iter().try_for_each(|hdu| self.read_data(hdu, |_| {}))
    }
}

/// The DATASUM, if stated readably, and whether there is a CHECKSUM; `None` for neither.
fn stated_sums(header: &Header) -> Option<(Option<u32>, bool)> {
    let datasum = header.text("DATASUM").and_then(|t| t.parse::<u32>().ok());
    let checksum = matches!(header.get("CHECKSUM"), Some(Value::Str(s)) if s.len() == 16);
    (datasum.is_some() || checksum).then_some((datasum, checksum))
}

/// A header without END is given up after so many bytes.
const HEADER_MAX: u64 = 32 << 20;

/// A header and its length in whole blocks; `None` when it has no END.
fn read_header(source: &Source, at: u64) -> std::io::Result<Option<(Header, u64)>> {
    // Most headers fit the first piece; a longer one is read again from its start, twice as far.
    let mut want = 4 * BLOCK;
    loop {
        let bytes = source.copy(at, want)?;
        if let Some((header, cards)) = parse_cards(&bytes) {
            return Ok(Some((header, padded((cards * CARD) as u64))));
        }
        if (bytes.len() as u64) < want || want == HEADER_MAX {
            return Ok(None);
        }
        want = (2 * want).min(HEADER_MAX);
    }
}
