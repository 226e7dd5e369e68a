//! A quick model of a source, good enough to take its light away from its neighbours.
//!
//! An exponential profile through the PSF (a point when that fits better): what remains of a de Vaucouleurs
//! galaxy beyond its own pixels is small beside what is taken away.

use super::cmodel::{Start, begin, filled_fit, galaxy_shape, reach};
use super::fit::{Scratch, Shape, State};
use super::modes::Grid;
use super::patch::{Patch, View};
use super::profile::EXPONENTIAL;
use super::psf_modes::ModelPsf;

/// Fits of a sketch: its neighbours' pixels are filled with the model once.
const FITS: usize = 2;
/// It need not be exact: the fit that follows starts from it.
const ROUGH: f64 = 10.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sketch {
    pub state: State<3>,
    /// Size of the patch it was fitted in, and of that in which its light is taken away: indices of the grids.
    pub size: usize,
    pub wide: usize,
}

/// Light is followed to where a star falls below a twentieth of a pixel's noise: about so many PSF sigmas for a
/// flux of one noise over a PSF sigma squared, growing with the sixth root (the wings of a Moffat function).
const REACH_UNIT: f64 = 3.0;

/// Fit the sketch; `None` when there is no light or no fit.
pub fn sketch(
    view: &View<'_>,
    psf: &ModelPsf,
    start: &Start,
    scratch: &mut Scratch,
) -> Option<Sketch> {
    let size = Grid::holding(reach(psf, start.moments));
    let grid = Grid::ALL[size];
    if !(start.x.abs() < 1e9 && start.y.abs() < 1e9)
        || !scratch.patch.cut(view, (start.x, start.y), grid)
        || !scratch.set_psf(psf, size, start.x, start.y)
    {
        return None;
    }
    let modes = &psf.sized(size).modes;
    scratch.transform(modes);
    let shape = galaxy_shape(&EXPONENTIAL, psf, grid);
    let state = filled_fit(&shape, modes, scratch, begin(psf, start), FITS, ROUGH);
    if !(state.converged && state.flux > 0.0) {
        return None;
    }
    let noise = scratch.patch.noise.sqrt() / (grid.n * grid.bin) as f64;
    let bright = (state.flux / (noise * psf.sigma * psf.sigma)).max(0.0);
    let far = REACH_UNIT * psf.sigma * bright.powf(1.0 / 6.0);
    Some(Sketch { state, size, wide: size.max(Grid::holding(far).min(2)) })
}

impl Sketch {
    /// Where its wide patch lies: the first pixel, the cells of a side and the pixels of a cell's side.
    pub fn place(&self) -> ((i32, i32), usize, i32) {
        let grid = Grid::ALL[self.wide];
        (Patch::origin((self.state.x, self.state.y), grid).0, grid.n, grid.bin as i32)
    }

    /// Draw it into `scratch.image`, cells of grid `size` about (x, y); false when the PSF has no light.
    pub fn draw(&self, psf: &ModelPsf, size: usize, at: (f64, f64), scratch: &mut Scratch) -> bool {
        let (grid, s) = (Grid::ALL[size], &self.state);
        if !scratch.set_psf(psf, size, s.x, s.y) {
            return false;
        }
        let modes = &psf.sized(size).modes;
        (scratch.patch.x, scratch.patch.y) = Patch::origin(at, grid).1;
        modes.waves(s.x - scratch.patch.x, s.y - scratch.patch.y, &mut scratch.waves);
        scratch.m.resize(modes.len(), 0.0);
        scratch.slope.resize(modes.len(), 0.0);
        let (mut m, mut slope) =
            (std::mem::take(&mut scratch.m), std::mem::take(&mut scratch.slope));
        galaxy_shape(&EXPONENTIAL, psf, grid).evaluate(modes, &s.q, &mut m, &mut slope);
        let flux = s.flux as f32;
        m.iter_mut().zip(&scratch.power).for_each(|(m, p)| *m *= flux * p);
        scratch.draw(modes, &m);
        (scratch.m, scratch.slope) = (m, slope);
        true
    }
}
