//! Distortions: how pixels become intermediate world coordinates (degrees).
//!
//! - SIP: polynomials on the pixel offset from CRPIX, before the matrix (Shupe et al. 2005)
//! - TPV: polynomials with odd powers of the radius, after the matrix; also SCAMP's PV on TAN
//! - pixel polynomial: one polynomial from pixels straight to degrees, as the fits of the LSST
//!   pipelines give it; it takes the place of the matrix

use crate::error::WcsError;
use crate::horner::PolyPair;
use elqui_base::{Polynomial2d, term_count};
use serde::{Deserialize, Serialize};

/// Powers of u and v, and the coefficient.
pub type Term = ((usize, usize), f64);

/// How an image departs from its linear map. Degrees and pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub enum Distortion {
    #[default]
    None,
    Sip(Sip),
    Tpv(Tpv),
    /// Intermediate world coordinates (deg) from 0-based pixels; both of one scaling.
    PixelPolynomial {
        xi: Polynomial2d,
        eta: Polynomial2d,
    },
}

/// u' = u + A(u, v), v' = v + B(u, v), with (u, v) the offset from CRPIX in pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Sip {
    pub order: usize,
    pub a: Vec<Term>,
    pub b: Vec<Term>,
    #[serde(default)]
    pub inverse: Option<SipInverse>,
}

/// u = u' + AP(u', v'): an approximation, used as the first guess of the exact inverse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct SipInverse {
    pub order: usize,
    pub ap: Vec<Term>,
    pub bp: Vec<Term>,
}

/// Coefficients PV1_m (`xi`) and PV2_m (`eta`) by m, 0 to 39.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Tpv {
    pub xi: Vec<(usize, f64)>,
    pub eta: Vec<(usize, f64)>,
}

/// Largest m of TPV, and largest order of SIP that its keywords can hold.
pub(crate) const TPV_MAX: usize = 39;
pub(crate) const SIP_ORDER_MAX: usize = 9;

/// What a TPV index multiplies.
enum TpvTerm {
    /// x^i y^j (for the second axis y^i x^j)
    Power(usize, usize),
    /// r^(2 n + 1)
    Radius(usize),
}

fn tpv_term(m: usize) -> TpvTerm {
    match m {
        3 => TpvTerm::Radius(0),
        11 => TpvTerm::Radius(1),
        23 => TpvTerm::Radius(2),
        39 => TpvTerm::Radius(3),
        _ => {
            // Terms of total degree d are d + 1 in a row; a radius follows each odd degree.
            let (mut degree, mut first) = (0, 0);
            while m > first + degree {
                first += degree + 1 + degree % 2;
                degree += 1;
            }
            TpvTerm::Power(degree - (m - first), m - first)
        }
    }
}

/// A distortion made ready for evaluation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Live {
    None,
    Sip { forward: PolyPair, inverse: Option<PolyPair> },
    Tpv { powers: PolyPair, radii: Option<[[f64; 2]; 4]> },
    Map { poly: PolyPair, center: [f64; 2], scale: [f64; 2] },
}

impl Live {
    pub fn new(distortion: &Distortion) -> Result<Self, WcsError> {
        let bad = |why| Err(WcsError::Polynomial { why });
        match distortion {
            Distortion::None => Ok(Live::None),
            Distortion::Sip(sip) => {
                check_terms(sip.order, [&sip.a, &sip.b])?;
                if let Some(i) = &sip.inverse {
                    check_terms(i.order, [&i.ap, &i.bp])?;
                }
                Ok(Live::Sip {
                    forward: PolyPair::new(sip.order, [&sip.a, &sip.b]),
                    inverse: sip.inverse.as_ref().map(|i| PolyPair::new(i.order, [&i.ap, &i.bp])),
                })
            }
            Distortion::Tpv(tpv) => {
                let (mut terms, mut radii) = ([Vec::new(), Vec::new()], [[0.0; 2]; 4]);
                let mut degree = 0;
                for (axis, list) in [&tpv.xi, &tpv.eta].into_iter().enumerate() {
                    for &(m, value) in list {
                        if m > TPV_MAX || !value.is_finite() {
                            return bad("a PV coefficient is not finite or beyond index 39");
                        }
                        if value == 0.0 {
                            continue;
                        }
                        match tpv_term(m) {
                            TpvTerm::Radius(n) => radii[n][axis] += value,
                            TpvTerm::Power(i, j) => {
                                degree = degree.max(i + j);
                                let powers = if axis == 0 { (i, j) } else { (j, i) };
                                terms[axis].push((powers, value));
                            }
                        }
                    }
                }
                let powers = PolyPair::new(degree, [&terms[0], &terms[1]]);
                let any = radii.iter().flatten().any(|&v| v != 0.0);
                Ok(Live::Tpv { powers, radii: any.then_some(radii) })
            }
            Distortion::PixelPolynomial { xi, eta } => {
                if xi.center != eta.center || xi.scale != eta.scale {
                    return bad("the two pixel polynomials have different scalings");
                }
                let terms = [polynomial_terms(xi)?, polynomial_terms(eta)?];
                let degree = xi.degree.max(eta.degree);
                let poly = PolyPair::new(degree, [&terms[0], &terms[1]]);
                Ok(Live::Map { poly, center: xi.center, scale: xi.scale })
            }
        }
    }
}

