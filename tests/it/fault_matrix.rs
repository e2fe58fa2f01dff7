//! Every kind of fault at every step: the exit code, what is said, and the ways out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use clusterctl::config::NodeName;
use clusterctl::engine::{
    Call, Direction, Ending, Fault, FaultKind, Happening, Interrupt, Progress, Standing, World,
    decode,
};
use clusterctl::exit::Exit;
use clusterctl::plan::{
    Action, Argv, Hook, Hooks, Millis, OnFailure, Plan, Proof, RunId, Step, StepId, Undo,
};
use clusterctl::rehearse::{SimState, SimWorld, Strike, StrikeKind};

use crate::every_kind;
use crate::scale::full;
use crate::scene::{How, Left, Person, Says, Scene, What, assert_no_effect_twice_but, readings};

/// The plan with other failure policies.
fn tolerant(seed: u64, max_failures: u32, on_failure: OnFailure) -> Plan {
    let mut plan = every_kind::plan(seed);
    for stage in &mut plan.stages {
        stage.max_failures = max_failures;
        stage.on_failure = on_failure;
    }
    plan
}

/// What the fault does to the step that it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// The runner is dead.
    Dead,
    /// The step failed and left nothing.
    Failed(FaultKind),
    /// The guard does not hold.
    Stale,
    /// Nobody knows what came of it.
    Unknown,
    /// It is done all the same.
    Done,
    /// It is done, and nothing more is to begin.
    Interrupted,
}

/// What each kind of fault comes to at this step.
fn blow(kind: StrikeKind, step: &Step) -> Blow {
    use Blow::{Dead, Done, Failed, Interrupted, Stale, Unknown};
    match (&step.action, kind) {
        (_, StrikeKind::Crash | StrikeKind::CrashAfter) => Dead,
        (_, StrikeKind::Interrupt) => Interrupted,
        (_, StrikeKind::Stale) => Stale,
        (Action::Check { .. }, StrikeKind::Unreachable | StrikeKind::PowerLoss) => {
            Failed(FaultKind::Unreachable)
        }
        (Action::WaitUntil { .. }, StrikeKind::Unreachable | StrikeKind::PowerLoss) => {
            Failed(FaultKind::TimedOut)
        }
        // A look that fails once is no reason to stop waiting.
        (Action::WaitUntil { .. }, _) => Done,
        // What a server was asked for may still come.
        (_, StrikeKind::Unreachable | StrikeKind::PowerLoss)
        | (Action::Rest { .. }, StrikeKind::Timeout) => Unknown,
        (Action::Check { .. }, StrikeKind::LostOutcome) => Failed(FaultKind::LostOutcome),
        (_, StrikeKind::LostOutcome) => Done,
        (_, StrikeKind::Timeout) => Failed(FaultKind::TimedOut),
        (_, StrikeKind::Failed) => Failed(FaultKind::Failed),
        (_, StrikeKind::DiskFull) => Failed(FaultKind::DiskFull),
        (_, StrikeKind::Denied) => Failed(FaultKind::Denied),
    }
}

/// The exit code that the blow must lead to, given what the world and the journal say afterwards.
fn wanted_exit(blow: Blow, after: &After) -> Vec<Exit> {
    let failed = |nothing: Exit| match (after.anything_done, after.anything_ever) {
        (true, _) => vec![Exit::Stopped],
        (false, true) => vec![Exit::Undone],
        (false, false) => vec![nothing],
    };
    match blow {
        Blow::Dead => vec![Exit::Unexpected],
        Blow::Failed(FaultKind::Unreachable) => failed(Exit::Unreachable),
        Blow::Failed(_) => failed(Exit::Undone),
        Blow::Stale => failed(Exit::Stale),
        Blow::Unknown => vec![Exit::Stopped],
        Blow::Done => vec![Exit::Done],
        Blow::Interrupted if after.all_done => vec![Exit::Done],
        Blow::Interrupted => vec![Exit::Interrupted],
    }
}

/// What the world, not the engine, says of the plan.
struct After {
    anything_done: bool,
    anything_ever: bool,
    all_done: bool,
}

