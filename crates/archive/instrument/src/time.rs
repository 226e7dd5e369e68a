//! When the exposure was: the middle of it, TAI.

use crate::error::InstrumentError;
use crate::spec::OneOrMany;
use elqui_base::{MjdTai, mjd_utc_to_tai, parse_iso_utc};
use elqui_image::Header;
use serde::Deserialize;

/// 1900-01-01, before any detector: what lies before is a placeholder and counts as absent.
const FIRST_MJD: f64 = 15_020.0;

/// How the card's value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// ISO 8601 (or `dd/mm/yy` of the last century), UTC or with an offset; a date alone takes the
    /// clock of `clock_card`.
    IsoUtc,
    /// ISO 8601 in TAI.
    IsoTai,
    MjdUtc,
    MjdTai,
    /// Seconds since MJD 0, TAI (SDSS).
    TaiSeconds,
    /// Julian date, UTC.
    JdUtc,
}

/// What moment of the exposure the card gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    #[default]
    Start,
    Middle,
    End,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSpec {
    pub form: TimeForm,
    pub card: OneOrMany,
    /// Clock (UTC) to put behind a date that stands alone.
    #[serde(default)]
    pub clock_card: Option<OneOrMany>,
    #[serde(default)]
    pub at: Moment,
    /// Added to what the card says, seconds (drift scans: from the first row to the middle one).
    #[serde(default)]
    pub offset_s: f64,
    /// Tried when the cards of this one are absent.
    #[serde(default)]
    pub otherwise: Option<Box<TimeSpec>>,
}

impl TimeSpec {
    /// Middle of the exposure; `None` when no card is there. A card that cannot be read is an error,
    /// or passed over when `lenient`.
    pub fn middle(
        &self,
        header: &Header,
        exposure_s: f64,
        instrument: &str,
        lenient: bool,
    ) -> Result<Option<MjdTai>, InstrumentError> {
        let mut found = None;
        for card in self.card.names() {
            let Some(text) = header.text(card).filter(|t| !t.is_empty()) else { continue };
            match self.read(header, card, &text) {
                Some(time) if time.0 >= FIRST_MJD => {
                    found = Some(time);
                    break;
                }
                None if !lenient => {
                    return Err(InstrumentError::BadCard {
                        instrument: instrument.to_string(),
                        card: card.clone(),
                        value: text,
                        what: "a time as the description says",
                    });
                }
                _ => {}
            }
        }
        let Some(time) = found else {
            return match &self.otherwise {
                Some(next) => next.middle(header, exposure_s, instrument, lenient),
                None => Ok(None),
            };
        };
        let exposure_s = if exposure_s.is_finite() { exposure_s } else { 0.0 };
        let to_middle = match self.at {
            Moment::Start => 0.5 * exposure_s,
            Moment::Middle => 0.0,
            Moment::End => -0.5 * exposure_s,
        };
        Ok(Some(time.plus_seconds(to_middle + self.offset_s)))
    }

    fn read(&self, header: &Header, card: &str, text: &str) -> Option<MjdTai> {
        let number = || header.number(card).filter(|v| v.is_finite());
        let sane = |v: f64| (v < 3_000_000.0).then_some(v);
        let tai = |v: f64| if v < FIRST_MJD { MjdTai(v) } else { mjd_utc_to_tai(v) };
        match self.form {
            TimeForm::MjdUtc => number().and_then(sane).map(tai),
            TimeForm::JdUtc => number().map(|v| v - 2_400_000.5).and_then(sane).map(tai),
            TimeForm::MjdTai => number().and_then(sane).map(MjdTai),
            TimeForm::TaiSeconds => number().map(|v| v / 86_400.0).and_then(sane).map(MjdTai),
            TimeForm::IsoUtc => parse_iso_utc(&self.with_clock(header, text)).ok(),
            TimeForm::IsoTai => {
                // Read as UTC, the same digits are too late by the leap seconds at that moment.
                let as_utc = parse_iso_utc(&self.with_clock(header, text)).ok()?;
                let leap_days = mjd_utc_to_tai(as_utc.0).0 - as_utc.0;
                let first = MjdTai(as_utc.0 - leap_days);
                let leap_days = mjd_utc_to_tai(first.0).0 - first.0;
                Some(MjdTai(as_utc.0 - leap_days))
            }
        }
    }

