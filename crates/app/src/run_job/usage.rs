//! Memory and processor time that this process has used, for its last log line: use it to choose a task size.

use std::fs;

/// Memory and processor time that a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Peak resident memory (`VmHWM` of proc(5)).
    pub peak_memory_bytes: u64,
    /// Processor time, user and system (`utime` and `stime` of proc(5)).
    pub cpu_ms: u64,
}

/// `USER_HZ`, the unit of processor time in proc(5): 100 on every architecture that Fargate offers.
const TICKS_PER_SECOND: u64 = 100;

impl Usage {
    /// Reads the usage of this process; `None` on systems without a proc filesystem.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name, in brackets, may contain spaces: count fields after it.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let peak_kib: u64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(Self { peak_memory_bytes: peak_kib * 1024, cpu_ms: (user + system) * 1000 / TICKS_PER_SECOND })
    }
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn a_running_process_has_used_memory() {
        let usage = Usage::of_process().expect("this machine has a proc filesystem");
        assert!(usage.peak_memory_bytes > 1 << 20);
    }
}
