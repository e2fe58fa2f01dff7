//! The runner dies at every instant; whoever goes on has only the journal and the world.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clusterctl::engine::{Direction, End, Interrupt, decode};
use clusterctl::exit::Exit;
use clusterctl::plan::{Plan, Reading, RunId, reverse};
use clusterctl::rehearse::{Instants, MemoryLog, SimState, SimWorld, collected};

use crate::every_kind;
use crate::scale::full;

fn run_id(text: &str) -> RunId {
    text.parse().unwrap()
}

/// A world, a journal, and the runner that may die in it.
struct Scene {
    plan: Plan,
    run: RunId,
    state: SimState,
    journal: Vec<u8>,
}

/// What an invocation left.
struct Left {
    end: End,
    died: bool,
    instants: u64,
}

impl Scene {
    fn new(plan: &Plan) -> Self {
        let state = SimState::fitting(plan);
        Self {
            plan: plan.clone(),
            run: run_id("run-1"),
            state,
            journal: Vec::new(),
        }
    }

    /// Begins or resumes, with the runner dying at this instant.
    fn go(&mut self, die_at: Option<u64>) -> Left {
        self.go_as(die_at, None)
    }

    fn go_as(&mut self, die_at: Option<u64>, undoes: Option<&RunId>) -> Left {
        let instants = Arc::new(die_at.map_or_else(Instants::default, Instants::die_at));
        let world = SimWorld::new(&self.plan, self.state.clone(), Arc::clone(&instants));
        let decoded = decode(&self.journal).expect("the journal is only ever torn at its end");
        let whole = self.journal[..decoded.whole].to_vec();
        let log = MemoryLog::new(whole, Arc::clone(&instants));
        let interrupt = Interrupt::default();
        let (end, _) = collected(&self.plan, &self.run, &world, &interrupt, |engine| {
            if decoded.records.is_empty() {
                engine.start(Box::new(log.clone()), undoes)
            } else {
                engine.resume(Box::new(log.clone()), &decoded.records, &BTreeMap::new())
            }
        });
        self.state = world.save();
        self.journal = log.bytes();
        Left {
            end,
            died: instants.alive().is_err(),
            instants: instants.count(),
        }
    }

    /// The scene of the run that takes this one back, as far as it went.
    fn back(&self) -> Self {
        let world = SimWorld::new(&self.plan, self.state.clone(), Arc::default());
        let records = decode(&self.journal).unwrap().records;
        let interrupt = Interrupt::default();
        let (effects, _) = collected(&self.plan, &self.run, &world, &interrupt, |engine| {
            engine.effects(&records)
        });
        let done = effects.expect("every doubt of this plan can be cleared by looking");
        let now = jiff::Timestamp::UNIX_EPOCH;
        let plan = reverse(&self.plan, &self.run, &done, &[], now).unwrap();
        Self {
            plan,
            run: run_id("run-2"),
            state: self.state.clone(),
            journal: Vec::new(),
        }
    }

    /// Takes back with a fresh runner, which dies at this instant and is resumed.
    fn take_back(&self, die_at: Option<u64>) -> SimState {
        let mut back = self.back();
        if back.plan.is_empty() {
            return back.state;
        }
        let undoes = self.run.clone();
        let left = back.go_as(die_at, Some(&undoes));
        if left.died {
            let left = back.go_as(None, Some(&undoes));
            assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
        } else {
            assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
        }
        back.state
    }
}

/// No effect happened twice in one direction without being taken back between.
fn assert_no_effect_twice(state: &SimState) {
    for (name, node) in &state.nodes {
        let mut there = BTreeSet::new();
        for (run, step, direction) in &node.effects {
            let fresh = match direction {
                Direction::Do => there.insert((run, step)),
                Direction::Undo => there.remove(&(run, step)),
            };
            assert!(fresh, "{name}: {step} {direction:?} twice in {run}");
        }
    }
}

