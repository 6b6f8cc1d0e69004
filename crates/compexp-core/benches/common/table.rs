//! Measuring beside criterion, and the table at the end of a benchmark.

use std::time::{Duration, Instant};

/// Times `f` on every item, the best of `repeats` runs each: what else the machine does only ever adds.
pub(crate) fn best_of<T, R>(items: &[T], repeats: usize, mut f: impl FnMut(&T) -> R) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; items.len()];
    for _ in 0..repeats {
        for (item, best) in items.iter().zip(&mut best) {
            let start = Instant::now();
            std::hint::black_box(f(item));
            *best = start.elapsed().min(*best);
        }
    }
    best
}

/// The time of one long run on this thread: its CPU time where the system tells it (Linux, to a few milliseconds), so
/// that what else the machine does matters little; else the time that passed.
pub(crate) fn cpu_time<R>(f: impl FnOnce() -> R) -> (R, Duration) {
    let (start, cpu) = (Instant::now(), thread_cpu());
    let result = f();
    let passed = start.elapsed();
    let taken = cpu.zip(thread_cpu()).map_or(passed, |(before, after)| after.saturating_sub(before));
    (result, taken)
}

fn thread_cpu() -> Option<Duration> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The median.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// The middle, the mean and the greatest of some times.
pub(crate) fn spread(times: &[Duration]) -> String {
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    let greatest = times.iter().max().copied().unwrap_or_default();
    format!("{} (mean {}, greatest {})", show(median(times)), show(mean), show(greatest))
}

/// A time to three or four digits.
pub(crate) fn show(time: Duration) -> String {
    let s = time.as_secs_f64();
    if s >= 1.0 { format!("{s:.2} s") } else { format!("{:.3} ms", s * 1e3) }
}

/// What a benchmark found, beside what is asked of it.
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, what: impl Into<String>, value: impl Into<String>, bar: impl Into<String>) {
        self.rows.push([what.into(), value.into(), bar.into()]);
    }

    /// Prints the table under the name of the machine.
    pub(crate) fn print(&self, title: &str, threads: &str) {
        println!("\n{title} | {} | threads = {threads}, release build", machine());
        println!("| what | measured | bar |\n|---|---|---|");
        for [what, value, bar] in &self.rows {
            println!("| {what} | {value} | {bar} |");
        }
        println!();
    }
}

/// The processor's name and the number of cores, as far as the system tells them.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    format!("{}, {cores} cores", name.map_or("unknown processor", |(_, name)| name.trim()))
}

/// The process's greatest resident memory, where the system tells it.
pub(crate) fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes =
        status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.map_or("not known on this system".into(), |k| format!("{:.2} GiB", k / 1024.0 / 1024.0))
}
