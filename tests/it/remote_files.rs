//! Files by way of commands, with the tools of GNU and of busybox.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clusterctl::remote::{
    BackEnd, Exit, FileError, FileErrorKind, Files, Host, Kind, Line, LocalHost, OnlyIf, Patience,
    RemoteError, RemoteErrorKind, Streams, Writing,
};

const LONG: Duration = Duration::from_mins(2);

fn patience() -> Patience<'static> {
    Patience::unbroken(LONG)
}

/// This machine with other tools, or as somebody else.
struct Otherwise {
    before: Vec<String>,
    instead_of_sh: Option<&'static [&'static str]>,
}

impl Host for Otherwise {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let mut words = self.before.clone();
        let rest = match self.instead_of_sh {
            Some(shell) if line.words()[0] == "/bin/sh" => {
                words.extend(shell.iter().map(ToString::to_string));
                &line.words()[1..]
            }
            _ => line.words(),
        };
        words.extend(rest.iter().cloned());
        LocalHost::new().exec(&Line::new(words).unwrap(), streams, patience)
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Local
    }
}

/// The tools of busybox in a folder, and nothing else.
fn busybox(folder: &Path) -> Otherwise {
    let out = std::process::Command::new("busybox").arg("--list").output();
    let out = out.expect("these tests need busybox: see `.ci/install`");
    let busybox = "/bin/busybox:/usr/bin/busybox"
        .split(':')
        .find(|path| Path::new(path).exists());
    for applet in String::from_utf8(out.stdout).unwrap().lines() {
        symlink(busybox.unwrap(), folder.join(applet)).unwrap();
    }
    Otherwise {
        before: vec![
            "/usr/bin/env".into(),
            format!("PATH={}", folder.to_str().unwrap()),
        ],
        instead_of_sh: Some(&["sh"]),
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Somebody who may little.
fn nobody() -> Otherwise {
    let become_nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    Otherwise {
        before: if is_root() {
            become_nobody.map(str::to_owned).to_vec()
        } else {
            Vec::new()
        },
        instead_of_sh: None,
    }
}

/// Runs a test with each kind of tools, in a folder of its own.
fn each(test: impl Fn(&Files<'_>, &Path)) {
    let tools = tempfile::tempdir().unwrap();
    let busy = busybox(tools.path());
    let hosts: [(&str, &dyn Host); 2] = [("gnu", &LocalHost::new()), ("busybox", &busy)];
    for (name, host) in hosts {
        eprintln!("with the tools of {name}");
        let folder = tempfile::tempdir().unwrap();
        test(&Files::of(host), folder.path());
    }
}

fn text(path: impl Into<PathBuf>) -> String {
    path.into().into_os_string().into_string().unwrap()
}

#[track_caller]
fn kind<T: std::fmt::Debug>(result: Result<T, FileError>) -> FileErrorKind {
    let error = result.unwrap_err();
    eprintln!("{error}");
    error.kind().unwrap_or_else(|| panic!("{error:?}"))
}

/// Nothing of ours is left beside the files.
#[track_caller]
fn assert_tidy(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name();
        let name = name.to_string_lossy();
        assert!(!name.starts_with(".clusterctl-"), "{name} was left behind");
    }
}

const NASTY: [&str; 9] = [
    "plain",
    "two words",
    "it's \"quoted\"",
    "a\nb",
    "ends with a line\n",
    "-rf",
    "$(touch pwned) `x` \\n *",
    "é☃\u{1b}[31m",
    ".hidden",
];

#[test]
fn what_is_read_is_what_is_there() {
    each(|files, folder| {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_001).collect();
        for content in [
            &bytes[..],
            b"",
            b"\n",
            b"\n\n",
            b"no end of the line",
            b"0 \n0",
        ] {
            for name in NASTY {
                let path = folder.join(name);
                fs::write(&path, content).unwrap();
                let read = files.read(&text(&path), 100_001, &patience()).unwrap();
                assert_eq!(*read.bytes, content);
                let there = fs::metadata(&path).unwrap();
                assert_eq!(read.stat.size, content.len() as u64);
                assert_eq!(read.stat.mode, there.mode() & 0o7777);
                assert_eq!(read.stat.modified, there.mtime());
                assert_eq!(
                    (read.stat.owner, read.stat.group),
                    (there.uid(), there.gid())
                );
                let mut out = Vec::new();
                let stat = files.read_to(&text(&path), &mut out, &patience()).unwrap();
                assert_eq!((out.as_slice(), stat), (content, read.stat));
            }
        }
        let proc = files.read("/proc/version", 1 << 20, &patience()).unwrap();
        assert!(proc.bytes.starts_with(b"Linux"));
    });
}

#[test]
fn what_is_in_the_way_of_reading_is_told_apart() {
    each(|files, folder| {
        let read = |path: &Path| files.read(&text(path), 10, &patience());
        let file = folder.join("file");
        fs::write(&file, "eleven byte").unwrap();
        assert_eq!(kind(read(&folder.join("nothing"))), FileErrorKind::Absent);
        assert_eq!(kind(read(&folder.join("no/thing"))), FileErrorKind::Absent);
        assert_eq!(kind(read(folder)), FileErrorKind::NotAFile);
        assert_eq!(kind(read(&file)), FileErrorKind::TooLarge);
        assert_eq!(kind(read(&file.join("x"))), FileErrorKind::NotAFolder);
        assert_eq!(kind(read(Path::new("relative"))), FileErrorKind::Other);
        assert_eq!(kind(read(&folder.join("a\0b"))), FileErrorKind::Other);
        assert_eq!(
            kind(read(&folder.join("x".repeat(300)))),
            FileErrorKind::Other
        );
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(kind(read(&folder.join("pipe"))), FileErrorKind::NotAFile);
        symlink("dangles", folder.join("link")).unwrap();
        assert_eq!(kind(read(&folder.join("link"))), FileErrorKind::Absent);
        symlink("loop", folder.join("loop")).unwrap();
        assert_eq!(kind(read(&folder.join("loop"))), FileErrorKind::Other);
        let looped = files.write(
            &text(folder.join("loop")),
            b"",
            &Writing::default(),
            &patience(),
        );
        assert_eq!(kind(looped), FileErrorKind::Other);
        fs::write(&file, "ten bytes.").unwrap();
        symlink("file", folder.join("good")).unwrap();
        assert_eq!(*read(&folder.join("good")).unwrap().bytes, b"ten bytes.");
    });
}

#[test]
fn what_one_may_not_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    };
    let (closed, file) = (folder.path().join("closed"), folder.path().join("file"));
    fs::create_dir(&closed).unwrap();
    fs::write(&file, "x").unwrap();
    fs::write(closed.join("inside"), "x").unwrap();
    open(&closed, 0);
    open(&file, 0);
    open(folder.path(), 0o555);
    let nobody = nobody();
    let files = Files::of(&nobody);
    let read = |path: &Path| kind(files.read(&text(path), 10, &patience()));
    let write =
        |path: &Path| kind(files.write(&text(path), b"y", &Writing::default(), &patience()));
    assert_eq!(read(&file), FileErrorKind::Denied);
    assert_eq!(read(&closed.join("inside")), FileErrorKind::Denied);
    assert_eq!(write(&file), FileErrorKind::Denied);
    assert_eq!(
        kind(files.list(&text(&closed), &patience())),
        FileErrorKind::Denied
    );
    assert_eq!(
        kind(files.stat(&text(closed.join("inside")), &patience())),
        FileErrorKind::Denied
    );
    if is_root() {
        // A folder in which one may write, and in it a file of somebody else's: it would become one's own.
        open(folder.path(), 0o777);
        assert_eq!(write(&file), FileErrorKind::Denied);
        assert_tidy(folder.path());
    }
    open(folder.path(), 0o755);
    open(&closed, 0o755);
}

