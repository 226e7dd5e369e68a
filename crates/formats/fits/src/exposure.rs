//! An exposure as a FITS file, and back.
//!
//! | HDU | holds |
//! |---|---|
//! | primary | the original cards, and the visit's facts as `ELQUI ...` cards (HIERARCH) |
//! | IMAGE, MASK, VARIANCE | pixels, with the WCS; MASK names its bits by `MP_*` cards |
//! | WCS | what the WCS is made of, as JSON, to the last digit; cards edited later win |
//! | PSF | cube: one grid of samples for each term of the polynomial in position |
//! | PHOTOCALIB | table of one row |
//! | PHOTOCALIB_MAP | the zero point over the detector where it varies; as APCORR |
//! | APCORR | table: one row a coefficient or covariance of each flux's polynomial |
//! | BACKGROUND_LEVEL, BACKGROUND_RMS | the mesh, adu |

use crate::error::{FitsError, Result};
use crate::exposure_parts as parts;
use crate::file::FitsFile;
use crate::write::{Writer, is_structural, save_bytes, with_mask_planes};
use elqui_base::MjdTai;
use elqui_codec::{CodecError, Formatter};
use elqui_image::{Exposure, Header, Value, VisitInfo};
use elqui_schema::Table;
use elqui_wcs::{CardValue, Wcs};
use std::path::Path;

/// Before the name of each card that Elqui adds to the primary header.
const OWN: &str = "ELQUI ";
/// Version of this layout.
const LAYOUT: i64 = 1;

/// The bytes of an exposure's file, uncompressed.
pub fn exposure_to_bytes(exposure: &Exposure) -> Result<Vec<u8>> {
    exposure_to_bytes_with(exposure, false)
}

/// As [`exposure_to_bytes`], with tables behind all else, for what a step adds; readers of exposures
/// pass over them.
pub fn exposure_and_tables(exposure: &Exposure, tables: &[Table]) -> Result<Vec<u8>> {
    let mut writer = written(exposure, false)?;
    for table in tables {
        writer.table(table, &Header::default())?;
    }
    Ok(writer.into_bytes())
}

/// The bytes of an exposure's file. With `rice`, IMAGE and VARIANCE are quantised (to a quarter of
/// their noise) and all three planes are tile-compressed.
pub fn exposure_to_bytes_with(exposure: &Exposure, rice: bool) -> Result<Vec<u8>> {
    Ok(written(exposure, rice)?.into_bytes())
}

fn written(exposure: &Exposure, rice: bool) -> Result<Writer> {
    let pixels = exposure.width() * exposure.height();
    let mut writer = Writer::with_capacity(12 * pixels + (1 << 20));
    writer.header(&primary_header(exposure));
    let mut plane = Header::default();
    if let Some(wcs) = &exposure.wcs {
        add_wcs(&mut plane, wcs);
    }
    let with_unit = |unit: &str| {
        let mut header = plane.clone();
        header.set("BUNIT", Value::Str(unit.into()), "unit of the pixels");
        header
    };
    if rice {
        writer.image_rice("IMAGE", &exposure.image, &with_unit("adu"))?;
        let planes = with_mask_planes(&plane);
        writer.image_rice_i32("MASK", &exposure.mask.map(|v| v as i32), &planes)?;
        writer.image_rice("VARIANCE", &exposure.variance, &with_unit("adu2"))?;
    } else {
        writer.image("IMAGE", &exposure.image, &with_unit("adu"));
        writer.mask("MASK", &exposure.mask, &plane);
        writer.image("VARIANCE", &exposure.variance, &with_unit("adu2"));
    }
    if let Some(wcs) = &exposure.wcs {
        parts::write_wcs(&mut writer, wcs)?;
    }
    if let Some(psf) = &exposure.psf {
        parts::write_psf(&mut writer, psf)?;
    }
    if let Some(calib) = &exposure.photo_calib {
        parts::write_photo_calib(&mut writer, calib)?;
    }
    parts::write_ap_corr(&mut writer, &exposure.ap_corr)?;
    if let Some(background) = &exposure.background {
        parts::write_background(&mut writer, background)?;
    }
    Ok(writer)
}

