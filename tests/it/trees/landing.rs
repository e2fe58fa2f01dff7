//! One node: what arrives is what was sent, what stays stays, and what was there can be had back.

use std::fs;

use super::lab::{Trees, both, everything, sh, text};

#[test]
fn a_tree_arrives_as_it_is_and_a_second_push_has_nothing_to_do() {
    both(|trees| {
        everything(&trees.path("src"));
        trees.push("dst", &[]).is(0);
        trees.judge("dst", &[]);
        let told = trees.push("dst", &[]).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
    });
}

#[test]
fn only_what_changed_is_sent_and_the_old_tree_can_be_had_back() {
    both(|trees| {
        everything(&trees.path("src"));
        trees.push("dst", &[]).is(0);
        sh(&trees.path("."), "cp -a dst before");
        let src = trees.path("src");
        sh(
            &src,
            "echo new >a/new; echo other >big; rm zz-same; ln -sfn other a/link; chmod 700 a; rmdir empty; mkdir full; echo 1 >full/1",
        );
        let told = trees.push("dst", &["--dry-run"]).is(0);
        assert!(told.out.contains("\t3\t12 bytes\t"), "{told:#?}");
        trees.push("dst", &["--delete"]).is(0);
        trees.judge("dst", &[]);
        assert_eq!(trees.hidden().len(), 1, "{:?}", trees.hidden());
        let undo = trees.call(&["undo", "latest", "--yes"]).is(0);
        assert!(undo.err.contains("Done"), "{undo:#?}");
        assert_eq!(
            super::lab::differences(&trees.path("before"), &trees.path("dst"), &[]),
            ""
        );
        trees
            .call(&["cleanup", "--yes", "--older-than", "1ms"])
            .is(0);
        assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
    });
}

/// Judged without what busybox can't keep: extended attributes, access lists, and times but for whole seconds of files.
#[test]
fn a_node_with_busybox_gets_all_that_it_can_keep() {
    let trees = Trees::on_busybox();
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "setfacl -b a/run.sh; setfattr -x user.note a/run.sh; setfattr -x user.on.folder empty; chmod 6750 a/run.sh",
    );
    trees.push("dst", &[]).is(0);
    let judge = ["--modify-window=1", "--omit-link-times"];
    sh(
        &trees.path("."),
        "touch -d '1970-01-01 00:00:00Z' src/a/nothing",
    );
    trees.judge("dst", &judge);
    let told = trees.push("dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    sh(
        &trees.path("src"),
        "echo other >big; rm dangling; echo own >../dst/own; echo log >../dst/a.log",
    );
    trees.push("dst", &["--delete", "--exclude", "*.log"]).is(0);
    trees.judge("dst", &[&judge[..], &["--exclude=*.log"]].concat());
    assert_eq!(
        fs::read_to_string(trees.path("dst/a.log")).unwrap(),
        "log\n"
    );
    trees.call(&["undo", "latest", "--yes"]).is(0);
    assert!(trees.path("dst/own").exists());
}

#[test]
fn what_differs_in_a_time_alone_is_noticed() {
    both(|trees| {
        sh(
            &trees.path("."),
            "mkdir -p src/d; echo 1 >src/d/f; ln -s f src/d/l; mkfifo src/p",
        );
        trees.push("dst", &[]).is(0);
        for (at, what) in [("d", ""), (".", ""), ("d/l", "-h "), ("p", "")] {
            let touch = format!("touch {what}-d '2001-02-03 04:05:06.7' {at}");
            sh(&trees.path("src"), &touch);
            let told = trees.push("dst", &[]).is(0);
            assert!(!told.out.contains("Nothing to do"), "{at}: {told:#?}");
            trees.judge("dst", &[]);
        }
        let told = trees.push("dst", &[]).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        // What is left out comes and goes, and so do times of the folder that it is in.
        sh(&trees.path("dst"), "echo 1 >d/a.log");
        let told = trees.push("dst", &["--exclude", "*.log"]).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
    });
}

#[test]
fn an_empty_file_that_gets_its_content_while_the_tree_is_read_is_noticed() {
    both(|trees| {
        sh(&trees.path("."), "mkdir src; echo 1 >src/a; : >src/b");
        let tar = format!(
            "case \"$*\" in *--extract*) echo more >>{}/b ;; esac\nexec /usr/bin/tar \"$@\"",
            text(&trees.path("src"))
        );
        // Read only when somebody waits for it: what is large comes first.
        sh(
            &trees.path("src"),
            "head -c 20000000 /dev/zero >a; touch -d 2020-01-01 a",
        );
        let (src, dst) = (trees.path("src"), trees.path("dst"));
        let words = [
            "push",
            text(&src),
            "--on",
            trees.node(),
            "--to",
            text(&dst),
            "--yes",
        ];
        let told = trees.call_with_programs(&[("tar", &tar)], &words);
        assert!(
            told.err.contains("the source changed while it was read"),
            "{told:#?}"
        );
        assert!(!dst.exists());
    });
}