/// The steps whose effect is in the world, and has not been taken back.
fn there(state: &SimState, run: &RunId) -> BTreeSet<StepId> {
    let mut there = BTreeSet::new();
    for node in state.nodes.values() {
        for (by, step, direction) in &node.effects {
            if by == run {
                match direction {
                    Direction::Do => there.insert(step.clone()),
                    Direction::Undo => there.remove(step),
                };
            }
        }
    }
    there
}

fn has_undo(step: &Step) -> bool {
    matches!(step.undo, Undo::By { .. })
}

fn after(scene: &Scene) -> After {
    let progress = scene.progress();
    let there = there(&scene.state, &scene.run);
    // What a person did, and what nothing takes back, only the journal knows.
    let counts = |step: &Step| {
        if step.action.changes() && has_undo(step) {
            there.contains(&step.id)
        } else {
            (step.action.changes() || matches!(step.action, Action::AskOperator { .. }))
                && progress.is_done(&step.id)
        }
    };
    let ever = scene.state.nodes.values().any(|n| !n.effects.is_empty());
    After {
        anything_done: scene.plan.steps().any(|(_, step)| counts(step)),
        anything_ever: ever,
        all_done: scene
            .plan
            .steps()
            .all(|(_, step)| progress.is_done(&step.id)),
    }
}

/// The journal says of every step what the world says.
fn assert_true(scene: &Scene, left: &Left, about: &str) {
    let progress = scene.progress();
    let there = there(&scene.state, &scene.run);
    for (_, step) in scene.plan.steps() {
        if !step.action.changes() {
            continue;
        }
        match progress.standing(&step.id) {
            Standing::Done => assert!(
                there.contains(&step.id),
                "{about}: {} is not there",
                step.id
            ),
            Standing::Pending if has_undo(step) => {
                assert!(!there.contains(&step.id), "{about}: {} is there", step.id);
            }
            Standing::Pending | Standing::InDoubt(_) => {}
        }
    }
    assert_named(scene, &left.end.state, &progress, about);
    assert_owed(scene, &progress, about);
    for event in &left.events {
        if let Happening::StepFailed {
            step,
            direction,
            unchanged: true,
            ..
        } = &event.what
        {
            let is_there = there.contains(step);
            let step = scene.plan.step(step).unwrap().1;
            if step.action.changes() && *direction == Direction::Do {
                assert!(!is_there, "{about}: {} is not as before", step.id);
            }
        }
    }
    for text in left.end.because.iter().chain(&left.end.next) {
        assert!(!text.contains(".."), "{about}: {text}");
        assert!(!text.trim().is_empty(), "{about}: an empty reason");
    }
}

/// Each node's state names the last step that is done there, and every doubt.
fn assert_named(scene: &Scene, state: &str, progress: &Progress, about: &str) {
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for (node, step) in scene.plan.steps() {
        last.entry(node.as_str()).or_insert(&scene.plan.starts_as);
        if progress.is_done(&step.id) {
            last.insert(node.as_str(), &step.leaves);
        }
    }
    for (node, leaves) in last {
        let words = format!("{node}: {leaves}");
        assert!(state.contains(&words), "{about}: `{words}` in `{state}`");
    }
    for doubt in progress.in_doubt() {
        let doubted = scene.plan.steps().find(|(_, step)| step.id == doubt);
        let goes_on = doubted.is_some_and(|(_, step)| step.action.goes_on());
        // What is done piece by piece has no instant before which nothing of it was done.
        let words = if goes_on {
            format!("some of what {doubt} does may be there")
        } else {
            format!("whether {doubt} was")
        };
        assert!(state.contains(&words), "{about}: `{words}` in `{state}`");
    }
}

/// What is owed is what is open: begun for a time, and not ended.
fn assert_owed(scene: &Scene, progress: &Progress, about: &str) {
    let steps: Vec<&Step> = scene.plan.steps().map(|(_, step)| step).collect();
    let is_open = |step: &&&Step| {
        step.temporary.is_some()
            && progress.standing(&step.id) != Standing::Pending
            && !steps
                .iter()
                .any(|end| end.ends.as_ref() == Some(&step.id) && progress.is_done(&end.id))
    };
    let open: BTreeSet<_> = steps.iter().filter(is_open).map(|s| s.id.clone()).collect();
    let owed: Vec<_> = progress.owed().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(owed.len(), open.len(), "{about}: {owed:?}");
    assert_eq!(owed.into_iter().collect::<BTreeSet<_>>(), open, "{about}");
}

