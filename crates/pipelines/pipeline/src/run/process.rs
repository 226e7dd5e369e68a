//! Child processes with a time limit, killed with all that they started.

use crate::error::StepError;
use crate::task::Context;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The end of a log that an error quotes.
const TAIL_BYTES: u64 = 400;

/// A command and the file that its words go to.
pub(crate) struct Child {
    pub command: Command,
    pub log: Option<PathBuf>,
}

/// Run until it ends, the context says stop, or its time is over. Not to end with status 0 is an error
/// that quotes its last words.
pub(crate) fn run_limited(
    mut child: Child,
    name: &str,
    context: &Context,
) -> Result<(), StepError> {
    let failed = |why: String| StepError::Failed(format!("`{name}` {why}"));
    let mut log = open_log(child.log.as_ref()).map_err(|e| failed(format!("has no log: {e}")))?;
    let begin = log.metadata().map_or(0, |m| m.len());
    let out = log.try_clone().map_err(|e| failed(format!("has no log: {e}")))?;
    let err = log.try_clone().map_err(|e| failed(format!("has no log: {e}")))?;
    // A group of its own, so that what it starts can be killed with it.
    child.command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    let mut running = child.command.spawn().map_err(|e| {
        failed(format!("cannot be started: {e}; is it installed, and on the PATH of this program?"))
    })?;
    let mut pause = Duration::from_millis(1);
    let status = loop {
        match running.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) => context.saw_memory(high_water_bytes(running.id())),
            Err(e) => return Err(failed(format!("cannot be waited for: {e}"))),
        }
        if let Err(stop) = context.check() {
            let group = format!("-{}", running.id());
            // `kill` knows groups, which `std` does not.
            let _ =
                Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
            let _ = running.kill();
            let _ = running.wait();
            return Err(stop);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    if status.success() {
        return Ok(());
    }
    let mut words = String::new();
    let end = log.seek(SeekFrom::End(0)).unwrap_or(0);
    let from = begin.max(end.saturating_sub(TAIL_BYTES));
    if log.seek(SeekFrom::Start(from)).is_ok() {
        let mut bytes = Vec::new();
        let _ = log.take(TAIL_BYTES).read_to_end(&mut bytes);
        words = String::from_utf8_lossy(&bytes).trim().replace('\n', " | ");
    }
    let words = if words.is_empty() { "it said nothing".into() } else { words };
    Err(failed(format!("failed ({status}): {words}")))
}

/// The most memory that a process had so far; 0 where the system does not tell. It is asked while the process runs, since
/// the system's own account after its end needs calls that are not safe Rust; what is taken in the last 20 ms is missed.
fn high_water_bytes(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

fn open_log(path: Option<&PathBuf>) -> std::io::Result<File> {
    let Some(path) = path else { return tempfile::tempfile() };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).read(true).open(path)
}
