//! Nodes on which somebody else is at work too, and nodes with other shells and tools than this machine.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use clusterctl::config::NodeName;
use clusterctl::engine::FaultKind;
use clusterctl::plan::{Action, Probe, PropertyEdit, Reading, Sha256, Target};
use clusterctl::remote::{BackEnd, Exit, Host, Line, LocalHost, Patience, RemoteError, Streams};
use clusterctl::world::{Connect, Nodes};

use super::bench::{Bench, remote, secrets};
use super::manifest::manifest_digest;

type Change = Box<dyn Fn(&[String]) -> Option<Vec<String>> + Send + Sync>;

/// This machine, with something that happens to every command before it runs.
#[derive(Clone)]
struct Strange(Arc<Change>);

impl Connect for Strange {
    fn connect(&self, _: &NodeName, _: &Patience<'_>) -> Result<Arc<dyn Host>, RemoteError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Host for Strange {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let line = match (self.0)(line.words()) {
            Some(words) => Line::new(words).unwrap(),
            None => line.clone(),
        };
        LocalHost::new().exec(&line, streams, patience)
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Local
    }
}

/// A bench whose node is reached by way of this.
fn bench(change: Change) -> Bench {
    let mut bench = Bench::new();
    let target = Target::at("local", bench.remote("state"));
    let targets = BTreeMap::from([(bench.node.clone(), target)]);
    bench.world = Nodes::new(&targets, secrets().into(), Arc::new(Strange(change.into())));
    bench
}

/// A bench on which this happens once, between the look at a file and the work on it.
fn meddled(happens: impl FnOnce() + Send + 'static) -> Bench {
    let happens = Mutex::new(Some(happens));
    bench(Box::new(move |words| {
        let script = words.iter().position(|word| word == "clusterctl-files");
        let verb = script.and_then(|at| words.get(at + 1));
        let works = verb.is_some_and(|verb| ["put", "link", "copy-tree"].contains(&&**verb));
        if works && let Some(happens) = happens.lock().unwrap().take() {
            happens();
        }
        None
    }))
}

fn set(path: &Path, value: &str) -> Action {
    Action::EditProperties {
        path: remote(path),
        edits: vec![PropertyEdit::Set {
            key: "a".to_owned(),
            value: value.into(),
            line: None,
        }],
        utf8: false,
    }
}

#[test]
fn what_somebody_else_changed_since_it_was_read_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.properties");
    let other = folder.path().join("b.properties");
    let changes: [fn(&Path, &Path); 5] = [
        |path, _| fs::write(path, "a=theirs\n").unwrap(),
        |path, other| fs::rename(other, path).unwrap(),
        |path, _| fs::set_permissions(path, fs::Permissions::from_mode(0o604)).unwrap(),
        |path, _| fs::remove_file(path).unwrap(),
        |path, other| {
            fs::remove_file(path).unwrap();
            symlink(other, path).unwrap();
        },
    ];
    for (count, change) in changes.into_iter().enumerate() {
        let _ = fs::remove_file(&path);
        fs::write(&path, "a=1\n").unwrap();
        fs::write(&other, "a=2\n").unwrap();
        let (at, beside) = (path.clone(), other.clone());
        let bench = meddled(move || change(&at, &beside));
        let fault = bench.act("edit", &set(&path, "ours")).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Stale, "{count}: {fault}");
        assert!(fault.what.contains("at the same time"), "{count}: {fault}");
        let now = fs::read_to_string(&path).unwrap_or_default();
        assert!(!now.contains("ours"), "{count}: {now}");
        let names = super::bench::names(folder.path());
        assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
    }
}

#[test]
fn what_appeared_in_the_meantime_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.conf");
    let at = path.clone();
    let bench = meddled(move || fs::write(&at, "theirs").unwrap());
    let write = Action::WriteFile {
        path: remote(&path),
        content: vec!["ours".into()],
        mode: None,
    };
    let fault = bench.act("write", &write).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Stale, "{fault}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(super::bench::names(folder.path()), ["new.conf"]);

    let link = folder.path().join("link");
    let at = link.clone();
    let bench = meddled(move || symlink("theirs", at).unwrap());
    let ours = Action::Link {
        path: remote(&link),
        target: "ours".to_owned(),
    };
    let fault = bench.act("link", &ours).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Stale, "{fault}");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("theirs"));
}

#[test]
fn a_folder_that_changes_before_it_is_copied_is_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    fs::create_dir(&from).unwrap();
    fs::write(from.join("a"), "1").unwrap();
    let source = manifest_digest(&from).unwrap();
    let at = from.join("a");
    let bench = meddled(move || fs::write(at, "2").unwrap());
    let copy = Action::CopyTree {
        from: remote(&from),
        to: remote(&folder.path().join("to")),
        source,
    };
    let fault = bench.act("copy", &copy).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Stale, "{fault}");
    assert!(
        fault.what.contains("changed while it was copied"),
        "{fault}"
    );
    assert_eq!(super::bench::names(folder.path()), ["from"]);
}

