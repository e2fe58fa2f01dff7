//! A plan that uses every kind of action, on three nodes, in several stages with lanes side by side.

use std::collections::BTreeMap;

use clusterctl::config::{NodeName, RuntimeSocket};
use clusterctl::plan::{
    Action, Argv, BackupRef, Class, Compression, Condition, FORMAT, Hooks, Lane, Method, Millis,
    OnFailure, OnTimeout, Plan, PoolFact, PoolState, Probe, Proof, PropertyEdit, Reading,
    RemotePath, Service, ServiceState, Sha256, Stage, Step, StepId, Target, Temporary, Tree,
    TreeSource, Undo, Value, Why, XmlEdit,
};

/// The plan; `seed` varies widths, failure policies and the order of harmless steps.
pub(crate) fn plan(seed: u64) -> Plan {
    let nodes = ["n1", "n2", "n3"].map(|name| name.parse::<NodeName>().unwrap());
    let width = |salt: u64| u32::try_from((seed / salt) % 3 + 1).unwrap();
    let on_failure = if seed.is_multiple_of(2) {
        OnFailure::Stop
    } else {
        OnFailure::ReturnLane
    };
    let stage = |name: &str, salt: u64, steps: &dyn Fn(&NodeName) -> Vec<Step>| Stage {
        name: name.to_owned(),
        width: width(salt),
        max_failures: 0,
        bake: Millis(5),
        on_failure,
        lanes: nodes
            .iter()
            .map(|node| Lane {
                node: node.clone(),
                steps: steps(node),
            })
            .collect(),
    };
    let mut stages = vec![
        stage("look and keep", 1, &|node| {
            vec![check(node), back_up(node), make_id(node)]
        }),
        stage("change", 3, &|node| {
            let mut steps = vec![drain(node), stop(node)];
            let mut middle = vec![
                edit(node),
                xml(node),
                write(node),
                link(node),
                copy(node),
                go(node),
            ];
            let turn = usize::try_from(seed % 6).unwrap();
            steps.extend([stage_tree(node), swap_tree(node), replace_files(node)]);
            middle.rotate_left(turn);
            steps.append(&mut middle);
            steps.extend([
                move_tree(node),
                remove(node),
                operator(node),
                start(node),
                up(node),
            ]);
            steps.push(enable(node));
            steps
        }),
    ];
    stages.push(stage("afterwards", 5, &|node| {
        vec![rest(node), use_id(node), restore(node)]
    }));
    Plan {
        format: FORMAT,
        verb: "every".to_owned(),
        title: "every kind of action".to_owned(),
        made_by: "clusterctl test".to_owned(),
        made_at: jiff::Timestamp::UNIX_EPOCH,
        starts_as: "untouched".to_owned(),
        nodes: nodes
            .iter()
            .map(|node| {
                let state_dir = RemotePath::new("/var/lib/clusterctl");
                (node.clone(), Target::at("simulated", state_dir))
            })
            .collect::<BTreeMap<_, _>>(),
        hooks: Hooks::default(),
        stages,
    }
}

fn path(text: &str) -> RemotePath {
    RemotePath::new(text)
}

fn digest(text: &str) -> Reading {
    Reading::Digest(Sha256::of(text))
}

fn step(node: &NodeName, slug: &str, action: Action) -> Step {
    let class = if action.changes() {
        Class::Stage
    } else {
        Class::Read
    };
    Step {
        id: StepId::new("every", node, slug),
        title: slug.replace('-', " "),
        why: Why {
            says: "Because.".to_owned(),
            page: None,
        },
        class,
        action,
        guards: Vec::new(),
        proof: Proof::Stamp,
        outputs: BTreeMap::new(),
        undo: Undo::Nothing {
            because: "It changes nothing.".to_owned(),
        },
        timeout: Millis::secs(30),
        leaves: format!("{slug} is done"),
        temporary: None,
        ends: None,
        preview: None,
    }
}