/// Resumes until it is done; a stamp that nothing explains is answered for.
fn resume_to_the_end(scene: &mut Scene, about: &str) {
    let mut left = scene.go(None);
    if left.end.exit == Exit::Unsafe {
        let doubts = scene.progress().in_doubt();
        let stamped = |id: &StepId| scene.plan.step(id).unwrap().1.proof == Proof::Stamp;
        assert!(
            !doubts.is_empty() && doubts.iter().all(stamped),
            "{about}: {doubts:?}"
        );
        assert!(
            left.end.next.iter().any(|way| way.contains("--answer")),
            "{about}: {:?}",
            left.end
        );
        let answers = doubts.into_iter().map(|id| (id, "seen".to_owned()));
        left = scene.act(&How {
            answers: answers.collect(),
            ..How::default()
        });
    }
    assert_eq!(left.end.exit, Exit::Done, "{about}: {:?}", left.end);
    assert!(left.end.over, "{about}");
}

/// What an unbroken run and an undo leave.
struct Ends {
    done: Vec<(String, Vec<String>)>,
    untouched: Vec<(String, Vec<String>)>,
}

impl Ends {
    fn of(plan: &Plan) -> Self {
        let mut whole = Scene::new(plan);
        let left = whole.go(None);
        assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
        let mut back = whole.back();
        assert_eq!(back.go(None).end.exit, Exit::Done);
        Self {
            done: readings(&whole.state),
            untouched: readings(&back.state),
        }
    }
}

/// Takes back whatever is done, after an answer where only a person can tell.
fn undo_to_the_start(scene: &Scene, ends: &Ends, about: &str) {
    if scene.effects().is_err() {
        // Only a stamp that power loss left; resuming with an answer comes first.
        return;
    }
    let mut back = scene.back();
    if !back.plan.is_empty() {
        let left = back.go(None);
        assert_eq!(left.end.exit, Exit::Done, "{about}, undone: {:?}", left.end);
        assert_once(&back.state);
    }
    assert_eq!(readings(&back.state), ends.untouched, "{about}, undone");
}

/// A lane that was returned keeps its backup, and stages its tree, again when it is gone through again.
fn assert_once(state: &SimState) {
    assert_no_effect_twice_but(state, &["back-up", "stage-tree"]);
}

fn free(state: &SimState) -> bool {
    state
        .nodes
        .values()
        .all(|node| node.holder.is_none() && node.history.is_empty())
}

#[test]
fn every_fault_at_every_step_ends_as_it_must() {
    let seeds: Vec<u64> = if full() {
        (0..20).collect()
    } else {
        vec![1, 4]
    };
    let stride = if full() { 1 } else { 7 };
    let (mut count, mut at) = (0_u64, 0_u64);
    for seed in &seeds {
        let plan = every_kind::plan(*seed);
        let ends = Ends::of(&plan);
        for (node, step) in plan.steps() {
            for kind in StrikeKind::ALL {
                at += 1;
                let asks = matches!(step.action, Action::AskOperator { .. });
                if asks || (kind == StrikeKind::Stale && step.guards.is_empty()) || at % stride != 0
                {
                    continue;
                }
                count += 1;
                one_fault(
                    &plan,
                    &ends,
                    node.as_str(),
                    step,
                    kind,
                    &format!("seed {seed}"),
                );
            }
        }
    }
    println!("fault matrix: {count} faults, seeds {seeds:?}");
    assert!(count > 50, "the matrix was too small: {count}");
}