/// What the nodes are like; backups stay until they are cleaned up.
fn readings(state: &SimState) -> Vec<(String, Vec<String>)> {
    state
        .essence()
        .into_iter()
        .map(|(node, readings)| {
            let lines = readings
                .into_iter()
                .filter(|(probe, found)| {
                    *found != Reading::Absent && !probe.contains(r#""look":"backup""#)
                })
                .map(|(probe, found)| format!("{probe} -> {found}"));
            (node.to_string(), lines.collect())
        })
        .collect()
}

#[test]
fn a_runner_that_dies_at_any_instant_loses_nothing() {
    let seeds: Vec<u64> = if full() {
        (0..30).collect()
    } else {
        vec![0, 7]
    };
    let mut count = 0_u64;
    for seed in &seeds {
        let plan = every_kind::plan(*seed);
        assert_eq!(plan.problems(), []);
        let mut whole = Scene::new(&plan);
        let left = whole.go(None);
        assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
        let wanted = readings(&whole.state);
        let wanted_back = readings(&whole.take_back(None));
        assert_eq!(
            wanted_back,
            readings(&Scene::new(&plan).take_back(None)),
            "undo undoes all"
        );
        let stride = if full() { 1 } else { 3 };
        for instant in (1..=left.instants).step_by(stride) {
            let mut scene = Scene::new(&plan);
            let left = scene.go(Some(instant));
            if !left.died {
                // Lanes side by side need not pass the same instants each time.
                continue;
            }
            count += 1;
            if instant % 2 == 0 {
                let left = scene.go(None);
                assert_eq!(
                    left.end.exit,
                    Exit::Done,
                    "seed {seed} at {instant}: {:?}",
                    left.end
                );
                assert_eq!(readings(&scene.state), wanted, "seed {seed} at {instant}");
                assert_no_effect_twice(&scene.state);
            } else {
                let again = (instant % 4 == 1).then_some(instant / 2 + 1);
                let state = scene.take_back(again);
                assert_eq!(
                    readings(&state),
                    wanted_back,
                    "seed {seed} at {instant}, undone"
                );
                assert_no_effect_twice(&state);
            }
        }
    }
    println!("crash matrix: {count} deaths, seeds {seeds:?}");
    assert!(count > 100, "the matrix was too small: {count}");
}

#[test]
fn a_runner_that_dies_again_and_again_still_arrives() {
    let plan = every_kind::plan(3);
    let mut whole = Scene::new(&plan);
    whole.go(None);
    let wanted = readings(&whole.state);
    let strides: Vec<u64> = if full() {
        (5..60).collect()
    } else {
        vec![7, 23]
    };
    for stride in strides {
        let mut scene = Scene::new(&plan);
        let mut lives = 0;
        loop {
            let left = scene.go(Some(stride + 45));
            lives += 1;
            if !left.died {
                assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
                break;
            }
            assert!(lives < 1000, "it never arrives");
        }
        assert_eq!(readings(&scene.state), wanted, "stride {stride}");
        assert_no_effect_twice(&scene.state);
    }
}

#[test]
fn a_journal_cut_anywhere_in_its_last_record_goes_on() {
    let plan = every_kind::plan(0);
    let mut whole = Scene::new(&plan);
    whole.go(None);
    let wanted = readings(&whole.state);
    let mut scene = Scene::new(&plan);
    scene.go(Some(90));
    let lines: Vec<_> = scene
        .journal
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::len)
        .collect();
    let last = *lines.last().unwrap();
    let length = scene.journal.len();
    for cut in (0..=last).step_by(if full() { 1 } else { 17 }) {
        let mut torn = Scene {
            plan: plan.clone(),
            run: scene.run.clone(),
            state: scene.state.clone(),
            journal: scene.journal[..length - cut].to_vec(),
        };
        let left = torn.go(None);
        assert_eq!(left.end.exit, Exit::Done, "cut {cut}: {:?}", left.end);
        assert_eq!(readings(&torn.state), wanted, "cut {cut}");
        assert_no_effect_twice(&torn.state);
    }
}

#[test]
fn a_full_disk_under_the_journal_stops_the_run_and_loses_nothing() {
    let plan = every_kind::plan(0);
    let mut whole = Scene::new(&plan);
    whole.go(None);
    let wanted = readings(&whole.state);
    let length = whole.journal.len();
    for room in (300..length).step_by(if full() { 61 } else { 1501 }) {
        let mut scene = Scene::new(&plan);
        let world = SimWorld::new(&plan, scene.state.clone(), Arc::default());
        let log = MemoryLog::default().with_room(room);
        let interrupt = Interrupt::default();
        let (end, _) = collected(&plan, &scene.run, &world, &interrupt, |engine| {
            engine.start(Box::new(log.clone()), None)
        });
        let expected = [Exit::Stopped, Exit::Forbidden];
        assert!(expected.contains(&end.exit), "room {room}: {end:?}");
        assert!(
            end.because
                .as_deref()
                .is_some_and(|text| text.contains("journal")),
            "{end:?}"
        );
        scene.state = world.save();
        scene.journal = log.bytes();
        let left = scene.go(None);
        assert_eq!(left.end.exit, Exit::Done, "room {room}: {:?}", left.end);
        assert_eq!(readings(&scene.state), wanted, "room {room}");
        assert_no_effect_twice(&scene.state);
    }
}
