//! PSF models that PSFEx wrote.
//!
//! - input: the table `PSF_DATA` with its description in the header (PSFEx), or in columns of the same
//!   names (DECam Legacy pipeline: one model a row)
//! - output: a [`PsfModel`] whose constant term has unit sum times `step^2`
//! - source: PSFEx manual 3.x, "The output PSF models": cube PSF_MASK (x, y, term) of samples
//!   PSF_SAMP pixels apart, the middle one (n/2 from 0) on the star; a term for each product of powers of
//!   u = (X_IMAGE - POLZERO1) / POLSCAL1 and v, total degree POLDEG1, in the order 1, u, u^2, ... v, uv, ...
//! - X_IMAGE counts pixels from 1; the model's positions count from 0
//! - differs from PSFEx: samples are interpolated by the model's own kernel, not by Lanczos-4 alone;
//!   a cube with an even or unequal side loses the samples that have no partner across the centre

use crate::error::{FitsError, Result};
use crate::file::FitsFile;
use elqui_base::term_count;
use elqui_image::PsfModel;
use std::path::Path;

/// The first model of a PSFEx file.
pub fn read_psfex(path: impl AsRef<Path>) -> Result<PsfModel> {
    psfex_model(&FitsFile::open(path)?, 0)
}

/// The model in row `row` of a PSFEx file (PSFEx itself writes one row a HDU).
pub fn psfex_model(file: &FitsFile, row: usize) -> Result<PsfModel> {
    let table = Description::find(file, row)?;
    let (nx, ny) = (table.size("PSFAXIS1")?, table.size("PSFAXIS2")?);
    let (degree, center, scale) = table.polynomial()?;
    let count = term_count(degree);
    let mask = table.samples()?;
    let area = nx.checked_mul(ny).filter(|&n| n > 0);
    if area.and_then(|a| a.checked_mul(count)) != Some(mask.len()) {
        let why = format!(
            "PSF_MASK has {} samples, not {nx} x {ny} for each of {count} terms",
            mask.len()
        );
        return Err(table.damaged(why));
    }
    let step = table.number("PSF_SAMP")?;
    if !(step > 1e-3 && step < 100.0) {
        return Err(table.damaged(format!("PSF_SAMP = {step} is no sampling step")));
    }
    // As many samples on either side of the middle.
    let half = (nx / 2).min(ny / 2).min((nx - 1) - nx / 2).min((ny - 1) - ny / 2);
    let grid = 2 * half + 1;
    let cut = |k: usize| -> Vec<f32> {
        let plane = &mask[k * nx * ny..(k + 1) * nx * ny];
        (0..grid)
            .flat_map(|j| {
                let from = (ny / 2 - half + j) * nx + nx / 2 - half;
                plane[from..from + grid].iter().map(|&v| v as f32)
            })
            .collect()
    };
    let mut model = PsfModel {
        grid,
        step,
        degree,
        center,
        scale,
        components: psfex_order(degree).into_iter().map(cut).collect(),
        fwhm_pixels: f64::NAN,
    };
    let sum = model.components[0].iter().map(|&v| f64::from(v)).sum::<f64>() * step * step;
    if !(sum > 0.0 && sum.is_finite()) {
        return Err(table.damaged(format!("the PSF has a sum of {sum}")));
    }
    model.components.iter_mut().flatten().for_each(|v| *v = (f64::from(*v) / sum) as f32);
    if model.components.iter().flatten().any(|v| !v.is_finite()) {
        return Err(table.damaged("PSF_MASK holds values that are no numbers".into()));
    }
    model.fwhm_pixels = half_maximum_width(&model);
    Ok(model)
}

/// For each term of `base::terms` (by total degree, then by the power of y) its plane in the cube,
/// which is by the power of y, then of x.
fn psfex_order(degree: usize) -> Vec<usize> {
    let plane = |i: usize, j: usize| (0..j).map(|r| degree + 1 - r).sum::<usize>() + i;
    (0..=degree).flat_map(|total| (0..=total).map(move |j| plane(total - j, j))).collect()
}

/// Diameter of the circle as large as the area above half of the maximum, at the model's centre.
fn half_maximum_width(model: &PsfModel) -> f64 {
    const PARTS: i32 = 8;
    let samples = model.samples_at(model.center[0], model.center[1]);
    let shift = |k: i32| (f64::from(k) + 0.5) / f64::from(PARTS) - 0.5;
    let values: Vec<f32> = (0..PARTS * PARTS)
        .flat_map(|k| {
            model.render_samples(&samples, shift(k % PARTS), shift(k / PARTS)).data().to_vec()
        })
        .collect();
    let top = values.iter().fold(0.0f32, |a, &b| a.max(b));
    let above = values.iter().filter(|&&v| v > 0.5 * top).count() as f64;
    2.0 * (above / f64::from(PARTS * PARTS) / std::f64::consts::PI).sqrt()
}

