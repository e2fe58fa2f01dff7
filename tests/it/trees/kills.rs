//! Runners killed at any instant: the live tree is the old one or the new one, whole, and the next push goes on.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

use super::lab::{Trees, differences, everything, sh, text};
use crate::real::processes::Chance;
use crate::scale::full;

fn killed_at_any_instant(make: fn() -> Trees) {
    let prepare = |trees: &Trees| {
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
        sh(&trees.path("."), "cp -a old dst");
    };
    let trees = make();
    prepare(&trees);
    let began = Instant::now();
    trees.push("dst", &["--delete"]).is(0);
    let length = began.elapsed();
    let rounds = if full() { 200 } else { 10 };
    let mut chance = Chance::new("push");
    let mut killed = 0;
    for round in 0..rounds {
        let trees = make();
        prepare(&trees);
        let (src, dst) = (trees.path("src"), trees.path("dst"));
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
        killed += u32::from(going.kill_after(chance.instant_in(length)));
        let is_old = differences(&trees.path("old"), &dst, &[]).is_empty();
        let is_new = differences(&src, &dst, &[]).is_empty();
        assert!(
            is_old || is_new,
            "round {round}: the live tree is neither the old nor the new one"
        );
        if trees.lab.latest().is_some_and(|(_, fate)| fate != "done") {
            trees
                .call(&["resume", "latest", "--yes", "--lock-wait", "30s"])
                .is(0);
        } else if is_old {
            trees.push("dst", &["--delete", "--lock-wait", "30s"]).is(0);
        }
        trees.judge("dst", &[]);
        assert!(fs::metadata(&dst).unwrap().is_dir());
    }
    println!("{killed} of {rounds} were killed");
}

#[test]
fn a_killed_push_leaves_a_whole_tree() {
    killed_at_any_instant(Trees::here);
}

#[test]
fn a_killed_push_over_ssh_leaves_a_whole_tree() {
    killed_at_any_instant(Trees::over_ssh);
}

#[test]
fn what_had_arrived_is_not_sent_again() {
    let trees = Trees::here();
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
    let told = trees.push("dst", &[]);
    assert_ne!(told.code, 0);
    assert!(told.err.contains("a is not what was sent"), "{told:#?}");
    assert!(!trees.path("dst").exists());
}
