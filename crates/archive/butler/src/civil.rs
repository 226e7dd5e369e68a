//! Dates for people: from days and nanoseconds to the civil calendar.
//!
//! - source: the count of days in 400-year cycles that begin on 1 March, after H. Hinnant,
//!   "chrono-compatible low-level date algorithms"

use crate::collection::ns_to_mjd;
use elqui_base::mjd_utc_to_tai;

/// Year, month and day of a whole MJD.
pub fn civil_date(mjd: i64) -> (i64, i64, i64) {
    // Days since 0000-03-01; MJD 0 is 1858-11-17.
    let z = mjd + 678_881;
    let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + 400 * era + i64::from(month <= 2), month, date)
}

/// Nanoseconds of TAI since 1970 as ISO 8601 in UTC, to the nearest second: `2026-11-23T18:31:37Z`.
pub fn ns_to_iso_utc(ns: i64) -> String {
    let tai = ns_to_mjd(ns).0;
    // The leap seconds of a moment some seconds off are those of this one, but for the leap itself.
    let offset_days = mjd_utc_to_tai(tai).0 - tai;
    let nearest = ns.saturating_add(500_000_000).div_euclid(1_000_000_000);
    let seconds = nearest - (offset_days * 86_400.0).round() as i64;
    let (y, m, d) = civil_date(40_587 + seconds.div_euclid(86_400));
    let s = seconds.rem_euclid(86_400);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collection::mjd_to_ns;
    use elqui_base::parse_iso_utc;

    #[test]
    fn dates_come_back() {
        assert_eq!(civil_date(0), (1858, 11, 17));
        assert_eq!(civil_date(51_603), (2000, 2, 29));
        assert_eq!(civil_date(51_604), (2000, 3, 1));
        for text in ["2026-11-23T18:31:37Z", "1999-12-31T23:59:59Z", "2024-02-29T00:00:00Z"] {
            assert_eq!(ns_to_iso_utc(mjd_to_ns(parse_iso_utc(text).unwrap())), text);
        }
    }
}