/// Write an exposure's file, whole or not at all.
pub fn write_exposure(path: &Path, exposure: &Exposure) -> Result<()> {
    write_exposure_with(path, exposure, false)
}

/// As [`write_exposure`], tile-compressed when `rice`.
pub fn write_exposure_with(path: &Path, exposure: &Exposure, rice: bool) -> Result<()> {
    save_bytes(path, &exposure_to_bytes_with(exposure, rice)?)
}

/// Read an exposure that [`write_exposure`] wrote.
pub fn read_exposure(path: &Path) -> Result<Exposure> {
    exposure_from(&FitsFile::open(path)?)
}

/// Read an exposure from an open file.
pub fn exposure_from(file: &FitsFile) -> Result<Exposure> {
    let wrong = |why: String| FitsError::NotAnExposure { file: file.name().into(), why };
    let primary = file.header(0)?;
    match primary.number(&format!("{OWN}LAYOUT")) {
        None => return Err(wrong("its primary header has no `ELQUI LAYOUT`".into())),
        Some(v) if v > LAYOUT as f64 => {
            return Err(wrong(format!("layout {v} is newer than this program; update it")));
        }
        Some(_) => {}
    }
    let image_hdu = file.find_name("IMAGE")?;
    let mut exposure = Exposure::new(
        file.read_image(image_hdu)?,
        file.read_image_u32(file.find_name("MASK")?)?,
        file.read_image(file.find_name("VARIANCE")?)?,
        original_header(primary),
        read_info(primary),
    )
    .map_err(|e| wrong(e.to_string()))?;
    exposure.gain = own_number(primary, "GAIN");
    exposure.wcs = match parts::read_wcs(file)? {
        Some(wcs) => Some(wcs),
        None => {
            let header = file.header(image_hdu)?;
            let there = header.get("CTYPE1").is_some();
            there.then(|| Wcs::from_cards(header)).transpose().map_err(|e| wrong(e.to_string()))?
        }
    };
    exposure.psf = parts::read_psf(file)?;
    exposure.photo_calib = parts::read_photo_calib(file)?;
    exposure.ap_corr = parts::read_ap_corr(file)?;
    exposure.background = parts::read_background(file)?;
    Ok(exposure)
}

/// A card of world coordinates, which the exposure's own WCS replaces.
pub fn is_wcs_card(key: &str) -> bool {
    const NAMES: [&str; 8] =
        ["WCSAXES", "LONPOLE", "LATPOLE", "A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER", "WCSDIM"];
    const STEMS: [&str; 8] =
        ["CRPIX", "CRVAL", "CDELT", "CTYPE", "CUNIT", "CROTA", "A_DMAX", "B_DMAX"];
    const PAIRS: [&str; 10] = ["CD", "PC", "PV", "PS", "A_", "B_", "AP_", "BP_", "LTM", "WAT"];
    let number_pair = |rest: &str| {
        rest.split_once('_').is_some_and(|(i, j)| {
            let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
            digits(i) && digits(j)
        })
    };
    let stem = key.trim_end_matches(|c: char| c.is_ascii_digit());
    NAMES.contains(&key)
        || STEMS.contains(&stem)
        || PAIRS.iter().any(|p| key.strip_prefix(p).is_some_and(number_pair))
}

