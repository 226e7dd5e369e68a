//! SQL engines behind one small trait: SQLite and PostgreSQL, transactions, migrations.
//!
//! A [`Location`] says where a database is, [`connect`] opens it, [`Sql`] is what both can do.
//! [`transaction`] runs work that happens as a whole or not at all, again when others were in its way;
//! [`migrate`] brings tables of an older version up to date. Nothing here knows what the tables hold:
//! what its owner calls a database, and what helps where it fails, is said in [`Words`].
//! `docs/design/butler.md` tells why these two drivers, and what is promised when they fail.

#[cfg(feature = "postgres")]
mod connection;
#[cfg(feature = "postgres")]
mod copy;
mod error;
mod location;
mod migration;
#[cfg(feature = "postgres")]
mod password;
#[cfg(feature = "postgres")]
mod postgres;
mod sql;
mod sqlite;
#[cfg(feature = "postgres")]
mod tls;
mod transaction;

pub use error::{Fault, SqlError, Words};
pub use location::{Location, PATIENCE_S, connect};
pub use migration::{Step, Versions, migrate};
pub use sql::{Dialect, Sql, SqlValue};
pub use transaction::{Connected, Fails, transaction};
