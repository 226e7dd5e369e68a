//! The stages of an import, one after the other, each skipped where a former run finished it.

use super::border::margin_order;
use super::bucket::BucketWriter;
use super::commit::{Base, Job};
use super::count::count;
use super::deal::{Dealer, Dealt, DealtFiles};
use super::encoding::Encodings;
use super::finish::{Finisher, Names};
use super::index::{IndexFacts, IndexWriter};
use super::input::Inputs;
use super::margin::MarginWriter;
use super::partition::{adaptive, base_pixels};
use super::plan::{Plan, Planned};
use super::side::{self, Done};
use super::staging::{self, Staging};
use crate::config::{ImportReport, Progress, Stage};
use crate::error::{CatalogError, one_line};
use crate::files;
use crate::keys::is_key;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Rows that the encodings are tried on.
const SAMPLE_ROWS: usize = 65_536;
/// Order of the sky map (cells of 14 arcmin).
const SKY_ORDER: u8 = 8;

impl Job<'_> {
    pub fn run(
        &self,
        inputs: &Inputs,
        key: &str,
        base: &Base,
    ) -> Result<ImportReport, CatalogError> {
        let names = Names::new(self.config)?;
        let id = self.id_column(inputs)?;
        let margin_order = self.config.margin_arcsec.map(margin_order).transpose()?;
        let staging = Staging::open(self.dir, key)?;
        let mut clock = Clock(Instant::now(), Vec::new());
        let mut report = ImportReport {
            stale_removed: staging.stale_removed,
            replaced_columns: inputs.replaced.clone(),
            ..ImportReport::default()
        };
        let sample = self.sample(inputs)?;
        let row_bytes = sample.get_array_memory_size() / sample.num_rows().max(1) + 8;
        let planned = match staging.read::<staging::Planned>("plan.json") {
            Some(planned) => planned,
            None => {
                let planned = staging::Planned {
                    plan: self.plan(inputs, base, row_bytes)?,
                    encodings: Encodings::choose(&sample, self.config)?,
                };
                staging.write("plan.json", &planned)?;
                planned
            }
        };
        drop(sample);
        let plan = &planned.plan;
        self.describe(plan, inputs, &mut report);
        clock.lap("count");
        let version = staging.version();
        let writer = BucketWriter {
            config: self.config,
            plan,
            schema: inputs.schema.clone(),
            encodings: &planned.encodings,
            root: &version.join(&names.table),
            side: &staging.side(),
            margin_order,
            sky_order: SKY_ORDER,
            id,
        };
        files::make_folder(writer.side)?;
        self.buckets(inputs, &writer, &staging, row_bytes, &mut report, &mut clock)?;
        let done: Vec<Done> = (0..plan.buckets.len())
            .map(|b| side::read_done(writer.side, b).ok_or_else(|| self.lost()))
            .collect::<Result<_, _>>()?;
        report.bytes = done.iter().map(|d| d.bytes).sum();
        let finisher = Finisher {
            config: self.config,
            plan,
            names: &names,
            schema: inputs.schema.clone(),
            version: &version,
        };
        if let Some(name) = &names.margin {
            let margin = MarginWriter {
                config: self.config,
                plan,
                schema: inputs.schema.clone(),
                encodings: &planned.encodings,
                root: &version.join(name),
                side: writer.side,
            };
            let margins = margin.write(&done, self.tell)?;
            report.margin_rows = margins.iter().filter_map(|m| m.1).sum();
            finisher.margin(&margins)?;
            clock.lap("margin");
        }
        if let (Some(id), Some((_, name))) = (id, &names.index) {
            let index = IndexWriter {
                config: self.config,
                plan,
                field: inputs.schema.fields()[id].clone(),
                root: &version.join(name),
                side: writer.side,
            };
            let IndexFacts { rows, duplicates, first_duplicate } = index.write(&done, self.tell)?;
            finisher.index(id, rows)?;
            report.duplicate_ids = duplicates;
            report.duplicate_id = first_duplicate;
            report.null_ids = done.iter().map(|d| d.null_ids).sum();
            clock.lap("index");
        }
        let mut sky = vec![0i64; 12usize << (2 * SKY_ORDER)];
        for bucket in 0..plan.buckets.len() {
            side::add_sky(writer.side, bucket, &mut sky)?;
        }
        let unique = id.is_some() && report.duplicate_ids == 0;
        finisher.table(SKY_ORDER, &sky, report.bytes, unique)?;
        finisher.collection()?;
        inputs.check_unchanged()?;
        report.version = self.version()?;
        clock.lap("finish");
        report.seconds.clone_from(&clock.1);
        self.commit(&staging, &report)?;
        clock.lap("commit");
        report.seconds = clock.1;
        Ok(report)
    }

    fn id_column(&self, inputs: &Inputs) -> Result<Option<usize>, CatalogError> {
        let Some(name) = &self.config.id else { return Ok(None) };
        let k = super::place::column(&inputs.schema, &self.config.name, name, "the id")?;
        let field = inputs.schema.field(k);
        if is_key(field.data_type()) && field.name() == name {
            return Ok(Some(k));
        }
        let reason = if field.name() == name {
            format!("an id is an integer, not {}; leave `--id` out", field.data_type())
        } else {
            format!("it is written `{}` in the input; write it so", field.name())
        };
        Err(CatalogError::Column { table: self.config.name.clone(), column: name.clone(), reason })
    }

    fn plan(&self, inputs: &Inputs, base: &Base, row_bytes: usize) -> Result<Plan, CatalogError> {
        let counts = count(inputs, self.config, self.tell)?;
        if counts.rows == 0 {
            let left = if counts.bad > 0 { " with a place on the sky" } else { "" };
            return Err(CatalogError::refused(format!("the input has no rows{left}")));
        }
        let roots = if base.roots.is_empty() { base_pixels() } else { base.roots.clone() };
        if let Some(deep) = roots.iter().find(|r| r.order > self.config.order_max) {
            return Err(CatalogError::refused(format!(
                "the catalogue has partitions of order {}; allow that with `--order-max`",
                deep.order
            )));
        }
        let new = adaptive(counts.cells, self.config.order_max, self.config.rows_max, &roots);
        let planned = |(p, rows): (elqui_hats::Pixel, u64)| Planned {
            order: p.order,
            index: p.index,
            rows,
            kept: None,
        };
        let mut partitions: Vec<Planned> = new.into_iter().map(planned).collect();
        partitions.extend(base.kept.iter().cloned());
        partitions.sort_by_key(Planned::pixel);
        let plan = Plan::new(partitions, row_bytes, self.config.memory_bytes / 16);
        Ok(Plan { bad: counts.bad, part_rows: counts.part_rows, ..plan })
    }

    fn describe(&self, plan: &Plan, inputs: &Inputs, report: &mut ImportReport) {
        report.rows = plan.rows;
        report.partitions = plan.partitions.len();
        report.orders = plan.partitions.iter().map(|p| p.order).collect();
        report.orders.sort_unstable();
        report.orders.dedup();
        let crowded = |p: &&Planned| p.rows > self.config.rows_max;
        report.crowded = plan.partitions.iter().filter(crowded).count();
        if inputs.has_parent() {
            report.orphans = plan.bad;
        } else {
            report.bad_rows = plan.bad;
        }
    }

    /// The first rows of the input, for the encodings and the width of a row.
    fn sample(&self, inputs: &Inputs) -> Result<RecordBatch, CatalogError> {
        let (mut batches, mut rows) = (Vec::new(), 0);
        'parts: for part in 0..inputs.parts() {
            for batch in inputs.rows(part)? {
                let batch = batch?;
                let room = SAMPLE_ROWS - rows;
                rows += batch.num_rows().min(room);
                batches.push(batch.slice(0, batch.num_rows().min(room)));
                if rows >= SAMPLE_ROWS {
                    break 'parts;
                }
            }
        }
        concat_batches(&inputs.schema, &batches).map_err(|e| CatalogError::refused(one_line(e)))
    }

    /// Deal the rows out and write the buckets that are not there yet.
    fn buckets(
        &self,
        inputs: &Inputs,
        writer: &BucketWriter,
        staging: &Staging,
        row_bytes: usize,
        report: &mut ImportReport,
        clock: &mut Clock,
    ) -> Result<(), CatalogError> {
        let plan = writer.plan;
        let all = 0..plan.buckets.len();
        let (ready, open): (Vec<usize>, Vec<usize>) = all.partition(|&b| writer.is_done(b));
        report.resumed = ready.iter().map(|&b| plan.buckets[b].len()).sum();
        if open.is_empty() {
            return Ok(());
        }
        let dealt = self.deal(inputs, plan, staging, row_bytes)?;
        clock.lap("deal");
        let bytes = |b: &usize| {
            let rows: u64 = plan.partitions[plan.buckets[*b].clone()].iter().map(|p| p.rows).sum();
            usize::try_from(rows).unwrap_or(usize::MAX).saturating_mul(row_bytes)
        };
        // A bucket takes about three times its size while it is sorted and written.
        let largest = open.iter().map(bytes).max().unwrap_or(1).max(1);
        let side_by_side = (self.config.memory_bytes / 3 / largest).clamp(1, self.config.threads);
        let (finished, total) = (AtomicU64::new(0), open.len() as u64);
        let next = AtomicU64::new(0);
        let (written, to_sync) = std::sync::mpsc::channel::<usize>();
        let work = |written: std::sync::mpsc::Sender<usize>| -> Result<(), CatalogError> {
            loop {
                let k = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
                let Some(&bucket) = open.get(k) else { return Ok(()) };
                if plan.is_kept(bucket) {
                    writer.keep(bucket)?;
                } else {
                    writer.write(bucket, dealt.rows(bucket)?)?;
                    dealt.release(bucket);
                    // A syncer that failed is told when it is joined.
                    let _ = written.send(bucket);
                }
                let done = finished.fetch_add(1, Ordering::Relaxed) + 1;
                (self.tell)(Progress { stage: Stage::Write, done, total });
            }
        };
        // The disk takes finished files while others are made; the commit waits for all of them.
        std::thread::scope(|scope| {
            let syncer =
                scope.spawn(|| to_sync.into_iter().try_for_each(|bucket| writer.sync(bucket)));
            let senders: Vec<_> = (0..side_by_side).map(|_| written.clone()).collect();
            drop(written);
            senders.into_par_iter().with_max_len(1).try_for_each(work)?;
            syncer.join().map_err(|_| CatalogError::internal("the syncing thread failed"))?
        })?;
        clock.lap("write");
        Ok(())
    }

    fn deal(
        &self,
        inputs: &Inputs,
        plan: &Plan,
        staging: &Staging,
        row_bytes: usize,
    ) -> Result<Dealt, CatalogError> {
        let folder = staging.dealt();
        if let Some(files) = staging.read::<DealtFiles>("dealt.json") {
            return Ok(Dealt::Files { folder, places: files.places });
        }
        files::remove(&folder)?;
        let new: u64 = plan.part_rows.iter().sum();
        let bytes = usize::try_from(new).unwrap_or(usize::MAX).saturating_mul(row_bytes);
        let in_memory = bytes <= self.config.memory_bytes / 3;
        let dealer = Dealer {
            inputs,
            plan,
            chunk_bytes: self.config.memory_bytes / 8 / self.config.threads.max(1),
            folder: (!in_memory).then_some(folder),
            tell: self.tell,
        };
        let dealt = dealer.deal()?;
        if let Dealt::Files { places, .. } = &dealt {
            staging.write("dealt.json", &DealtFiles { places: places.clone() })?;
        }
        Ok(dealt)
    }

    fn lost(&self) -> CatalogError {
        let folder = self.dir.join(staging::STAGING);
        CatalogError::refused(format!(
            "files of `{}` went missing during the import; run it again",
            Path::display(&folder)
        ))
    }
}

/// Seconds of each stage.
struct Clock(Instant, Vec<(String, f64)>);

impl Clock {
    fn lap(&mut self, stage: &str) {
        let now = Instant::now();
        self.1.push((stage.into(), now.duration_since(self.0).as_secs_f64()));
        self.0 = now;
    }
}
