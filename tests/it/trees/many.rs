//! Many nodes: one reading for all, and a node that fails harms nobody.

use super::lab::{Trees, everything, sh};

#[test]
fn several_nodes_share_one_reading() {
    let trees = Trees::over_ssh();
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "for i in 1 2 3 4 5 6 7 8; do head -c 3000000 /dev/urandom >r$i; done",
    );
    // One has a part of it already, and needs less of the reading than the others.
    sh(
        &trees.path("."),
        "mkdir dst-n2; cp -a src/r1 src/r5 dst-n2/; echo own >dst-n2/own",
    );
    let plan = trees.plan_for(&["n1", "n2", "n3"], &["--delete"]);
    let told = trees.call(&["apply", &plan, "--yes"]).is(0);
    assert!(told.err.contains("6 of 6 steps done"), "{told:#?}");
    for to in ["dst-n1", "dst-n2", "dst-n3"] {
        trees.judge(to, &[]);
    }
}

#[test]
fn a_node_that_is_gone_harms_nobody() {
    let mut trees = Trees::over_ssh();
    everything(&trees.path("src"));
    let plan = trees.plan_for(&["n1", "n2", "n3"], &[]);
    // One whose place can't be written to is as good as gone.
    sh(&trees.path("."), "echo in the way >dst-n2");
    let told = trees.call(&["apply", &plan, "--yes"]);
    assert_ne!(told.code, 0, "{told:#?}");
    trees.lab.servers_mut().server_mut("n2").stop();
    let told = trees.push_to("n1,n2", "dst", &[]);
    assert!(told.err.contains("n2 is left out"), "{told:#?}");
    trees.judge("dst", &[]);
}
