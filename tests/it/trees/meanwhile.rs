//! What happens on a node, or on the way, while a tree is brought: nothing that shall stay is lost, and what is slow is
//! waited for.

use std::fs;
use std::os::unix::net::UnixListener;

use super::lab::{Trees, sh, text};

/// No fingerprint counts what is left out.
#[test]
fn what_is_excluded_and_came_after_the_plan_is_not_lost() {
    for way in [&[][..], &["--in-place"]] {
        let trees = Trees::here();
        sh(&trees.path("."), "mkdir -p dst/a src; echo new >src/a");
        let plan = trees.path("saved.plan");
        let more = ["--exclude", "*.log", "--out", text(&plan)];
        trees.push("dst", &[way, &more].concat()).is(0);
        sh(&trees.path("dst"), "echo precious >a/y.log");
        let told = trees.call(&["apply", text(&plan), "--yes"]);
        assert_ne!(told.code, 0, "{told:#?}");
        assert!(told.err.contains("a/y.log came by now"), "{told:#?}");
        sh(&trees.path("dst"), "[ \"$(cat a/y.log)\" = precious ]");
        assert!(told.err.contains("push it again"), "{told:#?}");
    }
}

#[test]
fn a_socket_that_came_after_the_plan_is_not_lost() {
    for (way, keep) in [(&[][..], "keep"), (&["--in-place"], "a")] {
        let trees = Trees::here();
        sh(
            &trees.path("."),
            "mkdir -p dst/keep dst/a src; echo new >src/a",
        );
        let plan = trees.path("saved.plan");
        let more = ["--delete", "--exclude", "s", "--out", text(&plan)];
        trees.push("dst", &[way, &more].concat()).is(0);
        let at = trees.path("dst").join(keep).join("s");
        let _socket = UnixListener::bind(&at).unwrap();
        let told = trees.call(&["apply", text(&plan), "--yes"]);
        assert_ne!(told.code, 0, "{told:#?}");
        assert!(told.err.contains("/s came by now"), "{told:#?}");
        assert!(at.exists());
    }
}

/// Seen by a `sync` that tells what is in the file when it is called for the staged tree.
#[test]
fn what_is_carried_over_once_more_is_forced_to_disk_too() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src dst/log; echo new >src/f; echo 0 >dst/log/a.log",
    );
    let hook = trees.lab.script(
        "hook.sh",
        &format!(
            "#!/bin/sh\ncd {}/log && echo \"$(($(tail -n 1 a.log) + 1))\" >>a.log\n",
            text(&trees.path("dst"))
        ),
    );
    sh(&trees.path("."), "chmod 755 hook.sh");
    let synced = trees.path("synced");
    let sync = format!(
        "for at; do :; done\n[ ! -e \"$at/log/a.log\" ] || tail -n 1 \"$at/log/a.log\" >{}\nexec /usr/bin/sync \"$@\"",
        text(&synced)
    );
    let cluster = trees.cluster_with_hook(&hook);
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let words = [
        "-c",
        &cluster,
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
        "--exclude",
        "/log/",
    ];
    trees.call_with_programs(&[("sync", &sync)], &words).is(0);
    let live = fs::read_to_string(dst.join("log/a.log")).unwrap();
    let last = live.lines().last().unwrap();
    assert_ne!(last, "0");
    assert_eq!(fs::read_to_string(&synced).unwrap().trim(), last);
}

/// The server hangs up on whoever does not answer it for three seconds.
#[test]
fn a_source_that_is_slow_keeps_no_connection_from_answering() {
    let tar = "case \"$*\" in *--create*) sleep 7 ;; esac\nexec /usr/bin/tar \"$@\"";
    let trees = Trees::with_tools_and(
        &format!("printf '%s\\n' '#!/bin/sh' '{tar}' >tar; chmod 755 tar"),
        |wishes| {
            wishes
                .option("ClientAliveInterval 1")
                .option("ClientAliveCountMax 2")
        },
    );
    sh(
        &trees.path("."),
        "mkdir src; head -c 300000 /dev/urandom >src/a",
    );
    let told = trees.push_from("n2", "n1", "dst", &[]).is(0);
    assert!(!told.err.contains("connection"), "{told:#?}");
    trees.judge("dst", &[]);
}

