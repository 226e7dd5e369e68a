//! The map between an image's pixels and the sky.
//!
//! pixel -> (distortion, matrix) -> intermediate world coordinates, degrees -> native direction
//! -> ICRS. The inverse solves the distorted part by Newton's method, to rounding.

use crate::distortion::{Distortion, Live, Sip, Term, radial};
use crate::error::WcsError;
use crate::frame::{Frame, Matrix3, native_to_icrs};
use crate::projection::Projection;
use elqui_base::{Polynomial2d, UnitVector, newton_2d};
use serde::{Deserialize, Serialize};

const DEG: f64 = std::f64::consts::PI / 180.0;

/// What a [`Wcs`] is made of, and what is saved of it. Axes are in the order longitude, latitude,
/// whatever the header's order; pixels are 0-based.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WcsParts {
    pub crval_deg: [f64; 2],
    pub crpix0: [f64; 2],
    /// d(longitude axis, latitude axis) / d(x, y), degrees a pixel.
    pub cd_deg: [[f64; 2]; 2],
    pub projection: Projection,
    pub lonpole_deg: f64,
    pub latpole_deg: f64,
    pub frame: Frame,
    pub distortion: Distortion,
    /// The header lists the latitude first (CTYPE1 = 'DEC--...').
    #[serde(default)]
    pub latitude_first: bool,
    /// Width and height of the image, pixels, where known; an inverse SIP is fitted over it.
    #[serde(default)]
    pub size_px: Option<[f64; 2]>,
}

/// World coordinates of one image. See the crate's documentation for where it is undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WcsParts", into = "WcsParts")]
pub struct Wcs {
    parts: WcsParts,
    live: Live,
    cd_inverse: [[f64; 2]; 2],
    /// Linear model about a point: pixel, its intermediate coordinates, pixels a degree.
    start: ([f64; 2], [f64; 2], [[f64; 2]; 2]),
    /// Sign of the Jacobian's determinant there.
    parity: f64,
    to_sky: Matrix3,
}

impl TryFrom<WcsParts> for Wcs {
    type Error = WcsError;
    fn try_from(parts: WcsParts) -> Result<Self, WcsError> {
        Wcs::from_parts(parts)
    }
}

impl From<Wcs> for WcsParts {
    fn from(wcs: Wcs) -> Self {
        wcs.parts
    }
}

