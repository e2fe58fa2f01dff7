//! Trees that a node has: streamed through the controller to others, or copied where they are.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use std::time::Instant;

use super::lab::{Trees, differences, everything, sh, text};
use crate::real::processes::Chance;
use crate::scale::full;
use crate::world::bench::wait_until;

#[test]
fn a_tree_of_one_node_arrives_on_others_as_it_is() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    trees.push_from("n1", "n2", "dst", &[]).is(0);
    trees.judge("dst", &[]);
    let told = trees.push_from("n1", "n2", "dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    // The other way round it is the same tree.
    trees.push_to("n2", "dst", &[]).is(0);
    sh(
        &trees.path("src"),
        "echo new >a/new; echo other >big; rm zz-same; rmdir empty; mkdir full; echo 1 >full/1",
    );
    sh(
        &trees.path("."),
        "cp -a dst before; echo own >dst/own; echo log >dst/a.log",
    );
    let told = trees
        .push_from("n1", "n2", "dst", &["--delete", "--exclude", "*.log"])
        .is(0);
    assert!(
        told.err.contains("Stage 1 of 2: look at the tree"),
        "{told:#?}"
    );
    trees.judge("dst", &["--exclude=*.log"]);
    assert_eq!(
        fs::read_to_string(trees.path("dst/a.log")).unwrap(),
        "log\n"
    );
    // The node that has it was only read, and never held.
    assert!(!trees.path("nodes/n1").exists());
    trees.call(&["undo", "latest", "--yes"]).is(0);
    sh(&trees.path("dst"), "rm own a.log");
    assert_eq!(
        differences(
            &trees.path("before"),
            &trees.path("dst"),
            &["--omit-dir-times"]
        ),
        ""
    );
}

#[test]
fn several_nodes_share_one_reading_of_another() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "for i in 1 2 3 4 5 6 7 8; do head -c 3000000 /dev/urandom >r$i; done",
    );
    sh(
        &trees.path("."),
        "mkdir dst-n3; cp -a src/r1 src/r5 dst-n3/; echo own >dst-n3/own",
    );
    let plan = trees.plan_with(&["n1", "n2", "n3"], &["--delete"], |node, to, more| {
        trees.push_from("n1", node, to, more)
    });
    let told = trees.call(&["apply", &plan, "--yes"]).is(0);
    assert!(told.err.contains("7 of 7 steps done"), "{told:#?}");
    for to in ["dst-n1", "dst-n2", "dst-n3"] {
        trees.judge(to, &[]);
    }
}

#[test]
fn what_is_the_same_on_two_nodes_can_be_told_by_content() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    sh(
        &trees.path("."),
        "cp -a src dst; printf X | dd of=dst/big conv=notrunc bs=1 2>/dev/null; touch -r src/big dst/big; touch dst/a/run.sh",
    );
    trees.push_from("n1", "n2", "dst", &["--delete"]).is(0);
    let unseen = differences(&trees.path("src"), &trees.path("dst"), &[]);
    assert!(
        unseen.contains("big") && !unseen.contains("run.sh"),
        "{unseen}"
    );
    sh(&trees.path("dst"), "touch a/run.sh");
    let told = trees.push_from("n1", "n2", "dst", &["--checksum"]).is(0);
    assert!(told.err.contains("files to send (700.0 kB)"), "{told:#?}");
    trees.judge("dst", &[]);
    let told = trees.push_from("n1", "n2", "dst", &["--checksum"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
}

#[test]
fn busybox_can_have_the_tree() {
    let trees = Trees::on_busybox();
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "setfacl -b a/run.sh; setfattr -x user.note a/run.sh; setfattr -x user.on.folder empty; chmod 6750 a/run.sh",
    );
    sh(
        &trees.path("src"),
        "touch -d '1970-01-01 00:00:00Z' a/nothing; i=0; while [ $i -lt 700 ]; do echo $i >many$i; i=$((i + 1)); done",
    );
    for node in ["n1", "n2"] {
        trees.push_from("n1", node, node, &[]).is(0);
        trees.judge(node, &["--modify-window=1", "--omit-link-times"]);
        let told = trees.push_from("n1", node, node, &[]).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
    }
}

