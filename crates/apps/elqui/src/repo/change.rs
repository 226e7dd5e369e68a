//! Verbs that change what is there: rm, chain, tag, certify.

use super::select::Selection;
use crate::error::CliError;
use crate::outputs::say;
use elqui_base::{MjdTai, parse_iso_utc};
use elqui_butler::{CollectionKind, DatasetId, Timespan};
use elqui_pipeline::Repository;
use std::collections::BTreeMap;

/// Remove datasets and their files.
///
/// Example: elqui repo rm image --collections u/me/test --yes
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct RmArgs {
    #[command(flatten)]
    select: Selection,
    /// All datasets of this run, and the run itself.
    #[arg(long, value_name = "RUN", conflicts_with = "what")]
    run: Option<String>,
    /// Do it; without it, only say what would be removed.
    #[arg(long)]
    yes: bool,
    /// Remove calibrations too that are certified.
    #[arg(long)]
    force: bool,
}

/// Calibrations that frames rest on are not removed by the way.
fn not_certified(r: &mut Repository, ids: &[DatasetId]) -> Result<(), CliError> {
    let types = r.registry().dataset_types().map_err(CliError::work)?;
    let is_calibration = |name: &str| types.iter().any(|t| t.name == name && t.is_calibration);
    for id in ids {
        let Some(one) = r.registry().dataset(*id).map_err(CliError::work)? else { continue };
        if !is_calibration(&one.name.dataset_type) {
            continue;
        }
        let held = r.registry().validities(*id).map_err(CliError::work)?;
        if let Some((collection, _)) = held.first() {
            return Err(CliError::work(format!(
                "{} is certified in `{collection}`: take it out by `elqui repo certify {collection} {} --remove`, or say --force",
                one.name, one.name.dataset_type
            )));
        }
    }
    Ok(())
}

pub fn rm(r: &mut Repository, args: &RmArgs) -> Result<(), CliError> {
    let ids = match &args.run {
        Some(run) => r.registry().run_ids(run).map_err(CliError::work)?,
        None => args.select.ids(r)?,
    };
    if !args.force {
        not_certified(r, &ids)?;
    }
    if !args.yes {
        let mut by_kind: BTreeMap<(String, String), usize> = BTreeMap::new();
        for id in &ids {
            if let Some(one) = r.registry().dataset(*id).map_err(CliError::work)? {
                *by_kind.entry((one.run, one.name.dataset_type)).or_default() += 1;
            }
        }
        for ((run, name), n) in by_kind {
            say(&format!("{n:>9}  {name}  {run}"))?;
        }
        return say(&format!("{} datasets would be removed; say --yes to do it", ids.len()));
    }
    if let Some(run) = &args.run {
        // Before anything is removed: a run that a chain holds stays.
        let all = r.registry().collections("*").map_err(CliError::work)?;
        if let Some(chain) = all.iter().find(|c| c.children.contains(run)) {
            let why = format!(
                "the chain `{}` holds the run `{run}`: take it out there first",
                chain.name
            );
            return Err(CliError::work(why));
        }
    }
    r.remove(&ids).map_err(CliError::work)?;
    if let Some(run) = &args.run {
        r.registry().remove_collection(run).map_err(CliError::work)?;
    }
    say(&format!("{} datasets removed", ids.len()))
}

/// Make a chain of collections, or replace what it searches.
///
/// Example: elqui repo chain u/me/all u/me/today simcam/raw/all simcam/calib
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ChainArgs {
    chain: String,
    /// In the order of the search.
    #[arg(value_name = "COLL", required = true)]
    children: Vec<String>,
}

pub fn chain(r: &mut Repository, args: &ChainArgs) -> Result<(), CliError> {
    let children: Vec<&str> = args.children.iter().map(String::as_str).collect();
    let registry = r.registry();
    registry
        .register_collection(&args.chain, CollectionKind::Chained, "")
        .and_then(|_| registry.set_chain(&args.chain, &children))
        .map_err(CliError::work)
}

/// Put datasets into a tagged collection, or take them out.
///
/// Example: elqui repo tag u/me/best image --collections u/me/all --where "visit.airmass < 1.2"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct TagArgs {
    /// The tagged collection; it is made when it is missing.
    tagged: String,
    #[command(flatten)]
    select: Selection,
    /// Take them out.
    #[arg(long)]
    remove: bool,
}

pub fn tag(r: &mut Repository, args: &TagArgs) -> Result<(), CliError> {
    let ids = args.select.ids(r)?;
    let registry = r.registry();
    let done =
        registry.register_collection(&args.tagged, CollectionKind::Tagged, "").and_then(|_| {
            match args.remove {
                true => registry.untag(&args.tagged, &ids),
                false => registry.tag(&args.tagged, &ids).map(|()| ids.len()),
            }
        });
    let what = if args.remove { "out of" } else { "in" };
    say(&format!("{} datasets {what} {}", done.map_err(CliError::work)?, args.tagged))
}

/// State for which time calibrations hold, or take a time away from them.
///
/// Example: elqui repo certify simcam/calib bias --collections u/me/bias --begin 2026-01-01 --end 2026-02-01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct CertifyArgs {
    /// The calibration collection; it is made when it is missing.
    calibration: String,
    #[command(flatten)]
    select: Selection,
    /// ISO 8601 in UTC, or an MJD in TAI (default: since ever).
    #[arg(long, value_name = "TIME")]
    begin: Option<String>,
    /// Not included (default: for ever).
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Take this time away from the types that are named.
    #[arg(long)]
    remove: bool,
}

pub fn certify(r: &mut Repository, args: &CertifyArgs) -> Result<(), CliError> {
    let moment = |text: &Option<String>, open: i64| match text {
        Some(text) => time(text).map(elqui_butler::mjd_to_ns),
        None => Ok(open),
    };
    let span =
        Timespan { begin_ns: moment(&args.begin, i64::MIN)?, end_ns: moment(&args.end, i64::MAX)? };
    let span = span.checked().map_err(CliError::words)?;
    if args.remove {
        if args.select.limit.is_some() || !args.select.collections.is_empty() {
            return Err(CliError::words("--remove takes types and --where, nothing else"));
        }
        let mut changed = 0;
        for name in &args.select.what {
            let chosen = match args.select.condition.is_empty() {
                true => None,
                false => Some(args.select.data_ids_of(r, name)?),
            };
            let done = r.registry().decertify(&args.calibration, name, span, chosen.as_deref());
            changed += done.map_err(CliError::work)?;
        }
        return say(&format!("{changed} validities changed in {}", args.calibration));
    }
    let ids = args.select.ids(r)?;
    if ids.is_empty() {
        return Err(CliError::work("there is no such dataset: nothing is certified"));
    }
    let registry = r.registry();
    registry
        .register_collection(&args.calibration, CollectionKind::Calibration, "")
        .and_then(|_| registry.certify(&args.calibration, &ids, span))
        .map_err(CliError::work)?;
    say(&format!("{} datasets certified in {} for {span}", ids.len(), args.calibration))
}

fn time(text: &str) -> Result<MjdTai, CliError> {
    match text.parse::<f64>() {
        Ok(mjd) if (0.0..3e6).contains(&mjd) => Ok(MjdTai(mjd)),
        _ => parse_iso_utc(text).map_err(CliError::words),
    }
}
