//! Reading world coordinates from a header's cards.
//!
//! - CD, or PC with CDELT, or CDELT with CROTA; CUNIT deg, arcmin, arcsec or rad
//! - SIP counts wherever A_ORDER is there, with or without `-SIP` in CTYPE; then PV is left aside
//! - TAN with PV terms that only SCAMP writes (any of PV2_m, or PV1_0, or PV1_m with m > 4) is TPV
//! - differs from the standard: CRVAL and CRPIX must be there, since a frame without them is
//!   one that was never solved

use crate::cards::CardLookup;
use crate::distortion::{Distortion, SIP_ORDER_MAX, Sip, SipInverse, TPV_MAX, Term, Tpv};
use crate::error::WcsError;
use crate::frame::Frame;
use crate::projection::Projection;
use crate::wcs::{Wcs, WcsParts};

impl Wcs {
    /// Read the celestial axes 1 and 2 of a header. 1-based CRPIX becomes 0-based here.
    pub fn from_cards(cards: &dyn CardLookup) -> Result<Wcs, WcsError> {
        let cards = Cards(cards);
        let axes = cards.axes()?;
        let (lon, lat) = (axes.lon, axes.lat);
        let unit = |axis: usize| cards.unit_in_deg(axis);
        let units = [unit(lon)?, unit(lat)?];
        let crval_deg = [
            cards.required(&format!("CRVAL{lon}"))? * units[0],
            cards.required(&format!("CRVAL{lat}"))? * units[1],
        ];
        let crpix0 = [cards.required("CRPIX1")? - 1.0, cards.required("CRPIX2")? - 1.0];
        let matrix = cards.matrix(lon, lat)?;
        let cd_deg = [0, 1].map(|k| matrix[axes.order()[k] - 1].map(|v| v * units[k]));
        let (projection, distortion) = cards.projection(&axes)?;
        let default_lonpole = if crval_deg[1] >= projection.theta0_deg() { 0.0 } else { 180.0 };
        let pv = |m: usize| -> Result<Option<f64>, WcsError> {
            // On TAN these are distortion terms, or leftovers of one beside SIP.
            if projection == Projection::Tan && distortion != Distortion::None {
                return Ok(None);
            }
            cards.number(&format!("PV{lon}_{m}"))
        };
        let lonpole = pv(3)?.or(cards.number("LONPOLE")?).unwrap_or(default_lonpole);
        let latpole = pv(4)?.or(cards.number("LATPOLE")?).unwrap_or(90.0);
        let theta0 = projection.theta0_deg();
        for (m, default) in [(1, 0.0), (2, theta0)] {
            if let Some(value) = pv(m)?
                && value != default
            {
                return Err(WcsError::BadValue {
                    key: format!("PV{lon}_{m}"),
                    value: value.to_string(),
                    why: "a moved fiducial point is not supported",
                });
            }
        }
        Wcs::from_parts(WcsParts {
            crval_deg,
            crpix0,
            cd_deg,
            projection,
            lonpole_deg: lonpole,
            latpole_deg: latpole,
            frame: cards.frame(axes.galactic)?,
            distortion,
            latitude_first: lat == 1,
            size_px: cards.size(),
        })
    }
}

/// Which header axis (1 or 2) is which, and the projection's code.
struct Axes {
    lon: usize,
    lat: usize,
    galactic: bool,
    code: String,
}

impl Axes {
    fn order(&self) -> [usize; 2] {
        [self.lon, self.lat]
    }
}

struct Cards<'a>(&'a dyn CardLookup);

