//! The samples behind a table, as CSV.

use elqui_verification::Samples;
use std::fmt::Write;

pub fn write(folder: &str, title: &str, samples: &Samples) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{folder}: {e}");
    std::fs::create_dir_all(folder).map_err(failed)?;
    let name: String = title
        .chars()
        .take_while(|c| *c != ':')
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    let save = |what: &str, text: String| {
        std::fs::write(format!("{folder}/{name}-{what}.csv"), text).map_err(failed)
    };
    let mut text = String::from(
        "index,x,y,snr,bound_flux,bound_x,bound_y,isolated,detected,dx,dy,flux,pull_x,pull_y,pull_flux,forced,forced_pull,extendedness,spread,spread_err,area\n",
    );
    for s in &samples.stars {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            s.index,
            s.x,
            s.y,
            s.snr,
            s.bound_flux,
            s.bound_x,
            s.bound_y,
            u8::from(s.isolated),
            u8::from(s.detected),
            s.dx,
            s.dy,
            s.flux,
            s.pull_x,
            s.pull_y,
            s.pull_flux,
            s.forced,
            s.forced_pull,
            s.extendedness,
            s.spread[0],
            s.spread[1],
            s.spread[2],
        );
    }
    save("stars", text)?;
    let mut text = String::from(
        "x,y,snr,isolated,detected,cmodel,kron,gaap,distance,extendedness,background,radius_px,spread,spread_err,area\n",
    );
    for g in &samples.galaxies {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            g.x,
            g.y,
            g.snr,
            u8::from(g.isolated),
            u8::from(g.detected),
            g.cmodel,
            g.kron,
            g.gaap,
            g.distance,
            g.extendedness,
            g.background,
            g.radius_px,
            g.spread[0],
            g.spread[1],
            g.spread[2],
        );
    }
    save("galaxies", text)?;
    let mut text = String::from("frame,x,y,snr\n");
    for (k, frame) in samples.frames.iter().enumerate() {
        for [x, y, snr] in &frame.spurious {
            let _ = writeln!(text, "{k},{x},{y},{snr}");
        }
    }
    save("spurious", text)?;
    let mut text = String::from("separation,resolved,residual_1,residual_2,pull_1,pull_2\n");
    for p in &samples.pairs {
        let ([a, b], [c, d]) = (p.residual, p.pull);
        let _ = writeln!(text, "{},{},{a},{b},{c},{d}", p.separation, u8::from(p.resolved));
    }
    save("pairs", text)
}
