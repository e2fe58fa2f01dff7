//! Nodes behind a real server of SSH, reached in either way: effects, holds, and connections that die in the midst of them.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use clusterctl::config::NodeName;
use clusterctl::engine::{Direction, FaultKind, Release, World as _};
use clusterctl::plan::{Action, Argv, Millis, Probe, Reading, Value};
use clusterctl::remote::{
    BackEnd, Destination, DialSettings, Dialer, Host, Patience, RemoteError, Surroundings,
};
use clusterctl::world::{Connect, Nodes};

use super::bench::{Bench, CANARY, lives, secret_value, secrets, targets_in, wait_until};
use super::cuts::{Waiting, run};
use crate::ssh::lab::Lab;

/// Ends a process even when its test fails.
struct Ended(u32);

impl Drop for Ended {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid.filter(|_| lives(self.0)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Connects to the lab's server `a`.
struct ToTheLab {
    dialer: Dialer,
    back_end: BackEnd,
}

impl Connect for ToTheLab {
    fn connect(&self, _: &NodeName, patience: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        let mut destination = Destination::new("a");
        destination.back_end = Some(self.back_end);
        self.dialer.connect(&destination, patience)
    }
}

/// A node behind a server, held.
fn bench(back_end: BackEnd) -> (Lab, Bench) {
    let lab = Lab::new().sshd("a", |wishes| wishes);
    let mut settings = DialSettings::of(Surroundings::of_this_process());
    settings.ssh_config = Some(lab.ssh_config());
    let connector = ToTheLab {
        dialer: Dialer::new(settings),
        back_end,
    };
    let mut bench = Bench::unclaimed();
    let targets = targets_in(bench.folder.path());
    bench.world = Nodes::new(&targets, Arc::new(secrets()), Arc::new(connector));
    bench.epoch = bench.claim(&bench.wish()).unwrap();
    (lab, bench)
}

fn a_node_does_what_it_is_told(back_end: BackEnd) {
    let (lab, bench) = bench(back_end);
    bench.world.renew(&bench.node, &bench.holding()).unwrap();
    let line = "{\"of\":\"\u{144}\u{e9} \\\\ '\"}\n";
    let holding = bench.holding();
    bench
        .world
        .keep(&bench.node, &holding, line.as_bytes())
        .unwrap();
    let kept = bench.world.kept(&bench.node, &bench.run).unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), line);

    let copy = bench.path("copy");
    let action = Action::Run {
        argv: Argv::new([
            "sh",
            "-c",
            "cat >\"$1\"; cat \"$1\" >&2; exit 5",
            "sh",
            copy.to_str().unwrap(),
        ]),
        dir: None,
        stdin: vec![secret_value(), Value::from("\n!'\\ \n")],
        success: vec![0],
    };
    let fault = bench.act("read", &action).unwrap_err();
    assert!(fault.what.contains("exit code 5; it wrote:"), "{fault}");
    assert!(fault.what.contains("| ****"), "{fault}");
    assert_eq!(bench.content("copy"), format!("{CANARY}\n!'\\ \n"));
    assert_eq!(bench.settle("read"), Ok(Some(Err(fault))));
    let write = Action::WriteFile {
        path: bench.remote("file"),
        content: vec!["a\n".into(), secret_value()],
        mode: None,
    };
    bench.act("write", &write).unwrap();
    assert_eq!(bench.content("file"), format!("a\n{CANARY}"));
    bench.restore("write", &bench.path("file")).unwrap();
    assert!(!bench.path("file").exists());
    assert_eq!(bench.stamp("write"), Reading::Absent);
    let code = bench.look(&Probe::Command {
        argv: Argv::new(["sh", "-c", "exit 9"]),
    });
    assert_eq!(code, Ok(Reading::Number(9)));
    bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Free)
        .unwrap();
    assert!(!lab.server("a").log().contains(CANARY));
}

fn the_death_of_a_session_ends_no_effect(back_end: BackEnd) {
    let (lab, bench) = bench(back_end);
    let waiting = Waiting::on(&bench);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.act("step", &waiting.action()));
        wait_until("it runs", || waiting.runs().is_some());
        lab.server("a").kill_connections();
        assert!(lives(waiting.runs().unwrap()));
        // The heartbeat has lost its connection, too, and gets another.
        wait_until("the lease can be renewed", || {
            bench.world.renew(&bench.node, &bench.holding()).is_ok()
        });
        waiting.may_end();
        assert_eq!(work.join().unwrap(), Ok(()));
    });
    assert_eq!(waiting.times(), 1);
    assert_eq!(bench.stamp("step"), Reading::text("done"));
}

fn what_takes_too_long_or_is_broken_off_is_ended_there(back_end: BackEnd) {
    let (_lab, bench) = bench(back_end);
    let waiting = Waiting::on(&bench);
    let begun = Instant::now();
    let fault = bench
        .perform("long", Direction::Do, &waiting.action(), Millis(1500))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut, "{fault}");
    assert!(begun.elapsed().as_secs() < 20);
    assert!(!lives(waiting.runs().unwrap()));
    fs::remove_file(&waiting.pid).unwrap();
    let fault = std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.act("cut", &waiting.action()));
        wait_until("it runs", || waiting.runs().is_some());
        bench.cancel.cancel();
        work.join().unwrap().unwrap_err()
    });
    assert_eq!(fault.kind, FaultKind::Cancelled, "{fault}");
    assert!(!lives(waiting.runs().unwrap()));
}

fn a_service_outlives_its_connection_and_has_nothing_of_the_fence(back_end: BackEnd) {
    let (lab, bench) = bench(back_end);
    let pid = bench.path("pid");
    let script = "setsid sleep 300 & echo $! >\"$1\"";
    bench
        .act(
            "start",
            &run(&["sh", "-c", script, "sh", pid.to_str().unwrap()]),
        )
        .unwrap();
    let daemon: u32 = bench.content("pid").trim_end().parse().unwrap();
    let _ended = Ended(daemon);
    lab.server("a").kill_connections();
    assert!(lives(daemon));
    for fd in fs::read_dir(format!("/proc/{daemon}/fd")).unwrap() {
        let target = fs::read_link(fd.unwrap().path()).unwrap();
        let target = target.to_string_lossy();
        assert!(
            !target.contains("lock") && !target.starts_with("socket"),
            "{target}"
        );
    }
    // Signals that a shell ignores for what it starts in the background are as they were.
    let ignored = |status: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with("SigIgn:"))
            .unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap() & 0b111
    };
    let signals = bench.path("signals");
    bench
        .act(
            "signals",
            &run(&[
                "sh",
                "-c",
                "grep SigIgn /proc/self/status >\"$1\"",
                "sh",
                signals.to_str().unwrap(),
            ]),
        )
        .unwrap();
    assert_eq!(ignored(&bench.content("signals")), 0, "HUP, INT, QUIT");
    let stop = format!("kill {daemon}");
    bench.act("stop", &run(&["sh", "-c", &stop])).unwrap();
    wait_until("it has ended", || !lives(daemon));
}

macro_rules! either_way {
    ($($case:ident),*) => {
        mod ssh2 {
            $(#[test]
            fn $case() {
                super::$case(clusterctl::remote::BackEnd::Ssh2);
            })*
        }

        mod system {
            $(#[test]
            fn $case() {
                super::$case(clusterctl::remote::BackEnd::System);
            })*
        }
    };
}

either_way! {
    a_node_does_what_it_is_told,
    the_death_of_a_session_ends_no_effect,
    what_takes_too_long_or_is_broken_off_is_ended_there,
    a_service_outlives_its_connection_and_has_nothing_of_the_fence
}
