//! Processes: which server runs them, and what becomes of them.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::farm::Farm;
use crate::real::processes::{gone, with_words};
use crate::world::bench::wait_until;

#[test]
fn a_process_is_run_by_whoever_finds_it_and_dies_with_its_server() {
    let farm = Farm::of(&["a", "b"]);
    farm.start("a");
    farm.start("b");
    let short = farm.request("a", 10);
    wait_until("it is done", || farm.state_of("b", &short) == "CLOSED");
    let long = farm.request("a", 3_600_000);
    let by = || farm.database()["requests"][1]["server"].clone();
    wait_until("somebody runs it", || by() != Value::Null);
    let activity = farm.get(
        "b",
        "/rest/workflow/currentActivity?rowsPerPage=10&pageNumber=1",
    );
    assert_eq!(activity[0]["id"], long.as_str());
    assert_eq!(activity[0]["application"]["name"], "deploy");
    // Nobody is told which server it is.
    assert!(
        !activity.to_string().contains(by().as_str().unwrap()),
        "{activity}"
    );
    let id =
        |name: &str| fs::read_to_string(farm.home(name).join("conf/server/endpoint-id")).unwrap();
    let (gone, stays) = if id("a") == by() {
        ("a", "b")
    } else {
        ("b", "a")
    };
    farm.end(gone, Signal::KILL);
    wait_until("it fails with its server", || {
        farm.state_of(stays, &long) == "FAULTED"
    });
    let next = farm.request(stays, 10);
    wait_until("the other goes on", || {
        farm.state_of(stays, &next) == "CLOSED"
    });
}

#[test]
fn an_account_that_may_not_see_what_runs_sees_nothing() {
    let farm = Farm::of(&["a"]);
    farm.start("a");
    farm.end("a", Signal::TERM);
    let mut database = farm.database();
    let blind =
        json!({ "user": "blind", "password": "x", "sees_activity": false, "may_change": false });
    database["accounts"].as_array_mut().unwrap().push(blind);
    fs::write(farm.path("database"), database.to_string()).unwrap();
    farm.start("a");
    farm.request("a", 3_600_000);
    let seen = |who: &str| {
        farm.ask_as(
            "a",
            Some(who),
            "GET",
            "/rest/workflow/currentActivity",
            None,
        )
        .json()
    };
    assert_eq!(seen("admin:admin").as_array().unwrap().len(), 1);
    assert_eq!(seen("blind:x"), json!([]));
    let settings = farm.ask_as(
        "a",
        Some("blind:x"),
        "PUT",
        "/cli/systemConfiguration",
        Some(&json!({})),
    );
    assert_eq!(settings.status, 403);
}

#[test]
fn its_script_starts_at_once_and_stops_when_it_does() {
    let farm = Farm::of(&["a"]);
    let home = farm.home("a");
    let script = |verb: &str| {
        let done = std::process::Command::new(home.join("bin/server"))
            .arg(verb)
            .output()
            .unwrap();
        (
            done.status.code().unwrap(),
            String::from_utf8(done.stdout).unwrap(),
        )
    };
    assert_eq!(
        script("status"),
        (
            1,
            "Usage: container {run|start|stop|stop -force}\n".to_owned()
        )
    );
    assert_eq!(script("stop").0, 1);
    // It says nothing of a server that will not start.
    farm.fault("a", "refuse-start=no");
    assert_eq!(script("start"), (0, String::new()));
    let stdout = || fs::read_to_string(home.join("var/log/stdout")).unwrap_or_default();
    wait_until("it says why", || stdout().contains("error: no"));
    farm.fault("a", "slow-stop-ms=1500");
    assert_eq!(script("start").0, 0);
    let log = || fs::read_to_string(home.join("var/log/deployserver.out")).unwrap_or_default();
    wait_until("it starts", || log().contains(" started"));
    let pid: u32 = fs::read_to_string(home.join("var/server.pid"))
        .unwrap()
        .parse()
        .unwrap();
    let asked = Instant::now();
    assert_eq!(script("stop").0, 0);
    assert!(
        home.join("var/server.pid").exists(),
        "it has stopped already"
    );
    assert!(gone(pid, crate::real::processes::PATIENCE));
    assert!(asked.elapsed().as_millis() >= 1500);
    assert!(!home.join("var/server.pid").exists());
    assert_eq!(with_words(home.to_str().unwrap()), []);
}
