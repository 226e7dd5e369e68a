//! Rules about single files: lengths, `unsafe`, paths of a workplace, and where packages come from.

use crate::Report;

const LIB_LINES_MAX: usize = 100;
const FILE_LINES_WARN: usize = 600;

/// Modules that may hold `unsafe`; there are none.
const UNSAFE_ALLOWED: [&str; 0] = [];

/// Folders of somebody's machine. Written in two halves so that this file passes its own check.
const WORKPLACES: [&str; 2] = [concat!("/wo", "rk"), concat!("/ro", "ot/.cargo")];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const NPM: &str = "https://registry.npmjs.org/";

pub fn check(path: &str, text: &str, report: &mut Report) {
    check_places(path, text, report);
    if path.ends_with(".rs") {
        check_rust(path, text, report);
    }
    if path.ends_with("Cargo.lock") {
        let sources = text.lines().filter_map(|l| l.strip_prefix("source = "));
        foreign(path, sources, CRATES_IO, report);
    }
    if path.ends_with("package-lock.json") {
        let urls = text.lines().filter_map(|l| l.trim().strip_prefix("\"resolved\": "));
        foreign(path, urls, NPM, report);
    }
}

fn check_rust(path: &str, text: &str, report: &mut Report) {
    let lines = text.lines().count();
    if path.ends_with("src/lib.rs") && lines >= LIB_LINES_MAX {
        report.problems.push(format!(
            "{path} has {lines} lines; a table of contents has fewer than {LIB_LINES_MAX}"
        ));
    }
    if lines > FILE_LINES_WARN {
        report
            .warnings
            .push(format!("{path} has {lines} lines; a module is one sitting (about 300)"));
    }
    for (number, line) in text.lines().enumerate() {
        if has_unsafe(line) && !UNSAFE_ALLOWED.contains(&path) {
            report.problems.push(format!("{path}:{}: `unsafe` outside its modules", number + 1));
        }
    }
}

/// The keyword `unsafe` in code (not in a comment, a text or a longer word).
fn has_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("").trim_start();
    ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern "].iter().any(|form| {
        code.match_indices(form).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"')
        })
    })
}

fn check_places(path: &str, text: &str, report: &mut Report) {
    for (number, line) in text.lines().enumerate() {
        for place in WORKPLACES {
            if names_place(line, place) {
                report.problems.push(format!(
                    "{path}:{}: names `{place}`, a folder of somebody's machine",
                    number + 1
                ));
            }
        }
    }
}

/// `place` as a whole path: not inside a longer one, and not the start of a longer name.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let part = |c: char| c.is_alphanumeric() || "_-.)}*>".contains(c);
        let before = line[..at].chars().next_back();
        let after = line[at + place.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c))
    })
}

fn foreign<'a>(
    path: &str,
    sources: impl Iterator<Item = &'a str>,
    expected: &str,
    report: &mut Report,
) {
    for source in sources {
        let source = source.trim_matches(|c| c == '"' || c == ',');
        if !source.starts_with(expected) {
            report
                .problems
                .push(format!("{path} takes a package from `{source}`, not `{expected}`"));
        }
    }
}

/// Libraries of the workspace's manifest that have no row in the list of reasons.
pub fn without_reason(manifest: &str, reasons: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|l| l.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|l| !l.starts_with('['))
        .filter(|l| !l.trim_start().starts_with('#'))
        .filter_map(|l| Some(l.split_once('=')?.0.trim()))
        .filter(|name| !name.starts_with("elqui-"))
        .filter(|name| !reasons.lines().any(|l| l.starts_with(&format!("| {name} |"))))
        .map(|name| format!("`{name}` has no row in docs/design/dependencies.md"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Report {
        let mut report = Report::default();
        check(path, text, &mut report);
        report
    }

    #[test]
    fn long_files_are_told() {
        let long = "//! x\n".repeat(120);
        assert_eq!(found("crates/a/b/src/lib.rs", &long).problems.len(), 1);
        assert!(found("crates/a/b/src/other.rs", &long).problems.is_empty());
        assert_eq!(found("crates/a/b/src/other.rs", &"// x\n".repeat(700)).warnings.len(), 1);
    }

    #[test]
    fn unsafe_code_is_told() {
        let yes = ["unsafe { f() }", "unsafe fn f() {", "unsafe impl Send for X {}"];
        let no = ["#![forbid(unsafe_code)]", "// unsafe { }", "let not_unsafe = 1;"];
        assert!(yes.iter().all(|l| has_unsafe(l)));
        assert!(!no.iter().any(|l| has_unsafe(l)));
    }

    #[test]
    fn workplaces_are_told() {
        let place = WORKPLACES[0];
        for line in [format!("cd {place}/main"), format!("see `{place}`."), place.to_string()] {
            assert_eq!(found("docs/a.md", &line).problems.len(), 1, "{line}");
        }
        for line in [format!("{place}space"), format!("src{place}/x"), "a network".into()] {
            assert!(found("docs/a.md", &line).problems.is_empty(), "{line}");
        }
    }

    #[test]
    fn packages_come_from_the_public_registries() {
        let good = format!("source = \"{CRATES_IO}\"\n");
        assert!(found("Cargo.lock", &good).problems.is_empty());
        let bad = "source = \"registry+https://mirror.example/index\"\n";
        assert_eq!(found("Cargo.lock", bad).problems.len(), 1);
        let bad = "      \"resolved\": \"https://mirror.example/a.tgz\",\n";
        assert_eq!(found("portal/package-lock.json", bad).problems.len(), 1);
        let good = format!("      \"resolved\": \"{NPM}a/-/a-1.tgz\",\n");
        assert!(found("portal/package-lock.json", &good).problems.is_empty());
    }

    #[test]
    fn libraries_need_a_reason() {
        let manifest = "[workspace.dependencies]\nelqui-a = { path = \"a\" }\n# text = 1\n\
                        serde = \"1\"\nrayon = { version = \"1\" }\n[profile.dev]\nx = 1\n";
        let found = without_reason(manifest, "| serde | 1 | MIT | all | plain structs |\n");
        assert_eq!(found, ["`rayon` has no row in docs/design/dependencies.md"]);
    }
}
