//! What is not the source's to change: mounted volumes, what links lead to, what is excluded, the tree that was there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use super::lab::{Trees, both, sh, text};

#[test]
fn what_is_mounted_in_the_tree_is_never_taken_along() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/data dst/data vol; echo 1 >src/f; echo precious >vol/db",
    );
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let push = [
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
        "--exclude",
        "/data/",
    ];
    let told = trees.call_with_mount("vol", "dst/data", &push).is(30);
    assert!(told.err.contains("dst/data"), "{told:#?}");
    assert!(!dst.join("f").exists());
    // Mounted later, in the tree that is kept: cleaning up does not empty it.
    trees.call(&push).is(0);
    let old = format!("{}/data", trees.hidden()[0]);
    let cleanup = ["cleanup", "--yes", "--older-than", "1ms"];
    let told = trees.call_with_mount("vol", &old, &cleanup);
    assert_eq!(
        fs::read_to_string(trees.path("vol/db")).unwrap(),
        "precious\n",
        "{told:#?}"
    );
    trees.call(&cleanup).is(0);
    assert!(trees.hidden().is_empty());
}

#[test]
fn nothing_is_written_through_a_link_that_an_earlier_stage_has() {
    both(|trees| {
        let stage = ".dst.clusterctl-20200101-000000-aaaa.stage";
        sh(
            &trees.path("."),
            &format!(
                "mkdir -p src/d dst out {stage}; echo precious >out/x; echo new >src/d/x; ln -s ../out {stage}/d; ln -s ../out {stage}/e; ln -s nowhere src/e"
            ),
        );
        trees.push("dst", &[]).is(0);
        trees.judge("dst", &[]);
        assert_eq!(
            fs::read_to_string(trees.path("out/x")).unwrap(),
            "precious\n"
        );
    });
}

#[test]
fn an_undo_that_was_cut_short_can_be_done_again() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst bin; echo new >src/f; echo 1 >dst/f",
    );
    trees.push("dst", &[]).is(0);
    let mut runs = fs::read_dir(trees.path("runner/runs")).unwrap();
    let run = runs.next().unwrap().unwrap().file_name();
    let run = run.to_str().unwrap().to_owned();
    // The first rename is made, and what follows is not.
    let mv = format!(
        "#!/bin/sh\nPATH=/usr/bin:/bin\nmv \"$@\" || exit\ncase \"$*\" in *--exchange*) ;; '-T '*) ! rm {} 2>/dev/null ;; esac\n",
        text(&trees.path("armed"))
    );
    sh(&trees.path("."), "touch armed");
    let fake = trees.path("bin/mv");
    fs::write(&fake, mv).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = trees.lab.program("runner");
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", text(&trees.path("bin")));
    command.env("PATH", path).args(["undo", &run, "--yes"]);
    let told = trees.lab.start_command(command).end();
    if told.code != 0 {
        trees.call(&["runs", "abandon", "latest", "--yes"]);
        trees.call(&["undo", &run, "--yes"]).is(0);
    }
    assert_eq!(
        fs::read_to_string(trees.path("dst/f")).unwrap(),
        "1\n",
        "{told:#?}"
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_no_empty_one() {
    let trees = Trees::on_busybox();
    sh(
        &trees.path("."),
        "mkdir -p src dst/own; echo 1 >src/f; echo 1 >dst/own/f",
    );
    sh(
        trees.tools(),
        "rm find; printf '#!/bin/sh\\nbusybox find \"$@\" || exit\\n[ \"$*\" != \". -print0\" ]\\n' >find; chmod 755 find",
    );
    let told = trees.push("dst", &[]).is(30);
    assert!(told.err.contains("can't be read"), "{told:#?}");
    assert!(!trees.path("dst/f").exists());
}

#[test]
fn what_is_excluded_and_cannot_stay_is_refused() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/log dst/a dst/b dst/keep dst/y dst/z; echo 1 >src/log/s; ln -s /nowhere dst/log",
    );
    let told = trees
        .push("dst", &["--exclude", "log", "--exclude", "!log/"])
        .is(30);
    assert!(told.err.contains("log is excluded"), "{told:#?}");
    sh(&trees.path("dst"), "rm log");
    let _sockets = ["a", "b", "keep", "y", "z"]
        .map(|name| UnixListener::bind(trees.path("dst").join(name).join("s")).unwrap());
    let told = trees
        .push("dst", &["--delete", "--exclude", "/keep/"])
        .is(30);
    assert!(told.err.contains("keep/s is a socket"), "{told:#?}");
    assert!(trees.hidden().is_empty());
}

