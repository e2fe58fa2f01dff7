//! Runners that are killed at any instant: what they began goes on or never happened, and the next attempt succeeds.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clusterctl::engine::{Claim, Direction, Epoch, World as _};
use clusterctl::plan::{Action, Argv, Millis, PropertyEdit, Reading, Sha256};
use clusterctl::world::this_runner;
use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, lives, remote, step, this_test, wait_until, world_in};
use super::manifest::manifest_digest;

/// Seeds of the sample; the environment variable makes it larger.
fn rounds() -> u64 {
    std::env::var("CLUSTERCTL_TEST_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(25)
}

/// The runner that the tests kill; it does nothing when it is run as a test.
#[test]
fn runner() {
    let Ok(folder) = std::env::var("CLUSTERCTL_TEST_RUNNER") else {
        return;
    };
    let action: Action =
        serde_json::from_str(&std::env::var("CLUSTERCTL_TEST_ACTION").unwrap()).unwrap();
    let world = world_in(Path::new(&folder));
    let bench = Bench::unclaimed();
    // It only lends its words, and who is killed takes nothing away.
    fs::remove_dir_all(bench.folder.path()).unwrap();
    let claim = Claim {
        lease: Millis::secs(600),
        ..bench.wish()
    };
    let epoch = world.claim(&bench.node, &claim).unwrap();
    println!("\nclaimed {}", epoch.0);
    let step = step("step");
    let mut call = bench.call(&step, Direction::Do, Millis::secs(60));
    call.epoch = epoch;
    let done = world.perform(&call, &action);
    println!("\ndone {}", done.is_ok());
}

/// A process that claims the node and performs the action.
fn start(folder: &Path, action: &Action) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &this_test(module_path!(), "runner"),
            "--nocapture",
        ])
        .env("CLUSTERCTL_TEST_RUNNER", folder)
        .env(
            "CLUSTERCTL_TEST_ACTION",
            serde_json::to_string(action).unwrap(),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    (child, lines)
}

fn wait_for_claim(lines: &mut impl Iterator<Item = String>) {
    assert!(
        lines.any(|line| line.starts_with("claimed ")),
        "the runner never claimed the node"
    );
}

/// Takes the node over from a runner that is dead, and says with which epoch.
fn resume(bench: &mut Bench) {
    bench.epoch = resumed(bench);
}

fn resumed(bench: &Bench) -> Epoch {
    let claim = Claim {
        wait: Millis::secs(30),
        ..bench.wish()
    };
    bench.claim(&claim).unwrap()
}

fn pid_in(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim_end().parse().ok()
}

