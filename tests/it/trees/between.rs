//! A swap that is killed between its two renames, on a node that can't exchange two names at once.

use std::fs;

use super::lab::{Trees, sh, text};

/// Kills the swap after so many renames, and gives the run's identifier.
fn killed_after(trees: &Trees, renames: u32) {
    sh(
        &trees.path("."),
        "mkdir -p src dst/d; echo newer >src/f; echo old >dst/f; echo own >dst/d/own",
    );
    fs::write(trees.path("left"), format!("{renames}\n")).unwrap();
    let left = trees.path("left");
    // Nothing can exchange two names; and whoever renames for the last time is killed afterwards.
    let mv = format!(
        "case \"$*\" in\n*--exchange*) exit 1 ;;\n*'dst '*dst.clusterctl*.old*|*dst.clusterctl*' '*/dst|*.old' '*dst.clusterctl*)\n\
         left=$(cat {at} 2>/dev/null)\n/usr/bin/mv \"$@\" || exit\n[ -n \"$left\" ] || exit 0\n\
         if [ \"$left\" = 1 ]; then rm {at}; kill -9 $PPID; else echo $((left - 1)) >{at}; fi\nexit 0 ;;\nesac\nexec /usr/bin/mv \"$@\"",
        at = text(&left)
    );
    let (src, dst) = (trees.path("src"), trees.path("dst"));
    let words = [
        "push",
        text(&src),
        "--on",
        "local",
        "--to",
        text(&dst),
        "--yes",
        "--delete",
    ];
    let programs = [("mv", &mv[..]), ("perl", "exit 1"), ("python3", "exit 1")];
    let told = trees.call_with_programs(&programs, &words);
    assert!(!left.exists(), "{told:#?}");
}

#[test]
fn a_swap_that_was_killed_between_its_renames_is_finished_by_resume() {
    for renames in [1, 2] {
        let trees = Trees::here();
        killed_after(&trees, renames);
        assert_eq!(trees.path("dst").exists(), renames == 2);
        if trees.lab.latest().is_some_and(|(_, fate)| fate != "done") {
            trees.call(&["resume", "latest", "--yes"]).is(0);
        }
        trees.judge("dst", &[]);
        if renames == 2 {
            // The old tree has the name that it has in between, and goes all the same.
            trees
                .call(&["cleanup", "--yes", "--older-than", "1ms"])
                .is(0);
            assert!(trees.hidden().is_empty(), "{:?}", trees.hidden());
        }
    }
    for renames in [1, 2] {
        let trees = Trees::here();
        killed_after(&trees, renames);
        if renames == 1 {
            trees.call(&["resume", "latest", "--yes"]).is(0);
        }
        trees.call(&["undo", "latest", "--yes"]).is(0);
        sh(
            &trees.path("dst"),
            "[ \"$(cat f)\" = old ] && [ \"$(cat d/own)\" = own ]",
        );
    }
}

#[test]
fn the_next_push_goes_on_from_there_too() {
    let trees = Trees::here();
    killed_after(&trees, 1);
    assert!(!trees.path("dst").exists());
    trees.call(&["runs", "abandon", "latest", "--yes"]).is(0);
    // The tree that was live is no leftover.
    trees.call(&["cleanup", "--yes", "--older-than", "1ms"]);
    // What only the old tree has is carried over, for that is the tree that is there.
    trees.push("dst", &[]).is(0);
    trees.judge("dst", &["--exclude=/d", "--omit-dir-times"]);
    assert_eq!(
        fs::read_to_string(trees.path("dst/d/own")).unwrap(),
        "own\n"
    );
    trees.call(&["undo", "latest", "--yes"]).is(0);
    sh(
        &trees.path("dst"),
        "[ \"$(cat f)\" = old ] && [ \"$(cat d/own)\" = own ]",
    );
}
