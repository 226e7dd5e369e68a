//! The rows of the table from what several frames showed.
//!
//! Intervals are of 95%. `mmag` are 1.0857e3 times a relative difference.

use crate::likelihood::{Separation, best_separation};
use crate::rows::Row;
use crate::samples::{FrameSample, Samples, StarSample};
use crate::stats::{self, Interval};

const MMAG: f64 = 1085.736;
/// Bins of S/N of the pulls and scatters.
const BINS: [[f64; 2]; 5] =
    [[20.0, 50.0], [50.0, 100.0], [100.0, 200.0], [200.0, 500.0], [500.0, 1e9]];
/// A statistic of fewer than this is not taken.
const FEW: usize = 8;

fn label([low, high]: [f64; 2]) -> String {
    if high > 1e8 { format!("{low:.0}+") } else { format!("{low:.0}-{high:.0}") }
}

fn times(v: Interval, k: f64) -> Interval {
    Interval { value: v.value * k, half_95: v.half_95 * k }
}

fn exact(value: f64) -> Interval {
    Interval { value, half_95: 0.0 }
}

fn nothing() -> Interval {
    Interval { value: f64::NAN, half_95: f64::NAN }
}

/// A statistic of the finite values; not measured when they are few.
fn of(values: Vec<f64>, statistic: fn(&[f64]) -> Interval) -> Interval {
    let v: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    if v.len() < FEW { nothing() } else { statistic(&v) }
}

/// All rows. `exact_reference`: the reference catalogue had no errors.
pub fn table(samples: &Samples, exact_reference: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    sky(samples, exact_reference, &mut rows);
    positions(samples, &mut rows);
    fluxes(samples, &mut rows);
    galaxies(samples, &mut rows);
    pulls(samples, &mut rows);
    psf(samples, &mut rows);
    detection(samples, &mut rows);
    separation(samples, &mut rows);
    background(samples, &mut rows);
    pairs(samples, &mut rows);
    zero_point(samples, &mut rows);
    cost(samples, &mut rows);
    rows
}

fn frames(s: &Samples, f: impl Fn(&FrameSample) -> f64) -> Vec<f64> {
    s.frames.iter().map(f).collect()
}

/// Mean over frames, with its interval when there are several.
fn over_frames(values: &[f64]) -> Interval {
    let n = values.len() as f64;
    let value = elqui_base::mean(values);
    let variance = values.iter().map(|v| (v - value).powi(2)).sum::<f64>() / (n - 1.0);
    Interval { value, half_95: if n > 1.0 { stats::Z95 * (variance / n).sqrt() } else { 0.0 } }
}

fn isolated(s: &Samples, [low, high]: [f64; 2]) -> impl Iterator<Item = &StarSample> {
    s.stars.iter().filter(move |s| s.isolated && s.snr >= low && s.snr < high)
}

fn sky(s: &Samples, exact_reference: bool, rows: &mut Vec<Row>) {
    let square = |k: usize| frames(s, |f| f.wcs_rms_mas[k].powi(2));
    let bound = over_frames(&frames(s, |f| f.wcs_bound_mas.powi(2))).value.sqrt();
    let p = s.frames.first().map_or(f64::NAN, |f| f.wcs_parameters);
    let reference = if exact_reference { "exact reference" } else { "reference with errors" };
    for (k, axis) in ["east", "north"].into_iter().enumerate() {
        let mean = over_frames(&square(k));
        // Of the root: half of the relative error; one frame has p degrees of freedom.
        let few = if s.frames.len() > 1 {
            0.5 * mean.half_95 / mean.value
        } else {
            stats::Z95 / (2.0 * p).sqrt()
        };
        let root = mean.value.sqrt();
        let v = Interval { value: root, half_95: few * root };
        let what = format!("WCS against truth, rms {axis}, mas ({reference}, p = {p})");
        rows.push(Row::at_most(&format!("wcs_rms_{axis}"), &what, v, 4, 1.2 * bound));
    }
}

