//! Pipelines' texts: what they can say, and what is said of wrong ones.

mod common;

use common::*;
use elqui_butler::Universe;
use elqui_pipeline::Pipeline;

fn parse(text: &str) -> Result<Pipeline, String> {
    Pipeline::parse(text, "p.yaml", &tasks(), Universe::standard()).map_err(|e| e.to_string())
}

#[test]
fn steps_are_ordered_configured_and_renamed() {
    let p = pipeline(TWO_STEPS);
    let labels: Vec<&str> = p.steps.iter().map(|s| s.label.as_str()).collect();
    assert_eq!(labels, ["clean", "join"]);
    assert!(p.steps[0].config().contains("prefix: x\nfail: []"), "{}", p.steps[0].config());
    assert_eq!(p.overall_inputs(), ["raw", "dark"]);
    let twice = "name: t\nsteps:\n  a: {task: clean, outputs: {image: first}}\n  b:\n    task: clean\n    inputs: {raw: first}\n    retries: 3\n    timeout_s: 1.5\n    peak_memory_mib: 7\n";
    let p = pipeline(twice);
    assert_eq!(p.steps[1].info.inputs[0].dataset_type, "first");
    assert_eq!(p.steps[1].peak_memory_bytes(), 7 << 20);
    assert_eq!(p.overall_inputs(), ["raw", "dark"]);
}

#[test]
fn wrong_texts_are_told_with_line_and_remedy() {
    let step = |rest: &str| format!("name: t\nsteps:\n  clean:\n    task: clean\n{rest}");
    let command = |rest: &str| {
        format!(
            "name: t\nsteps:\n  c:\n    command:\n      dimensions: [visit]\n      outputs: [{{name: o, type: o, dimensions: [visit], storage_class: Text}}]\n{rest}"
        )
    };
    for (text, parts) in [
        (String::new(), &["p.yaml:1", "name"][..]),
        ("name: t".into(), &["p.yaml:1", "no steps"]),
        ("name: [".into(), &["p.yaml:"]),
        (
            "name: t\nsteps:\n  a: {task: nothing}".into(),
            &["p.yaml:3", "no task `nothing`", "clean, sum"],
        ),
        ("name: t\nstages: {}\n".into(), &["p.yaml:2", "unknown field `stages`"]),
        (step("    tusk: 1\n"), &["p.yaml:5", "step `clean`", "unknown field `tusk`"]),
        (
            step("    config:\n      prefix: a\n      prefx: b\n"),
            &["p.yaml:7", "config is refused", "`prefx`", "prefix"],
        ),
        (step("    config:\n      sleep_ms: 100001\n"), &["p.yaml:6", "at most 100000"]),
        (step("    config:\n      sleep_ms: -1\n"), &["p.yaml:5", "config is refused"]),
        (step("    inputs: {row: x}\n"), &["p.yaml:5", "no slot `row`", "raw, dark"]),
        (step("    outputs: {image: a b}\n"), &["p.yaml:5", "`a b`"]),
        (step("    timeout_s: 0\n"), &["p.yaml:5", "timeout_s"]),
        (step("    timeout_s: .nan\n"), &["p.yaml:5", "timeout_s"]),
        (step("    retries: 1000\n"), &["p.yaml:5", "retries"]),
        (step("    peak_memory_mib: 0\n"), &["p.yaml:5", "peak_memory_mib"]),
        (step("  clean:\n    task: clean\n"), &["p.yaml:", "duplicate"]),
        (
            step("  other:\n    task: clean\n"),
            &["p.yaml:5", "`image` is made by `clean` too", "rename"],
        ),
        (step("    outputs: {image: raw}\n"), &["p.yaml:3", "wait for each other"]),
        (
            step(
                "    inputs: {raw: x}\n    outputs: {image: y}\n  b:\n    task: clean\n    inputs: {raw: y}\n    outputs: {image: x}\n",
            ),
            &["wait for each other", "clean, b"],
        ),
        (step("    outputs: {image: dark}\n"), &["`dark` has the dimensions"]),
        (step("  '1 2': {task: sum}\n"), &["`1 2`", "label"]),
        (step("  3: {task: sum}\n"), &["label must be a text"]),
        (step("subsets:\n  s:\n    steps: [nobody]\n"), &["p.yaml:6", "`nobody`"]),
        (step("imports: [{file: x.yaml}]\n"), &["cannot import"]),
        ("name: t\nsteps:\n  a: {}".into(), &["p.yaml:3", "task: NAME"]),
        (command("      argv: []\n"), &["p.yaml:4", "`argv` is empty"]),
        (command("      argv: [x, '{output.o}', '{output.p}']\n"), &["{output.p}", "neither"]),
        (command("      argv: [x]\n"), &["`{output.o}` is not in `argv`"]),
        (
            command(
                "      argv: [x, '{output.o}']\n      inputs: [{name: i, type: i, dimensions: [detector], storage_class: T}]\n",
            ),
            &["needs the dimension `detector`", "take many"],
        ),
        (
            command(
                "      argv: [x, '{output.o}']\n      inputs: [{name: i, type: i, dimensions: [vist], storage_class: T}]\n",
            ),
            &["no dimension `vist`", "visit"],
        ),
        (
            command(
                "      argv: [x, '{output.o}', 'a={input.i}']\n      inputs: [{name: i, type: i, dimensions: [detector], storage_class: T, number: many}]\n",
            ),
            &["argument by itself"],
        ),
        (
            command(
                "      argv: [x, '{output.o}']\n      inputs: [{name: i, type: o, dimensions: [visit], storage_class: T}]\n",
            ),
            &["`o` is of class"],
        ),
        (command("      argv: [x, '{output.o}']\n      memory: 3\n"), &["p.yaml:8", "`memory`"]),
        ("a: &a [x, x]\nb: &b [*a, *a]\nname: *b\n".into(), &["p.yaml:"]),
        (format!("name: {}", "[".repeat(10_000)), &["p.yaml:"]),
        (format!("name: t\n#{}", "x".repeat(1 << 20)), &["1 MiB"]),
        ("name: \u{0}".into(), &["p.yaml:"]),
    ] {
        let e = parse(&text).expect_err(&text);
        for part in parts {
            assert!(
                e.contains(part),
                "`{part}` is not in: {e}\n{}",
                text.chars().take(300).collect::<String>()
            );
        }
        assert!(!e.contains('\n'), "one line: {e}");
    }
}

