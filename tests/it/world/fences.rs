//! What the fence owes to everybody else: the lock as long as its command lives, and nothing of its own to the command.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clusterctl::engine::{Direction, FaultKind, World as _};
use clusterctl::plan::{Action, Argv, Millis, Probe};
use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, lives, secret_value, wait_until};
use super::cuts::Waiting;
use super::wire::{Fate, Wire};

/// A bench for each shell.
fn every_shell(test: impl Fn(&str, &Bench)) {
    for program in ["dash", "bash", "busybox", "ksh", "zsh"] {
        let own = tempfile::tempdir().unwrap();
        let shell = own.path().join("sh");
        let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
        let found = found.iter().find(|path| path.exists());
        symlink(
            found.unwrap_or_else(|| panic!("{program} is missing")),
            &shell,
        )
        .unwrap();
        test(program, &Wire::with_shell(&shell, None).bench());
    }
}

fn sh(script: &str, arguments: &[&Path]) -> Action {
    let words = ["sh", "-c", script, "sh"].map(str::to_owned);
    let paths = arguments.iter().map(|path| path.display().to_string());
    Action::Run {
        argv: Argv::new(words.into_iter().chain(paths)),
        dir: None,
        stdin: vec![],
        success: vec![0],
    }
}

fn effect_file(bench: &Bench, slug: &str, ending: &str) -> String {
    let name = format!("runs/{}/effects/test+local+{slug}.do.{ending}", bench.run);
    fs::read_to_string(bench.state(&name)).unwrap()
}

fn kill(pid: &str) {
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Kills the fence of a step with that signal which nothing can prepare for.
fn kill_fence(bench: &Bench, slug: &str) {
    let file = effect_file(bench, slug, "pid");
    kill(file.split_once(' ').unwrap().1);
}

fn lock_is_free(bench: &Bench) -> bool {
    Command::new("flock")
        .arg("-n")
        .arg(bench.state("effect.lock"))
        .arg("true")
        .stdin(Stdio::null())
        .status()
        .unwrap()
        .success()
}

/// Performs a step, and kills its fence as soon as it is so.
fn killed_when(bench: &Bench, action: &Action, timeout: Millis, so: impl Fn() -> bool) {
    let fault = std::thread::scope(|scope| {
        let acting = scope.spawn(|| bench.perform("step", Direction::Do, action, timeout));
        wait_until("the command runs", so);
        kill_fence(bench, "step");
        acting.join().unwrap().unwrap_err()
    });
    assert_eq!(fault.kind, FaultKind::LostOutcome, "{fault}");
}

#[test]
fn a_command_whose_fence_is_killed_has_the_lock_to_its_end() {
    every_shell(|shell, bench| {
        let waiting = Waiting::on(bench);
        let so = || waiting.runs().is_some();
        killed_when(bench, &waiting.action(), Millis::secs(60), so);
        let command = waiting.runs().unwrap();
        assert!(lives(command), "{shell}");
        assert!(!lock_is_free(bench), "{shell}");
        waiting.may_end();
        wait_until("the lock is free", || lock_is_free(bench));
        assert!(!lives(command), "{shell}");
        assert_eq!(bench.settle("step"), Ok(None), "{shell}");
    });
}

#[test]
fn a_command_whose_fence_is_killed_is_ended_when_its_time_is_up() {
    every_shell(|shell, bench| {
        let waiting = Waiting::on(bench);
        let so = || waiting.runs().is_some();
        killed_when(bench, &waiting.action(), Millis::secs(4), so);
        let command = waiting.runs().unwrap();
        wait_until("the lock is free", || lock_is_free(bench));
        assert!(!lives(command), "{shell}");
        assert!(effect_file(bench, "step", "ended").ends_with(" timed-out\n"));
    });
}

#[test]
fn a_daemon_lives_on_without_the_lock_when_the_fence_was_killed() {
    let bench = Bench::new();
    let (daemon, go) = (bench.path("daemon"), bench.path("go"));
    let script = "sleep 120 & echo $! >\"$1.new\"; mv \"$1.new\" \"$1\"; n=3000; until [ -e \"$2\" ] || [ $n = 0 ]; do n=$((n - 1)); sleep 0.02; done";
    let action = sh(script, &[&daemon, &go]);
    killed_when(&bench, &action, Millis::secs(60), || daemon.exists());
    assert!(!lock_is_free(&bench));
    fs::write(&go, "").unwrap();
    wait_until("the lock is free", || lock_is_free(&bench));
    let pid = bench.content("daemon");
    let still_lives = lives(pid.trim().parse().unwrap());
    kill(&pid);
    assert!(still_lives);
}

#[test]
fn a_command_gets_none_of_our_open_files() {
    every_shell(|shell, bench| {
        let action = Action::Run {
            argv: Argv::new(["ls", "-l", "/proc/self/fd"]),
            dir: None,
            stdin: vec![secret_value()],
            success: vec![0],
        };
        bench.act("list", &action).unwrap();
        let listed = effect_file(bench, "list", "out");
        let files: Vec<_> = listed
            .lines()
            .filter_map(|line| line.split_once(" -> "))
            .collect();
        assert!(files.len() >= 3, "{shell}: {listed}");
        for (about, target) in files {
            let number: u32 = about.rsplit(' ').next().unwrap().parse().unwrap();
            let ours = target.contains(bench.folder.path().to_str().unwrap());
            let its_own = number <= 2 || !ours;
            assert!(its_own, "{shell}: {number} is {target}");
        }
    });
}

#[test]
fn an_attempt_that_was_given_up_before_it_came_is_never_started() {
    let gate = Arc::new(AtomicBool::new(false));
    let ended = Arc::new(AtomicBool::new(false));
    let (open, at_end) = (Arc::clone(&gate), Arc::clone(&ended));
    let wire = Wire::new(move |name, before| {
        let open = Arc::clone(&open);
        if name == "clusterctl-front" && before == 0 {
            let so = Box::new(move || open.load(Ordering::SeqCst));
            Fate::Late(so, Arc::clone(&at_end))
        } else {
            Fate::Runs
        }
    });
    let bench = wire.bench();
    let mark = bench.path("mark");
    let action = sh("echo ran >\"$1\"", &[&mark]);
    let fault = bench.act("step", &action).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    gate.store(true, Ordering::SeqCst);
    wait_until("the late one has ended", || ended.load(Ordering::SeqCst));
    assert!(!mark.exists());
    bench.act("step", &action).unwrap();
    assert!(mark.exists());
}

#[test]
fn that_a_command_is_started_is_on_disk_before_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (log, seen) = (folder.path().join("log"), folder.path().join("seen"));
    let sync = folder.path().join("sync");
    let script = format!(
        "#!/bin/sh\nfor path; do\n    echo \"$path $(cat \"$path\"/*.pid 2>/dev/null)\" >>{}\ndone\n\
         exec /usr/bin/sync \"$@\"\n",
        log.display()
    );
    fs::write(&sync, script).unwrap();
    fs::set_permissions(&sync, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}:/usr/bin:/bin", folder.path().display());
    let bench = Wire::under(&["/usr/bin/env", &path]).bench();
    bench
        .act("step", &sh("cp \"$1\" \"$2\"", &[&log, &seen]))
        .unwrap();
    let effects = bench.state(&format!("runs/{}/effects", bench.run));
    let pid = effect_file(&bench, "step", "pid");
    let wanted = format!("{} {pid}", effects.display());
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains(&wanted), "{wanted} in {seen}");
}

