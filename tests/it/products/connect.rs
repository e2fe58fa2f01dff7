//! `connect`: each server gets its cluster connection, and the cluster serves meanwhile.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::cluster::{Cluster, NAMES};
use crate::balancer::haproxy::Crowd;
use crate::real::processes::PATIENCE;
use crate::world::bench::wait_until;

/// A version whose servers reach each other by cluster connections alone.
const VERSION: &str = "6.2.7.1.1020";
const PATH: &str = "/rest/network/networkRelay";

fn connections(cluster: &Cluster) -> Vec<Value> {
    let database = cluster.farm.database();
    database["connections"].as_array().unwrap().clone()
}

/// Makes a connection by hand.
fn make(cluster: &Cluster, connection: &Value) {
    cluster
        .farm
        .ask("ucd1", "PUT", PATH, Some(connection))
        .json();
}

fn is_reached(cluster: &Cluster, through: &str, agent: &str) -> bool {
    let test = format!("/cli/agentCLI/test?agent={agent}");
    cluster.farm.ask(through, "PUT", &test, None).status == 200
}

#[test]
fn three_servers_are_connected_while_users_come() {
    let cluster = Cluster::of_version(VERSION);
    cluster.farm.agent("far", &["ucd2", "ucd3"]);
    assert_eq!(cluster.farm.server_of("far"), cluster.farm.identity("ucd2"));
    assert!(!is_reached(&cluster, "ucd1", "far"));
    let pids = || NAMES.map(|name| cluster.pid(name).unwrap());
    let before = pids();
    cluster.call(&["connect", "--plan"]).is(0);
    assert_eq!((connections(&cluster), pids()), (vec![], before));
    let crowd = Crowd::comes(&cluster.haproxy);
    let told = cluster
        .start(&["connect", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    crowd.goes();
    let made = connections(&cluster);
    for (name, it) in NAMES.iter().zip(&made) {
        let address = cluster.farm.address(name);
        assert_eq!(it["name"], *name);
        assert_eq!(it["host"], address.ip.to_string());
        assert_eq!((&it["port"], &it["active"]), (&json!(7918), &json!(true)));
    }
    assert_eq!(made.len(), 3);
    // The one through which they were made uses them without a restart.
    let after = pids();
    assert_eq!(after[0], before[0], "{told:#?}");
    assert!((1..3).all(|at| after[at] != before[at]), "{told:#?}");
    for name in NAMES {
        assert!(is_reached(&cluster, name, "far"), "{name}: {told:#?}");
        assert_eq!(cluster.haproxy.admin(name), 0, "{name}");
    }
    let told = cluster.call(&["connect", "--yes"]).is(0);
    assert!(
        told.out.contains("each server has its connection already"),
        "{told:#?}"
    );
    cluster.call(&["undo", "latest", "--yes"]).is(0);
    assert_eq!(connections(&cluster), [] as [Value; 0]);
}

#[test]
fn what_is_wrong_is_corrected_and_what_leads_nowhere_goes_when_it_is_told_to() {
    let cluster = Cluster::of_version(VERSION);
    let ip = |name: &str| cluster.farm.address(name).ip.to_string();
    for name in NAMES {
        make(
            &cluster,
            &json!({ "name": name, "host": ip(name), "port": 7918, "active": name != "ucd3" }),
        );
    }
    make(
        &cluster,
        &json!({ "name": "old", "host": "127.0.0.9", "port": 7916, "active": true }),
    );
    let before = connections(&cluster);
    let told = cluster.call(&["connect", "--plan"]).is(0);
    assert!(
        told.err
            .contains("The connection `old` to 127.0.0.9:7916 leads to no server"),
        "{told:#?}"
    );
    assert!(told.err.contains("--prune"), "{told:#?}");
    assert!(!told.out.contains("Remove the connection"), "{told:#?}");
    let pids = || NAMES.map(|name| cluster.pid(name).unwrap());
    let before_it = pids();
    cluster
        .start(&["connect", "--prune", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    let after = connections(&cluster);
    assert_eq!(after.len(), 3);
    assert!(after.iter().all(|it| it["active"] == true), "{after:?}");
    // All others learn of it.
    let now = pids();
    assert_eq!(now[0], before_it[0]);
    assert!((1..3).all(|at| now[at] != before_it[at]));
    cluster.call(&["undo", "latest", "--yes"]).is(0);
    let again = connections(&cluster);
    let known = |all: &[Value]| {
        let mut all: Vec<_> = all
            .iter()
            .map(|it| {
                (
                    it["name"].to_string(),
                    it["host"].to_string(),
                    it["port"].to_string(),
                    it["active"].to_string(),
                )
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(known(&again), known(&before));
}

#[test]
fn a_runner_that_dies_while_servers_are_connected_is_followed_by_one_that_goes_on_or_back() {
    for back in [false, true] {
        let cluster = Cluster::of_version(VERSION);
        let going = cluster.start(&["connect", "--yes"]);
        wait_until("two are made", || {
            going
                .complained()
                .contains("done: Make a connection to ucd2")
        });
        going.signal(Signal::KILL);
        going.end().is(137);
        let next = if back { "undo" } else { "resume" };
        let told = cluster
            .start(&[next, "latest", "--yes"])
            .end_within(PATIENCE * 2)
            .is(0);
        let wanted = if back { 0 } else { 3 };
        assert_eq!(connections(&cluster).len(), wanted, "{told:#?}");
    }
}

#[test]
fn versions_that_connect_by_themselves_need_nothing() {
    let cluster = Cluster::of_version("7.2.1.0.1020");
    let told = cluster.call(&["connect", "--yes"]).is(0);
    assert!(
        told.out
            .contains("servers of this version connect by themselves"),
        "{told:#?}"
    );
    let told = cluster.call(&["connect", "--through", "lb1"]).is(2);
    assert!(told.err.contains("role = \"server\""), "{told:#?}");
    let file = fs::read_to_string(&cluster.file).unwrap();
    let wrong = file.replace("credentials = \"admin\"", "credentials = \"blind\"");
    fs::write(
        &cluster.file,
        wrong.replace("[secrets]\n", "[secrets]\nblind = \"env:NOBODY\"\n"),
    )
    .unwrap();
    cluster.call(&["connect", "--yes"]).is(2);
}
