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
                .call(&["resume", "latest", "--yes", "--lock-wait", "30s"])
                .is(0);
        } else {
            trees.push("dst", &["--delete", "--lock-wait", "30s"]).is(0);
        }
        trees.judge("dst", &["--exclude=/.dst.clusterctl-*"]);
    }
    println!("{killed} of {rounds} were killed");
}
