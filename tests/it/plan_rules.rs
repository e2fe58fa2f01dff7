//! The rules of plans: for each, a plan that breaks it and no other.

use clusterctl::plan::{
    Action, Argv, BackupRef, Class, Condition, Hook, Method, Millis, Plan, PlanProblem, Probe,
    Proof, Reading, Step, StepId, Undo, Value,
};

use crate::build::{argv, node, path, service};
use crate::sample;

fn id(text: &str) -> StepId {
    text.parse().unwrap()
}

fn step(plan: &mut Plan, at: usize) -> &mut Step {
    &mut plan.stages[0].lanes[0].steps[at]
}

/// The sample, changed in one way, and what its problems say.
fn breaks(change: impl FnOnce(&mut Plan)) -> String {
    let mut plan = sample::convert();
    change(&mut plan);
    let said: Vec<_> = plan.problems().iter().map(ToString::to_string).collect();
    said.join("\n")
}

fn becomes(action: Action) -> String {
    breaks(|plan| step(plan, 2).action = action)
}

fn run(argv: Argv, success: Vec<i64>) -> Action {
    Action::Run {
        argv,
        dir: None,
        stdin: Vec::new(),
        success,
    }
}

fn backup(step: &str) -> BackupRef {
    BackupRef {
        run: None,
        step: id(step),
    }
}

#[test]
fn the_sample_breaks_none() {
    assert_eq!(breaks(|_| {}), "");
    assert_eq!(breaks(|plan| plan.stages.clear()), "");
}

#[test]
fn rules_of_the_whole_plan() {
    insta::assert_snapshot!(breaks(|plan| plan.format = 2), @"the plan says that it has format 2");
    insta::assert_snapshot!(breaks(|plan| {
        plan.nodes.get_mut(&node("ucd2")).unwrap().state_dir = path("var/lib");
    }), @"the folder `var/lib` of ucd2 is not an absolute path");
    assert_eq!(
        breaks(|plan| {
            plan.nodes.get_mut(&node("ucd2")).unwrap().state_dir =
                path(r"C:\ProgramData\clusterctl");
        }),
        ""
    );
    for address in ["", "-oProxyCommand=x", "a b", "a\u{1b}", "x\u{202e}"] {
        let said = breaks(|plan| {
            address.clone_into(&mut plan.nodes.get_mut(&node("ucd2")).unwrap().address);
        });
        assert!(said.ends_with("can't be the address of ucd2"), "{said}");
    }
    insta::assert_snapshot!(breaks(|plan| {
        plan.hooks.on_end = Some(Hook { command: Argv::new([""]), deadline: Millis(1) });
    }), @"the hook on_end has no command");
    insta::assert_snapshot!(breaks(|plan| {
        let lane = plan.stages[1].lanes[0].clone();
        plan.stages[1].lanes = vec![lane; 34_000];
    }), @"the plan has 102009 steps; 100000 are the most");
}

#[test]
fn rules_of_stages_and_lanes() {
    insta::assert_snapshot!(breaks(|plan| plan.stages[1].width = 0), @"stage `bring in the other nodes` has width 0");
    insta::assert_snapshot!(breaks(|plan| drop(plan.nodes.remove(&node("ucd2")))), @"ucd2 has a lane but is not among the plan's nodes");
    insta::assert_snapshot!(breaks(|plan| {
        let last = plan.stages[2].lanes[0].steps.split_off(1);
        let mut lane = plan.stages[2].lanes[0].clone();
        lane.steps = last;
        plan.stages[2].lanes.push(lane);
    }), @"ucd1 has two lanes in stage `settings of the product`");
    insta::assert_snapshot!(breaks(|plan| {
        plan.stages[2].lanes[0].steps[0].id = id("convert/ucd1/drain");
    }), @"two steps are called convert/ucd1/drain");
    insta::assert_snapshot!(breaks(|plan| {
        plan.stages[2].lanes[0].steps[0].id = id("convert/ucd2/x");
    }), @"convert/ucd2/x stands in the lane of ucd1");
}

