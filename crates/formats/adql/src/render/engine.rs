//! What an engine calls things: a small trait, with SQL's common forms as defaults.

use crate::geometry::Shape;
use crate::types::Type;
use elqui_sphere::SkyRegion;

/// A spatial predicate with its parts as texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Sky<'a> {
    InRegion { ra: String, dec: String, region: &'a Shape, inclusive: bool },
    Near { a: (String, String), b: (String, String), radius: String, inclusive: bool },
}

/// The language of an engine.
pub trait Engine {
    fn name(&self) -> &'static str;

    /// Whether CONTAINS, INTERSECTS and AREA of constant shapes are written as their values.
    fn folds(&self) -> bool {
        true
    }

    fn ident(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn table(&self, schema: Option<&str>, table: &str) -> String {
        match schema {
            Some(s) => format!("{}.{}", self.ident(s), self.ident(table)),
            None => self.ident(table),
        }
    }

    fn text(&self, value: &str) -> String {
        format!("'{}'", value.replace('\'', "''"))
    }

    fn timestamp(&self, value: &str) -> String {
        format!("CAST({} AS TIMESTAMP)", self.text(value.trim_end_matches('Z')))
    }

    fn hex(&self, value: u64) -> String {
        value.to_string()
    }

    /// Whether its EXCEPT ALL and INTERSECT ALL count equal rows, as the standard has it.
    fn keeps_duplicates(&self) -> bool {
        true
    }

    /// A value of type BOOLEAN as 1 or 0.
    fn flag(&self, value: &str) -> String {
        format!("CAST({value} AS INTEGER)")
    }

    /// After SELECT.
    fn top(&self, _top: Option<u64>) -> String {
        String::new()
    }

    /// At the end of a query.
    fn limits(&self, top: Option<u64>, offset: Option<u64>) -> String {
        let limit = top.map_or(String::new(), |n| format!(" LIMIT {n}"));
        limit + &offset.map_or(String::new(), |n| format!(" OFFSET {n}"))
    }

    fn cross_join(&self) -> &'static str {
        "CROSS JOIN"
    }

    /// What CAST makes; `None` when the engine has no such type.
    fn cast(&self, value: &str, target: Type, length: Option<u64>) -> Option<String> {
        let name = match target {
            Type::Char | Type::Varchar => match length {
                Some(n) => format!("VARCHAR({n})"),
                None => "VARCHAR".into(),
            },
            t if t.is_geometry() => return None,
            t => t.to_string(),
        };
        Some(format!("CAST({value} AS {name})"))
    }

    /// Division; whole numbers give a whole number.
    fn divide(&self, a: &str, b: &str, _whole: bool) -> String {
        format!("({a} / {b})")
    }

    fn ilike(&self, value: &str, pattern: &str, negated: bool) -> String {
        format!("{value} {}ILIKE {pattern}", if negated { "NOT " } else { "" })
    }

    /// A function by its name in lower case; `None` when the engine has nothing for it.
    fn call(&self, name: &str, args: &[String]) -> Option<String>;

    /// A spatial predicate as a condition; `None` renders the functions that it was written with.
    fn sky(&self, sky: &Sky<'_>) -> Option<String>;
}

/// Functions that engines of PostgreSQL's family share.
pub(crate) fn common(name: &str, args: &[String]) -> Option<String> {
    let all = args.join(", ");
    Some(match (name, args) {
        ("ceiling", _) => format!("ceil({all})"),
        // ADQL's LOG is the natural one, those engines' is decadic.
        ("log", _) => format!("ln({all})"),
        ("rand", _) => "random()".into(),
        ("mod", [a, b]) => format!("({a} % {b})"),
        ("bitwise_and", [a, b]) => format!("({a} & {b})"),
        ("bitwise_or", [a, b]) => format!("({a} | {b})"),
        ("bitwise_xor", [a, b]) => format!("(({a} | {b}) - ({a} & {b}))"),
        ("bitwise_not", [a]) => format!("(-1 - {a})"),
        ("in_unit", [a, _, factor]) => format!("({a} * {factor})"),
        ("ivo_nocasematch", [a, b]) => format!("(CASE WHEN {a} ILIKE {b} THEN 1 ELSE 0 END)"),
        ("ivo_nocasecmp", [a, b]) => {
            format!("(CASE WHEN lower({a}) = lower({b}) THEN 1 ELSE 0 END)")
        }
        ("ivo_string_agg", _) => format!("string_agg({all})"),
        ("scisql_s2ptinbox", [ra, dec, west, south, east, north]) => {
            // From west to east, through 0 where west is the larger.
            let (width, from) = (turn(east, west), turn(ra, west));
            format!(
                "(CASE WHEN {dec} BETWEEN {south} AND {north} AND ({east} - {west} >= 360 \
                 OR {from} <= {width}) THEN 1 ELSE 0 END)"
            )
        }
        (
            "avg" | "count" | "max" | "min" | "sum" | "abs" | "degrees" | "exp" | "floor" | "log10"
            | "pi" | "power" | "radians" | "sqrt" | "acos" | "asin" | "atan" | "atan2" | "cos"
            | "cot" | "sin" | "tan" | "sign" | "lower" | "upper" | "coalesce" | "nullif" | "round"
            | "stddev" | "variance" | "median",
            _,
        ) => format!("{name}({all})"),
        _ => return None,
    })
}

/// Degrees from one right ascension to another, eastward.
fn turn(to: &str, from: &str) -> String {
    let gap = format!("({to} - {from})");
    format!("({gap} - 360 * floor({gap} / 360.0))")
}

/// sciSQL's photometry as arithmetic.
pub(crate) fn photometry(name: &str, args: &[String]) -> Option<String> {
    Some(match (name, args) {
        ("scisql_nanojanskytoabmag", [f]) => {
            format!("(CASE WHEN {f} > 0 THEN 31.4 - 2.5 * log10({f}) END)")
        }
        ("scisql_nanojanskytoabmagsigma", [f, e]) => {
            format!("(CASE WHEN {f} > 0 THEN 1.0857362047581296 * {e} / {f} END)")
        }
        ("scisql_abmagtonanojansky", [m]) => format!("power(10.0, (31.4 - {m}) / 2.5)"),
        ("scisql_abmagtonanojanskysigma", [m, e]) => {
            format!("(power(10.0, (31.4 - {m}) / 2.5) * {e} * 0.9210340371976184)")
        }
        _ => return None,
    })
}

/// A region in the words of STC-S, which `geometry::stc_s` reads.
pub(crate) fn region_text(shape: &Shape) -> Option<String> {
    let list = |v: &[(f64, f64)]| {
        v.iter().map(|(ra, dec)| format!("{ra} {dec}")).collect::<Vec<_>>().join(" ")
    };
    Some(match shape {
        Shape::Point { ra, dec } => format!("POSITION {ra} {dec}"),
        Shape::Region(SkyRegion::Circle { ra, dec, radius }) => {
            format!("CIRCLE {ra} {dec} {radius}")
        }
        Shape::Region(SkyRegion::Box { ra, dec, width, height }) => {
            format!("BOX {ra} {dec} {width} {height}")
        }
        Shape::Region(SkyRegion::Polygon { vertices }) => format!("POLYGON {}", list(vertices)),
        Shape::Moc(moc) => {
            let text = moc.to_ascii().ok()?;
            format!("MOC {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    })
}