#[test]
fn imports() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        elqui_codec::atomic_write_bytes(&dir.path().join(name), text.as_bytes()).unwrap();
    };
    let load = |name: &str| {
        Pipeline::load(&dir.path().join(name), &tasks(), Universe::standard())
            .map_err(|e| e.to_string())
    };
    file("base.yaml", TWO_STEPS);
    file(
        "all.yaml",
        "name: all\nimports: [{file: base.yaml}]\nsteps:\n  clean: {task: clean, config: {prefix: mine}}\n",
    );
    let p = load("all.yaml").unwrap();
    assert_eq!((p.name.as_str(), p.steps.len()), ("all", 2));
    assert!(p.step("clean").unwrap().config().contains("mine"));
    assert!(p.subsets.contains_key("first"));
    file("part.yaml", "name: part\nimports: [{file: base.yaml, exclude: [clean]}]\n");
    let p = load("part.yaml").unwrap();
    assert_eq!((p.steps.len(), p.subsets.len()), (1, 0));
    file("lost.yaml", "name: l\nimports:\n- {file: base.yaml, include: [nobody]}\n");
    assert!(load("lost.yaml").unwrap_err().contains("no step `nobody`"));
    file("loop.yaml", "name: l\nimports: [{file: loop2.yaml}]\n");
    file("loop2.yaml", "name: l\nimports: [{file: loop.yaml}]\n");
    assert!(load("loop.yaml").unwrap_err().contains("imports itself"));
    file("twice.yaml", "name: l\nimports: [{file: base.yaml}, {file: base.yaml}]\n");
    assert!(load("twice.yaml").unwrap_err().contains("imported twice"));
    file("none.yaml", "name: n\n\nimports: [{file: gone.yaml}]\n");
    let e = load("none.yaml").unwrap_err();
    assert!(e.contains("none.yaml:3") && e.contains("gone.yaml"), "{e}");
    assert!(load("gone.yaml").unwrap_err().contains("cannot read"));
    elqui_codec::atomic_write_bytes(&dir.path().join("bytes.yaml"), b"name: a\nx: \xff\n").unwrap();
    assert!(load("bytes.yaml").unwrap_err().contains("bytes.yaml:2: the text is not UTF-8"));
}
