//! Felis itself accepts our schema, and we read every schema that Rubin publishes.
//!
//! Needs `lsst-felis` and `lsst-sdm-schemas` (GPL, read from where pip put it) in `$ELQUI_PYTHON`.

use elqui_schema::felis::{Constraint, Schema};
use std::path::Path;
use std::process::Command;

fn python() -> String {
    std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into())
}

fn run(script: &str, argument: &str) -> (bool, String) {
    let out = Command::new(python()).args(["-c", script, argument]).output();
    let out = out.unwrap_or_else(|e| panic!("{}: {e}", python()));
    let text = if out.status.success() { out.stdout } else { out.stderr };
    (out.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn felis_accepts_our_schema() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/felis/elqui.yaml");
    let script = "import sys, yaml\nfrom felis.datamodel import Schema\n\
        Schema.model_validate(yaml.safe_load(open(sys.argv[1])), context={'id_generation': True})";
    let (good, text) = run(script, file);
    assert!(
        good || !text.contains("No module named"),
        "install it: {} -m pip install lsst-felis",
        python()
    );
    assert!(good, "{text}");
}

#[test]
fn every_published_schema_is_read() {
    let script = "import lsst.sdm.schemas as s; print(list(s.__path__)[0])";
    let (good, folder) = run(script, "");
    assert!(good, "install it: {} -m pip install lsst-sdm-schemas", python());
    let folder = Path::new(folder.trim());
    let (mut files, mut tables, mut columns, mut keys) = (0, 0, 0, 0);
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut read =
            |uri: &str| std::fs::read_to_string(folder.join(uri)).map_err(|e| e.to_string());
        let schema = Schema::parse_with(&text, &mut read)
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        files += 1;
        tables += schema.tables.len();
        for table in &schema.tables {
            columns += table.columns.len();
            let foreign = |c: &&Constraint| matches!(c, Constraint::ForeignKey { .. });
            keys += table.constraints.iter().filter(foreign).count();
        }
        if path.ends_with("dp2_prompt.yaml") {
            // A column that another file defines, under this file's table.
            let table = schema.table("DiaSource").expect("columnRefs make a table");
            assert_eq!(table.column("ra").expect("a referenced column").unit, "deg");
        }
    }
    println!("{files} files, {tables} tables, {columns} columns, {keys} foreign keys");
    assert!(files > 20 && tables > 100 && columns > 5000 && keys > 20);
}
