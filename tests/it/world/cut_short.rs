//! Work on files that is killed on the node at any instant: files are whole, and the next attempt leaves nothing behind.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clusterctl::plan::{Action, PropertyEdit, Sha256};
use rustix::process::{Pid, Signal, kill_process_group};

use super::bench::{Bench, remote};
use super::manifest::manifest_digest;

/// How many times; the environment variable makes it more.
fn rounds() -> u32 {
    let wanted = std::env::var("CLUSTERCTL_TEST_ROUNDS").ok();
    wanted.and_then(|rounds| rounds.parse().ok()).unwrap_or(10)
}

/// The script at work in this folder: it has a session of its own.
fn script(folder: &Path) -> Option<Pid> {
    let folder = folder.to_str().unwrap();
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let words = fs::read(entry.path().join("cmdline")).ok()?;
        let words: Vec<_> = words
            .split(|byte| *byte == 0)
            .map(String::from_utf8_lossy)
            .collect();
        let is_script = words.get(3).is_some_and(|name| name == "clusterctl-files");
        let only_looks = ["survey", "aside", "tree", "record"];
        let changes = words
            .get(4)
            .is_some_and(|verb| !only_looks.contains(&&**verb));
        let about = fs::read_to_string(entry.path().join("stat")).ok()?;
        let group = about.rsplit_once(") ")?.1.split(' ').nth(2)?;
        let leads = group == pid.to_string();
        let here = words.iter().any(|part| part.contains(folder));
        (is_script && changes && leads && here).then(|| Pid::from_raw(pid).unwrap())
    })
}

/// Performs the action, and kills its script some time after it began. How long it ran, if it ended before that.
fn kill_after(bench: &Bench, action: &Action, delay: Option<Duration>) -> Option<Duration> {
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| bench.act("step", action));
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = loop {
            if let Some(pid) = script(bench.folder.path()) {
                break Some(pid);
            }
            if acting.is_finished() {
                break None;
            }
            assert!(Instant::now() < deadline, "the script never began");
            std::thread::yield_now();
        };
        let begun = Instant::now();
        if let (Some(pid), Some(delay)) = (found, delay) {
            std::thread::sleep(delay);
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let outcome = acting.join().unwrap();
        outcome.is_ok().then(|| begun.elapsed())
    })
}

/// How long the script takes when nobody kills it.
fn usual_time(fresh: impl Fn() -> (Bench, Action)) -> Duration {
    let (bench, action) = fresh();
    kill_after(&bench, &action, None).unwrap()
}

fn at(round: u32, usual: Duration) -> Duration {
    usual * 11 / 10 * round / rounds()
}

/// What runs leave nothing of in the folder of backups but complete backups.
fn half_backups(bench: &Bench) -> Vec<PathBuf> {
    let backups = bench.state(&format!("runs/{}/backups", bench.run));
    let entries = fs::read_dir(backups).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| !path.join("kept.json").exists() || path.join("in-place").exists())
        .collect()
}

fn long_edit(second: bool) -> (Bench, Action) {
    let bench = Bench::new();
    let path = bench.file("a.properties", "a=1\n");
    if second {
        fs::hard_link(&path, bench.path("second")).unwrap();
    }
    let edits = vec![PropertyEdit::Set {
        key: "a".to_owned(),
        value: "v".repeat(300_000).as_str().into(),
        line: None,
    }];
    let action = Action::EditProperties {
        path: remote(&path),
        edits,
        utf8: false,
    };
    (bench, action)
}

#[test]
fn a_file_is_old_or_new_whenever_the_script_is_killed() {
    let new = format!("a={}\n", "v".repeat(300_000));
    let usual = usual_time(|| long_edit(false));
    let (mut killed, mut changed) = (0, 0);
    for round in 0..rounds() {
        let (bench, action) = long_edit(false);
        let path = bench.path("a.properties");
        let ended = kill_after(&bench, &action, Some(at(round, usual)));
        let now = bench.content("a.properties");
        assert!(now == "a=1\n" || now == new, "round {round}: {}", now.len());
        assert!(ended.is_none() || now == new, "round {round}");
        killed += u32::from(ended.is_none());
        changed += u32::from(now == new);
        assert_eq!(bench.names(), ["a.properties"], "round {round}");
        bench.act("step", &action).unwrap();
        assert_eq!(bench.content("a.properties"), new, "round {round}");
        assert_eq!(bench.names(), ["a.properties"], "round {round}");
        assert_eq!(half_backups(&bench), [""; 0].map(PathBuf::from));
        bench.restore("step", &path).unwrap();
        assert_eq!(bench.content("a.properties"), "a=1\n", "round {round}");
        assert_eq!(bench.names(), ["a.properties"], "round {round}");
    }
    eprintln!("over {usual:?}: killed {killed}, changed {changed}");
}

#[test]
fn a_file_with_several_names_comes_back_whenever_the_script_is_killed() {
    let usual = usual_time(|| long_edit(true));
    let (mut killed, mut torn) = (0, 0);
    for round in 0..rounds() {
        let (bench, action) = long_edit(true);
        let path = bench.path("a.properties");
        let ended = kill_after(&bench, &action, Some(at(round, usual)));
        let now = bench.content("a.properties");
        killed += u32::from(ended.is_none());
        torn += u32::from(now != "a=1\n" && now.len() != 300_003);
        if now != "a=1\n" {
            bench.restore("step", &path).unwrap();
        }
        assert_eq!(bench.content("second"), "a=1\n", "round {round}");
        bench.act("step", &action).unwrap();
        assert_eq!(bench.content("second").len(), 300_003, "round {round}");
        bench.restore("step", &path).unwrap();
        assert_eq!(bench.content("second"), "a=1\n", "round {round}");
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 2, "round {round}");
        assert_eq!(bench.names(), ["a.properties", "second"], "round {round}");
    }
    eprintln!("over {usual:?}: killed {killed}, torn {torn}");
}

fn copy_of_many() -> (Bench, Action) {
    let bench = Bench::new();
    let from = bench.path("from");
    fs::create_dir(&from).unwrap();
    for count in 0..30 {
        fs::write(from.join(count.to_string()), vec![b'x'; 20_000]).unwrap();
    }
    let action = Action::CopyTree {
        from: remote(&from),
        to: bench.remote("to"),
        source: manifest_digest(&from).unwrap(),
    };
    (bench, action)
}

#[test]
fn a_folder_is_whole_or_absent_whenever_the_script_is_killed() {
    let usual = usual_time(copy_of_many);
    let mut killed = 0;
    for round in 0..rounds() {
        let (bench, action) = copy_of_many();
        let digest = |name: &str| -> Option<Sha256> { manifest_digest(&bench.path(name)) };
        let ended = kill_after(&bench, &action, Some(at(round, usual)));
        killed += u32::from(ended.is_none());
        let found = digest("to");
        assert!(found.is_none() || found == digest("from"), "round {round}");
        let hidden = bench.names().into_iter().find(|name| name.starts_with('.'));
        assert_eq!(hidden, None, "round {round}");
        if found.is_none() {
            bench.act("step", &action).unwrap();
        }
        assert_eq!(digest("to"), digest("from"), "round {round}");
        assert_eq!(bench.names(), ["from", "to"], "round {round}");
    }
    eprintln!("over {usual:?}: killed {killed}");
}
