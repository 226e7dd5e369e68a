//! Cards of the simulated frames, and dates for them.

use elqui_image::{Header, Value};

pub fn card(header: &mut Header, key: &str, value: impl Into<Cell>, comment: &str) {
    header.set(key, value.into().0, comment);
}

/// A value on its way into a card.
pub struct Cell(Value);

impl From<&str> for Cell {
    fn from(v: &str) -> Self {
        Self(Value::Str(v.to_string()))
    }
}
impl From<f64> for Cell {
    fn from(v: f64) -> Self {
        Self(Value::Float(v))
    }
}
impl From<i64> for Cell {
    fn from(v: i64) -> Self {
        Self(Value::Int(v))
    }
}

/// Calendar date and time of a modified Julian date, as FITS writes it.
///
/// Source: the proleptic Gregorian calendar counted in eras of 400 years from 1 March of year 0.
pub fn iso_date(mjd: f64) -> String {
    let total_ms = (mjd * 86_400_000.0).round() as i64;
    let (day, ms) = (total_ms.div_euclid(86_400_000), total_ms.rem_euclid(86_400_000));
    // 1858-11-17 is day 678_881 after 0000-03-01.
    let days = day + 678_881;
    let (era, d) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (d - d / 1_460 + d / 36_524 - d / 146_096) / 365;
    let of_year = d - (365 * year + year / 4 - year / 100);
    let m = (5 * of_year + 2) / 153;
    let date = of_year - (153 * m + 2) / 5 + 1;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let y = era * 400 + year + i64::from(month <= 2);
    let (s, milli) = (ms / 1000, ms % 1000);
    format!(
        "{y:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}.{milli:03}",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        assert_eq!(iso_date(51_544.5), "2000-01-01T12:00:00.000");
        assert_eq!(iso_date(0.0), "1858-11-17T00:00:00.000");
        assert_eq!(iso_date(60_369.25), "2024-02-29T06:00:00.000");
        assert_eq!(iso_date(61_366.999_999), "2026-11-22T23:59:59.914");
        let back = elqui_base::parse_iso_utc(&iso_date(61_366.1)).unwrap();
        assert!((back.0 - elqui_base::mjd_utc_to_tai(61_366.1).0).abs() < 1e-7);
    }
}