fn positions(s: &Samples, rows: &mut Vec<Row>) {
    let ratio = |bin: [f64; 2]| {
        let both = |s: &StarSample| [s.dx / s.bound_x, s.dy / s.bound_y];
        of(isolated(s, bin).flat_map(both).collect(), stats::width)
    };
    let n = isolated(s, [20.0, 500.0]).filter(|s| s.detected).count();
    let what = "star positions, S/N 20-500, scatter over CR";
    let row = Row::at_most("position_over_cr", what, ratio([20.0, 500.0]), 3, 1.1);
    rows.push(row.noted(&format!("{n} stars")));
    for bin in [[5.0, 10.0], [10.0, 20.0]].into_iter().chain(BINS) {
        let what = format!("- S/N {}", label(bin));
        rows.push(Row::told(&format!("position_over_cr_{}", label(bin)), &what, ratio(bin), 3));
    }
}

/// Largest scatter that the bar allows, relative.
fn flux_limit(s: &StarSample) -> f64 {
    (1.1 * s.bound_flux).hypot(1.5 / MMAG)
}

fn fluxes(s: &Samples, rows: &mut Vec<Row>) {
    for bin in BINS {
        let v = of(isolated(s, bin).map(|s| s.flux / flux_limit(s)).collect(), stats::width);
        let mmag = of(isolated(s, bin).map(|s| s.flux * MMAG).collect(), stats::width);
        let what = format!("PSF flux scatter over its limit, S/N {}", label(bin));
        let row = Row::at_most(&format!("flux_scatter_{}", label(bin)), &what, v, 3, 1.0);
        rows.push(row.noted(&format!("{:.2} mmag", mmag.value)));
    }
    let mean = |bin: [f64; 2], get: fn(&StarSample) -> f64| {
        let stars: Vec<&StarSample> = isolated(s, bin).filter(|s| get(s).is_finite()).collect();
        let values: Vec<f64> = stars.iter().map(|s| get(s) * MMAG).collect();
        // Weights by the photon noise and the floor that the scatter is allowed.
        let sigmas: Vec<f64> =
            stars.iter().map(|s| s.bound_flux.hypot(1.5 / MMAG) * MMAG).collect();
        if values.len() < FEW { nothing() } else { stats::weighted_mean(&values, &sigmas) }
    };
    let all = mean([5.0, f64::INFINITY], |s| s.forced);
    rows.push(Row::interval("forced_bias", "PSF flux bias forced, S/N > 5, mmag", all, 2, 2.0));
    for bin in [[5.0, 10.0], [10.0, 20.0]].into_iter().chain(BINS) {
        let what = format!("- forced, S/N {}", label(bin));
        let key = format!("forced_bias_{}", label(bin));
        rows.push(Row::told(&key, &what, mean(bin, |s| s.forced), 2));
    }
    let free = mean([30.0, f64::INFINITY], |s| s.flux);
    let what = "PSF flux bias, free centroid, S/N >= 30, mmag";
    rows.push(Row::interval("free_bias", what, free, 2, 2.0));
    for bin in [[30.0, 50.0]].into_iter().chain(BINS[1..].iter().copied()) {
        let what = format!("- free, S/N {}", label(bin));
        rows.push(Row::told(&format!("free_bias_{}", label(bin)), &what, mean(bin, |s| s.flux), 2));
    }
}

fn galaxies(s: &Samples, rows: &mut Vec<Row>) {
    let median = |get: fn(&crate::samples::GalaxySample) -> f64| {
        let chosen = s.galaxies.iter().filter(|g| g.isolated && g.snr > 20.0);
        of(chosen.map(|g| -2.5 * 1e3 * (1.0 + get(g)).log10()).collect(), stats::median)
    };
    let (cmodel, kron, gaap) = (median(|g| g.cmodel), median(|g| g.kron), median(|g| g.gaap));
    let (best, name) = if cmodel.value.is_finite() { (cmodel, "CModel") } else { (kron, "Kron") };
    let what = format!("galaxy total flux, S/N > 20, median of measured - true, mmag ({name})");
    rows.push(Row::within("galaxy_bias", &what, best, 1, [-10.0, 10.0], "± 10"));
    for (key, name, v) in
        [("galaxy_kron", "Kron", kron), ("galaxy_gaap2p5", "GAaP 2.5 (not total)", gaap)]
    {
        rows.push(Row::told(key, &format!("- {name}"), v, 1));
    }
}

