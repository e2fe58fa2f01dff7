//! Old trees that are had back although somebody still writes to what is left out, and nodes with few programs.

use std::fs;
use std::process::{Command, Stdio};

use super::lab::{Trees, sh, text};

#[test]
fn a_log_that_is_still_written_in_the_old_tree_is_no_obstacle() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir -p src dst/log; echo newer >src/f; echo old >dst/f; echo 1 >dst/log/a",
    );
    trees.push("dst", &["--exclude", "/log/"]).is(0);
    let old = trees.path(&trees.hidden()[0]);
    // A process that has it open writes on, and begins another.
    sh(&old, "echo 2 >>log/a; echo 1 >log/b");
    trees.call(&["undo", "latest", "--yes"]).is(0);
    assert_eq!(fs::read_to_string(trees.path("dst/f")).unwrap(), "old\n");
    assert_eq!(
        fs::read_to_string(trees.path("dst/log/a")).unwrap(),
        "1\n2\n"
    );
    // What counts still counts.
    trees.push("dst", &["--exclude", "/log/"]).is(0);
    let old = trees.hidden();
    let old = old.iter().map(|name| trees.path(name));
    let old = old
        .filter(|path| fs::read_to_string(path.join("f")).is_ok_and(|text| text == "old\n"))
        .last()
        .unwrap();
    sh(&old, "echo 3 >>log/a; echo late >>f");
    let told = trees.call(&["undo", "latest", "--yes"]);
    assert!(told.err.contains("somebody wrote into"), "{told:#?}");
    assert_eq!(fs::read_to_string(trees.path("dst/f")).unwrap(), "newer\n");
}

#[test]
fn a_node_that_has_b2sum_alone_gets_its_old_tree_back() {
    let trees = Trees::here();
    sh(
        &trees.path("."),
        "mkdir src dst; echo newer >src/f; echo old >dst/f; : >nothing; chmod 644 nothing",
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
    ];
    trees
        .call_with_mount("nothing", "/usr/bin/sha256sum", &push)
        .is(0);
    trees.judge("dst", &[]);
    let undo = ["undo", "latest", "--yes"];
    trees
        .call_with_mount("nothing", "/usr/bin/sha256sum", &undo)
        .is(0);
    assert_eq!(fs::read_to_string(dst.join("f")).unwrap(), "old\n");
}

#[test]
fn what_comes_and_goes_in_what_is_left_out_is_no_obstacle() {
    for trees in [Trees::here(), Trees::on_busybox()] {
        sh(
            &trees.path("."),
            "mkdir -p src dst/log; echo 1 >src/f; echo 0 >dst/f; for i in $(seq 300); do echo $i >dst/log/stays$i; done",
        );
        let churn = "i=0; while [ -e go ] && [ $i -lt 200000 ]; do i=$((i + 1)); at=dst/log/$((i % 40)); \
                     mkdir $at && : >$at/x && : >$at.x; rm -r $at $at.x; done 2>/dev/null";
        sh(&trees.path("."), ": >go");
        let mut going = Command::new("sh")
            .args(["-c", churn])
            .current_dir(trees.path("."))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        for round in 0..4 {
            fs::write(trees.path("src/f"), format!("{round} round")).unwrap();
            let told = trees.push("dst", &["--exclude", "/log/"]);
            assert_eq!(told.code, 0, "{round}: {told:#?}");
        }
        fs::remove_file(trees.path("go")).unwrap();
        going.wait().unwrap();
        assert_eq!(fs::read_to_string(trees.path("dst/f")).unwrap(), "3 round");
    }
}
