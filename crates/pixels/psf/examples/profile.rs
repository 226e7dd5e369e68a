//! Seconds of each step on a dense frame: `cargo run --release --example profile -p elqui-psf -- SIDE OBJECTS`.
//! With RAYON_NUM_THREADS=1 these are CPU seconds of one thread.

#[path = "../tests/scene/mod.rs"]
mod scene;

use elqui_image::MaskPlane;
use std::time::Instant;

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let side = arguments.next().unwrap_or(4096);
    let objects = arguments.next().unwrap_or(30_000);
    let spec = scene::Spec {
        width: side,
        height: side,
        stars: objects * 2 / 3,
        galaxies: objects / 3,
        fwhm_growth: 0.1,
        flux_min: 600.0,
        ..scene::Spec::default()
    };
    let mut s = scene::make(&spec);
    let sky = spec.sky;
    for repeat in 0..2 {
        println!("run {repeat}");
        let t = Instant::now();
        let model = elqui_background::estimate(
            &s.image,
            &s.mask,
            MaskPlane::unusable(),
            &Default::default(),
        )
        .expect("sky");
        println!("  background estimate  {:.3} s", t.elapsed().as_secs_f64());
        let t = Instant::now();
        let mut image = s.image.clone();
        println!("  (copy                {:.3} s)", t.elapsed().as_secs_f64());
        let t = Instant::now();
        elqui_background::subtract(&mut image, &model);
        println!("  background subtract  {:.3} s", t.elapsed().as_secs_f64());
        println!(
            "    level {:.3} (truth {sky}), rms {:.3} (truth {:.3})",
            elqui_background::mean_level(&model),
            elqui_background::mean_rms(&model),
            sky.sqrt()
        );
        let t = Instant::now();
        let sigma = spec.fwhm / 2.3548;
        let snr = elqui_detection::signal_to_noise(&image, &s.variance, &s.mask, 0, sigma);
        println!("  (matched filter      {:.3} s) {}", t.elapsed().as_secs_f64(), snr.at(0, 0));
        drop(snr);
        let t = Instant::now();
        let found =
            elqui_detection::detect(&image, &s.variance, &s.mask, sigma, &Default::default())
                .expect("detections");
        println!("  detection            {:.3} s", t.elapsed().as_secs_f64());
        let peaks: usize = found.footprints.iter().map(|f| f.peaks.len()).sum();
        println!(
            "    {} footprints, {peaks} peaks, {} objects",
            found.footprints.len(),
            s.truth.len()
        );
        let t = Instant::now();
        let guess = elqui_psf::guess_fwhm(&image, &s.variance, &s.mask, &found.footprints);
        println!("  guess                {:.3} s: {guess:?}", t.elapsed().as_secs_f64());
        let t = Instant::now();
        let stars = elqui_psf::select_stars(
            &image,
            &s.variance,
            &s.mask,
            &found.footprints,
            &Default::default(),
        );
        println!(
            "  star selection       {:.3} s: {} stars",
            t.elapsed().as_secs_f64(),
            stars.len()
        );
        let t = Instant::now();
        let fit = elqui_psf::fit_psf(&image, &s.variance, &s.mask, &stars, &Default::default())
            .expect("psf");
        println!("  PSF fit              {:.3} s", t.elapsed().as_secs_f64());
        println!(
            "    fwhm {:.3} effective {:.3} degree {} grid {} used {} size residual {:.4} +- {:.4}",
            fit.model.fwhm_pixels,
            fit.effective_fwhm_pixels,
            fit.model.degree,
            fit.model.grid,
            fit.used.len(),
            fit.size_residual,
            fit.size_scatter
        );
        s.mask.data_mut().iter_mut().for_each(|b| *b = 0);
    }
}