#[test]
fn rules_of_proofs_and_temporary_changes() {
    insta::assert_snapshot!(breaks(|plan| step(plan, 0).proof = Proof::Holds(Vec::new())), @"convert/ucd1/drain has a proof without conditions");
    insta::assert_snapshot!(breaks(|plan| {
        let Undo::By { proof, .. } = &mut step(plan, 0).undo else { panic!() };
        *proof = Proof::Holds(Vec::new());
    }), @"the undo of convert/ucd1/drain has a proof without conditions");
    insta::assert_snapshot!(breaks(|plan| step(plan, 0).proof = Proof::Answer), @"convert/ucd1/drain is proved by an answer but asks nobody");
    insta::assert_snapshot!(breaks(|plan| {
        step(plan, 0).undo = Undo::Nothing { because: String::new() };
    }), @"convert/ucd1/drain is temporary but has no undo");
    insta::assert_snapshot!(breaks(|plan| step(plan, 2).class = Class::Read), @"convert/ucd1/multiserver is of class `read` but changes something");
    insta::assert_snapshot!(breaks(|plan| {
        step(plan, 5).ends = Some(id("convert/ucd1/multiserver"));
    }), @"convert/ucd1/enable ends convert/ucd1/multiserver, which is not an earlier temporary change of the same node");
    insta::assert_snapshot!(breaks(|plan| {
        step(plan, 0).ends = Some(id("convert/ucd1/stop"));
    }), @"convert/ucd1/drain ends convert/ucd1/stop, which is not an earlier temporary change of the same node");
    insta::assert_snapshot!(breaks(|plan| {
        step(plan, 5).ends = Some(id("convert/ucd1/stop"));
    }), @"convert/ucd1/enable ends convert/ucd1/stop, which another step ends already");
}

#[test]
fn rules_of_what_steps_use_of_each_other() {
    let output = |of: &str| Value::FromStep {
        step: id(of),
        output: "x".to_owned(),
    };
    let gives = |plan: &mut Plan| {
        for step in plan
            .stages
            .iter_mut()
            .flat_map(|s| &mut s.lanes)
            .flat_map(|l| &mut l.steps)
        {
            let probe = Probe::Path { path: path("/x") };
            step.outputs.insert("x".to_owned(), probe);
        }
    };
    let breaks = |change: &dyn Fn(&mut Plan)| {
        breaks(|plan| {
            gives(plan);
            change(plan);
        })
    };
    let becomes = |action: Action| breaks(&|plan| step(plan, 2).action = action.clone());
    let write = |of: &str| Action::WriteFile {
        path: path("/x"),
        content: vec![output(of)],
        mode: None,
    };
    assert_eq!(becomes(write("convert/ucd1/drain")), "");
    insta::assert_snapshot!(becomes(write("convert/ucd1/multiserver")), @"convert/ucd1/multiserver uses an output of convert/ucd1/multiserver, which does not come before it");
    insta::assert_snapshot!(becomes(write("convert/ucd2/start")), @"convert/ucd1/multiserver uses an output of convert/ucd2/start, which does not come before it");
    let compare = |of: &str| {
        let probe = Probe::FileIs {
            path: path("/x"),
            content: vec![output(of)],
        };
        Condition::is(probe, Reading::Same)
    };
    insta::assert_snapshot!(breaks(&|plan| {
        step(plan, 2).guards.push(compare("convert/ucd1/multiserver"));
    }), @"convert/ucd1/multiserver uses an output of convert/ucd1/multiserver, which does not come before it");
    assert_eq!(
        breaks(&|plan| {
            step(plan, 2).proof = Proof::Holds(vec![compare("convert/ucd1/multiserver")]);
        }),
        ""
    );
    // Lanes of one stage go side by side.
    insta::assert_snapshot!(breaks(&|plan| {
        plan.stages[1].lanes[1].steps[1].guards.push(compare("convert/ucd2/appdata"));
    }), @"convert/ucd3/start uses an output of convert/ucd2/appdata, which does not come before it");
    let restore = |of: &str| Action::Restore {
        path: path("/x"),
        backup: backup(of),
    };
    assert_eq!(becomes(restore("convert/ucd1/drain")), "");
    insta::assert_snapshot!(becomes(restore("convert/ucd1/multiserver")), @"convert/ucd1/multiserver needs what convert/ucd1/multiserver keeps, which is not an earlier step of the same node");
    insta::assert_snapshot!(breaks(&|plan| {
        plan.stages[2].lanes[0].steps[0].guards = vec![Condition::is_not(
            Probe::Backup { backup: backup("convert/ucd2/appdata") },
            Reading::Absent,
        )];
    }), @"convert/ucd1/external-url needs what convert/ucd2/appdata keeps, which is not an earlier step of the same node");
    insta::assert_snapshot!(breaks(&|plan| {
        step(plan, 0).outputs.clear();
        step(plan, 2).guards.push(compare("convert/ucd1/drain"));
    }), @"convert/ucd1/multiserver uses `x` of convert/ucd1/drain, which does not give it");
}

