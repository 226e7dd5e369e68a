//! Writing HDUs: images, compressed images and, in `tablewrite`, tables; all with checksums.

use crate::cardwrite::header_bytes;
use crate::checksum::{Sum, combine, encode};
use crate::error::{FitsError, Result};
use crate::shape::padded;
use elqui_codec::{CodecError, atomic_write};
use elqui_image::{Card, Header, Image, Mask, MaskPlane, Value};
use fitsio_pure::compress::{TileCompression, compress_image_hdu};
use std::path::Path;

/// A pixel type that FITS stores.
pub trait Pixel: Copy {
    const BITPIX: i64;
    /// BZERO: unsigned integers are stored as signed ones less half their range.
    const OFFSET: i64 = 0;
    fn push(pixels: &[Self], out: &mut Vec<u8>);
}

macro_rules! pixel {
    ($($t:ty => $bitpix:literal),*) => {$(
        impl Pixel for $t {
            const BITPIX: i64 = $bitpix;
            fn push(pixels: &[Self], out: &mut Vec<u8>) {
                // Swapped in a small buffer first: a copy into place is then one block move.
                for part in pixels.chunks(1 << 12) {
                    let mut buffer = [[0u8; size_of::<$t>()]; 1 << 12];
                    for (b, v) in buffer.iter_mut().zip(part) {
                        *b = v.to_be_bytes();
                    }
                    out.extend_from_slice(buffer[..part.len()].as_flattened());
                }
            }
        }
    )*};
}
pixel!(u8 => 8, i16 => 16, i32 => 32, i64 => 64, f32 => -32, f64 => -64);

impl Pixel for u16 {
    const BITPIX: i64 = 16;
    const OFFSET: i64 = 32_768;
    fn push(pixels: &[Self], out: &mut Vec<u8>) {
        for part in pixels.chunks(1 << 12) {
            // Less 32768 is the top bit turned over.
            let signed: Vec<i16> = part.iter().map(|v| (v ^ 0x8000) as i16).collect();
            i16::push(&signed, out);
        }
    }
}

/// HDUs one after the other, in memory.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// A header without data.
    pub fn header(&mut self, header: &Header) {
        let cards = self.structure(8, &[], header, None);
        self.push_hdu(cards, 0, 0, |_| {});
    }

    /// Structural cards of an image of `T`, then the header's own.
    fn structure_of<T: Pixel>(&mut self, axes: &[usize], header: &Header, name: &str) -> Header {
        let mut cards = self.structure(T::BITPIX, axes, header, Some(name));
        if T::OFFSET != 0 {
            cards.set("BZERO", Value::Int(T::OFFSET), "offset of unsigned integers");
            cards.set("BSCALE", Value::Int(1), "");
        }
        cards
    }

    /// An image with the cards of `header` that do not describe the structure of an HDU.
    pub fn image<T: Pixel>(&mut self, name: &str, image: &Image<T>, header: &Header) {
        let axes = [image.width(), image.height()];
        let cards = self.structure_of::<T>(&axes, header, name);
        let len = size_of_val(image.data());
        self.push_hdu(cards, len, 0, |out| T::push(image.data(), out));
    }

    /// Images of one size as the planes of a cube.
    pub fn cube<T: Pixel>(&mut self, name: &str, planes: &[Image<T>], header: &Header) {
        let (width, height) = planes.first().map_or((0, 0), |p| (p.width(), p.height()));
        let axes = [width, height, planes.len()];
        let cards = self.structure_of::<T>(&axes, header, name);
        let len = width * height * planes.len() * size_of::<T>();
        self.push_hdu(cards, len, 0, |out| planes.iter().for_each(|p| T::push(p.data(), out)));
    }

    /// A mask as 32-bit integers with the `MP_*` cards that name its planes' bits.
    pub fn mask(&mut self, name: &str, mask: &Mask, header: &Header) {
        let header = with_mask_planes(header);
        let axes = [mask.width(), mask.height()];
        let cards = self.structure(32, &axes, &header, Some(name));
        let len = mask.data().len() * 4;
        self.push_hdu(cards, len, 0, |out| {
            for part in mask.data().chunks(1 << 12) {
                let mut buffer = [0i32; 1 << 12];
                for (b, v) in buffer.iter_mut().zip(part) {
                    *b = *v as i32;
                }
                i32::push(&buffer[..part.len()], out);
            }
        });
    }

    /// An f32 image compressed tile by tile with Rice; lossy: quantised to a quarter of the noise.
    pub fn image_rice(&mut self, name: &str, image: &Image<f32>, header: &Header) -> Result<()> {
        self.rice(name, image.width(), image.height(), image.data(), header)
    }

    /// An integer image (such as a mask) compressed tile by tile with Rice; nothing is lost.
    pub fn image_rice_i32(
        &mut self,
        name: &str,
        image: &Image<i32>,
        header: &Header,
    ) -> Result<()> {
        self.rice(name, image.width(), image.height(), image.data(), header)
    }

    fn rice<T: fitsio_pure::compress::CompressPixel>(
        &mut self,
        name: &str,
        width: usize,
        height: usize,
        pixels: &[T],
        header: &Header,
    ) -> Result<()> {
        let fail = |e: String| FitsError::CannotWrite { what: format!("image {name}"), why: e };
        self.ensure_primary();
        let hdu = compress_image_hdu(&[width, height], pixels, &TileCompression::rice(), &[])
            .map_err(|e| fail(e.to_string()))?;
        // The library's own HDU is opened again: its cards come first, then ours, then checksums.
        let (mut cards, read) =
            crate::card::parse_cards(&hdu).ok_or_else(|| fail("its header has no END".into()))?;
        let data = &hdu[padded((read * crate::card::CARD) as u64) as usize..];
        cards.set("EXTNAME", Value::Str(name.into()), "");
        cards.cards.extend(header.cards.iter().filter(|c| !is_structural(&c.key)).cloned());
        self.push_hdu(cards, data.len(), 0, |out| out.extend_from_slice(data));
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Write the file, whole or not at all.
    pub fn save(self, path: &Path) -> Result<()> {
        save_bytes(path, &self.bytes)
    }

    /// Extensions need a primary HDU before them.
    pub(crate) fn ensure_primary(&mut self) {
        if self.bytes.is_empty() {
            self.header(&Header::default());
        }
    }

    /// The cards of an HDU's structure and those of `extra` that do not clash with them. A named
    /// HDU is an extension; an empty primary HDU goes before the first.
    fn structure(
        &mut self,
        bitpix: i64,
        axes: &[usize],
        extra: &Header,
        name: Option<&str>,
    ) -> Header {
        let named = name.filter(|n| !n.is_empty());
        if named.is_some() {
            self.ensure_primary();
        }
        let mut cards = Header::default();
        if self.bytes.is_empty() {
            cards.set("SIMPLE", Value::Bool(true), "FITS standard 4.0");
        } else {
            cards.set("XTENSION", Value::Str("IMAGE".into()), "image extension");
        }
        cards.set("BITPIX", Value::Int(bitpix), "bits of a pixel");
        cards.set("NAXIS", Value::Int(axes.len() as i64), "number of axes");
        for (k, axis) in axes.iter().enumerate() {
            cards.set(&format!("NAXIS{}", k + 1), Value::Int(*axis as i64), "");
        }
        if self.bytes.is_empty() {
            cards.set("EXTEND", Value::Bool(true), "");
        } else {
            cards.set("PCOUNT", Value::Int(0), "");
            cards.set("GCOUNT", Value::Int(1), "");
        }
        if let Some(name) = named {
            cards.set("EXTNAME", Value::Str(name.into()), "");
        }
        let is_named = named.is_some();
        cards.cards.extend(
            extra
                .cards
                .iter()
                .filter(|c| !is_structural(&c.key) && !(is_named && c.key == "EXTNAME"))
                .cloned(),
        );
        cards
    }

    /// Append header, data (made by `fill`, `len` bytes) and padding, with the checksums set.
    pub(crate) fn push_hdu(
        &mut self,
        mut cards: Header,
        len: usize,
        pad: u8,
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        // The sum's digits have their final width, so the header can be written before the data.
        cards.set("CHECKSUM", Value::Str("0".repeat(16)), "HDU checksum");
        cards.set("DATASUM", Value::Str("0".repeat(10)), "data checksum");
        let at = self.bytes.len();
        let blank = header_bytes(&cards);
        let total = blank.len() + padded(len as u64) as usize;
        self.bytes.reserve(total);
        self.bytes.extend_from_slice(&blank);
        fill(&mut self.bytes);
        self.bytes.resize(at + total, pad);
        let mut data = Sum::default();
        data.add(&self.bytes[at + blank.len()..]);
        cards.set("DATASUM", Value::Str(format!("{:010}", data.value())), "data checksum");
        let mut head = Sum::default();
        head.add(&header_bytes(&cards));
        let sum = encode(combine(data.value(), head.value()));
        cards.set("CHECKSUM", Value::Str(sum), "HDU checksum");
        self.bytes[at..at + blank.len()].copy_from_slice(&header_bytes(&cards));
    }
}

