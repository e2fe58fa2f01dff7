//! Too little room: refused where that is known before, and survived where it is not.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::lab::{Small, Trees, both, sh, text};

/// Fills the disk when the node calls this program with this word, but for what fits one file of the tree and not two.
fn filled_up_in(trees: &Trees, program: &str, word: &str, more: &[&str]) {
    let what = "what is said of a disk that fills up while a tree comes was not seen";
    let Some(small) = Small::at(trees.path("small"), "size=24m,mode=0755", what) else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir src; echo old >small/f; mkdir small/dst; mv small/f small/dst; for i in 1 2 3 4; do head -c 3000000 /dev/urandom >src/r$i; done",
    );
    let at = text(&trees.path("small")).to_owned();
    let called = text(&trees.path("called")).to_owned();
    let script = format!(
        "case \"$*\" in *{word}*) : >{called}; dd if=/dev/zero of={at}/ballast bs=64k 2>/dev/null; truncate -s -5M {at}/ballast ;; esac\nexec /usr/bin/{program} \"$@\""
    );
    let (src, dst) = (trees.path("src"), trees.path("small/dst"));
    let words = [
        "push",
        text(&src),
        "--on",
        trees.node(),
        "--to",
        text(&dst),
        "--yes",
    ];
    let told = trees
        .call_with_programs(&[(program, &script)], &[&words, more].concat())
        .is(41);
    assert!(Path::new(&called).exists(), "{program}: {told:#?}");
    for part in [
        trees.node(),
        "No space left on device",
        "small/dst is as it was",
        "for the rest, ",
        "push again",
    ] {
        assert!(told.err.contains(part), "{part}: {told:#?}");
    }
    println!("{} {}", told.code, told.err);
    assert_eq!(fs::read_to_string(dst.join("f")).unwrap(), "old\n");
    let stage = fs::read_dir(trees.path("small"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().ends_with(".stage"))
        .unwrap();
    let arrived = fs::metadata(stage.join("r1")).unwrap().ino();
    // As long as there is no room, that is known before anything is sent.
    let told = trees.push("small/dst", &[]).is(30);
    assert!(
        told.err.contains("are needed beside the old tree"),
        "{told:#?}"
    );
    small.make_room();
    trees.push("small/dst", &[]).is(0);
    trees.judge("small/dst", &["--exclude=/f"]);
    assert_eq!(fs::metadata(dst.join("r1")).unwrap().ino(), arrived);
}

#[test]
fn a_disk_that_fills_up_is_told_of_and_what_had_arrived_is_of_use() {
    filled_up_in(&Trees::with_tools(":"), "tar", "--extract", &[]);
}

#[test]
fn so_is_one_that_fills_up_with_what_comes_through_zstd() {
    let zstd = ["--compress"];
    filled_up_in(&Trees::with_tools(":"), "tar", "--extract", &zstd);
}

#[test]
fn so_is_one_that_fills_up_while_a_tree_is_copied_on_this_machine() {
    filled_up_in(&Trees::here(), "cp", "--parents", &[]);
}

#[test]
fn inodes_and_holes_are_counted_as_what_they_take() {
    both(|trees| {
        let what = "how inodes are counted was not tried";
        let options = "size=16m,nr_inodes=40,mode=0755";
        let Some(_small) = Small::at(trees.path("small"), options, what) else {
            return;
        };
        // A file that is larger than the disk.
        sh(
            &trees.path("."),
            "mkdir src; truncate -s 64M src/holes; echo end >>src/holes; echo 1 >src/a; ln src/a src/b",
        );
        trees.push("small/dst", &[]).is(0);
        trees.judge("small/dst", &[]);
        sh(
            &trees.path("src"),
            "for i in $(seq 60); do echo $i >n$i; done",
        );
        let told = trees.push("small/dst", &[]).is(30);
        assert!(
            told.err.contains("inodes (`df -i`) are needed"),
            "{told:#?}"
        );
        trees.judge("small/dst", &["--exclude=n*", "--omit-dir-times"]);
    });
}

#[test]
fn what_a_disk_could_not_take_after_all_gets_no_place() {
    let sync = "case \"$*\" in -f*) echo \"sync: error syncing '$3': Input/output error\" >&2; exit 1 ;; esac\nexec /usr/bin/sync \"$@\"";
    for more in [&["--in-place"][..], &[]] {
        let trees = Trees::with_tools(":");
        sh(
            &trees.path("."),
            "mkdir src dst; echo newer >src/f; echo old >dst/f",
        );
        let told = trees.push_with_programs(&[("sync", sync)], "dst", more);
        assert_ne!(told.code, 0, "{told:#?}");
        let parts = ["can't be forced to the disk", "Input/output error"];
        assert!(parts.iter().all(|it| told.err.contains(it)), "{told:#?}");
        let live = fs::read_to_string(trees.path("dst/f")).unwrap();
        assert_eq!(live, "old\n");
        // Of files that are replaced some may have got their places, as far as anybody knows.
        if more.is_empty() {
            trees.push("dst", more).is(0);
        } else {
            trees.call(&["resume", "latest"]).is(0);
        }
        trees.judge("dst", &[]);
    }
}
