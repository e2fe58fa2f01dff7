//! How sameness is told, whom files belong to, how fast they go out, and what trees share.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::lab::{Trees, differences, sh, text};

/// Both ways to land.
const WAYS: [&[&str]; 2] = [&[], &["--in-place"]];

#[test]
fn content_tells_what_is_the_same_where_that_is_wanted() {
    for way in WAYS {
        let trees = Trees::over_ssh();
        sh(
            &trees.path("."),
            "mkdir -p src/d dst; head -c 300000 /dev/urandom >src/same; echo 12 >src/other; echo n >'src/d/new\nline'; : >src/none; cp -a src dst-n1; \
             cp -a src/. dst; echo 21 >dst/other; touch -r src/other dst/other; touch -d 2001-01-01 dst/same dst/d/* dst/none; chmod 600 dst/same",
        );
        let same = fs::metadata(trees.path("dst/same")).unwrap().ino();
        let told = trees.push("dst", &[way, &["--dry-run"]].concat()).is(0);
        assert!(told.out.contains("\t2\t300.0 kB\t"), "{told:#?}");
        let more = [way, &["--checksum"]].concat();
        let told = trees
            .push("dst", &[&more[..], &["--dry-run"]].concat())
            .is(0);
        assert!(told.out.contains("\t1\t3 bytes\t3\t"), "{told:#?}");
        trees.push("dst", &more).is(0);
        trees.judge("dst", &[]);
        let now = fs::metadata(trees.path("dst/same")).unwrap().ino();
        assert_eq!(now == same, !way.is_empty());
        let told = trees.push("dst", &more).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        // Only the content differs, which nothing else shows; who is asked to look at it finds it.
        sh(
            &trees.path("."),
            "echo 21 >dst/other; touch -r src/other dst/other",
        );
        let told = trees.push("dst", way).is(0);
        assert!(told.out.contains("Nothing to do"), "{told:#?}");
        trees.push("dst", &more).is(0);
        trees.judge("dst", &[]);
    }
}

#[test]
fn a_mode_that_differs_is_no_reason_to_send_a_file() {
    for way in WAYS {
        let trees = Trees::here();
        sh(
            &trees.path("."),
            "mkdir src; head -c 300000 /dev/urandom >src/a; ln src/a src/b; cp -a src dst; chmod 640 src/a; chown 12:34 src/a",
        );
        let told = trees.push("dst", &[way, &["--dry-run"]].concat()).is(0);
        assert!(told.out.contains("\t0\t0 bytes\t1\t"), "{told:#?}");
        trees.push("dst", way).is(0);
        trees.judge("dst", &[]);
        if way.is_empty() {
            // The old tree has the old mode.
            trees.call(&["undo", "latest", "--yes"]).is(0);
            let mode = fs::metadata(trees.path("dst/a")).unwrap().mode();
            assert_eq!(mode & 0o777, 0o644);
        }
    }
}

#[test]
fn everything_belongs_to_whom_it_shall() {
    let owners = |trees: &Trees| {
        let mut found: Vec<_> = ["dst", "dst/a", "dst/d", "dst/d/l", "dst/d/f"]
            .map(|name| fs::symlink_metadata(trees.path(name)).unwrap())
            .iter()
            .map(|it| (it.uid(), it.gid()))
            .collect();
        found.dedup();
        found
    };
    for way in WAYS {
        let trees = Trees::here();
        sh(
            &trees.path("."),
            "mkdir -p src/d; echo 1 >src/a; ln -s f src/d/l; echo 2 >src/d/f; chmod 4755 src/a",
        );
        let number = |which: &str| {
            let id = std::process::Command::new("id")
                .args([which, "nobody"])
                .output();
            let id = String::from_utf8(id.unwrap().stdout).unwrap();
            id.trim().parse::<u32>().unwrap()
        };
        let nobody = (number("-u"), number("-g"));
        for (owner, found) in [
            ("1234:5678", (1234, 5678)),
            ("nobody", nobody),
            ("nobody:daemon", (nobody.0, 1)),
        ] {
            let more = [way, &["--owner", owner]].concat();
            trees.push("dst", &more).is(0);
            assert_eq!(owners(&trees), [found], "{owner}");
            let judge = format!("--chown={}:{}", found.0, found.1);
            trees.judge("dst", &[&judge]);
            let told = trees.push("dst", &more).is(0);
            assert!(told.out.contains("Nothing to do"), "{told:#?}");
        }
        for (bad, why) in [
            ("no-such-user", "has no user no-such-user"),
            ("nobody:no-such-group", "has no group no-such-group"),
            ("98765", "knows no group of user 98765"),
        ] {
            let told = trees.push("dst", &[way, &["--owner", bad]].concat()).is(30);
            assert!(told.err.contains(why), "{told:#?}");
        }
        trees.push("dst", &["--owner", "a b"]).is(2);
    }
}

