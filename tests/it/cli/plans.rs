//! Saved plans: shown, approved, rehearsed and applied.

use std::fmt::Write as _;
use std::fs;

use clusterctl::exit::Exit;
use clusterctl::plan::{Action, Class, Proof};

use super::lab::Lab;
use crate::build;

fn saved() -> Lab {
    let lab = Lab::new().file("app.properties", "a=1\nport=8080\n");
    lab.run("props set -f app.properties port=9090 new=x --out plan.json")
        .ends(Exit::Done)
        .tells("clusterctl apply plan.json --expect-digest ");
    lab
}

fn digest(lab: &Lab) -> String {
    let plan = lab.run("show plan.json");
    let text = plan.out();
    let line = text
        .lines()
        .find(|line| line.starts_with("Digest"))
        .unwrap();
    line.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn a_plan_is_shown_before_it_is_applied() {
    let lab = saved();
    let text = lab.run("show plan.json").ends(Exit::Done).out();
    lab.snapshot("plan_as_text", &text);
    let verbose = lab.run("show plan.json -v").ends(Exit::Done).out();
    lab.snapshot("plan_as_text_verbose", &verbose);
    let json = lab
        .run("show plan.json --format json")
        .ends(Exit::Done)
        .out();
    assert_eq!(json.into_bytes(), lab.bytes("plan.json"), "byte for byte");
    let line = lab.run("show plan.json --json").ends(Exit::Done);
    assert_eq!(line.json().len(), 1);
    lab.run("show plan.json --format md")
        .ends(Exit::Done)
        .tells("-port=8080\n+port=9090\n");
}

#[test]
fn exactly_what_was_approved_is_applied() {
    let lab = saved();
    let digest = digest(&lab);
    let said = lab
        .call(&format!("apply - --expect-digest {digest} --approved-by"))
        .arg("Ann, change 12")
        .input(lab.bytes("plan.json"))
        .run()
        .ends(Exit::Done);
    assert_eq!(
        lab.bytes("app.properties"),
        b"a=1\nport=9090\nnew=x\n",
        "{said}"
    );
    let shown = lab
        .run("runs show")
        .ends(Exit::Done)
        .tells("Approved by: Ann, change 12");
    lab.snapshot("runs_show", &shown.to_string());
    lab.run("runs show --json")
        .ends(Exit::Done)
        .tells("\"approved_by\":\"Ann, change 12\"");
    let log = lab.run("runs log").ends(Exit::Done);
    lab.snapshot("runs_log", &log.to_string());
    let journal = lab.run("runs log --journal").ends(Exit::Done);
    lab.snapshot("runs_log_journal", &journal.to_string());
}

#[test]
fn a_plan_of_a_world_that_is_gone_is_stale() {
    let lab = saved();
    fs::write(lab.path("app.properties"), "a=2\nport=8080\n").unwrap();
    let said = lab.run("apply plan.json").ends(Exit::Stale);
    lab.snapshot("a_stale_plan", &said.to_string());
    assert_eq!(lab.bytes("app.properties"), b"a=2\nport=8080\n");
    assert_eq!(lab.runs(), [""; 0], "nothing began");
}

#[test]
fn a_rehearsal_touches_nothing() {
    let lab = saved();
    let before = lab.everything();
    // Each has its own time, and names of runs tell it.
    let settled = |words: &str| lab.settled(&lab.run(words).ends(Exit::Done).to_string());
    let mut text = settled("rehearse plan.json");
    for kind in ["crash", "failed", "interrupt", "stale", "lost-outcome"] {
        let words = format!("rehearse plan.json --fault {kind}@local:edit-app.properties");
        write!(text, "\n{}", settled(&words)).unwrap();
    }
    lab.snapshot("rehearsals", &text);
    let every = lab.run("rehearse plan.json --every-fault").ends(Exit::Done);
    lab.snapshot("rehearsal_of_every_fault", &every.to_string());
    for line in lab.run("rehearse plan.json --every-fault --json").json() {
        assert_eq!(line["format"], 1);
    }
    assert_eq!(lab.everything(), before);
}

#[test]
fn a_step_that_fails_is_told_with_what_it_said() {
    let fail = Action::Run {
        argv: build::argv("ls /none/such"),
        dir: None,
        stdin: Vec::new(),
        success: vec![0],
    };
    let mut plan = build::plan("trial", "Try it", &[("n1", "local")]);
    let steps = [
        build::step("trial/n1/ok", "Succeed", ok()),
        build::step("trial/n1/fail", "Look where nothing is", fail),
    ];
    plan.stages = vec![build::stage("try", vec![build::lane("n1", steps)])];
    let lab = Lab::new().plan("plan.json", plan);
    let said = lab.run("apply plan.json").ends(Exit::Stopped);
    let stable = lab.settled(&said.to_string());
    assert!(stable.contains("/none/such"), "{said}");
    assert!(stable.contains("hint: clusterctl resume [RUN1]"), "{said}");
    let shown = lab.run("runs show").ends(Exit::Done).tells("Fate: stopped");
    assert!(shown.out().contains("trial/n1/fail"), "{shown}");
    // What can't succeed fails again, and can be given up.
    lab.run("resume latest").ends(Exit::Stopped);
    lab.run("runs list --open")
        .ends(Exit::Done)
        .tells("stopped");
    lab.call("runs abandon latest --reason")
        .arg("it was a trial")
        .run()
        .ends(Exit::Done);
    lab.run("runs list").ends(Exit::Done).tells("abandoned");
    lab.run("runs log --journal").tells("it was a trial");
}

fn ok() -> Action {
    Action::Run {
        argv: build::argv("true"),
        dir: None,
        stdin: Vec::new(),
        success: vec![0],
    }
}

/// A plan with one step for a person.
fn operator() -> Lab {
    let ask = Action::AskOperator {
        request: "Tell the night shift.\nThen go on.".to_owned(),
        evidence: "the name of who was told".to_owned(),
    };
    let mut making = build::step("trial/n1/tell", "Tell the night shift", ask);
    making.0.proof = Proof::Answer;
    let mut plan = build::plan("trial", "Try it", &[("n1", "local")]);
    plan.stages = vec![build::stage("try", vec![build::lane("n1", [making])])];
    Lab::new().plan("plan.json", plan)
}

#[test]
fn a_step_for_a_person_waits_for_one() {
    let lab = operator();
    let refused = lab
        .run("apply plan.json --no-operator")
        .ends(Exit::Forbidden);
    assert_eq!(lab.runs(), [""; 0], "{refused}");
    let said = lab.run("apply plan.json").ends(Exit::Stopped);
    lab.snapshot("a_step_for_a_person", &said.to_string());
    let nobody = lab.run("resume latest --answer trial/n1/nothing --evidence x");
    lab.snapshot(
        "an_answer_to_no_question",
        &nobody.ends(Exit::Usage).to_string(),
    );
    lab.call("resume latest --answer trial/n1/tell --evidence")
        .arg(" ")
        .run()
        .ends(Exit::Usage)
        .tells("the evidence is empty");
    lab.run("resume latest --answer trial/n1/tell --evidence Bob")
        .ends(Exit::Done);
    let shown = lab.run("runs show --json").ends(Exit::Done);
    assert_eq!(
        shown.json()[0]["step_list"][0]["evidence"],
        "Bob",
        "{shown}"
    );
}

#[test]
fn nobody_at_a_terminal_is_asked_in_a_pipe() {
    let mut making = build::step("trial/n1/ok", "Succeed", ok());
    making.0.class = Class::Disrupt;
    let mut plan = build::plan("trial", "Try it", &[("n1", "local")]);
    plan.stages = vec![build::stage("try", vec![build::lane("n1", [making])])];
    let lab = Lab::new().plan("plan.json", plan);
    lab.run("apply plan.json").ends(Exit::Done);
}
