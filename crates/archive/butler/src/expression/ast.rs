//! An expression as a tree. Every node knows the column (bytes from 0) that it begins at.

use elqui_sphere::SkyRegion;

/// Comparisons, in the order of SQL's signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

/// What stands at a place of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub at: usize,
    pub expr: Expr,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Int(i64),
    Real(f64),
    Text(String),
    /// Nanoseconds of TAI since 1970.
    Time(i64),
    /// `visit`, `visit.exposure_time_s`, `ingest_date`, `collection`.
    Name(String),
    /// `(T'...', T'...')`.
    Timespan(Box<Node>, Box<Node>),
    Region(SkyRegion),
    Negate(Box<Node>),
    Math(Arithmetic, Box<Node>, Box<Node>),
    Compare(Compare, Box<Node>, Box<Node>),
    /// The last is whether it is `NOT IN`.
    In(Box<Node>, Vec<Item>, bool),
    /// Text with `*` and `?`; the last is whether it is `NOT GLOB`.
    Glob(Box<Node>, String, bool),
    Overlaps(Box<Node>, Box<Node>),
    /// The last is whether it is `IS NOT NULL`.
    IsNull(Box<Node>, bool),
    Not(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
}

/// One of the things that IN lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    One(Node),
    /// From the first to the second, both included, in steps of the third.
    Range(i64, i64, i64),
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderKey {
    pub at: usize,
    pub name: String,
    pub descending: bool,
}
