//! Pixels of plain and compressed images: bytes to numbers.
//!
//! - value = BZERO + BSCALE * stored; a stored integer equal to BLANK is NaN
//! - the common cases (f32; integers with an offset) go straight from the piece just read, still in
//!   the processor's cache, to the final vector: no second buffer of the image, no zeroing

use crate::error::{FitsError, Result};
use crate::file::{FitsFile, Hdu};
use crate::shape::{HduKind, integer};
use crate::tiles::{self, Stored};
use elqui_image::{Header, Image};

/// How stored integers or floats become values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scaling {
    scale: f64,
    zero: f64,
    blank: Option<i64>,
}

impl Scaling {
    fn from_header(header: &Header, bitpix: i64) -> Self {
        let number =
            |key, default| header.number(key).filter(|v: &f64| v.is_finite()).unwrap_or(default);
        let scale = number("BSCALE", 1.0);
        Self {
            scale: if scale == 0.0 { 1.0 } else { scale },
            zero: number("BZERO", 0.0),
            blank: if bitpix > 0 { integer(header, "BLANK") } else { None },
        }
    }

    fn is_identity(&self) -> bool {
        self.scale == 1.0 && self.zero == 0.0
    }
}

impl FitsFile {
    /// An image as f32; BLANK is NaN.
    pub fn read_image(&self, hdu: usize) -> Result<Image<f32>> {
        self.read_as(hdu, decode_f32, stored_f32)
    }

    /// An image as f64; BLANK is NaN.
    pub fn read_image_f64(&self, hdu: usize) -> Result<Image<f64>> {
        self.read_as(hdu, decode_f64, |s, scaling| stored_with(s, |v| to_f64(v, scaling)))
    }

    /// An image as i32: rounded, and cut off at the type's limits.
    pub fn read_image_i32(&self, hdu: usize) -> Result<Image<i32>> {
        self.read_as(
            hdu,
            |bytes, bitpix, scaling, out| {
                decode_with(bytes, bitpix, out, |v| to_f64(v, scaling).round() as i32);
            },
            |s, scaling| stored_with(s, |v| to_f64(v, scaling).round() as i32),
        )
    }

    /// An image as bits, such as a mask: a negative 32-bit integer gives its bit pattern.
    pub fn read_image_u32(&self, hdu: usize) -> Result<Image<u32>> {
        let bits = |v: Stored1, scaling: &Scaling| {
            let value = to_f64(v, scaling).round();
            if value < 0.0 { value as i64 as u32 } else { value as u32 }
        };
        self.read_as(
            hdu,
            move |bytes, bitpix, scaling, out| {
                decode_with(bytes, bitpix, out, |v| bits(v, scaling));
            },
            move |s, scaling| stored_with(s, |v| bits(v, scaling)),
        )
    }

    /// The planes of an image of any number of axes, each of the first two axes.
    pub fn read_planes(&self, hdu: usize) -> Result<Vec<Image<f32>>> {
        let hdu = self.image_hdu(hdu)?;
        let (width, height) = self.plane(hdu)?;
        let pixels = self.read_pixels(hdu, decode_f32, stored_f32)?;
        if width * height == 0 {
            return Ok(Vec::new());
        }
        Ok(pixels
            .chunks_exact(width * height)
            .map(|p| Image::from_vec(width, height, p.to_vec()))
            .collect())
    }

    fn read_as<T: Copy>(
        &self,
        hdu: usize,
        decode: impl Fn(&[u8], i64, &Scaling, &mut Vec<T>),
        convert: impl Fn(Stored, &Scaling) -> Vec<T>,
    ) -> Result<Image<T>> {
        let hdu = self.image_hdu(hdu)?;
        if hdu.size().is_none() {
            return Err(FitsError::Unsupported {
                file: self.name().into(),
                hdu: hdu.label(),
                what: format!("an image of axes {:?} where two are expected", hdu.axes()),
            });
        }
        let (width, height) = self.plane(hdu)?;
        let pixels = self.read_pixels(hdu, decode, convert)?;
        if pixels.len() != width * height {
            return Err(FitsError::Damaged {
                file: self.name().into(),
                hdu: hdu.label(),
                why: format!("{} pixels where {width} x {height} are expected", pixels.len()),
            });
        }
        Ok(Image::from_vec(width, height, pixels))
    }

    fn image_hdu(&self, index: usize) -> Result<&Hdu> {
        let hdu = self.hdu(index)?;
        if hdu.is_image() {
            return Ok(hdu);
        }
        Err(FitsError::WrongKind {
            file: self.name().into(),
            hdu: hdu.label(),
            is: hdu.kind.describe(),
            wanted: "an image",
        })
    }

    /// Columns and rows of one plane.
    fn plane(&self, hdu: &Hdu) -> Result<(usize, usize)> {
        let axis = |k: usize| {
            let value = hdu.axes().get(k).copied().unwrap_or(1);
            usize::try_from(value).ok().filter(|v| *v < 1 << 31)
        };
        axis(0).zip(axis(1)).ok_or_else(|| FitsError::Unsupported {
            file: self.name().into(),
            hdu: hdu.label(),
            what: format!("an image of axes {:?}", hdu.axes()),
        })
    }