#[test]
fn who_is_not_root_can_give_nothing_away() {
    let trees = Trees::here();
    sh(&trees.path("."), "mkdir src; echo 1 >src/a");
    // The node's own `id` says who its user is.
    let bin = trees.path("bin");
    fs::create_dir(&bin).unwrap();
    let fake = bin.join("id");
    fs::write(
        &fake,
        "#!/bin/sh\n[ \"$1\" = -u ] && [ $# = 1 ] && exec echo 1000\nexec /usr/bin/id \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = trees.lab.program("runner");
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", text(&bin));
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    command.env("PATH", path).args([
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
        "--owner",
        "nobody",
    ]);
    let told = trees.lab.start_command(command).end().is(30);
    assert!(
        told.err.contains("only the superuser can give files"),
        "{told:#?}"
    );
}

#[test]
fn a_limit_of_the_rate_is_part_of_the_plan() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src; head -c 1000000 /dev/urandom >src/a",
    );
    let told = trees
        .push("dst", &["--limit-rate", "300M", "--plan", "-v"])
        .is(0);
    assert!(told.out.contains("300000000 bytes a second"), "{told:#?}");
    trees.push("dst", &["--limit-rate", "300M"]).is(0);
    trees.judge("dst", &[]);
    let told = trees.push("dst", &["--limit-rate", "fast"]).is(2);
    assert!(told.err.contains("10M"), "{told:#?}");
}

#[test]
fn unchanged_files_are_shared_by_the_trees_where_that_is_wanted() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src/d; echo 1 >src/a; echo 2 >src/d/b; ln src/d/b src/c; echo 3 >src/m",
    );
    trees.push("dst", &[]).is(0);
    sh(
        &trees.path("."),
        "cp -a dst before; echo own >dst/own.log; cp -a dst/own.log before/; echo new >src/a; chmod 600 src/m",
    );
    let more = ["--link-unchanged", "--exclude", "*.log"];
    trees.push("dst", &more).is(0);
    trees.judge("dst", &["--exclude=*.log"]);
    let old = trees.path(&trees.hidden()[0]);
    let shared = |name: &str| {
        let number = |root: &std::path::Path| fs::metadata(root.join(name)).unwrap().ino();
        number(&old) == number(&trees.path("dst"))
    };
    assert!(shared("d/b") && shared("c"));
    // What changed, gets other attributes, or is the node's own is no file of both.
    assert!(!shared("a") && !shared("m") && !shared("own.log"));
    trees.call(&["undo", "latest", "--yes"]).is(0);
    assert_eq!(
        differences(&trees.path("before"), &trees.path("dst"), &[]),
        ""
    );
    trees.push("dst", &more).is(0);
    trees
        .call(&["cleanup", "--yes", "--older-than", "1ms"])
        .is(0);
    trees.judge("dst", &["--exclude=*.log"]);
    let words = ["--link-unchanged", "--in-place"];
    trees.push("dst", &words).is(2);
}

#[test]
fn unchanged_files_share_their_blocks_where_the_file_system_can() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst bin; echo 1 >src/a; cp -p src/a dst/a; echo 2 >src/b",
    );
    let fake = trees.path("bin/cp");
    let log = trees.path("cp.log");
    fs::write(
        &fake,
        format!(
            "#!/bin/sh\necho \"$*\" >>{}\nexec /usr/bin/cp \"$@\"\n",
            text(&log)
        ),
    )
    .unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
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
    ]);
    trees.lab.start_command(command).end().is(0);
    trees.judge("dst", &[]);
    let said = fs::read_to_string(&log).unwrap();
    assert!(
        said.contains("--reflink=auto") && said.contains("./a"),
        "{said}"
    );
}
