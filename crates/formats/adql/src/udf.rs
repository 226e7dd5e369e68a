//! What user-defined functions mean, where that is no matter of the sky: texts, intervals, angles in
//! sexagesimal notation, histograms.
//!
//! - source: the IVOA's catalogue of ADQL user-defined functions 1.2, whose examples are the tests
//! - for engines to wrap; NULL is `None`

use std::cmp::Ordering;

/// `ivo_hasword(haystack, needle)`: whether all words of the needle are in the haystack. Words are
/// runs of letters and digits, compared without capitals and without stemming.
pub fn hasword(haystack: &str, needle: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        parts.filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
    };
    let held = words(haystack);
    words(needle).iter().all(|w| held.contains(w))
}

/// `ivo_hashlist_has(list, item)`: whether a list of words, separated by `#`, has one; without capitals.
pub fn hashlist_has(list: &str, item: &str) -> bool {
    let item = item.to_lowercase();
    !item.contains('#') && list.split('#').any(|w| w.to_lowercase() == item)
}

/// `ivo_nocasecmp(a, b)` of RegTAP's drafts: whether two texts are one without capitals.
pub fn nocasecmp(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// `ivo_interval_overlaps(a1, b1, a2, b2)`: ends count; an interval whose ends are turned around is empty.
pub fn interval_overlaps(a1: f64, b1: f64, a2: f64, b2: f64) -> bool {
    a1 <= b1 && a2 <= b2 && a1 <= b2 && a2 <= b1
}

/// `ivo_hms_to_degrees`: hours, minutes, seconds (`h:m:s`, `hhmmss`, `hHmMsS`) in degrees.
pub fn hms_to_degrees(text: &str) -> Option<f64> {
    let (negative, value) = sexagesimal(text, 'h', 24.0)?;
    (!negative).then_some(15.0 * value)
}

/// `ivo_dms_to_degrees`: degrees, minutes, seconds (`d:m:s`, `ddmmss`, `dDmMsS`), with or without a sign.
pub fn dms_to_degrees(text: &str) -> Option<f64> {
    let (negative, value) = sexagesimal(text, 'd', 360.0)?;
    Some(if negative { -value } else { value })
}

/// The sign, and the value in the unit of the first part, at most `most`.
fn sexagesimal(text: &str, letter: char, most: f64) -> Option<(bool, f64)> {
    let text = text.trim().to_ascii_lowercase();
    let (negative, body) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text.as_str()),
    };
    let parts: Vec<&str> = if body.contains(':') {
        body.split(':').collect()
    } else if let Some((first, rest)) = body.split_once(letter) {
        let (minutes, seconds) = rest.split_once('m')?;
        vec![first, minutes, seconds.strip_suffix('s')?]
    } else {
        let whole = body.find('.').unwrap_or(body.len());
        let first = whole.checked_sub(4).filter(|n| *n > 0)?;
        vec![body.get(..first)?, body.get(first..first + 2)?, body.get(first + 2..)?]
    };
    let [first, minutes, seconds] = parts.as_slice() else { return None };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let decimal = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if !(digits(first) && digits(minutes) && decimal(seconds)) {
        return None;
    }
    let (first, minutes, seconds): (f64, f64, f64) =
        (first.parse().ok()?, minutes.parse().ok()?, seconds.parse().ok()?);
    let value = first + minutes / 60.0 + seconds / 3600.0;
    (minutes < 60.0 && seconds < 60.0 && value <= most).then_some((negative, value))
}

/// `ivo_histogram(value, lower, upper, bins)`: counts below, in each bin, above. Histograms of parts of
/// the rows are [`Histogram::merge`]d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// Below, bins, above.
    pub counts: Vec<i64>,
}

/// Bins of a histogram, at most.
pub const HISTOGRAM_BINS_MAX: usize = 1_000_000;

impl Histogram {
    /// `None` where there are no bins, or more than [`HISTOGRAM_BINS_MAX`].
    pub fn new(bins: i64) -> Option<Self> {
        let bins = usize::try_from(bins).ok().filter(|b| (1..=HISTOGRAM_BINS_MAX).contains(b))?;
        Some(Self { counts: vec![0; bins + 2] })
    }

