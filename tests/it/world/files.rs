//! Files that change: what they keep, how they come back, and what becomes of them when something goes wrong.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use clusterctl::engine::{Fault, FaultKind};
use clusterctl::plan::{Action, Probe, PropertyEdit, Reading, Value, XmlEdit};
use rustix::fs::{Mode, XattrFlags};

use super::bench::{Bench, CANARY, is_root, remote, secret_value};
use super::manifest::manifest_digest;

fn set(path: &Path, key: &str, value: impl Into<Value>) -> Action {
    Action::EditProperties {
        path: remote(path),
        edits: vec![PropertyEdit::Set {
            key: key.to_owned(),
            value: value.into(),
            line: None,
        }],
        utf8: false,
    }
}

fn write(path: &Path, content: &str, mode: Option<u32>) -> Action {
    Action::WriteFile {
        path: remote(path),
        content: vec![content.into()],
        mode,
    }
}

fn kind_of(result: Result<(), Fault>) -> FaultKind {
    result.unwrap_err().kind
}

/// An access list that lets user 1000 read.
const ACCESS_LIST: &[u8] = &[
    2, 0, 0, 0, //
    1, 0, 6, 0, 255, 255, 255, 255, //
    2, 0, 4, 0, 232, 3, 0, 0, //
    4, 0, 4, 0, 255, 255, 255, 255, //
    16, 0, 4, 0, 255, 255, 255, 255, //
    32, 0, 0, 0, 255, 255, 255, 255,
];

fn attribute(path: &Path, name: &str) -> Vec<u8> {
    let mut value = vec![0; 4096];
    let length = rustix::fs::getxattr(path, name, &mut value[..]).unwrap_or(0);
    value.truncate(length);
    value
}

type Portrait = (Vec<u8>, u32, u32, u32, i64, i64, Vec<u8>, Vec<u8>);

/// Everything about a file but when it was read.
fn portrait(path: &Path) -> Portrait {
    let metadata = fs::metadata(path).unwrap();
    (
        fs::read(path).unwrap(),
        metadata.mode(),
        metadata.uid(),
        metadata.gid(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        attribute(path, "user.note"),
        attribute(path, "system.posix_acl_access"),
    )
}

#[test]
fn properties_change_line_by_line_and_come_back() {
    let bench = Bench::new();
    let path = bench.file(
        "a.properties",
        "# head\r\na=1\r\nb = 2\r\na=3\r\ngone=x\r\n",
    );
    let before = portrait(&path);
    let edits = vec![
        PropertyEdit::Set {
            key: "a".to_owned(),
            value: "9".into(),
            line: Some(4),
        },
        PropertyEdit::Set {
            key: "b".to_owned(),
            value: secret_value(),
            line: None,
        },
        PropertyEdit::Set {
            key: "c".to_owned(),
            value: "ü".into(),
            line: None,
        },
        PropertyEdit::Unset {
            key: "gone".to_owned(),
            line: None,
        },
    ];
    let edit = Action::EditProperties {
        path: remote(&path),
        edits,
        utf8: false,
    };
    bench.act("edit", &edit).unwrap();
    assert_eq!(
        bench.content("a.properties"),
        format!("# head\r\na=1\r\nb = {CANARY}\r\na=9\r\nc=\\u00FC\r\n")
    );
    assert_eq!(bench.stamp("edit"), Reading::text("done"));
    // Done again, it changes nothing and keeps the first backup.
    bench.act("edit", &set(&path, "c", "ü")).unwrap();
    bench.restore("edit", &path).unwrap();
    assert_eq!(portrait(&path), before);
    bench.restore("edit", &path).unwrap();
    assert_eq!(portrait(&path), before);
    assert_eq!(bench.names(), ["a.properties"]);

    let ambiguous = bench.act("other", &set(&path, "a", "5")).unwrap_err();
    assert_eq!(ambiguous.kind, FaultKind::Stale);
    assert!(ambiguous.what.contains("lines 2 and 4"), "{ambiguous}");
    assert_eq!(
        kind_of(bench.act("none", &set(&bench.path("none"), "a", "5"))),
        FaultKind::Stale
    );
    assert_eq!(portrait(&path), before);
}

#[test]
fn an_attribute_of_xml_changes_and_comes_back() {
    let bench = Bench::new();
    let path = bench.file("server.xml", "<Server>\r\n <Host name='a'/>\n</Server>");
    let edit = |name: &str, value: &str| Action::EditXml {
        path: remote(&path),
        edits: vec![XmlEdit {
            element: vec!["Server".to_owned(), format!("Host[name={name}]")],
            attribute: "jvmRoute".to_owned(),
            value: value.into(),
        }],
    };
    bench.act("edit", &edit("a", "n<1")).unwrap();
    let changed = "<Server>\r\n <Host name='a' jvmRoute=\"n&lt;1\"/>\n</Server>";
    assert_eq!(bench.content("server.xml"), changed);
    assert_eq!(
        kind_of(bench.act("other", &edit("b", "x"))),
        FaultKind::Stale
    );
    bench.restore("edit", &path).unwrap();
    assert_eq!(
        bench.content("server.xml"),
        "<Server>\r\n <Host name='a'/>\n</Server>"
    );
    fs::write(&path, "<!DOCTYPE Server><Server/>").unwrap();
    let fault = bench.act("dtd", &edit("a", "x")).unwrap_err();
    assert!(fault.what.contains("document type"), "{fault}");
}

#[test]
fn a_new_file_is_written_and_goes_again() {
    let bench = Bench::new();
    let path = bench.path("new.conf");
    bench.act("write", &write(&path, "x", Some(0o644))).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
    bench.restore("write", &path).unwrap();
    bench.restore("write", &path).unwrap();
    assert_eq!(bench.names(), [""; 0]);
    bench.act("write", &write(&path, "x", None)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    let nowhere = bench.path("no/such/folder");
    assert_eq!(
        kind_of(bench.act("nowhere", &write(&nowhere, "x", None))),
        FaultKind::Failed
    );
}

#[test]
fn a_file_keeps_what_it_has() {
    let bench = Bench::new();
    let path = bench.file("a.conf", "old");
    rustix::fs::setxattr(&path, "user.note", b"kept", XattrFlags::empty()).unwrap();
    rustix::fs::setxattr(
        &path,
        "system.posix_acl_access",
        ACCESS_LIST,
        XattrFlags::empty(),
    )
    .unwrap();
    if is_root() {
        std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4750)).unwrap();
    } else {
        eprintln!("NOT TESTED: owners, because this is not root");
    }
    let before = portrait(&path);
    bench.act("write", &write(&path, "new", None)).unwrap();
    let after = portrait(&path);
    assert_eq!(after.0, b"new");
    assert_eq!((after.1, after.2, after.3), (before.1, before.2, before.3));
    assert_eq!((&after.6, &after.7), (&before.6, &before.7));
    assert!(!after.7.is_empty(), "it has an access list");
    bench.restore("write", &path).unwrap();
    assert_eq!(portrait(&path), before);
    assert_eq!(bench.names(), ["a.conf"]);
}

