//! The join of one set of rows in an index ("build") with batches of the other side ("probe").

use super::candidates::Sense;
use super::near::{Near, Phys};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array,
    new_null_array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{JoinSide, JoinType, Result};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use std::sync::atomic::{AtomicBool, Ordering};

/// What all parts of a join share.
#[derive(Debug)]
pub struct Plan {
    pub filter: JoinFilter,
    pub near: Vec<Near>,
    /// What remains to be tested on the pairs of the index; `None`: the whole condition.
    pub residual: Option<Vec<Phys>>,
    pub join_type: JoinType,
    /// Columns of the result.
    pub columns: Vec<ColumnIndex>,
    pub schema: SchemaRef,
}

/// Pairs that are looked at together.
const PAIRS_AT_ONCE: usize = 32_768;

/// Rows of one side in an index.
pub struct Build {
    rows: RecordBatch,
    side: JoinSide,
    senses: Vec<Sense>,
    matched: Option<Vec<AtomicBool>>,
}

fn other(side: JoinSide) -> JoinSide {
    if side == JoinSide::Left { JoinSide::Right } else { JoinSide::Left }
}

/// What is done with rows that have, or have not, a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Nothing,
    /// Rows without a partner, the other side NULL or away.
    Lonely,
    /// Rows with a partner, once.
    Matched,
    /// All rows, with a mark whether they have one.
    Mark,
}

/// Whether pairs come out, and the fate of the rows of each side.
fn fates(join: JoinType, side: JoinSide) -> (bool, Fate) {
    use JoinType::*;
    let left = side == JoinSide::Left;
    match join {
        Inner => (true, Fate::Nothing),
        Full => (true, Fate::Lonely),
        Left => (true, if left { Fate::Lonely } else { Fate::Nothing }),
        Right => (true, if left { Fate::Nothing } else { Fate::Lonely }),
        LeftSemi => (false, if left { Fate::Matched } else { Fate::Nothing }),
        RightSemi => (false, if left { Fate::Nothing } else { Fate::Matched }),
        LeftAnti => (false, if left { Fate::Lonely } else { Fate::Nothing }),
        RightAnti => (false, if left { Fate::Nothing } else { Fate::Lonely }),
        LeftMark => (false, if left { Fate::Mark } else { Fate::Nothing }),
        RightMark => (false, if left { Fate::Nothing } else { Fate::Mark }),
    }
}

impl Build {
    pub fn new(plan: &Plan, rows: RecordBatch, side: JoinSide) -> Result<Self> {
        let senses = plan
            .near
            .iter()
            .map(|n| Sense::new(n, &rows, side, &plan.filter))
            .collect::<Result<Vec<_>>>()?;
        let fate = fates(plan.join_type, side).1;
        let matched = (fate != Fate::Nothing)
            .then(|| (0..rows.num_rows()).map(|_| AtomicBool::new(false)).collect());
        Ok(Self { rows, side, senses, matched })
    }

    /// Join a batch of the other side; results go to `give`, in parts.
    pub fn probe(
        &self,
        plan: &Plan,
        batch: &RecordBatch,
        mut give: impl FnMut(RecordBatch),
    ) -> Result<()> {
        let side = other(self.side);
        let (pairs_out, fate) = fates(plan.join_type, side);
        let asking = self
            .senses
            .iter()
            .map(|s| s.asking(batch, side, &plan.filter))
            .collect::<Result<Vec<_>>>()?;
        let mut found = vec![false; if fate == Fate::Nothing { 0 } else { batch.num_rows() }];
        let (mut build, mut probe) = (Vec::new(), Vec::new());
        let mut partners: Vec<u32> = Vec::new();
        for row in 0..batch.num_rows() {
            partners.clear();
            for (sense, asking) in self.senses.iter().zip(&asking) {
                sense.partners(asking, row, plan.residual.is_some(), |k| partners.push(k));
            }
            if self.senses.len() > 1 {
                partners.sort_unstable();
                partners.dedup();
            }
            build.extend_from_slice(&partners);
            probe.resize(build.len(), row as u32);
            if build.len() >= PAIRS_AT_ONCE || row + 1 == batch.num_rows() && !build.is_empty() {
                // A row with very many partners is taken in pieces.
                for start in (0..build.len()).step_by(PAIRS_AT_ONCE) {
                    let end = (start + PAIRS_AT_ONCE).min(build.len());
                    let (b, p) =
                        self.tested(plan, batch, &build[start..end], &probe[start..end])?;
                    if let Some(matched) = &self.matched {
                        b.values()
                            .iter()
                            .for_each(|k| matched[*k as usize].store(true, Ordering::Relaxed));
                    }
                    if fate != Fate::Nothing {
                        p.values().iter().for_each(|k| found[*k as usize] = true);
                    }
                    if pairs_out && !b.is_empty() {
                        give(self.result(plan, Some((&self.rows, &b)), Some((batch, &p)), None)?);
                    }
                }
                build.clear();
                probe.clear();
            }
        }
        if let Some((rows, mark)) = chosen(fate, &found) {
            if !rows.is_empty() {
                give(self.result(plan, None, Some((batch, &rows)), mark)?);
            }
        }
        Ok(())
    }

