//! Files replaced where they are: each is the old one or the new one at any instant, and whoever comes next goes on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use super::lab::{Trees, differences, everything, sh, text};
use super::random::grow;
use crate::generate::Draw;
use crate::real::lab::Told;
use crate::real::processes::Chance;
use crate::scale::full;

#[test]
fn files_are_replaced_where_they_are() {
    for trees in [Trees::here(), Trees::over_ssh()] {
        everything(&trees.path("src"));
        trees.push("dst", &["--in-place"]).is(0);
        trees.judge("dst", &[]);
        let told = trees.push("dst", &["--in-place"]).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        // What is new is taken back by taking it away.
        trees.call(&["undo", "latest", "--yes"]).is(0);
        assert!(!trees.path("dst").exists());
        trees.push("dst", &["--in-place"]).is(0);
        let number = |name: &str| {
            fs::symlink_metadata(trees.path("dst").join(name))
                .unwrap()
                .ino()
        };
        let (folder, kept) = (number("."), number("a/plain"));
        sh(
            &trees.path("src"),
            "echo new >a/new; echo other >big; rm zz-same; ln -sfn other a/link; chmod 700 a; rmdir empty; mkdir -p full/er; echo 1 >full/er/1; chmod 500 full/er; ln a/plain full/same",
        );
        let told = trees
            .push("dst", &["--in-place", "--delete", "--plan"])
            .is(0);
        assert!(told.out.contains("Can't be taken back"), "{told:#?}");
        let told = trees.push("dst", &["--in-place", "--delete"]).is(0);
        assert!(!told.err.contains("undo"), "{told:#?}");
        trees.judge("dst", &[]);
        assert_eq!((folder, kept), (number("."), number("a/plain")));
        let told = trees.call(&["undo", "latest", "--yes"]);
        assert_ne!(told.code, 0, "{told:#?}");
        trees.judge("dst", &[]);
        trees
            .call(&["cleanup", "--yes", "--older-than", "1ms"])
            .is(0);
        assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
    }
}

#[test]
fn what_is_excluded_or_only_there_stays_in_place() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/conf dst/conf dst/own/deep; echo new >src/f; echo source >src/conf/secret; echo mine >dst/conf/secret; echo o >dst/own/deep/o; echo l >dst/own/a.log; ln dst/own/deep/o dst/own/same; echo older >dst/f",
    );
    let exclude = ["--in-place", "--exclude", "*.log", "--exclude", "secret"];
    trees.push("dst", &exclude).is(0);
    let dst = trees.path("dst");
    sh(
        &dst,
        "[ own/deep/o -ef own/same ] && [ \"$(cat f conf/secret)\" = 'new\nmine' ]",
    );
    let told = trees
        .push("dst", &[&exclude[..], &["--delete"]].concat())
        .is(0);
    assert!(told.err.contains("3 removed"), "{told:#?}");
    sh(
        &dst,
        "! [ -e own/deep ] && ! [ -e own/same ] && [ \"$(cat own/a.log conf/secret)\" = 'l\nmine' ]",
    );
    trees.judge(
        "dst",
        &["--exclude=*.log", "--exclude=secret", "--exclude=/own"],
    );
}

#[test]
fn what_fails_in_its_midst_is_said_and_gone_on_with() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst bin; for i in 1 2 3 4 5 6; do echo new $i >src/$i; echo old >dst/$i; done; touch armed",
    );
    // Whoever follows the orders hears only half of them.
    let fake = trees.lab.script(
        "bin/perl",
        &format!(
            "#!/bin/sh\n[ -e {} ] || exec /usr/bin/perl \"$@\"\nhead -z -n 15 | /usr/bin/perl \"$@\"\necho broken >&2\nexit 1\n",
            text(&trees.path("armed"))
        ),
    );
    sh(&trees.path("."), &format!("chmod 755 {fake}"));
    let mut command = trees.lab.program("runner");
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", text(&trees.path("bin")));
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    command.env("PATH", path).args([
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
        "--in-place",
    ]);
    let told = trees.lab.start_command(command).end().is(40);
    assert!(told.err.contains("may be there"), "{told:#?}");
    sh(
        &trees.path("dst"),
        "[ \"$(cat 3)\" = 'new 3' ] && [ \"$(cat 4)\" = old ]",
    );
    trees.push("dst", &["--in-place"]).is(20);
    trees.call(&["resume", "latest", "--yes"]).is(0);
    trees.judge("dst", &[]);
    assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
}