#[test]
fn nodes_that_do_not_answer_are_all_named() {
    let mut trees = Trees::over_ssh();
    sh(&trees.path("."), "mkdir src; echo 1 >src/a");
    trees.lab.servers_mut().server_mut("n2").stop();
    let told = trees.push_to("n1,n2", "dst", &["--dry-run"]).is(3);
    assert!(told.err.contains("n2 is left out"), "{told:#?}");
    trees.lab.servers_mut().server_mut("n1").stop();
    let told = trees.push_to("n1,n2", "dst", &["--dry-run"]).is(50);
    assert!(
        told.err.contains("n1 is left out") && told.err.contains("n2: "),
        "{told:#?}"
    );
}

#[test]
fn a_plan_that_does_not_say_where_the_tree_is_is_refused_before_anything_is_done() {
    for way in [&[][..], &["--in-place"]] {
        let trees = Trees::over_ssh();
        sh(&trees.path("."), "mkdir src; echo 1 >src/a");
        let file = trees.path("saved.plan");
        let more = [way, &["--out", text(&file)]].concat();
        trees.push_from("n2", "n1", "dst", &more).is(0);
        let mut plan: serde_json::Value =
            serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        plan["nodes"].as_object_mut().unwrap().remove("n2");
        let stages = plan["stages"].as_array_mut().unwrap();
        stages.remove(0);
        fs::write(&file, plan.to_string()).unwrap();
        let told = trees.call(&["apply", text(&file), "--yes"]).is(30);
        assert!(
            told.err.contains("does not say where the node n2 is"),
            "{told:#?}"
        );
    }
}

#[test]
fn a_folder_that_this_user_may_not_make_is_refused_before_anything_is_done() {
    let Some(trees) = Trees::as_users() else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir src closed; echo 1 >src/a; chmod 755 closed",
    );
    let told = trees.push("closed/dst", &["--in-place"]).is(30);
    assert!(told.err.contains("may not make"), "{told:#?}");
}

/// What has other names in the live tree makes no room when it goes from a stage.
#[test]
fn unchanged_files_of_an_earlier_stage_are_no_room() {
    let trees = Trees::here();
    let what = "how much room an earlier stage makes was not tried";
    let options = "size=16m,mode=0755";
    let Some(_small) = super::lab::Small::at(trees.path("small"), options, what) else {
        return;
    };
    let stage = "small/.dst.clusterctl-20200101-000000-aaaa.stage";
    sh(
        &trees.path("."),
        "mkdir -p src small/dst; head -c 7000000 /dev/urandom >small/dst/a; head -c 8000000 /dev/urandom >src/b",
    );
    let plan = trees.path("saved.plan");
    trees
        .push("small/dst", &["--delete", "--out", text(&plan)])
        .is(0);
    sh(
        &trees.path("."),
        &format!(
            "head -c 3000000 /dev/urandom >small/ballast; mkdir {stage}; ln small/dst/a {stage}/a"
        ),
    );
    let told = trees.call(&["apply", text(&plan), "--yes"]);
    assert_ne!(told.code, 0, "{told:#?}");
    assert!(
        told.err.contains("are needed beside the old tree"),
        "{told:#?}"
    );
}

/// Its tar and its find are those of GNU, and its cp cuts times to the second.
#[test]
fn a_node_with_the_cp_of_busybox_alone_gets_the_tree() {
    let trees = Trees::with_tools("ln -s \"$(command -v busybox)\" cp");
    sh(
        &trees.path("."),
        "mkdir -p src/d dst/d; echo 1 >src/d/same; echo 1 >src/new; echo own >dst/d/own; cp -a src/d/same dst/d/same",
    );
    trees.push("dst", &[]).is(0);
    trees.judge("dst", &["--exclude=own", "--modify-window=1"]);
    sh(&trees.path("src"), "echo 2 >new");
    trees.push("dst", &["--delete"]).is(0);
    trees.judge("dst", &["--modify-window=1"]);
    let told = trees.push("dst", &["--delete"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
}