/// One model's numbers, wherever the file keeps them.
struct Description<'a> {
    file: &'a FitsFile,
    hdu: usize,
    row: usize,
}

impl<'a> Description<'a> {
    /// The first table that has the column PSF_MASK and that row.
    fn find(file: &'a FitsFile, row: usize) -> Result<Self> {
        for hdu in file.hdus().iter().filter(|h| h.is_table()) {
            let count = hdu.header.number("TFIELDS").unwrap_or(0.0).clamp(0.0, 999.0) as usize;
            let has = (1..=count).any(|k| {
                let name = hdu.header.text(&format!("TTYPE{k}"));
                name.is_some_and(|n| n.eq_ignore_ascii_case("PSF_MASK"))
            });
            if has {
                return Ok(Self { file, hdu: hdu.index, row });
            }
        }
        let known: Vec<String> = file.hdus().iter().take(12).map(|h| h.label()).collect();
        let wanted = "with a PSFEx model (a table with the column PSF_MASK)".into();
        Err(FitsError::NoHdu { file: file.name().into(), wanted, known: known.join(", ") })
    }

    fn label(&self) -> String {
        self.file.hdu(self.hdu).map(|h| h.label()).unwrap_or_default()
    }

    fn damaged(&self, why: String) -> FitsError {
        FitsError::Damaged { file: self.file.name().into(), hdu: self.label(), why }
    }

    fn unsupported(&self, what: String) -> FitsError {
        FitsError::Unsupported { file: self.file.name().into(), hdu: self.label(), what }
    }

    /// A number of the row's column or of the header.
    fn number(&self, key: &str) -> Result<f64> {
        let column = self.file.read_vectors(self.hdu, key);
        let in_row = column.ok().and_then(|rows| rows.get(self.row)?.first().copied());
        let value = match in_row {
            Some(v) => Some(v),
            None => self.file.header(self.hdu)?.number(key),
        };
        value.ok_or_else(|| self.damaged(format!("the PSFEx model has no {key}")))
    }

    fn size(&self, key: &str) -> Result<usize> {
        let value = self.number(key)?;
        if (0.0..=10_000.0).contains(&value) && value.fract() == 0.0 {
            return Ok(value as usize);
        }
        Err(self.damaged(format!("{key} = {value} is no size")))
    }

    /// Degree, and centre and scale of the variables.
    fn polynomial(&self) -> Result<(usize, [f64; 2], [f64; 2])> {
        let constant = (0, [0.0; 2], [1.0; 2]);
        match self.size("POLNAXIS")? {
            0 => return Ok(constant),
            2 => {}
            n => return Err(self.unsupported(format!("a PSF that varies with {n} variables"))),
        }
        let degree = self.size("POLDEG1")?;
        if degree > 12 {
            return Err(self.unsupported(format!("a polynomial of degree {degree}")));
        }
        if degree == 0 {
            return Ok(constant);
        }
        if self.size("POLNGRP")? != 1 {
            return Err(self.unsupported("a product of polynomials (POLNGRP > 1)".into()));
        }
        for (key, name) in [("POLNAME1", "X_IMAGE"), ("POLNAME2", "Y_IMAGE")] {
            // In the columns' form the names are columns of text, which are taken as right.
            let stated = self.file.header(self.hdu)?.text(key);
            if stated.as_ref().is_some_and(|s| !s.eq_ignore_ascii_case(name)) {
                let what = format!("a PSF that varies with {}", stated.unwrap_or_default());
                return Err(self.unsupported(what));
            }
        }
        let center = [self.number("POLZERO1")? - 1.0, self.number("POLZERO2")? - 1.0];
        let scale = [1.0 / self.number("POLSCAL1")?, 1.0 / self.number("POLSCAL2")?];
        if center.iter().chain(&scale).all(|v| v.is_finite()) {
            return Ok((degree, center, scale));
        }
        Err(self.damaged("POLZERO or POLSCAL is no number or zero".into()))
    }

    fn samples(&self) -> Result<Vec<f64>> {
        let rows = self.file.read_vectors(self.hdu, "PSF_MASK")?;
        let have = rows.len();
        let row = rows.into_iter().nth(self.row);
        row.ok_or_else(|| self.damaged(format!("there is no row {} (there are {have})", self.row)))
    }
}
