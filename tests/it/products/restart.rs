//! `restart`, `stop`, `start`: the cluster serves meanwhile, and nothing that runs in it dies.

use std::fs;

use rustix::process::Signal;

use super::cluster::{Cluster, NAMES};
use crate::balancer::haproxy::Crowd;
use crate::real::processes::PATIENCE;
use crate::world::bench::wait_until;

const OUT: u32 = 1;

#[test]
fn three_servers_are_restarted_while_users_come() {
    let cluster = Cluster::new();
    let before = NAMES.map(|name| cluster.pid(name).unwrap());
    // A preview touches nothing.
    let plan = cluster.call(&["restart", "--plan"]).is(0);
    for step in [
        "Keep the cluster from beginning new work",
        "Drain ucd2 in pool web",
        "Stop the server",
    ] {
        assert!(plan.out.contains(step), "{plan:#?}");
    }
    assert_eq!(NAMES.map(|name| cluster.pid(name).unwrap()), before);
    let crowd = Crowd::comes(&cluster.haproxy);
    let told = cluster
        .start(&["restart", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    crowd.goes();
    for (name, before) in NAMES.iter().zip(before) {
        let now = cluster.pid(name).unwrap();
        assert_ne!(now, before, "{name}: {told:#?}");
        assert_eq!(cluster.haproxy.admin(name), 0, "{name}");
    }
    assert!(!cluster.is_in_maintenance());
    // All of it is over: there is nothing to take back.
    let told = cluster.call(&["undo", "latest", "--yes"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
}

#[test]
fn what_runs_comes_to_its_end_first() {
    let cluster = Cluster::new();
    let process = cluster.farm.request("ucd1", 4_000);
    let state = || cluster.farm.state_of("ucd3", &process);
    wait_until("it runs", || state() == "EXECUTING");
    let told = cluster.call(&["restart", "--on", "ucd1", "--yes"]).is(0);
    assert_eq!(state(), "CLOSED", "{told:#?}");
    assert!(told.err.contains("the number of items in"), "{told:#?}");
}

#[test]
fn work_that_does_not_end_stops_the_run_before_the_server() {
    let cluster = Cluster::new();
    let process = cluster.farm.request("ucd1", 3_600_000);
    let state = || cluster.farm.state_of("ucd3", &process);
    wait_until("it runs", || state() == "EXECUTING");
    let before = cluster.pid("ucd1");
    let restart = ["restart", "--on", "ucd1", "--yes", "--work-within", "2s"];
    // Nothing but what was changed for a time was done, and that is given back.
    let told = cluster.call(&restart).is(41);
    assert_eq!(cluster.pid("ucd1"), before, "{told:#?}");
    assert_eq!(state(), "EXECUTING");
    assert!(!cluster.is_in_maintenance(), "{told:#?}");
    assert_eq!(cluster.haproxy.admin("ucd1"), 0);
    // What is left is lost where that is accepted.
    let told = cluster
        .call(&[&restart[..], &["--on-drain-timeout", "accept-loss"]].concat())
        .is(0);
    assert_ne!(cluster.pid("ucd1"), before, "{told:#?}");
}

#[test]
fn what_was_given_back_is_done_again_by_whoever_resumes() {
    let cluster = Cluster::new();
    let before = cluster.pid("ucd2");
    let restart = [
        "restart",
        "--on",
        "ucd1,ucd2",
        "--yes",
        "--work-within",
        "3s",
    ];
    let going = cluster.start(&restart);
    wait_until("the second one is out", || {
        cluster.haproxy.admin("ucd2") == OUT
    });
    // Somebody ends maintenance mode, and work begins that does not end.
    let off = serde_json::json!({ "maintenanceModeEnabled": false });
    let settings = "/rest/system/configuration";
    cluster.farm.ask("ucd3", "PUT", settings, Some(&off));
    let process = cluster.farm.request("ucd3", 3_600_000);
    let told = going.end_within(PATIENCE * 2).is(40);
    assert_eq!(
        (cluster.pid("ucd2"), cluster.haproxy.admin("ucd2")),
        (before, 0),
        "{told:#?}"
    );
    let cancel = format!("/rest/workflow/{process}/cancel");
    cluster.farm.ask("ucd3", "PUT", &cancel, None);
    let told = cluster
        .start(&["resume", "latest", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    for step in ["Take ucd2 out of pool web", "Stop the server"] {
        assert!(told.err.contains(&format!("done: {step}")), "{told:#?}");
    }
    assert_ne!(cluster.pid("ucd2"), before, "{told:#?}");
    assert_eq!(cluster.haproxy.admin("ucd2"), 0);
    assert!(!cluster.is_in_maintenance());
}

#[test]
fn a_server_that_hangs_is_no_obstacle_for_the_others_and_can_be_restarted_itself() {
    let cluster = Cluster::new();
    cluster.farm.fault("ucd3", "hung-http=yes");
    cluster
        .start(&["restart", "--on", "ucd1", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    let before = cluster.pid("ucd3");
    cluster.haproxy.ask("set server web/ucd3 state maint");
    fs::remove_file(cluster.farm.home("ucd3").join("faults")).unwrap();
    let told = cluster
        .start(&["restart", "--on", "ucd3", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    assert_ne!(cluster.pid("ucd3"), before, "{told:#?}");
    // Somebody had taken it out, and it stays so.
    assert_eq!(cluster.haproxy.admin("ucd3"), OUT);
}

#[test]
fn a_server_that_does_not_come_back_stops_the_run_and_the_others_serve() {
    let cluster = Cluster::new();
    cluster.farm.fault("ucd2", "refuse-start=no");
    let crowd = Crowd::comes(&cluster.haproxy);
    let restart = ["restart", "--yes", "--start-within", "4s"];
    let told = cluster.call(&restart).is(40);
    assert!(told.err.contains("ucd2"), "{told:#?}");
    assert_eq!(cluster.haproxy.admin("ucd2"), OUT, "{told:#?}");
    assert_eq!(cluster.haproxy.admin("ucd3"), 0);
    fs::remove_file(cluster.farm.home("ucd2").join("faults")).unwrap();
    let told = cluster
        .start(&["resume", "latest", "--yes"])
        .end_within(PATIENCE * 2)
        .is(0);
    crowd.goes();
    for name in NAMES {
        assert_eq!(cluster.haproxy.admin(name), 0, "{name}: {told:#?}");
    }
    assert!(!cluster.is_in_maintenance());
}

#[test]
fn a_runner_that_dies_is_followed_by_one_that_goes_on_or_back() {
    for back in [false, true] {
        let cluster = Cluster::new();
        let before = cluster.pid("ucd1").unwrap();
        let going = cluster.start(&["restart", "--on", "ucd1", "--yes"]);
        wait_until("it has stopped", || {
            going.complained().contains("done: Stop the server")
        });
        going.signal(Signal::KILL);
        going.end().is(137);
        let next = if back { "undo" } else { "resume" };
        let told = cluster.call(&[next, "latest", "--yes"]).is(0);
        let now = || cluster.pid("ucd1");
        wait_until("it runs", || now().is_some_and(|pid| pid != before));
        assert_eq!(cluster.haproxy.admin("ucd1"), 0, "{told:#?}");
        assert!(!cluster.is_in_maintenance(), "{told:#?}");
    }
}

#[test]
fn a_server_is_stopped_and_started_again() {
    let cluster = Cluster::new();
    let crowd = Crowd::comes(&cluster.haproxy);
    cluster.call(&["stop", "--on", "ucd3", "--yes"]).is(0);
    assert_eq!(
        (cluster.pid("ucd3"), cluster.haproxy.admin("ucd3")),
        (None, OUT)
    );
    let told = cluster.call(&["stop", "--on", "ucd3", "--yes"]).is(0);
    assert!(
        told.out.contains("Nothing to do: ucd3: stopped already"),
        "{told:#?}"
    );
    let told = cluster.call(&["restart", "--on", "ucd3", "--yes"]).is(30);
    assert!(told.err.contains("clusterctl start --on ucd3"), "{told:#?}");
    cluster.call(&["start", "--yes"]).is(0);
    assert_eq!(cluster.haproxy.admin("ucd3"), 0);
    assert!(cluster.pid("ucd3").is_some());
    let told = cluster.call(&["start", "--yes"]).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    // Undone, both are as before.
    cluster.call(&["undo", "latest", "--yes"]).is(0);
    assert_eq!(
        (cluster.pid("ucd3"), cluster.haproxy.admin("ucd3")),
        (None, OUT)
    );
    crowd.goes();
}

#[test]
fn an_old_version_knows_no_maintenance_mode_and_is_restarted_without() {
    let cluster = Cluster::of_version("6.2.2.0.868");
    let told = cluster.call(&["restart", "--on", "ucd1", "--plan"]).is(0);
    assert!(!told.out.contains("new work"), "{told:#?}");
    cluster.call(&["restart", "--on", "ucd1", "--yes"]).is(0);
}

#[test]
fn a_server_that_somebody_puts_back_meanwhile_is_not_stopped() {
    let cluster = Cluster::new();
    let before = cluster.pid("ucd1");
    let going = cluster.start(&["restart", "--on", "ucd1", "--yes"]);
    wait_until("it is out", || cluster.haproxy.admin("ucd1") == OUT);
    wait_until("work is looked for again", || {
        going
            .complained()
            .contains("begun: See that no process runs")
    });
    cluster.haproxy.ask("set server web/ucd1 state ready");
    let told = going.end_within(PATIENCE * 2).is(41);
    assert!(told.err.contains("still-out-ucd1"), "{told:#?}");
    assert_eq!(cluster.pid("ucd1"), before, "{told:#?}");
    assert_eq!(cluster.haproxy.admin("ucd1"), 0);
    assert!(!cluster.is_in_maintenance(), "{told:#?}");
}