fn pulls(s: &Samples, rows: &mut Vec<Row>) {
    type Pull = fn(&StarSample) -> f64;
    let kinds: [(&str, Pull); 3] =
        [("flux", |s| s.pull_flux), ("x", |s| s.pull_x), ("y", |s| s.pull_y)];
    for (name, get) in kinds {
        for bin in BINS {
            let values: Vec<f64> = isolated(s, bin).map(get).collect();
            let n = values.iter().filter(|v| v.is_finite()).count();
            let (wide, mean) = (of(values.clone(), stats::width), of(values, stats::mean));
            let key = |what: &str| format!("pull_{name}_{what}_{}", label(bin));
            let what = format!("pull of {name}, width, S/N {}", label(bin));
            let bar = [0.95, 1.05];
            let row = Row::within(&key("width"), &what, wide, 3, bar, "0.95-1.05");
            rows.push(row.noted(&format!("{n} stars")));
            let what = format!("pull of {name}, mean, S/N {}", label(bin));
            rows.push(Row::within(&key("mean"), &what, mean, 3, [-0.05, 0.05], "± 0.05"));
        }
    }
}

fn psf(s: &Samples, rows: &mut Vec<Row>) {
    // Residuals of one frame are one smooth field: the interval is over frames.
    let per_frame = |f: &dyn Fn(&FrameSample) -> f64| {
        let v: Vec<f64> = s.frames.iter().map(f).collect();
        if s.frames.iter().all(|f| f.psf_size.len() >= FEW) { over_frames(&v) } else { nothing() }
    };
    let root = |v: &[f64]| stats::rms(v).value;
    let scale = 1e4;
    let mean = times(per_frame(&|f| elqui_base::mean(&f.psf_size)), scale);
    let what = "PSF size residual dT/T, mean, 1e-4";
    rows.push(Row::within("psf_size_mean", what, mean, 2, [-3.0, 3.0], "± 3"));
    let v = times(per_frame(&|f| root(&f.psf_size)), scale);
    rows.push(Row::at_most("psf_size_rms", "PSF size residual dT/T, rms, 1e-4", v, 2, 6.0));
    for (k, key) in ["psf_e1_rms", "psf_e2_rms"].into_iter().enumerate() {
        let v = times(per_frame(&|f| root(if k == 0 { &f.psf_e1 } else { &f.psf_e2 })), scale);
        let what = format!("PSF ellipticity residual e{}, rms, 1e-4", k + 1);
        rows.push(Row::at_most(key, &what, v, 2, 4.0));
    }
    let v = times(per_frame(&|f| root(&f.psf_shift)), 1e3);
    rows.push(Row::told("psf_shift", "- PSF model's centroid, rms, 1e-3 px", v, 2));
}