fn determinant(m: &[[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

fn inverse_2x2(m: &[[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let d = determinant(m);
    [[m[1][1] / d, -m[0][1] / d], [-m[1][0] / d, m[0][0] / d]]
}

fn apply(m: &[[f64; 2]; 2], v: [f64; 2]) -> [f64; 2] {
    [m[0][0] * v[0] + m[0][1] * v[1], m[1][0] * v[0] + m[1][1] * v[1]]
}

fn is_singular(m: &[[f64; 2]; 2]) -> bool {
    let norm2: f64 = m.iter().flatten().map(|v| v * v).sum();
    let d = determinant(m).abs();
    !(d > 1e-12 * norm2) || !norm2.is_finite()
}

/// Value and Jacobian.
type WithGradient = ([f64; 2], [[f64; 2]; 2]);

impl Wcs {
    /// Check the parts and make the map.
    pub fn from_parts(parts: WcsParts) -> Result<Self, WcsError> {
        for (key, value) in [
            ("CRVAL1", parts.crval_deg[0]),
            ("CRVAL2", parts.crval_deg[1]),
            ("CRPIX1", parts.crpix0[0]),
            ("CRPIX2", parts.crpix0[1]),
            ("LONPOLE", parts.lonpole_deg),
            ("LATPOLE", parts.latpole_deg),
        ] {
            let bad = |why| Err(WcsError::BadValue { key: key.into(), value: value.to_string(), why });
            if !value.is_finite() {
                return bad("not a finite number");
            }
            if key == "CRVAL2" && value.abs() > 90.0 {
                return bad("a latitude lies within +-90 degrees");
            }
        }
        if is_singular(&parts.cd_deg) {
            return Err(WcsError::SingularMatrix { matrix: parts.cd_deg });
        }
        let wcs = Self::build(parts)?;
        if wcs.parity == 0.0 {
            return Err(WcsError::Polynomial { why: "it is singular at the reference point" });
        }
        Ok(wcs)
    }

    fn build(parts: WcsParts) -> Result<Self, WcsError> {
        let to_sky = native_to_icrs(
            parts.frame,
            parts.crval_deg,
            parts.projection.theta0_deg(),
            parts.lonpole_deg,
            parts.latpole_deg,
        )?;
        let live = Live::new(&parts.distortion)?;
        let mut wcs = Self {
            cd_inverse: inverse_2x2(&parts.cd_deg),
            start: ([0.0; 2], [0.0; 2], [[0.0; 2]; 2]),
            parity: 0.0,
            parts,
            live,
            to_sky,
        };
        let p = match &wcs.live {
            Live::Map { center, .. } => *center,
            _ => wcs.parts.crpix0,
        };
        let (w, j) = wcs.intermediate_with_gradient(p[0], p[1]);
        wcs.start = (p, w, inverse_2x2(&j));
        wcs.parity = if is_singular(&j) { 0.0 } else { determinant(&j).signum() };
        Ok(wcs)
    }

    /// Gnomonic projection without distortion. `cd_deg` rows: east, north.
    /// With a singular or non-finite input every result is NaN or `None`.
    pub fn tan(crval_deg: [f64; 2], crpix0: [f64; 2], cd_deg: [[f64; 2]; 2]) -> Self {
        Self::plain(tan_parts(crval_deg, crpix0, cd_deg))
    }

    /// A zenithal map without distortion: cannot fail.
    fn plain(parts: WcsParts) -> Self {
        let to_sky = native_to_icrs(parts.frame, parts.crval_deg, 90.0, parts.lonpole_deg, 90.0)
            .unwrap_or([[f64::NAN; 3]; 3]);
        let cd_inverse = inverse_2x2(&parts.cd_deg);
        let parity = determinant(&parts.cd_deg).signum();
        let start = (parts.crpix0, [0.0; 2], cd_inverse);
        Self { live: Live::None, cd_inverse, start, parity, parts, to_sky }
    }

    /// The same map with SIP terms: `((power of u, power of v), coefficient)`. Terms that are not
    /// finite or of too high an order are left out, and orders end at 9.
    pub fn with_sip(self, order: usize, a: Vec<Term>, b: Vec<Term>) -> Self {
        let order = order.min(crate::distortion::SIP_ORDER_MAX);
        let keep = |terms: Vec<Term>| {
            terms.into_iter().filter(|((i, j), c)| i + j <= order && c.is_finite()).collect()
        };
        let sip = Sip { order, a: keep(a), b: keep(b), inverse: None };
        let mut parts = self.parts.clone();
        parts.distortion = Distortion::Sip(sip);
        Self::build(parts).unwrap_or(self)
    }

    /// A fitted TAN-SIP map, checked. `a` and `b` as in [`Wcs::with_sip`]; `size_px` is the
    /// detector's width and height, over which the inverse AP, BP is fitted when cards are written.
    pub fn tan_sip_from_fit(
        crval_deg: [f64; 2],
        crpix0: [f64; 2],
        cd_deg: [[f64; 2]; 2],
        sip_order: usize,
        a: Vec<Term>,
        b: Vec<Term>,
        size_px: [f64; 2],
    ) -> Result<Self, WcsError> {
        let mut parts = tan_parts(crval_deg, crpix0, cd_deg);
        parts.size_px = Some(size_px);
        if sip_order > 1 {
            parts.distortion = Distortion::Sip(Sip { order: sip_order, a, b, inverse: None });
        }
        Self::from_parts(parts)
    }

    /// Gnomonic projection about `crval_deg` of polynomials from 0-based pixels to intermediate
    /// world coordinates in degrees (east, north).
    pub fn tan_from_polynomials(
        crval_deg: [f64; 2],
        xi: Polynomial2d,
        eta: Polynomial2d,
    ) -> Result<Self, WcsError> {
        let (_, xx, xy) = xi.eval_with_gradient(xi.center[0], xi.center[1]);
        let (_, ex, ey) = eta.eval_with_gradient(xi.center[0], xi.center[1]);
        let mut parts = tan_parts(crval_deg, xi.center, [[xx, xy], [ex, ey]]);
        parts.distortion = Distortion::PixelPolynomial { xi, eta };
        Self::from_parts(parts)
    }

    /// The same map for an image of this width and height.
    pub fn with_size(mut self, width_px: f64, height_px: f64) -> Self {
        self.parts.size_px = Some([width_px, height_px]);
        self
    }

    /// The same sky seen by an image whose pixel (0, 0) is this image's (x0, y0): a cut-out.
    pub fn shifted(&self, x0: f64, y0: f64) -> Result<Self, WcsError> {
        let mut parts = self.parts.clone();
        parts.crpix0 = [parts.crpix0[0] - x0, parts.crpix0[1] - y0];
        parts.size_px = None;
        if let Distortion::PixelPolynomial { xi, eta } = &mut parts.distortion {
            for p in [xi, eta] {
                p.center = [p.center[0] - x0, p.center[1] - y0];
            }
        }
        Self::from_parts(parts)
    }

    pub fn parts(&self) -> &WcsParts {
        &self.parts
    }
    pub fn crval_deg(&self) -> [f64; 2] {
        self.parts.crval_deg
    }
    pub fn crpix0(&self) -> [f64; 2] {
        self.parts.crpix0
    }
    pub fn cd_deg(&self) -> [[f64; 2]; 2] {
        self.parts.cd_deg
    }

    /// ICRS right ascension in [0, 360) and declination (deg) of a 0-based pixel position.
    pub fn pixel_to_sky(&self, x: f64, y: f64) -> (f64, f64) {
        let (xi, eta) = self.pixel_to_intermediate(x, y);
        self.intermediate_to_sky(xi, eta)
    }

    /// 0-based pixel position of an ICRS direction (deg).
    pub fn sky_to_pixel(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let (xi, eta) = self.sky_to_intermediate(ra, dec)?;
        self.intermediate_to_pixel(xi, eta)
    }

    /// Intermediate world coordinates (deg; longitude axis, latitude axis) of a pixel.
    #[inline]
    pub fn pixel_to_intermediate(&self, x: f64, y: f64) -> (f64, f64) {
        let (u, v) = (x - self.parts.crpix0[0], y - self.parts.crpix0[1]);
        let cd = &self.parts.cd_deg;
        let [xi, eta] = match &self.live {
            Live::None => apply(cd, [u, v]),
            Live::Sip { forward, .. } => {
                let d = forward.eval(u, v);
                apply(cd, [u + d[0], v + d[1]])
            }
            Live::Tpv { powers, radii } => {
                let [p, q] = apply(cd, [u, v]);
                let mut w = powers.eval(p, q);
                if let Some(c) = radii {
                    let (r, _, _) = radial(c, p, q);
                    w = [w[0] + r[0], w[1] + r[1]];
                }
                w
            }
            Live::Map { poly, center, scale } => {
                poly.eval((x - center[0]) * scale[0], (y - center[1]) * scale[1])
            }
        };
        (xi, eta)
    }

    /// The same with d(intermediate, deg) / d(x, y).
    fn intermediate_with_gradient(&self, x: f64, y: f64) -> WithGradient {
        let (u, v) = (x - self.parts.crpix0[0], y - self.parts.crpix0[1]);
        let cd = &self.parts.cd_deg;
        match &self.live {
            Live::None => (apply(cd, [u, v]), *cd),
            Live::Sip { forward, .. } => {
                let (d, du, dv) = forward.eval_with_gradient(u, v);
                let w = apply(cd, [u + d[0], v + d[1]]);
                let wx = apply(cd, [1.0 + du[0], du[1]]);
                let wy = apply(cd, [dv[0], 1.0 + dv[1]]);
                (w, [[wx[0], wy[0]], [wx[1], wy[1]]])
            }
            Live::Tpv { powers, radii } => {
                let [p, q] = apply(cd, [u, v]);
                let (mut w, mut wp, mut wq) = powers.eval_with_gradient(p, q);
                if let Some(c) = radii {
                    let (r, rp, rq) = radial(c, p, q);
                    for k in 0..2 {
                        w[k] += r[k];
                        wp[k] += rp[k];
                        wq[k] += rq[k];
                    }
                }
                let row = |k: usize| {
                    [wp[k] * cd[0][0] + wq[k] * cd[1][0], wp[k] * cd[0][1] + wq[k] * cd[1][1]]
                };
                (w, [row(0), row(1)])
            }
            Live::Map { poly, center, scale } => {
                let (w, wu, wv) =
                    poly.eval_with_gradient((x - center[0]) * scale[0], (y - center[1]) * scale[1]);
                let row = |k: usize| [wu[k] * scale[0], wv[k] * scale[1]];
                (w, [row(0), row(1)])
            }
        }
    }

    /// Pixel of intermediate world coordinates (deg); `None` where the distortion has no inverse.
    pub fn intermediate_to_pixel(&self, xi: f64, eta: f64) -> Option<(f64, f64)> {
        let target = [xi, eta];
        let (p0, w0, scale) = &self.start;
        let linear = || {
            let d = apply(scale, [xi - w0[0], eta - w0[1]]);
            [p0[0] + d[0], p0[1] + d[1]]
        };
        let found = match &self.live {
            Live::None => Some(linear()),
            Live::Sip { inverse: Some(inverse), .. } => {
                let [u, v] = apply(&self.cd_inverse, target);
                let d = inverse.eval(u, v);
                let guess = [p0[0] + u + d[0], p0[1] + v + d[1]];
                self.newton(target, guess).or_else(|| self.newton(target, linear()))
            }
            _ => self.newton(target, linear()),
        };
        found.filter(|p| p[0].is_finite() && p[1].is_finite()).map(|p| (p[0], p[1]))
    }

    /// Newton's method from `guess`; when it does not settle at once, with damped steps.
    fn newton(&self, target: [f64; 2], guess: [f64; 2]) -> Option<[f64; 2]> {
        let mut p = guess;
        for _ in 0..8 {
            let (w, j) = self.intermediate_with_gradient(p[0], p[1]);
            let (r0, r1) = (target[0] - w[0], target[1] - w[1]);
            let inv = 1.0 / determinant(&j);
            let dx = (j[1][1] * r0 - j[0][1] * r1) * inv;
            let dy = (j[0][0] * r1 - j[1][0] * r0) * inv;
            p = [p[0] + dx, p[1] + dy];
            // Steps shrink quadratically: the next one would be far below rounding.
            if dx.abs().max(dy.abs()) < 1e-5 {
                return (inv * self.parity > 0.0).then_some(p);
            }
        }
        let f = |x: f64, y: f64| self.intermediate_with_gradient(x, y);
        let p = newton_2d(f, target, guess, 1e-8, 60)?;
        let (w, j) = f(p[0], p[1]);
        let miss = (w[0] - target[0]).abs().max((w[1] - target[1]).abs());
        let pixel = determinant(&j).abs().sqrt();
        (determinant(&j) * self.parity > 0.0 && miss < 1e-6 * pixel).then_some(p)
    }

    /// ICRS position (deg) of intermediate world coordinates (deg); NaN outside the projection.
    #[inline]
    pub fn intermediate_to_sky(&self, xi: f64, eta: f64) -> (f64, f64) {
        let Some(v) = self.direction(xi, eta) else { return (f64::NAN, f64::NAN) };
        let ra = v[1].atan2(v[0]) / DEG;
        let dec = v[2].atan2((v[0] * v[0] + v[1] * v[1]).sqrt()) / DEG;
        let ra = if ra < 0.0 { ra + 360.0 } else { ra };
        (if ra >= 360.0 { 0.0 } else { ra }, dec)
    }

    /// Intermediate world coordinates (deg) of an ICRS direction (deg).
    #[inline]
    pub fn sky_to_intermediate(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let (sin_ra, cos_ra) = (ra * DEG).sin_cos();
        let (sin_dec, cos_dec) = (dec * DEG).sin_cos();
        let s = [cos_dec * cos_ra, cos_dec * sin_ra, sin_dec];
        let m = &self.to_sky;
        let n =
            std::array::from_fn(|j| m[0][j] * s[0] + m[1][j] * s[1] + m[2][j] * s[2]);
        let [x, y] = self.parts.projection.project(n)?;
        (x.is_finite() && y.is_finite()).then_some((x / DEG, y / DEG))
    }

    #[inline]
    fn direction(&self, xi: f64, eta: f64) -> Option<[f64; 3]> {
        let n = self.parts.projection.deproject(xi * DEG, eta * DEG)?;
        let m = &self.to_sky;
        Some(std::array::from_fn(|i| m[i][0] * n[0] + m[i][1] * n[1] + m[i][2] * n[2]))
    }

    /// d(east, north; arcsec) / d(x, y) in the plane tangent to the sky at this pixel.
    pub fn jacobian(&self, x: f64, y: f64) -> [[f64; 2]; 2] {
        self.try_jacobian(x, y).unwrap_or([[f64::NAN; 2]; 2])
    }

    fn try_jacobian(&self, x: f64, y: f64) -> Option<[[f64; 2]; 2]> {
        let ([xi, eta], g) = self.intermediate_with_gradient(x, y);
        let (east, north) = UnitVector(self.direction(xi, eta)?).tangent_basis();
        // The projection's own derivatives by central differences: smooth on this scale, and
        // good to 1e-10.
        let h = 3e-4;
        let mut d = [[0.0; 2]; 2];
        for (k, (dx, dy)) in [(h, 0.0), (0.0, h)].into_iter().enumerate() {
            let plus = self.direction(xi + dx, eta + dy)?;
            let minus = self.direction(xi - dx, eta - dy)?;
            for i in 0..3 {
                let slope = (plus[i] - minus[i]) / (2.0 * h) * elqui_base::ARCSEC_PER_RAD;
                d[0][k] += east[i] * slope;
                d[1][k] += north[i] * slope;
            }
        }
        Some(std::array::from_fn(|i| {
            std::array::from_fn(|j| d[i][0] * g[0][j] + d[i][1] * g[1][j])
        }))
    }

    /// Side of a square of the pixel's area on the sky, arcsec; NaN where undefined.
    pub fn pixel_scale_arcsec(&self, x: f64, y: f64) -> f64 {
        determinant(&self.jacobian(x, y)).abs().sqrt()
    }
}

fn tan_parts(crval_deg: [f64; 2], crpix0: [f64; 2], cd_deg: [[f64; 2]; 2]) -> WcsParts {
    WcsParts {
        crval_deg,
        crpix0,
        cd_deg,
        projection: Projection::Tan,
        lonpole_deg: 180.0,
        latpole_deg: crval_deg[1],
        frame: Frame::Icrs,
        distortion: Distortion::None,
        latitude_first: false,
        size_px: None,
    }
}
