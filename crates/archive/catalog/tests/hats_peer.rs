//! hats and lsdb (PyPI) open what an import writes, and agree on rows, cones and ids.

mod common;

use common::{batch, config, sky, write_parquet};
use elqui_catalog::{ParquetSource, import};
use elqui_hats::HatsCatalog;
use serde_json::{Value, json};
use std::process::Command;

#[test]
#[allow(clippy::disallowed_methods)] // Which Python: as the other tests with peers are told.
fn hats_and_lsdb_agree() {
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import hats, lsdb"]).output();
    assert!(
        there.is_ok_and(|o| o.status.success()),
        "no hats and lsdb: install them with {python} -m pip install hats lsdb"
    );
    let dir = tempfile::tempdir().unwrap();
    let positions = sky(3000, 11);
    let input = write_parquet(&dir.path().join("in.parquet"), &batch(&positions, 0), 500);
    let cat = dir.path().join("cat");
    let source = ParquetSource::open(&[input]).unwrap();
    let report = import(&cat, &source, &config(), &|_| {}).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hats_peer.py");
    let said = Command::new(&python).arg(script).arg(&cat).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let seen: Value = serde_json::from_str(text.trim()).unwrap();
    let near = |p: &(f64, f64)| {
        let ((ra, dec), (r0, d0)) = ((p.0.to_radians(), p.1.to_radians()), (0.5f64, 0.25f64));
        let (r0, d0) = (r0.to_radians(), d0.to_radians());
        let h = ((dec - d0) / 2.0).sin().powi(2)
            + dec.cos() * d0.cos() * ((ra - r0) / 2.0).sin().powi(2);
        2.0 * h.sqrt().asin() <= 0.5f64.to_radians()
    };
    let cone: Vec<usize> = (0..3000).filter(|&k| near(&positions[k])).collect();
    assert!(cone.len() > 100);
    let partitions = HatsCatalog::open(&cat).unwrap().partitions().len();
    let wanted = json!({
        "rows": 3000,
        "read": 3000,
        "partitions": partitions,
        "valid": true,
        "skymap": 3000,
        "margin_rows": report.margin_rows,
        "margin_arcsec": 600.0,
        "index_column": "objectId",
        "cone": cone,
        "by_id": [positions[1234].0, positions[1234].1],
        "matched_with_itself": 3000,
    });
    assert_eq!(seen, wanted);
}
