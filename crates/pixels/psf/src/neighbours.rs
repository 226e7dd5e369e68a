//! The light of other sources in a star's stamp: pixels that it hides, and what can be taken off.

use crate::profile::Moffat;
use crate::stamp::Stamp;
use crate::star::Neighbour;

/// Error of a neighbour's light that was subtracted, as a part of it.
const NEIGHBOUR_ERROR: f32 = 0.3;

/// Where neighbours outshine what could be subtracted of them: pixels that say nothing.
pub(crate) struct Blocked {
    /// Of each neighbour: place, reach, and how far the star's own core goes.
    discs: Vec<[f64; 4]>,
}

impl Blocked {
    /// About a star at `place` from the stamp's middle pixel (cx, cy).
    pub(crate) fn new(
        neighbours: &[Neighbour],
        middle: (i32, i32),
        place: (f64, f64),
        fwhm: f64,
    ) -> Self {
        let disc = |n: &Neighbour| {
            let (x, y) = relative(n, middle);
            // Brighter neighbours reach farther, but never into the star's own core.
            let apart = (x - place.0).hypot(y - place.1);
            let reach = fwhm * (1.0 + 0.5 * (1.0 + 20.0 * f64::from(n.relative_flux)).ln());
            [x, y, reach, apart.min(1.5 * fwhm)]
        };
        Self { discs: neighbours.iter().map(disc).collect() }
    }

    pub(crate) fn hides(&self, x: f64, y: f64) -> bool {
        let own2 = x * x + y * y;
        self.discs.iter().any(|[nx, ny, reach, core]| {
            let other2 = (x - nx) * (x - nx) + (y - ny) * (y - ny);
            other2 < reach * reach && (own2 > other2 || own2 > core * core)
        })
    }
}

fn relative(n: &Neighbour, (cx, cy): (i32, i32)) -> (f64, f64) {
    (f64::from(n.x) - f64::from(cx), f64::from(n.y) - f64::from(cy))
}

/// Take the neighbours' light off, each as a point source at its peak with the star's own
/// profile, and trust what is left the less for it.
pub(crate) fn subtract_neighbours(stamp: &mut Stamp, neighbours: &[Neighbour], s: f64) {
    if neighbours.is_empty() {
        return;
    }
    let profile = Moffat::new(stamp.shape, s);
    let n = stamp.at.len();
    let least = 1e-3 * stamp.base_variance as f32;
    for k in 0..n {
        let old = NEIGHBOUR_ERROR * stamp.others[k];
        stamp.floor[k] = (stamp.floor[k] - old * old).max(least);
        stamp.data[k] += stamp.others[k];
    }
    let mut own = vec![0.0; n];
    profile.draw(&stamp.x[..n], &stamp.y[..n], (stamp.dx, stamp.dy), &mut own);
    let mut others = vec![0.0f32; n];
    let mut light = vec![0.0; n];
    let reach = 2.0 * stamp.shape.half_width;
    for neighbour in neighbours {
        let (nx, ny) = relative(neighbour, (stamp.cx, stamp.cy));
        profile.draw(&stamp.x[..n], &stamp.y[..n], (nx, ny), &mut light);
        let (mut top, mut bottom, mut count) = (0.0, 0.0, 0.0);
        for k in 0..n {
            let (x, y) = (f64::from(stamp.x[k]) - nx, f64::from(stamp.y[k]) - ny);
            if x * x + y * y <= reach * reach {
                let rest = f64::from(stamp.data[k] - others[k]) - stamp.flux * own[k] - stamp.sky;
                top += light[k] * rest;
                bottom += light[k] * light[k];
                count += 1.0;
            }
        }
        let seen = count > 0.5 * std::f64::consts::PI * reach * reach;
        let told = f64::from(neighbour.relative_flux) * stamp.flux;
        let flux = if seen { top / bottom } else { told }.max(0.0);
        others.iter_mut().zip(&light).for_each(|(o, l)| *o += (flux * l) as f32);
    }
    for (k, o) in others.iter().enumerate() {
        stamp.others[k] = *o;
        stamp.data[k] -= o;
        stamp.floor[k] += (NEIGHBOUR_ERROR * o).powi(2);
    }
}