#[test]
fn access_lists_of_the_folder_do_not_leak_into_the_file() {
    let bench = Bench::new();
    let folder = bench.path("folder");
    fs::create_dir(&folder).unwrap();
    let path = bench.file("folder/a.conf", "old");
    rustix::fs::setxattr(
        &folder,
        "system.posix_acl_default",
        ACCESS_LIST,
        XattrFlags::empty(),
    )
    .unwrap();
    let before = portrait(&path);
    bench.act("write", &write(&path, "new", None)).unwrap();
    assert_eq!(portrait(&path).7, before.7);
}

#[test]
fn links_stay_links() {
    let bench = Bench::new();
    fs::create_dir(bench.path("real")).unwrap();
    let real = bench.file("real/a.properties", "a=1\n");
    let link = bench.path("a.properties");
    symlink("real/a.properties", &link).unwrap();
    bench.act("edit", &set(&link, "a", "2")).unwrap();
    assert_eq!(
        fs::read_link(&link).unwrap(),
        Path::new("real/a.properties")
    );
    assert_eq!(fs::read_to_string(&real).unwrap(), "a=2\n");
    bench.restore("edit", &link).unwrap();
    assert_eq!(
        fs::read_link(&link).unwrap(),
        Path::new("real/a.properties")
    );
    assert_eq!(fs::read_to_string(&real).unwrap(), "a=1\n");
}

#[test]
fn a_file_with_several_names_stays_one_file() {
    let bench = Bench::new();
    let path = bench.file("a.properties", "a=a long value\n");
    let second = bench.path("b.properties");
    fs::hard_link(&path, &second).unwrap();
    let before = portrait(&path);
    for (slug, value) in [("shrink", "1"), ("grow", "a much, much longer value")] {
        bench.act(slug, &set(&path, "a", value)).unwrap();
        assert_eq!(fs::read_to_string(&second).unwrap(), format!("a={value}\n"));
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 2);
    }
    bench.restore("grow", &path).unwrap();
    bench.restore("shrink", &path).unwrap();
    assert_eq!(portrait(&second), before);
}

