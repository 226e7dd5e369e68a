//! The noun of this room: what a map between an image's pixels and the sky is made of, and the
//! ways to make one. Its evaluation is in `transform`.

use crate::distortion::{Distortion, Live, Sip, Term};
use crate::error::WcsError;
use crate::frame::{Frame, Matrix3, native_to_icrs};
use crate::projection::Projection;
use crate::transform::{determinant, inverse_2x2, is_singular};
use elqui_base::Polynomial2d;
use serde::{Deserialize, Serialize};

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
    pub(crate) parts: WcsParts,
    pub(crate) live: Live,
    pub(crate) cd_inverse: [[f64; 2]; 2],
    /// Linear model about a point: pixel, its intermediate coordinates, pixels a degree.
    pub(crate) start: ([f64; 2], [f64; 2], [[f64; 2]; 2]),
    /// Sign of the Jacobian's determinant there.
    pub(crate) parity: f64,
    pub(crate) to_sky: Matrix3,
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
            let bad =
                |why| Err(WcsError::BadValue { key: key.into(), value: value.to_string(), why });
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
