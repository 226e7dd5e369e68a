//! PostgreSQL with q3c. Circles and polygons use its index; q3c's own circle is open at the edge, so a
//! distance decides there.

use super::engine::{Engine, Sky, common, photometry};
use crate::geometry::Shape;
use elqui_sphere::SkyRegion;

#[derive(Debug, Clone, Copy, Default)]
pub struct PostgresQ3c;

impl Engine for PostgresQ3c {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn call(&self, name: &str, args: &[String]) -> Option<String> {
        let all = args.join(", ");
        match (name, args) {
            ("distance" | "scisql_angsep", [_, _, _, _]) => Some(format!("q3c_dist({all})")),
            ("distance", [p, q]) => {
                Some(format!("q3c_dist(({p})[0], ({p})[1], ({q})[0], ({q})[1])"))
            }
            ("point", _) => Some(format!("point({all})")),
            ("coord1", [p]) => Some(format!("({p})[0]")),
            ("coord2", [p]) => Some(format!("({p})[1]")),
            ("round" | "truncate", [x, n]) => {
                let f = if name == "round" { "round" } else { "trunc" };
                Some(format!("CAST({f}(CAST({x} AS NUMERIC), {n}) AS DOUBLE PRECISION)"))
            }
            ("truncate", [x]) => Some(format!("trunc({x})")),
            ("mod", [a, b]) => Some(format!(
                "CAST(mod(CAST({a} AS NUMERIC), CAST({b} AS NUMERIC)) AS DOUBLE PRECISION)"
            )),
            ("median", [x]) => Some(format!("percentile_cont(0.5) WITHIN GROUP (ORDER BY {x})")),
            ("gavo_match", [pattern, text]) => {
                Some(format!("(CASE WHEN {text} ~ {pattern} THEN 1 ELSE 0 END)"))
            }
            _ => photometry(name, args).or_else(|| common(name, args)),
        }
    }

    fn sky(&self, sky: &Sky<'_>) -> Option<String> {
        let compare = |inclusive: bool| if inclusive { "<=" } else { "<" };
        match sky {
            Sky::InRegion { ra, dec, region: Shape::Region(region), inclusive } => {
                Some(match region {
                    SkyRegion::Circle { ra: ra0, dec: dec0, radius } => format!(
                        "(q3c_radial_query({ra}, {dec}, {ra0:?}, {dec0:?}, {:?}) \
                     AND q3c_dist({ra}, {dec}, {ra0:?}, {dec0:?}) {} {radius:?})",
                        radius * (1.0 + 1e-9) + 1e-12,
                        compare(*inclusive),
                    ),
                    polygon => {
                        let corners: Vec<String> = polygon
                            .vertices()
                            .iter()
                            .map(|(x, y)| format!("{x:?}, {y:?}"))
                            .collect();
                        format!("q3c_poly_query({ra}, {dec}, ARRAY[{}])", corners.join(", "))
                    }
                })
            }
            Sky::InRegion { .. } => None,
            Sky::Near { a, b, radius, inclusive } => {
                let pairs = format!("{}, {}, {}, {}", a.0, a.1, b.0, b.1);
                Some(format!(
                    "(q3c_join({pairs}, {radius} * (1 + 1e-9) + 1e-12) AND q3c_dist({pairs}) {} {radius})",
                    compare(*inclusive)
                ))
            }
        }
    }
}