fn one_fault(plan: &Plan, ends: &Ends, node: &str, step: &Step, kind: StrikeKind, about: &str) {
    let strike = Strike {
        kind,
        node: node.to_owned(),
        step: step.id.to_string(),
    };
    let about = format!("{about}, {strike}");
    let mut scene = Scene::new(plan);
    let left = scene.act(&How {
        strikes: &[strike],
        ..How::default()
    });
    let end = &left.end;
    let wanted = wanted_exit(blow(kind, step), &after(&scene));
    assert!(wanted.contains(&end.exit), "{about}: {wanted:?}: {end:?}");
    assert_eq!(left.died, blow(kind, step) == Blow::Dead, "{about}");
    assert_once(&scene.state);
    if !left.died {
        assert_true(&scene, &left, &about);
        assert_eq!(
            end.because.is_none(),
            end.exit == Exit::Done,
            "{about}: {end:?}"
        );
    }
    if matches!(end.exit, Exit::Stale | Exit::Unreachable | Exit::Undone) && end.over {
        assert!(free(&scene.state), "{about}: something is left held");
    }
    scene.mend(&step.id);
    undo_to_the_start(&scene, ends, &about);
    if !end.over {
        let mut on = scene.clone();
        // A run that is over and could only not let go has nothing to go on with.
        if on.progress().ended.is_some() {
            assert_eq!(on.go(None).end.exit, Exit::Done, "{about}");
            assert!(free(&on.state), "{about}: still held");
            return;
        }
        resume_to_the_end(&mut on, &about);
        assert_eq!(readings(&on.state), ends.done, "{about}, resumed");
        assert_once(&on.state);
    }
}

#[test]
fn whether_a_call_that_took_too_long_was_heard_is_not_known() {
    let plan = every_kind::plan(3);
    let ends = Ends::of(&plan);
    let calls = |step: &Step| matches!(step.action, Action::Rest { .. });
    let (node, step) = plan.steps().find(|(_, step)| calls(step)).unwrap();
    let strike = Strike {
        kind: StrikeKind::Timeout,
        node: node.to_string(),
        step: step.id.to_string(),
    };
    let mut scene = Scene::new(&plan);
    let left = scene.act(&How {
        strikes: &[strike],
        ..How::default()
    });
    let because = left.end.because.unwrap_or_default();
    assert!(
        because.starts_with(&format!("whether {} happened on {node}", step.id)),
        "{because}"
    );
    assert!(!because.contains("is as it was before"), "{because}");
    one_fault(
        &plan,
        &ends,
        node.as_str(),
        step,
        StrikeKind::Timeout,
        "seed 3",
    );
}

#[test]
fn failures_that_a_stage_tolerates_leave_their_node_out_and_the_rest_done() {
    let mut count = 0;
    for seed in if full() { 0..20 } else { 5..8 } {
        for on_failure in [OnFailure::Stop, OnFailure::ReturnLane] {
            let plan = tolerant(seed, 1, on_failure);
            let ends = Ends::of(&plan);
            for slug in ["make-id", "stop", "edit", "go", "start", "up", "rest"] {
                count += 1;
                let about = format!("seed {seed}, {on_failure:?}, {slug}");
                let mut scene = Scene::new(&plan);
                let kind = if slug == "up" {
                    StrikeKind::Unreachable
                } else {
                    StrikeKind::Failed
                };
                let strike = Strike {
                    kind,
                    node: "n2".to_owned(),
                    step: slug.to_owned(),
                };
                let left = scene.act(&How {
                    strikes: &[strike],
                    ..How::default()
                });
                let returned = on_failure == OnFailure::ReturnLane && slug != "up";
                let wanted = if returned {
                    Exit::Differs
                } else {
                    Exit::Stopped
                };
                assert_eq!(left.end.exit, wanted, "{about}: {:?}", left.end);
                assert_eq!(left.end.over, returned, "{about}");
                let progress = scene.progress();
                if slug != "up" {
                    assert_true(&scene, &left, &about);
                    for (node, step) in plan.steps() {
                        assert_eq!(
                            progress.is_done(&step.id),
                            node.as_str() != "n2" || before(&plan, step, slug, returned),
                            "{about}: {}",
                            step.id
                        );
                    }
                }
                undo_to_the_start(&scene, &ends, &about);
                if returned {
                    let ending = progress.ended.as_ref().map(|(ending, _)| ending);
                    assert_eq!(ending, Some(&Ending::DoneWithFailures), "{about}");
                    assert!(scene.state.nodes.values().all(|n| n.holder.is_none()));
                } else {
                    resume_to_the_end(&mut scene, &about);
                    assert_eq!(readings(&scene.state), ends.done, "{about}");
                }
            }
        }
    }
    println!("fault matrix: {count} tolerated failures");
}