/// A step that turns what a probe finds from one reading into another, and back.
fn turn(
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

fn put_back(node: &NodeName, slug: &str, place: &str) -> Action {
    let step = StepId::new("every", node, slug);
    Action::Restore {
        path: path(place),
        backup: BackupRef { run: None, step },
    }
}

fn check(node: &NodeName) -> Step {
    let probe = Probe::Port {
        host: "db".to_owned(),
        port: 5432,
    };
    let condition = Condition::is(probe, Reading::text("open"));
    let action = Action::Check {
        that: vec![condition.clone()],
    };
    Step {
        proof: Proof::Holds(vec![condition]),
        ..step(node, "check", action)
    }
}

fn back_up(node: &NodeName) -> Step {
    let own = BackupRef {
        run: None,
        step: StepId::new("every", node, "back-up"),
    };
    let kept = Condition::is(Probe::Backup { backup: own }, digest("old tree"));
    Step {
        guards: vec![Condition::is(
            Probe::Tree {
                path: path("/opt/a"),
            },
            digest("old tree"),
        )],
        proof: Proof::Holds(vec![kept]),
        ..step(
            node,
            "back-up",
            Action::BackUp {
                path: path("/opt/a"),
            },
        )
    }
}

fn make_id(node: &NodeName) -> Step {
    let action = Action::Rest {
        under: None,
        method: Method::Post,
        url: "http://ucd/rest/network/networkRelay".to_owned(),
        credentials: None,
        body: Some(serde_json::json!({ "name": node })),
        success: vec![200],
        merge: None,
    };
    let url = format!("http://ucd/relay/{node}");
    let look = |pointer: Option<&str>| Probe::Rest {
        item: None,
        url: url.clone(),
        credentials: None,
        pointer: pointer.map(str::to_owned),
        counts: false,
    };
    let undo = Action::Rest {
        under: None,
        method: Method::Delete,
        url: format!("http://ucd/relay/{node}"),
        credentials: None,
        body: None,
        success: vec![204],
        merge: None,
    };
    Step {
        outputs: BTreeMap::from([("id".to_owned(), look(Some("/id")))]),
        ..turn(
            node,
            "make-id",
            action,
            undo,
            look(None),
            Reading::Number(404),
            Reading::Number(200),
        )
    }
}

fn balancer(node: &NodeName, to: PoolState) -> Action {
    Action::Balancer {
        socket: RuntimeSocket::default(),
        pool: "web".parse().unwrap(),
        server: node.as_str().parse().unwrap(),
        to,
    }
}

fn in_pool(node: &NodeName) -> Probe {
    Probe::Balancer {
        socket: RuntimeSocket::default(),
        pool: "web".parse().unwrap(),
        server: node.as_str().parse().unwrap(),
        of: PoolFact::State,
    }
}

fn drain(node: &NodeName) -> Step {
    let (enabled, drained) = (Reading::text("enabled"), Reading::text("drained"));
    Step {
        temporary: Some(Temporary {
            lease: Millis::secs(600),
        }),
        class: Class::Disrupt,
        ..turn(
            node,
            "drain",
            balancer(node, PoolState::Drained),
            balancer(node, PoolState::Enabled),
            in_pool(node),
            enabled,
            drained,
        )
    }
}

fn enable(node: &NodeName) -> Step {
    let (enabled, drained) = (Reading::text("enabled"), Reading::text("drained"));
    Step {
        ends: Some(StepId::new("every", node, "drain")),
        ..turn(
            node,
            "enable",
            balancer(node, PoolState::Enabled),
            balancer(node, PoolState::Drained),
            in_pool(node),
            drained,
            enabled,
        )
    }
}

fn service() -> Service {
    let call = |word: &str| Argv::new(["/opt/a/bin/server", word]);
    Service {
        name: "ucd".to_owned(),
        start: call("start"),
        stop: call("stop"),
        status: call("status"),
    }
}

fn drive(to: ServiceState) -> Action {
    Action::Service {
        service: service(),
        to,
    }
}

fn stop(node: &NodeName) -> Step {
    Step {
        temporary: Some(Temporary {
            lease: Millis::secs(600),
        }),
        class: Class::Disrupt,
        ..turn(
            node,
            "stop",
            drive(ServiceState::Stopped),
            drive(ServiceState::Running),
            Probe::Service { service: service() },
            Reading::Service(ServiceState::Running),
            Reading::Service(ServiceState::Stopped),
        )
    }
}

fn start(node: &NodeName) -> Step {
    Step {
        ends: Some(StepId::new("every", node, "stop")),
        ..turn(
            node,
            "start",
            drive(ServiceState::Running),
            drive(ServiceState::Stopped),
            Probe::Service { service: service() },
            Reading::Service(ServiceState::Stopped),
            Reading::Service(ServiceState::Running),
        )
    }
}

fn edit(node: &NodeName) -> Step {
    let file = "/opt/a/installed.properties";
    let edits = vec![PropertyEdit::Set {
        key: "a".to_owned(),
        value: "1".into(),
        line: None,
    }];
    let action = Action::EditProperties {
        path: path(file),
        edits,
        utf8: false,
    };
    let probe = Probe::File {
        path: path(file),
        masked: Vec::new(),
    };
    turn(
        node,
        "edit",
        action,
        put_back(node, "edit", file),
        probe,
        digest("p0"),
        digest("p1"),
    )
}

fn xml(node: &NodeName) -> Step {
    let file = "/opt/a/server.xml";
    let edit = XmlEdit {
        element: vec!["Server".to_owned()],
        attribute: "port".to_owned(),
        value: "0".into(),
    };
    let action = Action::EditXml {
        path: path(file),
        edits: vec![edit],
    };
    let probe = Probe::File {
        path: path(file),
        masked: Vec::new(),
    };
    turn(
        node,
        "xml",
        action,
        put_back(node, "xml", file),
        probe,
        digest("x0"),
        digest("x1"),
    )
}

fn write(node: &NodeName) -> Step {
    let file = "/opt/a/new.conf";
    let action = Action::WriteFile {
        path: path(file),
        content: vec!["hello".into()],
        mode: Some(0o640),
    };
    let probe = Probe::File {
        path: path(file),
        masked: Vec::new(),
    };
    let undo = Action::Remove { path: path(file) };
    turn(
        node,
        "write",
        action,
        undo,
        probe,
        Reading::Absent,
        digest("hello"),
    )
}

fn link(node: &NodeName) -> Step {
    let action = Action::Link {
        path: path("/opt/a/current"),
        target: "v2".to_owned(),
    };
    let probe = Probe::Path {
        path: path("/opt/a/current"),
    };
    let undo = put_back(node, "link", "/opt/a/current");
    turn(
        node,
        "link",
        action,
        undo,
        probe,
        Reading::text("link v1"),
        Reading::text("link v2"),
    )
}

fn copy(node: &NodeName) -> Step {
    let action = Action::CopyTree {
        from: path("/opt/a"),
        to: path("/opt/b"),
        source: Sha256::of("old tree"),
    };
    let probe = Probe::Tree {
        path: path("/opt/b"),
    };
    let undo = Action::Remove {
        path: path("/opt/b"),
    };
    turn(
        node,
        "copy",
        action,
        undo,
        probe,
        Reading::Absent,
        digest("old tree"),
    )
}

/// Nothing shows afterwards that this program ran.
fn go(node: &NodeName) -> Step {
    let run = |word: &str| Action::Run {
        argv: Argv::new(["/opt/a/install.sh", word]),
        dir: None,
        stdin: Vec::new(),
        success: vec![0],
    };
    Step {
        undo: Undo::By {
            action: Box::new(run("remove")),
            proof: Proof::Stamp,
        },
        ..step(node, "go", run("install"))
    }
}

fn move_tree(node: &NodeName) -> Step {
    let moved = |from: &str, to: &str| Action::MoveTree {
        from: path(from),
        to: path(to),
    };
    let probe = Probe::Path {
        path: path("/opt/d"),
    };
    turn(
        node,
        "move",
        moved("/opt/c", "/opt/d"),
        moved("/opt/d", "/opt/c"),
        probe,
        Reading::Absent,
        Reading::text("folder"),
    )
}

fn contents() -> Probe {
    Probe::Contents {
        path: path("/opt/g"),
        exclude: vec!["*.log".to_owned()],
        before: None,
    }
}

fn stage_tree(node: &NodeName) -> Step {
    let action = Action::StageTree {
        tree: Tree {
            from: TreeSource::Runner { path: path("/src") },
            digest: Sha256::of("source"),
            exclude: vec!["*.log".to_owned()],
            delete: true,
            checksum: true,
            owner: Some("app:staff".to_owned()),
            link_unchanged: true,
            direct: true,
            compress: Compression::Zstd,
            rate: Some(5_000_000),
        },
        to: path("/opt/g"),
        becomes: Sha256::of("new tree"),
        company: vec![node.clone()],
    };
    let staged = Probe::Staged {
        step: StepId::new("every", node, "stage-tree"),
        to: path("/opt/g"),
    };
    Step {
        guards: vec![Condition::is(contents(), digest("old tree"))],
        proof: Proof::Holds(vec![Condition::is(staged, digest("new tree"))]),
        undo: Undo::Nothing {
            because: "It is in nobody's way.".to_owned(),
        },
        ..step(node, "stage-tree", action)
    }
}

fn swap_tree(node: &NodeName) -> Step {
    let action = Action::SwapTree {
        to: path("/opt/g"),
        stage: StepId::new("every", node, "stage-tree"),
        becomes: Sha256::of("new tree"),
        one_by_one: false,
    };
    let undo = Action::SwapBack {
        to: path("/opt/g"),
        swap: BackupRef {
            run: None,
            step: StepId::new("every", node, "swap-tree"),
        },
        one_by_one: false,
    };
    turn(
        node,
        "swap-tree",
        action,
        undo,
        contents(),
        digest("old tree"),
        digest("new tree"),
    )
}

fn replace_files(node: &NodeName) -> Step {
    let tree = match stage_tree(node).action {
        Action::StageTree { tree, .. } => tree,
        other => panic!("{other}"),
    };
    let step_id = StepId::new("every", node, "replace-files");
    let contents = |before| Probe::Contents {
        path: path("/opt/h"),
        exclude: Vec::new(),
        before,
    };
    let action = Action::ReplaceFiles {
        tree,
        to: path("/opt/h"),
        becomes: Sha256::of("new tree"),
        company: vec![node.clone()],
    };
    let undo = Action::Remove {
        path: path("/opt/h"),
    };
    let step = turn(
        node,
        "replace-files",
        action,
        undo,
        contents(None),
        digest("old tree"),
        digest("new tree"),
    );
    let mut guards = step.guards.clone();
    guards.push(Condition::is(contents(Some(step_id)), digest("old tree")));
    Step { guards, ..step }
}

fn remove(node: &NodeName) -> Step {
    let action = Action::Remove {
        path: path("/opt/e"),
    };
    let probe = Probe::Path {
        path: path("/opt/e"),
    };
    let undo = put_back(node, "remove", "/opt/e");
    turn(
        node,
        "remove",
        action,
        undo,
        probe,
        Reading::text("file"),
        Reading::Absent,
    )
}

fn operator(node: &NodeName) -> Step {
    let action = Action::AskOperator {
        request: "Configure the licence server.".to_owned(),
        evidence: "The ticket's number.".to_owned(),
    };
    Step {
        proof: Proof::Answer,
        ..step(node, "operator", action)
    }
}

fn up(node: &NodeName) -> Step {
    let probe = Probe::Port {
        host: "localhost".to_owned(),
        port: 8080,
    };
    let until = Condition::is(probe, Reading::text("open"));
    let action = Action::WaitUntil {
        until: until.clone(),
        every: Millis(10),
        good: 3,
        within: Millis::secs(10),
        on_timeout: OnTimeout::Fail,
    };
    Step {
        proof: Proof::Holds(vec![until]),
        ..step(node, "up", action)
    }
}

fn rest(node: &NodeName) -> Step {
    let put = |body: &str| Action::Rest {
        under: None,
        method: Method::Put,
        url: "http://ucd/cli/systemConfiguration".to_owned(),
        credentials: None,
        body: Some(serde_json::json!({ "url": body })),
        success: vec![200],
        merge: None,
    };
    let probe = Probe::Product {
        name: "external-url".to_owned(),
        args: Vec::new(),
    };
    turn(
        node,
        "rest",
        put("new"),
        put("old"),
        probe,
        Reading::text("old"),
        Reading::text("new"),
    )
}

/// Uses what an earlier step gave.
fn use_id(node: &NodeName) -> Step {
    let id = Value::FromStep {
        step: StepId::new("every", node, "make-id"),
        output: "id".to_owned(),
    };
    let file = path("/opt/a/id.properties");
    let action = Action::EditProperties {
        path: file.clone(),
        edits: vec![PropertyEdit::Set {
            key: "id".to_owned(),
            value: id.clone(),
            line: None,
        }],
        utf8: false,
    };
    let is = Probe::PropertyIs {
        path: file.clone(),
        key: "id".to_owned(),
        value: id,
        utf8: false,
    };
    let whole = Probe::File {
        path: file,
        masked: vec!["id".to_owned()],
    };
    Step {
        guards: vec![Condition::is(whole.clone(), digest("i0"))],
        proof: Proof::Holds(vec![
            Condition::is(is.clone(), Reading::Same),
            Condition::is(whole.clone(), digest("i1")),
        ]),
        undo: Undo::By {
            action: Box::new(put_back(node, "use-id", "/opt/a/id.properties")),
            proof: Proof::Holds(vec![
                Condition::is(whole, digest("i0")),
                Condition::is(is, Reading::Absent),
            ]),
        },
        ..step(node, "use-id", action)
    }
}

fn restore(node: &NodeName) -> Step {
    let action = put_back(node, "back-up", "/opt/f");
    let probe = Probe::Tree {
        path: path("/opt/f"),
    };
    let undo = Action::Remove {
        path: path("/opt/f"),
    };
    turn(
        node,
        "restore",
        action,
        undo,
        probe,
        Reading::Absent,
        digest("old tree"),
    )
}
