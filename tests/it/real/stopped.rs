//! Runners that sleep past their lease: when they wake they do nothing more.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::lab::Lab;
use super::processes::{Chance, Fifo, PATIENCE};
use super::sketch::{node, plan, run, stage, step, text, write};
use crate::scale::full;

/// A lease that does not last, in milliseconds.
const SHORT: u64 = 300;

/// The same where every renewal goes over SSH, on a machine that may be busy.
const SHORT_ELSEWHERE: u64 = 3000;

/// A cluster file with this lease.
fn cluster(lab: &Lab, lease: u64) -> String {
    let beat = lease / 3;
    let text = format!(
        "name = \"test\"\n[nodes.local]\n[run]\nlease = \"{lease}ms\"\nheartbeat = \"{beat}ms\"\n"
    );
    lab.script("cluster.toml", &text)
}

const STEPS: usize = 24;

/// The steps of which the node knows that they were begun.
fn effects(nodes: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for run in fs::read_dir(nodes.join("n1/runs")).into_iter().flatten() {
        for entry in fs::read_dir(run.unwrap().path().join("effects"))
            .into_iter()
            .flatten()
        {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".do.json") {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// The steps whose work is there.
fn markers(lab: &Lab) -> Vec<String> {
    let mut found: Vec<_> = fs::read_dir(lab.path("tree"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("mark-"))
        .collect();
    found.sort();
    found
}

/// Waits until the first effect is under way, and says whether the runner still lives then.
fn first_effect(lab: &Lab, runner: &mut std::process::Child) -> bool {
    while effects(&lab.path("nodes")).is_empty() {
        if super::processes::ended(runner, Duration::from_micros(200)).is_some() {
            return false;
        }
    }
    true
}

/// Waits until the node's lease has lapsed: nobody renews it.
fn let_the_lease_lapse(lease: u64) {
    // Nothing tells of the passing of time but time itself.
    let (reader, _writer) = std::os::unix::net::UnixStream::pair().unwrap();
    reader
        .set_read_timeout(Some(Duration::from_millis(lease + 100)))
        .unwrap();
    let _ = std::io::Read::read(&mut &reader, &mut [0]);
}

/// A plan of markers with a short lease.
fn long_plan(lab: &Lab, lease: u64) -> (String, String) {
    let cluster = cluster(lab, lease);
    let n1 = node("n1");
    let steps = (0..STEPS)
        .map(|count| {
            let slug = format!("mark-{count:02}");
            let path = lab.path("tree").join(&slug);
            if count % 3 == 2 {
                step(
                    &n1,
                    &slug,
                    run([
                        "sh",
                        "-c",
                        "sleep 0.01; echo x >>\"$1\"",
                        "mark",
                        text(&path),
                    ]),
                )
            } else {
                write(&n1, &slug, &path)
            }
        })
        .collect();
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage("go", 1, vec![(&n1, steps)])],
    ));
    (cluster, plan)
}

#[test]
fn a_runner_that_slept_past_its_lease_does_nothing_more() {
    sleep_and_wake(Lab::new, "stopped", SHORT, if full() { 100 } else { 3 });
}

#[test]
fn a_runner_that_slept_past_its_lease_elsewhere_does_nothing_more() {
    sleep_and_wake(
        Lab::over_ssh,
        "stopped elsewhere",
        SHORT_ELSEWHERE,
        if full() { 100 } else { 2 },
    );
}

/// Goes on with the run, this time with a lease that lasts on a machine that is busy, too.
fn go_on(lab: &Lab, lease: u64) {
    let cluster = cluster(lab, lease * 100);
    lab.must(&["-c", &cluster, "resume", "latest"]);
}

fn sleep_and_wake(make: fn() -> Lab, name: &str, lease: u64, tries: u32) {
    let mut chance = Chance::new(name);
    let (mut early, mut late, mut halted) = (0, 0, 0);
    let (whole, steps) = {
        let lab = make();
        // This one does not sleep, and must not be cut short by a machine that is busy.
        let (cluster, plan) = long_plan(&lab, lease * 100);
        let began = Instant::now();
        let mut runner = lab.start(&["-c", &cluster, "apply", &plan]);
        assert!(first_effect(&lab, &mut runner.child));
        let first = Instant::now();
        runner.end().is(0);
        (began.elapsed(), first.elapsed())
    };
    for attempt in 0..tries {
        let lab = make();
        let (cluster, plan) = long_plan(&lab, lease);
        let mut sleeper = lab.start(&["-c", &cluster, "apply", &plan]);
        // Most sleep while steps run; some before, when the node is taken.
        let when = if chance.one_in(5) {
            chance.instant_in(whole)
        } else if first_effect(&lab, &mut sleeper.child) {
            chance.instant_in(steps) * 4 / 5
        } else {
            Duration::ZERO
        };
        if super::processes::ended(&mut sleeper.child, when).is_some() {
            late += 1;
            continue;
        }
        sleeper.signal(Signal::STOP);
        let_the_lease_lapse(lease);
        let begun = effects(&lab.path("nodes"));
        let held =
            fs::read_to_string(lab.path("nodes/n1/lock")).is_ok_and(|line| line.starts_with("1 2"));
        // It sleeps while it has the record of the holder locked: nobody else can take the node before it wakes.
        let locked = fs::File::open(lab.path("nodes/n1/claim.lock"))
            .is_ok_and(|file| file.try_lock().is_err());
        let what = format!("attempt {attempt}, stopped after {when:?}");
        if held {
            // Asleep or not, its run is in the way of all others, and nobody else may go on with it.
            let other = lab.call_as("another", &["-c", &cluster, "apply", &plan]);
            // Who has it can't be told as long as that is being written down.
            let being_written = locked && other.code == 30 && other.err.contains("claim.lock");
            assert!(other.code == 20 || being_written, "{what}: {other:#?}");
            lab.call(&["-c", &cluster, "resume", "latest"]).is(20);
        }
        assert_eq!(effects(&lab.path("nodes")), begun, "{what}");
        sleeper.signal(Signal::CONT);
        let told = sleeper.end();
        let (after, marked) = (effects(&lab.path("nodes")), markers(&lab));
        if !held {
            // It slept before it had the node, or while it took it, or after it had given it up.
            early += 1;
            if told.code != 0 {
                assert!(
                    told.code == 40 && told.err.contains("lease"),
                    "{what}: {told:#?}"
                );
                go_on(&lab, lease);
            }
            assert_eq!(markers(&lab).len(), STEPS, "{what}");
            continue;
        }
        for effect in &after {
            assert!(begun.contains(effect), "{what}: {effect} {told:#?}");
        }
        // What was under way when it fell asleep may have come to its end, and nothing else.
        for mark in &marked {
            let known = begun.iter().any(|effect| effect.contains(mark.as_str()));
            assert!(known, "{what}: {mark} {begun:?} {told:#?}");
        }
        if told.code == 0 {
            assert_eq!(marked.len(), STEPS, "{what}: {told:#?}");
            late += 1;
            continue;
        }
        halted += 1;
        // While one of its threads slept with the record locked, another may have waited for it too long.
        let waited = locked && told.err.contains("claim.lock");
        assert!(
            told.code == 40 && (waited || told.err.contains("lease")),
            "{what}: {told:#?}"
        );
        go_on(&lab, lease);
        assert_eq!(markers(&lab).len(), STEPS, "{what}");
        for count in (2..STEPS).step_by(3) {
            let content = fs::read_to_string(lab.path(&format!("tree/mark-{count:02}")));
            assert_eq!(content.unwrap(), "x\n", "{what}");
        }
    }
    println!(
        "{tries} tries, steps took {steps:?} of {whole:?}: {halted} woke up without the node, {early} before they had it, {late} too late"
    );
    assert!(halted > 0 || tries < 20, "nobody slept while steps ran");
}

#[test]
fn a_runner_that_sleeps_in_the_midst_of_a_command_goes_no_further() {
    let lab = Lab::new();
    let cluster = cluster(&lab, SHORT);
    let (mut there, mut go) = (Fifo::new(lab.path("there")), Fifo::new(lab.path("go")));
    let n1 = node("n1");
    let script = r#"echo $$ >"$1"; read -r _ <"$2"; echo ran >>"$3""#;
    let log = lab.path("var/log");
    let steps = vec![
        step(
            &n1,
            "work",
            run([
                "sh",
                "-c",
                script,
                "work",
                there.path(),
                go.path(),
                text(&log),
            ]),
        ),
        write(&n1, "after", &lab.path("tree/after")),
    ];
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage("go", 1, vec![(&n1, steps)])],
    ));
    let sleeper = lab.start(&["-c", &cluster, "apply", &plan]);
    let command: u32 = there.hear().parse().unwrap();
    sleeper.signal(Signal::STOP);
    let_the_lease_lapse(SHORT);
    lab.call_as("another", &["-c", &cluster, "apply", &plan])
        .is(20);
    lab.call(&["-c", &cluster, "resume", "latest"]).is(20);
    go.tell();
    assert!(super::processes::gone(command, PATIENCE));
    sleeper.signal(Signal::CONT);
    let told = sleeper.end().is(40);
    assert!(told.err.contains("lease"), "{told:#?}");
    assert!(!lab.path("tree/after").exists());
    lab.must(&["-c", &cluster, "resume", "latest"]);
    assert!(lab.path("tree/after").exists());
    assert_eq!(fs::read_to_string(&log).unwrap(), "ran\n");
}