fn check_terms(order: usize, lists: [&[Term]; 2]) -> Result<(), WcsError> {
    let bad = |why| Err(WcsError::Polynomial { why });
    if order > SIP_ORDER_MAX {
        return bad("SIP order is above 9");
    }
    for ((i, j), value) in lists.into_iter().flatten() {
        if i + j > order {
            return bad("a SIP term is of a higher order than the polynomial");
        }
        if !value.is_finite() {
            return bad("a SIP coefficient is not finite");
        }
    }
    Ok(())
}

/// The terms of a scaled polynomial, in its own scaled variables.
pub(crate) fn polynomial_terms(p: &Polynomial2d) -> Result<Vec<Term>, WcsError> {
    let usable = p.coefficients.len() == term_count(p.degree)
        && p.coefficients.iter().chain(&p.center).chain(&p.scale).all(|v| v.is_finite())
        && p.scale.iter().all(|&s| s != 0.0);
    if !usable {
        return Err(WcsError::Polynomial { why: "a pixel polynomial is not finite or incomplete" });
    }
    let powers = (0..=p.degree).flat_map(|d| (0..=d).map(move |j| (d - j, j)));
    Ok(powers.zip(p.coefficients.iter().copied()).collect())
}

/// TPV: value and derivatives of the radial terms at (x, y).
#[inline]
pub(crate) fn radial(radii: &[[f64; 2]; 4], x: f64, y: f64) -> ([f64; 2], [f64; 2], [f64; 2]) {
    let r2 = x * x + y * y;
    let r = r2.sqrt();
    // Value, and (1/r) d/dr, of one axis. The linear radius has no derivative at the centre: 0.
    let axis = |k: usize| {
        let c = radii.map(|pair| pair[k]);
        let first = if r > 0.0 { c[0] / r } else { 0.0 };
        let value = r * (c[0] + r2 * (c[1] + r2 * (c[2] + r2 * c[3])));
        (value, first + r * (3.0 * c[1] + r2 * (5.0 * c[2] + 7.0 * r2 * c[3])))
    };
    let ((f, df), (g, dg)) = (axis(0), axis(1));
    ([f, g], [df * x, dg * x], [df * y, dg * y])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tpv_indices_are_those_of_the_convention() {
        let power = |m| match tpv_term(m) {
            TpvTerm::Power(i, j) => (i, j),
            TpvTerm::Radius(n) => (99, n),
        };
        let expected = [
            (0, (0, 0)),
            (1, (1, 0)),
            (2, (0, 1)),
            (3, (99, 0)),
            (4, (2, 0)),
            (7, (3, 0)),
            (10, (0, 3)),
            (11, (99, 1)),
            (12, (4, 0)),
            (16, (0, 4)),
            (17, (5, 0)),
            (22, (0, 5)),
            (23, (99, 2)),
            (24, (6, 0)),
            (31, (7, 0)),
            (38, (0, 7)),
            (39, (99, 3)),
        ];
        for (m, powers) in expected {
            assert_eq!(power(m), powers, "PV index {m}");
        }
    }
}
