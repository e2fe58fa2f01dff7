//! `convert`: a stand-alone server becomes the first of a cluster, or stays what it was.

use std::fs;

use rustix::process::Signal;

use super::cluster::{Cluster, NAMES};
use crate::real::processes::PATIENCE;
use crate::world::bench::wait_until;

const NODE: &str = NAMES[0];
const PROPERTIES: &str = "conf/server/installed.properties";
const MULTISERVER: &str = "com.urbancode.ds.UDeployServer.multiserver=true\n";
const LICENSES: [&str; 5] = [
    "resume",
    "latest",
    "--answer",
    "convert/ucd1/license-servers",
    "--evidence",
];

fn properties(cluster: &Cluster) -> String {
    fs::read_to_string(cluster.farm.home(NODE).join(PROPERTIES)).unwrap()
}

/// What the server is, as anybody sees it.
fn seen(cluster: &Cluster) -> (String, [String; 2], u32, bool) {
    (
        properties(cluster),
        ["externalURL", "externalUserURL"].map(|key| cluster.setting(key).to_string()),
        cluster.haproxy.admin(NODE),
        cluster.is_in_maintenance(),
    )
}

fn front(cluster: &Cluster) -> String {
    let file = fs::read_to_string(&cluster.file).unwrap();
    let line = file
        .lines()
        .find(|line| line.starts_with("url = "))
        .unwrap();
    line.trim_start_matches("url = ").to_owned()
}