#[test]
fn what_only_the_node_has_is_no_obstacle() {
    let trees = Trees::here();
    // A folder that becomes a link, and one that becomes a file.
    sh(
        &trees.path("."),
        "mkdir -p src dst/l dst/f; echo 1 >dst/l/own; echo 1 >dst/f/own; ln -s nowhere src/l; echo 1 >src/f",
    );
    trees.push("dst", &[]).is(0);
    trees.judge("dst", &[]);
    // Files with several names, of which some go and one is the source's by now.
    sh(
        &trees.path("."),
        "echo 2 >dst/a; ln dst/a dst/b; ln dst/a dst/c.log; ln dst/a dst/d.log; echo 3 >dst/p; ln dst/p dst/q; echo new >src/p",
    );
    trees.push("dst", &["--delete", "--exclude", "*.log"]).is(0);
    trees.judge("dst", &["--exclude=*.log"]);
    sh(
        &trees.path("dst"),
        "[ c.log -ef d.log ] && [ \"$(cat d.log)\" = 2 ]",
    );
    sh(
        &trees.path("."),
        "echo 2 >dst/m; ln dst/m dst/n; ln dst/m dst/o; echo new >src/m",
    );
    trees.push("dst", &[]).is(0);
    sh(
        &trees.path("dst"),
        "[ n -ef o ] && ! [ n -ef m ] && [ \"$(cat m)\" = new ]",
    );
}

#[test]
fn a_place_that_is_a_link_with_another_name_gets_the_tree() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src deep/other; echo 1 >src/f; echo old >deep/other/f; ln -s deep/other dst",
    );
    trees.push("dst", &[]).is(0);
    trees.judge("deep/other", &[]);
    assert!(
        fs::symlink_metadata(trees.path("dst"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn what_is_known_of_a_node_is_never_swapped_with_a_tree() {
    let trees = Trees::over_ssh();
    sh(&trees.path("."), "mkdir -p src nodes; echo 1 >src/f");
    let told = trees.push("nodes", &[]).is(30);
    assert!(told.err.contains("state_dir"), "{told:#?}");
}

#[test]
fn what_is_written_between_staging_and_swap_is_carried_over() {
    for trees in [Trees::here(), Trees::on_busybox()] {
        sh(
            &trees.path("."),
            "mkdir -p src/conf dst/log/deep dst/conf; echo new >src/f; echo 1 >dst/f; echo 1 >dst/log/a.log; ln -s a.log dst/log/now; echo pid >dst/log/pid; ln dst/log/a.log dst/log/same",
        );
        let hook = trees.lab.script(
            "hook.sh",
            &format!(
                "#!/bin/sh\ncd {}/log || exit 1\n[ -e done ] || {{ echo 2 >>a.log; }}\n[ -e new ] || ! [ -e ../../second ] || {{ mkdir new; echo fresh >new/b.log; ln -sfn deep now; rm -f pid; }}\n: >../../second\n",
                text(&trees.path("dst"))
            ),
        );
        sh(&trees.path("."), "chmod 755 hook.sh");
        let (src, dst) = (trees.path("src"), trees.path("dst"));
        let cluster = trees.cluster_with_hook(&hook);
        let node = trees.node();
        let words = [
            "-c",
            &cluster,
            "push",
            text(&src),
            "--on",
            node,
            "--to",
            text(&dst),
            "--yes",
            "--exclude",
            "/log/",
        ];
        let told = trees.lab.call(&words).is(0);
        sh(
            &dst,
            "[ \"$(cat f)\" = new ] && ! [ -e log/pid ] && [ \"$(cat log/new/b.log)\" = fresh ] && [ \"$(readlink log/now)\" = deep ]",
        );
        let old = trees.path(&trees.hidden()[0]);
        let read = |name| fs::read_to_string(name).unwrap();
        assert_eq!(
            read(dst.join("log/a.log")),
            read(old.join("log/a.log")),
            "{told:#?}"
        );
        assert_eq!(read(dst.join("log/same")), read(old.join("log/same")));
        assert!(read(dst.join("log/a.log")).lines().count() > 1);
    }
}