/// Calls the program where whoever follows orders follows only so many of them, and fails.
fn call_with_half(trees: &Trees, orders: u32, before: &[&str], words: &[&str]) -> Told {
    sh(&trees.path("."), "mkdir -p bin");
    let words_of_all = 5 * orders;
    let fake = trees.lab.script(
        "bin/perl",
        &format!(
            "#!/bin/sh\nhead -z -n {words_of_all} | /usr/bin/perl \"$@\"\necho broken >&2\nexit 1\n"
        ),
    );
    sh(&trees.path("."), &format!("chmod 755 bin {fake}"));
    let mut command = trees.lab.program_by("runner", before);
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", text(&trees.path("bin")));
    command.env("PATH", path).args(words);
    trees.lab.start_command(command).end()
}

#[test]
fn what_is_cut_short_leaves_nothing_that_cleaning_up_does_not_find() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/d dst/d; echo new >src/d/f; echo new >src/g; echo old >dst/d/f; chmod 750 src/d",
    );
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let words = ["push", text(&src), "--on", "local", "--to", text(&dst)];
    let words = [&words[..], &["--yes", "--in-place"]].concat();
    call_with_half(&trees, 1, &[], &words).is(40);
    trees.call(&["runs", "abandon", "latest", "--yes"]).is(0);
    trees
        .call(&["cleanup", "--yes", "--older-than", "1ms"])
        .is(0);
    assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
}

/// A folder that only the node has is opened for what changes in it; were it left open, it would look as if somebody had
/// changed it.
#[test]
fn closed_folders_of_the_node_are_closed_again_by_whoever_goes_on() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/c dst/own dst/other dst/c; echo 1 >src/f; echo 1 >src/c/f; echo gone >dst/own/gone; echo log >dst/own/a.log; echo log >dst/other/a.log; \
         chmod 500 dst/own dst/other; chmod 555 dst/c src/c; mkdir -p runner nodes; chown -R 4321:4321 .; chmod 755 .",
    );
    let as_user = [
        "setpriv",
        "--reuid",
        "4321",
        "--regid",
        "4321",
        "--clear-groups",
    ];
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let words = [
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
    ];
    let words = [
        &words[..],
        &["--in-place", "--delete", "--exclude", "*.log"],
    ]
    .concat();
    // Two folders are opened, and a file gets its place.
    call_with_half(&trees, 3, &as_user, &words).is(40);
    sh(
        &dst,
        "[ \"$(stat -c %a own other | tr '\\n' ' ')\" = '700 500 ' ]",
    );
    sh(
        &trees.path("."),
        "rm bin/perl; chown -R 4321:4321 runner nodes",
    );
    let mut command = trees.lab.program_by("runner", &as_user);
    command.args(["resume", "latest", "--yes"]);
    trees.lab.start_command(command).end().is(0);
    sh(
        &dst,
        "[ \"$(stat -c %a own other c | tr '\\n' ' ')\" = '500 500 555 ' ] && ! [ -e own/gone ] && [ -e own/a.log ]",
    );
}

/// Where another file system is mounted, a copy stands beside its place for a moment.
#[test]
fn copies_that_were_left_beside_their_places_are_no_part_of_the_tree_and_go() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/d dst/d; echo 1 >src/d/f; cp -a src/d/f dst/d/f; echo half >dst/d/.clusterctl-near; mkdir -m 500 dst/.clusterctl-near-old; touch -r src/d dst/d; touch -r src dst",
    );
    let told = trees.push("dst", &["--in-place"]).is(0);
    assert!(told.err.contains("2 removed"), "{told:#?}");
    trees.judge("dst", &[]);
    // A tree that is swapped does not take them along.
    sh(
        &trees.path("."),
        "echo half >dst/d/.clusterctl-near; echo 2 >src/d/g",
    );
    trees.push("dst", &[]).is(0);
    trees.judge("dst", &[]);
}

#[test]
fn a_plan_that_is_stale_replaces_nothing() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst; echo 1 >src/a; echo 0 >dst/a; touch -d 2001-01-01 dst/a",
    );
    let plan = trees.path("saved.plan");
    trees
        .push("dst", &["--in-place", "--out", text(&plan)])
        .is(0);
    sh(&trees.path("dst"), "echo mine >b");
    trees.call(&["apply", text(&plan), "--yes"]).is(21);
    assert_eq!(fs::read_to_string(trees.path("dst/a")).unwrap(), "0\n");
    sh(&trees.path("dst"), "rm b");
    trees.call(&["apply", text(&plan), "--yes"]).is(0);
    trees.judge("dst", &[]);
}

