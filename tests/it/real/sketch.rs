//! Plans in few words.

use std::collections::BTreeMap;
use std::path::Path;

use clusterctl::config::NodeName;
use clusterctl::plan::{
    Action, Argv, BackupRef, Class, Condition, FORMAT, Hooks, Lane, Millis, OnFailure, Plan, Probe,
    Proof, Reading, RemotePath, Stage, Step, StepId, Target, Undo, Value, Why,
};

pub(crate) const VERB: &str = "real";

pub(crate) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

pub(crate) fn remote(path: &Path) -> RemotePath {
    RemotePath::new(path.to_str().unwrap())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A plan of these stages, whose nodes keep their state in folders of their own below `nodes`.
pub(crate) fn plan(nodes: &Path, stages: Vec<Stage>) -> Plan {
    let names = stages.iter().flat_map(|stage| &stage.lanes);
    let targets = names.map(|lane| {
        let state_dir = remote(&nodes.join(lane.node.as_str()));
        let address = "local".to_owned();
        (lane.node.clone(), Target::at(address, state_dir))
    });
    let plan = Plan {
        format: FORMAT,
        verb: VERB.to_owned(),
        title: "everything that this machine can do".to_owned(),
        made_by: "clusterctl test".to_owned(),
        made_at: jiff::Timestamp::UNIX_EPOCH,
        starts_as: "untouched".to_owned(),
        nodes: targets.collect::<BTreeMap<_, _>>(),
        hooks: Hooks::default(),
        stages,
    };
    assert_eq!(plan.problems(), []);
    plan
}

/// A stage in which this many nodes go side by side.
pub(crate) fn stage(name: &str, width: u32, lanes: Vec<(&NodeName, Vec<Step>)>) -> Stage {
    Stage {
        name: name.to_owned(),
        width,
        max_failures: 0,
        bake: Millis(0),
        on_failure: OnFailure::Stop,
        lanes: lanes
            .into_iter()
            .map(|(node, steps)| Lane {
                node: node.clone(),
                steps,
            })
            .collect(),
    }
}

/// A step that changes something and is proved by the node's stamp.
pub(crate) fn step(node: &NodeName, slug: &str, action: Action) -> Step {
    let class = if action.changes() {
        Class::Stage
    } else {
        Class::Read
    };
    Step {
        id: StepId::new(VERB, node, slug),
        title: slug.replace('-', " "),
        why: Why {
            says: "To see that it works.".to_owned(),
            page: None,
        },
        class,
        action,
        guards: Vec::new(),
        proof: Proof::Stamp,
        outputs: BTreeMap::new(),
        undo: Undo::Nothing {
            because: "It changes nothing that stays.".to_owned(),
        },
        timeout: Millis::secs(60),
        leaves: format!("{slug} is done"),
        temporary: None,
        ends: None,
        preview: None,
    }
}

/// A step that turns what a probe finds from one reading into another, and back.
pub(crate) fn turn(
    node: &NodeName,
    slug: &str,
    action: Action,
    undo: Action,
    probe: Probe,
    from: Reading,
    to: Reading,
) -> Step {
    Step {
        guards: vec![Condition::is(probe.clone(), from.clone())],
        proof: Proof::Holds(vec![Condition::is(probe.clone(), to)]),
        undo: Undo::By {
            action: Box::new(undo),
            proof: Proof::Holds(vec![Condition::is(probe, from)]),
        },
        ..step(node, slug, action)
    }
}

/// What a step kept, put back.
pub(crate) fn put_back(node: &NodeName, slug: &str, path: &Path) -> Action {
    Action::Restore {
        path: remote(path),
        backup: kept(node, slug),
    }
}

pub(crate) fn kept(node: &NodeName, slug: &str) -> BackupRef {
    BackupRef {
        run: None,
        step: StepId::new(VERB, node, slug),
    }
}

pub(crate) fn run<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Action {
    run_with(words, vec![])
}

pub(crate) fn run_with<S: Into<String>>(
    words: impl IntoIterator<Item = S>,
    stdin: Vec<Value>,
) -> Action {
    Action::Run {
        argv: Argv::new(words),
        dir: None,
        stdin,
        success: vec![0],
    }
}

pub(crate) fn at(path: &Path) -> Probe {
    Probe::Path { path: remote(path) }
}

/// A new file of a word, and its removal.
pub(crate) fn write(node: &NodeName, slug: &str, path: &Path) -> Step {
    let action = Action::WriteFile {
        path: remote(path),
        content: vec![slug.into()],
        mode: Some(0o644),
    };
    let undo = put_back(node, slug, path);
    turn(
        node,
        slug,
        action,
        undo,
        at(path),
        Reading::Absent,
        Reading::text("file"),
    )
}