/// Whether the node's step stays done when it fails at the step with this slug.
fn before(plan: &Plan, step: &Step, slug: &str, returned: bool) -> bool {
    let place = |wanted: &dyn Fn(&Step) -> bool| {
        plan.stages.iter().enumerate().find_map(|(stage, s)| {
            let lane = s.lanes.iter().find(|lane| lane.node.as_str() == "n2")?;
            let at = lane.steps.iter().position(wanted)?;
            Some((stage, at))
        })
    };
    let struck = place(&|step| step.id.slug() == slug).unwrap();
    let this = place(&|other| other.id == step.id).unwrap();
    if returned {
        this.0 < struck.0
    } else {
        this < struck
    }
}

#[test]
fn more_failures_than_a_stage_tolerates_stop_the_run() {
    for on_failure in [OnFailure::Stop, OnFailure::ReturnLane] {
        let plan = tolerant(0, 1, on_failure);
        let ends = Ends::of(&plan);
        let strikes = ["n1", "n2"].map(|node| Strike {
            kind: StrikeKind::Failed,
            node: node.to_owned(),
            step: "edit".to_owned(),
        });
        let mut scene = Scene::new(&plan);
        let left = scene.act(&How {
            strikes: &strikes,
            ..How::default()
        });
        assert_eq!(left.end.exit, Exit::Stopped, "{:?}", left.end);
        assert_true(&scene, &left, "two failures");
        let third = StepId::new("every", &"n3".parse().unwrap(), "drain");
        assert!(!scene.progress().is_done(&third), "n3 must not begin");
        undo_to_the_start(&scene, &ends, "two failures");
        resume_to_the_end(&mut scene, "two failures");
        assert_eq!(readings(&scene.state), ends.done);
    }
}

fn hooks() -> Hooks {
    let hook = Hook {
        command: Argv::new(["notify"]),
        deadline: Millis::secs(5),
    };
    Hooks {
        before_step: Some(hook.clone()),
        after_step: Some(hook.clone()),
        on_failure: Some(hook.clone()),
        on_end: Some(hook),
    }
}

fn id(node: &str, slug: &str) -> StepId {
    StepId::new("every", &node.parse().unwrap(), slug)
}

#[test]
fn a_person_who_is_away_or_says_no_stops_the_run_and_an_answer_goes_on() {
    let plan = every_kind::plan(2);
    let ends = Ends::of(&plan);
    for says in [Says::Nothing, Says::No] {
        let mut scene = Scene::new(&plan);
        let person = || Person {
            says,
            ..Person::default()
        };
        let mut answers: BTreeMap<StepId, String> = BTreeMap::new();
        for invocation in 0.. {
            assert!(invocation < 10, "the answers lead nowhere");
            let left = scene.act(&How {
                person: person(),
                answers: std::mem::take(&mut answers),
                ..How::default()
            });
            if left.end.exit == Exit::Done {
                break;
            }
            assert_eq!(left.end.exit, Exit::Stopped, "{:?}", left.end);
            assert_true(&scene, &left, "nobody there");
            undo_to_the_start(&scene, &ends, "nobody there");
            let asked: Vec<_> = ["n1", "n2", "n3"]
                .map(|node| id(node, "operator"))
                .into_iter()
                .filter(|step| {
                    let flag = format!("--answer {step} ");
                    left.end.next.iter().any(|way| way.contains(&flag))
                })
                .collect();
            assert!(!asked.is_empty(), "{:?}", left.end.next);
            answers.extend(asked.into_iter().map(|step| (step, "TICKET-1".to_owned())));
        }
        assert_eq!(readings(&scene.state), ends.done);
        for node in ["n1", "n2", "n3"] {
            let progress = scene.progress();
            assert_eq!(progress.answers[&id(node, "operator")], "TICKET-1");
        }
    }
    let mut scene = Scene::new(&plan);
    let left = scene.act(&How {
        no_operator: true,
        ..How::default()
    });
    assert_eq!(left.end.exit, Exit::Forbidden, "{:?}", left.end);
    assert!(!left.end.began && scene.journal.is_empty() && free(&scene.state));
}