#[test]
fn a_file_is_replaced_whole_and_keeps_what_it_is() {
    each(|files, folder| {
        for name in NASTY {
            let path = folder.join(name);
            let write = |content: &[u8], mode| {
                let writing = Writing {
                    mode,
                    only_if: OnlyIf::Any,
                };
                files.write(&text(&path), content, &writing, &patience())
            };
            let stat = write(b"first", None).unwrap();
            assert_eq!((stat.mode, stat.size, stat.kind), (0o600, 5, Kind::File));
            let stat = write(b"\0second\n", Some(0o4750)).unwrap();
            assert_eq!(stat.mode, 0o4750);
            if is_root() {
                chown(&path, Some(12), Some(34)).unwrap();
                fs::set_permissions(&path, PermissionsExt::from_mode(0o2641)).unwrap();
                let stat = write(b"third", None).unwrap();
                assert_eq!((stat.mode, stat.owner, stat.group), (0o2641, 12, 34));
            }
            write(b"", None).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"");
            assert_eq!(
                files.stat(&text(&path), &patience()).unwrap().unwrap().size,
                0
            );
        }
        symlink("plain", folder.join("link")).unwrap();
        symlink("fresh\n", folder.join("dangling")).unwrap();
        for (link, target) in [("link", "plain"), ("dangling", "fresh\n")] {
            let path = text(folder.join(link));
            files
                .write(&path, b"by link", &Writing::default(), &patience())
                .unwrap();
            assert_eq!(fs::read(folder.join(target)).unwrap(), b"by link");
            assert!(folder.join(link).is_symlink());
        }
        assert_tidy(folder);
    });
}

