//! The processes of a practice cluster: they are known by its folder, which stands in the command line of each.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long processes may take to end before they are ended.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often something is looked at that is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs a program to its end. It must succeed.
pub(crate) fn run(program: &Path, args: &[&str]) -> Result<(), String> {
    let what = || format!("{} {}", program.display(), args.join(" "));
    let done = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", what()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(format!(
        "`{}` ended with {}: {}",
        what(),
        done.status,
        said.trim()
    ))
}

/// Waits until something is so.
pub(crate) fn wait_until(
    what: &str,
    within: Duration,
    mut is_so: impl FnMut() -> bool,
) -> Result<(), String> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > within {
            return Err(format!("{what}: not within {} seconds", within.as_secs()));
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Ends everything that belongs to a folder.
pub(crate) fn end_all_of(folder: &Path) -> Result<(), String> {
    let all_end = |signal: Signal, within: Duration| {
        let began = Instant::now();
        loop {
            let left = of(folder);
            if left.is_empty() || began.elapsed() > within {
                return left.is_empty();
            }
            for pid in left {
                // It may have ended by itself.
                let _ = kill_process(pid, signal);
            }
            thread::sleep(PAUSE * 4);
        }
    };
    if all_end(Signal::TERM, PATIENCE) || all_end(Signal::KILL, PATIENCE) {
        return Ok(());
    }
    Err(format!("processes of {} do not end", folder.display()))
}

/// The processes whose command line names something in a folder.
fn of(folder: &Path) -> Vec<Pid> {
    let own = std::process::id();
    let inside = format!("{}/", folder.display());
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let number: u32 = entry.file_name().to_str()?.parse().ok()?;
            let words = fs::read(entry.path().join("cmdline")).ok()?;
            let is_inside = String::from_utf8_lossy(&words).contains(&inside);
            let pid = Pid::from_raw(number.cast_signed())?;
            (is_inside && number != own).then_some(pid)
        })
        .collect()
}