fn detection(s: &Samples, rows: &mut Vec<Row>) {
    let own = isolated(s, [0.0, 15.0]).map(|s| (s.snr, s.detected));
    let (snr, found): (Vec<f64>, Vec<bool>) = own.chain(s.faint.iter().copied()).unzip();
    let half = if snr.len() < 30 { nothing() } else { stats::half_point(&snr, &found) };
    let what = "detection of isolated stars: 50% complete at S/N";
    rows.push(Row::within("half_complete", what, half, 2, [4.85, 5.15], "5.0 ± 0.15"));
    for [low, high] in [[3.0, 4.0], [4.0, 4.5], [4.5, 5.0], [5.0, 5.5], [5.5, 6.0], [6.0, 8.0]] {
        let inside = |k: &usize| snr[*k] >= low && snr[*k] < high;
        let of = (0..snr.len()).filter(inside);
        let (n, hits) =
            of.fold((0.0, 0.0), |(n, hits), k| (n + 1.0, hits + f64::from(u8::from(found[k]))));
        let part = hits / n;
        let half_95 = stats::Z95 * 100.0 * (part * (1.0 - part) / n).sqrt();
        let v = Interval { value: 100.0 * part, half_95 };
        let row = Row::told(
            &format!("found_{low}-{high}"),
            &format!("- found at S/N {low}-{high}, %"),
            v,
            1,
        );
        rows.push(row.noted(&format!("{n:.0} stars")));
    }
    let all: f64 = frames(s, |f| f.detections as f64).iter().sum();
    let bad: f64 = frames(s, |f| f.spurious.len() as f64).iter().sum();
    let percent = 100.0 / all;
    let v = Interval { value: bad * percent, half_95: stats::Z95 * bad.sqrt() * percent };
    let row = Row::at_most("spurious", "spurious detections, %", v, 2, 1.0);
    rows.push(row.noted(&format!("{bad:.0} of {all:.0}")));
}

fn separation(s: &Samples, rows: &mut Vec<Row>) {
    let bins = [20.0, 30.0, 50.0, 100.0, f64::INFINITY];
    let bright = |snr: f64, extended: f64| snr > 20.0 && extended.is_finite();
    let (mut kept, mut stars, mut leaked) = (0.0, 0.0, 0.0);
    let mut ideal = Vec::new();
    for w in bins.windows(2) {
        let inside = |snr: f64| snr >= w[0] && snr < w[1];
        let n = s.stars.iter().filter(|s| inside(s.snr) && bright(s.snr, s.extendedness));
        let g = s.galaxies.iter().filter(|g| inside(g.snr) && bright(g.snr, g.extendedness));
        ideal.push((n.count(), g.map(|g| g.distance).collect::<Vec<f64>>()));
    }
    for star in s.stars.iter().filter(|s| bright(s.snr, s.extendedness)) {
        stars += 1.0;
        kept += f64::from(u8::from(star.extendedness < 0.5));
    }
    for g in s.galaxies.iter().filter(|g| bright(g.snr, g.extendedness)) {
        leaked += f64::from(u8::from(g.extendedness < 0.5));
    }
    let own = Separation { completeness: kept / stars, purity: kept / (kept + leaked) };
    let best = best_separation(&ideal);
    for (key, own, best, n) in [
        ("completeness", own.completeness, best.completeness, stars),
        ("purity", own.purity, best.purity, kept + leaked),
    ] {
        let error = stats::Z95 * 100.0 * (own * (1.0 - own) / n).sqrt();
        let v = Interval { value: 100.0 * (best - own), half_95: error };
        let what = format!("star/galaxy, S/N > 20: bound less {key} of stars, points");
        let row = Row::at_most(&format!("star_{key}"), &what, v, 2, 1.0);
        rows.push(row.noted(&format!("{:.2}% of {:.2}%", 100.0 * own, 100.0 * best)));
    }
}

fn background(s: &Samples, rows: &mut Vec<Row>) {
    let dense = s.frames.iter().map(|f| f.detections).sum::<usize>();
    let density = dense as f64 / s.frames.len().max(1) as f64;
    let objects = (s.stars.len() + s.galaxies.len()) as f64 / s.frames.len().max(1) as f64;
    let bar = if objects.max(density) > 8000.0 { 5.0 } else { 2.0 };
    let under = s.galaxies.iter().filter(|g| g.snr > 20.0).map(|g| 100.0 * g.background).collect();
    let v = of(under, stats::mean);
    let text = format!("± {bar}");
    let what = "background bias under galaxies of S/N > 20, % of sky noise";
    rows.push(Row::within("background_galaxies", what, v, 2, [-bar, bar], &text));
    let v = times(over_frames(&frames(s, |f| f.background_mean)), 100.0);
    let what = "background bias, mean of the frame, % of sky noise";
    rows.push(Row::within("background_mean", what, v, 2, [-bar, bar], &text));
    let v = times(over_frames(&frames(s, |f| f.background_rms)), 100.0);
    rows.push(Row::told("background_rms", "- background, scatter over the frame, %", v, 2));
}

