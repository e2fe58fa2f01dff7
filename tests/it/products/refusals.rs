//! What keeps servers from being touched.

use std::fs;

use serde_json::json;

use super::cluster::{Cluster, NAMES, PASSWORD};

#[test]
fn who_may_not_see_what_runs_is_not_believed() {
    let cluster = Cluster::new();
    let mut database = cluster.farm.database();
    let blind =
        json!({ "user": "blind", "password": "x", "sees_activity": false, "may_change": false });
    database["accounts"].as_array_mut().unwrap().push(blind);
    fs::write(cluster.farm.path("database"), database.to_string()).unwrap();
    let told = cluster
        .start_as("blind:x", &["restart", "--yes"])
        .end()
        .is(30);
    assert!(told.err.contains("may not see what runs"), "{told:#?}");
    let told = cluster
        .start_as("admin:wrong", &["restart", "--yes"])
        .end()
        .is(30);
    assert!(told.err.contains("401"), "{told:#?}");
    let before = NAMES.map(|name| cluster.pid(name));
    assert!(before.iter().all(Option::is_some));
}

#[test]
fn too_few_would_serve() {
    let cluster = Cluster::new();
    cluster.call(&["stop", "--on", "ucd1,ucd2", "--yes"]).is(0);
    let told = cluster.call(&["restart", "--on", "ucd3", "--yes"]).is(30);
    assert!(told.err.contains("at least 1 must"), "{told:#?}");
    let told = cluster.call(&["stop", "--on", "ucd3", "--yes"]).is(30);
    assert!(told.err.contains("at least 1 must"), "{told:#?}");
    cluster
        .call(&["stop", "--on", "ucd3", "--yes", "--min-in-service", "0"])
        .is(0);
    // With no server that answers there is no work to ask for.
    cluster.call(&["start", "--yes"]).is(0);
}

#[test]
fn what_the_cluster_file_lacks_is_told() {
    let cluster = Cluster::new();
    let text = fs::read_to_string(&cluster.file).unwrap();
    for (line, wanted) in [
        ("product = \"urbancode\"\n", "names no product"),
        ("credentials = \"admin\"\n", "as whom the product is asked"),
        (
            "role = \"server\"\n",
            "no node of the cluster file is a server",
        ),
    ] {
        fs::write(&cluster.file, text.replace(line, "")).unwrap();
        let told = cluster.call(&["restart", "--yes"]).is(2);
        assert!(told.err.contains(wanted), "{told:#?}");
        assert!(told.err.contains("hint: "), "{told:#?}");
    }
    let home = cluster.farm.home("ucd2");
    let elsewhere = text.replace(&home.display().to_string(), "/nowhere");
    fs::write(&cluster.file, elsewhere).unwrap();
    let told = cluster.call(&["restart", "--yes"]).is(30);
    assert!(
        told.err
            .contains("ucd2: there is no /nowhere/conf/installed.version"),
        "{told:#?}"
    );
}

#[test]
fn addresses_that_lead_nowhere_are_no_proof_that_nothing_runs() {
    let cluster = Cluster::new();
    let text = fs::read_to_string(&cluster.file).unwrap();
    let mut wrong = text.clone();
    for name in NAMES {
        let ip = cluster.farm.address(name).ip;
        wrong = wrong.replace(&format!("http://{ip}:8080"), &format!("http://{ip}:1"));
    }
    fs::write(&cluster.file, wrong).unwrap();
    for verb in ["restart", "stop"] {
        let told = cluster.call(&[verb, "--on", "ucd1", "--yes"]).is(30);
        assert!(
            told.err.contains("no server tells whether work is left"),
            "{told:#?}"
        );
    }
}

#[test]
fn one_that_somebody_drains_is_not_restarted_and_can_be_stopped() {
    let cluster = Cluster::new();
    cluster.haproxy.ask("set server web/ucd2 state drain");
    let told = cluster.call(&["restart", "--on", "ucd2", "--yes"]).is(30);
    assert!(
        told.err.contains("ucd2 is drained in pool web"),
        "{told:#?}"
    );
    let told = cluster.call(&["stop", "--on", "ucd2", "--yes"]).is(0);
    assert!(
        told.err.contains("done: Take ucd2 out of pool web"),
        "{told:#?}"
    );
    assert_eq!(
        (cluster.pid("ucd2"), cluster.haproxy.admin("ucd2")),
        (None, 1)
    );
    assert!(!cluster.is_in_maintenance());
}

#[test]
fn no_secret_is_seen() {
    let cluster = Cluster::new();
    let who = format!("admin:{PASSWORD}-canary-0815");
    let told = cluster.start_as(&who, &["restart", "--yes", "-v"]).end();
    for said in [told.out, told.err] {
        assert!(!said.contains("canary"), "{said}");
    }
}
