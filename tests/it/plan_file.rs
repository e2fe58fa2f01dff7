//! Plans as files: round trips, digests, rules, and the way back.

use std::collections::{BTreeMap, BTreeSet};

use clusterctl::plan::{
    Action, LoadError, Outputs, Plan, Probe, Proof, RunId, StepId, Undo, reverse,
};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::{generate, sample};

const SEEDS: u64 = 400;

fn run(name: &str) -> RunId {
    name.parse().unwrap()
}

/// All steps as done, with every output that another step uses.
fn all_done(plan: &Plan) -> BTreeMap<StepId, Outputs> {
    let outputs: Outputs = ["id", "old"]
        .map(|name| (name.to_owned(), format!("the {name}")))
        .into();
    plan.steps()
        .map(|(_, step)| (step.id.clone(), outputs.clone()))
        .collect()
}

#[test]
fn generated_plans_keep_the_rules_and_have_every_kind() {
    let mut kinds = BTreeSet::new();
    for seed in 0..SEEDS {
        let plan = generate::plan(seed);
        assert_eq!(plan.problems(), [], "seed {seed}");
        for (_, step) in plan.steps() {
            kinds.insert(step.action.kind().to_owned());
            kinds.insert(match &step.proof {
                Proof::Holds(_) => "holds".to_owned(),
                Proof::Stamp => "stamp".to_owned(),
                Proof::Answer => "answer".to_owned(),
            });
            kinds.insert(match &step.undo {
                Undo::By { .. } => "by".to_owned(),
                Undo::Nothing { .. } => "nothing".to_owned(),
                Undo::Impossible { .. } => "impossible".to_owned(),
            });
            for condition in step.guards.iter().chain(step.proof.conditions()) {
                let json = serde_json::to_value(condition).unwrap();
                kinds.insert(format!("look {}", json["probe"]["look"].as_str().unwrap()));
                kinds.extend(
                    json["expect"]
                        .as_object()
                        .unwrap()
                        .keys()
                        .map(|k| format!("expect {k}")),
                );
            }
        }
    }
    assert_eq!(kinds.len(), 19 + 3 + 3 + 20 + 4, "{kinds:#?}");
}

