//! Extended attributes and access lists: noticed, not inherited, and told of where they can't be kept.

use super::lab::{Trees, both, everything, sh};

#[test]
fn what_differs_in_attributes_alone_is_noticed() {
    for trees in [Trees::here(), Trees::over_ssh()] {
        everything(&trees.path("src"));
        trees.push("dst", &[]).is(0);
        for change in [
            "setfattr -n user.note -v other a/run.sh",
            "setfattr -x user.note a/run.sh",
            "setfacl -m u:12345:rwx a/run.sh",
            "setfacl -b a/run.sh",
            "setfacl -d -m u:12345:rwx a",
            "setfattr -n user.note -v '' .",
            "setfattr -n user.\\\\x=y -v \"$(printf 'a\\nb')\" ./-n*",
            "setfattr -n trusted.note -v 1 a/b",
        ] {
            sh(&trees.path("src"), change);
            let told = trees.push("dst", &[]).is(0);
            assert!(!told.out.contains("Nothing to do"), "{change}: {told:#?}");
            trees.judge("dst", &[]);
        }
        let told = trees.push("dst", &[]).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        // What only the node has keeps its own.
        sh(
            &trees.path("dst"),
            "mkdir own; setfattr -n user.own -v 1 own; echo 1 >own/f; setfattr -n user.own -v 2 own/f",
        );
        sh(&trees.path("src"), "echo new >new");
        trees.push("dst", &[]).is(0);
        sh(
            &trees.path("dst"),
            "[ \"$(getfattr -n user.own --only-values own)\" = 1 ]; [ \"$(getfattr -n user.own --only-values own/f)\" = 2 ]",
        );
    }
}

#[test]
fn nothing_is_inherited_from_the_folder_that_the_tree_is_in() {
    both(|trees| {
        everything(&trees.path("src"));
        sh(
            &trees.path("."),
            "mkdir par; setfacl -d -m u:12345:rwx,o::rwx par",
        );
        trees.push("par/dst", &[]).is(0);
        trees.judge("par/dst", &[]);
        // Nor from folders that have such a list themselves, and are there already.
        sh(
            &trees.path("src"),
            "setfacl -d -m u:4711:rwx a; setfacl -d -m u:4711:rwx empty",
        );
        trees.push("par/dst", &[]).is(0);
        trees.judge("par/dst", &[]);
        sh(
            &trees.path("src"),
            "echo new >a/plain; echo 1 >a/new; setfacl -b a/new; mkdir a/more; setfacl -b -k a/more; echo 1 >a/more/f; setfacl -b a/more/f",
        );
        trees.push("par/dst", &["--delete"]).is(0);
        trees.judge("par/dst", &[]);
    });
}

#[test]
fn what_a_node_cannot_keep_is_told_in_a_line() {
    let trees = Trees::on_busybox();
    everything(&trees.path("src"));
    let told = trees.push("dst", &["--dry-run"]).is(0);
    let lines: Vec<&str> = told
        .err
        .lines()
        .filter(|line| line.contains("can't keep"))
        .collect();
    assert_eq!(
        lines,
        [
            "n1 can't keep extended attributes or access lists of 2 entries, since its tar is that of busybox; \
             the holes of 1 entry, since its tar is that of busybox"
        ]
    );
    trees.push("dst", &[]).is(0);
    let told = trees.push("dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    assert!(!told.err.contains("can't keep"), "{told:#?}");
    let Some(trees) = Trees::as_users() else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir src; echo 1 >src/f; echo 1 >src/g; setfattr -n trusted.x -v 1 src/f; setfattr -n user.x -v 1 src/f",
    );
    let told = trees.push("open/dst", &[]).is(0);
    assert!(
        told.err.contains(
            "n1 can't keep the owner or group of 3 entries, since its user is not root; extended attributes or access \
             lists of 1 entry, which"
        ),
        "{told:#?}"
    );
    sh(
        &trees.path("open/dst"),
        "[ \"$(getfattr -n user.x --only-values f)\" = 1 ]",
    );
    let told = trees.push("open/dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
}
