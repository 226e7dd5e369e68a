//! The room's two passes, and what is done with their model.
//!
//! [`Sky`] keeps the image's blocks, so that the second pass, which knows the detected footprints, does
//! not read the pixels again; [`exchange`] then replaces one subtracted model by another in one go.

use crate::blocks::Blocks;
use crate::chebyshev;
use crate::config::{BackgroundConfig, BackgroundError, SkyModel};
use crate::mesh::{Mesh, solve};
use crate::spline::Spline;
use elqui_image::{BackgroundModel, Footprint, Image, Mask};

/// An image ready to have its sky measured.
pub struct Sky {
    blocks: Blocks,
    size: (usize, usize),
    config: BackgroundConfig,
}

impl Sky {
    /// Gather an image (adu, sky and all); pixels with a bit of `reject`, and NaN, say nothing.
    pub fn new(
        image: &Image<f32>,
        mask: &Mask,
        reject: u32,
        config: &BackgroundConfig,
    ) -> Result<Self, BackgroundError> {
        let (width, height) = (image.width(), image.height());
        if width == 0 || height == 0 {
            return Err(BackgroundError::Empty { width, height });
        }
        if (mask.width(), mask.height()) != (width, height) {
            let mask = (mask.width(), mask.height());
            return Err(BackgroundError::Shape { mask, image: (width, height) });
        }
        config.check()?;
        let mut blocks = Blocks::new(image, mask, reject, config.block_side());
        if blocks.mean.data().iter().all(|v| v.is_nan()) {
            // So few pixels that no block has a quarter of its own: every one counts.
            blocks = Blocks::new(image, mask, reject, 1);
        }
        if blocks.mean.data().iter().all(|v| v.is_nan()) {
            return Err(BackgroundError::NothingUsable);
        }
        Ok(Self { blocks, size: (width, height), config: config.clone() })
    }

    /// First pass: nothing is known of the objects.
    pub fn estimate(&self) -> Result<BackgroundModel, BackgroundError> {
        solve(&self.blocks, None, None, &self.config).map(|mesh| self.model(mesh))
    }

    /// Second pass: the footprints of a detection hold objects, whose wings reach beyond in proportion
    /// to their size; `first` is the first pass's model.
    pub fn refine(
        &self,
        first: &BackgroundModel,
        footprints: &[Footprint],
    ) -> Result<BackgroundModel, BackgroundError> {
        let side = self.blocks.side as i32;
        let (width, height) = (self.blocks.mean.width() as i32, self.blocks.mean.height() as i32);
        let mut seeds = Image::filled(width as usize, height as usize, false);
        for span in footprints.iter().flat_map(|f| &f.spans) {
            let y = span.y.div_euclid(side);
            let (x0, x1) =
                (span.x0.div_euclid(side).max(0), span.x1.div_euclid(side).min(width - 1));
            if y >= 0 && y < height && x0 <= x1 {
                seeds.row_mut(y as usize)[x0 as usize..=x1 as usize].fill(true);
            }
        }
        let before = (first.chebyshev.is_none()).then_some(&first.level);
        solve(&self.blocks, Some(&seeds), before, &self.config).map(|mesh| self.model(mesh))
    }

    fn model(&self, mesh: Mesh) -> BackgroundModel {
        let side = self.blocks.side;
        let (width, height) = self.size;
        let mut out = BackgroundModel {
            width,
            height,
            cell_width: mesh.grid.cell_width * side,
            cell_height: mesh.grid.cell_height * side,
            level: mesh.level.clone(),
            rms: mesh.rms.clone(),
            error: Some(mesh.error.clone()),
            chebyshev: None,
        };
        if let SkyModel::Chebyshev { degree } = self.config.model {
            let (coefficients, error) = chebyshev::fit(&mesh, side, self.size, degree);
            let center = |k: usize, cell: usize| (k as f64 + 0.5) * cell as f64 - 0.5;
            out.level = Image::from_fn(mesh.grid.nx, mesh.grid.ny, |i, j| {
                let place = (center(i, out.cell_width), center(j, out.cell_height));
                chebyshev::at(&coefficients, place, self.size) as f32
            });
            out.chebyshev = Some(coefficients);
            out.error = Some(error);
        }
        out
    }
}