#[test]
fn an_answer_that_nobody_needs_is_not_kept_for_later() {
    let plan = every_kind::plan(0);
    let mut scene = Scene::new(&plan);
    let nobody = Person {
        says: Says::Nothing,
        ..Person::default()
    };
    scene.act(&How {
        person: nobody.clone(),
        ..How::default()
    });
    // The restart has not been tried yet: a word about it now says nothing of what comes of it later.
    let early = id("n1", "start");
    let strike = Strike {
        kind: StrikeKind::Unreachable,
        node: "n1".to_owned(),
        step: "start".to_owned(),
    };
    let answers = [early.clone(), id("n1", "operator")].map(|step| (step, "yes".to_owned()));
    let left = scene.act(&How {
        person: nobody,
        answers: BTreeMap::from(answers),
        strikes: &[strike],
        ..How::default()
    });
    assert_eq!(left.end.exit, Exit::Stopped, "{:?}", left.end);
    let told = |event: &Happening| matches!(event, Happening::Warning { text } if text.contains(early.as_str()));
    assert!(left.events.iter().any(|event| told(&event.what)));
    assert_eq!(
        scene.progress().standing(&early),
        Standing::InDoubt(Direction::Do)
    );
    let done = scene.effects().unwrap();
    assert!(!done.contains_key(&early), "an old answer was believed");
}

#[test]
fn a_hook_that_says_no_stops_the_run_before_the_step() {
    let mut plan = every_kind::plan(0);
    plan.hooks = hooks();
    let ends = Ends::of(&plan);
    for (slug, wanted) in [("check", Exit::Undone), ("go", Exit::Stopped)] {
        let mut scene = Scene::new(&plan);
        let person = Person {
            vetoes: Some(id("n1", slug)),
            ..Person::default()
        };
        let left = scene.act(&How {
            person: person.clone(),
            ..How::default()
        });
        assert_eq!(left.end.exit, wanted, "{:?}", left.end);
        assert_true(&scene, &left, slug);
        assert_eq!(
            scene.progress().standing(&id("n1", slug)),
            Standing::Pending
        );
        undo_to_the_start(&scene, &ends, slug);
        if left.end.over {
            assert!(free(&scene.state));
        } else {
            resume_to_the_end(&mut scene, slug);
            assert_eq!(readings(&scene.state), ends.done);
        }
    }
}

#[test]
fn asked_twice_the_step_is_broken_off_and_temporary_changes_are_given_back() {
    let seeds = if full() { 0..12 } else { 2..4 };
    let mut count = 0;
    for seed in seeds {
        let plan = every_kind::plan(seed);
        let ends = Ends::of(&plan);
        let struck: Vec<_> = plan
            .steps()
            .filter(|(node, step)| node.as_str() == "n2" && step.action.changes())
            .map(|(_, step)| step.clone())
            .collect();
        for step in &struck {
            for effect in [false, true] {
                count += 1;
                let about = format!("seed {seed}, {}, with effect: {effect}", step.id);
                let interrupt = Arc::new(Interrupt::default());
                let asked = Arc::clone(&interrupt);
                let meddle = move |world: &SimWorld, call: &Call<'_>, action: &Action| {
                    if *call.step != step.id || call.direction == Direction::Undo {
                        return None;
                    }
                    asked.ask();
                    asked.ask();
                    assert!(call.cancel.is_cancelled(), "the step in flight is told");
                    if effect {
                        world.perform(call, action).unwrap();
                    }
                    Some(Err(Fault::new(FaultKind::Cancelled, "it was broken off")))
                };
                let mut scene = Scene::new(&plan);
                let left = scene.act(&How {
                    perform: Some(&meddle),
                    interrupt: Arc::clone(&interrupt),
                    ..How::default()
                });
                let all_done = after(&scene).all_done;
                let wanted = if all_done {
                    Exit::Done
                } else {
                    Exit::Interrupted
                };
                assert_eq!(left.end.exit, wanted, "{about}: {:?}", left.end);
                assert_true(&scene, &left, &about);
                assert_once(&scene.state);
                assert_eq!(scene.progress().owed(), [], "{about}: not given back");
                undo_to_the_start(&scene, &ends, &about);
                if !left.end.over {
                    resume_to_the_end(&mut scene, &about);
                    assert_eq!(readings(&scene.state), ends.done, "{about}");
                }
            }
        }
    }
    println!("fault matrix: {count} times asked twice");
}

