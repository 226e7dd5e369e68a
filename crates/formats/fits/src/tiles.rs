//! Tile-compressed images, unpacked by `fitsio-pure`.
//!
//! That library gets a header made here of the cards that it needs and nothing else, so that odd
//! cards of observatories never reach it; whatever it panics on is an error here.
//!
//! - source: FITS Standard 4.0, sec. 10.1

use crate::error::{FitsError, Result};
use crate::file::{FitsFile, Hdu};
use elqui_image::{Card, Value};
use fitsio_pure::image::ImageData;
use fitsio_pure::{hdu as pure, header, value};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Stored numbers, before BSCALE and BZERO.
pub(crate) type Stored = ImageData;

/// No tile compression packs better than about this, but for images so small that it does not matter.
const RATIO_MAX: u64 = 4000;
const SMALL_BYTES: u64 = 1 << 26;

pub(crate) fn read(file: &FitsFile, hdu: &Hdu) -> Result<Stored> {
    let damaged =
        |why: String| FitsError::Damaged { file: file.name().into(), hdu: hdu.label(), why };
    let pixels = hdu.axes().iter().try_fold(1u64, |p, &a| p.checked_mul(a));
    let bytes = pixels.and_then(|p| p.checked_mul(8));
    let limit = hdu.shape.data_len.saturating_mul(RATIO_MAX).max(SMALL_BYTES);
    if bytes.is_none_or(|b| b > limit) {
        return Err(damaged(format!(
            "axes {:?} cannot come from {} packed bytes",
            hdu.axes(),
            hdu.shape.data_len
        )));
    }
    let data = file.data(hdu)?;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let cards: Vec<header::Card> = hdu.header.cards.iter().filter_map(pure_card).collect();
        let table = pure::Hdu::from_cards(cards, 0, 0)?;
        fitsio_pure::tiled::read_tiled_image(&data, &table)
    }));
    match outcome {
        Ok(Ok(stored)) => Ok(stored),
        Ok(Err(fitsio_pure::Error::UnsupportedCompression(what))) => Err(FitsError::Unsupported {
            file: file.name().into(),
            hdu: hdu.label(),
            what: format!("this tile compression ({what})"),
        }),
        Ok(Err(e)) => Err(damaged(e.to_string())),
        Err(_) => Err(damaged("a tile cannot be unpacked".into())),
    }
}

/// The card for the library, if it is one that unpacking needs.
fn pure_card(card: &Card) -> Option<header::Card> {
    const NEEDED: [&str; 19] = [
        "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "TTYPE", "TFORM",
        "ZIMAGE", "ZBITPIX", "ZNAXIS", "ZCMPTYPE", "ZTILE", "ZNAME", "ZVAL", "ZQUANTIZ", "ZDITHER",
        "ZBLANK",
    ];
    const ALSO: [&str; 4] = ["ZSCALE", "ZZERO", "TSCAL", "TZERO"];
    let stem = card.key.trim_end_matches(|c: char| c.is_ascii_digit());
    if !NEEDED.contains(&stem) && !ALSO.contains(&stem) {
        return None;
    }
    let value = match &card.value {
        Value::Str(s) => value::Value::String(s.clone()),
        Value::Int(v) => value::Value::Integer(*v),
        Value::Float(v) => value::Value::Float(*v),
        Value::Bool(v) => value::Value::Logical(*v),
        Value::Undefined => return None,
    };
    header::Card::new(&card.key, value).ok()
}
