//! Work on files that is killed before each single program that it starts, one after the other.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clusterctl::config::NodeName;
use clusterctl::plan::{Action, Target};
use clusterctl::remote::{BackEnd, Exit, Host, Line, LocalHost, Patience, RemoteError, Streams};
use clusterctl::world::{Connect, Nodes};

use super::bench::{Bench, remote, secrets};
use super::manifest::manifest_digest;

/// The programs that change something, or have it on disk.
const PROGRAMS: [&str; 14] = [
    "cat",
    "chmod",
    "chown",
    "cmp",
    "cp",
    "dd",
    "ln",
    "mkdir",
    "mv",
    "rm",
    "sha256sum",
    "sync",
    "touch",
    "truncate",
];

/// What is found in the place of each program: it counts, and at the end of the count all of the work is killed.
const COUNTING: &str = r#"#!/bin/sh
folder=${0%/*}
program=/usr/bin/${0##*/}
if [ -e "$folder/left" ] && tr '\0' '\n' </proc/$PPID/cmdline | grep -qx clusterctl-files; then
    read -r left <"$folder/left"
    echo $((left - 1)) >"$folder/left"
    [ "$left" -gt 0 ] || kill -KILL 0
fi
exec "$program" "$@"
"#;

/// This machine with programs that count.
#[derive(Clone)]
struct Counting(PathBuf);

impl Counting {
    fn new(folder: &Path) -> Self {
        for program in PROGRAMS {
            let path = folder.join(program);
            fs::write(&path, COUNTING).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder.to_owned())
    }

    /// After so many programs the work is killed.
    fn kill_after(&self, programs: u32) {
        fs::write(self.0.join("left"), format!("{programs}\n")).unwrap();
    }

    fn kill_no_more(&self) {
        let _ = fs::remove_file(self.0.join("left"));
    }
}

impl Connect for Counting {
    fn connect(&self, _: &NodeName, _: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Host for Counting {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let path = format!("PATH={}:/usr/bin:/bin", self.0.display());
        LocalHost::new().exec(&line.under(&["/usr/bin/env", &path]), streams, patience)
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Local
    }
}

/// Everything besides the node's folder: names, modes, contents.
fn whole(bench: &Bench) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![bench.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let found = path.symlink_metadata().unwrap();
            let content = if path == bench.path("state") || path == bench.path("bin") {
                continue;
            } else if found.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if found.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            all.insert(path, (found.permissions().mode(), content));
        }
    }
    all
}

/// A node with everything that the actions need.
fn fresh() -> (Bench, Counting) {
    let mut bench = Bench::new();
    bench.file("a.conf", "old and long");
    bench.file("double.conf", "old and long");
    fs::hard_link(bench.path("double.conf"), bench.path("second.conf")).unwrap();
    fs::create_dir_all(bench.path("tree/sub")).unwrap();
    fs::write(bench.path("tree/sub/file"), "x").unwrap();
    symlink("v1", bench.path("link")).unwrap();
    fs::create_dir(bench.path("bin")).unwrap();
    let counting = Counting::new(&bench.path("bin"));
    let target = Target::at("local", bench.remote("state"));
    let targets = BTreeMap::from([(bench.node.clone(), target)]);
    bench.world = Nodes::new(&targets, secrets().into(), Arc::new(counting.clone()));
    (bench, counting)
}

/// Every how many programs the work is killed: the environment variable that makes other samples larger makes it each.
fn stride() -> usize {
    match std::env::var_os("CLUSTERCTL_TEST_ROUNDS") {
        Some(_) => 1,
        None => 5,
    }
}

/// Does it again and again, killed some programs later each time.
///
/// `torn` is what may be neither old nor new until the next attempt.
fn at_every_instant(torn: &[&str], action: impl Fn(&Bench) -> Action) {
    let killed = (1..200).step_by(stride()).take_while(|count| {
        let (bench, counting) = fresh();
        let action = action(&bench);
        let before = whole(&bench);
        counting.kill_after(*count);
        let outcome = bench.act("step", &action);
        counting.kill_no_more();
        let mut now = whole(&bench);
        let again = bench.act("step", &action);
        let done = whole(&bench);
        if let Err(fault) = again {
            // Only what is never done over something says so when it is done already.
            assert!(fault.what.contains("already"), "{count}: {fault}");
        }
        assert_ne!(done, before, "{count}");
        for name in torn {
            now.insert(bench.path(name), done[&bench.path(name)].clone());
        }
        let hidden = |path: &PathBuf| path.file_name().unwrap().as_encoded_bytes()[0] == b'.';
        let aside = |path: &PathBuf| done.contains_key(path);
        let litter = now.keys().find(|path| hidden(path) && !aside(path));
        assert_eq!(litter, None, "{count}");
        assert!(
            now == done || with(&before, &done, torn) == now,
            "{count}: {now:?}"
        );
        match &action {
            Action::CopyTree { to, .. } => {
                bench
                    .undo("step", &Action::Remove { path: to.clone() })
                    .unwrap();
            }
            Action::WriteFile { path, .. }
            | Action::Link { path, .. }
            | Action::Remove { path } => {
                bench.restore("step", path.local()).unwrap();
            }
            other => panic!("{}", other.kind()),
        }
        let mut undone = whole(&bench);
        undone.retain(|path, _| !path.to_string_lossy().contains(".removed"));
        assert_eq!(undone, before, "{count}");
        outcome.is_err()
    });
    let killed = killed.count();
    assert!((2..199).contains(&killed), "killed {killed} times");
}

/// What was there before, but for these files.
fn with(
    before: &BTreeMap<PathBuf, (u32, Vec<u8>)>,
    done: &BTreeMap<PathBuf, (u32, Vec<u8>)>,
    torn: &[&str],
) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let is_torn = |path: &Path| torn.iter().any(|name| path.ends_with(name));
    let taken = |(path, old): (&PathBuf, &(u32, Vec<u8>))| {
        let value = if is_torn(path) { &done[path] } else { old };
        (path.clone(), value.clone())
    };
    before.iter().map(taken).collect()
}

fn write(bench: &Bench, name: &str) -> Action {
    Action::WriteFile {
        path: bench.remote(name),
        content: vec!["new".into()],
        mode: Some(0o604),
    }
}

#[test]
fn a_file_that_is_replaced() {
    at_every_instant(&[], |bench| write(bench, "a.conf"));
}

#[test]
fn a_file_that_is_new() {
    at_every_instant(&[], |bench| write(bench, "new.conf"));
}

#[test]
fn a_file_that_is_written_in_place() {
    at_every_instant(&["double.conf", "second.conf"], |bench| {
        write(bench, "double.conf")
    });
}

#[test]
fn a_folder_that_is_copied() {
    at_every_instant(&[], |bench| Action::CopyTree {
        from: bench.remote("tree"),
        to: bench.remote("copy"),
        source: manifest_digest(&bench.path("tree")).unwrap(),
    });
}

#[test]
fn a_folder_that_is_taken_away() {
    at_every_instant(&[], |bench| Action::Remove {
        path: remote(&bench.path("tree")),
    });
}

#[test]
fn a_link_that_is_turned() {
    at_every_instant(&[], |bench| Action::Link {
        path: bench.remote("link"),
        target: "v2".to_owned(),
    });
}
