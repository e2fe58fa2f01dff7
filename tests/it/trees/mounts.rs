//! Places at which a file system is mounted: what is in the trees changes places entry by entry.

use std::fs;
use std::process::Command;
use std::time::Instant;

use super::lab::{Trees, differences, everything, sh, text};
use crate::real::processes::Chance;
use crate::scale::full;

/// A file system in memory; it goes with the test.
struct Mounted(String);

impl Mounted {
    /// Nothing, and a loud word, where this user can't mount.
    fn at(trees: &Trees, name: &str) -> Option<Self> {
        let at = trees.path(name);
        fs::create_dir_all(&at).unwrap();
        let words = [
            "-t",
            "tmpfs",
            "-o",
            "size=64m,mode=755",
            "clusterctl-test",
            text(&at),
        ];
        let mounted = Command::new("mount").args(words).output().unwrap();
        if mounted.status.success() {
            return Some(Self(text(&at).to_owned()));
        }
        eprintln!(
            "NOT TESTED: nothing can be mounted here, so targets that are mount points were not pushed to: {mounted:?}"
        );
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// One of everything that a file system in memory can keep.
fn everything_there(trees: &Trees, name: &str) {
    everything(&trees.path(name));
    // Not every kernel keeps attributes of users there.
    sh(
        &trees.path(name),
        "setfattr -x user.note a/run.sh; setfattr -x user.on.folder empty",
    );
}

#[test]
fn a_mounted_target_gets_the_tree_and_can_have_its_old_one_back() {
    for trees in [Trees::here(), Trees::over_ssh(), Trees::on_busybox()] {
        let busybox = trees.is_on_busybox();
        let Some(_mounted) = Mounted::at(&trees, "dst") else {
            return;
        };
        everything_there(&trees, "src");
        if busybox {
            sh(
                &trees.path("src"),
                "setfacl -b a/run.sh; chmod 6750 a/run.sh; touch -d '1970-01-01 00:00:00Z' a/nothing",
            );
        }
        let judge: &[&str] = if busybox {
            &["--modify-window=1", "--omit-link-times"]
        } else {
            &[]
        };
        sh(
            &trees.path("dst"),
            "mkdir -p lost+found a/own; echo old >big; echo own >own; echo log >x.log; mkdir dangling; echo 1 >dangling/1; touch -d 2001-01-01 .",
        );
        sh(&trees.path("."), "cp -a dst before");
        let more = ["--delete", "--exclude", "*.log"];
        let told = trees.push("dst", &[&more[..], &["--plan"]].concat()).is(0);
        assert!(
            told.out.contains("a file system is mounted there"),
            "{told:#?}"
        );
        trees.push("dst", &more).is(0);
        let differs = |from: &str, more: &[&str]| {
            let own = ["--exclude=/.dst.clusterctl-*", "--exclude=/lost+found"];
            differences(
                &trees.path(from),
                &trees.path("dst"),
                &[&own[..], judge, more].concat(),
            )
        };
        assert_eq!(differs("src", &["--exclude=*.log"]), "");
        assert!(trees.path("dst/lost+found").exists());
        let told = trees.push("dst", &more).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        trees.call(&["undo", "latest", "--yes"]).is(0);
        assert_eq!(differs("before", &["--exclude=/.dst.clusterctl-*"]), "");
        trees.push("dst", &more).is(0);
        trees
            .call(&["cleanup", "--yes", "--older-than", "1ms"])
            .is(0);
        let names = fs::read_dir(trees.path("dst")).unwrap();
        let ours = names
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().contains(".clusterctl-"))
            .count();
        assert_eq!(ours, 0);
        // Cleaning up changed the time of the folder itself.
        let more = ["--exclude=*.log", "--omit-dir-times"];
        assert_eq!(differs("src", &more), "");
    }
}

#[test]
fn a_mounted_source_keeps_what_runs_have_there_to_itself() {
    let trees = Trees::here();
    let Some(_mounted) = Mounted::at(&trees, "dst") else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir src; echo 1 >src/f; mkdir dst/lost+found; echo old >dst/f",
    );
    trees.push("dst", &[]).is(0);
    let (from, to) = (trees.path("dst"), trees.path("other"));
    let words = [
        "push",
        text(&from),
        "--on",
        "local",
        "--to",
        text(&to),
        "--yes",
    ];
    trees.call(&words).is(0);
    trees.call(&words).is(0);
    sh(&to, "[ \"$(ls -A)\" = f ]");
}

