//! Damaged journals: nothing that a journal says may end the program, or have done what is done.

use std::collections::BTreeSet;

use clusterctl::engine::{Direction, Entry, Progress, Record, StepResult, decode, union};
use clusterctl::plan::{RunId, StepId};
use clusterctl::rehearse::{Strike, StrikeKind};

use crate::every_kind;
use crate::generate::Draw;
use crate::scene::{How, Person, Says, Scene};

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(or)
}

/// Real journals, each with the world that it was written in.
fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for seed in [0, 1] {
        let plan = every_kind::plan(seed);
        let fresh = Scene::new(&plan);
        for die_at in [20, 40, 80, 110, 240] {
            let mut scene = fresh.clone();
            scene.go(Some(die_at));
            scenes.push(scene);
        }
        let mut waits = fresh.clone();
        waits.act(&How {
            person: Person {
                says: Says::Nothing,
                ..Person::default()
            },
            ..How::default()
        });
        scenes.push(waits);
        for (kind, step) in [
            (StrikeKind::Failed, "edit"),
            (StrikeKind::PowerLoss, "go"),
            (StrikeKind::Stale, "start"),
        ] {
            let mut struck = fresh.clone();
            let strike = Strike {
                kind,
                node: "n1".to_owned(),
                step: step.to_owned(),
            };
            struck.act(&How {
                strikes: &[strike],
                ..How::default()
            });
            struck.go(Some(40));
            scenes.push(struck);
        }
        let mut back = scenes[scenes.len() - 4].back();
        back.go(Some(90));
        scenes.push(back);
        let mut whole = fresh;
        whole.go(None);
        scenes.push(whole);
    }
    scenes
}

const NUMBERS: [&str; 8] = [
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "4294967296",
];

/// A line that says something else, with the right checksum.
fn resealed(line: &[u8], draw: &mut Draw) -> Vec<u8> {
    let text = String::from_utf8_lossy(line).into_owned();
    let Some((_, rec)) = text.split_once(r#""rec":"#) else {
        return line.to_vec();
    };
    let Some(rec) = rec.trim_end().strip_suffix('}') else {
        return line.to_vec();
    };
    let mut rec = rec.to_owned();
    match draw.below(3) {
        0 => {
            let digits: Vec<_> = rec
                .char_indices()
                .filter(|(_, c)| c.is_ascii_digit())
                .map(|(at, _)| at)
                .collect();
            if !digits.is_empty() {
                let at = *draw.pick(&digits);
                let end = rec[at..]
                    .find(|c: char| !c.is_ascii_digit())
                    .map_or(rec.len(), |length| at + length);
                let number = *draw.pick(&NUMBERS);
                rec.replace_range(at..end, number);
            }
        }
        1 => {
            let words = [
                "do", "undo", "done", "failed", "unclear", "null", "intent", "outcome",
            ];
            let (from, to) = (*draw.pick(&words), *draw.pick(&words));
            rec = rec.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1);
        }
        _ => {
            let nodes = ["/n1/", "/n2/", "/n9/"];
            let (from, to) = (*draw.pick(&nodes), *draw.pick(&nodes));
            rec = rec.replace(from, to);
        }
    }
    let sum = crc32fast::hash(rec.as_bytes());
    format!("{{\"sum\":\"{sum:08x}\",\"rec\":{rec}}}\n").into_bytes()
}

/// A record that says something else and is written as the program writes it.
fn retold(record: &Record, draw: &mut Draw) -> Record {
    let mut record = record.clone();
    match draw.below(4) {
        0 => record.seq = *draw.pick(&[0, 1, u64::MAX, u64::MAX - 1, 1 << 32]),
        1 => {
            if let Entry::Outcome { result, .. } = &mut record.entry
                && let StepResult::Done { outputs, .. } = result
            {
                outputs.clear();
            }
        }
        2 => {
            if let Entry::Intent { direction, .. } | Entry::Outcome { direction, .. } =
                &mut record.entry
            {
                *direction = match direction {
                    Direction::Do => Direction::Undo,
                    Direction::Undo => Direction::Do,
                };
            }
        }
        _ => {
            if let Entry::Owed { until, .. } = &mut record.entry {
                *until = *draw.pick(&[jiff::Timestamp::MIN, jiff::Timestamp::MAX]);
            }
        }
    }
    record
}

fn mutated(lines: &[Vec<u8>], other: &[Vec<u8>], draw: &mut Draw) -> Vec<u8> {
    let mut lines = lines.to_vec();
    for _ in 0..=draw.below(3) {
        if lines.is_empty() {
            break;
        }
        let at = draw.below(lines.len());
        match draw.below(9) {
            0 => {
                let byte = draw.below(lines[at].len().max(1));
                let bit = 1 << draw.below(8);
                if let Some(byte) = lines[at].get_mut(byte) {
                    *byte ^= bit;
                }
            }
            1 => {
                let length = draw.below(lines[at].len());
                lines.truncate(at + 1);
                lines[at].truncate(length);
            }
            2 => lines.insert(at, lines[at].clone()),
            3 => {
                let with = draw.below(lines.len());
                lines.swap(at, with);
            }
            4 => {
                lines.remove(at);
            }
            5 => {
                lines.truncate(at);
                lines.extend(other.iter().skip(at).cloned());
            }
            6 => lines[at] = resealed(&lines[at], draw),
            7 => {
                if let Ok(decoded) = decode(&lines[at])
                    && let Some(record) = decoded.records.first()
                {
                    lines[at] = retold(record, draw).line();
                }
            }
            _ => lines.truncate(at),
        }
    }
    lines.concat()
}

