//! Folders that are closed to their owner, where that is not root.

use super::lab::{Trees, sh, text};

fn twice(trees: &Trees, judge: &[&str]) {
    sh(
        &trees.path("."),
        "mkdir -p src/ro/in/deep src/ro/b; for i in 1 2 3; do echo $i >src/ro/$i; echo $i >src/ro/in/$i; echo $i >src/ro/in/deep/$i; done; echo 1 >\"src/ro/b/it's \\$(odd)\"; echo 1 >src/private; echo 1 >src/open; touch -d '1969-12-31 23:00' src/ro/1",
    );
    sh(
        &trees.path("src"),
        "chmod 640 private; chmod 666 open; chmod 4755 ro/2; chmod 1777 ro/b; chmod 555 ro/in/deep ro/in ro; chmod 555 .",
    );
    trees.push("open/dst", &[]).is(0);
    let told = trees.push("open/dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    sh(&trees.path("src"), "echo new >ro/in/1; echo new >ro/new");
    trees.push("open/dst", &["--delete"]).is(0);
    trees.judge("open/dst", judge);
    let told = trees.push("open/dst", &[]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    trees.call(&["undo", "latest", "--yes"]).is(0);
    trees.push("open/dst", &["--delete"]).is(0);
    trees.judge("open/dst", judge);
    // What is kept of the old trees can be removed all the same.
    trees
        .call(&["cleanup", "--yes", "--older-than", "1ms"])
        .is(0);
    sh(&trees.path("open"), "[ \"$(ls -A)\" = dst ]");
}

#[test]
fn folders_that_are_closed_to_their_owner_are_no_obstacle() {
    if let Some(trees) = Trees::as_users() {
        twice(&trees, &["--no-owner", "--no-group"]);
    }
}

#[test]
fn nor_are_they_with_busybox() {
    if let Some(trees) = Trees::as_users_on_busybox() {
        sh(&trees.path("."), "mkdir src; : >src/later");
        twice(
            &trees,
            &[
                "--no-owner",
                "--no-group",
                "--modify-window=1",
                "--omit-link-times",
                // Before 1970 there is nothing for busybox.
                "--exclude=/ro/1",
            ],
        );
    }
}

/// The same number has another name on the node.
#[test]
fn owners_are_numbers_also_with_busybox() {
    let trees = Trees::on_busybox();
    sh(
        &trees.path("."),
        "mkdir src; echo 1 >src/f; chown 2:3 src/f",
    );
    // To the runner number 2 has the name that number 1 has on the node.
    sh(
        &trees.path("."),
        "sed -e 's/^bin:x:2:/other:x:4242:/' -e 's/^daemon:x:1:/daemon:x:2:/' /etc/passwd >passwd",
    );
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let words = [
        "push",
        text(&src),
        "--on",
        "n1",
        "--to",
        text(&dst),
        "--yes",
    ];
    trees.call_with_mount("passwd", "/etc/passwd", &words).is(0);
    sh(&trees.path("dst"), "[ \"$(stat -c %u:%g f)\" = 2:3 ]");
}
