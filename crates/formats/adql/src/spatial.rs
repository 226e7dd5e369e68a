//! Spatial predicates found in the conditions of a query.
//!
//! An engine turns each into ranges of HEALPix cells or a sky join. Every spelling of a predicate gives
//! the same term: `1 = CONTAINS(...)` and its turns, `DISTANCE(...) < r`, sciSQL's and Qserv's
//! functions. The term's place in the boolean tree says whether the rows must fulfil it.

use crate::error::At;
use crate::geometry::{Shape, constant_point, number, shape};
use crate::tree::*;
use crate::types::Type;
use elqui_sphere::SkyRegion;

/// Where a condition stands in its SELECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    Where,
    /// ON of the join with this number, and its kind.
    On {
        join: usize,
        kind: JoinKind,
    },
}

/// One step from the whole condition down to a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    And(usize),
    Or(usize),
    Not,
}

/// A position of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Position {
    Constant {
        ra: f64,
        dec: f64,
    },
    /// Right ascension and declination, deg.
    Pair {
        ra: Box<Expr>,
        dec: Box<Expr>,
    },
    /// A value of type POINT.
    Point(Box<Expr>),
}

/// What is asked of positions and shapes.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// The position lies in a constant region; on its edge too when `inclusive`.
    InRegion { position: Position, region: Shape, inclusive: bool },
    /// Two positions, one of them of a row at least, are no farther apart than `radius_deg`.
    Near { a: Position, b: Position, radius_deg: Box<Expr>, inclusive: bool },
    /// The position lies in a shape that differs from row to row.
    InShape { position: Position, shape: Box<Expr> },
    /// Two shapes overlap.
    Overlap { a: Box<Expr>, b: Box<Expr> },
}

/// A spatial predicate and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct SpatialTerm {
    /// Number of the SELECT.
    pub select: usize,
    pub clause: Clause,
    /// From the whole condition of the clause down to the predicate.
    pub path: Vec<Step>,
    /// Whether the predicate is asked not to hold, by itself (`0 = CONTAINS(...)`).
    pub negated: bool,
    pub predicate: Predicate,
    pub at: At,
}

impl SpatialTerm {
    /// Whether every row that the condition lets through fulfils the predicate.
    pub fn required(&self) -> bool {
        !self.negated && self.path.iter().all(|s| matches!(s, Step::And(_)))
    }
}

impl Position {
    fn of(e: &Expr) -> Option<Self> {
        if let Some((ra, dec)) = constant_point(e) {
            return Some(Self::Constant { ra, dec });
        }
        match &e.kind {
            Kind::Call(c) if c.name == "point" => match c.args.as_slice() {
                [ra, dec] => Some(Self::pair(ra, dec)),
                _ => None,
            },
            _ if e.ty == Type::Point => Some(Self::Point(Box::new(e.clone()))),
            _ => None,
        }
    }

    fn pair(ra: &Expr, dec: &Expr) -> Self {
        match (number(ra), number(dec)) {
            (Some(ra), Some(dec)) => Self::Constant { ra, dec },
            _ => Self::Pair { ra: Box::new(ra.clone()), dec: Box::new(dec.clone()) },
        }
    }

    /// Label of the table and its two columns, when the position is just that.
    pub fn columns(&self) -> Option<(&str, &str, &str)> {
        let Self::Pair { ra, dec } = self else { return None };
        let meant = |e: &'_ Expr| match &e.kind {
            Kind::Column(ColumnRef { meant: Some(m), .. }) => Some(m.clone()),
            _ => None,
        };
        let (a, b) = (meant(ra)?, meant(dec)?);
        if a.table.is_none() || a.table != b.table {
            return None;
        }
        let (Kind::Column(ra), Kind::Column(dec)) = (&ra.kind, &dec.kind) else { return None };
        let (ra, dec) = (ra.meant.as_ref()?, dec.meant.as_ref()?);
        Some((ra.table.as_deref()?, &ra.column, &dec.column))
    }
}

fn near(a: Position, b: Position, radius: &Expr, inclusive: bool) -> Option<Predicate> {
    use Position::Constant;
    match (a, b, number(radius)) {
        (Constant { .. }, Constant { .. }, _) => None,
        (Constant { ra, dec }, position, Some(radius))
        | (position, Constant { ra, dec }, Some(radius))
            if (0.0..=180.0).contains(&radius) =>
        {
            let region = Shape::Region(SkyRegion::Circle { ra, dec, radius });
            Some(Predicate::InRegion { position, region, inclusive })
        }
        (a, b, _) => {
            Some(Predicate::Near { a, b, radius_deg: Box::new(radius.clone()), inclusive })
        }
    }
}

