//! `elqui catalog import` and `append`.

use super::progress::Stages;
use crate::error::CliError;
use crate::outputs::{note, say};
use elqui_catalog::source::{InDegrees, InputOptions, Inputs, KeyColumns, RowSource, key_columns};
use elqui_catalog::{
    Described, ImportConfig, ImportReport, Parent, config_of, felis_table, open_catalog,
    read_felis, size_text, text_types,
};
use std::path::{Path, PathBuf};

/// How inputs are read.
#[derive(clap::Args)]
struct ReadArgs {
    /// Parquet, CSV, TSV, ECSV, FITS or VOTable, gzip'd or not; a folder of them; FILE[EXT].
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<String>,
    /// Names, types, units, UCDs and descriptions of the columns: a Felis schema.
    #[arg(long, value_name = "FILE.yaml")]
    schema: Option<PathBuf>,
    /// Columns to leave out.
    #[arg(long, value_name = "COL,COL", value_delimiter = ',')]
    without: Vec<String>,
    /// Rows of a CSV file that its types are taken from.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    infer_rows: u64,
}

/// How the work is done.
#[derive(clap::Args)]
struct WorkArgs {
    /// Memory to stay within, about, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: usize,
    /// Leave out rows whose position is not on the sky.
    #[arg(long)]
    skip_bad_rows: bool,
}

/// Make a catalogue in HATS layout from table files. An import that was cut off goes on where it
/// was when it is run again.
///
/// Example: elqui catalog import objects/*.parquet --out survey/object --name dr1.Object --id objectId --margin 10
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ImportArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// The catalogue's folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[arg(long, value_name = "SCHEMA.TABLE")]
    name: String,
    /// Right ascension, deg (or rad, where the file says so); found by UCD or name.
    #[arg(long, value_name = "COL")]
    ra: Option<String>,
    #[arg(long, value_name = "COL")]
    dec: Option<String>,
    /// The column that gets an index; found by UCD or name.
    #[arg(long, value_name = "COL")]
    id: Option<String>,
    /// No index, even where an id is found.
    #[arg(long, conflicts_with = "id")]
    no_index: bool,
    /// Reach of the margin cache.
    #[arg(long, value_name = "ARCSEC")]
    margin: Option<f64>,
    /// Put each row where its parent stands, so that joins stay inside a partition.
    #[arg(long, value_name = "DIR", requires = "parent_id")]
    parent: Option<PathBuf>,
    /// The column that holds the parent's id.
    #[arg(long, value_name = "COL", requires = "parent")]
    parent_id: Option<String>,
    /// A partition with more rows is split.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rows_max: u64,
    /// Partitions are not split past this HEALPix order.
    #[arg(long, value_name = "K", default_value_t = 10)]
    order_max: u8,
    /// Give an existing catalogue a new version that holds these rows only.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    work: WorkArgs,
}

/// Add rows to a catalogue; readers see the old version until the new one is complete.
///
/// Example: elqui catalog append night2.parquet --to survey/object
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct AppendArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// The catalogue's folder.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    work: WorkArgs,
}

fn open(args: &ReadArgs, name: &str) -> Result<Box<dyn RowSource>, CliError> {
    let mut options = InputOptions {
        infer_rows: args.infer_rows,
        without: args.without.clone(),
        ..InputOptions::default()
    };
    let Some(path) = &args.schema else {
        return Ok(Box::new(Inputs::open(&args.inputs, &options).map_err(CliError::work)?));
    };
    let schema = read_felis(path).map_err(CliError::work)?;
    let table = felis_table(&schema, name).map_err(CliError::work)?;
    options.types = text_types(table);
    let inputs = Inputs::open(&args.inputs, &options).map_err(CliError::work)?;
    let described = Described::new(inputs, table);
    if !described.missing().is_empty() {
        let list = described.missing().join(", ");
        note(&format!("columns of `{}` that the input lacks: {list}", table.name));
    }
    if !described.extra().is_empty() {
        let list = described.extra().join(", ");
        note(&format!("columns that `{}` does not describe, kept as they are: {list}", table.name));
    }
    Ok(Box::new(described))
}

fn in_degrees(
    source: Box<dyn RowSource>,
    keys: &KeyColumns,
) -> Result<Box<dyn RowSource>, CliError> {
    let source = InDegrees::new(source, keys).map_err(CliError::work)?;
    if source.turns() {
        note(&format!("{} and {} are turned from radians to degrees", keys.ra, keys.dec));
    }
    Ok(Box::new(source))
}

