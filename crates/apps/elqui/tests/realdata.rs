//! The bars of the real data, by `bench/realdata.py` (which prints every figure beside its bar).

mod common;

use std::path::Path;
use std::process::Command;

#[test]
fn real_frames_reach_their_bars() {
    let Some(data) = std::env::var_os("ELQUI_REALDATA").filter(|d| Path::new(d).is_dir()) else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let oracle = Command::new(&python).args(["-c", "import astropy, numpy, pyarrow"]).output();
    if !oracle.is_ok_and(|o| o.status.success()) {
        println!("skipped: {python} cannot import astropy, numpy and pyarrow");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../bench/realdata.py");
    let run = Command::new(python)
        .arg(script)
        .args(["--elqui", env!("CARGO_BIN_EXE_elqui"), "--check", "--data"])
        .arg(data)
        .output()
        .expect("python runs");
    let table = String::from_utf8_lossy(&run.stdout);
    println!("{table}");
    assert!(run.status.success(), "{table}\n{}", common::stderr(&run));
}