    fn with_clock(&self, header: &Header, text: &str) -> String {
        let text = &old_date(text);
        let alone = !text.contains('T') && !text.contains(':');
        let clock = self
            .clock_card
            .iter()
            .flat_map(|c| c.names())
            .find_map(|c| header.text(c).filter(|t| t.contains(':')));
        match clock {
            Some(clock) if alone => format!("{text}T{clock}"),
            _ => text.to_string(),
        }
    }
}

/// `dd/mm/yy`, as files before 2000 say it, in ISO 8601; any other text as it is.
fn old_date(text: &str) -> String {
    let (date, rest) = text.split_at_checked(8).unwrap_or((text, ""));
    let parts: Vec<&str> = date.split('/').collect();
    match parts[..] {
        [d, m, y]
            if parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_digit())) =>
        {
            format!("19{y}-{m}-{d}{rest}")
        }
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elqui_image::Value;

    fn header() -> Header {
        let mut h = Header::default();
        h.set("TAI", Value::Float(4_573_255_701.31), "");
        h.set("DATE-OBS", Value::Str("2018-08-01".into()), "");
        h.set("UTSTART", Value::Str("19:23:13.540".into()), "");
        h.set("MJD", Value::Float(58_331.0), "");
        h.set("ZERO", Value::Float(0.0), "");
        h.set("OLD", Value::Str("31/12/98".into()), "");
        h.set("WORD", Value::Str("soon".into()), "");
        h
    }

    #[test]
    fn forms_of_time() {
        let at = |yaml: &str, exposure_s: f64| {
            let spec: TimeSpec = serde_yaml_ng::from_str(yaml).unwrap();
            spec.middle(&header(), exposure_s, "test", false).unwrap().unwrap().0
        };
        let near = |got: f64, truth: f64| assert!((got - truth).abs() < 1e-8, "{got} {truth}");
        near(at("{form: tai_seconds, card: TAI}", 0.0), 52_931.200_246_643_52);
        // astropy 6: Time('2018-08-01T19:23:13.540', scale='utc').tai.mjd = 58331.808223842592
        let start = 58_331.808_223_842_59;
        near(at("{form: iso_utc, card: DATE-OBS, clock_card: UTSTART}", 0.0), start);
        near(
            at("{form: iso_utc, card: DATE-OBS, clock_card: UTSTART}", 100.0),
            start + 50.0 / 86_400.0,
        );
        near(
            at("{form: iso_utc, card: DATE-OBS, clock_card: UTSTART, at: end}", 100.0),
            start - 50.0 / 86_400.0,
        );
        near(
            at("{form: iso_tai, card: DATE-OBS, clock_card: UTSTART}", 0.0),
            start - 37.0 / 86_400.0,
        );
        near(at("{form: mjd_utc, card: MJD}", 0.0), 58_331.0 + 37.0 / 86_400.0);
        near(
            at("{form: mjd_tai, card: NOPE, otherwise: {form: mjd_tai, card: MJD}}", 0.0),
            58_331.0,
        );
        near(at("{form: mjd_tai, card: [ZERO, MJD]}", 0.0), 58_331.0);
        // astropy 6: Time('1998-12-31T19:23:13.540', scale='utc').tai.mjd
        near(at("{form: iso_utc, card: OLD, clock_card: UTSTART}", 0.0), 51_178.808_154_398_15);
        let word: TimeSpec = serde_yaml_ng::from_str("{form: iso_utc, card: WORD}").unwrap();
        assert!(word.middle(&header(), 0.0, "test", false).is_err());
        assert!(word.middle(&header(), 0.0, "test", true).unwrap().is_none());
    }
}
