//! Work that happens as a whole or not at all.

use crate::error::{Fault, SqlError};
use crate::sql::Sql;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How often a transaction is tried that others were in the way of.
const TRIES_MAX: u32 = 20;

/// Who has a connection, and may have learned things inside a transaction.
pub trait Connected {
    fn sql(&mut self) -> &mut dyn Sql;
    /// What was learned inside may not have become true.
    fn undone(&mut self);
}

/// An error that may be the database's.
pub trait Fails: From<SqlError> {
    fn fault(&self) -> Option<Fault>;
}

impl Fails for SqlError {
    fn fault(&self) -> Option<Fault> {
        Self::fault(self)
    }
}

/// Run `work` as one transaction: all of it happens, or nothing. It is run again when another
/// writer was in the way, so it must not change anything but the database.
pub fn transaction<C: Connected, T, E: Fails>(
    on: &mut C,
    mut work: impl FnMut(&mut C) -> Result<T, E>,
) -> Result<T, E> {
    let mut attempt: u32 = 0;
    loop {
        attempt += 1;
        let mut once = || {
            on.sql().begin(true)?;
            let value = work(on)?;
            on.sql().commit()?;
            Ok(value)
        };
        let error: E = match once() {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        on.undone();
        // Where even this fails, the first error is the one that tells why.
        let _ = on.sql().rollback();
        if error.fault() != Some(Fault::Retry) || attempt >= TRIES_MAX {
            return Err(error);
        }
        // Those in each other's way must not meet again: a pause that differs.
        let pause = 1 + RandomState::new().hash_one(attempt) % 8;
        std::thread::sleep(Duration::from_millis(pause * u64::from(attempt.min(8))));
    }
}
