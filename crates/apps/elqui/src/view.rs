//! A repository's frames as a folder of files named after the raw frames, as `elqui process` leaves
//! them: what the page, the light curves and people at a shell look at.

use crate::error::CliError;
use crate::outputs::{image_facts, put, put_json};
use elqui_butler::Dataset;
use elqui_pipeline::Repository;
use elqui_production::FrameSummary;
use elqui_production::files::PreviewFacts;
use elqui_registry::{DatasetQuery, RegistryError};
use std::collections::BTreeMap;
use std::path::Path;

/// Dataset types and the files that `elqui process` writes for them.
const FILES: [(&str, &str); 5] = [
    ("visit_image", "exposure.fits"),
    ("source", "sources.parquet"),
    ("visit_image_summary", "summary.json"),
    ("preview", "preview.png"),
    ("preview_image", "preview.fits"),
];

/// Link (or copy) what a run of `frames` made into a folder.
///
/// - `raws`: the run of the raw frames; their files' stems become the names
///
/// Summaries by stem, and the number of frames of the sky that have none.
pub fn write(
    r: &mut Repository,
    raw_type: &str,
    raws: &str,
    run: &str,
    folder: &Path,
) -> Result<(BTreeMap<String, FrameSummary>, usize), CliError> {
    let mut stems: BTreeMap<(String, String), String> = BTreeMap::new();
    let of_the_sky = "exposure.observation_type = 'science' OR exposure.observation_type IS NULL";
    for raw in datasets(r, raw_type, raws, of_the_sky)? {
        let stem = stem_of(r, &raw)?;
        // An exposure is the visit of its number.
        stems.insert((part(&raw, "exposure"), part(&raw, "detector")), stem);
    }
    let mut summaries = BTreeMap::new();
    let mut has_fits = Vec::new();
    for (name, suffix) in FILES {
        for one in datasets(r, name, run, "")? {
            let Some(stem) = stems.get(&(part(&one, "visit"), part(&one, "detector"))) else {
                continue;
            };
            let to = folder.join(format!("{stem}.{suffix}"));
            place(r, &one, &to)?;
            if name == "visit_image_summary" {
                let bytes = r.get(one.id).map_err(CliError::work)?;
                let summary = serde_json::from_slice(&bytes).map_err(|e| CliError::on(&to, e))?;
                summaries.insert(stem.clone(), summary);
            }
            if name == "preview_image" {
                has_fits.push(stem.clone());
            }
        }
    }
    for one in datasets(r, "preview_facts", run, "")? {
        let key = (part(&one, "visit"), part(&one, "detector"));
        let Some(stem) = stems.get(&key) else { continue };
        let path = folder.join(format!("{stem}.preview.json"));
        let bytes = r.get(one.id).map_err(CliError::work)?;
        let facts: PreviewFacts =
            serde_json::from_slice(&bytes).map_err(|e| CliError::on(&path, e))?;
        put_json(&path, &image_facts(stem, &facts, has_fits.contains(stem)))?;
    }
    let missing = stems.values().filter(|s| !summaries.contains_key(*s)).count();
    Ok((summaries, missing))
}

fn datasets(
    r: &mut Repository,
    name: &str,
    collection: &str,
    condition: &str,
) -> Result<Vec<Dataset>, CliError> {
    match r.registry().datasets(&DatasetQuery::new(name, &[collection], condition)) {
        // A step that was left out made none.
        Err(RegistryError::Unknown { .. }) => Ok(Vec::new()),
        found => found.map_err(CliError::work),
    }
}

fn part(dataset: &Dataset, dimension: &str) -> String {
    dataset.name.data_id.get(dimension).map_or_else(String::new, ToString::to_string)
}

/// The stem of the file that a frame was ingested from.
fn stem_of(r: &mut Repository, raw: &Dataset) -> Result<String, CliError> {
    let artifact = r.artifact(raw.id).map_err(CliError::work)?;
    let stem = elqui_codec::file_stem(Path::new(&artifact.path));
    // Files of the store end in the dataset's id.
    let id = format!("_{}", raw.id);
    Ok(stem.strip_suffix(&id).unwrap_or(&stem).to_string())
}

/// A hard link where the store is a folder of the same disk, else a copy.
fn place(r: &mut Repository, dataset: &Dataset, to: &Path) -> Result<(), CliError> {
    let local = r.local_path(dataset.id).map_err(CliError::work)?;
    if let Some(from) = local {
        let _ = std::fs::remove_file(to);
        if std::fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
    }
    put(to, &r.get(dataset.id).map_err(CliError::work)?)
}