/// Both steps of a first pass.
pub fn estimate(
    image: &Image<f32>,
    mask: &Mask,
    reject: u32,
    config: &BackgroundConfig,
) -> Result<BackgroundModel, BackgroundError> {
    Sky::new(image, mask, reject, config)?.estimate()
}

fn spline<'a>(model: &BackgroundModel, mesh: &'a Image<f32>) -> Spline<'a> {
    Spline { mesh, cell_width: model.cell_width, cell_height: model.cell_height }
}

fn for_level(
    model: &BackgroundModel,
    image: &mut Image<f32>,
    apply: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    assert_eq!(
        (image.width(), image.height()),
        (model.width, model.height),
        "the background belongs to an image of another size"
    );
    match &model.chebyshev {
        Some(coefficients) => chebyshev::for_rows(coefficients, image, apply),
        None => spline(model, &model.level).for_rows(image, apply),
    }
}

/// A mesh of scatters or errors at every pixel, within the range of the mesh (a spline may swing).
fn evaluate_positive(model: &BackgroundModel, mesh: &Image<f32>) -> Image<f32> {
    let mut out = Image::filled(model.width, model.height, 0.0);
    let (low, high) = mesh
        .data()
        .iter()
        .fold((f32::INFINITY, 0.0f32), |(low, high), v| (low.min(*v), high.max(*v)));
    spline(model, mesh).for_rows(&mut out, |row, sky| {
        row.iter_mut().zip(sky).for_each(|(o, s)| *o = s.min(high).max(low).max(0.0));
    });
    out
}

/// The sky level at every pixel, adu.
pub fn evaluate(model: &BackgroundModel) -> Image<f32> {
    let mut out = Image::filled(model.width, model.height, 0.0);
    for_level(model, &mut out, |row, sky| row.copy_from_slice(sky));
    out
}

/// The sky's scatter at every pixel, adu (never negative).
pub fn evaluate_rms(model: &BackgroundModel) -> Image<f32> {
    evaluate_positive(model, &model.rms)
}

/// The level's standard error at every pixel, adu; `None` when the model has none.
pub fn evaluate_error(model: &BackgroundModel) -> Option<Image<f32>> {
    model.error.as_ref().map(|mesh| evaluate_positive(model, mesh))
}

/// Subtract the sky level from an image of the model's size.
pub fn subtract(image: &mut Image<f32>, model: &BackgroundModel) {
    for_level(model, image, |row, sky| row.iter_mut().zip(sky).for_each(|(o, s)| *o -= s));
}

/// Add the sky level back.
pub fn restore(image: &mut Image<f32>, model: &BackgroundModel) {
    for_level(model, image, |row, sky| row.iter_mut().zip(sky).for_each(|(o, s)| *o += s));
}

/// Replace the model `old`, which was subtracted from the image, by `new`.
pub fn exchange(image: &mut Image<f32>, old: &BackgroundModel, new: &BackgroundModel) {
    let one_mesh = |m: &BackgroundModel| (m.width, m.height, m.cell_width, m.cell_height);
    // Both models are linear in their numbers: one pass with the difference, where they are of a kind.
    let mut difference = new.clone();
    match (&mut difference.chebyshev, &old.chebyshev) {
        (None, None) if one_mesh(old) == one_mesh(new) => {
            let nodes = difference.level.data_mut().iter_mut().zip(old.level.data());
            nodes.for_each(|(n, o)| *n -= o);
        }
        (Some(c), Some(o)) if c.width() == o.width() && c.height() == o.height() => {
            c.data_mut().iter_mut().zip(o.data()).for_each(|(n, o)| *n -= o);
        }
        _ => {
            restore(image, old);
            difference.clone_from(new);
        }
    }
    subtract(image, &difference);
}
