//! Factors between units, for IN_UNIT (ADQL 2.1, section 4.9).
//!
//! - input: VOUnit texts such as `deg`, `nJy`, `mas/yr`, `m.s**-1`
//! - covers the units of the tables that the house writes, with SI prefixes, products, quotients and
//!   whole powers; magnitudes convert only to themselves

/// Kinds of quantity; a unit is a product of their powers.
const KINDS: [&str; 8] =
    ["angle", "time", "length", "flux", "pixel", "count", "magnitude", "energy"];

/// Name, kind, factor to the kind's base, whether SI prefixes go before it.
const BASE: &[(&str, usize, f64, bool)] = &[
    ("rad", 0, 1.0, true),
    ("deg", 0, std::f64::consts::PI / 180.0, false),
    ("arcmin", 0, std::f64::consts::PI / 10_800.0, false),
    ("arcsec", 0, std::f64::consts::PI / 648_000.0, true),
    ("as", 0, std::f64::consts::PI / 648_000.0, true),
    ("s", 1, 1.0, true),
    ("min", 1, 60.0, false),
    ("h", 1, 3_600.0, false),
    ("d", 1, 86_400.0, false),
    ("a", 1, 31_557_600.0, true),
    ("yr", 1, 31_557_600.0, true),
    // One over time: `read` turns its power round.
    ("Hz", 1, 1.0, true),
    ("m", 2, 1.0, true),
    ("Angstrom", 2, 1e-10, false),
    ("angstrom", 2, 1e-10, false),
    ("AU", 2, 149_597_870_700.0, false),
    ("pc", 2, 3.085_677_581_491_367e16, true),
    ("Jy", 3, 1.0, true),
    ("pixel", 4, 1.0, false),
    ("pix", 4, 1.0, false),
    ("adu", 5, 1.0, false),
    ("count", 5, 1.0, false),
    ("ct", 5, 1.0, false),
    ("electron", 5, 1.0, false),
    ("mag", 6, 1.0, true),
    ("J", 7, 1.0, true),
    ("eV", 7, 1.602_176_634e-19, true),
    ("erg", 7, 1e-7, false),
];

const PREFIXES: &[(&str, f64)] = &[
    ("da", 1e1),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("c", 1e-2),
    ("d", 1e-1),
    ("p", 1e-12),
    ("f", 1e-15),
    ("h", 1e2),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
];

type Powers = [i32; KINDS.len()];

/// Factor and powers of one word.
fn word(text: &str) -> Option<(f64, usize)> {
    if let Some(u) = BASE.iter().find(|u| u.0 == text) {
        return Some((u.2, u.1));
    }
    PREFIXES.iter().find_map(|(prefix, scale)| {
        let rest = text.strip_prefix(prefix)?;
        BASE.iter().find(|u| u.3 && u.0 == rest).map(|u| (scale * u.2, u.1))
    })
}

/// Factor and powers of a unit.
fn read(unit: &str) -> Option<(f64, Powers)> {
    let (mut factor, mut powers) = (1.0, Powers::default());
    let text = unit.replace("**", "^").replace(['*', ' '], ".");
    for (k, part) in text.split('/').enumerate() {
        for term in part.trim_matches(['(', ')', '.']).split('.').filter(|t| !t.is_empty()) {
            if term == "1" {
                continue;
            }
            let (name, power) = match term.split_once('^') {
                Some((name, p)) => (name, p.parse::<i32>().ok().filter(|p| p.abs() <= 9)?),
                None => (term, 1),
            };
            let power = if k == 0 { power } else { -power };
            let (scale, kind) = word(name)?;
            if kind == 1 && name.ends_with("Hz") {
                factor *= scale.powi(power);
                powers[1] -= power;
                continue;
            }
            factor *= scale.powi(power);
            powers[kind] += power;
        }
    }
    Some((factor, powers))
}

/// What a value in `from` is multiplied by to be in `to`; the reason when it cannot be.
pub(crate) fn factor(from: &str, to: &str) -> Result<f64, String> {
    if from.is_empty() || to.is_empty() {
        return Err("a value without a unit is not converted".into());
    }
    if from == to {
        return Ok(1.0);
    }
    let known = |u: &str| read(u).ok_or_else(|| format!("the unit `{u}` is not known here"));
    let (a, pa) = known(from)?;
    let (b, pb) = known(to)?;
    if pa != pb {
        return Err(format!("`{from}` cannot be converted to `{to}`"));
    }
    Ok(a / b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert() {
        for (from, to, expected) in [
            ("deg", "arcsec", 3600.0),
            ("nJy", "uJy", 1e-3),
            ("mas/yr", "deg/yr", 1.0 / 3.6e6),
            ("pixel**2", "pix**2", 1.0),
            ("d", "s", 86_400.0),
            ("m.s**-1", "km/s", 1e-3),
            ("deg**2", "arcmin**2", 3600.0),
            ("nm", "Angstrom", 10.0),
            ("kHz", "s**-1", 1e3),
        ] {
            let got = factor(from, to).unwrap();
            assert!((got / expected - 1.0).abs() < 1e-12, "{from} to {to}: {got}");
        }
        for (from, to) in [("deg", "s"), ("parrot", "s"), ("", "deg"), ("mag", "nJy")] {
            assert!(factor(from, to).is_err(), "{from} {to}");
        }
    }
}
