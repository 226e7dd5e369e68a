//! Whatever the text, there is an answer or an error, soon and without a panic.

mod common;
use common::catalog;
use elqui_adql::{Adql, AdqlError, DataFusion, check};
use std::time::{Duration, Instant};

fn survives(text: &str) -> Result<(), AdqlError> {
    let start = Instant::now();
    let done = check(text, &catalog());
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "{took:?} for {:?}",
        text.chars().take(200).collect::<String>()
    );
    match done {
        Ok(checked) => {
            let again = checked.render(&Adql)?;
            let _ = checked.render(&DataFusion);
            // The normal form may nest more deeply than the text did.
            match check(&again, &catalog()) {
                Ok(twice) => assert_eq!(twice.render(&Adql)?, again, "{text}"),
                Err(AdqlError::TooLarge { .. }) => {}
                Err(e) => panic!("{e}\n{text}\n{again}"),
            }
            Ok(())
        }
        Err(e) => {
            assert_eq!(e.to_string().lines().count(), 1, "{e}");
            let _ = e.caret(text);
            Err(e)
        }
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let deep = |open: &str, middle: &str, close: &str, n: usize| {
        format!("SELECT ra FROM t WHERE ra = {}{middle}{}", open.repeat(n), close.repeat(n))
    };
    for n in [10, 23, 24, 25, 48, 100, 1000, 50_000] {
        for text in [
            deep("(", "1", ")", n),
            deep("ABS(", "1", ")", n),
            deep("-", "1", "", n),
            deep("- ", "1", "", n),
            deep("(SELECT ra FROM t WHERE ra = ", "1", ")", n),
            format!("SELECT ra FROM t WHERE {} ra = 1", "NOT ".repeat(n)),
            format!("SELECT ra FROM t WHERE {}ra = 1{}", "(".repeat(n), ")".repeat(n)),
            format!("SELECT ra FROM {}t{}", "(".repeat(n), ")".repeat(n)),
            format!("SELECT ra FROM {}t JOIN t1 ON 1 = 1{}", "(".repeat(n), ")".repeat(n)),
            format!("{}SELECT ra FROM t{}", "(".repeat(n), ")".repeat(n)),
            format!("SELECT ra FROM {}t{}", "(SELECT ra FROM ".repeat(n), ") AS a".repeat(n)),
            format!(
                "SELECT CASE WHEN 1 = 1 THEN {} 1 {} FROM t",
                "CASE WHEN 1 = 1 THEN ".repeat(n),
                "END ".repeat(n)
            ),
            format!("SELECT ra FROM t WHERE ra = 1{}", " + 1".repeat(n)),
            format!("SELECT ra FROM t WHERE ra = 1{}", " OR ra = 1".repeat(n)),
            format!("SELECT ra FROM t WHERE ra = 1{}", " AND ra = 1 OR ra = 2".repeat(n)),
            format!("SELECT ra FROM t{}", " UNION SELECT ra FROM t".repeat(n)),
            format!("SELECT 1 FROM t{}", ", t1".repeat(n)),
            format!("SELECT 'a'{} FROM t", " || 'a'".repeat(n)),
            format!("SELECT {}ra FROM t", "a.".repeat(n)),
            format!("SELECT CAST({}1{} FROM t", "CAST(".repeat(n), " AS REAL)".repeat(n)),
            format!(
                "WITH a AS (SELECT ra FROM t){} SELECT ra FROM a",
                ", b AS (SELECT ra FROM t)".repeat(n)
            ),
        ] {
            let _ = survives(&text);
        }
    }
    // What is long but flat is fine.
    let ids: Vec<String> =
        (0..20_000).map(|k| (611_255_759_837_069_401_u64 + k).to_string()).collect();
    survives(&format!("SELECT ra FROM t WHERE ra IN ({})", ids.join(", "))).unwrap();
    let ors = vec!["id = 1"; 1000].join(" OR ");
    survives(&format!("SELECT id FROM table1 WHERE {ors}")).unwrap();
    let e =
        survives(&format!("SELECT ra FROM t WHERE ra IN ({})", "1, ".repeat(400_000))).unwrap_err();
    assert_eq!(e.code(), "too-large");
}

