//! Running a batch system's commands: with a time limit, and errors that name the remedy.

use crate::cluster::Cluster;
use crate::cluster::folder::wrong;
use crate::error::PipelineError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A batch system that says more is not believed.
const SAID_BYTES_MAX: u64 = 256 << 20;

/// What a command said. Without a status it was killed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Who runs commands; tests have one that only pretends.
pub trait Commands {
    fn run(&self, words: &[String]) -> Result<Said, PipelineError>;
}

/// The machine's own.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Each command may take so long.
    pub limit: Duration,
    /// Besides this process' environment.
    pub environment: Vec<(String, String)>,
}

impl Default for Shell {
    fn default() -> Self {
        Self { limit: Duration::from_secs(120), environment: Vec::new() }
    }
}

impl Commands for Shell {
    fn run(&self, words: &[String]) -> Result<Said, PipelineError> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(wrong("there is no command to run".into()));
        };
        let scratch = |e| wrong(format!("`{program}` has nowhere to write to: {e}"));
        // Files, so that a command which says a lot waits for nobody.
        let mut out = tempfile::tempfile().map_err(scratch)?;
        let mut err = tempfile::tempfile().map_err(scratch)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).process_group(0);
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command.stdout(out.try_clone().map_err(scratch)?);
        command.stderr(err.try_clone().map_err(scratch)?);
        let mut child = command.spawn().map_err(|e| {
            wrong(if e.kind() == std::io::ErrorKind::NotFound {
                format!(
                    "`{program}` is not installed on this machine: run this where the batch system's \
                     commands are, mostly a login node (Debian: apt-get install slurm-client)"
                )
            } else {
                format!("`{program}` cannot be started: {e}")
            })
        })?;
        let (begin, mut pause) = (Instant::now(), Duration::from_millis(1));
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if begin.elapsed() < self.limit => {}
                other => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(match other {
                        Err(e) => wrong(format!("`{program}` cannot be waited for: {e}")),
                        _ => wrong(format!(
                            "`{program}` took longer than {} s: is the batch system's controller well? \
                             Run the same command again later, nothing is submitted twice",
                            self.limit.as_secs()
                        )),
                    });
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let out = text(&mut out).map_err(scratch)?;
        Ok(Said { status: status.code(), out, err: text(&mut err).map_err(scratch)? })
    }
}

fn text(file: &mut File) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(SAID_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Run a command that must succeed.
pub(crate) fn call(
    cluster: &dyn Cluster,
    commands: &dyn Commands,
    words: &[String],
) -> Result<String, PipelineError> {
    let said = commands.run(words)?;
    match said.status {
        Some(0) => Ok(said.out),
        _ => Err(wrong(cluster.explain(words.first().map_or("", String::as_str), &said))),
    }
}
