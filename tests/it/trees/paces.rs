//! How long a push takes, foretold from what the line carries.

use std::time::Instant;

use super::lab::{Trees, sh};
use crate::ssh::wires::Wire;

/// What is brought, and by what line: it takes twelve seconds.
const BYTES: u32 = 4_800_000;
const PACE: u32 = 400_000;

/// Nodes on such a line, and one on a line that is four times as fast.
fn trees() -> (Trees, [Wire; 2]) {
    let trees = Trees::over_ssh();
    sh(
        &trees.path("."),
        &format!("mkdir src; head -c {BYTES} /dev/urandom >src/content"),
    );
    let wires = [("n1", PACE), ("n2", 4 * PACE)].map(|(node, pace)| {
        let wire = Wire::as_slow_as(pace, trees.lab.servers().server(node).address());
        trees.reach(node, wire.address());
        wire
    });
    (trees, wires)
}

/// What a dry run foretells, in seconds.
fn foretold(trees: &Trees, node: &str, more: &[&str]) -> Option<f64> {
    let more = [&["--dry-run", "--json"], more].concat();
    let told = trees.push_to(node, "dst", &more).is(0);
    let one: serde_json::Value = serde_json::from_str(told.out.trim()).unwrap();
    one["seconds"].as_f64()
}

#[test]
fn what_a_slow_line_takes_is_foretold() {
    let (trees, _wires) = trees();
    let slow = foretold(&trees, "n1", &[]).unwrap();
    // On a machine that has much else to do, a short look at a line that is not slow may tell nothing.
    let fast = foretold(&trees, "n2", &[]);
    assert!(fast.is_none_or(|fast| fast < slow), "{fast:?} {slow}");
    let plan = trees.path("plan");
    let told = trees.push("dst", &["--out", plan.to_str().unwrap()]).is(0);
    let told = trees.call(&["show", plan.to_str().unwrap()]).is(0).out + &told.out;
    assert!(told.contains("(4.8 MB, about "), "{told}");
    let begun = Instant::now();
    trees
        .call(&["apply", plan.to_str().unwrap(), "--yes"])
        .is(0);
    let took = begun.elapsed().as_secs_f64();
    assert!(slow < 3.0 * took && took < 3.0 * slow, "{slow} {took}");
    trees.judge("dst", &[]);
}

#[test]
fn what_may_be_sent_at_the_most_is_foretold_with_it() {
    let trees = Trees::over_ssh();
    sh(
        &trees.path("."),
        "mkdir src; head -c 300000 /dev/urandom >src/content",
    );
    assert_eq!(foretold(&trees, "n1", &["--limit-rate", "10k"]), Some(30.0));
    let told = trees
        .push("dst", &["--dry-run", "--limit-rate", "10k"])
        .is(0);
    assert!(told.out.contains("at least 30 s at 10.0 kB/s"), "{told:#?}");
    // So little is sent before anybody has read how long that takes.
    assert_eq!(foretold(&trees, "n1", &[]), None);
}
