//! Queries of the public tutorials and of the standard, row by row against DuckDB; what LSDB makes of our catalogues.

mod common;

use common::{stderr, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../archive/skydb/tests").join(name)
}

fn python(file: &Path, args: &[&str]) -> Output {
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let run = Command::new(&python).args(["-W", "ignore", text(file)]).args(args).output();
    run.unwrap_or_else(|e| panic!("{python} does not start ({e}): `make test-deps` makes it"))
}

/// What is known to fail; docs/design/skydb.md says why.
const KNOWN: &[&str] = &["adql_2_2_2_natural"];

#[test]
fn queries_have_the_answers_of_an_independent_engine() {
    let work = tempfile::tempdir().unwrap();
    let elqui = env!("CARGO_BIN_EXE_elqui");
    let words = ["--elqui", elqui, "--work", text(work.path())];
    let run = python(&script("answers/compare.py"), &words);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let lines = |word: &str| said.lines().filter(|l| l.starts_with(word)).count();
    let wrong: Vec<&str> = said
        .lines()
        .filter(|l| l.starts_with("wrong"))
        .filter(|l| !KNOWN.iter().any(|k| l.split_whitespace().nth(1) == Some(k)))
        .collect();
    assert!(lines("ok") >= 220, "{said}\n{}", stderr(&run));
    assert!(wrong.is_empty(), "{said}");

    // The same catalogues, opened by others.
    let run = python(&script("lsdb_peer.py"), &["--work", text(work.path()), "--elqui", elqui]);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}\n{}", stderr(&run));
}
