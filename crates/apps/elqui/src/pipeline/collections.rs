//! Where a run reads and where it writes.
//!
//! `--run NAME` is a run by that name. `--output NAME` is a chain: each call makes a run
//! `NAME/YYYYMMDDTHHMMSSZ` of its own and puts it at the chain's front, before earlier ones and the inputs, so
//! that NAME always shows the newest of everything.

use crate::clock;
use crate::error::CliError;
use elqui_butler::{CollectionKind, ns_to_iso_utc};
use elqui_pipeline::Repository;

#[derive(clap::Args)]
pub struct Where {
    /// Collections to read from, in the order of the search.
    #[arg(long, value_name = "COLL", value_delimiter = ',')]
    pub input: Vec<String>,
    /// The chain that shows the results; each call makes a run in it.
    #[arg(long, value_name = "COLL", conflicts_with = "run")]
    pub output: Option<String>,
    /// The run itself, instead of a new one in a chain.
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Go on with the newest run of --output (or with --run): what it has is not made again.
    #[arg(long, visible_alias = "skip-existing")]
    pub resume: bool,
    /// Which data, such as "visit IN (1..20) AND band='r'".
    #[arg(long = "where", value_name = "EXPR", default_value = "")]
    pub condition: String,
}

/// The collections of a run.
pub struct Place {
    pub run: String,
    pub inputs: Vec<String>,
    chain: Option<String>,
    /// What the chain holds already.
    earlier: Vec<String>,
}

impl Where {
    pub fn place(&self, r: &mut Repository) -> Result<Place, CliError> {
        let Some(chain) = &self.output else {
            let Some(run) = self.run.clone() else {
                return Err(CliError::words("name a chain with --output, or a run with --run"));
            };
            return Ok(Place { run, inputs: self.input.clone(), chain: None, earlier: Vec::new() });
        };
        let found = r.registry().collections(chain).map_err(CliError::work)?;
        let found = found.into_iter().find(|c| c.name == *chain);
        if let Some(other) = found.as_ref().filter(|c| c.kind != CollectionKind::Chained) {
            return Err(CliError::words(format!(
                "`{chain}` is a {} collection: name another --output, or use --run",
                other.kind
            )));
        }
        let earlier = found.map(|c| c.children).unwrap_or_default();
        let own = format!("{chain}/");
        let newest = earlier.iter().find(|c| c.starts_with(&own));
        let run = match (self.resume, newest) {
            (true, Some(newest)) => newest.clone(),
            (true, None) => {
                return Err(CliError::words(format!(
                    "`{chain}` has no run to go on with: leave out --resume"
                )));
            }
            (false, _) => fresh(r, &format!("{chain}/{}", now()))?,
        };
        let inputs = match (self.input.is_empty(), earlier.is_empty()) {
            (false, _) => self.input.clone(),
            (true, true) => {
                return Err(CliError::words("name the collections to read from with --input"));
            }
            // A chain knows what it was made from.
            (true, false) => earlier.iter().filter(|c| **c != run).cloned().collect(),
        };
        Ok(Place { run, inputs, chain: Some(chain.clone()), earlier })
    }
}

impl Place {
    /// Show the run in its chain, when it has one.
    pub fn show(&self, r: &mut Repository) -> Result<(), CliError> {
        let Some(chain) = &self.chain else { return Ok(()) };
        let mut children = vec![self.run.as_str()];
        for name in self.earlier.iter().chain(&self.inputs).map(String::as_str) {
            // One may read what the chain shows, but the chain does not hold itself.
            if name != chain && !children.contains(&name) {
                children.push(name);
            }
        }
        let registry = r.registry();
        registry
            .register_collection(chain, CollectionKind::Chained, "")
            .and_then(|_| registry.set_chain(chain, &children))
            .map_err(CliError::work)
    }
}

/// A run's name that nobody has: calls of the same second are told apart.
fn fresh(r: &mut Repository, name: &str) -> Result<String, CliError> {
    let known = r.registry().collections(&format!("{name}*")).map_err(CliError::work)?;
    let taken = |run: &str| known.iter().any(|c| c.name == run);
    let mut run = name.to_string();
    let mut number = 2;
    while taken(&run) {
        run = format!("{name}_{number}");
        number += 1;
    }
    Ok(run)
}

/// `20261123T204400Z`.
fn now() -> String {
    let text = ns_to_iso_utc(clock::now_unix_ns());
    let digits: String =
        text.chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(15).collect();
    format!("{digits}Z")
}