#[test]
fn what_is_in_the_way_of_writing_is_told_apart() {
    each(|files, folder| {
        let write =
            |path: &Path| kind(files.write(&text(path), b"x", &Writing::default(), &patience()));
        assert_eq!(write(folder), FileErrorKind::Folder);
        assert_eq!(write(&folder.join("no/file")), FileErrorKind::Absent);
        fs::write(folder.join("file"), "").unwrap();
        assert_eq!(write(&folder.join("file/x")), FileErrorKind::NotAFolder);
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
        assert_eq!(write(&folder.join("pipe")), FileErrorKind::NotAFile);
        assert_tidy(folder);
        if Path::new("/sys/kernel").exists() {
            let said = write(Path::new("/sys/kernel/x"));
            assert!(
                [FileErrorKind::Denied, FileErrorKind::ReadOnly].contains(&said),
                "{said:?}"
            );
        }
    });
}

#[test]
fn a_file_is_written_only_if_it_is_what_it_was() {
    each(|files, folder| {
        let path = text(folder.join("file"));
        let write = |content: &[u8], only_if| {
            let writing = Writing {
                mode: None,
                only_if,
            };
            files.write(&path, content, &writing, &patience())
        };
        let first = write(b"1", OnlyIf::Absent).unwrap();
        assert_eq!(kind(write(b"2", OnlyIf::Absent)), FileErrorKind::Changed);
        let read = files.read(&path, 10, &patience()).unwrap();
        assert_eq!(read.stat, first);
        let second = write(b"2", OnlyIf::Still(first.identity.clone())).unwrap();
        assert_ne!(second.identity, first.identity);
        assert_eq!(
            kind(write(b"3", OnlyIf::Still(first.identity))),
            FileErrorKind::Changed
        );
        // The same size at the same time, and the same file: only the time of the change tells.
        let there = fs::metadata(&path).unwrap();
        fs::write(&path, "x").unwrap();
        let modified = fs::FileTimes::new().set_modified(there.modified().unwrap());
        fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_times(modified)
            .unwrap();
        assert_eq!(
            kind(write(b"3", OnlyIf::Still(second.identity.clone()))),
            FileErrorKind::Changed
        );
        fs::remove_file(&path).unwrap();
        assert_eq!(
            kind(write(b"3", OnlyIf::Still(second.identity))),
            FileErrorKind::Changed
        );
        assert!(!Path::new(&path).exists());
        assert_tidy(folder);
    });
}

#[test]
fn content_that_does_not_arrive_whole_changes_nothing() {
    each(|files, folder| {
        let path = folder.join("file");
        fs::write(&path, "old").unwrap();
        for length in [9, 11] {
            let mut content = &b"ten bytes."[..];
            let writing = Writing::default();
            let written =
                files.write_from(&text(&path), &mut content, length, &writing, &patience());
            assert_eq!(kind(written), FileErrorKind::Incomplete);
        }
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_tidy(folder);
    });
}

#[test]
fn a_write_that_is_broken_off_changes_nothing() {
    struct Endless<'a>(&'a AtomicBool);
    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.store(true, Ordering::SeqCst);
            Ok(buffer.len())
        }
    }
    each(|files, folder| {
        let path = folder.join("file");
        fs::write(&path, "old").unwrap();
        let begun = AtomicBool::new(false);
        let cancelled =
            || begun.load(Ordering::SeqCst) && fs::read_dir(folder).unwrap().count() > 1;
        let written = files.write_from(
            &text(&path),
            &mut Endless(&begun),
            u64::MAX,
            &Writing::default(),
            &Patience::new(LONG, &cancelled),
        );
        let Err(FileError::Host(error)) = written else {
            panic!("{written:?}");
        };
        assert_eq!(error.kind, RemoteErrorKind::Cancelled);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_tidy(folder);
    });
}

