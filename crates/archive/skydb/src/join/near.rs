//! Which pairs a join's condition can hold for at all: the spatial predicates it cannot hold without.
//!
//! - AND: one of its parts is enough; OR: each part has to name one, and pairs of any are looked at
//! - a shape stands for its bounding circle; the condition itself is tested on every pair found

use crate::functions::NEAR;
use datafusion::common::{JoinSide, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Literal};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::joins::utils::JoinFilter;
use std::sync::Arc;

pub type Phys = Arc<dyn PhysicalExpr>;

/// Where one side of a pair is; expressions are on the join filter's own columns.
#[derive(Debug, Clone)]
pub enum Place {
    /// Right ascension and declination, deg.
    Position(Phys, Phys),
    /// A POINT, or a shape in STC-S: its bounding circle counts.
    Shape(Phys),
}

/// Two places that are no farther apart than a radius (and the radii of shapes).
#[derive(Debug, Clone)]
pub struct Near {
    pub left: Place,
    pub right: Place,
    /// deg; an expression of either side's columns or a constant.
    pub radius: Phys,
    pub radius_side: JoinSide,
    /// Whether the edge belongs to it; of two positions only.
    pub inclusive: Option<bool>,
}

impl Near {
    pub fn place(&self, side: JoinSide) -> &Place {
        if side == JoinSide::Left { &self.left } else { &self.right }
    }

    /// The radius, deg, where it is a constant.
    pub fn constant_radius(&self) -> Option<f64> {
        let literal = self.radius.downcast_ref::<Literal>()?;
        literal.value().cast_to(&datafusion::arrow::datatypes::DataType::Float64).ok().and_then(
            |v| match v {
                ScalarValue::Float64(v) => v,
                _ => None,
            },
        )
    }
}

/// The predicates of a filter: pairs that fulfil it are near in one of these senses.
pub fn find(filter: &JoinFilter) -> Option<Vec<Near>> {
    of(filter.expression(), filter)
}

fn of(e: &Phys, filter: &JoinFilter) -> Option<Vec<Near>> {
    if let Some(b) = e.downcast_ref::<BinaryExpr>() {
        return match b.op() {
            Operator::And => {
                let (left, right) = (of(b.left(), filter), of(b.right(), filter));
                // Fewer senses are fewer pairs.
                match (left, right) {
                    (Some(a), Some(b)) => Some(if a.len() <= b.len() { a } else { b }),
                    (a, b) => a.or(b),
                }
            }
            Operator::Or => {
                let mut all = of(b.left(), filter)?;
                all.extend(of(b.right(), filter)?);
                Some(all)
            }
            Operator::Eq if is_one(b.right()) => meeting(b.left(), filter).map(|n| vec![n]),
            Operator::Eq if is_one(b.left()) => meeting(b.right(), filter).map(|n| vec![n]),
            _ => None,
        };
    }
    let call = e.downcast_ref::<ScalarFunctionExpr>().filter(|c| c.name() == NEAR)?;
    let [ra1, dec1, ra2, dec2, radius, inclusive] = call.args() else { return None };
    let place = |ra: &Phys, dec: &Phys| Place::Position(ra.clone(), dec.clone());
    let mut near = made(place(ra1, dec1), place(ra2, dec2), radius.clone(), filter)?;
    near.inclusive = match inclusive.downcast_ref::<Literal>()?.value() {
        ScalarValue::Boolean(b) => *b,
        _ => None,
    };
    Some(vec![near])
}

/// What is left of the condition once pairs are known to fulfil `near` (a part of it), when `near` can be
/// answered exactly: two positions and a constant radius.
pub fn residual(filter: &JoinFilter, near: &[Near]) -> Option<Vec<Phys>> {
    let [near] = near else { return None };
    near.constant_radius()?;
    near.inclusive?;
    let mut parts = Vec::new();
    conjuncts(filter.expression(), &mut parts);
    let is_it = |e: &Phys| {
        e.downcast_ref::<ScalarFunctionExpr>()
            .is_some_and(|c| c.name() == NEAR && of(e, filter).is_some_and(|n| same(&n[0], near)))
    };
    let before = parts.len();
    parts.retain(|e| !is_it(e));
    (parts.len() < before).then_some(parts)
}

fn same(a: &Near, b: &Near) -> bool {
    let place = |a: &Place, b: &Place| match (a, b) {
        (Place::Position(x, y), Place::Position(u, v)) => **x == **u && **y == **v,
        _ => false,
    };
    place(&a.left, &b.left)
        && place(&a.right, &b.right)
        && *a.radius == *b.radius
        && a.inclusive == b.inclusive
}

fn conjuncts(e: &Phys, out: &mut Vec<Phys>) {
    match e.downcast_ref::<BinaryExpr>() {
        Some(b) if *b.op() == Operator::And => {
            conjuncts(b.left(), out);
            conjuncts(b.right(), out);
        }
        _ => out.push(e.clone()),
    }
}

/// `adql_contains(a, b)` and `adql_intersects(a, b)`.
fn meeting(e: &Phys, filter: &JoinFilter) -> Option<Near> {
    let call = e.downcast_ref::<ScalarFunctionExpr>()?;
    if !matches!(call.name(), "adql_contains" | "adql_intersects") {
        return None;
    }
    let [a, b] = call.args() else { return None };
    let zero: Phys = Arc::new(Literal::new(ScalarValue::Float64(Some(0.0))));
    made(Place::Shape(a.clone()), Place::Shape(b.clone()), zero, filter)
}

fn made(a: Place, b: Place, radius: Phys, filter: &JoinFilter) -> Option<Near> {
    let radius_side = side(&[&radius], filter)?;
    let of = |p: &Place| match p {
        Place::Position(ra, dec) => side(&[ra, dec], filter),
        Place::Shape(e) => side(&[e], filter),
    };
    match (of(&a)?, of(&b)?) {
        (JoinSide::Left, JoinSide::Right) => {
            Some(Near { left: a, right: b, radius, radius_side, inclusive: None })
        }
        (JoinSide::Right, JoinSide::Left) => {
            Some(Near { left: b, right: a, radius, radius_side, inclusive: None })
        }
        _ => None,
    }
}

/// The one side that expressions speak of; `JoinSide::None` for constants, `None` for both.
fn side(all: &[&Phys], filter: &JoinFilter) -> Option<JoinSide> {
    let mut found = JoinSide::None;
    for e in all {
        for c in collect_columns(e) {
            let side = filter.column_indices().get(c.index())?.side;
            if found != JoinSide::None && found != side {
                return None;
            }
            found = side;
        }
    }
    Some(found)
}

fn is_one(e: &Phys) -> bool {
    let Some(l) = e.downcast_ref::<Literal>() else { return false };
    matches!(l.value(), ScalarValue::Int32(Some(1)) | ScalarValue::Int64(Some(1)))
}
