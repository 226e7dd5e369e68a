//! The door to the catalogues.
//!
//! `services` must not know which engine answers: the app makes a `QueryEngine` of the sky
//! database (or of a remote one) and hands it to the services. `EngineFn` makes one of a closure.

use crate::{Principal, WebError};
use elqui_schema::Table;
use std::future::Future;
use std::pin::Pin;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How much a query may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub rows_max: usize,
    pub time_max_s: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows_max: 10_000, time_max_s: 30.0 }
    }
}

/// Rows, and whether there were more than the limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub table: Table,
    pub truncated: bool,
}

/// Why a query has no answer, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryFailure {
    pub code: String,
    pub message: String,
}

impl From<QueryFailure> for WebError {
    fn from(f: QueryFailure) -> Self {
        Self::Query { code: f.code, message: f.message }
    }
}

/// A table that can be asked.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TableFacts {
    pub name: String,
    pub description: String,
    pub rows: Option<u64>,
    /// Names of the columns.
    pub columns: Vec<String>,
}

/// Answers SQL over catalogues. It only reads.
pub trait QueryEngine: Send + Sync {
    fn query<'a>(
        &'a self,
        principal: &'a Principal,
        sql: &'a str,
        limits: Limits,
    ) -> BoxFuture<'a, Result<Answer, QueryFailure>>;

    fn tables(&self) -> Vec<TableFacts>;
}

/// A query engine made of a closure that answers SQL.
pub struct EngineFn<F> {
    tables: Vec<TableFacts>,
    ask: F,
}

impl<F, Fut> EngineFn<F>
where
    F: Fn(String, Limits) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Answer, QueryFailure>> + Send + 'static,
{
    pub fn new(tables: Vec<TableFacts>, ask: F) -> Self {
        Self { tables, ask }
    }
}

impl<F, Fut> QueryEngine for EngineFn<F>
where
    F: Fn(String, Limits) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Answer, QueryFailure>> + Send + 'static,
{
    fn query<'a>(
        &'a self,
        _principal: &'a Principal,
        sql: &'a str,
        limits: Limits,
    ) -> BoxFuture<'a, Result<Answer, QueryFailure>> {
        Box::pin((self.ask)(sql.to_string(), limits))
    }

    fn tables(&self) -> Vec<TableFacts> {
        self.tables.clone()
    }
}