fn primary_header(exposure: &Exposure) -> Header {
    let mut header = exposure.header.clone();
    let replaced = exposure.wcs.is_some();
    header.cards.retain(|c| {
        !c.key.starts_with(OWN) && !is_structural(&c.key) && !(replaced && is_wcs_card(&c.key))
    });
    let info = &exposure.info;
    let mut own = |key: &str, value: Value, comment: &str| {
        header.set(&format!("{OWN}{key}"), value, comment);
    };
    let text = |s: &str| Value::Str(s.into());
    own("LAYOUT", Value::Int(LAYOUT), "version of this file's layout");
    own("INSTRUMENT", text(&info.instrument), "");
    own("VISIT", Value::Int(info.visit as i64), "");
    own("DETECTOR", Value::Int(i64::from(info.detector)), "");
    own("DETECTOR NAME", text(&info.detector_name), "");
    own("BAND", text(&info.band), "");
    own("FILTER", text(&info.physical_filter), "");
    own("OBSTYPE", text(&info.observation_type), "");
    own("OBJECT", text(&info.object), "");
    // Not finite numbers are written without a value.
    own("EXPTIME", Value::Float(info.exposure_s), "s");
    own("MJD-MID", Value::Float(info.mid_mjd_tai.0), "TAI, d");
    own("BORE-RA", Value::Float(info.boresight_ra), "ICRS, deg");
    own("BORE-DEC", Value::Float(info.boresight_dec), "ICRS, deg");
    own("PIXSCALE", Value::Float(info.pixel_scale_arcsec), "arcsec");
    own("AIRMASS", Value::Float(info.airmass), "");
    own("GAIN", Value::Float(exposure.gain), "electrons per adu");
    header
}

/// The header without what the file's form added.
fn original_header(primary: &Header) -> Header {
    let keep = |key: &str| !key.starts_with(OWN) && !is_structural(key);
    Header { cards: primary.cards.iter().filter(|c| keep(&c.key)).cloned().collect() }
}

fn own_number(header: &Header, key: &str) -> f64 {
    header.number(&format!("{OWN}{key}")).unwrap_or(f64::NAN)
}

fn read_info(header: &Header) -> VisitInfo {
    let text = |key: &str| header.text(&format!("{OWN}{key}")).unwrap_or_default();
    let int = |key: &str| match header.get(&format!("{OWN}{key}")) {
        Some(Value::Int(v)) => *v,
        _ => 0,
    };
    VisitInfo {
        instrument: text("INSTRUMENT"),
        visit: int("VISIT") as u64,
        detector: int("DETECTOR") as u32,
        detector_name: text("DETECTOR NAME"),
        band: text("BAND"),
        physical_filter: text("FILTER"),
        observation_type: text("OBSTYPE"),
        exposure_s: own_number(header, "EXPTIME"),
        mid_mjd_tai: MjdTai(own_number(header, "MJD-MID")),
        boresight_ra: own_number(header, "BORE-RA"),
        boresight_dec: own_number(header, "BORE-DEC"),
        pixel_scale_arcsec: own_number(header, "PIXSCALE"),
        airmass: own_number(header, "AIRMASS"),
        object: text("OBJECT"),
    }
}

/// Add a WCS's cards to a header (replacing what WCS cards it has).
pub fn add_wcs(header: &mut Header, wcs: &Wcs) {
    header.cards.retain(|c| !is_wcs_card(&c.key));
    for (key, value) in wcs.to_cards() {
        let value = match value {
            CardValue::Str(s) => Value::Str(s),
            CardValue::Int(v) => Value::Int(v),
            CardValue::Float(v) => Value::Float(v),
            CardValue::Bool(v) => Value::Bool(v),
        };
        header.set(&key, value, "");
    }
}

/// Exposures as FITS, for whoever keeps typed datasets.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExposureFormatter;

impl Formatter for ExposureFormatter {
    type Dataset = Exposure;

    fn extension(&self) -> &'static str {
        ".fits"
    }

    fn encode(&self, dataset: &Exposure) -> std::result::Result<Vec<u8>, CodecError> {
        exposure_to_bytes(dataset).map_err(|e| CodecError::Encode {
            name: "an exposure".into(),
            kind: "FITS file",
            reason: e.to_string(),
        })
    }

    fn decode(&self, bytes: &[u8], name: &str) -> std::result::Result<Exposure, CodecError> {
        FitsFile::from_bytes(bytes.to_vec(), name).and_then(|f| exposure_from(&f)).map_err(|e| {
            CodecError::Decode { name: name.into(), kind: "exposure", reason: e.to_string() }
        })
    }
}
