//! `lb check`: what serves, and what is wrong.

use std::fs;

use super::drain::Scene;
use super::haproxy::{HaProxy, POOL, Web, cluster};
use crate::real::lab::Lab;

#[test]
fn all_is_well() {
    let scene = Scene::new("");
    let told = scene.call(&["lb", "check"]).is(0);
    let rows = told.rows();
    assert_eq!(
        rows[0],
        [
            "balancer", "pool", "server", "node", "address", "state", "health", "requests"
        ]
    );
    for (row, name) in rows[1..].iter().zip(["ucd1", "ucd2", "ucd3"]) {
        assert_eq!(
            (&row[..4], &row[5..]),
            (&["lb1", POOL, name, name][..], &["enabled", "up", "0"][..])
        );
    }
    assert_eq!(told.err, "");
}

#[test]
fn each_thing_that_is_wrong_is_named_with_what_to_do() {
    let scene = Scene::new("min_in_service = 3");
    scene
        .haproxy
        .ask(&format!("set server {POOL}/ucd2 state drain"));
    let told = scene.call(&["lb", "check"]).is(3);
    insta::assert_snapshot!(told.err, @r"
    lb1: ucd2 in pool web is drained.
      hint: clusterctl lb enable ucd2   (puts it back)
    lb1: 2 servers serve in pool web; at least 3 must.
      hint: start more of them, or put them back with lb enable
    ");
    let told = scene.call(&["lb", "check", "--json"]).is(3);
    let lines: Vec<serde_json::Value> = told
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        (&lines[1]["server"], &lines[1]["state"]),
        (&"ucd2".into(), &"drained".into())
    );
    assert_eq!(lines[3]["what"], "ucd2 in pool web is drained");
}

#[test]
fn a_pool_without_persistence_is_named() {
    let lab = Lab::new();
    let web = ["ucd1", "ucd2"].map(Web::start);
    let mut wishes = HaProxy::usual();
    wishes.pool.clear();
    let haproxy = HaProxy::start(&lab, "haproxy", &web, &wishes);
    haproxy.until_all_are_up();
    let file = cluster(&lab, &["lb1"], haproxy.socket.to_str().unwrap(), "");
    let told = lab.call(&["-c", &file, "lb", "check"]).is(3);
    assert!(
        told.err.contains("pool web has no session persistence"),
        "{told:#?}"
    );
}

#[test]
fn balancers_that_differ_are_told_and_made_alike() {
    let lab = Lab::new();
    let web = ["ucd1", "ucd2", "ucd3"].map(Web::start);
    let both = ["a", "b"].map(|name| HaProxy::start(&lab, name, &web, &HaProxy::usual()));
    for haproxy in &both {
        haproxy.until_all_are_up();
    }
    // On each node its own stands at the place that the cluster file names; here both are one machine.
    let file = cluster(&lab, &["lb1"], both[0].socket.to_str().unwrap(), "");
    let first = fs::read_to_string(&file).unwrap();
    let second = first
        .replace(
            both[0].socket.to_str().unwrap(),
            both[1].socket.to_str().unwrap(),
        )
        .replace("lb1", "lb2");
    let other = lab.path("other.toml");
    fs::write(&other, second).unwrap();
    let other = other.to_str().unwrap();
    lab.must(&["-c", &file, "lb", "drain", "ucd1", "--yes"]);
    lab.must(&["-c", other, "lb", "drain", "ucd1", "--yes"]);
    for haproxy in &both {
        assert_eq!(haproxy.admin("ucd1"), super::drain::OUT);
    }
}