const SEEDS: &[&str] = &[
    "SELECT TOP 10 objectId, g_psfFlux FROM dp1.Object WHERE CONTAINS(POINT('ICRS', coord_ra, coord_dec), CIRCLE('ICRS', 53.1, -28.1, 0.5)) = 1 ORDER BY objectId OFFSET 5",
    "WITH a AS (SELECT id, ra FROM table1 WHERE id % 10 = 0x1f) SELECT a.*, COUNT(*) AS n FROM a NATURAL JOIN table2 b GROUP BY a.id, 2 HAVING COUNT(*) > 3",
    "SELECT DISTINCT \"size\", CAST('1 2 3' AS CIRCLE), COALESCE(id, -1.5e3) FROM atable WHERE ra BETWEEN 1 AND 2 OR NOT EXISTS (SELECT * FROM t WHERE name LIKE 'a''b%')",
    "(SELECT id FROM table1 UNION ALL SELECT id FROM table2) EXCEPT SELECT id FROM table3 ORDER BY 1 DESC",
    "SELECT a.id, CASE WHEN a.ra > 1 THEN 'x' ELSE LOWER('Y') END FROM t1 a LEFT OUTER JOIN t2 b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 5.0 / 3600 AND 1 = INTERSECTS(b.footprint, BOX(1, 2, 3, 4)) -- end",
    "SELECT IN_UNIT(ra, 'arcsec') FROM t WHERE obstime > TIMESTAMP '2026-01-01' AND 0 = CONTAINS(pos, REGION('POLYGON 1 2 3 2 2 4')) AND 1 = CONTAINS(pos, MOC('3/1-5 4/77'))",
];

const PIECES: &[&str] = &[
    "(",
    ")",
    ",",
    ".",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    ";",
    "*",
    "=",
    "<>",
    "- ",
    "0x",
    "1e",
    "1e999",
    ".5.",
    "\0",
    "é",
    "\u{202e}",
    "🔭",
    "SELECT ",
    " FROM ",
    " WHERE ",
    " JOIN ",
    " ON ",
    " USING (id)",
    " AND ",
    " OR ",
    " NOT ",
    " UNION ",
    " WITH ",
    " CASE ",
    " WHEN ",
    " END ",
    " IN ",
    " LIKE ",
    " BETWEEN ",
    " NULL ",
    " AS ",
    " TOP 5 ",
    " OFFSET ",
    " LIMIT 5",
    " CAST(",
    "POINT(",
    "CIRCLE(",
    "POLYGON(",
    "REGION('",
    "MOC('",
    "BOX(",
    " t",
    " t1",
    "ra",
    "id",
    " DELETE ",
    " INTO ",
    " || ",
    " % ",
    "::",
    "[",
    "{",
    "$1",
    "?",
    "\n",
    "\t",
    " ORDER BY ",
    " GROUP BY ",
];

/// A small generator (splitmix64), so that each run is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

fn mutate(text: &str, r: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=r.below(6) {
        let at = r.below(chars.len() + 1);
        let end = (at + r.below(12)).min(chars.len());
        match r.below(5) {
            0 => drop(chars.drain(at..end)),
            1 => drop(chars.splice(at..at, PIECES[r.below(PIECES.len())].chars())),
            2 => {
                let copy: Vec<char> = chars[at..end].to_vec();
                let to = r.below(chars.len() + 1);
                drop(chars.splice(to..to, copy));
            }
            3 => drop(chars.splice(at..end, PIECES[r.below(PIECES.len())].chars())),
            _ => {
                let other: Vec<char> = SEEDS[r.below(SEEDS.len())].chars().collect();
                let from = r.below(other.len());
                let to = (from + r.below(40)).min(other.len());
                drop(chars.splice(at..at, other[from..to].iter().copied()));
            }
        }
    }
    chars.into_iter().take(4000).collect()
}

/// Seconds of mutation; `ADQL_FUZZ_SECONDS` for more in a soak.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is not the library's matter")]
#[test]
fn mutated_queries_never_panic() {
    let seconds = std::env::var("ADQL_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut r = Random(20_260_101);
    let mut corpus: Vec<String> = SEEDS.iter().map(ToString::to_string).collect();
    let (mut tried, mut passed) = (0, 0);
    while Instant::now() < deadline {
        let text = mutate(&corpus[r.below(corpus.len())], &mut r);
        tried += 1;
        if survives(&text).is_ok() {
            passed += 1;
            if corpus.len() < 500 {
                corpus.push(text);
            }
        }
    }
    println!("{tried} texts, {passed} of them queries");
    assert!(tried > 500 && passed > 20, "{tried} {passed}");
}