#[test]
fn who_has_the_tree_copies_it_where_it_is() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    sh(
        &trees.path("."),
        "mkdir dst; cp -a src/big dst/; echo own >dst/own",
    );
    trees.push_from("n1", "n1", "dst", &["--delete"]).is(0);
    trees.judge("dst", &[]);
    let told = trees.push_from("n1", "n1", "dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    sh(&trees.path("src"), "echo 2 >>a/plain; rm big");
    trees.push_from("n1", "n1", "dst", &["--delete"]).is(0);
    trees.judge("dst", &[]);
    trees.call(&["undo", "latest", "--yes"]).is(0);
    assert!(trees.path("dst/big").exists());
}

#[test]
fn what_changes_before_it_is_read_is_noticed() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    let hook = trees.lab.script(
        "hook",
        &format!(
            "#!/bin/sh\ncase $CLUSTERCTL_STEP in */stage) echo changed >>{0}/big; touch -d '2033-01-01' {0}/big;; esac\n",
            text(&trees.path("src"))
        ),
    );
    sh(&trees.path("."), "chmod 755 hook");
    let cluster = trees.cluster_with_hook(&hook);
    let from = format!("n1:{}", text(&trees.path("src")));
    for node in ["n1", "n2"] {
        let to = trees.path(node);
        let words = [
            "-c",
            &cluster,
            "push",
            "--from",
            &from,
            "--on",
            node,
            "--to",
            text(&to),
            "--yes",
        ];
        let told = trees.lab.call(&words);
        assert_ne!(told.code, 0, "{told:#?}");
        assert!(
            told.err.contains("not as it was when the plan was made"),
            "{told:#?}"
        );
        assert!(!to.exists());
    }
}

#[test]
fn a_plan_no_longer_fits_when_the_tree_has_changed() {
    let trees = Trees::over_ssh();
    sh(&trees.path("."), "mkdir src; echo 1 >src/a");
    let plan = trees.path("saved.plan");
    trees
        .push_from("n1", "n2,n3", "dst", &["--out", text(&plan)])
        .is(0);
    let shown = trees.call(&["show", text(&plan), "--format", "md"]).is(0);
    assert!(
        shown.out.contains("on n1, with the node's address"),
        "{shown:#?}"
    );
    sh(&trees.path("src"), "echo 2 >b");
    let told = trees.call(&["apply", text(&plan), "--yes"]).is(21);
    assert!(told.err.contains("push/n1/source expects"), "{told:#?}");
    assert!(!trees.path("dst").exists());
}

#[test]
fn what_cannot_be_a_source_is_refused_with_what_to_type() {
    let mut trees = Trees::over_ssh();
    sh(
        &trees.path("."),
        "mkdir src; echo 1 >src/a; echo file >afile",
    );
    let call = |trees: &Trees, from: &str, on: &str, to: &str| {
        let to = trees.path(to);
        trees.call(&[
            "push",
            "--from",
            from,
            "--on",
            on,
            "--to",
            text(&to),
            "--yes",
        ])
    };
    let src = text(&trees.path("src")).to_owned();
    for bad in [
        "n1",
        "n1:",
        "n1:src",
        "n1:/",
        "n1:/a/../b",
        ":/src",
        "n*:/src",
    ] {
        let told = call(&trees, bad, "n2", "dst").is(2);
        assert!(told.err.contains("NODE:PATH"), "{told:#?}");
    }
    let told = call(&trees, &format!("n11:{src}"), "n2", "dst").is(2);
    assert!(told.err.contains("did you mean `n1`"), "{told:#?}");
    let gone = format!("n1:{src}/gone");
    let told = call(&trees, &gone, "n2", "dst").is(30);
    assert!(told.err.contains("there is no folder"), "{told:#?}");
    assert!(
        told.err.contains("clusterctl exec --on n1 -- ls -la"),
        "{told:#?}"
    );
    let file = format!("n1:{}", text(&trees.path("afile")));
    let told = call(&trees, &file, "n2", "dst").is(30);
    assert!(told.err.contains("is not a folder"), "{told:#?}");
    let own = format!("n1:{src}");
    let told = call(&trees, &own, "n1,n2", "src").is(30);
    assert!(told.err.contains("--on 'n1,n2,!n1'"), "{told:#?}");
    let told = call(&trees, &own, "n1", "src/deep").is(30);
    assert!(told.err.contains("one in the other"), "{told:#?}");
    let told = trees.call(&["push", "--on", "n1", "--to", "/x"]).is(2);
    assert!(told.err.contains("--from"), "{told:#?}");
    trees.lab.servers_mut().server_mut("n1").stop();
    let told = call(&trees, &own, "n2", "dst").is(50);
    assert!(told.err.contains("n1"), "{told:#?}");
    assert!(!trees.path("dst").exists());
}