#[test]
fn a_server_is_converted_and_back() {
    let cluster = Cluster::stand_alone();
    let (before, pid) = (seen(&cluster), cluster.pid(NODE));
    let plan = cluster.call(&["convert", "--plan"]).is(0);
    for part in [
        "Make the server one of several",
        "+com.urbancode.ds.UDeployServer.multiserver=true",
    ] {
        assert!(plan.out.contains(part), "{plan:#?}");
    }
    assert_eq!((seen(&cluster), cluster.pid(NODE)), (before.clone(), pid));
    // A person must see to the license server, and nobody is there.
    let told = cluster
        .start(&["convert", "--yes"])
        .end_within(PATIENCE * 2)
        .is(40);
    assert!(
        told.err.contains("--answer convert/ucd1/license-servers"),
        "{told:#?}"
    );
    let told = cluster
        .call(&[&LICENSES[..], &["change 4711", "--yes"]].concat())
        .is(0);
    assert_ne!(cluster.pid(NODE), pid, "{told:#?}");
    let (text, urls, admin, held) = seen(&cluster);
    assert!(text.contains(MULTISERVER), "{text}");
    assert!(urls.iter().all(|url| *url == front(&cluster)), "{urls:?}");
    assert_eq!((admin, held), (0, false));
    let told = cluster.call(&["convert", "--yes"]).is(0);
    assert!(
        told.out
            .contains("Nothing to do: ucd1: it is a server of a cluster already"),
        "{told:#?}"
    );
    let told = cluster
        .start(&["undo", "latest", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    assert_eq!(seen(&cluster), before, "{told:#?}");
    wait_until("it serves again", || cluster.pid(NODE).is_some());
}

#[test]
fn what_runs_by_then_keeps_the_server_from_being_stopped_to_take_it_back() {
    let cluster = Cluster::stand_alone();
    cluster
        .start(&["convert", "--yes"])
        .end_within(PATIENCE * 2)
        .is(40);
    cluster
        .call(&[&LICENSES[..], &["change 4711", "--yes"]].concat())
        .is(0);
    let pid = cluster.pid(NODE);
    let process = cluster.farm.request(NODE, 3_600_000);
    wait_until("it runs", || {
        cluster.farm.state_of(NODE, &process) == "EXECUTING"
    });
    let told = cluster.call(&["undo", "latest", "--yes"]).is(21);
    assert!(told.err.contains("currentActivity"), "{told:#?}");
    assert_eq!(cluster.pid(NODE), pid);
    assert_eq!(cluster.farm.state_of(NODE, &process), "EXECUTING");
}

#[test]
fn a_run_that_is_interrupted_in_the_outage_gives_back_what_it_changed_for_a_time() {
    let cluster = Cluster::stand_alone();
    let going = cluster.start(&["convert", "--yes"]);
    wait_until("it has stopped", || {
        going.complained().contains("done: Stop the server")
    });
    going.signal(Signal::INT);
    going.end_within(PATIENCE * 2).is(130);
    let told = cluster.call(&["runs", "release", "latest", "--yes"]).is(0);
    wait_until("it serves", || cluster.pid(NODE).is_some());
    assert_eq!(cluster.haproxy.admin(NODE), 0, "{told:#?}");
    assert!(!cluster.is_in_maintenance(), "{told:#?}");
    cluster
        .start(&[&LICENSES[..], &["change 4711", "--yes"]].concat())
        .end_within(PATIENCE * 2)
        .is(0);
    assert!(properties(&cluster).contains(MULTISERVER));
}

#[test]
fn a_server_that_does_not_start_as_one_of_several_serves_as_it_did() {
    let cluster = Cluster::stand_alone();
    cluster.farm.fault(NODE, "refuse-cluster=no cluster here");
    let before = seen(&cluster);
    let told = cluster
        .start(&["convert", "--yes", "--start-within", "3s"])
        .end_within(PATIENCE * 2)
        .is(41);
    assert!(told.err.contains("ucd1"), "{told:#?}");
    assert_eq!(seen(&cluster), before, "{told:#?}");
    wait_until("it serves", || cluster.pid(NODE).is_some());
    fs::remove_file(cluster.farm.home(NODE).join("faults")).unwrap();
    // Nothing is left of the attempt, and another one may begin.
    cluster
        .start(&["convert", "--yes"])
        .end_within(PATIENCE * 2)
        .is(40);
    assert!(properties(&cluster).contains(MULTISERVER));
}

#[test]
fn a_runner_that_dies_in_the_outage_is_followed_by_one_that_goes_on_or_back() {
    for back in [false, true] {
        let cluster = Cluster::stand_alone();
        let before = seen(&cluster);
        let going = cluster.start(&["convert", "--yes"]);
        wait_until("it has edited the properties", || {
            going
                .complained()
                .contains("done: Make the server one of several")
        });
        going.signal(Signal::KILL);
        going.end().is(137);
        if back {
            let told = cluster
                .start(&["undo", "latest", "--yes"])
                .end_within(PATIENCE * 2)
                .is(0);
            assert_eq!(seen(&cluster), before, "{told:#?}");
        } else {
            let told = cluster
                .start(&[&LICENSES[..], &["change 4711", "--yes"]].concat())
                .end_within(PATIENCE * 2)
                .is(0);
            assert!(properties(&cluster).contains(MULTISERVER), "{told:#?}");
            assert_eq!(cluster.haproxy.admin(NODE), 0, "{told:#?}");
            assert!(!cluster.is_in_maintenance(), "{told:#?}");
        }
        wait_until("it serves", || cluster.pid(NODE).is_some());
    }
}

#[test]
fn what_the_vendor_does_not_allow_is_refused_before_anything_is_touched() {
    let cluster = Cluster::stand_alone();
    let before = seen(&cluster);
    let set = |key: &str, value: &str| {
        cluster.farm.set(NODE, "installed.properties", key, value);
    };
    set("server.appdata.dir", "..");
    let told = cluster.call(&["convert", "--yes"]).is(30);
    for part in [
        "rule shared-storage",
        "Relocating CodeStation",
        "Nothing was changed",
    ] {
        assert!(told.err.contains(part), "{told:#?}");
    }
    fs::write(cluster.farm.home(NODE).join(PROPERTIES), &before.0).unwrap();
    let text = fs::read_to_string(&cluster.file).unwrap();
    let own = cluster.farm.address(NODE).ip;
    let wrong = text.replacen(&front(&cluster), &format!("\"http://{own}:8080\""), 1);
    fs::write(&cluster.file, wrong).unwrap();
    let told = cluster.call(&["convert", "--yes"]).is(30);
    assert!(told.err.contains("rule balancer-address"), "{told:#?}");
    fs::write(
        &cluster.file,
        text + "[nodes.ucd2]\nrole = \"server\"\ninstall_dir = \"/opt/ucd\"\n",
    )
    .unwrap();
    let told = cluster.call(&["convert", "--yes"]).is(2);
    assert!(told.err.contains("--on ucd1"), "{told:#?}");
    assert_eq!(seen(&cluster), before);
}
