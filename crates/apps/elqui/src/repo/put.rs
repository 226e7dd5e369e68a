//! `elqui repo put`: any file becomes a dataset: a reference catalogue, a mask, somebody's own table.

use crate::error::CliError;
use crate::outputs::say;
use crate::refcat::read_any_table;
use elqui_butler::{
    DataId, Dataset, DatasetRef, DatasetType, FieldType, Transfer, Universe, Value,
};
use elqui_pipeline::{Repository, Role, SlotInfo};
use std::path::{Path, PathBuf};

/// Tables become Parquet on their way in.
const TABLE: &str = "Table";

/// Keep a file as a dataset. Tables (CSV, FITS, VOTable) become Parquet.
///
/// Example: elqui repo put stars.csv reference_catalog --run refcats
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct PutArgs {
    file: PathBuf,
    /// Its type: one that is registered, or that a task of elqui reads.
    #[arg(value_name = "TYPE")]
    dataset_type: String,
    /// Its data id, such as instrument=simcam detector=0.
    #[arg(value_name = "DIMENSION=VALUE")]
    data_id: Vec<String>,
    /// The run; it is made when it is missing.
    #[arg(long)]
    run: String,
    /// Of a new type: its dimensions.
    #[arg(long, value_name = "DIMENSION", value_delimiter = ',', requires = "class")]
    dimensions: Vec<String>,
    /// Of a new type: its storage class, such as Table, Image, Exposure.
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
}

pub fn run(r: &mut Repository, args: &PutArgs) -> Result<(), CliError> {
    let of = known_type(r, args)?;
    let universe = r.registry().universe().clone();
    let mut data_id = DataId::new();
    for pair in &args.data_id {
        let (dimension, value) = pair
            .split_once('=')
            .ok_or_else(|| CliError::words(format!("`{pair}` is not DIMENSION=VALUE")))?;
        data_id.insert(dimension, parsed(&universe, dimension, value)?);
    }
    let done = keep(r, &of, data_id, &args.run, &args.file)?;
    say(&format!("{} {} in {}", done.name, done.id, done.run))
}

/// Keep a file as a dataset of a type, which is registered when it is not.
pub fn keep(
    r: &mut Repository,
    of: &DatasetType,
    data_id: DataId,
    run: &str,
    file: &Path,
) -> Result<Dataset, CliError> {
    r.registry().register_dataset_type(of).map_err(CliError::work)?;
    let name = DatasetRef { dataset_type: of.name.clone(), data_id };
    let is_parquet = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    let done = if of.storage_class == TABLE && !is_parquet {
        let bytes = elqui_tables::parquet_bytes(&read_any_table(file)?);
        let bytes = bytes.map_err(|e| CliError::on(file, e))?;
        r.put(&name, run, ".parquet", &bytes)
    } else {
        if !file.is_file() {
            return Err(CliError::on(file, "there is no such file"));
        }
        r.put_file(&name, run, file, Transfer::Copy)
    };
    done.map_err(CliError::work)
}

/// The type of a name: as registered, as the words say, or as a task says.
fn known_type(r: &mut Repository, args: &PutArgs) -> Result<DatasetType, CliError> {
    let name = &args.dataset_type;
    let universe = r.registry().universe().clone();
    if let Some(class) = &args.class {
        let dimensions: Vec<&str> = args.dimensions.iter().map(String::as_str).collect();
        return DatasetType::new(&universe, name, &dimensions, class).map_err(CliError::words);
    }
    if let Ok(of) = r.registry().dataset_type(name) {
        return Ok(of);
    }
    type_of_tasks(&universe, name)?.ok_or_else(|| {
        CliError::words(format!(
            "`{name}` is not registered and no task knows it: say --class and --dimensions"
        ))
    })
}

/// A dataset type as elqui's own tasks have it.
pub fn type_of_tasks(universe: &Universe, name: &str) -> Result<Option<DatasetType>, CliError> {
    let tasks = elqui_production::steps::tasks();
    let mut found: Option<(SlotInfo, bool)> = None;
    for info in tasks.names().filter_map(|task| tasks.info(task)) {
        for slot in info.inputs.iter().chain(&info.outputs).filter(|s| s.dataset_type == *name) {
            let calibration = slot.role == Role::Calibration;
            match &mut found {
                Some((_, known)) => *known |= calibration,
                None => found = Some((slot.clone(), calibration)),
            }
        }
    }
    let Some((slot, is_calibration)) = found else { return Ok(None) };
    let dimensions: Vec<&str> = slot.dimensions.iter().map(String::as_str).collect();
    let of = DatasetType::new(universe, name, &dimensions, &slot.storage_class);
    Ok(Some(DatasetType { is_calibration, ..of.map_err(CliError::words)? }))
}

fn parsed(universe: &Universe, dimension: &str, text: &str) -> Result<Value, CliError> {
    let element = universe.dimension(dimension).map_err(CliError::words)?;
    match element.key {
        Some(FieldType::Int) => {
            let number = text.parse::<i64>();
            let number = number.map_err(|_| {
                CliError::words(format!("`{dimension}={text}`: its values are whole numbers"))
            })?;
            Ok(Value::Int(number))
        }
        _ => Ok(Value::Text(text.to_string())),
    }
}
