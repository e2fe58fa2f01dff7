//! Everything that is done to files, done twice, taken back, and taken back twice.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use clusterctl::plan::{Action, Probe, PropertyEdit, Reading};
use rustix::fs::XattrFlags;

use super::bench::{Bench, CANARY, is_root, remote, secret_value};
use super::manifest::manifest_digest;

/// A folder with one of everything, and names of every kind.
fn plant(bench: &Bench) -> PathBuf {
    let tree = bench.path("tree");
    fs::create_dir_all(tree.join("sub/empty")).unwrap();
    let names: [&[u8]; 9] = [
        b"-n",
        b"a b",
        b"line\nbreak",
        b"back\\slash",
        b"car\rriage",
        b"\xff\xfe",
        b"'\"$(x)`*?[",
        b"a",
        b"a!",
    ];
    for name in names {
        let name = OsStr::from_bytes(name);
        fs::write(tree.join(name), name.as_bytes()).unwrap();
        fs::create_dir(tree.join("sub").join(name)).unwrap();
        fs::write(tree.join("sub").join(name).join(name), "").unwrap();
        symlink(name, tree.join("sub/empty").join(name)).unwrap();
    }
    fs::create_dir(tree.join("a-folder")).unwrap();
    fs::write(tree.join("a-folder/x"), "x").unwrap();
    fs::set_permissions(tree.join("a"), fs::Permissions::from_mode(0o4711)).unwrap();
    tree
}

#[test]
fn trees_have_one_fingerprint() {
    let bench = Bench::unclaimed();
    let tree = plant(&bench);
    let look = |path: &Path| bench.look(&Probe::Tree { path: remote(path) }).unwrap();
    let digest = |path: &Path| Reading::Digest(manifest_digest(path).unwrap());
    assert_eq!(look(&tree), digest(&tree));
    symlink("tree", bench.path("link")).unwrap();
    assert_eq!(look(&bench.path("link")), digest(&tree));
    fs::create_dir(bench.path("empty")).unwrap();
    assert_eq!(look(&bench.path("empty")), digest(&bench.path("empty")));
    assert_eq!(look(&bench.path("none")), Reading::Absent);
}

#[test]
fn what_was_done_twice_is_taken_back_twice() {
    let bench = Bench::new();
    let tree = plant(&bench);
    let file = bench.file("a.properties", "a=1\n");
    rustix::fs::setxattr(&file, "user.note", b"n\0\xff", XattrFlags::empty()).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
    }
    let double = bench.file("double.properties", "a=1\n");
    fs::hard_link(&double, bench.path("second")).unwrap();
    symlink("v1", bench.path("current")).unwrap();
    let edit = |path: &Path| Action::EditProperties {
        path: remote(path),
        edits: vec![PropertyEdit::Set {
            key: "a".to_owned(),
            value: secret_value(),
            line: None,
        }],
        utf8: false,
    };
    let write = |name: &str| Action::WriteFile {
        path: bench.remote(name),
        content: vec!["x".into()],
        mode: Some(0o604),
    };
    let link = |name: &str| Action::Link {
        path: bench.remote(name),
        target: "v2 '\\\n".to_owned(),
    };
    let actions = [
        ("edit", file.clone(), edit(&file)),
        ("double", double.clone(), edit(&double)),
        ("write", bench.path("new"), write("new")),
        ("mode", file.clone(), write("a.properties")),
        ("turn", bench.path("current"), link("current")),
        ("link", bench.path("fresh"), link("fresh")),
        (
            "keep",
            tree.clone(),
            Action::BackUp {
                path: remote(&tree),
            },
        ),
        (
            "save",
            file.clone(),
            Action::BackUp {
                path: remote(&file),
            },
        ),
        (
            "remove",
            tree.clone(),
            Action::Remove {
                path: remote(&tree),
            },
        ),
    ];
    let before = whole(&bench);
    for (slug, path, action) in &actions {
        let probes = || {
            let backup = bench.backup(slug);
            let kept = Probe::Backup {
                backup: backup.clone(),
            };
            let as_kept = Probe::AsKept {
                path: remote(path),
                backup,
            };
            let here = Probe::Path { path: remote(path) };
            [kept, as_kept, here].map(|probe| bench.look(&probe).unwrap())
        };
        let was = probes();
        bench.act(slug, action).unwrap();
        assert_ne!(probes(), was, "{slug}");
        // Done again, it does no more.
        let done = whole(&bench);
        bench.act(slug, action).unwrap();
        assert_eq!(whole(&bench), done, "{slug}");
        assert_ne!(probes(), was, "{slug}");
    }
    for (slug, path, _) in actions.iter().rev() {
        let restore = Action::Restore {
            path: remote(path),
            backup: bench.backup(slug),
        };
        bench.undo(slug, &restore).unwrap();
        let undone = whole(&bench);
        bench.undo(slug, &restore).unwrap();
        assert_eq!(whole(&bench), undone, "{slug}");
    }
    assert_eq!(whole(&bench), before);
}

/// Everything about everything besides the node's folder.
fn whole(bench: &Bench) -> Vec<String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut all = Vec::new();
    let mut folders = vec![bench.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path == bench.path("state") {
                continue;
            }
            let found = path.symlink_metadata().unwrap();
            let content = if found.is_dir() {
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
            let mut note = [0; 9];
            let noted = rustix::fs::lgetxattr(&path, "user.note", &mut note[..]).unwrap_or(0);
            let (mode, uid, gid) = (found.mode(), found.uid(), found.gid());
            // A folder's time changes with the names in it, and a link that is turned back is a new one.
            let time = if found.is_file() {
                found.mtime_nsec()
            } else {
                0
            };
            all.push(format!(
                "{path:?} {mode:o} {uid}:{gid} {time} {:?} {:?}",
                &note[..noted],
                String::from_utf8_lossy(&content)
            ));
        }
    }
    all.sort();
    all
}

#[test]
fn what_a_run_left_is_found_and_cleared_away() {
    let bench = Bench::new();
    let tree = plant(&bench);
    let file = bench.file("a.conf", "x");
    let write = Action::WriteFile {
        path: remote(&file),
        content: vec![secret_value()],
        mode: None,
    };
    let remove = Action::Remove {
        path: remote(&tree),
    };
    bench.act("write", &write).unwrap();
    bench.act("remove", &remove).unwrap();
    let (node, run) = (&bench.node, &bench.run);
    let left = bench.world.leftovers(node, run).unwrap();
    assert_eq!(left.paths.len(), 2);
    assert!(left.bytes > 0);
    assert_eq!(bench.world.leftovers(node, run).unwrap(), left);
    assert_eq!(bench.world.clear(node, run).unwrap(), left);
    assert_eq!(bench.names(), ["a.conf"]);
    assert_eq!(bench.content("a.conf"), CANARY);
    let nothing = bench.world.leftovers(node, run).unwrap();
    assert!(nothing.paths.is_empty());
}
