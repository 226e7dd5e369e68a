//! An image without its instrument's signature as a file: an exposure's, and a table `ISR` of names
//! and values for what the exposure has no place for.
//!
//! Values are texts, numbers in as many digits as give the same number back. The table may be absent,
//! as in what another program wrote: the image then counts as raw, with nothing known about it.

use crate::error::ProcessError;
use crate::signature::{Origin, PostIsr};
use elqui_astrometry::Parity;
use elqui_fits::{FitsFile, exposure_and_tables, exposure_from};
use elqui_schema::{Column, ColumnData, Table};

const TABLE: &str = "ISR";

/// The bytes of the file.
pub fn post_isr_bytes(image: &PostIsr) -> Result<Vec<u8>, ProcessError> {
    let mut rows: Vec<(&str, String)> = vec![
        ("raw", image.is_raw.to_string()),
        ("read_noise_e", format!("{:?}", image.read_noise_e)),
        ("saturation_adu", format!("{:?}", image.saturation_adu)),
        ("half_diagonal_deg", format!("{:?}", image.origin.half_diagonal_deg)),
    ];
    rows.extend(image.origin.parity.map(|p| ("parity", parity_name(p).to_string())));
    let pointings = image.origin.pointings.iter();
    rows.extend(pointings.map(|(ra, dec)| ("pointing", format!("{ra:?} {dec:?}"))));
    rows.extend(image.dead_amplifiers.iter().map(|w| ("dead_amplifier", w.clone())));
    rows.extend(image.warnings.iter().map(|w| ("warning", w.clone())));
    let (names, values) = rows.into_iter().map(|(n, v)| (n.to_string(), v)).unzip();
    let mut table = Table::new(TABLE);
    table.columns.push(Column::new("name", ColumnData::Str(names)));
    table.columns.push(Column::new("value", ColumnData::Str(values)));
    let bytes = exposure_and_tables(&image.exposure, &[table]);
    bytes.map_err(|e| ProcessError::File(e.to_string()))
}

/// Read one back.
pub fn post_isr_from(file: &FitsFile) -> Result<PostIsr, ProcessError> {
    let wrong = |why: String| ProcessError::file(file.name(), why);
    let mut image = PostIsr {
        exposure: exposure_from(file).map_err(|e| wrong(e.to_string()))?,
        is_raw: true,
        read_noise_e: f64::NAN,
        saturation_adu: f64::NAN,
        dead_amplifiers: Vec::new(),
        warnings: Vec::new(),
        origin: Origin::default(),
    };
    let Ok(hdu) = file.find_name(TABLE) else { return Ok(image) };
    let table = file.read_table(hdu).map_err(|e| wrong(e.to_string()))?;
    let texts = |name: &str| match table.column(name).map(|c| &c.data) {
        Some(ColumnData::Str(v)) => Ok(v.clone()),
        _ => Err(wrong(format!("its table {TABLE} has no text column `{name}`"))),
    };
    for (name, value) in texts("name")?.iter().zip(texts("value")?) {
        let bad = || wrong(format!("its table {TABLE} has `{value}` for {name}"));
        let number = || value.trim().parse::<f64>().map_err(|_| bad());
        match name.as_str() {
            "raw" => image.is_raw = value.trim().parse().map_err(|_| bad())?,
            "read_noise_e" => image.read_noise_e = number()?,
            "saturation_adu" => image.saturation_adu = number()?,
            "half_diagonal_deg" => image.origin.half_diagonal_deg = number()?,
            "parity" => image.origin.parity = Some(parity_from(&value).ok_or_else(bad)?),
            "pointing" => {
                let (ra, dec) = value.split_once(' ').ok_or_else(bad)?;
                let number = |text: &str| text.trim().parse::<f64>().map_err(|_| bad());
                image.origin.pointings.push((number(ra)?, number(dec)?));
            }
            "dead_amplifier" => image.dead_amplifiers.push(value),
            "warning" => image.warnings.push(value),
            // What a newer program adds is its own matter.
            _ => {}
        }
    }
    Ok(image)
}

const PARITIES: [(Parity, &str); 2] = [(Parity::Sky, "sky"), (Parity::Mirrored, "mirrored")];

fn parity_name(parity: Parity) -> &'static str {
    PARITIES.iter().find(|(p, _)| *p == parity).map_or("", |(_, name)| name)
}

fn parity_from(name: &str) -> Option<Parity> {
    PARITIES.iter().find(|(_, n)| *n == name.trim()).map(|(p, _)| *p)
}
