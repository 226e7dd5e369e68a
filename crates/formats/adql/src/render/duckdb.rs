//! DuckDB's SQL, for checking answers: distances by the haversine, shapes beyond circles refused.

use super::engine::{Engine, Sky, common, photometry};
use crate::geometry::Shape;
use elqui_sphere::SkyRegion;

#[derive(Debug, Clone, Copy, Default)]
pub struct DuckDb;

fn distance(ra1: &str, dec1: &str, ra2: &str, dec2: &str) -> String {
    let half = |a: &str, b: &str| format!("pow(sin(radians({b} - {a}) / 2), 2)");
    format!(
        "degrees(2 * asin(least(1.0, sqrt({} + cos(radians({dec1})) * cos(radians({dec2})) * {}))))",
        half(dec1, dec2),
        half(ra1, ra2)
    )
}

impl Engine for DuckDb {
    fn name(&self) -> &'static str {
        "DuckDB"
    }

    fn divide(&self, a: &str, b: &str, whole: bool) -> String {
        format!("({a} {} {b})", if whole { "//" } else { "/" })
    }

    fn call(&self, name: &str, args: &[String]) -> Option<String> {
        match (name, args) {
            ("distance" | "scisql_angsep", [a, b, c, d]) => Some(distance(a, b, c, d)),
            ("distance", [p, q]) => {
                let part = |p: &str, k: usize| format!("{p}[{k}]");
                Some(distance(&part(p, 1), &part(p, 2), &part(q, 1), &part(q, 2)))
            }
            ("point", [ra, dec]) => Some(format!("[{ra}, {dec}]")),
            ("coord1", [p]) => Some(format!("({p})[1]")),
            ("coord2", [p]) => Some(format!("({p})[2]")),
            ("truncate", [x]) => Some(format!("trunc({x})")),
            ("truncate", [x, n]) => {
                Some(format!("(trunc({x} * power(10.0, {n})) / power(10.0, {n}))"))
            }
            ("gavo_match", [pattern, text]) => {
                Some(format!("(CASE WHEN regexp_matches({text}, {pattern}) THEN 1 ELSE 0 END)"))
            }
            _ => photometry(name, args).or_else(|| common(name, args)),
        }
    }

    fn sky(&self, sky: &Sky<'_>) -> Option<String> {
        let compare = |inclusive: bool| if inclusive { "<=" } else { "<" };
        match sky {
            Sky::InRegion {
                ra,
                dec,
                region: Shape::Region(SkyRegion::Circle { ra: ra0, dec: dec0, radius }),
                inclusive,
            } => {
                let d = distance(ra, dec, &format!("{ra0:?}"), &format!("{dec0:?}"));
                Some(format!("{d} {} {radius:?}", compare(*inclusive)))
            }
            Sky::InRegion { .. } => None,
            Sky::Near { a, b, radius, inclusive } => {
                let d = distance(&a.0, &a.1, &b.0, &b.1);
                Some(format!("{d} {} {radius}", compare(*inclusive)))
            }
        }
    }
}