#[test]
fn a_command_outlives_its_runner_and_its_outcome_is_found() {
    let mut bench = Bench::unclaimed();
    let (pid, go) = (bench.path("pid"), bench.path("go"));
    let script =
        "echo $$ >\"$1\"; while [ -e \"$1\" ] && [ ! -e \"$2\" ]; do sleep 0.02; done; exit 7";
    let action = Action::Run {
        argv: Argv::new([
            "sh",
            "-c",
            script,
            "sh",
            pid.to_str().unwrap(),
            go.to_str().unwrap(),
        ]),
        dir: None,
        stdin: vec![],
        success: vec![7],
    };
    let (mut child, _lines) = start(bench.folder.path(), &action);
    wait_until("the command runs", || pid_in(&pid).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    let command = pid_in(&pid).unwrap();
    assert!(lives(command));

    // The runner is dead, but what it began is not: nobody may take over.
    let hasty = bench.claim(&bench.wish());
    assert!(
        matches!(hasty, Err(clusterctl::engine::ClaimError::EffectRuns(_))),
        "{hasty:?}"
    );
    assert_eq!(bench.stamp("step"), Reading::text("begun"));

    std::thread::scope(|scope| {
        let resumed = scope.spawn(|| {
            let claim = Claim {
                wait: Millis::secs(30),
                ..bench.wish()
            };
            bench.claim(&claim).unwrap()
        });
        fs::write(&go, "").unwrap();
        assert_eq!(resumed.join().unwrap(), Epoch(2));
    });
    bench.epoch = Epoch(2);
    assert!(!lives(command));
    assert_eq!(bench.settle("step"), Ok(Some(Ok(()))));
    assert_eq!(bench.stamp("step"), Reading::text("done"));
}

#[test]
fn a_stopped_runner_keeps_its_hold_and_finds_itself_fenced_off_later() {
    let mut bench = Bench::unclaimed();
    let (pid, go) = (bench.path("pid"), bench.path("go"));
    let script = "echo $$ >\"$1\"; while [ -e \"$1\" ] && [ ! -e \"$2\" ]; do sleep 0.02; done";
    let action = Action::Run {
        argv: Argv::new([
            "sh",
            "-c",
            script,
            "sh",
            pid.to_str().unwrap(),
            go.to_str().unwrap(),
        ]),
        dir: None,
        stdin: vec![],
        success: vec![0],
    };
    let (mut child, lines) = start(bench.folder.path(), &action);
    wait_until("the command runs", || pid_in(&pid).is_some());
    let runner = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(runner, Signal::STOP).unwrap();
    let hasty = bench.claim(&bench.wish());
    assert!(
        matches!(hasty, Err(clusterctl::engine::ClaimError::Held(_))),
        "{hasty:?}"
    );
    fs::write(&go, "").unwrap();
    kill_process(runner, Signal::CONT).unwrap();
    assert!(lines.into_iter().any(|line| line == "done true"));
    child.wait().unwrap();
    resume(&mut bench);
}

#[test]
fn a_command_whose_runner_died_before_it_started_is_no_doubt() {
    let bench = Bench::new();
    let effects = bench.state(&format!("runs/{}/effects", bench.run));
    fs::create_dir_all(&effects).unwrap();
    let record = r#"{"format":1,"attempt":"1-2-3-4","epoch":1,"pid":1,
        "command":{"shown":"true","success":[0],"secrets":[]}}"#;
    fs::write(effects.join("test+local+step.do.json"), record).unwrap();
    assert_eq!(bench.stamp("step"), Reading::text("begun"));
    assert_eq!(bench.settle("step"), Ok(None));
    assert_eq!(bench.stamp("step"), Reading::Absent);
    // One that was started and left no exit code may have done anything.
    fs::write(effects.join("test+local+step.do.json"), record).unwrap();
    fs::write(effects.join("test+local+step.do.pid"), "1-2-3-4 1\n").unwrap();
    fs::write(effects.join("test+local+step.do.exit"), "1-2-3-4    \n").unwrap();
    assert_eq!(bench.settle("step"), Ok(None));
    assert_eq!(bench.stamp("step"), Reading::text("begun"));
}

/// A file, and an edit that makes it much longer.
fn long_edit() -> (Bench, PathBuf, Action, String) {
    let bench = Bench::unclaimed();
    let path = bench.file("a.properties", "a=1\n");
    let value = "v".repeat(100_000);
    let action = Action::EditProperties {
        path: remote(&path),
        edits: vec![PropertyEdit::Set {
            key: "a".to_owned(),
            value: value.as_str().into(),
            line: None,
        }],
        utf8: false,
    };
    (bench, path, action, format!("a={value}\n"))
}

#[test]
fn a_file_is_old_or_new_whenever_its_writer_is_killed() {
    let (bench, _, action, _) = long_edit();
    let usual = usual_time(&bench, &action);
    let (mut litter, mut changed, mut known) = (0, 0, 0);
    for round in 0..rounds() {
        let (mut bench, path, action, new) = long_edit();
        kill_after(&bench, &action, usual.mul_f64(at(round)));
        let old_or_new = || {
            let now = bench.content("a.properties");
            let bytes = now.len();
            assert!(now == "a=1\n" || now == new, "round {round}: {bytes} bytes");
            now
        };
        old_or_new();
        litter += bench.names().len() - 1;
        // What was begun on a node goes on without its runner, and nobody takes over before it has ended.
        let epoch = resumed(&bench);
        let now = old_or_new();
        changed += u32::from(now == new);
        bench.epoch = epoch;
        if let Some(outcome) = bench.settle("step").unwrap() {
            assert!(outcome.is_ok() && now == new, "round {round}");
            known += 1;
        }
        bench.act("step", &action).unwrap();
        assert_eq!(bench.content("a.properties"), new);
        assert_eq!(bench.names(), ["a.properties"], "round {round}");
        bench.restore("step", &path).unwrap();
        assert_eq!(bench.content("a.properties"), "a=1\n", "round {round}");
    }
    let rounds = rounds();
    eprintln!("{rounds} rounds over {usual:?}: changed {changed}, known {known}, litter {litter}");
}