    fn read_pixels<T: Copy>(
        &self,
        hdu: &Hdu,
        decode: impl Fn(&[u8], i64, &Scaling, &mut Vec<T>),
        convert: impl Fn(Stored, &Scaling) -> Vec<T>,
    ) -> Result<Vec<T>> {
        if hdu.kind == HduKind::CompressedImage {
            let zbitpix = integer(&hdu.header, "ZBITPIX").unwrap_or(0);
            let scaling = Scaling::from_header(&hdu.header, zbitpix);
            return Ok(convert(tiles::read(self, hdu)?, &scaling));
        }
        self.check_length(hdu)?;
        let bitpix = hdu.shape.bitpix;
        let scaling = Scaling::from_header(&hdu.header, bitpix);
        let count = hdu.shape.data_len / (bitpix.unsigned_abs() / 8);
        let mut out = Vec::with_capacity(count as usize);
        self.read_data(hdu, |piece| decode(piece, bitpix, &scaling, &mut out))?;
        Ok(out)
    }
}

/// One stored number.
#[derive(Debug, Clone, Copy)]
enum Stored1 {
    Int(i64),
    Float(f64),
}

#[inline(always)]
fn to_f64(v: Stored1, s: &Scaling) -> f64 {
    match v {
        Stored1::Int(v) if s.blank == Some(v) => f64::NAN,
        // Offsets of unsigned types are exact up to 64 bits only when added as integers.
        Stored1::Int(v) if s.scale == 1.0 => (i128::from(v) as f64) + s.zero,
        Stored1::Int(v) => v as f64 * s.scale + s.zero,
        Stored1::Float(v) => v * s.scale + s.zero,
    }
}

#[inline(always)]
fn extend<const N: usize, T>(bytes: &[u8], out: &mut Vec<T>, f: impl Fn([u8; N]) -> T) {
    out.extend(bytes.as_chunks::<N>().0.iter().map(|b| f(*b)));
}

/// Any type by one function of the stored number; the slow way.
#[inline(always)]
fn decode_with<T>(bytes: &[u8], bitpix: i64, out: &mut Vec<T>, f: impl Fn(Stored1) -> T) {
    use Stored1::{Float, Int};
    match bitpix {
        8 => out.extend(bytes.iter().map(|b| f(Int(i64::from(*b))))),
        16 => extend(bytes, out, |b| f(Int(i64::from(i16::from_be_bytes(b))))),
        32 => extend(bytes, out, |b| f(Int(i64::from(i32::from_be_bytes(b))))),
        64 => extend(bytes, out, |b| f(Int(i64::from_be_bytes(b)))),
        -32 => extend(bytes, out, |b| f(Float(f64::from(f32::from_be_bytes(b))))),
        _ => extend(bytes, out, |b| f(Float(f64::from_be_bytes(b)))),
    }
}

fn decode_f64(bytes: &[u8], bitpix: i64, s: &Scaling, out: &mut Vec<f64>) {
    if bitpix == -64 && s.is_identity() {
        return extend(bytes, out, f64::from_be_bytes);
    }
    decode_with(bytes, bitpix, out, |v| to_f64(v, s));
}

fn decode_f32(bytes: &[u8], bitpix: i64, s: &Scaling, out: &mut Vec<f32>) {
    // Sums of small integers with a whole offset are exact in f32.
    let small_offset = s.scale == 1.0 && s.blank.is_none() && s.zero.abs() <= 65536.0;
    let zero = s.zero as f32;
    let exact = small_offset && s.zero.fract() == 0.0;
    match bitpix {
        -32 if s.is_identity() => extend(bytes, out, f32::from_be_bytes),
        16 if exact => extend(bytes, out, |b| f32::from(i16::from_be_bytes(b)) + zero),
        8 if exact => out.extend(bytes.iter().map(|b| f32::from(*b) + zero)),
        _ => decode_with(bytes, bitpix, out, |v| to_f64(v, s) as f32),
    }
}

fn stored_with<T>(stored: Stored, f: impl Fn(Stored1) -> T) -> Vec<T> {
    use Stored1::{Float, Int};
    match stored {
        Stored::U8(v) => v.into_iter().map(|x| f(Int(i64::from(x)))).collect(),
        Stored::I16(v) => v.into_iter().map(|x| f(Int(i64::from(x)))).collect(),
        Stored::I32(v) => v.into_iter().map(|x| f(Int(i64::from(x)))).collect(),
        Stored::I64(v) => v.into_iter().map(|x| f(Int(x))).collect(),
        Stored::F32(v) => v.into_iter().map(|x| f(Float(f64::from(x)))).collect(),
        Stored::F64(v) => v.into_iter().map(|x| f(Float(x))).collect(),
    }
}

fn stored_f32(stored: Stored, s: &Scaling) -> Vec<f32> {
    match stored {
        Stored::F32(v) if s.is_identity() => v,
        other => stored_with(other, |v| to_f64(v, s) as f32),
    }
}