#[test]
fn a_hundred_megabytes_stream_through() {
    const SIZE: u64 = 100 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = text(folder.path().join("large"));
    let host = LocalHost::new();
    let files = Files::of(&host);
    let stat = files
        .write_from(
            &path,
            &mut std::io::repeat(b'\n').take(SIZE),
            SIZE,
            &Writing::default(),
            &patience(),
        )
        .unwrap();
    assert_eq!(stat.size, SIZE);
    let mut out = tempfile::tempfile().unwrap();
    assert_eq!(files.read_to(&path, &mut out, &patience()).unwrap(), stat);
    assert_eq!(out.metadata().unwrap().len(), SIZE);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_never_read_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !done.load(Ordering::SeqCst) {
                file.write_all(b"more ").unwrap();
                if file.metadata().unwrap().len() > 1 << 20 {
                    file.set_len(0).unwrap();
                }
            }
        });
        for _ in 0..5 {
            let host = LocalHost::new();
            match Files::of(&host).read(&text(&path), 2 << 20, &patience()) {
                Ok(read) => assert_eq!(read.bytes.len() as u64, read.stat.size),
                Err(error) => assert_eq!(error.kind(), Some(FileErrorKind::Changed)),
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn a_folder_is_listed_whatever_its_names() {
    each(|files, folder| {
        let mut names: Vec<OsString> = NASTY.iter().map(OsString::from).collect();
        names.push(OsString::from_vec(b"latin1 \xe9".to_vec()));
        for name in &names {
            fs::write(folder.join(name), "x").unwrap();
        }
        fs::create_dir(folder.join("folder")).unwrap();
        fs::write(folder.join("folder/not listed"), "").unwrap();
        symlink("nowhere", folder.join("link")).unwrap();
        names.extend(["folder", "link"].map(OsString::from));
        names.sort();
        let listed = files.list(&text(folder), &patience()).unwrap();
        let found: Vec<_> = listed.iter().map(|entry| entry.name.clone()).collect();
        assert_eq!(found, names);
        let kind_of = |name: &str| {
            let entry = listed.iter().find(|entry| entry.name == *name);
            entry.map(|entry| entry.stat.kind)
        };
        assert_eq!(kind_of("folder"), Some(Kind::Folder));
        assert_eq!(kind_of("link"), Some(Kind::Link));
        assert_eq!(kind_of("plain"), Some(Kind::File));
        assert_eq!(
            files
                .list(&text(folder.join("folder")), &patience())
                .unwrap()
                .len(),
            1
        );
        let empty = folder.join("empty");
        fs::create_dir(&empty).unwrap();
        assert_eq!(files.list(&text(&empty), &patience()), Ok(Vec::new()));
        let list = |name: &str| kind(files.list(&text(folder.join(name)), &patience()));
        assert_eq!(list("nothing"), FileErrorKind::Absent);
        assert_eq!(list("plain"), FileErrorKind::NotAFolder);
        assert_eq!(
            files.stat(&text(folder.join("nothing")), &patience()),
            Ok(None)
        );
    });
}

#[test]
fn a_full_disk_is_told_and_leaves_the_old_file() {
    if !is_root() {
        eprintln!("NOT TESTED: a full disk, for which one must be root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let done = std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .status();
        done.is_ok_and(|status| status.success())
    };
    let target = text(folder.path());
    if !mount(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=64k,noexec",
        "tmpfs",
        &target,
    ]) {
        eprintln!("NOT TESTED: a full disk, for which one must be allowed to mount");
        return;
    }
    let host = LocalHost::new();
    let files = Files::of(&host);
    let path = text(folder.path().join("file"));
    let written = files.write(&path, b"old", &Writing::default(), &patience());
    let full = files.write(
        &path,
        &vec![b'x'; 200_000],
        &Writing::default(),
        &patience(),
    );
    let after = fs::read(&path);
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert!(mount(&["umount", &target]));
    assert!(written.is_ok());
    assert_eq!(kind(full), FileErrorKind::NoSpace);
    assert_eq!((after.unwrap(), left), (b"old".to_vec(), 1));
}

#[test]
fn a_writer_leaves_the_new_files_of_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_str().unwrap();
    // One on another machine that has the same folder, and the same number.
    let theirs = ": >\"$0/.clusterctl-new-$$-theirs\"; exec \"$@\"";
    let host = Otherwise {
        before: ["/bin/sh", "-c", theirs, at].map(str::to_owned).to_vec(),
        instead_of_sh: None,
    };
    let path = folder.path().join("file");
    fs::write(&path, "old").unwrap();
    let writing = Writing {
        only_if: OnlyIf::Absent,
        ..Writing::default()
    };
    let outcome = Files::of(&host).write(path.to_str().unwrap(), b"new", &writing, &patience());
    assert_eq!(outcome.unwrap_err().kind(), Some(FileErrorKind::Changed));
    let names = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].to_str().unwrap().ends_with("-theirs"), "{names:?}");
}