    /// After the last batch: rows of the index by their fate.
    pub fn finish(
        &self,
        plan: &Plan,
        batch_rows: usize,
        mut give: impl FnMut(RecordBatch),
    ) -> Result<()> {
        let Some(matched) = &self.matched else { return Ok(()) };
        let found: Vec<bool> = matched.iter().map(|m| m.load(Ordering::Relaxed)).collect();
        let Some((rows, mark)) = chosen(fates(plan.join_type, self.side).1, &found) else {
            return Ok(());
        };
        for start in (0..rows.len()).step_by(batch_rows.max(1)) {
            let length = batch_rows.min(rows.len() - start);
            let part = rows.slice(start, length);
            let mark = mark.as_ref().map(|m| m.slice(start, length));
            give(self.result(plan, Some((&self.rows, &part)), None, mark)?);
        }
        Ok(())
    }

    /// Pairs that fulfil what the index has not settled.
    fn tested(
        &self,
        plan: &Plan,
        batch: &RecordBatch,
        build: &[u32],
        probe: &[u32],
    ) -> Result<(UInt32Array, UInt32Array)> {
        let (b, p) = (UInt32Array::from(build.to_vec()), UInt32Array::from(probe.to_vec()));
        let whole = [plan.filter.expression().clone()];
        let tests: &[Phys] = plan.residual.as_deref().unwrap_or(&whole);
        if tests.is_empty() {
            return Ok((b, p));
        }
        let columns = plan
            .filter
            .column_indices()
            .iter()
            .map(|c| {
                let (rows, at) = if c.side == self.side { (&self.rows, &b) } else { (batch, &p) };
                Ok(take(rows.column(c.index), at, None)?)
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(b.len()));
        let pairs =
            RecordBatch::try_new_with_options(plan.filter.schema().clone(), columns, &options)?;
        let mut keep = vec![true; b.len()];
        for test in tests {
            let values = test.evaluate(&pairs)?.into_array(b.len())?;
            let values = values.as_boolean();
            keep.iter_mut().enumerate().for_each(|(k, keep)| {
                *keep &= values.is_valid(k) && values.value(k);
            });
        }
        let kept = |a: &UInt32Array| -> UInt32Array {
            a.values().iter().zip(&keep).filter(|(_, k)| **k).map(|(v, _)| *v).collect()
        };
        Ok((kept(&b), kept(&p)))
    }

    /// Columns of the result from rows of either side; a side that is not there is NULL.
    fn result(
        &self,
        plan: &Plan,
        build: Option<(&RecordBatch, &UInt32Array)>,
        probe: Option<(&RecordBatch, &UInt32Array)>,
        mark: Option<BooleanArray>,
    ) -> Result<RecordBatch> {
        let count = build.or(probe).map_or(0, |(_, rows)| rows.len());
        let columns = plan
            .columns
            .iter()
            .zip(plan.schema.fields())
            .map(|(c, field)| {
                let from = match c.side {
                    JoinSide::None => None,
                    side if side == self.side => build,
                    _ => probe,
                };
                match (c.side, &mark, from) {
                    (JoinSide::None, Some(mark), _) => {
                        Ok(std::sync::Arc::new(mark.clone()) as ArrayRef)
                    }
                    (_, _, Some((rows, at))) => Ok(take(rows.column(c.index), at, None)?),
                    _ => Ok(new_null_array(field.data_type(), count)),
                }
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(plan.schema.clone(), columns, &options)?)
    }
}

/// Rows that come out by their fate, and their marks.
fn chosen(fate: Fate, found: &[bool]) -> Option<(UInt32Array, Option<BooleanArray>)> {
    let rows = |wanted: bool| -> UInt32Array {
        (0..found.len() as u32).filter(|k| found[*k as usize] == wanted).collect()
    };
    match fate {
        Fate::Nothing => None,
        Fate::Lonely => Some((rows(false), None)),
        Fate::Matched => Some((rows(true), None)),
        Fate::Mark => {
            let mark = BooleanArray::from(found.to_vec());
            Some(((0..found.len() as u32).collect(), Some(mark)))
        }
    }
}
