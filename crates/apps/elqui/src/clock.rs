//! The clocks that the timings are taken with, and the memory that was used at most.

use elqui_base::mjd_utc_to_tai;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<Instant> = OnceLock::new();

/// Wall seconds since the first call.
pub fn wall_s() -> f64 {
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// CPU seconds of this process, all threads.
pub fn cpu_s() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Peak resident memory, bytes; `None` where the system does not tell.
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// CPU seconds of the calling thread.
pub fn thread_cpu_s() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

/// Nanoseconds since 1970, UTC.
pub fn now_unix_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Nanoseconds since 1970, TAI.
pub fn now_tai_ns() -> i64 {
    const MJD_1970: f64 = 40_587.0;
    let utc = now_unix_ns();
    let mjd = MJD_1970 + utc as f64 / 86_400e9;
    // Whole seconds by which the two differ; the rest of the difference is rounding.
    let leap_s = ((mjd_utc_to_tai(mjd).0 - mjd) * 86_400.0).round();
    utc + leap_s as i64 * 1_000_000_000
}

/// The machine's name; empty where the system does not tell.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_string()
}

/// Memory that can be had without swapping, bytes.
pub fn free_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}