#[test]
fn what_is_excluded_or_only_there_stays() {
    let trees = Trees::here();
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    sh(
        &trees.path("."),
        "mkdir -p src/conf src/logs dst/conf dst/logs dst/own/deep",
    );
    sh(
        &src,
        "echo 2 >conf/app; echo source >conf/secret; echo source >logs/a.log; echo x >x",
    );
    sh(
        &dst,
        "echo 1 >conf/app; touch -d 2001-01-01 conf/app; echo mine >conf/secret; echo mine >logs/b.log; echo o >own/deep/o; ln own/deep/o own/same; ln -s o own/deep/l",
    );
    let exclude = ["--exclude", "*.log", "--exclude", "/conf/secret"];
    trees.push("dst", &exclude).is(0);
    trees.judge(
        "dst",
        &[
            "--exclude=*.log",
            "--exclude=/conf/secret",
            "--exclude=/own",
        ],
    );
    let read = |name: &str| fs::read_to_string(dst.join(name)).unwrap();
    assert_eq!(
        (read("conf/secret"), read("logs/b.log"), read("own/deep/l")),
        ("mine\n".into(), "mine\n".into(), "o\n".into())
    );
    sh(&dst, "[ own/deep/o -ef own/same ] && ! [ -e logs/a.log ]");
    // Once more, and what only the node has goes; what is excluded still stays.
    let told = trees
        .push("dst", &[&exclude[..], &["--delete"]].concat())
        .is(0);
    assert!(told.err.contains("5 removed"), "{told:#?}");
    assert_eq!(
        (read("conf/secret"), read("logs/b.log")),
        ("mine\n".into(), "mine\n".into())
    );
    assert!(!dst.join("own").exists());
}

#[test]
fn nobody_loses_what_they_did_meanwhile() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst; echo 1 >src/a; echo 0 >dst/a; touch -d 2001-01-01 dst/a",
    );
    let plan = trees.path("saved.plan");
    let plan = plan.to_str().unwrap();
    trees.push("dst", &["--out", plan]).is(0);
    sh(&trees.path("dst"), "echo mine >b");
    let told = trees.call(&["apply", plan, "--yes"]).is(21);
    assert!(told.err.contains("dst"), "{told:#?}");
    sh(&trees.path("dst"), "rm b");
    sh(&trees.path("src"), "echo 2 >>a");
    let told = trees.call(&["apply", plan, "--yes"]);
    assert!(
        told.err.contains("not as it was when the plan was made"),
        "{told:#?}"
    );
    assert_eq!(fs::read_to_string(trees.path("dst/a")).unwrap(), "0\n");
    trees.call(&["runs", "abandon", "latest"]);
    trees.push("dst", &[]).is(0);
    // Somebody writes into the old tree: it is not put back as if nothing had happened.
    let old = trees.path(&trees.hidden()[0]);
    sh(&old, "echo late >>a");
    let told = trees.call(&["undo", "latest", "--yes"]);
    assert_ne!(told.code, 0, "{told:#?}");
    assert!(told.err.contains("somebody wrote into"), "{told:#?}");
    assert_eq!(fs::read_to_string(trees.path("dst/a")).unwrap(), "1\n2\n");
}

#[test]
fn what_cannot_be_is_refused_before_anything_happens() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src; echo 1 >src/a; echo file >afile",
    );
    let told = trees.push("afile", &[]).is(30);
    assert!(told.err.contains("is not a folder"), "{told:#?}");
    let told = trees.push("no/such/parent", &[]).is(30);
    assert!(told.err.contains("there is no folder"), "{told:#?}");
    for bad in ["relative", "/", "/a/../b"] {
        let src = trees.path("src");
        let words = ["push", src.to_str().unwrap(), "--on", "local", "--to", bad];
        trees.call(&words).is(2);
    }
    sh(&trees.path("src"), "echo 1 >'#x'; echo 1 >'#x#'");
    trees.push("sharp", &["--exclude", "#x"]).is(0);
    assert!(!trees.path("sharp/#x").exists() && trees.path("sharp/#x#").exists());
    trees.call(&["cleanup", "--yes", "--older-than", "1ms"]);
    let told = trees.push("dst", &["--exclude", "a[z-a]"]).is(2);
    assert!(told.err.contains("`a[z-a]`"), "{told:#?}");
    assert!(trees.hidden().is_empty());
}