/// Write bytes as a file, whole or not at all.
pub(crate) fn save_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_write(path, |w| w.write_all(bytes).map_err(|e| CodecError::write(path, e).into()))
}

/// The header with the cards that say which bit is which plane.
pub(crate) fn with_mask_planes(header: &Header) -> Header {
    let mut header = header.clone();
    header.cards.retain(|c| !c.key.starts_with("MP_"));
    for plane in MaskPlane::ALL {
        let key = format!("MP_{}", plane.name());
        let value = Value::Int(i64::from(*plane as u32));
        header.cards.push(Card { key, value, comment: "bit of the plane".into() });
    }
    header
}

/// Cards that the writer makes itself, whatever HDU they came from.
pub fn is_structural(key: &str) -> bool {
    const FIXED: [&str; 31] = [
        "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "EXTEND", "PCOUNT", "GCOUNT", "GROUPS", "TFIELDS",
        "THEAP", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM",
        "ZIMAGE", "ZSIMPLE", "ZTENSION", "ZEXTEND", "ZBITPIX", "ZNAXIS", "ZPCOUNT", "ZGCOUNT",
        "ZCMPTYPE", "ZQUANTIZ", "ZDITHER0", "ZBLANK", "ZMASKCMP", "END",
    ];
    const NUMBERED: [&str; 17] = [
        "NAXIS", "TTYPE", "TFORM", "TUNIT", "TSCAL", "TZERO", "TNULL", "TDISP", "TDIM", "TBCOL",
        "TUCD", "TCOMM", "ZNAXIS", "ZTILE", "ZNAME", "ZVAL", "ZTYPE",
    ];
    let stem = key.trim_end_matches(|c: char| c.is_ascii_digit());
    FIXED.contains(&key) || (stem.len() < key.len() && NUMBERED.contains(&stem))
}

/// The bytes of a file of one image; it is the primary HDU.
pub fn image_to_bytes<T: Pixel>(image: &Image<T>, header: &Header) -> Vec<u8> {
    let mut writer = Writer::with_capacity(size_of_val(image.data()) + 4 * 2880);
    writer.image("", image, header);
    writer.into_bytes()
}

/// One image as a file; it is the primary HDU.
pub fn write_image<T: Pixel>(path: &Path, image: &Image<T>, header: &Header) -> Result<()> {
    save_bytes(path, &image_to_bytes(image, header))
}
