//! Times of exposures. Everything inside the house is TAI, as a modified Julian date.

use hifitime::{Epoch, TimeScale};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Modified Julian date, TAI, days.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct MjdTai(pub f64);

/// A time that could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[error("`{text}` is not a date and time of ISO 8601")]
pub struct TimeError {
    pub text: String,
}

impl MjdTai {
    /// Julian epoch (e.g. 2016.0), good to the TAI-TT offset of 32 s.
    pub fn julian_epoch(self) -> f64 {
        2000.0 + (self.0 - 51_544.5) / 365.25
    }

    /// Seconds later.
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self(self.0 + seconds / 86_400.0)
    }
}

/// Modified Julian date in UTC to TAI (leap seconds by hifitime's table).
pub fn mjd_utc_to_tai(mjd_utc: f64) -> MjdTai {
    MjdTai(Epoch::from_mjd_utc(mjd_utc).to_mjd_tai_days())
}

/// Read an ISO 8601 date and time as UTC; a date alone is its midnight.
///
/// An offset (`-0700`, `+00:00`, `Z`) is honoured.
pub fn parse_iso_utc(text: &str) -> Result<MjdTai, TimeError> {
    let error = || TimeError { text: text.to_string() };
    let trimmed = text.trim().trim_end_matches('Z');
    if trimmed.len() < 10 || !trimmed.is_char_boundary(10) {
        return Err(error());
    }
    let (date, rest) = trimmed.split_at(10);
    let rest = rest.trim_start_matches(['T', ' ']);
    let (clock, offset_s) = match rest.rfind(['+', '-']) {
        Some(k) => (&rest[..k], parse_offset(&rest[k..]).ok_or_else(error)?),
        None => (rest, 0.0),
    };
    let clock = if clock.is_empty() { "00:00:00" } else { clock };
    let epoch = Epoch::from_str(&format!("{date}T{clock} UTC")).map_err(|_| error())?;
    let mjd = epoch.to_time_scale(TimeScale::TAI).to_mjd_tai_days();
    Ok(MjdTai(mjd).plus_seconds(-offset_s))
}

/// `+HHMM`, `+HH:MM` or `+HH` in seconds.
fn parse_offset(text: &str) -> Option<f64> {
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: f64 = digits[..2].parse().ok()?;
    let minutes: f64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0.0 };
    Some(sign * (hours * 3600.0 + minutes * 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_seconds_and_offsets() {
        // astropy 6: Time('2017-12-20T01:33:43.317', scale='utc').tai.mjd
        let utc = parse_iso_utc("2017-12-20T01:33:43.317-0000").unwrap();
        let local = parse_iso_utc("2017-12-19T18:33:43.317-0700").unwrap();
        assert!((utc.0 - 58_107.065_512_928_24).abs() < 1e-9, "{}", utc.0);
        assert!((utc.0 - local.0).abs() < 1e-10);
        assert!((mjd_utc_to_tai(58_107.0).0 - (58_107.0 + 37.0 / 86_400.0)).abs() < 1e-10);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "yesterday", "2017-13-01T00:00:00", "2017-01-01T25:00:00", "ééééééé"]
        {
            assert!(parse_iso_utc(text).is_err(), "{text}");
        }
    }
}
