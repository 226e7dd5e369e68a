//! The demo's report: what was measured against what is really there.

use crate::catalog::ProcessedFrame;
use crate::clock;
use crate::error::CliError;
use elqui_association::Objects;
use elqui_base::{mad_sigma, median};
use elqui_matching::{PointView, match_sky};
use elqui_schema::Table;
use elqui_simulate::Survey;
use std::path::Path;
use std::time::Duration;

/// Matched sources of all frames, pooled.
#[derive(Default)]
struct Pool {
    /// Bright stars: position residuals (mas) and flux residuals (mmag).
    east_mas: Vec<f64>,
    north_mas: Vec<f64>,
    flux_mmag: Vec<f64>,
    /// Stars of S/N 20 to 200: residual over its error.
    flux_pull: Vec<f64>,
    position_pull: Vec<f64>,
    /// True isolated-enough objects of S/N > 10, and how many were found.
    true_bright: usize,
    found_bright: usize,
    /// Sources of S/N > 10, and how many are nothing that is there.
    sources_bright: usize,
    unmatched_bright: usize,
    zero_point_mmag: Vec<f64>,
    astrometry_mas: Vec<f64>,
}

/// The report as Markdown.
pub fn against_truth(
    dir: &Path,
    survey: &Survey,
    frames: &[ProcessedFrame],
    objects: &Objects,
    failed: usize,
    elapsed: Duration,
) -> Result<String, CliError> {
    let mut pool = Pool::default();
    for frame in frames {
        let path = dir.join("truth").join(format!("{}.parquet", frame.name));
        let truth = elqui_tables::read_parquet(&path).map_err(|e| CliError::on(&path, e))?;
        compare(frame, &truth, &mut pool).map_err(|e| CliError::on(&path, e))?;
    }
    let variables = variables(dir, survey)?;
    let n = |v: usize| v.to_string();
    let pair = |v: &[f64]| {
        let (m, s) = mad_sigma(&mut v.to_vec());
        format!("{m:+.2} median, {s:.2} scatter")
    };
    let percent = |a: usize, b: usize| format!("{:.2}% of {b}", 100.0 * a as f64 / b.max(1) as f64);
    let rows = [
        ("raw science frames processed", format!("{} ({failed} failed)", frames.len())),
        (
            "sources, objects",
            format!("{}, {}", n(frames.iter().map(|f| f.sources.len()).sum()), n(objects.len())),
        ),
        ("bright stars, position east (mas)", pair(&pool.east_mas)),
        ("bright stars, position north (mas)", pair(&pool.north_mas)),
        ("bright stars, PSF flux (mmag)", pair(&pool.flux_mmag)),
        ("stars of S/N 20-200, flux residual over its error", pair(&pool.flux_pull)),
        ("stars of S/N 20-200, position residual over its error", pair(&pool.position_pull)),
        ("true objects of S/N > 10 found", percent(pool.found_bright, pool.true_bright)),
        (
            "sources of S/N > 10 that nothing true explains",
            percent(pool.unmatched_bright, pool.sources_bright),
        ),
        ("zero point against truth, per frame (mmag)", pair(&pool.zero_point_mmag)),
        (
            "astrometric residual to the reference, per frame (mas)",
            format!("{:.1} median", median(&mut pool.astrometry_mas.clone())),
        ),
        ("variable stars", variables),
        (
            "wall time, peak memory",
            format!(
                "{:.0} s, {:.2} GiB",
                elapsed.as_secs_f64(),
                clock::peak_memory_bytes().unwrap_or(0) as f64 / (1u64 << 30) as f64
            ),
        ),
    ];
    let mut text =
        String::from("# The demo against the truth\n\n| quantity | value |\n|---|---|\n");
    for (what, value) in rows {
        text += &format!("| {what} | {value} |\n");
    }
    Ok(text)
}