impl Cards<'_> {
    /// A finite number, if the card is there.
    fn number(&self, key: &str) -> Result<Option<f64>, WcsError> {
        match self.0.number(key) {
            Some(v) if !v.is_finite() => Err(WcsError::BadValue {
                key: key.into(),
                value: v.to_string(),
                why: "not a finite number",
            }),
            found => Ok(found),
        }
    }

    fn required(&self, key: &str) -> Result<f64, WcsError> {
        self.number(key)?.ok_or_else(|| match self.0.text(key) {
            Some(value) if !value.is_empty() => {
                WcsError::BadValue { key: key.into(), value, why: "not a number" }
            }
            _ => WcsError::MissingKeyword { key: key.into() },
        })
    }

    fn axes(&self) -> Result<Axes, WcsError> {
        let ctype = |key: &str| {
            let text = self.0.text(key).map(|t| t.trim().to_ascii_uppercase());
            text.filter(|t| !t.is_empty())
                .ok_or_else(|| WcsError::MissingKeyword { key: key.to_string() })
        };
        let (ctype1, ctype2) = (ctype("CTYPE1")?, ctype("CTYPE2")?);
        let split = |c: &str| {
            let (name, rest) = c.split_once('-').unwrap_or((c, ""));
            let code = rest.trim_start_matches('-');
            let code = code.strip_suffix("-SIP").unwrap_or(code);
            (name.to_string(), code.to_string())
        };
        let ((name1, code1), (name2, code2)) = (split(&ctype1), split(&ctype2));
        let (lon, lat, galactic) = match (name1.as_str(), name2.as_str()) {
            ("RA", "DEC") => (1, 2, false),
            ("DEC", "RA") => (2, 1, false),
            ("GLON", "GLAT") => (1, 2, true),
            ("GLAT", "GLON") => (2, 1, true),
            ("ELON" | "ELAT" | "SLON" | "SLAT" | "HLON" | "HLAT", _) => {
                return Err(WcsError::UnsupportedFrame { frame: format!("{ctype1}, {ctype2}") });
            }
            _ => return Err(WcsError::MismatchedAxes { ctype1, ctype2 }),
        };
        if code1 != code2 {
            return Err(WcsError::MismatchedAxes { ctype1, ctype2 });
        }
        if code1.is_empty() {
            return Err(WcsError::UnknownProjection { ctype: ctype1 });
        }
        Ok(Axes { lon, lat, galactic, code: code1 })
    }

    fn unit_in_deg(&self, axis: usize) -> Result<f64, WcsError> {
        let key = format!("CUNIT{axis}");
        let text = self.0.text(&key).unwrap_or_default();
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "deg" | "degree" | "degrees" => Ok(1.0),
            "arcmin" => Ok(1.0 / 60.0),
            "arcsec" => Ok(1.0 / 3600.0),
            "rad" => Ok(180.0 / std::f64::consts::PI),
            _ => Err(WcsError::BadValue { key, value: text, why: "not a unit of angle" }),
        }
    }

    /// The matrix in the header's own axis order and units.
    fn matrix(&self, lon: usize, lat: usize) -> Result<[[f64; 2]; 2], WcsError> {
        let read = |name: &str, defaults: [[f64; 2]; 2]| -> Result<_, WcsError> {
            let (mut m, mut any) = (defaults, false);
            for (i, row) in m.iter_mut().enumerate() {
                for (j, element) in row.iter_mut().enumerate() {
                    if let Some(v) = self.number(&format!("{name}{}_{}", i + 1, j + 1))? {
                        (*element, any) = (v, true);
                    }
                }
            }
            Ok((m, any))
        };
        if let (cd, true) = read("CD", [[0.0; 2]; 2])? {
            return Ok(cd);
        }
        let cdelt = [self.number("CDELT1")?, self.number("CDELT2")?];
        let (mut pc, any_pc) = read("PC", [[1.0, 0.0], [0.0, 1.0]])?;
        if !any_pc && cdelt.iter().any(Option::is_none) {
            return Err(WcsError::MissingKeyword { key: "CD1_1 (or CDELT1 and CDELT2)".into() });
        }
        let cdelt = cdelt.map(|v| v.unwrap_or(1.0));
        if !any_pc {
            let angle = self.number(&format!("CROTA{lat}"))?.unwrap_or(0.0);
            let (s, c) = angle.to_radians().sin_cos();
            let (x, y) = (lon - 1, lat - 1);
            pc[x][x] = c;
            pc[y][y] = c;
            pc[x][y] = -s * cdelt[y] / cdelt[x];
            pc[y][x] = s * cdelt[x] / cdelt[y];
        }
        Ok([pc[0].map(|v| v * cdelt[0]), pc[1].map(|v| v * cdelt[1])])
    }

    fn projection(&self, axes: &Axes) -> Result<(Projection, Distortion), WcsError> {
        let lat_pv = |m: usize| self.number(&format!("PV{}_{m}", axes.lat));
        let projection = match axes.code.as_str() {
            "TAN" | "TPV" => Projection::Tan,
            "SIN" => {
                Projection::Sin { xi: lat_pv(1)?.unwrap_or(0.0), eta: lat_pv(2)?.unwrap_or(0.0) }
            }
            "ARC" => Projection::Arc,
            "ZEA" => Projection::Zea,
            "STG" => Projection::Stg,
            "CAR" => Projection::Car,
            "AIT" => Projection::Ait,
            "MOL" => Projection::Mol,
            "HPX" => {
                let (h, k) = (lat_pv(1)?.unwrap_or(4.0), lat_pv(2)?.unwrap_or(3.0));
                for (m, value) in [(1, h), (2, k)] {
                    if !(1.0..=1000.0).contains(&value) || value.fract() != 0.0 {
                        return Err(WcsError::BadValue {
                            key: format!("PV{}_{m}", axes.lat),
                            value: value.to_string(),
                            why: "H and K of HPX are whole numbers from 1",
                        });
                    }
                }
                Projection::Hpx { h: h as u32, k: k as u32 }
            }
            other => return Err(WcsError::UnknownProjection { ctype: other.to_string() }),
        };
        if let Some(sip) = self.sip()? {
            return Ok((projection, Distortion::Sip(sip)));
        }
        let tpv = if projection == Projection::Tan { self.tpv(axes)? } else { None };
        Ok((projection, tpv.map_or(Distortion::None, Distortion::Tpv)))
    }

    fn order(&self, key: &str) -> Result<Option<usize>, WcsError> {
        let Some(value) = self.number(key)? else { return Ok(None) };
        if value.fract() != 0.0 || !(0.0..=SIP_ORDER_MAX as f64).contains(&value) {
            return Err(WcsError::BadValue {
                key: key.into(),
                value: value.to_string(),
                why: "the order of SIP is a whole number from 0 to 9",
            });
        }
        Ok(Some(value as usize))
    }

    fn terms(&self, name: &str, order: usize) -> Result<Vec<Term>, WcsError> {
        let mut out = Vec::new();
        for i in 0..=order {
            for j in 0..=order - i {
                if let Some(c) = self.number(&format!("{name}_{i}_{j}"))?
                    && c != 0.0
                {
                    out.push(((i, j), c));
                }
            }
        }
        Ok(out)
    }

    fn sip(&self) -> Result<Option<Sip>, WcsError> {
        let (a, b) = match (self.order("A_ORDER")?, self.order("B_ORDER")?) {
            (None, None) => return Ok(None),
            (Some(a), Some(b)) => (a, b),
            (None, _) => return Err(WcsError::MissingKeyword { key: "A_ORDER".into() }),
            (_, None) => return Err(WcsError::MissingKeyword { key: "B_ORDER".into() }),
        };
        let inverse = match (self.order("AP_ORDER")?, self.order("BP_ORDER")?) {
            (Some(ap), Some(bp)) => Some(SipInverse {
                order: ap.max(bp),
                ap: self.terms("AP", ap)?,
                bp: self.terms("BP", bp)?,
            }),
            _ => None,
        };
        let sip = Sip { order: a.max(b), a: self.terms("A", a)?, b: self.terms("B", b)?, inverse };
        Ok(Some(sip))
    }

    fn tpv(&self, axes: &Axes) -> Result<Option<Tpv>, WcsError> {
        let read = |axis: usize| -> Result<Vec<(usize, f64)>, WcsError> {
            let mut out = Vec::new();
            for m in 0..=TPV_MAX {
                if let Some(v) = self.number(&format!("PV{axis}_{m}"))? {
                    out.push((m, v));
                }
            }
            Ok(out)
        };
        let (mut xi, mut eta) = (read(axes.lon)?, read(axes.lat)?);
        let scamp = !eta.is_empty() || xi.iter().any(|&(m, _)| m == 0 || m > 4);
        if !(axes.code == "TPV" || scamp) {
            return Ok(None);
        }
        for list in [&mut xi, &mut eta] {
            if !list.iter().any(|&(m, _)| m == 1) {
                list.push((1, 1.0));
            }
            list.retain(|&(_, v)| v != 0.0);
        }
        Ok(Some(Tpv { xi, eta }))
    }

    fn frame(&self, galactic: bool) -> Result<Frame, WcsError> {
        if galactic {
            return Ok(Frame::Galactic);
        }
        let equinox = match self.number("EQUINOX")?.or(self.number("EPOCH")?) {
            Some(v) => Some(v),
            None => self.0.text("EQUINOX").and_then(|t| t.trim_start_matches('J').parse().ok()),
        };
        let system = self.0.text("RADESYS").or_else(|| self.0.text("RADECSYS"));
        let system = system.map(|s| s.trim().to_ascii_uppercase()).filter(|s| !s.is_empty());
        match system.as_deref() {
            Some("ICRS") => Ok(Frame::Icrs),
            Some("FK5") => Ok(Frame::Fk5 { equinox: equinox.unwrap_or(2000.0) }),
            None => match equinox {
                None => Ok(Frame::Icrs),
                Some(e) if e >= 1984.0 => Ok(Frame::Fk5 { equinox: e }),
                Some(e) => Err(WcsError::UnsupportedFrame { frame: format!("FK4, EQUINOX {e}") }),
            },
            Some(other) => Err(WcsError::UnsupportedFrame { frame: other.to_string() }),
        }
    }

    /// Width and height of the image; of a tile-compressed one, those before compression.
    fn size(&self) -> Option<[f64; 2]> {
        let pair = |a, b| Some([self.0.number(a)?, self.0.number(b)?]);
        pair("ZNAXIS1", "ZNAXIS2")
            .or_else(|| pair("NAXIS1", "NAXIS2"))
            .filter(|s| s.iter().all(|v| *v >= 1.0 && v.is_finite()))
    }
}
