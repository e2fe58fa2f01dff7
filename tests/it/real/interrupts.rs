//! The three Ctrl-C's, and the signals that count as one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use clusterctl::plan::{
    Action, Argv, Condition, Millis, Probe, Proof, Reading, Service, ServiceState, Step, Temporary,
};
use rustix::process::Signal;

use super::lab::{Going, Lab};
use super::processes::{Fifo, PATIENCE, gone};
use super::sketch::{at, node, plan, run, stage, step, text, turn, write};

/// A run in the middle of a command, with a service stopped for its time.
struct Midway {
    lab: Lab,
    there: Fifo,
    go: Fifo,
    plan: String,
}

/// What is said after the first Ctrl-C, and after the second.
const ONCE: &str = "a second interrupt";
const TWICE: &str = "a third interrupt";

const WORK: &str = r#"echo $$ >"$1"; read -r _ <"$2"; echo ran >>"$3""#;

impl Midway {
    fn new() -> Self {
        Self::with(WORK)
    }

    /// What the command does can be seen afterwards, and so can that it did not.
    fn seen() -> Self {
        Self::with_proof(WORK, true)
    }

    fn with(script: &str) -> Self {
        Self::with_proof(script, false)
    }

    fn with_proof(script: &str, seen: bool) -> Self {
        let lab = Lab::new();
        let (there, go) = (Fifo::new(lab.path("there")), Fifo::new(lab.path("go")));
        let n1 = node("n1");
        let up = lab.path("var/up");
        fs::write(&up, "").unwrap();
        let shell = |script: &str| Argv::new(["sh", "-c", script, "service", text(&up)]);
        let service = Service {
            name: "web".to_owned(),
            start: shell(r#"echo >>"$1""#),
            stop: shell(r#"rm "$1""#),
            status: shell(r#"[ -e "$1" ] || exit 3"#),
        };
        let drive = |to| Action::Service {
            service: service.clone(),
            to,
        };
        let (stopped, running) = (ServiceState::Stopped, ServiceState::Running);
        let probe = Probe::Service {
            service: service.clone(),
        };
        let turned = |slug: &str, to, from| {
            turn(
                &n1,
                slug,
                drive(to),
                drive(from),
                probe.clone(),
                Reading::Service(from),
                Reading::Service(to),
            )
        };
        let stop = Step {
            temporary: Some(Temporary {
                lease: Millis::secs(600),
            }),
            ..turned("stop", stopped, running)
        };
        let start = Step {
            ends: Some(stop.id.clone()),
            ..turned("start", running, stopped)
        };
        let log = lab.path("var/log");
        let work = run([
            "sh",
            "-c",
            script,
            "work",
            there.path(),
            go.path(),
            text(&log),
        ]);
        let work = if seen {
            Step {
                guards: vec![Condition::is(at(&log), Reading::Absent)],
                proof: Proof::Holds(vec![Condition::is(at(&log), Reading::text("file"))]),
                ..step(&n1, "work", work)
            }
        } else {
            step(&n1, "work", work)
        };
        let steps = vec![
            stop,
            work,
            start,
            write(&n1, "after", &lab.path("tree/after")),
        ];
        let plan = lab.save(&plan(
            &lab.path("nodes"),
            vec![stage("go", 1, vec![(&n1, steps)])],
        ));
        Self {
            lab,
            there,
            go,
            plan,
        }
    }

    /// The run, and the command that it is in.
    fn begin(&mut self) -> (Going, u32) {
        let going = self.lab.start(&["apply", &self.plan]);
        let command = self.there.hear().parse().unwrap();
        assert!(!self.lab.path("var/up").exists());
        (going, command)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.lab.path("var/log")).unwrap_or_default()
    }

    /// Whether somebody has noted that the command is to end. What is said to the person comes before it.
    fn is_to_end(&self) -> bool {
        let in_folder = |folder: &Path| {
            let files = fs::read_dir(folder).into_iter().flatten();
            files.map(|file| file.unwrap().path()).collect::<Vec<_>>()
        };
        let runs = in_folder(&self.lab.path("nodes/n1/runs")).into_iter();
        let mut files = runs.flat_map(|run| in_folder(&run.join("effects")));
        files.any(|file| text(&file).ends_with("real+n1+work.do.ended"))
    }

    fn finish(&mut self) {
        let resumed = self.lab.start(&["resume", "latest"]);
        if self.log().is_empty() {
            self.there.hear();
            self.go.tell();
        }
        resumed.end().is(0);
        assert_eq!(self.log(), "ran\n");
        assert!(self.lab.path("var/up").exists());
        assert!(self.lab.path("tree/after").exists());
    }
}

const ANSWER: [&str; 6] = [
    "resume",
    "latest",
    "--answer",
    "real/n1/work",
    "--evidence",
    "seen",
];

/// Waits until the run says so.
fn said(going: &mut Going, what: &str) {
    until(going, |going| going.complained().contains(what));
}

fn until(going: &mut Going, is_so: impl Fn(&Going) -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so(going) {
        assert!(
            std::time::Instant::now() < deadline,
            "{}",
            going.complained()
        );
        assert_eq!(
            super::processes::ended(&mut going.child, Duration::from_millis(5)),
            None,
            "{}",
            going.complained()
        );
    }
}

#[test]
fn asked_once_the_step_is_finished_and_the_run_stops() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let mut midway = Midway::new();
        let (mut going, _) = midway.begin();
        going.signal(signal);
        said(&mut going, ONCE);
        if signal != Signal::INT {
            // A service manager that sends it again does not mean more by it.
            going.signal(signal);
            going.signal(signal);
        }
        assert_eq!(
            super::processes::ended(&mut going.child, Duration::from_millis(100)),
            None
        );
        midway.go.tell();
        let told = going.end().is(130);
        assert!(told.err.contains("resume"), "{told:#?}");
        assert_eq!(midway.log(), "ran\n");
        assert!(
            !midway.lab.path("var/up").exists(),
            "the service is still stopped"
        );
        assert_eq!(midway.lab.latest().unwrap().1, "interrupted");
        midway.finish();
    }
}

