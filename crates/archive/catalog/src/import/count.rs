//! First pass: how many rows stand in each cell of the finest order.

use super::input::{Inputs, position};
use crate::config::{ImportConfig, Progress, Stage};
use crate::error::CatalogError;
use elqui_sphere::HEALPIX29_BAD;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Counts {
    /// Rows by cell of `order_max`.
    pub cells: Vec<u64>,
    /// Rows of each part, the bad ones included.
    pub part_rows: Vec<u64>,
    pub rows: u64,
    pub bad: u64,
}

struct Bad {
    part: usize,
    row: u64,
    ra: f64,
    dec: f64,
}

pub(super) fn count(
    inputs: &Inputs,
    config: &ImportConfig,
    tell: &(dyn Fn(Progress) + Sync),
) -> Result<Counts, CatalogError> {
    let shift = 2 * (29 - u32::from(config.order_max));
    let cells: Vec<AtomicU64> =
        (0..12usize << (2 * config.order_max)).map(|_| AtomicU64::new(0)).collect();
    let done = AtomicU64::new(0);
    let total = inputs.parts() as u64;
    let parts: Vec<(u64, u64, Option<Bad>)> = (0..inputs.parts())
        .into_par_iter()
        .map(|part| {
            let (mut rows, mut bad, mut first) = (0u64, 0u64, None);
            let (batches, placer) = inputs.positions(part)?;
            for batch in batches {
                let batch = batch?;
                let arrays: Vec<_> = batch.columns().iter().collect();
                let found = placer.cells(&arrays)?;
                for (k, &cell) in found.iter().enumerate() {
                    if cell != HEALPIX29_BAD {
                        let cell = usize::try_from(cell >> shift).unwrap_or(usize::MAX);
                        if let Some(count) = cells.get(cell) {
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        continue;
                    }
                    if first.is_none() {
                        let (ra, dec) = position(placer, &arrays, k);
                        first = Some(Bad { part, row: rows + k as u64, ra, dec });
                    }
                    bad += 1;
                }
                rows += found.len() as u64;
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            tell(Progress { stage: Stage::Count, done, total });
            Ok((rows, bad, first))
        })
        .collect::<Result<_, CatalogError>>()?;
    let part_rows: Vec<u64> = parts.iter().map(|p| p.0).collect();
    let all: u64 = part_rows.iter().sum();
    let bad: u64 = parts.iter().map(|p| p.1).sum();
    let told = !inputs.has_parent() && !config.skip_bad_rows;
    if let (true, Some(first)) = (told, parts.into_iter().find_map(|p| p.2)) {
        return Err(CatalogError::BadPositions {
            count: bad,
            rows: all,
            label: inputs.label(first.part),
            row: first.row + 1,
            ra: first.ra,
            dec: first.dec,
        });
    }
    let cells = cells.into_iter().map(AtomicU64::into_inner).collect();
    Ok(Counts { cells, part_rows, rows: all - bad, bad })
}
