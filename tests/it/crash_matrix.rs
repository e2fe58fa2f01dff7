//! The runner dies at every instant; whoever goes on has only the journal and the world.

use clusterctl::exit::Exit;
use clusterctl::rehearse::SimState;

use crate::every_kind;
use crate::generate::Draw;
use crate::scale::full;
use crate::scene::{How, Scene, assert_no_effect_twice, readings};

/// Begins or goes on until the runner survives; it dies at each of these instants in turn.
fn until_done(scene: &mut Scene, deaths: &[u64], about: &str) -> u64 {
    let mut died = 0;
    for instant in deaths {
        let left = scene.go(Some(*instant));
        if !left.died {
            assert_eq!(left.end.exit, Exit::Done, "{about}: {:?}", left.end);
            return died;
        }
        died += 1;
    }
    let left = scene.go(None);
    assert_eq!(left.end.exit, Exit::Done, "{about}: {:?}", left.end);
    died
}

/// Takes back with a fresh runner, which dies at these instants; gives what is left, and how often it died.
fn take_back(scene: &Scene, deaths: &[u64], about: &str) -> (SimState, u64) {
    let mut back = scene.back();
    if back.plan.is_empty() {
        return (back.state, 0);
    }
    let died = until_done(&mut back, deaths, about);
    (back.state, died)
}

#[test]
fn a_runner_that_dies_at_any_instant_loses_nothing() {
    let seeds: Vec<u64> = if full() {
        (0..30).collect()
    } else {
        vec![0, 7]
    };
    let (mut first, mut second) = (0_u64, 0_u64);
    for seed in &seeds {
        let plan = every_kind::plan(*seed);
        assert_eq!(plan.problems(), []);
        let mut draw = Draw::new(*seed);
        let fresh = Scene::new(&plan);
        let mut whole = fresh.clone();
        let left = whole.go(None);
        assert_eq!(left.end.exit, Exit::Done, "{:?}", left.end);
        let wanted = readings(&whole.state);
        let wanted_back = readings(&take_back(&whole, &[], "whole").0);
        let untouched = readings(&take_back(&fresh, &[], "untouched").0);
        assert_eq!(wanted_back, untouched, "undo undoes all");
        let stride = if full() { 1 } else { 3 };
        for instant in (1..=left.instants).step_by(stride) {
            let about = format!("seed {seed} at {instant}");
            let mut scene = fresh.clone();
            if !scene.go(Some(instant)).died {
                // Lanes side by side need not pass the same instants each time.
                continue;
            }
            first += 1;
            // Whoever goes on dies as well, more often than not.
            let rest = usize::try_from(left.instants).unwrap();
            let again = |draw: &mut Draw| -> Vec<u64> {
                let deaths = draw.below(3);
                (0..deaths)
                    .map(|_| 1 + u64::try_from(draw.below(rest)).unwrap())
                    .collect()
            };
            if full() || instant % 2 == 0 {
                let mut scene = scene.clone();
                second += until_done(&mut scene, &again(&mut draw), &about);
                assert_eq!(readings(&scene.state), wanted, "{about}");
                assert_no_effect_twice(&scene.state);
            }
            if full() || instant % 2 == 1 {
                let (state, died) = take_back(&scene, &again(&mut draw), &about);
                second += died;
                assert_eq!(readings(&state), wanted_back, "{about}, undone");
                assert_no_effect_twice(&state);
            }
        }
    }
    println!("crash matrix: {first} deaths and {second} of those who went on, seeds {seeds:?}");
    assert!(first > 100 && second > 20, "the matrix was too small");
}

/// The runner dies, goes on, dies again, and is lost with its journal: another has the nodes' copies alone.
#[test]
fn after_two_deaths_the_nodes_copies_alone_are_enough() {
    let seeds: Vec<u64> = if full() { (0..12).collect() } else { vec![0] };
    let mut lost = 0;
    for seed in &seeds {
        let mut plan = every_kind::plan(*seed);
        for stage in &mut plan.stages {
            stage.lanes.truncate(1);
        }
        plan.nodes.retain(|node, _| node.as_str() == "n1");
        let fresh = Scene::new(&plan);
        let mut whole = fresh.clone();
        let left = whole.go(None);
        let wanted = readings(&whole.state);
        let mut draw = Draw::new(*seed);
        for instant in 1..=left.instants {
            let mut scene = fresh.clone();
            let died = scene.go(Some(instant)).died;
            // What the copy lacks is what the next runner has to bring there.
            if !died || scene.copies().len() == scene.decoded().whole {
                continue;
            }
            let rest = usize::try_from(left.instants - instant).unwrap();
            for from in [0, rest / 2] {
                let second = 1 + from + draw.below(rest - from + 10);
                let second = u64::try_from(second).unwrap();
                let about = format!("seed {seed} at {instant} and {second}");
                let mut scene = scene.clone();
                if !scene.go(Some(second)).died {
                    continue;
                }
                lost += 1;
                scene.journal = scene.copies();
                let left = scene.go(None);
                assert_eq!(left.end.exit, Exit::Done, "{about}: {:?}", left.end);
                assert_eq!(readings(&scene.state), wanted, "{about}");
                assert_no_effect_twice(&scene.state);
            }
        }
    }
    println!("{lost} runners lost after two deaths, seeds {seeds:?}");
    assert!(lost > 50, "the matrix was too small: {lost}");
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
    // An intent that was acknowledged can't be torn once its effect is there; any other record may be.
    let died_at = |at| {
        let mut scene = Scene::new(&plan);
        scene.go(Some(at));
        let lines = scene.journal.split_inclusive(|b| *b == b'\n');
        let last = lines.map(<[u8]>::to_vec).next_back().unwrap();
        let is_intent = String::from_utf8_lossy(&last).contains("\"intent\"");
        (!is_intent).then_some((scene, last.len()))
    };
    let (scene, last) = (90..).find_map(died_at).unwrap();
    let length = scene.journal.len();
    for cut in (0..=last).step_by(if full() { 1 } else { 17 }) {
        let mut torn = scene.clone();
        torn.journal.truncate(length - cut);
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
    // Times are written with more or fewer digits, and the last record only says what the others show.
    for room in (300..length - 600).step_by(if full() { 61 } else { 1501 }) {
        let mut scene = Scene::new(&plan);
        let end = scene
            .act(&How {
                room: Some(room),
                ..How::default()
            })
            .end;
        let expected = [Exit::Stopped, Exit::Forbidden];
        assert!(expected.contains(&end.exit), "room {room}: {end:?}");
        let because = end.because.clone().unwrap_or_default();
        assert!(because.contains("journal"), "{end:?}");
        let left = scene.go(None);
        assert_eq!(left.end.exit, Exit::Done, "room {room}: {:?}", left.end);
        assert_eq!(readings(&scene.state), wanted, "room {room}");
        assert_no_effect_twice(&scene.state);
    }
}
