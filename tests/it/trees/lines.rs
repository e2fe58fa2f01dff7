//! By which connections a tree comes: one, another one, or several at once.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use clusterctl::remote::{
    BackEnd, Bulk, Exit, Host, Line, LocalHost, Patience, RemoteError, Streams,
};
use clusterctl::transfer::{
    self, Delta, LandError, Landing, Meetings, Names, Rules, Source, Wanted, Zip,
};

use super::lab::{Trees, differences, everything, sh, text};
use crate::real::lab::Told;

/// More than is worth a connection of its own.
const LARGE: &str = "head -c 60000000 /dev/urandom >large";

/// This machine, which counts the archives that it is sent.
#[derive(Default)]
struct Counting {
    archives: AtomicUsize,
    /// What has to be in the stage before any of them is unpacked.
    before: Vec<PathBuf>,
    refuses: bool,
}

impl Host for Counting {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        if line.words().iter().any(|word| word == "clusterctl-unpack") {
            for path in &self.before {
                assert!(path.is_dir(), "{}", path.display());
            }
            self.archives.fetch_add(1, Ordering::SeqCst);
        }
        if self.refuses {
            return LocalHost::new().exec(&Line::new(["false"]).unwrap(), streams, patience);
        }
        LocalHost::new().exec(line, streams, patience)
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Local
    }
}

/// Stages a tree by these connections, and says how much of it was told to be on its way.
fn stage(
    from: &Path,
    to: &Path,
    lines: &[Arc<Counting>],
    zip: Zip,
) -> Result<(u64, u64), LandError> {
    let (first, further) = lines.split_first().unwrap();
    let patience = Patience::unbroken(Duration::from_mins(2));
    let exec = |line: &Line, streams: Streams<'_>, patience: &Patience<'_>| {
        first.exec(line, streams, patience)
    };
    let rules = Rules::new(&[]).unwrap();
    let source = Arc::new(Source::read(from, &rules).unwrap());
    let names = Names {
        own: ".stage-1".to_owned(),
        hidden: ".stage-".to_owned(),
    };
    let survey = transfer::survey(&exec, text(to), Some(&names), None, None, &patience)?;
    let wanted = Wanted {
        delete: true,
        ..Wanted::default()
    };
    let delta = Delta::between(&source.manifest, &survey, &rules, wanted);
    let (bytes, files) = (AtomicU64::new(0), AtomicU64::new(0));
    let record = to.with_file_name("record");
    let meetings = Meetings::default();
    Landing {
        is_near: false,
        exec: &exec,
        bulk: &|_| {
            let hosts = further.iter().map(|host| Arc::clone(host) as Arc<dyn Host>);
            Bulk::Further(hosts.collect())
        },
        moved: &|more_bytes, more_files| {
            bytes.fetch_add(more_bytes, Ordering::SeqCst);
            files.fetch_add(more_files, Ordering::SeqCst);
        },
        patience: &patience,
        source: &source,
        survey: &survey,
        delta: &delta,
        rules: &rules,
        stage: &names.own,
        record: (text(&record), "{}"),
        zip: (zip, 1),
        rate: None,
        link_unchanged: false,
        pull: None,
    }
    .stage(meetings.expect("tree", 1))?;
    assert_eq!(files.load(Ordering::SeqCst), delta.files);
    Ok((bytes.load(Ordering::SeqCst), delta.bytes))
}

#[test]
fn several_connections_bring_a_tree_as_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("src"), folder.path().join("dst"));
    fs::create_dir(&from).unwrap();
    everything(&from);
    sh(
        &from,
        "for i in $(seq 1 400); do mkdir -p m/$((i % 7)); head -c $((i * 200)) /dev/urandom >m/$((i % 7))/$i; : >m/e$i; done",
    );
    // Further names of files that another connection brings.
    sh(&from, "ln m/3/3 m/also; ln m/3/3 also; ln m/5/5 a/five");
    // Two archives that make the same folder get into each other's way.
    let staged = folder.path().join(".stage-1");
    let before: Vec<_> = (0..7).map(|at| staged.join(format!("m/{at}"))).collect();
    let line = || Counting {
        before: before.clone(),
        ..Counting::default()
    };
    for zip in [Zip::Never, Zip::Always] {
        let lines: Vec<_> = (0..4).map(|_| Arc::new(line())).collect();
        let (moved, of) = stage(&from, &to, &lines, zip).unwrap();
        assert!(moved > 1_000_000 && moved <= of, "{moved} of {of}");
        for line in &lines {
            assert_eq!(line.archives.load(Ordering::SeqCst), 1);
        }
        assert_eq!(differences(&from, &staged, &[]), "");
        let beside: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(beside.len(), 3, "{beside:?}");
        fs::remove_dir_all(&staged).unwrap();
    }
}

#[test]
fn a_connection_that_fails_fails_the_whole_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("src"), folder.path().join("dst"));
    fs::create_dir(&from).unwrap();
    sh(
        &from,
        "for i in 1 2 3 4 5 6 7 8; do head -c 3000000 /dev/urandom >$i; done",
    );
    let good = || Arc::new(Counting::default());
    let bad = Arc::new(Counting {
        refuses: true,
        ..Counting::default()
    });
    let failed = stage(&from, &to, &[good(), bad, good()], Zip::Auto).unwrap_err();
    assert!(matches!(failed, LandError::Said { .. }), "{failed}");
    // What the others brought is there for the next time, which needs only the rest.
    let (moved, _) = stage(&from, &to, &[good()], Zip::Auto).unwrap();
    assert!(moved < 24_000_000, "{moved}");
    assert_eq!(differences(&from, &folder.path().join(".stage-1"), &[]), "");
}

/// Has `ssh` mean a script, for the program that is called.
fn with_ssh(trees: &Trees, script: &str) -> Told {
    let folder = trees.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let ssh = folder.join("ssh");
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = trees.lab.program("runner");
    let path = std::env::var("PATH").unwrap();
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    command
        .env("PATH", format!("{}:{path}", text(&folder)))
        .args(trees.words(&[
            "-v",
            "push",
            text(&src),
            "--on",
            "n1",
            "--to",
            text(&dst),
            "--yes",
        ]));
    trees.lab.start_command(command).end()
}

#[test]
fn what_is_large_goes_by_the_ssh_of_this_machine() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    let used = trees.path("used");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>'{}'\nexec /usr/bin/ssh \"$@\"\n",
        text(&used)
    );
    with_ssh(&trees, &script).is(0);
    assert!(!used.exists(), "what is small needs no other connection");
    sh(&trees.path("src"), LARGE);
    let told = with_ssh(&trees, &script).is(0);
    assert!(
        told.err
            .contains("n1: what is large goes by the ssh of this machine"),
        "{told:#?}"
    );
    let used = fs::read_to_string(&used).unwrap();
    assert!(used.contains("aes128-gcm@openssh.com"), "{used}");
    assert!(used.contains("StrictHostKeyChecking=yes"), "{used}");
    trees.judge("dst", &[]);
}

#[test]
fn an_ssh_that_can_not_log_in_is_not_missed() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    sh(&trees.path("src"), LARGE);
    let told = with_ssh(&trees, "#!/bin/sh\necho no >&2\nexit 255\n").is(0);
    assert!(!told.err.contains("warning"), "{told:#?}");
    trees.judge("dst", &[]);
}
