//! From the text of a detector to its geometry, with sections and numbers from the header where
//! the description says so.

use crate::describe::{AmplifierText, DetectorText, Flip};
use crate::error::InstrumentError;
use crate::spec::Number;
use elqui_image::{Amplifier, Bbox, Detector, Header};

/// Headers of the HDUs, where cards are looked for first.
pub type HduHeader<'a> = &'a dyn Fn(usize) -> Option<&'a Header>;

pub fn detector(
    instrument: &str,
    text: &DetectorText,
    pixel_scale_arcsec: f64,
    primary: &Header,
    hdu: HduHeader<'_>,
) -> Result<Detector, InstrumentError> {
    let mut amplifiers = Vec::with_capacity(text.amplifiers.len());
    for amp in &text.amplifiers {
        amplifiers.push(amplifier(instrument, amp, primary, hdu(amp.hdu))?);
    }
    let covered = |f: fn(&Bbox) -> i32| amplifiers.iter().map(|a| f(&a.bbox).max(0) as usize).max();
    let naxis = |card: &str| primary.number(card).filter(|v| *v >= 0.0).map(|v| v as usize);
    let width = text.width.or_else(|| covered(Bbox::x1)).or_else(|| naxis("NAXIS1")).unwrap_or(0);
    let height = text.height.or_else(|| covered(Bbox::y1)).or_else(|| naxis("NAXIS2")).unwrap_or(0);
    for a in &amplifiers {
        if Bbox::new(0, 0, width, height).intersect(&a.bbox) != a.bbox {
            return Err(InstrumentError::Section {
                instrument: instrument.to_string(),
                amplifier: a.name.clone(),
                section: "place",
                why: format!("it is outside of the detector of {width} x {height} pixels"),
            });
        }
    }
    Ok(Detector {
        id: text.id,
        name: text.name.clone(),
        width,
        height,
        amplifiers,
        pixel_scale_arcsec,
        crosstalk: text.crosstalk.iter().flatten().copied().collect(),
    })
}

fn amplifier(
    instrument: &str,
    text: &AmplifierText,
    primary: &Header,
    own: Option<&Header>,
) -> Result<Amplifier, InstrumentError> {
    let fail = |section, why| InstrumentError::Section {
        instrument: instrument.to_string(),
        amplifier: text.name.clone(),
        section,
        why,
    };
    let read = |section: &'static str, said: &str| -> Result<Bbox, InstrumentError> {
        resolve(said, primary, own).map_err(|why| fail(section, why))
    };
    let optional = |section: &'static str, said: &Option<String>| match said {
        Some(said) => read(section, said),
        None => Ok(Bbox::default()),
    };
    let raw_data = read("data", &text.data)?;
    if raw_data.is_empty() {
        return Err(fail("data", "it has no pixels".to_string()));
    }
    let number = |n: &Number| match n {
        Number::Fixed(v) => *v,
        card => {
            own.map(|h| card.get(h)).filter(|v| v.is_finite()).unwrap_or_else(|| card.get(primary))
        }
    };
    let place = match &text.place {
        Some(said) => read("place", said)?,
        None => Bbox::new(0, 0, raw_data.width, raw_data.height),
    };
    if (place.width, place.height) != (raw_data.width, raw_data.height) {
        let why = format!(
            "it is {} x {} pixels for {} x {} of data",
            place.width, place.height, raw_data.width, raw_data.height
        );
        return Err(fail("place", why));
    }
    Ok(Amplifier {
        name: text.name.clone(),
        raw_hdu: text.hdu,
        raw_data,
        raw_serial_overscan: optional("serial_overscan", &text.serial_overscan)?,
        raw_parallel_overscan: optional("parallel_overscan", &text.parallel_overscan)?,
        bbox: place,
        flip_x: text.flip.contains(&Flip::X),
        flip_y: text.flip.contains(&Flip::Y),
        gain: number(&text.gain),
        read_noise: number(&text.read_noise_e),
        saturation_adu: number(&text.saturation_adu),
    })
}

/// A section as text, `full`, or the card that holds one.
fn resolve(said: &str, primary: &Header, own: Option<&Header>) -> Result<Bbox, String> {
    let headers = [own, Some(primary)];
    let mut headers = headers.iter().flatten();
    if said.eq_ignore_ascii_case("full") {
        // A tile-compressed image is a table by its NAXISn; the image's own axes are in ZNAXISn.
        let pair = |h: &Header, name: &str| {
            Some((h.number(&format!("{name}1"))?, h.number(&format!("{name}2"))?))
        };
        let size = headers.find_map(|h| pair(h, "ZNAXIS").or_else(|| pair(h, "NAXIS")));
        let (w, h) = size.ok_or("the header has no NAXIS1 and NAXIS2")?;
        return Ok(Bbox::new(0, 0, w.max(0.0) as usize, h.max(0.0) as usize));
    }
    let text = if said.trim_start().starts_with('[') {
        said.to_string()
    } else {
        headers
            .find_map(|h| h.text(said).filter(|t| !t.is_empty()))
            .ok_or_else(|| format!("the header has no `{said}`"))?
    };
    Bbox::from_section(&text).ok_or_else(|| format!("`{text}` is not a section [x1:x2,y1:y2]"))
}