/// CONTAINS(a, b).
fn contains(a: &Expr, b: &Expr) -> Option<Predicate> {
    let position = Position::of(a)?;
    if let Some(region) = shape(b) {
        if let (Shape::Point { .. }, _) | (_, Position::Constant { .. }) = (&region, &position) {
            return None;
        }
        return Some(Predicate::InRegion { position, region, inclusive: true });
    }
    if let Kind::Call(c) = &b.kind
        && c.name == "circle"
    {
        return match c.args.as_slice() {
            [ra, dec, radius] => near(position, Position::pair(ra, dec), radius, true),
            [p, radius] => near(position, Position::of(p)?, radius, true),
            _ => None,
        };
    }
    Some(Predicate::InShape { position, shape: Box::new(b.clone()) })
}

/// What a call that gives 1 or 0 asks.
fn asks(call: &Call) -> Option<Predicate> {
    let args = call.args.as_slice();
    let circle = |p: &[Expr], ra: f64, dec: f64, radius: f64| {
        let region = SkyRegion::Circle { ra, dec, radius };
        in_region(Position::pair(&p[0], &p[1]), region)
    };
    match (call.name.as_str(), args) {
        ("contains", [a, b]) => contains(a, b),
        ("intersects", [a, b]) => match (Position::of(a), Position::of(b)) {
            (Some(_), _) => contains(a, b),
            (_, Some(_)) => contains(b, a),
            _ if shape(a).is_some() && shape(b).is_some() => None,
            _ => Some(Predicate::Overlap { a: Box::new(a.clone()), b: Box::new(b.clone()) }),
        },
        ("scisql_s2ptincircle", [_, _, ra, dec, radius]) => {
            match (number(ra), number(dec), number(radius)) {
                (Some(ra), Some(dec), Some(radius)) => circle(args, ra, dec, radius),
                _ => {
                    near(Position::pair(&args[0], &args[1]), Position::pair(ra, dec), radius, true)
                }
            }
        }
        ("scisql_s2ptincpoly", [_, _, corners @ ..]) => {
            let n = corners.iter().map(number).collect::<Option<Vec<_>>>()?;
            let vertices = n.chunks_exact(2).map(|p| (p[0], p[1])).collect();
            in_region(Position::pair(&args[0], &args[1]), SkyRegion::Polygon { vertices })
        }
        _ => None,
    }
}

fn in_region(position: Position, region: SkyRegion) -> Option<Predicate> {
    if region.check().is_err() || matches!(position, Position::Constant { .. }) {
        return None;
    }
    Some(Predicate::InRegion { position, region: Shape::Region(region), inclusive: true })
}

/// The predicate of a condition, and whether it is asked not to hold.
pub(crate) fn recognise(e: &Expr) -> Option<(Predicate, bool)> {
    let (op, left, right) = match &e.kind {
        Kind::Call(c) => return asks(c).map(|p| (p, false)),
        Kind::Compare { op, left, right } => (*op, left, right),
        _ => return None,
    };
    let turned = |op| match op {
        Cmp::Lt => Cmp::Gt,
        Cmp::Le => Cmp::Ge,
        Cmp::Gt => Cmp::Lt,
        Cmp::Ge => Cmp::Le,
        same => same,
    };
    let (call, op, other) = match (&left.kind, &right.kind) {
        (Kind::Call(c), _) if is_spatial(c) => (c, op, right),
        (_, Kind::Call(c)) if is_spatial(c) => (c, turned(op), left),
        _ => return None,
    };
    if call.name == "distance" || call.name == "scisql_angsep" {
        let inclusive = match op {
            Cmp::Lt => false,
            Cmp::Le => true,
            _ => return None,
        };
        let (a, b) = match call.args.as_slice() {
            [a, b] => (Position::of(a)?, Position::of(b)?),
            [ra, dec, ra2, dec2] => (Position::pair(ra, dec), Position::pair(ra2, dec2)),
            _ => return None,
        };
        return near(a, b, other, inclusive).map(|p| (p, false));
    }
    let bound = number(other)?;
    let holds = match op {
        Cmp::Eq if bound == 1.0 => true,
        Cmp::Eq if bound == 0.0 => false,
        Cmp::Ne if bound == 1.0 => false,
        Cmp::Ne | Cmp::Gt if bound == 0.0 => true,
        Cmp::Ge if bound == 1.0 => true,
        Cmp::Lt if bound == 1.0 => false,
        _ => return None,
    };
    asks(call).map(|p| (p, !holds))
}

