//! Runners, connections and disks that fail at any instant: the live tree is the old one or the new one, whole, and the next push goes on.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

use super::lab::{Small, Trees, both, differences, everything, sh, text};
use crate::real::processes::{Chance, ended};
use crate::scale::full;

/// What happens at an instant by chance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Blow {
    /// The runner is killed.
    Runner,
    /// The processes that serve its connections are killed.
    Connections,
    /// The disk that the tree is on fills up.
    Disk,
}

/// How often, of 20 in all and of 200 in a full run.
fn rounds() -> u32 {
    if full() { 50 } else { 5 }
}

fn hit_at_any_instant(make: fn() -> Trees, blow: Blow) {
    // An own file system, since it can be filled.
    let prepare = |trees: &Trees| {
        let what = "a disk that fills up at any instant was not tried";
        let small = (blow == Blow::Disk)
            .then(|| Small::at(trees.path("small"), "size=64m,mode=0755", what));
        if small.as_ref().is_some_and(Option::is_none) {
            return None;
        }
        everything(&trees.path("old"));
        everything(&trees.path("src"));
        sh(
            &trees.path("old"),
            "echo old >a/plain; head -c 2000000 /dev/urandom >gone",
        );
        sh(
            &trees.path("src"),
            "for i in 1 2 3 4 5; do head -c 3000000 /dev/urandom >r$i; done",
        );
        sh(&trees.path("."), "mkdir -p small; cp -a old small/dst");
        Some(small.flatten())
    };
    let to = "small/dst";
    let mut trees = make();
    let Some(small) = prepare(&trees) else {
        return;
    };
    let began = Instant::now();
    trees.push(to, &["--delete"]).is(0);
    let length = began.elapsed();
    drop((small, trees));
    let mut chance = Chance::new(&format!("push, {blow:?}"));
    let mut hit = 0;
    for round in 0..rounds() {
        trees = make();
        let small = prepare(&trees).expect("it was mounted before");
        let (src, dst) = (trees.path("src"), trees.path(to));
        let words = [
            "push",
            text(&src),
            "--on",
            trees.node(),
            "--to",
            text(&dst),
            "--yes",
            "--delete",
        ];
        let mut going = trees.lab.start(&trees.words(&words));
        let instant = chance.instant_in(length);
        if blow == Blow::Runner {
            hit += u32::from(going.kill_after(instant));
        } else {
            let ended = ended(&mut going.child, instant).is_some();
            match &small {
                Some(small) => small.fill(),
                None => trees.lab.servers().server("n1").kill_connections(),
            }
            let told = going.end();
            hit += u32::from(!ended && told.code != 0);
        }
        let is_old = differences(&trees.path("old"), &dst, &[]).is_empty();
        let is_new = differences(&src, &dst, &[]).is_empty();
        assert!(
            is_old || is_new,
            "round {round}: the live tree is neither the old nor the new one"
        );
        if let Some(small) = &small {
            small.make_room();
        }
        if trees.lab.latest().is_some_and(|(_, fate)| fate != "done") {
            trees
                .call(&["resume", "latest", "--yes", "--lock-wait", "120s"])
                .is(0);
        } else if is_old {
            trees.push(to, &["--delete", "--lock-wait", "120s"]).is(0);
        }
        trees.judge(to, &[]);
    }
    println!("{blow:?}: {hit} of {} were hit before the end", rounds());
}

#[test]
fn a_killed_push_leaves_a_whole_tree() {
    hit_at_any_instant(Trees::here, Blow::Runner);
}

#[test]
fn a_killed_push_over_ssh_leaves_a_whole_tree() {
    hit_at_any_instant(Trees::over_ssh, Blow::Runner);
}

#[test]
fn a_push_whose_connections_are_killed_leaves_a_whole_tree() {
    hit_at_any_instant(Trees::over_ssh, Blow::Connections);
}

#[test]
fn a_push_to_a_disk_that_fills_up_leaves_a_whole_tree() {
    hit_at_any_instant(Trees::here, Blow::Disk);
}

#[test]
fn a_push_over_ssh_to_a_disk_that_fills_up_leaves_a_whole_tree() {
    hit_at_any_instant(Trees::over_ssh, Blow::Disk);
}

#[test]
fn what_had_arrived_is_not_sent_again() {
    both(|trees| {
        sh(
            &trees.path("."),
            "mkdir src; head -c 5000000 /dev/urandom >src/a; head -c 5000000 /dev/urandom >src/b",
        );
        // As a run that was cut short leaves it: one file whole, one not.
        let stage = ".dst.clusterctl-20200101-000000-aaaa.stage";
        sh(
            &trees.path("."),
            &format!(
                "mkdir {stage}; cp -a src/a {stage}/a; head -c 100 src/b >{stage}/b; echo x >{stage}/other"
            ),
        );
        let arrived = fs::metadata(trees.path(stage).join("a")).unwrap();
        trees.push("dst", &[]).is(0);
        trees.judge("dst", &[]);
        assert_eq!(
            fs::metadata(trees.path("dst/a")).unwrap().ino(),
            arrived.ino()
        );
        assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
        // What arrived broken is found, and not taken for the real thing.
        sh(
            &trees.path("."),
            &format!("rm -r dst; mkdir {stage}; cp -a src/a {stage}/a"),
        );
        sh(
            &trees.path(stage),
            "printf wrong | dd of=a bs=1 seek=100 conv=notrunc 2>/dev/null; touch -r ../src/a a",
        );
        trees.push("dst", &[]).is(0);
        trees.judge("dst", &[]);
        assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
        // So is what the live tree has whole, and other names of the same file come again as well.
        sh(
            &trees.path("."),
            &format!(
                "ln src/a src/again; echo new >src/c; mkdir {stage}; cp -a dst/a {stage}/a; cp -a dst/b {stage}/b"
            ),
        );
        sh(
            &trees.path(stage),
            "for i in a b; do printf wrong | dd of=$i bs=1 seek=100 conv=notrunc 2>/dev/null; touch -r ../src/$i $i; done",
        );
        trees.push("dst", &[]).is(0);
        trees.judge("dst", &[]);
    });
}