#[test]
fn a_tree_of_this_machine_is_not_copied_into_itself() {
    let trees = Trees::here();
    sh(&trees.path("."), "mkdir src; echo 1 >src/a");
    for to in ["src", "src/in"] {
        trees.push(to, &[]).is(30);
    }
}

/// The tar of the node that has the tree changes a file of it, and takes another away.
#[test]
fn what_changes_while_it_is_read_is_named() {
    let trees = Trees::with_tools(":");
    everything(&trees.path("src"));
    let tool = |deed: &str| {
        let script =
            format!("#!/bin/sh\ncase $* in *--create*) {deed};; esac\nexec /usr/bin/tar \"$@\"\n");
        fs::write(trees.tools().join("tar"), script).unwrap();
        sh(trees.tools(), "chmod 755 tar");
    };
    let src = trees.path("src");
    for (deed, named) in [
        (format!("echo more >>{}/big", text(&src)), "n1:"),
        (format!("rm -f {}/holes", text(&src)), "holes"),
    ] {
        tool(&deed);
        let told = trees.push_from("n1", "n2", "dst", &[]);
        assert_ne!(told.code, 0, "{told:#?}");
        assert!(told.err.contains(named), "{told:#?}");
        assert!(told.err.contains("the source c"), "{told:#?}");
        assert!(!trees.path("dst").exists());
    }
    tool(":");
    trees.push_from("n1", "n2", "dst", &[]).is(0);
    trees.judge("dst", &[]);
}

/// A tar that writes a part of what it shall and then hangs, when it reads a tree.
fn hanging_tar(trees: &Trees) {
    let script = format!(
        "#!/bin/sh\ncase $* in *--create*) /usr/bin/tar \"$@\" | head -c 7000000; : >{0}; exec sleep 60;; esac\nexec /usr/bin/tar \"$@\"\n",
        text(&trees.path("reached"))
    );
    fs::write(trees.tools().join("tar"), script).unwrap();
    sh(trees.tools(), "chmod 755 tar");
}

fn large(trees: &Trees) {
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "for i in 1 2 3 4 5; do head -c 3000000 /dev/urandom >r$i; done",
    );
}

#[test]
fn who_has_the_tree_may_be_gone_in_the_midst_of_it() {
    let trees = Trees::with_tools(":");
    large(&trees);
    hanging_tar(&trees);
    let (from, to) = (
        format!("n1:{}", text(&trees.path("src"))),
        trees.path("dst"),
    );
    let words = [
        "push",
        "--from",
        &from,
        "--on",
        "n2",
        "--to",
        text(&to),
        "--yes",
    ];
    let going = trees.lab.start(&trees.words(&words));
    wait_until("it is reached", || trees.path("reached").exists());
    sh(trees.tools(), "rm tar");
    trees.lab.servers().server("n1").kill_connections();
    let told = going.end().is(50);
    assert!(told.err.contains("n1, which has the tree"), "{told:#?}");
    assert!(told.err.contains("push it again"), "{told:#?}");
    assert!(!to.exists());
    goes_on(&trees);
}

#[test]
fn who_breaks_it_off_waits_for_nobody() {
    let trees = Trees::with_tools(":");
    large(&trees);
    hanging_tar(&trees);
    let (from, to) = (
        format!("n1:{}", text(&trees.path("src"))),
        trees.path("dst"),
    );
    let words = [
        "push",
        "--from",
        &from,
        "--on",
        "n2",
        "--to",
        text(&to),
        "--yes",
    ];
    let going = trees.lab.start(&trees.words(&words));
    wait_until("it is reached", || trees.path("reached").exists());
    going.signal(rustix::process::Signal::INT);
    wait_until("it has heard of the first one", || {
        going.complained().contains("a second interrupt")
    });
    going.signal(rustix::process::Signal::INT);
    let told = going.end_within(std::time::Duration::from_secs(40));
    assert_ne!(told.code, 0, "{told:#?}");
    assert!(!to.exists());
    sh(trees.tools(), "rm tar");
    goes_on(&trees);
}