fn compare(frame: &ProcessedFrame, truth: &Table, pool: &mut Pool) -> Result<(), String> {
    let column = |name: &str| truth.numbers(name).map_err(|e| e.to_string());
    let (ra, dec, mag, snr) = (column("ra")?, column("dec")?, column("mag")?, column("snr")?);
    let (star, saturated) = (column("is_star")?, column("saturated")?);
    let (tx, ty) = (column("x")?, column("y")?);
    let s = &frame.sources;
    let summary = &frame.summary;
    let (width, height) = (summary.width_pixels as f64, summary.height_pixels as f64);
    let inside = |x: f64, y: f64| x > 20.0 && y > 20.0 && x < width - 21.0 && y < height - 21.0;

    let rows: Vec<usize> =
        (0..s.len()).filter(|&r| s.detect_is_primary[r] && s.ra[r].is_finite()).collect();
    let (sra, sdec): (Vec<f64>, Vec<f64>) = rows.iter().map(|&r| (s.ra[r], s.dec[r])).unzip();
    let radius = 2.0 * summary.pixel_scale_arcsec.unwrap_or(0.2).max(0.1);
    let truth_points = PointView { ra: &ra, dec: &dec };
    let source_points = PointView { ra: &sra, dec: &sdec };

    // Completeness: true objects that are not lost in a saturated neighbour's glare.
    let found = match_sky(truth_points, source_points, radius);
    let mut matched = vec![None; ra.len()];
    found.iter().for_each(|m| matched[m.a] = Some((rows[m.b], m.separation_arcsec)));
    for k in 0..ra.len() {
        let counted = snr[k] > 10.0 && saturated[k] == 0.0 && inside(tx[k], ty[k]);
        if !counted {
            continue;
        }
        pool.true_bright += 1;
        let Some((r, _)) = matched[k] else { continue };
        pool.found_bright += 1;
        let clean = s.parent_source_id[r] == 0
            && !s.pixel_flags_saturated[r]
            && !s.pixel_flags_cr[r]
            && !s.psf_flux_flag[r]
            && !s.centroid_flag[r];
        if star[k] == 0.0 || !clean {
            continue;
        }
        let turn = (s.ra[r] - ra[k] + 540.0).rem_euclid(360.0) - 180.0;
        let east = turn * dec[k].to_radians().cos() * 3.6e6;
        let north = (s.dec[r] - dec[k]) * 3.6e6;
        let true_njy = elqui_base::mag_ab_to_njy(mag[k]);
        let mmag = -2500.0 * (s.psf_flux[r] / true_njy).log10();
        if snr[k] > 200.0 {
            pool.east_mas.push(east);
            pool.north_mas.push(north);
            pool.flux_mmag.push(mmag);
        } else if snr[k] > 20.0 {
            pool.flux_pull.push((s.psf_flux[r] - true_njy) / s.psf_flux_err[r]);
            pool.position_pull.push(east / (f64::from(s.ra_err[r]) * 3.6e6));
            pool.position_pull.push(north / (f64::from(s.dec_err[r]) * 3.6e6));
        }
    }
    // Spurious: bright sources with nothing true nearby.
    let back = match_sky(source_points, truth_points, 2.0 * radius);
    let mut explained = vec![false; rows.len()];
    back.iter().for_each(|m| explained[m.a] = true);
    for (k, &r) in rows.iter().enumerate() {
        if s.psf_flux[r] > 10.0 * s.psf_flux_err[r]
            && inside(s.x[r], s.y[r])
            && !s.pixel_flags_saturated[r]
        {
            pool.sources_bright += 1;
            pool.unmatched_bright += usize::from(!explained[k]);
        }
    }
    // The frame's zero point: what the bright stars say of it as a whole.
    let mut offsets: Vec<f64> = (0..ra.len())
        .filter(|&k| star[k] != 0.0 && snr[k] > 200.0 && saturated[k] == 0.0)
        .filter_map(|k| matched[k].map(|(r, _)| (r, k)))
        .filter(|&(r, _)| s.parent_source_id[r] == 0 && !s.psf_flux_flag[r])
        .map(|(r, k)| -2500.0 * (s.psf_flux[r] / elqui_base::mag_ab_to_njy(mag[k])).log10())
        .filter(|v| v.is_finite())
        .collect();
    if !offsets.is_empty() {
        pool.zero_point_mmag.push(median(&mut offsets));
    }
    pool.astrometry_mas.extend(summary.astrometry_rms_mas);
    Ok(())
}

/// How many of the true variables stand out in the Object table by their scatter.
fn variables(dir: &Path, survey: &Survey) -> Result<String, CliError> {
    let path = dir.join("catalog/Object.parquet");
    let table = elqui_tables::read_parquet(&path).map_err(|e| CliError::on(&path, e))?;
    let truth = survey.truth_objects().map_err(CliError::work)?;
    let number = |t: &Table, name: &str| t.numbers(name).map_err(CliError::work);
    let (ra, dec) = (number(&table, "coord_ra")?, number(&table, "coord_dec")?);
    let (tra, tdec, amplitude) =
        (number(&truth, "ra")?, number(&truth, "dec")?, number(&truth, "amplitude")?);
    let bands: Vec<String> = table
        .columns
        .iter()
        .filter_map(|c| c.name.strip_suffix("_psfFluxSigma").map(str::to_string))
        .collect();
    let mut score = vec![0.0f64; ra.len()];
    for band in &bands {
        let mean = number(&table, &format!("{band}_psfFlux"))?;
        let sigma = number(&table, &format!("{band}_psfFluxSigma"))?;
        for k in 0..score.len() {
            let relative = sigma[k] / mean[k];
            score[k] = score[k].max(if relative.is_finite() { relative } else { 0.0 });
        }
    }
    let found =
        match_sky(PointView { ra: &tra, dec: &tdec }, PointView { ra: &ra, dec: &dec }, 0.5);
    let strong: Vec<f64> =
        found.iter().filter(|m| amplitude[m.a] > 0.2).map(|m| score[m.b]).collect();
    let steady = strong.iter().filter(|s| **s > 0.05).count();
    Ok(format!("{steady} of {} with amplitude > 0.2 mag scatter by more than 5%", strong.len()))
}