#[test]
fn what_a_plan_needs_to_begin_is_told() {
    for seed in 0..SEEDS {
        let plan = generate::plan(seed);
        let begins = generate::begins(&plan);
        for (node, step) in plan.steps() {
            for guard in &step.guards {
                let found = begins
                    .iter()
                    .find(|(n, probe, _)| n == node && *probe == guard.probe);
                assert!(
                    guard.expect.admits(&found.unwrap().2),
                    "seed {seed}: {guard}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_plan_comes_back_from_its_file(seed: u64) {
        let plan = generate::plan(seed);
        let back = Plan::from_json(plan.to_json().as_bytes()).unwrap();
        prop_assert_eq!(back.digest(), plan.digest());
        prop_assert_eq!(back, plan);
    }

    #[test]
    fn the_order_of_keys_does_not_matter(seed: u64) {
        let plan = generate::plan(seed);
        let json: Json = serde_json::from_str(&plan.to_json()).unwrap();
        let back = Plan::from_json(turned_round(&json).as_bytes()).unwrap();
        prop_assert_eq!(back.digest(), plan.digest());
        prop_assert_eq!(back, plan);
    }

    #[test]
    fn the_way_back_keeps_the_rules_and_leads_there_again(seed: u64, some in any::<bool>()) {
        let plan = generate::plan(seed);
        let mut done = all_done(&plan);
        if some {
            let keep = done.len() / 2;
            let order: Vec<_> = plan.steps().map(|(_, step)| step.id.clone()).collect();
            done.retain(|id, _| order.iter().position(|o| o == id).unwrap() < keep);
        }
        let stuck = plan.steps().any(|(_, step)| {
            done.contains_key(&step.id) && matches!(step.undo, Undo::Impossible { .. })
        });
        match reverse(&plan, &run("r1"), &done, &[], plan.made_at) {
            Ok(back) => {
                prop_assert!(!stuck);
                prop_assert_eq!(back.problems(), []);
                prop_assert_eq!(Plan::from_json(back.to_json().as_bytes()).unwrap(), back.clone());
                let again = reverse(&back, &run("r2"), &all_done(&back), &[], plan.made_at).unwrap();
                prop_assert_eq!(again.problems(), []);
                prop_assert_eq!(again.steps().count(), back.steps().count());
            }
            Err(_) => prop_assert!(stuck),
        }
    }
}

/// The same JSON with the members of every object in the reverse order.
fn turned_round(json: &Json) -> String {
    match json {
        Json::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .rev()
                .map(|(key, value)| {
                    format!("{}: {}", Json::from(key.as_str()), turned_round(value))
                })
                .collect();
            format!("{{ {} }}", members.join(" , "))
        }
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(turned_round).collect();
            format!("[\n{}\n]", items.join(",\n"))
        }
        scalar => scalar.to_string(),
    }
}

/// The JSON pointers of all leaves.
fn leaves(json: &Json, at: &str, found: &mut Vec<String>) {
    match json {
        Json::Object(members) => {
            for (key, value) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                leaves(value, &format!("{at}/{key}"), found);
            }
        }
        Json::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{index}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

fn is_prose(pointer: &str) -> bool {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    match parts.as_slice() {
        ["title" | "made_by" | "made_at" | "starts_as"] | ["stages", _, "name"] => true,
        ["stages", _, "lanes", _, "steps", _, rest @ ..] => matches!(
            rest,
            ["title" | "leaves" | "preview"]
                | ["why", ..]
                | ["undo", "nothing" | "impossible", "because"]
        ),
        _ => false,
    }
}

#[test]
fn the_digest_covers_every_field_but_prose() {
    let mut covered: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..60 {
        let plan = generate::sized(seed, 2);
        let json: Json = serde_json::from_str(&plan.to_json()).unwrap();
        let mut pointers = Vec::new();
        leaves(&json, "", &mut pointers);
        for pointer in pointers {
            let shape: String = pointer.chars().filter(|c| !c.is_ascii_digit()).collect();
            let times = covered.entry(shape).or_default();
            *times += 1;
            if *times > 5 {
                continue;
            }
            let mut other = json.clone();
            let leaf = other.pointer_mut(&pointer).unwrap();
            *leaf = match &*leaf {
                Json::String(text) if pointer == "/made_at" => {
                    Json::from(text.replace("2026", "2027"))
                }
                Json::String(text) if text.len() == 64 => Json::from("0".repeat(64)),
                Json::String(text) => Json::from(format!("{text}x")),
                Json::Number(number) => Json::from(number.as_i64().unwrap() + 1),
                Json::Bool(flag) => Json::from(!flag),
                _ => Json::from("something"),
            };
            // A kind that there is not can't be told from its neighbour.
            let Ok(changed) = serde_json::from_value::<Plan>(other) else {
                continue;
            };
            assert_ne!(changed, plan, "{pointer}");
            let same = changed.digest() == plan.digest();
            assert_eq!(same, is_prose(&pointer), "seed {seed}: {pointer}");
        }
    }
    assert!(covered.len() > 120, "{}: {covered:#?}", covered.len());
}

#[test]
fn the_digest_covers_order() {
    let plan = sample::convert();
    let mut other = plan.clone();
    other.stages[0].lanes[0].steps.swap(0, 1);
    assert_ne!(other.digest(), plan.digest());
    let mut other = plan.clone();
    other.stages[1].lanes.swap(0, 1);
    assert_ne!(other.digest(), plan.digest());
    let mut other = plan.clone();
    other.stages.swap(0, 1);
    assert_ne!(other.digest(), plan.digest());
}

#[test]
fn a_file_of_format_1_can_always_be_read() {
    let plan = Plan::from_json(include_bytes!("plans/format-1.json")).unwrap();
    let kinds: BTreeSet<_> = plan.steps().map(|(_, step)| step.action.kind()).collect();
    assert_eq!(kinds.len(), 16);
    assert_eq!(plan.nodes.len(), 4);
}

#[test]
fn what_is_no_plan_is_refused_in_words() {
    let say = |text: &str| Plan::from_json(text.as_bytes()).unwrap_err().to_string();
    insta::assert_snapshot!(say("{}"), @"this is not a plan of clusterctl: it has no `format`");
    insta::assert_snapshot!(say(r#"{"format":0}"#), @"this is not a plan of clusterctl: there is no format 0");
    let newer = say("{\"format\":2,\"made_by\":\"clusterctl 9\\u001b[2J\"}");
    assert!(
        newer.contains("made it (clusterctl 9\\u{1b}[2J)"),
        "{newer}"
    );
    let odd = say("{\"format\":1,\"\\u001b[2J\":1}");
    assert!(!odd.contains('\u{1b}'), "{odd}");
    let deep = format!(
        r#"{{"format":1,"x":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(matches!(
        Plan::from_json(deep.as_bytes()),
        Err(LoadError::NotAPlan(_))
    ));
    let mut plan = sample::convert();
    for step in plan
        .stages
        .iter_mut()
        .flat_map(|s| &mut s.lanes)
        .flat_map(|l| &mut l.steps)
    {
        step.proof = Proof::Holds(Vec::new());
    }
    let many = say(&plan.to_json());
    assert!(many.ends_with("; and 7 more"), "{many}");
}

#[test]
fn undos_of_steps_that_share_a_slug_have_names_of_their_own() {
    let mut plan = sample::convert();
    plan.stages.truncate(1);
    let steps = &mut plan.stages[0].lanes[0].steps;
    steps.truncate(2);
    let slugs = [
        "convert/ucd1/stop",
        "props-set/ucd1/stop",
        "a/ucd1/convert-stop",
    ];
    let mut third = steps[1].clone();
    third.ends = None;
    steps.push(third);
    for (step, id) in steps.iter_mut().zip(slugs) {
        step.id = id.parse().unwrap();
    }
    assert_eq!(plan.problems(), []);
    let back = reverse(&plan, &run("r"), &all_done(&plan), &[], plan.made_at).unwrap();
    assert_eq!(back.problems(), []);
    let names: Vec<_> = back.steps().map(|(_, step)| step.id.to_string()).collect();
    assert_eq!(
        names,
        [
            "undo/ucd1/convert-stop",
            "undo/ucd1/props-set-stop",
            "undo/ucd1/convert-stop-2"
        ]
    );
}

#[test]
fn the_way_back_of_the_sample() {
    let mut plan = sample::convert();
    plan.stages.truncate(2);
    let back = reverse(&plan, &run("r"), &all_done(&plan), &[], plan.made_at).unwrap();
    assert_eq!(back.problems(), []);
    let style = clusterctl::plan::text::Style {
        verbosity: clusterctl::plan::text::Verbosity::Verbose,
        ..Default::default()
    };
    let shown = clusterctl::plan::text::render(&back, &style);
    insta::with_settings!({ filters => vec![(back.digest().as_str(), "<digest>")] }, {
        insta::assert_snapshot!(shown);
    });
}

#[test]
fn what_the_old_run_gave_is_written_out_on_the_way_back() {
    for seed in 0..SEEDS {
        let plan = generate::plan(seed);
        if let Ok(back) = reverse(&plan, &run("r"), &all_done(&plan), &[], plan.made_at) {
            let json = back.to_json();
            assert!(!json.contains("from-step"), "seed {seed}");
            for (_, step) in back.steps() {
                if let Action::Restore { backup, .. } = &step.action {
                    assert!(backup.run.is_some());
                }
                for condition in step.guards.iter().chain(step.proof.conditions()) {
                    assert!(!matches!(condition.probe, Probe::Stamp { .. }));
                }
            }
        }
    }
}

#[test]
fn an_output_that_was_not_given_stands_in_the_way() {
    let back = |plan: &Plan, done| reverse(plan, &run("r"), &done, &[], plan.made_at);
    let nothing_given = |plan: &Plan| {
        let mut done = all_done(plan);
        done.values_mut().for_each(BTreeMap::clear);
        done
    };
    let stuck = (0..SEEDS)
        .map(generate::plan)
        .filter(|plan| back(plan, all_done(plan)).is_ok())
        .find_map(|plan| back(&plan, nothing_given(&plan)).err())
        .unwrap();
    assert!(stuck.to_string().contains("did not give"), "{stuck}");
}

#[test]
fn what_the_run_itself_has_put_back_is_not_taken_back() {
    use crate::build::{self, lane, service, stage, step};
    use clusterctl::plan::{Condition, Probe, Reading, ServiceState};

    let turn = |to| Action::Service {
        service: service("ucd"),
        to,
    };
    let is = |state| {
        let service = service("ucd");
        Condition::is(Probe::Service { service }, Reading::Service(state))
    };
    let (running, stopped) = (ServiceState::Running, ServiceState::Stopped);
    let stop = step("restart/ucd1/stop", "Stop", turn(stopped))
        .shown_by([is(stopped)])
        .undo(turn(running), [is(running)])
        .temporary(600);
    let edit = step(
        "restart/ucd1/link",
        "Link",
        Action::Link {
            path: build::path("/opt/x"),
            target: "y".to_owned(),
        },
    )
    .undo(
        Action::Remove {
            path: build::path("/opt/x"),
        },
        [Condition::is(
            Probe::Path {
                path: build::path("/opt/x"),
            },
            Reading::Absent,
        )],
    );
    let start = step("restart/ucd1/start", "Start", turn(running))
        .shown_by([is(running)])
        .ends("restart/ucd1/stop");
    let mut plan = build::plan("restart", "Restart", &[("ucd1", "10.0.0.11")]);
    plan.stages = vec![stage("restart", vec![lane("ucd1", [stop, edit, start])])];
    assert_eq!(plan.problems(), []);
    let slugs = |done: BTreeMap<StepId, Outputs>| -> Vec<String> {
        let back = reverse(&plan, &run("r"), &done, &[], plan.made_at).unwrap();
        assert_eq!(back.problems(), []);
        back.steps()
            .map(|(_, step)| step.id.slug().to_owned())
            .collect()
    };
    // All of it is done: only the link stays.
    assert_eq!(slugs(all_done(&plan)), ["link"]);
    // Before it is started again, it is stopped.
    let mut some = all_done(&plan);
    some.retain(|id, _| id.slug() != "start");
    assert_eq!(slugs(some), ["link", "stop"]);
}