fn is_spatial(c: &Call) -> bool {
    c.name.starts_with("scisql_s2pt")
        || matches!(c.name.as_str(), "contains" | "intersects" | "distance" | "scisql_angsep")
}

/// Find the predicates of a resolved query, and mark them in its tree.
pub(crate) fn find(query: &mut Query) -> Vec<SpatialTerm> {
    let mut finder =
        Finder { select: 0, clause: Clause::Where, path: Vec::new(), terms: Vec::new() };
    finder.query(query);
    finder.terms
}

struct Finder {
    select: usize,
    clause: Clause,
    path: Vec<Step>,
    terms: Vec<SpatialTerm>,
}

impl Finder {
    fn query(&mut self, query: &mut Query) {
        let before = (self.select, self.clause, std::mem::take(&mut self.path));
        for (_, cte) in &mut query.with {
            self.query(cte);
        }
        self.body(&mut query.body);
        (self.select, self.clause, self.path) = before;
    }

    fn body(&mut self, body: &mut Body) {
        match body {
            Body::Query(q) => self.query(q),
            Body::Set { left, right, .. } => {
                self.body(left);
                self.body(right);
            }
            Body::Select(s) => {
                self.select = s.id;
                for table in &mut s.from {
                    self.table(table);
                }
                self.select = s.id;
                self.clause = Clause::Where;
                if let Some(filter) = &mut s.filter {
                    self.condition(filter);
                }
                for item in &mut s.items {
                    if let Item::Expr { expr, .. } = item {
                        self.subqueries(expr);
                    }
                }
                if let Some(having) = &mut s.having {
                    self.subqueries(having);
                }
            }
        }
    }

    fn table(&mut self, table: &mut TableRef) {
        match table {
            TableRef::Table { .. } => {}
            TableRef::Subquery { query, .. } => self.query(query),
            TableRef::Join { left, right, kind, on, number } => {
                self.table(left);
                self.table(right);
                if let On::Condition(condition) = on {
                    self.clause = Clause::On { join: *number, kind: *kind };
                    self.condition(condition);
                }
            }
        }
    }

    fn condition(&mut self, e: &mut Expr) {
        match &mut e.kind {
            Kind::And(parts) => self.parts(parts, Step::And),
            Kind::Or(parts) => self.parts(parts, Step::Or),
            Kind::Not(inner) => {
                self.path.push(Step::Not);
                self.condition(inner);
                self.path.pop();
            }
            _ => match recognise(e) {
                Some((predicate, negated)) => {
                    let term = self.terms.len();
                    self.terms.push(SpatialTerm {
                        select: self.select,
                        clause: self.clause,
                        path: self.path.clone(),
                        negated,
                        predicate,
                        at: e.at,
                    });
                    let kind = std::mem::replace(&mut e.kind, Kind::Null);
                    let plain = Box::new(Expr { kind, ..e.clone() });
                    e.kind = Kind::Spatial { term, plain };
                }
                None => self.subqueries(e),
            },
        }
    }

    fn parts(&mut self, parts: &mut [Expr], step: fn(usize) -> Step) {
        for (k, part) in parts.iter_mut().enumerate() {
            self.path.push(step(k));
            self.condition(part);
            self.path.pop();
        }
    }

    /// Queries inside an expression have conditions of their own.
    fn subqueries(&mut self, e: &mut Expr) {
        match &mut e.kind {
            Kind::Exists(q) | Kind::Subquery(q) => self.query(q),
            Kind::InQuery { expr, query, .. } => {
                self.subqueries(expr);
                self.query(query);
            }
            Kind::Minus(x) | Kind::Not(x) => self.subqueries(x),
            Kind::Binary { left, right, .. } | Kind::Compare { left, right, .. } => {
                self.subqueries(left);
                self.subqueries(right);
            }
            Kind::Call(c) => c.args.iter_mut().for_each(|a| self.subqueries(a)),
            Kind::Cast { expr, .. } => self.subqueries(expr),
            _ => {}
        }
    }
}