pub fn import(args: &ImportArgs) -> Result<(), CliError> {
    if args.margin.is_some_and(|m| !(m.is_finite() && m > 0.0)) {
        return Err(CliError::words("--margin has to be more than 0 arcsec"));
    }
    let mut source = open(&args.read, &args.name)?;
    let mut config = ImportConfig::without_position(&args.name);
    config.id = args.id.clone();
    let schema = source.schema();
    let keys = key_columns(&schema, args.ra.as_deref(), args.dec.as_deref(), args.id.as_deref());
    match (&args.parent, &args.parent_id) {
        (Some(dir), Some(column)) => {
            config.parent = Some(Parent { dir: dir.clone(), column: column.clone() });
            // Readers of HATS ask every table for positions: a child's own, where it has them.
            config.product = "map".into();
            if let Ok(own) = &keys {
                config.product = "source".into();
                config.properties.push(("hats_col_ra".into(), own.ra.clone()));
                config.properties.push(("hats_col_dec".into(), own.dec.clone()));
            }
            // Rows stand at their parent's place: their own position is a column like others.
            config.properties.push(("elqui_parent".into(), column.clone()));
            let parent = elqui_catalog::open_catalog(dir, None).map_err(CliError::work)?;
            config.properties.push(("elqui_parent_table".into(), parent.name().to_string()));
            if let Some(stamp) = parent.stamp() {
                config.properties.push(("elqui_parent_stamp".into(), stamp));
            }
            note(&format!("rows stand where `{column}` has its row in {}", dir.display()));
        }
        _ => {
            let keys = keys.map_err(CliError::work)?;
            source = in_degrees(source, &keys)?;
            let id = keys.id.filter(|_| !args.no_index);
            let index = id.as_deref().unwrap_or("none");
            note(&format!("position: {}, {}; index: {index}", keys.ra, keys.dec));
            config.ra = Some(keys.ra);
            config.dec = Some(keys.dec);
            config.id = id;
        }
    }
    config.margin_arcsec = args.margin;
    config.rows_max = args.rows_max;
    config.order_max = args.order_max;
    apply(&args.work, &mut config);
    let stages = Stages::default();
    let tell = |p: elqui_catalog::Progress| stages.stage(p.stage, p.done, p.total);
    let done = if args.replace {
        elqui_catalog::replace(&args.out, &source, &config, &tell)
    } else {
        elqui_catalog::import(&args.out, &source, &config, &tell)
    };
    stages.finish();
    report(&args.out, &done.map_err(CliError::work)?)
}

pub fn append(args: &AppendArgs) -> Result<(), CliError> {
    let catalog = open_catalog(&args.to, None).map_err(CliError::work)?;
    let mut config = config_of(&catalog).map_err(CliError::work)?;
    let mut source = open(&args.read, catalog.name())?;
    if let (Some(ra), Some(dec)) = (config.ra.clone(), config.dec.clone()) {
        let keys = KeyColumns { ra, dec, id: config.id.clone() };
        source = in_degrees(source, &keys)?;
    }
    apply(&args.work, &mut config);
    let stages = Stages::default();
    let tell = |p: elqui_catalog::Progress| stages.stage(p.stage, p.done, p.total);
    let done = elqui_catalog::append(&args.to, &source, &config, &tell);
    stages.finish();
    report(&args.to, &done.map_err(CliError::work)?)
}

fn apply(work: &WorkArgs, config: &mut ImportConfig) {
    config.memory_bytes = work.memory.saturating_mul(1 << 20);
    config.skip_bad_rows = work.skip_bad_rows;
    config.threads = rayon::current_num_threads();
}

fn report(out: &Path, done: &ImportReport) -> Result<(), CliError> {
    let told = |n: u64, text: &str| {
        if n > 0 {
            note(&format!("{n} {text}"));
        }
    };
    told(done.bad_rows, "rows have no position on the sky and were left out");
    told(done.orphans, "rows have no parent and were left out");
    told(done.duplicate_ids, "rows have an id that another row has");
    told(done.null_ids, "rows have no id; the index does not know them");
    told(done.crowded as u64, "partitions hold more rows than asked: they stand too close");
    told(done.resumed as u64, "partitions were there from a run that was cut off");
    if !done.replaced_columns.is_empty() {
        note(&format!("written anew: {}", done.replaced_columns.join(", ")));
    }
    say(&format!(
        "{}: {} rows in {} partitions, {}, version {}",
        out.display(),
        done.rows,
        done.partitions,
        size_text(done.bytes),
        done.version
    ))
}