#[test]
fn a_user_who_is_not_root_replaces_files_in_closed_folders() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/c/new dst/c/gone; echo 1 >src/c/f; echo 2 >src/c/new/f; echo 0 >dst/c/f; echo 0 >dst/c/gone/g; touch -d 2001-01-01 dst/c/f; \
         chmod 555 src/c src/c/new dst/c dst/c/gone; mkdir -p runner nodes; chown -R 4321:4321 .; chmod 755 .",
    );
    push_as_user(&trees, &["--delete"]).is(0);
    trees.judge("dst", &[]);
}

/// Pushes in place as a user who is not root, to this machine.
fn push_as_user(trees: &Trees, more: &[&str]) -> Told {
    let by = [
        "setpriv",
        "--reuid",
        "4321",
        "--regid",
        "4321",
        "--clear-groups",
    ];
    let mut command = trees.lab.program_by("runner", &by);
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    command.args(["push", text(&src), "--on", "local", "--to", text(&dst)]);
    command.args(["--yes", "--in-place"]).args(more);
    trees.lab.start_command(command).end()
}

#[test]
fn what_belongs_to_others_is_replaced_or_refused() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst; echo 1 >src/a; cp -p src/a dst/a; chmod 600 src/a; mkdir -p runner nodes; chown -R 4321:4321 .; \
         chown 0:0 dst/a; chmod 755 .",
    );
    // Nobody but its owner may give a file another mode: a new one takes its place.
    push_as_user(&trees, &[]).is(0);
    trees.judge("dst", &[]);
    sh(
        &trees.path("."),
        "echo 2 >src/b; chown 0:4321 dst; chmod 775 dst",
    );
    let told = push_as_user(&trees, &[]).is(30);
    assert!(
        told.err.contains("belongs to another user than the one"),
        "{told:#?}"
    );
    sh(&trees.path("dst"), "! [ -e b ]");
}

#[test]
fn another_name_of_a_file_that_only_the_node_has_stays_as_it_is() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst; echo 1 >src/a; cp -p src/a dst/a; ln dst/a dst/own; chmod 600 src/a; chmod 644 dst/a",
    );
    for exclude in [&["--exclude", "/own"][..], &[]] {
        let words = [&["--in-place"][..], exclude].concat();
        trees.push("dst", &words).is(0);
        sh(
            &trees.path("dst"),
            "[ \"$(stat -c '%a %h' a own | tr '\\n' ' ')\" = '600 1 644 1 ' ] && [ \"$(cat a own)\" = \"$(printf '1\\n1')\" ]",
        );
        let told = trees.push("dst", &words).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
    }
}

#[test]
fn sockets_stay_or_go_as_files_do() {
    const SOCKET: &str = "perl -e 'use IO::Socket::UNIX; IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die' ";
    let trees = Trees::here();
    sh(
        &trees.path("."),
        &format!(
            "mkdir -p src dst/own; echo 1 >src/f; cd dst; {SOCKET} own/s; {SOCKET} t; echo o >own/o"
        ),
    );
    let words = ["--in-place", "--delete", "--exclude", "s"];
    let told = trees.push("dst", &words).is(0);
    assert!(told.err.contains("2 removed"), "{told:#?}");
    sh(
        &trees.path("dst"),
        "[ -S own/s ] && ! [ -e own/o ] && ! [ -e t ]",
    );
    let told = trees.push("dst", &words).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    let words = ["--in-place", "--delete"];
    trees.push("dst", &words).is(0);
    sh(
        &trees.path("dst"),
        &format!("[ \"$(ls -A)\" = f ]; {SOCKET} t"),
    );
    // It alone is a difference.
    let told = trees.push("dst", &words).is(0);
    assert!(told.err.contains("1 removed"), "{told:#?}");
    let told = trees.push("dst", &words).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
}

