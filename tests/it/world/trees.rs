//! Folders and names: copied, moved, linked, taken away, kept, put back.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use clusterctl::engine::FaultKind;
use clusterctl::plan::{Action, Probe, Reading, Sha256};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

use super::bench::{Bench, is_root, names, remote};
use super::manifest::manifest_digest;

/// A folder with one of everything.
fn plant(bench: &Bench, name: &str) -> (PathBuf, Sha256) {
    let tree = bench.path(name);
    fs::create_dir_all(tree.join("sub/empty")).unwrap();
    fs::write(tree.join("file"), "content").unwrap();
    fs::set_permissions(tree.join("file"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::hard_link(tree.join("file"), tree.join("sub/second")).unwrap();
    symlink("../file", tree.join("sub/link")).unwrap();
    symlink("sub", tree.join("sub/loop")).unwrap();
    symlink(tree.join("sub"), tree.join("sub/up")).unwrap();
    fs::write(tree.join("line\nbreak"), "").unwrap();
    fs::write(tree.join(".hidden"), "h").unwrap();
    rustix::fs::setxattr(tree.join("file"), "user.note", b"n", XattrFlags::empty()).unwrap();
    let sparse = fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (1 << 20) - 3).unwrap();
    rustix::fs::mknodat(CWD, tree.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    if is_root() {
        std::os::unix::fs::chown(tree.join("sub"), Some(1234), Some(4321)).unwrap();
        std::os::unix::fs::lchown(tree.join("sub/link"), Some(1234), Some(4321)).unwrap();
    } else {
        eprintln!("NOT TESTED: owners, because this is not root");
    }
    fs::set_permissions(tree.join("sub/empty"), fs::Permissions::from_mode(0o2555)).unwrap();
    for path in ["sub/link", "sub/empty", "file", "sub"] {
        let time = Timespec {
            tv_sec: 1_000_000_000,
            tv_nsec: 123_456_789,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, tree.join(path), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    let digest = manifest_digest(&tree).unwrap();
    (tree, digest)
}

/// Everything about everything in a folder.
fn portrait(tree: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = folder.join(&name);
            let found = fs::symlink_metadata(&path).unwrap();
            let content = if found.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if found.is_file() {
                let mut note = [0; 8];
                let noted = rustix::fs::getxattr(&path, "user.note", &mut note[..]).unwrap_or(0);
                format!("{} {noted}", Sha256::of(fs::read(&path).unwrap()))
            } else {
                String::new()
            };
            let within = path.strip_prefix(tree).unwrap().display();
            all.push(format!(
                "{within:?} {:o} {} {} {}.{} {} {content}",
                found.mode(),
                found.uid(),
                found.gid(),
                found.mtime(),
                found.mtime_nsec(),
                found.nlink(),
            ));
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    all.sort();
    all
}

fn copy(from: &Path, to: &Path, source: &Sha256) -> Action {
    Action::CopyTree {
        from: remote(from),
        to: remote(to),
        source: source.clone(),
    }
}

#[test]
fn a_copy_is_like_its_original_in_everything() {
    let bench = Bench::new();
    let (tree, digest) = plant(&bench, "tree");
    let to = bench.path("copy");
    bench.act("copy", &copy(&tree, &to, &digest)).unwrap();
    assert_eq!(portrait(&to), portrait(&tree));
    assert_eq!(
        fs::metadata(to.join("sub/second")).unwrap().ino(),
        fs::metadata(to.join("file")).unwrap().ino()
    );
    assert!(
        fs::metadata(to.join("sparse")).unwrap().blocks() < 1000,
        "holes stay holes"
    );
    let probe = |path: &Path| bench.look(&Probe::Tree { path: remote(path) }).unwrap();
    assert_eq!(probe(&to), Reading::Digest(digest.clone()));
    assert_eq!(bench.names(), ["copy", "tree"]);

    // Taking it back.
    bench
        .undo("copy", &Action::Remove { path: remote(&to) })
        .unwrap();
    assert_eq!(probe(&to), Reading::Absent);
    // A leftover is cleared away, whatever is in it.
    let stage = bench.path(&format!(".copy.clusterctl-{}", bench.run));
    fs::create_dir(&stage).unwrap();
    fs::write(stage.join("half"), "").unwrap();
    bench.act("copy", &copy(&tree, &to, &digest)).unwrap();
    assert_eq!(portrait(&to), portrait(&tree));
    assert!(!stage.exists());
}

#[test]
fn a_copy_is_whole_or_is_not() {
    let bench = Bench::new();
    let (tree, digest) = plant(&bench, "tree");
    let fault = |slug: &str, action: &Action| bench.act(slug, action).unwrap_err();
    let to = bench.path("copy");

    fs::write(bench.path("file"), "in the way").unwrap();
    assert_eq!(
        fault("taken", &copy(&tree, &bench.path("file"), &digest)).kind,
        FaultKind::Stale
    );
    let inside = fault("inside", &copy(&tree, &tree.join("sub/new"), &digest));
    assert!(
        inside.what.contains("the folder that is copied"),
        "{inside}"
    );
    assert_eq!(
        fault("none", &copy(&bench.path("none"), &to, &digest)).kind,
        FaultKind::Stale
    );
    assert_eq!(
        fault("nowhere", &copy(&tree, &bench.path("no/copy"), &digest)).kind,
        FaultKind::Failed
    );

    fs::write(tree.join("file"), "changed").unwrap();
    let stale = fault("stale", &copy(&tree, &to, &digest));
    assert_eq!(stale.kind, FaultKind::Stale);
    let digest = manifest_digest(&tree).unwrap();

    let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
    let socket = fault(
        "socket",
        &copy(&tree, &to, &manifest_digest(&tree).unwrap()),
    );
    assert!(socket.what.contains("is a socket or a device"), "{socket}");
    fs::remove_file(tree.join("socket")).unwrap();

    bench.cancel.cancel();
    let cancelled = fault("cancelled", &copy(&tree, &to, &digest));
    assert_eq!(cancelled.kind, FaultKind::Cancelled);
    assert_eq!(bench.names(), ["file", "tree"]);
}

#[test]
fn manifests_tell_what_matters_and_nothing_else() {
    let bench = Bench::new();
    let (tree, digest) = plant(&bench, "tree");
    let look = |path: &Path| bench.look(&Probe::Tree { path: remote(path) });
    let now = || match look(&tree).unwrap() {
        Reading::Digest(digest) => digest,
        other => panic!("{other}"),
    };
    let file = fs::File::options()
        .write(true)
        .open(tree.join("file"))
        .unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(now(), digest, "times are no part of it");
    let changes: [&dyn Fn(); 6] = [
        &|| fs::write(tree.join("file"), "c0ntent").unwrap(),
        &|| fs::set_permissions(tree.join("file"), fs::Permissions::from_mode(0o600)).unwrap(),
        &|| fs::remove_dir(tree.join("sub/empty")).unwrap(),
        &|| {
            fs::remove_file(tree.join("sub/link")).unwrap();
            symlink("../fil", tree.join("sub/link")).unwrap();
        },
        &|| fs::rename(tree.join(".hidden"), tree.join(".Hidden")).unwrap(),
        &|| fs::write(tree.join("sub/new"), "").unwrap(),
    ];
    let mut seen = vec![digest];
    for change in changes {
        change();
        let now = now();
        assert!(!seen.contains(&now));
        seen.push(now);
    }
    let fault = look(&tree.join("file")).unwrap_err();
    assert!(fault.what.contains("is not a folder"), "{fault}");
    assert_eq!(look(&tree.join("none")), Ok(Reading::Absent));
}

#[test]
fn things_move_to_where_nothing_is() {
    let bench = Bench::new();
    let (tree, _) = plant(&bench, "tree");
    let before = portrait(&tree);
    let to = bench.path("moved");
    let mv = |from: &Path, to: &Path| Action::MoveTree {
        from: remote(from),
        to: remote(to),
    };
    bench.act("move", &mv(&tree, &to)).unwrap();
    assert_eq!(portrait(&to), before);
    bench.undo("move", &mv(&to, &tree)).unwrap();
    assert_eq!(portrait(&tree), before);
    fs::create_dir(&to).unwrap();
    assert_eq!(
        bench.act("taken", &mv(&tree, &to)).unwrap_err().kind,
        FaultKind::Stale
    );
    assert_eq!(
        bench
            .act("none", &mv(&bench.path("none"), &tree.join("x")))
            .unwrap_err()
            .kind,
        FaultKind::Stale
    );
    let elsewhere = Path::new("/dev/shm").join(format!("clusterctl-test-{}", std::process::id()));
    let fault = bench.act("far", &mv(&tree, &elsewhere)).unwrap_err();
    assert!(fault.what.contains("different file systems"), "{fault}");
    assert_eq!(fault.hint.as_deref(), Some("copy it instead"));
    assert_eq!(portrait(&tree), before);
}

#[test]
fn links_are_made_turned_and_turned_back() {
    let bench = Bench::new();
    let path = bench.path("current");
    let link = |target: &str| Action::Link {
        path: remote(&path),
        target: target.to_owned(),
    };
    let target = || fs::read_link(&path).unwrap();
    bench.act("make", &link("v1")).unwrap();
    assert_eq!(target(), Path::new("v1"));
    bench.act("turn", &link("v2")).unwrap();
    bench.act("turn", &link("v2")).unwrap();
    assert_eq!(target(), Path::new("v2"));
    assert_eq!(
        bench
            .look(&Probe::Path {
                path: remote(&path)
            })
            .unwrap(),
        Reading::text("link v2")
    );
    bench.restore("turn", &path).unwrap();
    bench.restore("turn", &path).unwrap();
    assert_eq!(target(), Path::new("v1"));
    bench.restore("make", &path).unwrap();
    assert_eq!(bench.names(), [""; 0]);
    bench.file("current", "a file");
    assert_eq!(
        bench.act("file", &link("v1")).unwrap_err().kind,
        FaultKind::Stale
    );
    assert_eq!(bench.content("current"), "a file");
}

#[test]
fn what_was_taken_away_comes_back() {
    let bench = Bench::new();
    let (tree, _) = plant(&bench, "tree");
    let before = portrait(&tree);
    let remove = Action::Remove {
        path: remote(&tree),
    };
    bench.act("remove", &remove).unwrap();
    assert!(!tree.exists());
    let aside = format!(".tree.clusterctl-{}.removed", bench.run);
    assert_eq!(bench.names(), std::slice::from_ref(&aside));
    // A second attempt finds it done.
    bench.act("remove", &remove).unwrap();
    bench.restore("remove", &tree).unwrap();
    bench.restore("remove", &tree).unwrap();
    assert_eq!(portrait(&tree), before);
    // Something new in its place is not overwritten.
    bench.act("remove", &remove).unwrap();
    fs::write(&tree, "new").unwrap();
    assert_eq!(
        bench.restore("remove", &tree).unwrap_err().kind,
        FaultKind::Stale
    );
    bench.act("remove-new", &remove).unwrap();
    assert_eq!(bench.names(), [aside.clone(), format!("{aside}-2")]);
    assert_eq!(
        bench.act("none", &remove).unwrap_err().kind,
        FaultKind::Stale
    );
    bench.restore("remove", &tree).unwrap();
    assert_eq!(portrait(&tree), before);
}

#[test]
fn files_and_folders_are_kept_and_put_back() {
    let bench = Bench::new();
    let (tree, digest) = plant(&bench, "tree");
    let before = portrait(&tree);
    let keep = |path: &Path| Action::BackUp { path: remote(path) };
    let kept = |slug: &str| {
        bench
            .look(&Probe::Backup {
                backup: bench.backup(slug),
            })
            .unwrap()
    };
    assert_eq!(kept("tree"), Reading::Absent);
    bench.act("tree", &keep(&tree)).unwrap();
    bench.act("tree", &keep(&tree)).unwrap();
    assert_eq!(kept("tree"), Reading::Digest(digest));
    fs::write(tree.join("file"), "changed").unwrap();
    fs::remove_dir(tree.join("sub/empty")).unwrap();
    bench.restore("tree", &tree).unwrap();
    bench.restore("tree", &tree).unwrap();
    assert_eq!(portrait(&tree), before);
    fs::rename(&tree, bench.path("away")).unwrap();
    bench.restore("tree", &tree).unwrap();
    assert_eq!(portrait(&tree), before);

    let file = bench.file("a.conf", "kept");
    bench.act("file", &keep(&file)).unwrap();
    assert_eq!(kept("file"), Reading::Digest(Sha256::of("kept")));
    fs::remove_file(&file).unwrap();
    bench.restore("file", &file).unwrap();
    assert_eq!(bench.content("a.conf"), "kept");
    assert_eq!(
        bench
            .act("none", &keep(&bench.path("none")))
            .unwrap_err()
            .kind,
        FaultKind::Stale
    );
}
