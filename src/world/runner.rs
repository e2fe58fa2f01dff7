//! Which process runs a plan, and whether it still lives.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::engine::Runner;

/// This process.
pub fn this_runner() -> Runner {
    let pid = std::process::id();
    Runner {
        owner: format!("{}@{}", person(), host()),
        boot: this_boot(),
        pid,
        started: match state_of(pid) {
            Some((_, started)) => started,
            None => 0,
        },
    }
}

/// The identity of this machine for as long as it is up, and of the processes that this one can see.
///
/// Containers share the machine's boot but not its process numbers, so their name space is a part of it.
pub(super) fn this_boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), space.display())
}

/// Whether it is certain that the process has ended. In doubt it lives.
pub(super) fn is_dead(runner: &Runner) -> bool {
    let was_counted = runner.started > 0;
    if runner.boot != this_boot() || !was_counted {
        return false;
    }
    if let Some((state, started)) = state_of(runner.pid) {
        return started != runner.started || matches!(state, 'Z' | 'X');
    }
    let pid = i32::try_from(runner.pid).ok().and_then(Pid::from_raw);
    pid.is_none_or(|pid| test_kill_process(pid) == Err(Errno::SRCH))
}

/// A process's state and when it began, in the system's ticks since it was started.
fn state_of(pid: u32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name, in parentheses, may contain anything; what follows the last one does not.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Who types, also behind `sudo`.
fn person() -> String {
    let uid = rustix::process::getuid();
    if uid.is_root()
        && let Ok(person) = std::env::var("SUDO_USER")
        && !person.is_empty()
    {
        return person;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.as_raw().to_string()).then_some(name)
    });
    name.map_or_else(|| format!("uid {}", uid.as_raw()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn this_process_lives_and_another_of_its_number_does_not() {
        let me = this_runner();
        assert!(me.owner.contains('@'), "{}", me.owner);
        assert!(me.started > 0);
        assert!(!is_dead(&me));
        let earlier = Runner {
            started: me.started - 1,
            ..me.clone()
        };
        assert!(is_dead(&earlier));
        let elsewhere = Runner {
            boot: "another machine".to_owned(),
            ..earlier
        };
        assert!(!is_dead(&elsewhere), "nothing is known of other machines");
    }

    #[test]
    fn a_process_that_ended_is_dead_even_before_it_is_buried() {
        let mut child = Command::new("sh")
            .args(["-c", "read -r _"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (_, started) = state_of(child.id()).unwrap();
        let runner = Runner {
            pid: child.id(),
            started,
            ..this_runner()
        };
        assert!(!is_dead(&runner));
        drop(child.stdin.take());
        while !is_dead(&runner) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_dead(&runner));
    }
}