#[test]
fn folders_get_their_modes_from_a_user_of_busybox_too() {
    let Some(trees) = Trees::as_users_on_busybox() else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir -p src/a/closed src/b; echo 1 >src/a/closed/f; echo 2 >src/b/f; chmod 555 src/a/closed; chmod 755 src src/a src/b; find src -exec touch -d @1700000000 '{}' +",
    );
    let judge = [
        "--modify-window=1",
        "--omit-link-times",
        "--no-owner",
        "--no-group",
    ];
    trees.push("open/dst", &["--in-place"]).is(0);
    trees.judge("open/dst", &judge);
    sh(
        &trees.path("src"),
        "chmod 750 b; echo new >a/closed/f; echo more >a/more; find . -exec touch -d @1710000000 '{}' +",
    );
    trees.push("open/dst", &["--in-place"]).is(0);
    trees.judge("open/dst", &judge);
    let told = trees.push("open/dst", &["--in-place"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
}

/// Every file under a folder, with what it contains.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stands = fs::symlink_metadata(&path).unwrap();
            if stands.is_dir() {
                folders.push(path);
            } else if stands.is_file() {
                let name = path.strip_prefix(root).unwrap().to_string_lossy();
                found.insert(name.into_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn killed_at_any_instant(make: fn() -> Trees) {
    let prepare = |trees: &Trees| {
        everything(&trees.path("old"));
        everything(&trees.path("src"));
        sh(
            &trees.path("old"),
            "echo old >a/plain; head -c 2000000 /dev/urandom >gone; mkdir d; for i in 1 2 3 4 5 6 7 8 9; do echo $i >d/$i; done; echo x >kind",
        );
        sh(
            &trees.path("src"),
            "for i in 1 2 3 4 5; do head -c 3000000 /dev/urandom >r$i; done; mkdir d kind; for i in 1 2 3 4 5 6 7 8 9; do echo new $i >d/$i; done; echo y >kind/y",
        );
        sh(&trees.path("."), "cp -a old dst");
    };
    let trees = make();
    prepare(&trees);
    let began = Instant::now();
    trees.push("dst", &["--in-place", "--delete"]).is(0);
    let length = began.elapsed();
    let rounds = if full() { 100 } else { 8 };
    let mut chance = Chance::new("push-in-place");
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
            "--in-place",
            "--delete",
        ];
        let mut going = trees.lab.start(&trees.words(&words));
        killed += u32::from(going.kill_after(chance.instant_in(length)));
        let (old, new) = (files(&trees.path("old")), files(&src));
        for (name, content) in files(&dst) {
            let whole = [&old, &new]
                .into_iter()
                .any(|tree| tree.get(&name) == Some(&content));
            assert!(
                whole,
                "round {round}: {name} is neither the old nor the new one"
            );
        }
        if trees.lab.latest().is_some_and(|(_, fate)| fate != "done") {
            trees
                .call(&["resume", "latest", "--yes", "--lock-wait", "120s"])
                .is(0);
        } else {
            trees
                .push("dst", &["--in-place", "--delete", "--lock-wait", "120s"])
                .is(0);
        }
        trees.judge("dst", &[]);
        assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
    }
    println!("{killed} of {rounds} were killed");
}

#[test]
fn a_killed_push_in_place_leaves_whole_files() {
    killed_at_any_instant(Trees::here);
}

#[test]
fn a_killed_push_in_place_over_ssh_leaves_whole_files() {
    killed_at_any_instant(Trees::over_ssh);
}

#[test]
fn what_had_arrived_is_not_sent_again_in_place() {
    let trees = Trees::here();
    let stage = ".dst.clusterctl-20200101-000000-aaaa.stage";
    sh(
        &trees.path("."),
        &format!(
            "mkdir src dst {stage}; head -c 5000000 /dev/urandom >src/a; head -c 5000000 /dev/urandom >src/b; echo own >dst/own; \
             cp -a src/a {stage}/a; head -c 100 src/b >{stage}/b; echo x >{stage}/other"
        ),
    );
    let arrived = fs::metadata(trees.path(stage).join("a")).unwrap().ino();
    trees.push("dst", &["--in-place"]).is(0);
    assert_eq!(fs::metadata(trees.path("dst/a")).unwrap().ino(), arrived);
    assert_eq!(
        differences(&trees.path("src"), &trees.path("dst"), &["--exclude=own"]),
        ""
    );
    assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
    // What arrived broken is found before anything takes its place, and comes once more.
    sh(
        &trees.path("."),
        &format!(
            "rm dst/a; mkdir {stage}; cp -a src/a {stage}/a; printf wrong | dd of={stage}/a bs=1 seek=100 conv=notrunc 2>/dev/null; touch -r src/a {stage}/a"
        ),
    );
    trees.push("dst", &["--in-place"]).is(0);
    assert_eq!(
        differences(&trees.path("src"), &trees.path("dst"), &["--exclude=own"]),
        ""
    );
}

#[test]
fn any_tree_becomes_any_other_in_place() {
    let rounds = if full() { 200 } else { 8 };
    for seed in 0..rounds {
        let mut draw = Draw::new(1000 + seed);
        let trees = Trees::here();
        sh(&trees.path("."), "mkdir src dst");
        grow(&mut draw, &trees.path("dst"), 0);
        if draw.chance(50) {
            sh(&trees.path("."), "rm -r src; cp -a dst src");
            let victims = fs::read_dir(trees.path("src")).unwrap();
            for victim in victims
                .map(|entry| entry.unwrap().path())
                .collect::<Vec<_>>()
            {
                if draw.chance(30) {
                    let _ = fs::remove_file(&victim).or_else(|_| fs::remove_dir_all(&victim));
                }
            }
        }
        grow(&mut draw, &trees.path("src"), 0);
        println!("seed {seed}");
        let checksum: &[&str] = if draw.chance(50) {
            &["--checksum"]
        } else {
            &[]
        };
        trees
            .push("dst", &[&["--in-place", "--delete"], checksum].concat())
            .is(0);
        trees.judge("dst", &[]);
    }
}

/// Judged without what busybox can't keep.
#[test]
fn a_node_with_busybox_has_its_files_replaced() {
    let trees = Trees::on_busybox();
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "setfacl -b a/run.sh; setfattr -x user.note a/run.sh; setfattr -x user.on.folder empty; chmod 6750 a/run.sh; touch -d '1970-01-01 00:00:00Z' a/nothing",
    );
    sh(
        &trees.path("."),
        "mkdir dst; echo own >dst/own; mkdir dst/big",
    );
    trees.push("dst", &["--in-place", "--delete"]).is(0);
    let judge = ["--modify-window=1", "--omit-link-times"];
    trees.judge("dst", &judge);
    sh(
        &trees.path("src"),
        "echo other >big; rm dangling; mkdir dangling; echo 1 >dangling/1; chmod 640 a/run.sh",
    );
    trees
        .push("dst", &["--in-place", "--delete", "--checksum"])
        .is(0);
    trees.judge("dst", &judge);
}