#[test]
fn a_mounted_target_gets_files_in_place() {
    let trees = Trees::here();
    let Some(_mounted) = Mounted::at(&trees, "dst") else {
        return;
    };
    everything_there(&trees, "src");
    sh(&trees.path("dst"), "mkdir lost+found; echo own >own");
    trees.push("dst", &["--in-place", "--delete"]).is(0);
    trees.judge("dst", &["--exclude=/lost+found"]);
}

#[test]
fn a_killed_swap_of_entries_is_brought_to_its_end() {
    let trees = Trees::here();
    let Some(_mounted) = Mounted::at(&trees, "dst") else {
        return;
    };
    everything_there(&trees, "old");
    everything_there(&trees, "src");
    sh(
        &trees.path("."),
        "echo old >old/a/plain; echo gone >old/gone; for i in 1 2 3 4 5 6 7 8 9; do echo $i >old/f$i; echo new $i >src/f$i; done; cp -a old/. dst",
    );
    let began = Instant::now();
    trees.push("dst", &["--delete"]).is(0);
    let length = began.elapsed();
    let rounds = if full() { 60 } else { 8 };
    let mut chance = Chance::new("push-mounted");
    let mut killed = 0;
    for _ in 0..rounds {
        trees.call(&["cleanup", "--yes", "--older-than", "0s"]);
        sh(
            &trees.path("."),
            "find dst -mindepth 1 -delete; cp -a old/. dst",
        );
        let (src, dst) = (trees.path("src"), trees.path("dst"));
        let words = [
            "push",
            text(&src),
            "--on",
            "local",
            "--to",
            text(&dst),
            "--yes",
            "--delete",
        ];
        let mut going = trees.lab.start(&trees.words(&words));
        killed += u32::from(going.kill_after(chance.instant_in(length)));
        if trees.lab.latest().is_some_and(|(_, fate)| fate != "done") {
            trees
                .call(&["resume", "latest", "--yes", "--lock-wait", "120s"])
                .is(0);
        } else {
            trees
                .push("dst", &["--delete", "--lock-wait", "120s"])
                .is(0);
        }
        trees.judge("dst", &["--exclude=/.dst.clusterctl-*"]);
    }
    println!("{killed} of {rounds} were killed");
}

#[test]
fn a_swap_of_entries_that_fails_in_its_midst_is_gone_on_with_and_so_is_its_undo() {
    let trees = Trees::here();
    let Some(_mounted) = Mounted::at(&trees, "dst") else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir src bin before; for i in 1 2 3 4 5 6; do echo newer $i >src/$i; echo old $i >dst/$i; cp -a dst/$i before/; done; echo 1 >src/new; echo 2 >dst/own; cp -a dst/own before/",
    );
    // The third rename fails as long as a file is there, and nothing exchanges two names at once.
    let bin = trees.path("bin");
    let count = trees.path("count");
    let mv = format!(
        "#!/bin/sh\ncase \"$*\" in --help) exit ;; *'/dst/'*) echo >>{0}; [ ! -e {0} ] || [ $(wc -l <{0}) != 4 ] || exit 1 ;; esac\nexec /usr/bin/mv \"$@\"\n",
        text(&count)
    );
    for (name, script) in [
        ("mv", mv.as_str()),
        ("perl", "#!/bin/sh\nexit 1\n"),
        ("python3", "#!/bin/sh\nexit 1\n"),
    ] {
        fs::write(bin.join(name), script).unwrap();
    }
    sh(&bin, "chmod 755 *");
    let call = |words: &[&str]| {
        let mut command = trees.lab.program("runner");
        let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", text(&bin));
        command.env("PATH", path).args(words);
        trees.lab.start_command(command).end()
    };
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let push = [
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
        "--delete",
    ];
    let told = call(&push).is(40);
    assert!(told.err.contains("may be there"), "{told:#?}");
    sh(&dst, "[ \"$(cat 1 6)\" = 'newer 1\nold 6' ]");
    call(&["resume", "latest", "--yes"]).is(0);
    let differs = |from: &str| {
        let own = ["--exclude=/.dst.clusterctl-*", "--omit-dir-times"];
        differences(&trees.path(from), &dst, &own)
    };
    assert_eq!(differs("src"), "");
    fs::remove_file(&count).unwrap();
    let told = call(&["undo", "latest", "--yes"]);
    assert_ne!(told.code, 0, "{told:#?}");
    call(&["resume", "latest", "--yes"]).is(0);
    assert_eq!(differs("before"), "");
}
