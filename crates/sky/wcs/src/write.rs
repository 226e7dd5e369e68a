//! Writing world coordinates as a header's cards.
//!
//! The matrix goes out as CD, pixels as FITS's 1-based ones, SIP with an inverse AP, BP fitted
//! over the image where its size is known, TPV as PV. A pixel polynomial is a SIP written
//! otherwise: it is expanded about the pixel that maps to (0, 0), exactly but for rounding.

use crate::cards::CardValue;
use crate::distortion::{Distortion, SIP_ORDER_MAX, Sip, SipInverse, Term, Tpv, polynomial_terms};
use crate::frame::Frame;
use crate::projection::Projection;
use crate::wcs::{Wcs, WcsParts};
use elqui_base::{Polynomial2d, newton_2d};

impl Wcs {
    /// The cards that [`Wcs::from_cards`] reads back as this map.
    pub fn to_cards(&self) -> Vec<(String, CardValue)> {
        let as_sip = self.as_sip();
        let wcs = as_sip.as_ref().unwrap_or(self);
        let parts = wcs.parts();
        let sip = match &parts.distortion {
            Distortion::Sip(sip) => Some(sip),
            _ => None,
        };
        let tpv = match &parts.distortion {
            Distortion::Tpv(tpv) => Some(tpv),
            _ => None,
        };
        let mut out = Out { cards: Vec::new(), parts };
        out.frame_and_axes(sip.is_some(), tpv.is_some());
        if let Some(tpv) = tpv {
            out.tpv(tpv);
        } else {
            out.projection_parameters();
        }
        if let Some(sip) = sip {
            out.sip("A", sip.order, &sip.a);
            out.sip("B", sip.order, &sip.b);
            let fitted = wcs.fit_sip_inverse();
            if let Some(i) = fitted.as_ref().or(sip.inverse.as_ref()) {
                out.sip("AP", i.order, &i.ap);
                out.sip("BP", i.order, &i.bp);
            }
        }
        out.cards
    }

    /// AP, BP by least squares over the image, one order above A and B.
    fn fit_sip_inverse(&self) -> Option<SipInverse> {
        let (parts, [width, height]) = (self.parts(), self.parts().size_px?);
        let Distortion::Sip(sip) = &parts.distortion else { return None };
        let [cx, cy] = parts.crpix0;
        let forward = crate::horner::PolyPair::new(sip.order, [&sip.a, &sip.b]);
        let order = (sip.order + 1).clamp(2, SIP_ORDER_MAX);
        const N: usize = 24;
        let (mut points, mut du, mut dv) = (Vec::new(), Vec::new(), Vec::new());
        for k in 0..N * N {
            let at = |i: usize, size: f64| (size - 1.0) * i as f64 / (N - 1) as f64;
            let (u, v) = (at(k % N, width) - cx, at(k / N, height) - cy);
            let d = forward.eval(u, v);
            points.push([u + d[0], v + d[1]]);
            du.push(-d[0]);
            dv.push(-d[1]);
        }
        let largest = |k: usize| points.iter().fold(1.0_f64, |m, p| m.max(p[k].abs()));
        let scale = [1.0 / largest(0), 1.0 / largest(1)];
        let sigmas = vec![1.0; points.len()];
        let fit = |values: &[f64]| -> Option<Vec<Term>> {
            let (p, _) =
                Polynomial2d::fit(order, ([0.0; 2], scale), &points, values, &sigmas).ok()?;
            let unscaled = polynomial_terms(&p)
                .ok()?
                .into_iter()
                .map(|((i, j), c)| ((i, j), c * scale[0].powi(i as i32) * scale[1].powi(j as i32)));
            Some(unscaled.collect())
        };
        Some(SipInverse { order, ap: fit(&du)?, bp: fit(&dv)? })
    }

    /// A pixel polynomial as a TAN-SIP map; `None` for other distortions, or when no pixel maps
    /// to the reference point.
    fn as_sip(&self) -> Option<Wcs> {
        let parts = self.parts();
        let Distortion::PixelPolynomial { xi, eta } = &parts.distortion else { return None };
        if xi.degree.max(eta.degree) > SIP_ORDER_MAX {
            return None;
        }
        let f = |x: f64, y: f64| {
            let (a, ax, ay) = xi.eval_with_gradient(x, y);
            let (b, bx, by) = eta.eval_with_gradient(x, y);
            ([a, b], [[ax, ay], [bx, by]])
        };
        let [x0, y0] = newton_2d(f, [0.0; 2], xi.center, 1e-9, 60)?;
        let cd = f(x0, y0).1;
        let det = cd[0][0] * cd[1][1] - cd[0][1] * cd[1][0];
        let (p, q) = (expand_about(xi, x0, y0)?, expand_about(eta, x0, y0)?);
        let order = xi.degree.max(eta.degree);
        let find = |terms: &[Term], k| terms.iter().find(|t| t.0 == k).map_or(0.0, |t| t.1);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for i in 0..=order {
            for j in 0..=order - i {
                if i + j >= 2 {
                    let (s, t) = (find(&p, (i, j)), find(&q, (i, j)));
                    a.push(((i, j), (cd[1][1] * s - cd[0][1] * t) / det));
                    b.push(((i, j), (cd[0][0] * t - cd[1][0] * s) / det));
                }
            }
        }
        Wcs::from_parts(WcsParts {
            crpix0: [x0, y0],
            cd_deg: cd,
            distortion: Distortion::Sip(Sip { order, a, b, inverse: None }),
            ..parts.clone()
        })
        .ok()
    }
}