#[test]
fn what_is_mounted_in_a_tree_gets_its_files_in_place() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/data/sub dst/data vol/old; echo 1 >src/f; echo new >src/data/db; echo s >src/data/sub/s; echo old >vol/db; echo o >vol/old/o; touch -d 2001-01-01 vol/db",
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
        "--in-place",
        "--delete",
    ];
    trees.call_with_mount("vol", "dst/data", &push).is(0);
    assert_eq!(fs::read_to_string(dst.join("f")).unwrap(), "1\n");
    assert_eq!(differences(&src.join("data"), &trees.path("vol"), &[]), "");
}

#[test]
fn what_is_mounted_where_the_source_has_something_else_is_left_alone() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src dst/f/data dst/own vol; ln -s elsewhere src/f; echo keep >vol/db",
    );
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let push = |more: &[&'static str]| {
        let words = [
            "push",
            text(&src),
            "--on",
            "local",
            "--to",
            text(&dst),
            "--yes",
            "--in-place",
        ];
        let owned: Vec<String> = words.iter().chain(more).map(ToString::to_string).collect();
        owned
    };
    let call = |at: &str, words: &[String]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        trees.call_with_mount("vol", at, &words)
    };
    let refused = |told: Told| {
        assert!(told.err.contains("something is mounted at "), "{told:#?}");
        sh(&trees.path("vol"), "[ \"$(cat db)\" = keep ]");
    };
    // A link takes the place of a folder in which something is mounted.
    refused(call("dst/f/data", &push(&[])).is(30));
    sh(&trees.path("."), "rm src/f; mkdir src/f");
    // What only the node has goes, and something is mounted there or below.
    refused(call("dst/own", &push(&["--delete"])).is(30));
    refused(call("dst/f/data", &push(&["--delete"])).is(30));
    // It came after the plan.
    let plan = trees.path("plan");
    let made = [&push(&["--delete", "--out"])[..], &[text(&plan).to_owned()]].concat();
    let words: Vec<&str> = made.iter().map(String::as_str).collect();
    trees.call(&words).is(0);
    let apply = ["apply", text(&plan), "--yes"].map(str::to_owned);
    let told = call("dst/own", &apply);
    assert_ne!(told.code, 0, "{told:#?}");
    sh(&trees.path("vol"), "[ \"$(cat db)\" = keep ]");
    // What is excluded, or is nobody's business, is no obstacle.
    call("dst/own", &push(&[])).is(0);
    call("dst/own", &push(&["--delete", "--exclude", "/own"])).is(0);
    sh(&trees.path("vol"), "[ \"$(cat db)\" = keep ]");
}