#[test]
fn what_was_changed_for_a_time_can_be_given_back_wherever_the_runner_died() {
    let plan = every_kind::plan(if full() { 8 } else { 1 });
    let ends = Ends::of(&plan);
    let mut scene = Scene::new(&plan);
    let instants = scene.go(None).instants;
    let mut owing = 0;
    for instant in (1..=instants).step_by(if full() { 1 } else { 5 }) {
        let about = format!("died at {instant}");
        let mut scene = Scene::new(&plan);
        scene.go(Some(instant));
        if scene.decoded().records.is_empty() || scene.progress().ended.is_some() {
            continue;
        }
        owing += usize::from(!scene.progress().owed().is_empty());
        let left = scene.act(&How {
            what: What::GiveBack,
            ..How::default()
        });
        assert_eq!(left.end.exit, Exit::Done, "{about}: {:?}", left.end);
        assert!(!left.end.over, "{about}");
        assert_eq!(scene.progress().owed(), [], "{about}");
        assert_true(&scene, &left, &about);
        assert_once(&scene.state);
        undo_to_the_start(&scene, &ends, &about);
        resume_to_the_end(&mut scene, &about);
        assert_eq!(readings(&scene.state), ends.done, "{about}");
    }
    assert!(owing > 10, "nothing was owed: {owing}");
}

#[test]
fn whoever_has_lost_a_node_does_nothing_more_there() {
    for seed in [0, 5] {
        let plan = every_kind::plan(seed);
        let ends = Ends::of(&plan);
        let lost: NodeName = "n2".parse().unwrap();
        for slug in ["back-up", "stop", "edit", "go"] {
            let about = format!("seed {seed}, {slug}");
            let at = id("n2", slug);
            let gone = Arc::new(AtomicBool::new(false));
            let order = Ordering::SeqCst;
            let fenced = || Fault::new(FaultKind::Fenced, "run other of somebody holds it");
            let (flag, other, name) = (Arc::clone(&gone), Arc::clone(&gone), lost.clone());
            let perform = move |_: &SimWorld, call: &Call<'_>, _: &Action| {
                flag.fetch_or(*call.step == at, order);
                (flag.load(order) && *call.node == name).then(|| Err(fenced()))
            };
            let name = lost.clone();
            let keep =
                move |node: &NodeName, _: &[u8]| (other.load(order) && *node == name).then(fenced);
            let mut scene = Scene::new(&plan);
            let left = scene.act(&How {
                perform: Some(&perform),
                keep: Some(&keep),
                ..How::default()
            });
            assert_eq!(left.end.exit, Exit::Stopped, "{about}: {:?}", left.end);
            assert!(!left.end.over, "{about}");
            let because = left.end.because.clone().unwrap();
            assert!(because.starts_with("n2: run other"), "{about}: {because}");
            assert!(gone.load(order));
            assert_true(&scene, &left, &about);
            resume_to_the_end(&mut scene, &about);
            assert_eq!(readings(&scene.state), ends.done, "{about}");
            assert_once(&scene.state);
        }
    }
}

#[test]
fn what_a_copy_could_not_take_comes_with_the_next() {
    let plan = every_kind::plan(0);
    let mut scene = Scene::new(&plan);
    let left_out = Mutex::new(BTreeSet::new());
    // What is late is not kept the first time, on each node.
    let keep = |node: &NodeName, lines: &[u8]| {
        let text = String::from_utf8_lossy(lines);
        let late = text.contains("\"outcome\"") && !text.contains("\"intent\"");
        let first = late && left_out.lock().unwrap().insert(node.clone());
        first.then(|| Fault::new(FaultKind::Unreachable, "it is away"))
    };
    let left = scene.act(&How {
        keep: Some(&keep),
        ..How::default()
    });
    assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
    assert_eq!(left_out.lock().unwrap().len(), plan.changed().len());
    let copies = decode(&scene.copies()).unwrap().records;
    assert_eq!(copies, scene.decoded().records);
}

