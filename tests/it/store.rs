//! The store of runs on a real file system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use clusterctl::engine::Log as _;
use clusterctl::plan::RunId;
use clusterctl::store::{RunStore, StoreError};

const RUN: &str = "20260131-020455-kqzf";

fn run(text: &str) -> RunId {
    text.parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn only_the_owner_may_read_what_is_kept() {
    let temp = tempfile::tempdir().unwrap();
    let store = RunStore::new(temp.path().join("state"));
    let folder = store.create(&run(RUN), "{}", None).unwrap();
    folder.journal(0).unwrap().append(b"one\n").unwrap();
    assert_eq!(mode(store.path()), 0o700);
    assert_eq!(mode(folder.path()), 0o700);
    for file in ["plan.json", "journal.jsonl", "lock"] {
        assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_torn_end_is_cut_off_and_the_next_line_follows_what_is_whole() {
    let temp = tempfile::tempdir().unwrap();
    let store = RunStore::new(temp.path());
    let folder = store.create(&run(RUN), "{}", None).unwrap();
    folder.journal(0).unwrap().append(b"whole\nto").unwrap();
    let mut log = folder.journal(6).unwrap();
    assert_eq!(store.read(&run(RUN)).unwrap().journal, b"whole\n");
    log.append(b"next\n").unwrap();
    assert_eq!(store.read(&run(RUN)).unwrap().journal, b"whole\nnext\n");
    // What was read and is no longer there must not come back as empty bytes.
    let error = folder.journal(400).unwrap_err().to_string();
    assert!(error.contains("shorter than when it was read"), "{error}");
    assert_eq!(store.read(&run(RUN)).unwrap().journal, b"whole\nnext\n");
}

#[test]
fn a_run_of_the_same_name_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let store = RunStore::new(temp.path());
    let folder = store.create(&run(RUN), "the first", None).unwrap();
    folder.journal(0).unwrap().append(b"one\n").unwrap();
    drop(folder);
    store.create(&run(RUN), "the second", None).unwrap_err();
    let stored = store.read(&run(RUN)).unwrap();
    assert_eq!(
        (&stored.plan[..], &stored.journal[..]),
        (&b"the first"[..], &b"one\n"[..])
    );
}

#[test]
fn a_run_is_found_by_its_beginning_its_end_and_as_the_latest() {
    let temp = tempfile::tempdir().unwrap();
    let store = RunStore::new(temp.path());
    let no_such = store.find("latest").unwrap_err();
    assert!(matches!(no_such, StoreError::NoSuchRun { .. }), "{no_such}");
    let names = [
        "20260131-020455-kqzf",
        "20260131-020456-kqzf",
        "20260201-000000-bcdf",
        "2026",
    ];
    for name in names {
        store.create(&run(name), "{}", None).unwrap();
    }
    fs::write(store.path().join("not a run"), "").unwrap();
    let found = |asked: &str| store.find(asked).map(|run| run.to_string());
    assert_eq!(found("latest").unwrap(), names[2]);
    assert_eq!(found("bcdf").unwrap(), names[2]);
    assert_eq!(found("20260201").unwrap(), names[2]);
    assert_eq!(found(names[0]).unwrap(), names[0]);
    assert_eq!(
        found("2026").unwrap(),
        "2026",
        "a whole name outranks a beginning"
    );
    let ambiguous = store.find("kqzf").unwrap_err();
    let StoreError::Ambiguous { candidates, .. } = &ambiguous else {
        panic!("{ambiguous}");
    };
    assert_eq!(candidates.len(), 2);
    assert!(ambiguous.to_string().contains(names[0]) && ambiguous.to_string().contains(names[1]));
    for asked in ["", "zzzz", "../2026", "not a run", "\u{1b}[2J"] {
        let error = store.find(asked).unwrap_err();
        assert!(
            matches!(error, StoreError::NoSuchRun { .. }),
            "{asked}: {error}"
        );
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    }
    assert_eq!(store.list().unwrap().len(), 4);
}

#[test]
fn one_process_at_a_time_works_on_a_run() {
    let temp = tempfile::tempdir().unwrap();
    let store = RunStore::new(temp.path());
    let folder = store.create(&run(RUN), "{}", None).unwrap();
    let busy = store.take(&run(RUN)).unwrap_err();
    let ours = std::process::id();
    assert!(
        matches!(busy, StoreError::Busy { pid: Some(pid), .. } if pid == ours),
        "{busy:?}"
    );
    assert!(
        store.remove(&run(RUN)).is_err(),
        "what is worked on is not removed"
    );
    let lock = folder.path().join("lock");
    let locked_by_another = || {
        let status = Command::new("flock")
            .arg("-n")
            .arg(&lock)
            .arg("true")
            .status();
        status.map(|status| !status.success())
    };
    match locked_by_another() {
        Ok(locked) => assert!(locked, "another process got the lock"),
        Err(error) => println!("NOT TESTED with another process: flock can't be run: {error}"),
    }
    assert_eq!(
        store.read(&run(RUN)).unwrap().plan,
        b"{}",
        "reading takes no lock"
    );
    drop(folder);
    assert!(
        !locked_by_another().unwrap_or(false),
        "the lock outlived its holder"
    );
    drop(store.take(&run(RUN)).unwrap());
    store.remove(&run(RUN)).unwrap();
    assert!(matches!(
        store.take(&run(RUN)),
        Err(StoreError::NoSuchRun { .. })
    ));
}

#[test]
fn a_journal_whose_folder_is_removed_takes_nothing_more() {
    let temp = tempfile::tempdir().unwrap();
    let store = RunStore::new(temp.path());
    let folder = store.create(&run(RUN), "{}", None).unwrap();
    let mut log = folder.journal(0).unwrap();
    log.append(b"one\n").unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    let error = log.append(b"two\n").unwrap_err();
    assert!(error.to_string().contains("removed"), "{error}");
    assert!(folder.journal(0).is_err());
    assert!(matches!(
        store.read(&run(RUN)),
        Err(StoreError::NoSuchRun { .. })
    ));
    folder.discard();
}

/// A file system with little room, which goes when the test does.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may mount".to_owned());
        }
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "none"])
            .arg(folder.path())
            .output()
            .map_err(|error| error.to_string())?;
        if mount.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&mount.stderr).trim().to_owned())
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_line_for_which_there_is_no_room_leaves_no_trace() {
    let small = match Small::new() {
        Ok(small) => small,
        Err(why) => {
            println!("NOT TESTED: a full disk under the journal, because {why}");
            return;
        }
    };
    let store = RunStore::new(small.0.path());
    let folder = store.create(&run(RUN), "{}", None).unwrap();
    let mut log = folder.journal(0).unwrap();
    let line = [&[b'x'; 999][..], b"\n"].concat();
    let mut written = 0;
    let error = loop {
        match log.append(&line) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the disk never fills");
    };
    assert!(error.to_string().contains("journal.jsonl"), "{error}");
    let kept = store.read(&run(RUN)).unwrap().journal;
    assert_eq!(kept.len(), written * line.len(), "a torn line was left");
    log.append(b"short\n").unwrap();
    let kept = store.read(&run(RUN)).unwrap().journal;
    assert!(kept.ends_with(b"x\nshort\n"));
    let other = run("20260131-020456-bcdf");
    let plan = "p".repeat(200_000);
    assert!(
        store.create(&other, &plan, None).is_err(),
        "there was room for all of it"
    );
    assert_eq!(
        store.list().unwrap(),
        [run(RUN)],
        "a run that never began was left"
    );
}