fn lines(journal: &[u8]) -> Vec<Vec<u8>> {
    let lines = journal.split_inclusive(|b| *b == b'\n');
    lines.map(<[u8]>::to_vec).collect()
}

fn without_plan(lines: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_plan = |line: &&Vec<u8>| {
        let records = decode(line).map(|decoded| decoded.records);
        let mut entries = records.into_iter().flatten().map(|record| record.entry);
        entries.any(|entry| matches!(entry, Entry::Planned { .. }))
    };
    let kept: Vec<_> = lines
        .iter()
        .filter(|line| !is_plan(line))
        .cloned()
        .collect();
    assert_eq!(kept.len() + 1, lines.len(), "a journal has one plan");
    kept
}

#[test]
fn no_journal_ends_the_program_or_repeats_what_is_done() {
    let executions = number("CLUSTERCTL_FUZZ_EXECUTIONS", 20_000);
    let seed = number("CLUSTERCTL_FUZZ_SEED", 1);
    let every = number("CLUSTERCTL_FUZZ_RESUME_EVERY", 40);
    let mut draw = Draw::new(seed);
    let scenes = scenes();
    let journals: Vec<_> = scenes.iter().map(|scene| lines(&scene.journal)).collect();
    // The plan is far longer than all that the run wrote, and read each time: most journals go without it.
    let without_plans: Vec<Vec<_>> = journals.iter().map(|it| without_plan(it)).collect();
    let (mut read, mut resumed, mut went_on) = (0_u64, 0_u64, 0_u64);
    for at in 0..executions {
        let which = draw.below(scenes.len());
        let other = draw.below(scenes.len());
        let journals = if at % 10 == 0 {
            &journals
        } else {
            &without_plans
        };
        let bytes = mutated(&journals[which], &journals[other], &mut draw);
        let Ok(decoded) = decode(&bytes) else {
            continue;
        };
        read += 1;
        let scene = &scenes[which];
        assert!(decoded.whole <= bytes.len());
        assert!(
            decoded.records.is_sorted_by(|a, b| a.seq < b.seq),
            "{at}: out of order"
        );
        let progress = Progress::of(&decoded.records, &scene.plan);
        exercise(&progress, scene);
        if read % 8 == 0 {
            let again = decode(&bytes[..decoded.whole]).unwrap();
            assert_eq!(again, decoded, "{at}: what is whole reads the same");
            let records = decoded.records.iter().cloned();
            let (even, odd): (Vec<_>, Vec<_>) = records.partition(|r| r.seq % 2 == 0);
            assert_eq!(union([even, odd]), decoded.records, "halves make a whole");
        }
        if read % every == 0 {
            resumed += 1;
            went_on += u64::from(resume(scene, bytes, &progress, at));
        }
    }
    println!(
        "seed {seed}: {executions} executions, {read} journals read, {resumed} resumed, {went_on} of them to the end"
    );
    assert!(read > executions / 20, "the mutations are too wild: {read}");
    assert!(went_on > resumed / 20, "nothing went on: {went_on}");
}

fn exercise(progress: &Progress, scene: &Scene) {
    let plan = &scene.plan;
    let state = progress.state(plan);
    assert!(state.contains("n1: ") && state.contains("n3: "));
    for id in progress.done().keys() {
        assert!(progress.is_done(id));
    }
    let owed: BTreeSet<_> = progress.owed().iter().map(|(id, _)| id).collect();
    assert_eq!(owed.len(), progress.owed().len(), "owed twice");
    assert!(progress.ever_changed_anything(plan) || !progress.changed_anything(plan));
    assert!(progress.in_doubt().iter().all(|id| !progress.is_done(id)));
}

/// Goes on with a journal that can be read; whether the run came to its end.
fn resume(scene: &Scene, journal: Vec<u8>, progress: &Progress, at: u64) -> bool {
    let mut scene = scene.clone();
    scene.journal = journal;
    let known: Vec<usize> = scene
        .state
        .nodes
        .values()
        .map(|n| n.effects.len())
        .collect();
    let left = scene.go(None);
    assert_eq!(
        left.end.because.is_none(),
        left.end.exit.code() == 0,
        "{at}"
    );
    for (node, known) in scene.state.nodes.values().zip(known) {
        let mut done: BTreeSet<StepId> = progress.done().into_keys().collect();
        for (run, step, direction) in &node.effects[known..] {
            let ours: &RunId = &scene.run;
            assert_eq!(run, ours);
            match direction {
                Direction::Do => assert!(done.insert(step.clone()), "{at}: {step} was done"),
                Direction::Undo => {
                    done.remove(step);
                }
            }
        }
    }
    left.end.exit.code() == 0
}
