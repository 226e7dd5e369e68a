//! Makes sure that the folder of the built page exists, so that the crate compiles without Node.js.

use std::fs;
use std::path::Path;

const PLACEHOLDER: &str = "<!doctype html><meta charset=utf-8><title>Elqui</title>\
<p>The page is not built yet: run <code>make portal</code> and start Elqui again.\n";

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../portal/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let index = dist.join("index.html");
    if !index.exists()
        && fs::create_dir_all(&dist).and_then(|()| fs::write(&index, PLACEHOLDER)).is_err()
    {
        println!("cargo::warning=cannot write {}", index.display());
    }
}