#[test]
fn rules_of_paths_and_commands() {
    let back_up = |text: &str| Action::BackUp { path: path(text) };
    insta::assert_snapshot!(becomes(back_up("x/\u{1b}")), @r"convert/ucd1/multiserver names `x/\u{1b}`, which is not an absolute path");
    insta::assert_snapshot!(becomes(back_up("/x\0")), @r"convert/ucd1/multiserver names `/x\0`, which is not an absolute path");
    assert_eq!(becomes(back_up(r"C:\inetpub\x")), "");
    insta::assert_snapshot!(breaks(|plan| {
        step(plan, 2).guards.push(Condition::is(Probe::Path { path: path("x") }, Reading::Absent));
    }), @"convert/ucd1/multiserver names `x`, which is not an absolute path");
    insta::assert_snapshot!(becomes(run(Argv::new([""; 0]), vec![0])), @"convert/ucd1/multiserver runs a command that has no words");
    insta::assert_snapshot!(becomes(run(argv("a b\0"), vec![0])), @"convert/ucd1/multiserver has a NUL character in a command or path");
    insta::assert_snapshot!(breaks(|plan| {
        let mut service = service("x");
        service.status = Argv::new([""; 0]);
        let probe = Probe::Service { service };
        step(plan, 2).guards.push(Condition::is(probe, Reading::Absent));
    }), @"convert/ucd1/multiserver runs a command that has no words");
}

#[test]
fn rules_of_actions() {
    insta::assert_snapshot!(becomes(run(argv("a"), Vec::new())), @"convert/ucd1/multiserver could never succeed");
    insta::assert_snapshot!(becomes(Action::EditXml { path: path("/x"), edits: Vec::new() }), @"convert/ucd1/multiserver edits nothing");
    insta::assert_snapshot!(becomes(Action::Check { that: Vec::new() }), @"convert/ucd1/multiserver checks nothing");
    insta::assert_snapshot!(becomes(Action::Link { path: path("/x"), target: String::new() }), @"convert/ucd1/multiserver links to nothing");
    insta::assert_snapshot!(breaks(|plan| {
        let Action::WaitUntil { good, .. } = &mut step(plan, 4).action else { panic!() };
        *good = 0;
    }), @"convert/ucd1/answers waits for no answer at all");
    insta::assert_snapshot!(becomes(Action::WriteFile {
        path: path("/x"),
        content: Vec::new(),
        mode: Some(0o10_000),
    }), @"convert/ucd1/multiserver sets the mode 10000");
    let call = |body| Action::Rest {
        under: None,
        method: Method::Post,
        merge: None,
        url: "https://x".to_owned(),
        credentials: None,
        body: Some(body),
        success: vec![200],
    };
    insta::assert_snapshot!(becomes(call(serde_json::json!([0.5]))), @"convert/ucd1/multiserver sends JSON with a fraction; write it as text");
    let deep = (0..70).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    insta::assert_snapshot!(becomes(call(deep)), @"convert/ucd1/multiserver sends JSON that is nested too deeply");
    assert_eq!(becomes(call(serde_json::Value::Null)), "");
}

#[test]
fn names_that_no_file_could_hold_are_found() {
    let name = StepId::new("verb", &node("ucd1"), &"x".repeat(500));
    assert_eq!(
        breaks(|plan| plan.stages[2].lanes[0].steps[0].id = name),
        ""
    );
    // A stage's name is told as it is, but can't drive the terminal.
    let said = PlanProblem::NoWidth("\u{1b}[2J".to_owned()).to_string();
    assert_eq!(said, r"stage `\u{1b}[2J` has width 0");
}
