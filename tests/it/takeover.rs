//! Two runners and one set of nodes: exactly one goes on, and the other says who.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};

use clusterctl::engine::{Call, End, Fault, World};
use clusterctl::exit::Exit;
use clusterctl::plan::Action;
use clusterctl::rehearse::{MemoryLog, SimWorld};

use crate::every_kind;
use crate::scene::{How, Scene, assert_no_effect_twice, readings};

fn start(scene: &Scene, world: &dyn World) -> End {
    scene
        .with_engine(world, &How::default(), |engine| {
            engine.start(Box::new(MemoryLog::default()), scene.undoes.as_ref())
        })
        .0
}

fn another(scene: &Scene) -> Scene {
    Scene {
        run: "run-9".parse().unwrap(),
        journal: Vec::new(),
        ..scene.clone()
    }
}

/// Begins the run; at its first effect, `meanwhile` happens in the same world.
fn with_another(scene: &mut Scene, meanwhile: &(dyn Fn(&SimWorld) -> End + Sync)) -> (End, End) {
    let seen = Mutex::new(None);
    let perform = |world: &SimWorld, _: &Call<'_>, _: &Action| -> Option<Result<(), Fault>> {
        let mut seen = seen.lock().unwrap();
        if seen.is_none() {
            *seen = Some(meanwhile(world));
        }
        None
    };
    let left = scene.act(&How {
        perform: Some(&perform),
        ..How::default()
    });
    (left.end, seen.into_inner().unwrap().unwrap())
}

#[test]
fn whoever_comes_second_is_told_who_was_first() {
    let plan = every_kind::plan(4);
    let mut first = Scene::new(&plan);
    let second = another(&first);
    let (end, refused) = with_another(&mut first, &|world| start(&second, world));
    assert_eq!(end.exit, Exit::Done, "{end:?}");
    assert_eq!(refused.exit, Exit::Held, "{refused:?}");
    assert!(!refused.began);
    let because = refused.because.unwrap();
    for word in ["n1 is held by run run-1", "tester@here", "process 1"] {
        assert!(because.contains(word), "{because}");
    }
    assert!(refused.next.iter().any(|way| way.contains("resume run-1")));
    for node in first.state.nodes.values() {
        assert_eq!(node.history, [first.run.clone()]);
        assert!(node.effects.iter().all(|(run, ..)| *run == first.run));
    }
}

#[test]
fn one_run_does_not_go_on_in_two_places() {
    let plan = every_kind::plan(4);
    let mut first = Scene::new(&plan);
    first.go(Some(120));
    let second = first.clone();
    let records = second.decoded().records;
    let (end, refused) = with_another(&mut first, &|world| {
        let resume = |engine: &clusterctl::engine::Engine<'_>| {
            let log = MemoryLog::new(second.journal.clone(), Arc::default());
            let end = engine.resume(Box::new(log.clone()), &records, &BTreeMap::new());
            assert_eq!(log.bytes(), second.journal, "who is refused writes nothing");
            end
        };
        second.with_engine(world, &How::default(), resume).0
    });
    assert_eq!(end.exit, Exit::Done, "{end:?}");
    assert_eq!(refused.exit, Exit::Held, "{refused:?}");
    assert!(!refused.over, "it is as unfinished as it was");
    let because = refused.because.unwrap();
    assert!(
        because.contains("run run-1 goes on already: tester@here"),
        "{because}"
    );
    assert_no_effect_twice(&first.state);
}

#[test]
fn an_unfinished_run_is_in_the_way_of_others_until_it_is_taken_back() {
    let plan = every_kind::plan(2);
    let mut first = Scene::new(&plan);
    let untouched = readings(&first.state);
    first.go(Some(150));
    let mut second = another(&first);
    let left = second.go(None);
    assert_eq!(left.end.exit, Exit::Held, "{:?}", left.end);
    let mut back = first.back();
    assert_eq!(back.go(None).end.exit, Exit::Done);
    assert_eq!(readings(&back.state), untouched);
    second.state = back.state;
    let left = second.go(None);
    assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
}

#[test]
fn an_undo_that_changed_nothing_leaves_the_run_in_the_way() {
    let plan = every_kind::plan(2);
    let mut first = Scene::new(&plan);
    first.go(Some(150));
    let mut back = first.back();
    let instants = back.clone().go(None).instants;
    for instant in 1..instants.min(40) {
        let mut back = back.clone();
        back.go(Some(instant));
        if back.progress().ever_changed_anything(&back.plan) {
            break;
        }
        let asked = Arc::new(clusterctl::engine::Interrupt::default());
        asked.ask();
        let left = back.act(&How {
            interrupt: asked,
            ..How::default()
        });
        assert_eq!(
            left.end.exit,
            Exit::Interrupted,
            "at {instant}: {:?}",
            left.end
        );
        for node in back.state.nodes.values() {
            let holder = node.holder.as_ref().map(|holder| &holder.run);
            assert!(
                holder.is_some(),
                "at {instant}: the unfinished run lost its node"
            );
        }
    }
    assert_eq!(back.go(None).end.exit, Exit::Done);
}

#[test]
fn of_two_that_begin_at_once_at_most_one_has_a_node() {
    let plan = every_kind::plan(0);
    let (mut both, mut refused) = (0, 0);
    for _ in 0..30 {
        let first = Scene::new(&plan);
        let second = another(&first);
        let world = SimWorld::new(&plan, first.state.clone(), Arc::default());
        let gate = Barrier::new(2);
        let ends = std::thread::scope(|scope| {
            let (world, gate) = (&world, &gate);
            [&first, &second]
                .map(|scene| {
                    scope.spawn(move || {
                        gate.wait();
                        start(scene, world)
                    })
                })
                .map(|runner| runner.join().unwrap())
        });
        let exits = ends.clone().map(|end| end.exit);
        let done = exits.iter().filter(|exit| **exit == Exit::Done).count();
        // Who comes when the other has ended finds a plan that no longer fits.
        let others = [Exit::Held, Exit::Stale];
        let rest = exits.iter().filter(|exit| others.contains(exit)).count();
        assert_eq!((done, rest), (1, 1), "{ends:?}");
        refused += usize::from(exits.contains(&Exit::Held));
        both += 1;
        let state = world.save();
        assert_no_effect_twice(&state);
        for node in state.nodes.values() {
            assert!(node.holder.is_none() && node.history.len() == 1, "{node:?}");
        }
    }
    println!("{both} races, {refused} of them at once");
}
