//! Ctrl-C once, twice and thrice; SIGTERM; a runner that is killed.

use clusterctl::exit::Exit;
use clusterctl::plan::{Action, Argv};
use rustix::process::Signal;

use super::lab::{Lab, Running};
use crate::build;
use crate::world::bench::wait_until;

/// Says that it began, waits to be let go, and says that it ended.
const SLOW: &str = "cd \"$1\"; echo begun >>began; \
                    while [ ! -e go ]; do sleep 0.02; done; echo ended >>ended";

/// A lab with a plan of two steps, the first of which takes until it is let go.
fn slow() -> Lab {
    let lab = Lab::new();
    let folder = lab.path("");
    let run = |words: &[&str]| Action::Run {
        argv: Argv::new(words.iter().copied()),
        dir: None,
        stdin: Vec::new(),
        success: vec![0],
    };
    let folder = folder.to_str().unwrap();
    let first = run(&["sh", "-c", SLOW, "sh", folder]);
    let second = run(&["touch", &format!("{folder}/second")]);
    let mut plan = build::plan("trial", "Try it", &[("n1", "local")]);
    let steps = [
        build::step("trial/n1/first", "Take a while", first),
        build::step("trial/n1/second", "Go on", second),
    ];
    plan.stages = vec![build::stage("try", vec![build::lane("n1", steps)])];
    lab.plan("plan.json", plan)
}

fn begun(lab: &Lab) -> Running<'_> {
    let running = lab.call("apply plan.json").start();
    wait_until("the step began", || lab.path("began").exists());
    running
}

fn let_go(lab: &Lab) {
    std::fs::write(lab.path("go"), "").unwrap();
}

/// Sends a signal and waits until the run has heard it.
fn interrupt(lab: &Lab, running: &Running<'_>, signal: Signal, times: usize) {
    running.signal(signal);
    let events = lab.state().join("runs").join(&lab.runs()[0]);
    let events = events.join("events.jsonl");
    wait_until("the run heard it", || {
        let text = std::fs::read_to_string(&events).unwrap_or_default();
        text.matches(r#""event":"interrupted""#).count() >= times
    });
}

#[test]
fn once_the_step_ends_and_the_run_stops() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let lab = slow();
        let running = begun(&lab);
        interrupt(&lab, &running, signal, 1);
        let_go(&lab);
        let said = running.wait().ends(Exit::Interrupted);
        assert!(lab.path("ended").exists(), "{said}");
        assert!(!lab.path("second").exists(), "{said}");
        lab.run("runs list --open")
            .ends(Exit::Done)
            .tells("interrupted");
        lab.run("apply plan.json")
            .ends(Exit::Held)
            .tells("clusterctl resume");
        let said = lab.run("resume latest").ends(Exit::Done);
        assert!(lab.path("second").exists(), "{said}");
        assert_eq!(
            lab.bytes("began"),
            b"begun\n",
            "it isn't done again\n{said}"
        );
    }
}

#[test]
fn twice_the_step_is_broken_off() {
    let lab = slow();
    let running = begun(&lab);
    interrupt(&lab, &running, Signal::INT, 1);
    running.signal(Signal::INT);
    let said = running.wait();
    assert!(!lab.path("ended").exists(), "{said}");
    assert!(!lab.path("second").exists(), "{said}");
    assert!(matches!(said.code(), Some(40 | 42 | 130)), "{said}");
    assert!(said.err.contains("\nhint: clusterctl "), "{said}");
    lab.run("runs show")
        .ends(Exit::Done)
        .tells("clusterctl resume");
}

#[test]
fn thrice_it_is_out_at_once_and_can_be_resumed() {
    let lab = slow();
    let running = begun(&lab);
    interrupt(&lab, &running, Signal::INT, 1);
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    let said = running.wait();
    assert!(said.code().is_some(), "it ended by itself\n{said}");
    let_go(&lab);
    lab.run("runs show").ends(Exit::Done);
}

#[test]
fn killed_it_is_resumed_with_what_its_command_came_to() {
    let lab = slow();
    let running = begun(&lab);
    running.signal(Signal::KILL);
    let said = running.wait();
    assert_eq!(said.code(), None, "{said}");
    lab.run("runs show").ends(Exit::Done).tells("Fate: died");
    // Its command goes on; whoever resumes waits for it.
    let resuming = lab.call("resume latest").start();
    let_go(&lab);
    let said = resuming.wait().ends(Exit::Done);
    assert_eq!(
        lab.bytes("began"),
        b"begun\n",
        "it isn't done again\n{said}"
    );
    assert!(lab.path("second").exists(), "{said}");
}

#[test]
fn a_run_that_goes_on_is_not_touched_by_another() {
    let lab = slow();
    let running = begun(&lab);
    let held = lab.run("apply plan.json").ends(Exit::Held);
    assert!(held.err.contains(&lab.runs()[0]), "{held}");
    for verb in ["resume", "undo", "runs abandon"] {
        let said = lab.run(&format!("{verb} latest")).ends(Exit::Held);
        assert!(said.err.contains("Nothing was changed"), "{said}");
    }
    lab.run("runs list").ends(Exit::Done).tells("running");
    let_go(&lab);
    running.wait().ends(Exit::Done);
}