fn pairs(s: &Samples, rows: &mut Vec<Row>) {
    let n = s.pairs.len();
    let v = of(s.pairs.iter().flat_map(|p| p.residual).collect(), stats::width);
    let found = s.pairs.iter().filter(|p| p.resolved).count();
    let what = "blended pairs of stars, 1-2 FWHM, S/N > 20: flux scatter over the joint bound";
    let row = Row::at_most("pair_scatter", what, v, 3, 1.2);
    rows.push(row.noted(&format!("{found} of {n} pairs found as two")));
    let v = of(s.pairs.iter().flat_map(|p| p.residual).collect(), stats::median);
    rows.push(Row::told("pair_bias", "- their median residual over the joint bound", v, 3));
    let v = of(s.pairs.iter().flat_map(|p| p.pull).collect(), stats::width);
    rows.push(Row::told("pair_pull", "- their pulls' width", v, 3));
}

fn zero_point(s: &Samples, rows: &mut Vec<Row>) {
    let off: Vec<f64> = frames(s, |f| 1e3 * f.zero_point);
    let largest = off.iter().fold(0.0, |m: f64, v| if v.is_nan() { *v } else { m.max(v.abs()) });
    let what = "zero point against truth, largest of the frames, mmag";
    let v = exact(if off.is_empty() { f64::NAN } else { largest });
    rows.push(Row::at_most("zero_point", what, v, 3, 1.0));
    let pulls: Vec<f64> = frames(s, |f| f.zero_point / f.zero_point_err);
    let v = exact(stats::rms(&pulls).value);
    let what = "zero point, pull by its reported error, rms of the frames";
    rows.push(Row::at_most("zero_point_pull", what, v, 2, 1.0));
    let v = over_frames(&frames(s, |f| 1e3 * f.zero_point_total));
    rows.push(Row::told("zero_point_total", "- zero point less that of all the light, mmag", v, 2));
}

fn cost(s: &Samples, rows: &mut Vec<Row>) {
    let Some(first) = s.frames.first() else { return };
    let names: Vec<&String> = first.steps.iter().map(|(name, _)| name).collect();
    let step = |name: &str| {
        let of = |f: &FrameSample| {
            f.steps.iter().filter(|(n, _)| n == name).map(|(_, s)| s).sum::<f64>()
        };
        over_frames(&frames(s, of))
    };
    if names.is_empty() {
        return;
    }
    rows.push(Row::at_most("cpu_psf", "PSF model, CPU s", step("psf"), 2, 0.6));
    let sum: f64 = ["background", "detection", "deblending", "measurement"]
        .iter()
        .map(|n| step(n).value)
        .sum();
    let what = "background + detection + deblending + measurement, CPU s";
    rows.push(Row::at_most("cpu_extract", what, exact(sum), 2, 1.2));
    let total = over_frames(&frames(s, |f| f.steps.iter().map(|(_, s)| s).sum::<f64>()));
    rows.push(Row::at_most("cpu_total", "process_frame, CPU s", total, 2, 4.0));
    for name in names {
        rows.push(Row::told(&format!("cpu_{name}_step"), &format!("- {name}"), step(name), 3));
    }
    for (name, us) in &first.fits_us {
        let what = format!("{name}, CPU microseconds a source");
        rows.push(Row::at_most(&format!("cpu_fit_{name}"), &what, exact(*us), 1, 250.0));
    }
    let peak = s.frames.iter().filter_map(|f| f.peak_memory_bytes).max();
    if let Some(bytes) = peak {
        let mib = exact(bytes as f64 / 1_048_576.0);
        rows.push(Row::at_most("peak_memory", "peak memory of process_frame, MiB", mib, 0, 1024.0));
    }
}
