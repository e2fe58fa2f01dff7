//! Too little room: refused where that is known before, and survived where it is not.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::lab::{Small, Trees, sh, text};

#[test]
fn a_disk_that_fills_up_is_told_of_and_what_had_arrived_is_of_use() {
    let trees = Trees::here();
    let what = "what is said of a disk that fills up while a tree is unpacked was not seen";
    let Some(small) = Small::at(trees.path("small"), "size=24m,mode=0755", what) else {
        return;
    };
    sh(
        &trees.path("."),
        "mkdir src; echo old >small/f; mkdir small/dst; mv small/f small/dst; for i in 1 2 3 4; do head -c 3000000 /dev/urandom >src/r$i; done",
    );
    let at = text(&trees.path("small")).to_owned();
    let tar = format!(
        "case \"$*\" in *--extract*) dd if=/dev/zero of={at}/ballast bs=64k 2>/dev/null; truncate -s -5M {at}/ballast ;; esac\nexec /usr/bin/tar \"$@\""
    );
    let (src, dst) = (trees.path("src"), trees.path("small/dst"));
    let words = [
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
    ];
    let told = trees.call_with_programs(&[("tar", &tar)], &words);
    assert_ne!(told.code, 0, "{told:#?}");
    for part in [
        "local",
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
fn inodes_and_holes_are_counted_as_what_they_take() {
    let trees = Trees::here();
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
}