#[test]
fn only_files_are_edited_and_nothing_is_waited_for() {
    let bench = Bench::new();
    fs::create_dir(bench.path("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        bench.path("pipe"),
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    symlink("loop", bench.path("loop")).unwrap();
    let odd: Vec<(PathBuf, &str)> = vec![
        (bench.path("folder"), "is a folder"),
        (bench.path("pipe"), "is a pipe"),
        (PathBuf::from("/dev/null"), "is a device"),
        (bench.path("loop"), "can't be read"),
    ];
    for (path, what) in odd {
        for action in [set(&path, "a", "1"), write(&path, "x", None)] {
            let fault = bench.act("odd", &action).unwrap_err();
            assert!(fault.what.contains(what), "{fault}");
        }
        let probe = Probe::File {
            path: remote(&path),
            masked: vec![],
        };
        assert!(bench.look(&probe).unwrap_err().what.contains(what));
    }
    let huge = fs::File::create(bench.path("huge")).unwrap();
    huge.set_len((64 << 20) + 1).unwrap();
    let fault = bench
        .act("huge", &set(&bench.path("huge"), "a", "1"))
        .unwrap_err();
    assert!(fault.what.contains("larger than 64 MiB"), "{fault}");
}

#[test]
fn an_immutable_file_is_left_alone() {
    if !is_root() {
        eprintln!("NOT TESTED: immutable files, because this is not root");
        return;
    }
    let bench = Bench::new();
    let path = bench.file("a.conf", "old");
    let file = fs::File::open(&path).unwrap();
    if rustix::fs::ioctl_setflags(&file, rustix::fs::IFlags::IMMUTABLE).is_err() {
        eprintln!("NOT TESTED: immutable files, because this file system has none");
        return;
    }
    let result = bench.act("write", &write(&path, "new", None));
    rustix::fs::ioctl_setflags(&file, rustix::fs::IFlags::empty()).unwrap();
    let fault = result.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Denied);
    assert!(fault.hint.unwrap().contains("immutable"));
    assert_eq!(bench.content("a.conf"), "old");
    assert_eq!(bench.names(), ["a.conf"]);
}

/// A small file system that goes with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let tmpfs = ["-t", "tmpfs", "-o", "size=256k,mode=700", "clusterctl-test"];
        let mounted = std::process::Command::new("mount")
            .args(tmpfs)
            .arg(&path)
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let bench = Bench::new();
    let Some(disk) = SmallDisk::mount(bench.path("disk")) else {
        eprintln!("NOT TESTED: full disks, because nothing can be mounted here");
        return;
    };
    let path = bench.file("disk/a.properties", "a=1\n");
    let double = bench.file("disk/double.properties", "a=1\n");
    fs::hard_link(&double, bench.path("disk/second")).unwrap();
    let tree = bench.path("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("big"), vec![1; 300 << 10]).unwrap();
    let source = manifest_digest(&tree).unwrap();
    let before = (portrait(&path), portrait(&double));
    let large = "x".repeat(300 << 10);
    let copy = Action::CopyTree {
        from: remote(&tree),
        to: bench.remote("disk/tree"),
        source,
    };
    let actions = [
        set(&path, "a", large.as_str()),
        set(&double, "a", large.as_str()),
        write(&path, &large, None),
        write(&bench.path("disk/new"), &large, None),
        copy,
    ];
    for (count, action) in actions.iter().enumerate() {
        let fault = bench.act(&format!("full-{count}"), action).unwrap_err();
        assert_eq!(fault.kind, FaultKind::DiskFull, "{fault}");
        assert_eq!((portrait(&path), portrait(&double)), before);
        let names = super::bench::names(&bench.path("disk"));
        assert_eq!(names, ["a.properties", "double.properties", "second"]);
    }
    drop(disk);
}

#[test]
fn without_room_for_the_backup_nothing_is_begun() {
    let mut bench = Bench::unclaimed();
    let Some(disk) = SmallDisk::mount(bench.path("state")) else {
        eprintln!("NOT TESTED: full disks, because nothing can be mounted here");
        return;
    };
    bench.epoch = bench.claim(&bench.wish()).unwrap();
    let content = format!("a={}\n", "x".repeat(300 << 10));
    let path = bench.file("a.properties", &content);
    let fault = bench.act("edit", &set(&path, "a", "1")).unwrap_err();
    assert_eq!(fault.kind, FaultKind::DiskFull, "{fault}");
    assert_eq!(bench.content("a.properties"), content);
    bench
        .act("small", &write(&bench.path("new"), "x", None))
        .unwrap();
    drop(disk);
}

#[test]
fn a_file_that_is_mounted_is_written_in_place() {
    let bench = Bench::new();
    let source = bench.file("source.properties", "a=1\n");
    let path = bench.file("a.properties", "");
    let bind = |program: &str, arguments: &[&Path]| {
        let status = std::process::Command::new(program).args(arguments).status();
        status.is_ok_and(|status| status.success())
    };
    if !bind("mount", &[Path::new("--bind"), &source, &path]) {
        eprintln!("NOT TESTED: mounted files, because nothing can be mounted here");
        return;
    }
    let edited = bench.act("edit", &set(&path, "a", "2"));
    let content = bench.content("source.properties");
    let restored = bench.restore("edit", &path);
    let after = bench.content("source.properties");
    assert!(bind("umount", &[&path]));
    edited.unwrap();
    restored.unwrap();
    assert_eq!((content.as_str(), after.as_str()), ("a=2\n", "a=1\n"));
    assert_eq!(bench.names(), ["a.properties", "source.properties"]);
}

#[test]
fn without_the_right_to_change_it_a_file_stays() {
    if is_root() {
        eprintln!("NOT TESTED: missing rights, because root has them all");
        return;
    }
    let bench = Bench::new();
    fs::create_dir(bench.path("closed")).unwrap();
    let path = bench.file("closed/a.conf", "old");
    fs::set_permissions(bench.path("closed"), fs::Permissions::from_mode(0o500)).unwrap();
    let fault = bench.act("write", &write(&path, "new", None)).unwrap_err();
    fs::set_permissions(bench.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(fault.kind, FaultKind::Denied);
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn backups_are_for_their_owner_only() {
    let bench = Bench::new();
    let path = bench.path("secret.conf");
    let write = Action::WriteFile {
        path: remote(&path),
        content: vec![secret_value()],
        mode: Some(0o644),
    };
    bench.act("write", &write).unwrap();
    bench
        .act("again", &self::write(&path, "other", None))
        .unwrap();
    let mut folders = vec![bench.path("state")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        assert_eq!(
            fs::metadata(&folder).unwrap().mode() & 0o777,
            0o700,
            "{}",
            folder.display()
        );
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let mode = entry.metadata().unwrap().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                files += usize::from(fs::read(entry.path()).unwrap() == CANARY.as_bytes());
            }
        }
    }
    assert_eq!(files, 1, "the old secret is in the backup");
}

#[test]
fn a_second_attempt_keeps_what_the_first_kept() {
    let bench = Bench::new();
    let path = bench.file("a.properties", "a=1\n");
    bench.act("edit", &set(&path, "a", "2")).unwrap();
    // As if the runner had died before it could write down that it was done.
    bench.act("edit", &set(&path, "a", "2")).unwrap();
    bench.restore("edit", &path).unwrap();
    assert_eq!(bench.content("a.properties"), "a=1\n");
    // Somebody else changed it in between: that is what comes back.
    bench.file("a.properties", "a=1\nb=1\n");
    bench.act("edit", &set(&path, "a", "2")).unwrap();
    bench.restore("edit", &path).unwrap();
    assert_eq!(bench.content("a.properties"), "a=1\nb=1\n");
}

#[test]
fn a_leftover_of_the_same_run_is_cleared_away() {
    let bench = Bench::new();
    let path = bench.file("a.properties", "a=1\n");
    bench.file(&format!(".a.properties.clusterctl-{}", bench.run), "half");
    bench.act("edit", &set(&path, "a", "2")).unwrap();
    assert_eq!(bench.content("a.properties"), "a=2\n");
    assert_eq!(bench.names(), ["a.properties"]);
}

#[test]
fn without_a_backup_nothing_is_put_back() {
    let bench = Bench::new();
    let path = bench.file("a.conf", "x");
    assert_eq!(kind_of(bench.restore("never", &path)), FaultKind::Stale);
    assert_eq!(bench.content("a.conf"), "x");
}

#[test]
fn names_at_the_limit_are_no_trouble() {
    let bench = Bench::new();
    let name = "n".repeat(255);
    let path = bench.file(&name, "a=1\n");
    bench.act("edit", &set(&path, "a", "2")).unwrap();
    bench
        .act(
            "remove",
            &Action::Remove {
                path: remote(&path),
            },
        )
        .unwrap();
    bench.restore("remove", &path).unwrap();
    assert_eq!(bench.content(&name), "a=2\n");
    assert_eq!(bench.names(), [name]);
}
