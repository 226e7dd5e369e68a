//! The language of `--where` and `--order-by`; `docs/design/butler.md` has the grammar.

mod ast;
mod error;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

pub use ast::{Arithmetic, Compare, Expr, Item, Node, OrderKey};
pub use error::ExpressionError;
pub use parser::{parse, parse_order};
