//! The operator of the sky join.
//!
//! Two ways: tile by tile where both sides are tables with cells ([`super::tiles`]); otherwise the left side is
//! put into an index as a whole, and the right side's streams ask it.

use super::kernel::{Build, Plan};
use super::tiles::{Tiles, within};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{JoinSide, Result, internal_err};
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType, ReplaceChildrenOptions,
    apply_expression_roots,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties,
    Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Sender;

/// What the streams of one run share.
#[derive(Default)]
struct Shared {
    build: OnceCell<(Arc<Build>, MemoryReservation)>,
    ended: AtomicUsize,
    next_tile: AtomicUsize,
}

pub struct SkyJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    plan: Arc<Plan>,
    tiles: Option<Tiles>,
    properties: Arc<PlanProperties>,
    shared: OnceLock<Arc<Shared>>,
    metrics: ExecutionPlanMetricsSet,
}

impl fmt::Debug for SkyJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkyJoinExec").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl SkyJoinExec {
    pub fn new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        plan: Arc<Plan>,
        tiles: Option<Tiles>,
        partitions: usize,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(plan.schema.clone()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Both,
            Boundedness::Bounded,
        );
        Self {
            left,
            right,
            plan,
            tiles,
            properties: Arc::new(properties),
            shared: OnceLock::new(),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn work(&self, context: Arc<TaskContext>, partition: usize) -> Work {
        Work {
            left: self.left.clone(),
            right: self.right.clone(),
            plan: self.plan.clone(),
            shared: self.shared.get_or_init(Arc::default).clone(),
            streams: self.properties.partitioning.partition_count(),
            partition,
            context,
        }
    }
}

impl DisplayAs for SkyJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SkyJoinExec: {:?}, {}", self.plan.join_type, self.plan.filter.expression())?;
        match &self.tiles {
            Some(t) => write!(f, ", {} tiles of the {:?} side", t.tiles.len(), t.first),
            None => write!(f, ", left side in an index"),
        }
    }
}

impl ExecutionPlan for SkyJoinExec {
    fn name(&self) -> &'static str {
        "SkyJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::UnspecifiedDistribution; 2]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(std::iter::once(self.plan.filter.expression()), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [left, right] = children.as_slice() else {
            return internal_err!("a join has two inputs");
        };
        let (left, right) = (left.clone(), right.clone());
        let partitions = self.properties.partitioning.partition_count();
        Ok(Arc::new(Self::new(left, right, self.plan.clone(), self.tiles.clone(), partitions)))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let work = self.work(context, partition);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let mut stream = RecordBatchReceiverStreamBuilder::new(self.plan.schema.clone(), 2);
        let give = Giver { to: stream.tx(), baseline };
        let tiles = self.tiles.clone();
        stream.spawn(async move {
            match tiles {
                Some(tiles) => work.by_tiles(&tiles, &give).await,
                None => work.at_once(&give).await,
            }
        });
        Ok(stream.build())
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

struct Giver {
    to: Sender<Result<RecordBatch>>,
    baseline: BaselineMetrics,
}

impl Giver {
    /// Hand over; `false` when nobody listens any more.
    async fn all(&self, batches: &mut Vec<RecordBatch>) -> bool {
        for batch in batches.drain(..) {
            self.baseline.record_output(batch.num_rows());
            if self.to.send(Ok(batch)).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// One stream's part of the join.
struct Work {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    streams: usize,
    partition: usize,
    context: Arc<TaskContext>,
}

impl Work {
    fn reservation(&self) -> MemoryReservation {
        MemoryConsumer::new("sky join").register(self.context.memory_pool())
    }

    /// Tiles, each taken by the stream that is free first.
    async fn by_tiles(&self, tiles: &Tiles, give: &Giver) -> Result<()> {
        loop {
            let k = self.shared.next_tile.fetch_add(1, Ordering::Relaxed);
            let Some(tile) = tiles.tiles.get(k) else { return Ok(()) };
            let (own, others) = match tiles.first {
                JoinSide::Left => (&self.left, &self.right),
                _ => (&self.right, &self.left),
            };
            let reserved = self.reservation();
            let own = within(own, &tile.own)?;
            let rows = collect(&own, &self.context, &reserved).await?;
            let build = self.index(rows, tiles.first, &reserved)?;
            let others = within(others, &tile.around)?;
            let mut stream = others.execute(0, self.context.clone())?;
            if !self.ask(&build, &mut stream, give).await? || !self.end(&build, give).await? {
                return Ok(());
            }
        }
    }

    /// The left side in one index, which all streams share.
    async fn at_once(&self, give: &Giver) -> Result<()> {
        let made = self.shared.build.get_or_try_init(|| async {
            let reserved = self.reservation();
            let rows = collect(&self.left, &self.context, &reserved).await?;
            let build = self.index(rows, JoinSide::Left, &reserved)?;
            Ok::<_, DataFusionError>((Arc::new(build), reserved))
        });
        let build = made.await?.0.clone();
        let parts = self.right.output_partitioning().partition_count();
        for part in (self.partition..parts).step_by(self.streams) {
            let mut stream = self.right.execute(part, self.context.clone())?;
            if !self.ask(&build, &mut stream, give).await? {
                return Ok(());
            }
        }
        // The last stream knows which rows of the index found no partner in any.
        if self.shared.ended.fetch_add(1, Ordering::AcqRel) + 1 == self.streams {
            self.end(&build, give).await?;
        }
        Ok(())
    }

    fn index(
        &self,
        rows: RecordBatch,
        side: JoinSide,
        reserved: &MemoryReservation,
    ) -> Result<Build> {
        // Positions, vectors and the order of the cells.
        reserved.try_grow(rows.num_rows() * 48)?;
        Build::new(&self.plan, rows, side)
    }

    async fn ask(
        &self,
        build: &Build,
        stream: &mut SendableRecordBatchStream,
        give: &Giver,
    ) -> Result<bool> {
        let mut out = Vec::new();
        while let Some(batch) = stream.next().await {
            build.probe(&self.plan, &batch?, |b| out.push(b))?;
            if !give.all(&mut out).await {
                return Ok(false);
            }
            // A join without answers has to be stoppable too.
            tokio::task::yield_now().await;
        }
        Ok(true)
    }

    async fn end(&self, build: &Build, give: &Giver) -> Result<bool> {
        let mut out = Vec::new();
        let rows = self.context.session_config().batch_size();
        build.finish(&self.plan, rows, |b| out.push(b))?;
        Ok(give.all(&mut out).await)
    }
}

/// All rows of a plan as one batch, its memory accounted for.
async fn collect(
    plan: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    reserved: &MemoryReservation,
) -> Result<RecordBatch> {
    let parts = plan.output_partitioning().partition_count();
    let mut streams = Vec::new();
    for part in 0..parts {
        streams.push(plan.execute(part, context.clone())?);
    }
    let mut batches = Vec::new();
    let mut all = futures::stream::select_all(streams);
    while let Some(batch) = all.next().await {
        let batch = batch?;
        reserved.try_grow(batch.get_array_memory_size())?;
        batches.push(batch);
    }
    Ok(concat_batches(&plan.schema(), &batches)?)
}