/// Pushes once more, and nothing is sent again that had arrived.
fn goes_on(trees: &Trees) {
    let stage = trees.hidden().pop().unwrap();
    let arrived = fs::metadata(trees.path(&stage).join("big")).unwrap();
    trees
        .push_from("n1", "n2", "dst", &["--lock-wait", "120s"])
        .is(0);
    trees.judge("dst", &[]);
    let now = fs::metadata(trees.path("dst/big")).unwrap();
    assert_eq!(now.ino(), arrived.ino());
    assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
}

#[test]
fn an_archive_that_is_cut_short_leaves_nothing_that_looks_whole() {
    let trees = Trees::with_tools(":");
    large(&trees);
    hanging_tar(&trees);
    sh(trees.tools(), "sed -i 's/exec sleep 60/exit 2/' tar");
    let told = trees.push_from("n1", "n2", "dst", &[]);
    assert_ne!(told.code, 0, "{told:#?}");
    assert!(told.err.contains("n1, which has the tree"), "{told:#?}");
    sh(trees.tools(), "rm tar");
    goes_on(&trees);
}

#[test]
fn a_runner_that_is_killed_leaves_a_whole_tree() {
    let prepare = |trees: &Trees| {
        large(trees);
        sh(
            &trees.path("."),
            "cp -a src old; echo old >>old/a/plain; cp -a old dst",
        );
    };
    let words_of = |trees: &Trees| {
        let (from, to) = (
            format!("n1:{}", text(&trees.path("src"))),
            trees.path("dst"),
        );
        [
            "push",
            "--from",
            &from,
            "--on",
            "n2",
            "--to",
            text(&to),
            "--yes",
        ]
        .map(str::to_owned)
    };
    let trees = Trees::over_ssh();
    prepare(&trees);
    let began = Instant::now();
    trees.push_from("n1", "n2", "dst", &[]).is(0);
    let length = began.elapsed();
    let rounds = if full() { 100 } else { 5 };
    let mut chance = Chance::new("push --from");
    for round in 0..rounds {
        let trees = Trees::over_ssh();
        prepare(&trees);
        let words = words_of(&trees);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut going = trees.lab.start(&trees.words(&words));
        going.kill_after(chance.instant_in(length));
        let dst = trees.path("dst");
        let is_old = differences(&trees.path("old"), &dst, &[]).is_empty();
        let is_new = differences(&trees.path("src"), &dst, &[]).is_empty();
        assert!(
            is_old || is_new,
            "round {round}: it is neither the old nor the new one"
        );
        if trees.lab.latest().is_some_and(|(_, fate)| fate != "done") {
            trees
                .call(&["resume", "latest", "--yes", "--lock-wait", "120s"])
                .is(0);
        } else if is_old {
            trees
                .push_from("n1", "n2", "dst", &["--lock-wait", "120s"])
                .is(0);
        }
        trees.judge("dst", &[]);
    }
}

/// What `cp` would not keep, because the user is not the superuser, is kept all the same.
#[test]
fn a_user_without_rights_copies_closed_folders_too() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/closed; for i in 1 2 3; do echo $i >src/closed/$i; done; chmod 4755 src/closed/1; \
         chmod 555 src/closed; chmod 777 . nodes; [ $(id -u) != 0 ] || chown -R 65534:65534 src",
    );
    let plain = trees.lab.program("runner");
    let mut command = std::process::Command::new("setpriv");
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command
        .arg("--")
        .arg(plain.get_program())
        .args([
            "push",
            text(&src),
            "--on",
            "local",
            "--to",
            text(&dst),
            "--yes",
        ])
        .current_dir(trees.lab.folder());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    trees.lab.start_command(command).end().is(0);
    trees.judge("dst", &[]);
}

/// A `getfattr` that does not run is as good as none.
#[test]
fn extended_attributes_are_told_by_whatever_can() {
    let trees = Trees::with_tools("printf '#!/bin/sh\\nexit 1\\n' >getfattr; chmod 755 getfattr");
    everything(&trees.path("src"));
    trees.push_from("n1", "n2", "dst", &[]).is(0);
    trees.judge("dst", &[]);
    sh(
        trees.tools(),
        "printf '#!/bin/sh\\nexit 1\\n' >python3; chmod 755 python3",
    );
    let told = trees.push_from("n1", "n2", "other", &[]).is(0);
    assert!(told.err.contains("access lists are not kept"), "{told:#?}");
    assert_eq!(differences(&trees.path("src"), &trees.path("dst"), &[]), "");
}
