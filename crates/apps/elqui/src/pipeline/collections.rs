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
    /// Go on although the collections hold calibrations and frames find none that is certified for them.
    #[arg(long)]
    pub without_calibrations: bool,
    /// Which data, such as "visit IN (1..20) AND band='r'".
    #[arg(long = "where", value_name = "EXPR", default_value = "")]
    pub condition: String,
}

/// The collections of a run.
pub struct Place {
    pub run: String,
    pub inputs: Vec<String>,
    /// The run's name was chosen by us.
    pub fresh: bool,
    /// Where it is to be shown.
    pub chain: Option<String>,
}

impl Where {
    pub fn place(&self, r: &mut Repository) -> Result<Place, CliError> {
        let Some(chain) = &self.output else {
            let Some(run) = self.run.clone() else {
                return Err(CliError::words("name a chain with --output, or a run with --run"));
            };
            return Ok(Place { run, inputs: self.input.clone(), fresh: false, chain: None });
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
            (false, _) => format!("{chain}/{}", now()),
        };
        let inputs = match (self.input.is_empty(), earlier.is_empty()) {
            (false, _) => self.input.clone(),
            (true, true) => {
                return Err(CliError::words("name the collections to read from with --input"));
            }
            // A chain knows what it was made from.
            (true, false) => earlier.iter().filter(|c| **c != run).cloned().collect(),
        };
        Ok(Place { run, inputs, fresh: !self.resume, chain: Some(chain.clone()) })
    }
}

impl Place {
    /// Make the run. Of calls of the same second each has its own.
    pub fn make(&mut self, r: &mut Repository) -> Result<(), CliError> {
        let name = self.run.clone();
        for number in 2.. {
            let new = r.registry().register_collection(&self.run, CollectionKind::Run, "");
            if new.map_err(CliError::work)? || !self.fresh {
                break;
            }
            self.run = format!("{name}_{number}");
        }
        Ok(())
    }
}

/// `20261123T204400Z`.
fn now() -> String {
    let text = ns_to_iso_utc(clock::now_unix_ns());
    let digits: String =
        text.chars().filter(|c| c.is_ascii_digit() || *c == 'T').take(15).collect();
    format!("{digits}Z")
}