#[test]
fn a_file_with_several_names_can_be_put_back_whenever_its_writer_is_killed() {
    let (bench, path, action, _) = long_edit();
    fs::hard_link(&path, bench.path("second")).unwrap();
    let usual = usual_time(&bench, &action);
    let (mut torn, mut changed) = (0, 0);
    for round in 0..rounds() {
        let (mut bench, path, action, new) = long_edit();
        fs::hard_link(&path, bench.path("second")).unwrap();
        kill_after(&bench, &action, usual.mul_f64(at(round)));
        resume(&mut bench);
        let now = bench.content("a.properties");
        torn += u32::from(now != new && now != "a=1\n");
        changed += u32::from(now == new);
        if now != "a=1\n" {
            bench.restore("step", &path).unwrap();
        }
        assert_eq!(bench.content("second"), "a=1\n", "round {round}");
        bench.act("step", &action).unwrap();
        bench.restore("step", &path).unwrap();
        assert_eq!(bench.content("second"), "a=1\n", "round {round}");
    }
    eprintln!(
        "{} rounds over {usual:?}: changed {changed}, torn {torn}",
        rounds()
    );
}

/// A folder of files, and its copy.
fn many_files() -> (Bench, PathBuf, Action, Sha256) {
    let bench = Bench::unclaimed();
    let (from, to) = (bench.path("from"), bench.path("to"));
    fs::create_dir(&from).unwrap();
    for count in 0..30 {
        fs::write(from.join(count.to_string()), vec![b'x'; 20_000]).unwrap();
    }
    let source = manifest_digest(&from).unwrap();
    let action = Action::CopyTree {
        from: remote(&from),
        to: remote(&to),
        source: source.clone(),
    };
    (bench, to, action, source)
}

#[test]
fn a_folder_is_whole_or_absent_whenever_its_copier_is_killed() {
    let (bench, _, action, _) = many_files();
    let usual = usual_time(&bench, &action);
    let (mut litter, mut whole) = (0, 0);
    for round in 0..rounds() {
        let (mut bench, to, action, source) = many_files();
        kill_after(&bench, &action, usual.mul_f64(at(round)));
        let digest = |path: &Path| -> Option<Sha256> { manifest_digest(path) };
        let whole_or_absent = || {
            let found = digest(&to);
            let whole = found.as_ref() == Some(&source);
            assert!(whole || found.is_none(), "round {round}");
            found
        };
        whole_or_absent();
        litter += u32::from(bench.names().iter().any(|name| name.starts_with('.')));
        resume(&mut bench);
        let found = whole_or_absent();
        whole += u32::from(found.is_some());
        if found.is_none() {
            bench.act("step", &action).unwrap();
        }
        assert_eq!(digest(&to), Some(source));
        assert_eq!(bench.names(), ["from", "to"], "round {round}");
    }
    let rounds = rounds();
    eprintln!("{rounds} rounds over {usual:?}: whole {whole}, leftovers {litter}");
}

#[test]
fn a_hold_is_there_or_not_whenever_its_taker_is_killed() {
    let mut taken = 0;
    for round in 0..rounds() {
        let mut bench = Bench::unclaimed();
        let action = Action::Remove {
            path: bench.remote("none"),
        };
        let (mut child, _lines) = start(bench.folder.path(), &action);
        let claim_lock = bench.state("claim.lock");
        wait_until("the claim begins", || claim_lock.exists());
        std::thread::sleep(Duration::from_micros(round * 1730 % 40_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let record = bench.world.holder(&bench.node).unwrap();
        taken += u32::from(record.holder.is_some());
        resume(&mut bench);
        let file = bench.path("file");
        let write = Action::WriteFile {
            path: remote(&file),
            content: vec!["x".into()],
            mode: None,
        };
        bench.act("write", &write).unwrap();
        let words = Action::Run {
            argv: Argv::new(["true"]),
            dir: None,
            stdin: vec![],
            success: vec![0],
        };
        bench.act("run", &words).unwrap();
        let record = bench.world.holder(&bench.node).unwrap();
        assert_eq!(record.history, [bench.run.clone()]);
    }
    eprintln!("{} rounds, taken in {taken}", rounds());
}

/// When in the usual time to kill: spread evenly, a little beyond its end.
#[expect(clippy::cast_precision_loss, reason = "there are not that many rounds")]
fn at(round: u64) -> f64 {
    1.3 * round as f64 / rounds() as f64
}

/// How long the action takes in a process of its own.
fn usual_time(bench: &Bench, action: &Action) -> Duration {
    let (mut child, mut lines) = start(bench.folder.path(), action);
    wait_for_claim(&mut lines);
    let begun = Instant::now();
    assert!(lines.any(|line| line == "done true"));
    let usual = begun.elapsed();
    child.wait().unwrap();
    usual
}

/// Starts the action in a process of its own and kills that some time after it has the node.
fn kill_after(bench: &Bench, action: &Action, delay: Duration) {
    let (mut child, mut lines) = start(bench.folder.path(), action);
    wait_for_claim(&mut lines);
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_ne!(child.id(), this_runner().pid);
}
