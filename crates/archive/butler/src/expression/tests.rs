//! What the language means, and what it says to nonsense.

use super::*;

fn ok(text: &str) -> Node {
    parse(text).unwrap_or_else(|e| panic!("{e}")).unwrap()
}

#[test]
fn the_tree_has_the_precedence_of_sql() {
    let Expr::Or(terms) = ok("a=1 OR b=2 AND NOT c=3").expr else { panic!() };
    assert!(matches!(&terms[1].expr, Expr::And(t) if matches!(t[1].expr, Expr::Not(_))));
    let Expr::Compare(Compare::Gt, left, _) = ok("1 + 2 * x > -3").expr else { panic!() };
    assert!(matches!(left.expr, Expr::Math(Arithmetic::Add, ..)));
    let text = "instrument='Sim' AND visit IN (1..200) AND band='r' \
                AND visit.exposure_time_s > 20 AND tract=9813";
    assert!(matches!(ok(text).expr, Expr::And(t) if t.len() == 5));
    assert_eq!(parse("  ").unwrap(), None);
}

#[test]
fn literals() {
    let Expr::In(_, items, not) = ok("v not in (1, -5..-1:2, 'it''s')").expr else { panic!() };
    assert!(not && items[1] == Item::Range(-5, -1, 2));
    assert!(matches!(&items[2], Item::One(n) if n.expr == Expr::Text("it's".into())));
    let time = |t: &str| if let Expr::Compare(_, _, r) = ok(t).expr { r.expr } else { panic!() };
    assert_eq!(time("a > T'mjd:40588'"), Expr::Time(86_400_000_000_000));
    assert_eq!(time("a > T'1970-01-02T00:00:00+01:00'"), time("a > T'1970-01-01 23:00:00'"));
    assert_eq!(time("a > 1.5e3"), Expr::Real(1500.0));
    assert!(matches!(ok("x OVERLAPS CIRCLE(10, -5.5, 0.1)").expr, Expr::Overlaps(..)));
    assert!(matches!(ok("x OVERLAPS (T'mjd:1', T'mjd:2')").expr, Expr::Overlaps(..)));
    assert!(matches!(ok("x IS NOT NULL").expr, Expr::IsNull(_, true)));
}

#[test]
fn errors_point_at_the_place() {
    for (text, column, why) in [
        ("visit = ", 9, "ends where a value"),
        ("visit IN (5..1)", 11, "did you mean 1..5"),
        ("visit IN 5", 10, "`(` is expected"),
        ("visit = 1 detector = 2", 11, "AND, OR or the end"),
        ("(visit = 1", 1, "never closed"),
        ("visit = 1)", 10, "never opened"),
        ("band = \"r\"", 8, "single quotes"),
        ("band = 'r", 8, "never closed"),
        ("é = 1", 1, "no meaning"),
        ("'é' = 1 ; DROP TABLE dataset", 9, "one expression only"),
        ("visit = 99999999999999999999", 9, "too large"),
        ("visit = 12abc", 9, "runs into a letter"),
        ("1 < visit < 3", 11, "do not chain"),
        ("a OVERLAPS CIRCLE(1,2)", 12, "CIRCLE with 2 numbers"),
        ("a OVERLAPS CIRCLE(1,99,3)", 12, "not on the sky"),
        ("a OVERLAPS BLOB(1,99,3)", 12, "no function `BLOB`"),
        ("a > T'yesterday'", 5, "no time"),
        ("a.b.c = 1", 1, "dimension.field"),
        ("visit IN (1..3:0)", 11, "step"),
        ("AND a = 1", 1, "not AND"),
        ("a = 1e999", 5, "too large"),
    ] {
        let e = parse(text).unwrap_err();
        assert_eq!(e.column(), column, "{e}");
        assert!(e.why.contains(why), "{e}");
        let shown = e.to_string();
        assert_eq!(shown.lines().nth(2).unwrap().chars().count(), column + 2, "{shown}");
    }
}

#[test]
fn hostile_texts_are_refused_in_time() {
    let deep = "(".repeat(100_000);
    assert!(parse(&deep).unwrap_err().why.contains("levels deep"));
    assert!(parse(&"NOT ".repeat(100_000)).unwrap_err().why.contains("levels deep"));
    assert!(parse(&format!("a={}1", "-".repeat(100_000))).unwrap_err().why.contains("levels"));
    assert!(parse(&"a".repeat(2 << 20)).unwrap_err().why.contains("more than"));
    let sum = format!("{}1 = 1", "1+".repeat(100_000));
    assert!(parse(&sum).unwrap_err().why.contains("signs of arithmetic"));
    let wide = vec!["a=1"; 20_000].join(" OR ");
    assert!(matches!(ok(&wide).expr, Expr::Or(t) if t.len() == 20_000));
    assert!(parse("a = '\0'").unwrap_err().why.contains("NUL"));
    // Any sequence of these parts gives a tree or an error, never a panic.
    let parts = [
        "a", "'x'", "T'", "1", "..", ".", "(", ")", "IN", "NOT", "-", "é", ",", "CIRCLE(", "1.",
        "e5", ":", "\n",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..8 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text += parts[(state >> 33) as usize % parts.len()];
            if state >> 62 == 0 {
                text.push(' ');
            }
        }
        if let Err(e) = parse(&text) {
            assert!(e.to_string().contains("column"));
        }
        let _ = parse_order(&text);
    }
}

#[test]
fn orders() {
    let keys = parse_order("visit, -detector, band DESC, -x DESC").unwrap();
    let falls: Vec<bool> = keys.iter().map(|k| k.descending).collect();
    assert_eq!(falls, [false, true, true, false]);
    assert!(parse_order("visit detector").is_err() && parse_order("1").is_err());
    assert!(parse_order("").unwrap().is_empty());
}