/// A bench whose node has this `/bin/sh`, and finds these programs before all others.
fn with_shell(shell: PathBuf, programs: Option<PathBuf>) -> Bench {
    bench(Box::new(move |words| {
        let shell = shell.to_str().unwrap();
        let words = words.iter().map(|word| match word.as_str() {
            "/bin/sh" => shell.to_owned(),
            _ => word.clone(),
        });
        let path = programs
            .as_ref()
            .map_or("/usr/bin:/bin", |path| path.to_str().unwrap());
        let odd = [
            "LC_ALL=tr_TR.UTF-8",
            "POSIXLY_CORRECT=1",
            "CDPATH=/",
            "TMPDIR=/none",
        ];
        let environment = ["/usr/bin/env".to_owned(), format!("PATH={path}")];
        let environment = environment.into_iter().chain(odd.map(str::to_owned));
        Some(environment.chain(words).collect())
    }))
}

/// Everything that is done to files, and back again.
fn there_and_back(bench: &Bench) {
    let file = bench.file("a b\n'.properties", "a=1\n");
    let double = bench.file("double.properties", "a=1\n");
    fs::hard_link(&double, bench.path("second")).unwrap();
    let tree = bench.path("tree");
    fs::create_dir_all(tree.join("sub -x/empty")).unwrap();
    fs::write(tree.join("-n\n"), "x").unwrap();
    fs::set_permissions(tree.join("-n\n"), fs::Permissions::from_mode(0o751)).unwrap();
    symlink("../no where", tree.join("sub -x/link")).unwrap();
    let digest = manifest_digest(&tree).unwrap();
    let look = |name: &str| {
        let path = bench.remote(name);
        bench.look(&Probe::Tree { path }).unwrap()
    };
    assert_eq!(look("tree"), Reading::Digest(digest.clone()));

    bench.act("edit", &set(&file, "2")).unwrap();
    bench
        .act("double", &set(&double, "a longer value"))
        .unwrap();
    assert_eq!(bench.content("a b\n'.properties"), "a=2\n");
    assert_eq!(bench.content("second"), "a=a longer value\n");
    let copy = Action::CopyTree {
        from: remote(&tree),
        to: bench.remote("copy"),
        source: digest.clone(),
    };
    bench.act("copy", &copy).unwrap();
    assert_eq!(look("copy"), Reading::Digest(digest.clone()));
    let link = Action::Link {
        path: bench.remote("link"),
        target: "v1".to_owned(),
    };
    bench.act("link", &link).unwrap();
    bench
        .act(
            "keep",
            &Action::BackUp {
                path: remote(&tree),
            },
        )
        .unwrap();
    bench
        .act(
            "remove",
            &Action::Remove {
                path: remote(&tree),
            },
        )
        .unwrap();
    let move_it = |from: &str, to: &str| Action::MoveTree {
        from: bench.remote(from),
        to: bench.remote(to),
    };
    bench.act("move", &move_it("copy", "moved")).unwrap();

    bench.undo("move", &move_it("moved", "copy")).unwrap();
    bench
        .undo(
            "copy",
            &Action::Remove {
                path: bench.remote("copy"),
            },
        )
        .unwrap();
    bench.restore("remove", &tree).unwrap();
    fs::write(tree.join("more"), "").unwrap();
    bench.restore("keep", &tree).unwrap();
    bench.restore("link", &bench.path("link")).unwrap();
    bench.restore("double", &double).unwrap();
    bench.restore("edit", &file).unwrap();
    assert_eq!(look("tree"), Reading::Digest(digest));
    assert_eq!(bench.content("second"), "a=1\n");
    let probe = Probe::File {
        path: remote(&file),
        masked: vec![],
    };
    assert_eq!(
        bench.look(&probe).unwrap(),
        Reading::Digest(Sha256::of("a=1\n"))
    );
    let names = bench.names();
    let aside = names.iter().filter(|name| name.starts_with('.'));
    assert_eq!(
        aside.count(),
        2,
        "what was taken away, and what was put back over: {names:?}"
    );
}

#[test]
fn every_shell_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["dash", "bash", "ksh", "busybox"] {
        let sh = folder.path().join(shell).join("sh");
        fs::create_dir(sh.parent().unwrap()).unwrap();
        symlink(Path::new("/usr/bin").join(shell), &sh).unwrap();
        there_and_back(&with_shell(sh, None));
    }
}

#[test]
fn the_tools_of_busybox_do() {
    let folder = tempfile::tempdir().unwrap();
    let installed = std::process::Command::new("busybox")
        .args(["--install", "-s"])
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(installed.success());
    there_and_back(&with_shell(
        folder.path().join("sh"),
        Some(folder.path().to_owned()),
    ));
}