#[test]
fn asked_twice_the_step_is_ended_and_what_was_temporary_is_given_back() {
    let mut midway = Midway::seen();
    let (mut going, command) = midway.begin();
    going.signal(Signal::INT);
    said(&mut going, ONCE);
    going.signal(Signal::INT);
    let told = going.end().is(130);
    assert!(gone(command, Duration::ZERO), "{told:#?}");
    assert_eq!(midway.log(), "");
    assert!(midway.lab.path("var/up").exists(), "{told:#?}");
    // All is as before, so there is nothing to resume, and nothing in the way of the next run.
    assert_eq!(
        midway.lab.latest().unwrap().1,
        "failed, undone",
        "{told:#?}"
    );
    let again = midway.lab.start(&["apply", &midway.plan]);
    midway.there.hear();
    midway.go.tell();
    again.end().is(0);
    assert_eq!(midway.log(), "ran\n");
}

#[test]
fn asked_three_times_it_is_out_at_once() {
    let mut midway =
        Midway::with(r#"trap '' TERM; echo $$ >"$1"; read -r _ <"$2"; echo ran >>"$3""#);
    let (mut going, command) = midway.begin();
    going.signal(Signal::INT);
    said(&mut going, ONCE);
    going.signal(Signal::INT);
    said(&mut going, TWICE);
    until(&mut going, |_| midway.is_to_end());
    let began = std::time::Instant::now();
    going.signal(Signal::INT);
    let told = going.end().is(130);
    // The command, which does not end when it is asked to, would have been given five seconds.
    assert!(began.elapsed() < Duration::from_secs(3), "{told:#?}");
    assert!(!gone(command, Duration::ZERO));
    assert!(!midway.lab.path("var/up").exists());
    midway.lab.must(&["runs", "log", "--journal"]);
    let resumed = midway.lab.start(&["resume", "latest"]);
    midway.go.tell();
    // What was asked to end may have left half of its work, whatever it says at its end.
    let told = resumed.end().is(42);
    assert!(gone(command, Duration::ZERO));
    assert_eq!(midway.log(), "ran\n");
    assert!(!midway.lab.path("var/up").exists(), "{told:#?}");
    midway.lab.must(&ANSWER);
    assert_eq!(midway.log(), "ran\n");
    assert!(midway.lab.path("var/up").exists());
}

#[test]
fn what_nobody_can_tell_is_not_given_back_when_asked_twice() {
    let mut midway = Midway::new();
    let (mut going, command) = midway.begin();
    going.signal(Signal::INT);
    said(&mut going, ONCE);
    going.signal(Signal::INT);
    let told = going.end().is(42);
    assert!(gone(command, Duration::ZERO), "{told:#?}");
    // What may be half changed is not started.
    assert!(!midway.lab.path("var/up").exists(), "{told:#?}");
    assert!(told.err.contains("--answer real/n1/work"), "{told:#?}");
    midway.lab.must(&ANSWER);
    assert!(midway.lab.path("var/up").exists());
    assert_eq!(midway.log(), "");
}