#[test]
fn a_look_that_takes_too_long_is_ended() {
    every_shell(|shell, bench| {
        let pid = bench.path("pid");
        let argv = Argv::new([
            "sh",
            "-c",
            "echo $$ >\"$1\"; sleep 40",
            "sh",
            pid.to_str().unwrap(),
        ]);
        let begun = Instant::now();
        let fault = bench
            .look_within(&Probe::Command { argv }, Millis(1500))
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::TimedOut, "{shell}: {fault}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{shell}");
        let pid = bench.content("pid").trim().parse().unwrap();
        assert!(!lives(pid), "{shell}");
    });
}

#[test]
fn lines_of_a_journal_that_come_late_are_not_added_again() {
    let lines = |numbers: std::ops::RangeInclusive<u64>| -> String {
        let line = |seq| {
            let text = "x".repeat(400);
            format!("{{\"sum\":\"0\",\"rec\":{{\"seq\":{seq},\"text\":\"{text}\"}}}}\n")
        };
        numbers.map(line).collect()
    };
    every_shell(|shell, bench| {
        let keep = |lines: &str| {
            let kept = bench
                .world
                .keep(&bench.node, &bench.holding(), lines.as_bytes());
            assert_eq!(kept, Ok(()), "{shell}");
        };
        keep(&lines(1..=1));
        keep(&lines(2..=3));
        keep(&lines(4..=4));
        keep(&lines(2..=3));
        keep(&lines(3..=5));
        // Nor does it take longer the more they are.
        let begun = Instant::now();
        keep(&lines(6..=400));
        keep(&lines(6..=400));
        assert!(begun.elapsed() < Duration::from_secs(15), "{shell}");
        let kept = bench.world.kept(&bench.node, &bench.run).unwrap();
        let kept = String::from_utf8(kept).unwrap();
        assert!(kept == lines(1..=400), "{shell}: {} bytes", kept.len());
    });
}