#[test]
fn a_node_whose_disk_is_full_keeps_what_is_done_done() {
    let full_disk = || Fault::new(FaultKind::DiskFull, "no space left on the device");
    for on_failure in [OnFailure::Stop, OnFailure::ReturnLane] {
        let plan = tolerant(0, 0, on_failure);
        let ends = Ends::of(&plan);
        for slug in ["stop", "go", "start"] {
            let about = format!("{on_failure:?}, {slug}");
            let marker = format!("\"{}\"", id("n1", slug));
            let is_full = Arc::new(AtomicBool::new(false));
            let order = Ordering::SeqCst;
            let keep = move |node: &NodeName, line: &[u8]| {
                let line = String::from_utf8_lossy(line);
                let hit = line.contains(&marker) && !line.contains("\"planned\"");
                is_full.fetch_or(hit, order);
                (is_full.load(order) && node.as_str() == "n1").then(full_disk)
            };
            let mut scene = Scene::new(&plan);
            let left = scene.act(&How {
                keep: Some(&keep),
                ..How::default()
            });
            let wanted = if on_failure == OnFailure::Stop {
                Exit::Stopped
            } else {
                Exit::Unsafe
            };
            assert_eq!(left.end.exit, wanted, "{about}: {:?}", left.end);
            assert_true(&scene, &left, &about);
            assert_eq!(
                scene.progress().standing(&id("n1", slug)),
                Standing::Pending
            );
            undo_to_the_start(&scene, &ends, &about);
            resume_to_the_end(&mut scene, &about);
            assert_eq!(readings(&scene.state), ends.done, "{about}");
        }
    }
}

#[test]
fn a_run_that_is_over_is_not_begun_again() {
    let plan = every_kind::plan(0);
    let mut scene = Scene::new(&plan);
    scene.go(None);
    let (state, journal) = (scene.state.clone(), scene.journal.clone());
    let left = scene.go(None);
    assert_eq!((left.end.exit, left.end.over), (Exit::Done, true));
    assert_eq!((scene.state, scene.journal), (state, journal));
    let mut scene = Scene::new(&plan);
    scene.go(Some(200));
    let left = scene.act(&How {
        what: What::Abandon,
        ..How::default()
    });
    assert_eq!((left.end.exit, left.end.over), (Exit::Done, true));
    assert!(scene.state.nodes.values().all(|n| n.holder.is_none()));
    let done = readings(&scene.state);
    assert_eq!(scene.go(None).end.exit, Exit::Done);
    assert_eq!(readings(&scene.state), done, "an abandoned run went on");
}

#[test]
fn the_journal_of_another_plan_is_refused() {
    let mut scene = Scene::new(&every_kind::plan(0));
    scene.go(Some(120));
    let mut other = Scene::new(&every_kind::plan(1));
    other.journal = scene.journal;
    let before = other.state.clone();
    let left = other.go(None);
    assert_eq!(left.end.exit, Exit::Forbidden, "{:?}", left.end);
    assert_eq!(other.state, before);
}

fn strike(kind: StrikeKind, node: &str, step: &str) -> Strike {
    Strike {
        kind,
        node: node.to_owned(),
        step: step.to_owned(),
    }
}

#[test]
fn a_node_on_which_something_is_unclear_is_left_alone_by_giving_back() {
    let plan = tolerant(0, 0, OnFailure::Stop);
    let ends = Ends::of(&plan);
    let mut scene = Scene::new(&plan);
    scene.act(&How {
        strikes: &[strike(StrikeKind::PowerLoss, "n1", "go")],
        ..How::default()
    });
    let before = there(&scene.state, &scene.run);
    let left = scene.act(&How {
        what: What::GiveBack,
        ..How::default()
    });
    assert_eq!(left.end.exit, Exit::Unsafe, "{:?}", left.end);
    assert_true(&scene, &left, "power loss");
    assert_eq!(there(&scene.state, &scene.run), before);
    assert_eq!(
        scene.progress().owed().len(),
        2,
        "drained and stopped still"
    );
    resume_to_the_end(&mut scene, "power loss");
    assert_eq!(readings(&scene.state), ends.done);
}

#[test]
fn what_was_done_and_taken_back_is_not_called_untouched() {
    let plan = tolerant(0, 0, OnFailure::ReturnLane);
    for kind in [StrikeKind::Stale, StrikeKind::Failed] {
        let mut scene = Scene::new(&plan);
        let left = scene.act(&How {
            strikes: &[strike(kind, "n1", "make-id")],
            ..How::default()
        });
        assert_eq!(left.end.exit, Exit::Undone, "{kind}: {:?}", left.end);
        assert!(left.end.over && left.end.began, "its journal is kept");
        assert!(free(&scene.state));
    }
}