/// The terms of a polynomial in (x - x0, y - y0), unscaled.
fn expand_about(p: &Polynomial2d, x0: f64, y0: f64) -> Option<Vec<Term>> {
    let binomial =
        |n: usize, k: usize| (0..k).fold(1.0, |b, i| b * (n - i) as f64 / (i + 1) as f64);
    let u0 = [(x0 - p.center[0]) * p.scale[0], (y0 - p.center[1]) * p.scale[1]];
    let mut out: Vec<Term> = Vec::new();
    for ((i, j), c) in polynomial_terms(p).ok()? {
        for k in 0..=i {
            for l in 0..=j {
                let term = c
                    * binomial(i, k)
                    * binomial(j, l)
                    * u0[0].powi((i - k) as i32)
                    * u0[1].powi((j - l) as i32)
                    * p.scale[0].powi(k as i32)
                    * p.scale[1].powi(l as i32);
                match out.iter_mut().find(|t| t.0 == (k, l)) {
                    Some(found) => found.1 += term,
                    None => out.push(((k, l), term)),
                }
            }
        }
    }
    Some(out)
}

struct Out<'a> {
    cards: Vec<(String, CardValue)>,
    parts: &'a WcsParts,
}

impl Out<'_> {
    fn float(&mut self, key: impl Into<String>, value: f64) {
        self.cards.push((key.into(), CardValue::Float(value)));
    }
    fn text(&mut self, key: impl Into<String>, value: &str) {
        self.cards.push((key.into(), CardValue::Str(value.to_string())));
    }
    /// Header axis of the longitude and of the latitude.
    fn axes(&self) -> [usize; 2] {
        if self.parts.latitude_first { [2, 1] } else { [1, 2] }
    }

    fn frame_and_axes(&mut self, sip: bool, tpv: bool) {
        let parts = self.parts;
        self.cards.push(("WCSAXES".into(), CardValue::Int(2)));
        let names = match parts.frame {
            Frame::Galactic => ["GLON", "GLAT"],
            _ => ["RA", "DEC"],
        };
        let code = if tpv { "TPV" } else { parts.projection.code() };
        let suffix = if sip { "-SIP" } else { "" };
        for (name, axis) in names.into_iter().zip(self.axes()) {
            self.text(format!("CTYPE{axis}"), &format!("{name:-<4}-{code}{suffix}"));
            self.text(format!("CUNIT{axis}"), "deg");
        }
        for (k, axis) in self.axes().into_iter().enumerate() {
            self.float(format!("CRVAL{axis}"), parts.crval_deg[k]);
            self.float(format!("CRPIX{}", k + 1), parts.crpix0[k] + 1.0);
            self.float(format!("CD{axis}_1"), parts.cd_deg[k][0]);
            self.float(format!("CD{axis}_2"), parts.cd_deg[k][1]);
        }
        self.float("LONPOLE", parts.lonpole_deg);
        self.float("LATPOLE", parts.latpole_deg);
        match parts.frame {
            Frame::Icrs => self.text("RADESYS", "ICRS"),
            Frame::Fk5 { equinox } => {
                self.text("RADESYS", "FK5");
                self.float("EQUINOX", equinox);
            }
            Frame::Galactic => {}
        }
    }

    fn projection_parameters(&mut self) {
        let lat = self.axes()[1];
        let (p1, p2) = match self.parts.projection {
            Projection::Sin { xi, eta } if xi != 0.0 || eta != 0.0 => (xi, eta),
            Projection::Hpx { h, k } => (f64::from(h), f64::from(k)),
            _ => return,
        };
        self.float(format!("PV{lat}_1"), p1);
        self.float(format!("PV{lat}_2"), p2);
    }

    fn tpv(&mut self, tpv: &Tpv) {
        for (list, axis) in [&tpv.xi, &tpv.eta].into_iter().zip(self.axes()) {
            // PVi_1 is 1 where it is not written.
            if !list.iter().any(|&(m, _)| m == 1) {
                self.float(format!("PV{axis}_1"), 0.0);
            }
            for &(m, value) in list {
                self.float(format!("PV{axis}_{m}"), value);
            }
        }
    }

    fn sip(&mut self, name: &str, order: usize, terms: &[Term]) {
        self.cards.push((format!("{name}_ORDER"), CardValue::Int(order as i64)));
        for &((i, j), value) in terms {
            self.float(format!("{name}_{i}_{j}"), value);
        }
    }
}
