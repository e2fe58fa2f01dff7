//! `status`: the cluster on one screen.

use rustix::process::Signal;
use serde_json::Value;

use super::cluster::{Cluster, NAMES};
use crate::balancer::haproxy::POOL;
use crate::world::bench::wait_until;

#[test]
fn all_is_well() {
    let cluster = Cluster::new();
    let told = cluster.call(&["status"]).is(0);
    assert_eq!(told.err, "");
    let rows = told.rows();
    assert_eq!(
        rows[0],
        ["node", "version", "service", "process", "answers", "pools"]
    );
    for (row, name) in rows[1..].iter().zip(NAMES) {
        let pid = cluster.pid(name).unwrap().to_string();
        assert_eq!(
            row[..],
            [name, "7.0.3.0.1020", "running", &pid, "yes", "web up"]
        );
    }
    assert_eq!(rows[4], ["nothing runs in the cluster"]);
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let cluster = Cluster::new();
    let process = cluster.farm.request("ucd1", 3_600_000);
    wait_until("it runs", || {
        cluster.farm.state_of("ucd1", &process) == "EXECUTING"
    });
    cluster
        .haproxy
        .ask(&format!("set server {POOL}/ucd2 state drain"));
    cluster
        .call(&[
            "stop",
            "--on",
            "ucd3",
            "--yes",
            "--on-drain-timeout",
            "accept-loss",
            "--work-within",
            "1s",
        ])
        .is(0);
    let told = cluster.call(&["status"]).is(3);
    assert!(told.out.contains("web drained"), "{told:#?}");
    assert!(told.out.contains("web out"), "{told:#?}");
    assert!(
        told.err
            .contains("ucd3: the server is stopped.\n  hint: clusterctl start --on ucd3\n"),
        "{told:#?}"
    );
    let told = cluster.call(&["status", "--json"]).is(3);
    let line: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(line["servers"][2]["service"], "stopped");
    assert_eq!(
        line["servers"][1]["pools"][0],
        serde_json::json!(["lb1", "web", "drained", "up"])
    );
    assert_eq!(line["maintenance"], false);
    assert_eq!(line["problems"][0]["node"], "ucd3");
}

#[test]
fn servers_of_different_versions_are_told() {
    let cluster = Cluster::new();
    let file = cluster.farm.home("ucd2").join("conf/installed.version");
    std::fs::write(file, "installed.version=7.0.3.1.1\n").unwrap();
    let told = cluster.call(&["status"]).is(3);
    assert!(
        told.err.contains(
            "the servers are of different versions: 7.0.3.0.1020 on ucd1, ucd3; 7.0.3.1.1 on ucd2"
        ),
        "{told:#?}"
    );
}

#[test]
fn who_may_see_nothing_is_told_so() {
    let cluster = Cluster::new();
    let told = cluster.start_as("admin:wrong", &["status"]).end().is(3);
    assert!(told.err.contains("401"), "{told:#?}");
    assert!(!told.out.contains("nothing runs"), "{told:#?}");
}

#[test]
fn whoever_watches_sees_it_again_until_ctrl_c() {
    let cluster = Cluster::new();
    let going = cluster.start(&["status", "--watch", "100ms"]);
    wait_until("it was shown twice", || {
        going.said().matches("nothing runs in the cluster").count() >= 2
    });
    going.signal(Signal::INT);
    going.end().is(0);
}