    /// Count a value. NULL and NaN count as below; a value at the upper limit as above, since bins hold
    /// their lower edges.
    pub fn add(&mut self, value: Option<f64>, lower: f64, upper: f64) {
        let bins = self.counts.len() - 2;
        let value = value.unwrap_or(f64::NAN);
        let bin = match (value.partial_cmp(&lower), value.partial_cmp(&upper)) {
            (Some(Ordering::Greater | Ordering::Equal), Some(Ordering::Less)) => {
                let fraction = (value - lower) / (upper - lower);
                1 + ((fraction * bins as f64) as usize).min(bins - 1)
            }
            (Some(Ordering::Greater | Ordering::Equal), Some(_)) => bins + 1,
            _ => 0,
        };
        self.counts[bin] += 1;
    }

    /// Add the counts of another one of as many bins; false where the numbers of bins differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let fits = self.counts.len() == other.counts.len();
        if fits {
            self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += b);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_texts() {
        assert!(hasword("Miller and Urey have", "miller"));
        assert!(!hasword("shown that a primordial", "soup"));
        assert!(hasword("shown that a primordial", "shown primordial"));
        assert!(!hasword("shown that a primordial", "shown soup"));
        assert!(hasword("anything", "") && !hasword("", "x"));
        assert!(hasword("das Öl", "öl"));
        assert!(hashlist_has("red#green#blue", "red") && hashlist_has("Red#green#blue", "red"));
        assert!(!hashlist_has("red#green#blue", "re"));
        assert!(!hashlist_has("red#green#blue", "red#green"));
        assert!(nocasecmp("SkyView", "skyview") && !nocasecmp("a", "b"));
    }

    #[test]
    fn examples_of_intervals() {
        assert!(!interval_overlaps(-3.0, -2.0, 2.0, 3.0));
        assert!(interval_overlaps(-2.0, 55.3, 2.0, 3.0));
        assert!(interval_overlaps(2.0, 3.0, -2.0, 55.3));
        assert!(!interval_overlaps(-2.0, 55.3, 3.0, 2.0));
        assert!(interval_overlaps(-2.0, 2.0, 2.0, 3.0));
        assert!(!interval_overlaps(f64::NAN, 2.0, 2.0, 3.0));
    }

    #[test]
    fn examples_of_angles() {
        let near = |a: Option<f64>, b: f64| assert!((a.unwrap() - b).abs() < 5e-8, "{a:?} {b}");
        for text in ["3:34:45.4", "3h34m45.4s", "3H34M45.4S", "033445.4", "33445.4"] {
            near(hms_to_degrees(text), 53.6891667);
        }
        for text in ["42:9:6.768", "42d9m6.768s", "42D9M6.768S", "+420906.768"] {
            near(dms_to_degrees(text), 42.15188);
        }
        for text in ["-00:15:00", "-0d15m0s", "-001500"] {
            near(dms_to_degrees(text), -0.25);
        }
        near(dms_to_degrees("+0d15m0s"), 0.25);
        for bad in [
            "", "x", "1:2", "1:60:00", "1:2:3:4", "12h3m", "1.5:2:3", "-", "é:1:2", "1:-2:3",
            "inf:1:1", "1500", "1:2:1e1",
        ] {
            assert_eq!(dms_to_degrees(bad), None, "{bad}");
            assert_eq!(hms_to_degrees(bad), None, "{bad}");
        }
        assert_eq!(hms_to_degrees("-1:00:00"), None);
        assert_eq!(hms_to_degrees("25:00:00"), None);
    }

    #[test]
    fn histograms_count_every_row_once() {
        let mut all = Histogram::new(5).unwrap();
        let values = [
            None,
            Some(f64::NAN),
            Some(2.9),
            Some(3.0),
            Some(3.39),
            Some(3.41),
            Some(4.999),
            Some(5.0),
            Some(1e300),
        ];
        values.iter().for_each(|v| all.add(*v, 3.0, 5.0));
        assert_eq!(all.counts, [3, 2, 1, 0, 0, 1, 2]);
        let (mut a, mut b) = (Histogram::new(5).unwrap(), Histogram::new(5).unwrap());
        values[..4].iter().for_each(|v| a.add(*v, 3.0, 5.0));
        values[4..].iter().for_each(|v| b.add(*v, 3.0, 5.0));
        assert!(a.merge(&b) && a == all);
        assert!(!a.merge(&Histogram::new(4).unwrap()));
        for bins in [0, -1, i64::MIN, i64::MAX, 1_000_001] {
            assert_eq!(Histogram::new(bins), None);
        }
        // Limits turned around or not finite: nothing is inside.
        let mut odd = Histogram::new(2).unwrap();
        odd.add(Some(1.0), 2.0, 0.0);
        odd.add(Some(1.0), f64::NAN, 5.0);
        assert_eq!(odd.counts.iter().sum::<i64>(), 2);
    }
}
