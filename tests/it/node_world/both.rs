//! What the world of this machine did, the world of nodes elsewhere can undo, and the other way round.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use clusterctl::engine::{Direction, Fault, Look, World};
use clusterctl::plan::{Action, Millis, Probe, PropertyEdit, Reading};
use clusterctl::world::{LocalWorld, manifest_digest};
use rustix::fs::XattrFlags;

use super::bench::{Bench, CANARY, is_root, remote, secret_value, secrets, step};

/// The same node by way of both worlds.
struct Two {
    bench: Bench,
    local: LocalWorld,
}

impl Two {
    fn new() -> Self {
        let bench = Bench::new();
        let target = clusterctl::plan::Target::at("local", bench.remote("state"));
        let targets = [(bench.node.clone(), target)];
        let local = LocalWorld::new(&targets.into(), secrets().into());
        Self { bench, local }
    }

    fn world(&self, local: bool) -> &dyn World {
        if local {
            &self.local
        } else {
            &self.bench.world
        }
    }

    fn perform(&self, local: bool, slug: &str, way: Direction, what: &Action) -> Result<(), Fault> {
        let step = step(slug);
        let call = self.bench.call(&step, way, Millis::secs(30));
        self.world(local).perform(&call, what)
    }

    /// What both find, which must be the same.
    fn look(&self, probe: &Probe) -> Reading {
        let look = Look {
            node: &self.bench.node,
            run: &self.bench.run,
            timeout: Millis::secs(30),
        };
        let [local, node] = [true, false].map(|local| self.world(local).observe(&look, probe));
        assert_eq!(local, node, "{probe}");
        local.unwrap()
    }
}

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
    let two = Two::new();
    let tree = plant(&two.bench);
    let probe = |path: &Path| Probe::Tree { path: remote(path) };
    let digest = manifest_digest(&tree).unwrap().unwrap();
    assert_eq!(two.look(&probe(&tree)), Reading::Digest(digest));
    symlink("tree", two.bench.path("link")).unwrap();
    two.look(&probe(&two.bench.path("link")));
    fs::create_dir(two.bench.path("empty")).unwrap();
    two.look(&probe(&two.bench.path("empty")));
    assert_eq!(two.look(&probe(&two.bench.path("none"))), Reading::Absent);
}

#[test]
fn what_one_world_did_the_other_undoes() {
    for first in [true, false] {
        let two = Two::new();
        let tree = plant(&two.bench);
        let file = two.bench.file("a.properties", "a=1\n");
        rustix::fs::setxattr(&file, "user.note", b"n\0\xff", XattrFlags::empty()).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
        }
        let double = two.bench.file("double.properties", "a=1\n");
        fs::hard_link(&double, two.bench.path("second")).unwrap();
        symlink("v1", two.bench.path("current")).unwrap();
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
            path: two.bench.remote(name),
            content: vec!["x".into()],
            mode: Some(0o604),
        };
        let link = |name: &str| Action::Link {
            path: two.bench.remote(name),
            target: "v2 '\\\n".to_owned(),
        };
        let actions = [
            ("edit", file.clone(), edit(&file)),
            ("double", double.clone(), edit(&double)),
            ("write", two.bench.path("new"), write("new")),
            ("mode", file.clone(), write("a.properties")),
            ("turn", two.bench.path("current"), link("current")),
            ("link", two.bench.path("fresh"), link("fresh")),
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
        let before = whole(&two.bench);
        let mut states = Vec::new();
        for (slug, path, action) in &actions {
            let probes = |two: &Two| {
                let backup = two.bench.backup(slug);
                let kept = Probe::Backup {
                    backup: backup.clone(),
                };
                let as_kept = Probe::AsKept {
                    path: remote(path),
                    backup,
                };
                let here = Probe::Path { path: remote(path) };
                [kept, as_kept, here].map(|probe| two.look(&probe))
            };
            let was = probes(&two);
            two.perform(first, slug, Direction::Do, action).unwrap();
            assert_ne!(probes(&two), was, "{slug}");
            // Done again by the other world, it does no more.
            let done = whole(&two.bench);
            two.perform(!first, slug, Direction::Do, action).unwrap();
            assert_eq!(whole(&two.bench), done, "{slug}");
            states.push((slug, path, probes(&two)));
        }
        for (slug, path, _) in states.iter().rev() {
            let restore = Action::Restore {
                path: remote(path),
                backup: two.bench.backup(slug),
            };
            two.perform(!first, slug, Direction::Undo, &restore)
                .unwrap();
            let undone = whole(&two.bench);
            two.perform(first, slug, Direction::Undo, &restore).unwrap();
            assert_eq!(whole(&two.bench), undone, "{slug}");
        }
        assert_eq!(whole(&two.bench), before);
    }
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
fn both_worlds_find_and_clear_the_same_leftovers() {
    for first in [true, false] {
        let two = Two::new();
        let tree = plant(&two.bench);
        let file = two.bench.file("a.conf", "x");
        let write = Action::WriteFile {
            path: remote(&file),
            content: vec![secret_value()],
            mode: None,
        };
        let remove = Action::Remove {
            path: remote(&tree),
        };
        two.perform(first, "write", Direction::Do, &write).unwrap();
        two.perform(first, "remove", Direction::Do, &remove)
            .unwrap();
        let (node, run) = (&two.bench.node, &two.bench.run);
        let left = two.local.leftovers(node, run).unwrap();
        assert_eq!(left.paths.len(), 2);
        assert_eq!(two.bench.world.leftovers(node, run).unwrap(), left);
        let cleared = if first {
            two.bench.world.clear(node, run)
        } else {
            two.local.clear(node, run)
        };
        assert_eq!(cleared.unwrap(), left);
        assert_eq!(two.bench.names(), ["a.conf"]);
        assert_eq!(two.bench.content("a.conf"), CANARY);
        let nothing = two.bench.world.leftovers(node, run).unwrap();
        assert_eq!(nothing, two.local.leftovers(node, run).unwrap());
        assert!(nothing.paths.is_empty());
    }
}
