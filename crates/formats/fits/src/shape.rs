//! What a header says about its data: kind, axes, bytes.

use elqui_image::{Header, Value};

pub(crate) const BLOCK: u64 = 2880;

/// Kind of an HDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HduKind {
    /// A header without data.
    Empty,
    Image,
    /// A tile-compressed image, stored in a binary table.
    CompressedImage,
    BinTable,
    AsciiTable,
    /// An extension of another kind, or random groups.
    Other,
}

impl HduKind {
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Empty => "a header without data",
            Self::Image => "an image",
            Self::CompressedImage => "a compressed image",
            Self::BinTable => "a binary table",
            Self::AsciiTable => "an ASCII table",
            Self::Other => "an extension of an unknown kind",
        }
    }
}

/// Size and layout of an HDU's data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) kind: HduKind,
    pub(crate) bitpix: i64,
    /// Axes of the data as stored.
    pub(crate) axes: Vec<u64>,
    /// Axes of the image, which for a compressed image are not those of its table.
    pub(crate) image_axes: Vec<u64>,
    pub(crate) pcount: u64,
    /// Bytes of the data without padding.
    pub(crate) data_len: u64,
}

pub(crate) fn integer(header: &Header, key: &str) -> Option<i64> {
    match header.get(key)? {
        Value::Int(v) => Some(*v),
        _ => {
            let v = header.number(key)?;
            (v.fract() == 0.0 && v.abs() < 1e15).then_some(v as i64)
        }
    }
}

fn axis_list(header: &Header, prefix: &str) -> Result<Vec<u64>, String> {
    let count_key = prefix;
    let n = integer(header, count_key).ok_or(format!("{count_key} is missing or no number"))?;
    if !(0..=999).contains(&n) {
        return Err(format!("{count_key} = {n} is not between 0 and 999"));
    }
    (1..=n)
        .map(|k| {
            let key = format!("{prefix}{k}");
            let v = integer(header, &key).ok_or(format!("{key} is missing or no number"))?;
            u64::try_from(v).map_err(|_| format!("{key} = {v} is negative"))
        })
        .collect()
}

impl Shape {
    pub(crate) fn from_header(header: &Header, primary: bool) -> Result<Self, String> {
        let bitpix = integer(header, "BITPIX").ok_or("BITPIX is missing or no number")?;
        if !matches!(bitpix, 8 | 16 | 32 | 64 | -32 | -64) {
            return Err(format!("BITPIX = {bitpix} is none of 8, 16, 32, 64, -32, -64"));
        }
        let axes = axis_list(header, "NAXIS")?;
        let positive = |key: &str, default: i64| {
            let v = integer(header, key).unwrap_or(default);
            u64::try_from(v).map_err(|_| format!("{key} = {v} is negative"))
        };
        let groups = primary
            && axes.first() == Some(&0)
            && matches!(header.get("GROUPS"), Some(Value::Bool(true)));
        // Primary arrays have neither PCOUNT nor GCOUNT unless they are random groups.
        let (pcount, gcount) = if primary && !groups {
            (0, 1)
        } else {
            (positive("PCOUNT", 0)?, positive("GCOUNT", 1)?)
        };
        let counted = if groups { &axes[1..] } else { &axes[..] };
        let product = counted.iter().try_fold(1u64, |p, &a| p.checked_mul(a));
        let data_len = if axes.is_empty() {
            Some(0)
        } else {
            product
                .and_then(|p| p.checked_add(pcount))
                .and_then(|p| p.checked_mul(gcount))
                .and_then(|p| p.checked_mul(bitpix.unsigned_abs() / 8))
        };
        let data_len = data_len
            .filter(|l| *l < 1 << 60)
            .ok_or_else(|| format!("the axes {axes:?} claim an impossible size"))?;
        let extension = header.text("XTENSION").unwrap_or_default();
        let packed = matches!(header.get("ZIMAGE"), Some(Value::Bool(true)));
        let kind = match extension.as_str() {
            _ if groups => HduKind::Other,
            "" | "IMAGE" | "IUEIMAGE" if data_len == 0 => HduKind::Empty,
            "" | "IMAGE" | "IUEIMAGE" => HduKind::Image,
            "BINTABLE" | "A3DTABLE" if packed => HduKind::CompressedImage,
            "BINTABLE" | "A3DTABLE" => HduKind::BinTable,
            "TABLE" => HduKind::AsciiTable,
            _ => HduKind::Other,
        };
        let image_axes = match kind {
            HduKind::CompressedImage => axis_list(header, "ZNAXIS")?,
            HduKind::Image => axes.clone(),
            _ => Vec::new(),
        };
        Ok(Self { kind, bitpix, axes, image_axes, pcount, data_len })
    }
}

/// Bytes rounded up to whole blocks.
pub(crate) const fn padded(len: u64) -> u64 {
    len.div_ceil(BLOCK) * BLOCK
}
