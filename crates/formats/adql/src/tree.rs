//! A query as a tree that can hold ADQL and nothing else.
//!
//! Positions are those of the text as typed. Resolution fills the types, and in columns the table
//! and column that are meant.

use crate::error::At;
use crate::types::Type;

/// A name as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    pub text: String,
    /// In double quotes: capitals matter.
    pub delimited: bool,
    pub at: At,
}

impl Name {
    /// Whether this is the name of what is called `other`.
    pub fn means(&self, other: &str) -> bool {
        if self.delimited { self.text == other } else { self.text.eq_ignore_ascii_case(other) }
    }
}

/// `[WITH ...] body [ORDER BY ...] [OFFSET n]`
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub with: Vec<(Name, Query)>,
    pub body: Body,
    pub order_by: Vec<OrderTerm>,
    pub offset: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OrderTerm {
    pub expr: Expr,
    pub descending: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    Select(Box<Select>),
    Query(Box<Query>),
    Set { op: SetOp, all: bool, left: Box<Body>, right: Box<Body> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// Number of this SELECT in the query, in the order of resolution.
    pub id: usize,
    pub at: At,
    pub distinct: bool,
    pub top: Option<u64>,
    pub items: Vec<Item>,
    pub from: Vec<TableRef>,
    pub filter: Option<Expr>,
    pub group_by: Vec<Expr>,
    pub having: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// `*`; resolution replaces it by its columns.
    All(At),
    /// `t.*`, likewise.
    TableAll(Vec<Name>),
    Expr {
        expr: Expr,
        alias: Option<Name>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableRef {
    Table {
        /// `[[catalog.]schema.]table` as written, and the names that the catalogue has for it;
        /// for a WITH its own name without a schema.
        name: Vec<Name>,
        alias: Option<Name>,
        meant: Option<(Option<String>, String)>,
        /// What the table is called in this SELECT; unique in it.
        label: String,
    },
    Subquery {
        query: Box<Query>,
        alias: Name,
        label: String,
    },
    Join {
        left: Box<TableRef>,
        right: Box<TableRef>,
        kind: JoinKind,
        on: On,
        /// Number of the join in its SELECT, in the order of the text.
        number: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Debug, Clone, PartialEq)]
pub enum On {
    Nothing,
    Natural,
    Using(Vec<Name>),
    Condition(Box<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub at: At,
    pub kind: Kind,
    pub ty: Type,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Hex(u64),
    Text(String),
    Timestamp(String),
    Column(ColumnRef),
    /// `+` is dropped.
    Minus(Box<Expr>),
    Binary {
        op: Op,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Compare {
        op: Cmp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Like {
        expr: Box<Expr>,
        pattern: Box<Expr>,
        any_case: bool,
        negated: bool,
        escape: Option<char>,
    },
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    Exists(Box<Query>),
    Subquery(Box<Query>),
    Cast {
        expr: Box<Expr>,
        target: Type,
        length: Option<u64>,
    },
    Case {
        operand: Option<Box<Expr>>,
        whens: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Call(Call),
    /// A spatial predicate, found by recognition; says the same as the expression it holds.
    Spatial {
        term: usize,
        plain: Box<Expr>,
    },
}

/// A function, its name in lower case.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub name: String,
    pub args: Vec<Expr>,
    pub distinct: bool,
    /// `COUNT(*)`
    pub star: bool,
    /// The deprecated first argument of a geometry, e.g. `ICRS`.
    pub frame: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRef {
    pub qualifier: Vec<Name>,
    pub name: Name,
    pub meant: Option<Meant>,
}

/// What a column name means.
#[derive(Debug, Clone, PartialEq)]
pub struct Meant {
    /// Label of its table; none for a column that a USING merged and for a result column.
    pub table: Option<String>,
    pub column: String,
    /// Number of SELECTs between the name and its table: 0 in the same one.
    pub outer: usize,
}
