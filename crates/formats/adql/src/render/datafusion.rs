//! DataFusion's SQL. Geometry goes to functions that the engine registers (`adql_*`); spatial predicates
//! become `adql_in_region(ra, dec, 'CIRCLE ...', inclusive)` and
//! `adql_near(ra, dec, ra, dec, radius_deg, inclusive)`, which its planner turns into ranges and joins.

use super::engine::{Engine, Sky, common, region_text};
use crate::types::Type;

#[derive(Debug, Clone, Copy, Default)]
pub struct DataFusion;

impl Engine for DataFusion {
    fn name(&self) -> &'static str {
        "DataFusion"
    }

    /// They are anti and semi joins there.
    fn keeps_duplicates(&self) -> bool {
        false
    }

    fn cast(&self, value: &str, target: Type, length: Option<u64>) -> Option<String> {
        Some(match (target, length) {
            (Type::Real, _) => format!("CAST({value} AS FLOAT)"),
            (Type::Double, _) => format!("CAST({value} AS DOUBLE)"),
            // Its VARCHAR has no length.
            (Type::Char | Type::Varchar, Some(n)) => {
                format!("substr(CAST({value} AS VARCHAR), 1, {n})")
            }
            (Type::Char | Type::Varchar, None) => format!("CAST({value} AS VARCHAR)"),
            (t, _) if t.is_geometry() => format!("adql_region({value})"),
            (t, _) => format!("CAST({value} AS {t})"),
        })
    }

    fn call(&self, name: &str, args: &[String]) -> Option<String> {
        let all = args.join(", ");
        Some(match name {
            "truncate" => format!("trunc({all})"),
            "variance" => format!("var_samp({all})"),
            // Of the language, and not of this engine yet.
            "ivo_epoch_prop" | "ivo_interval_has" | "gavo_specconv" | "gavo_mocunion"
            | "gavo_mocintersect" => return None,
            // Box and Muller's.
            "ivo_normal_random" | "gavo_normal_random" => match args {
                [mean, sigma] => format!(
                    "({mean} + {sigma} * sqrt(-2.0 * ln(1.0 - random())) * cos(2.0 * pi() * random()))"
                ),
                _ => return None,
            },
            "gavo_match" => match args {
                [pattern, text] => {
                    format!("(CASE WHEN regexp_like({text}, {pattern}) THEN 1 ELSE 0 END)")
                }
                _ => return None,
            },
            "area" | "box" | "centroid" | "circle" | "contains" | "coord1" | "coord2"
            | "distance" | "intersects" | "point" | "polygon" | "region" | "moc" => {
                format!("adql_{name}({all})")
            }
            "scisql_angsep" if args.len() == 4 => format!("adql_distance({all})"),
            _ => common(name, args).unwrap_or_else(|| format!("{name}({all})")),
        })
    }

    fn sky(&self, sky: &Sky<'_>) -> Option<String> {
        Some(match sky {
            Sky::InRegion { ra, dec, region, inclusive } => {
                let region = self.text(&region_text(region)?);
                format!("adql_in_region({ra}, {dec}, {region}, {inclusive})")
            }
            Sky::Near { a, b, radius, inclusive } => {
                format!("adql_near({}, {}, {}, {}, {radius}, {inclusive})", a.0, a.1, b.0, b.1)
            }
        })
    }
}
