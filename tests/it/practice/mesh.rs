//! How servers reach agents of each other.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use super::farm::Farm;
use crate::world::bench::wait_until;

/// Says in the database that an agent is connected to a server.
fn agent_at(farm: &Farm, server: &str) {
    let id = fs::read_to_string(farm.home(server).join("conf/server/endpoint-id")).unwrap();
    let mut database = farm.database();
    database["agents"] = json!([{ "id": "1", "name": "agent", "version": "7.0.2", "server": id, "last_contact": 0 }]);
    fs::write(farm.path("database"), database.to_string()).unwrap();
}

fn answers(farm: &Farm, through: &str) -> bool {
    farm.ask(through, "PUT", "/cli/agentCLI/test?agent=agent", None)
        .status
        == 200
}

#[test]
fn connections_are_used_by_who_made_them_and_by_the_others_once_they_start_anew() {
    let farm = Farm::of_version("6.2.7.1.100", &["a", "b"]);
    farm.start("a");
    farm.start("b");
    farm.end("a", Signal::TERM);
    farm.end("b", Signal::TERM);
    agent_at(&farm, "b");
    farm.start("a");
    farm.start("b");
    assert!(answers(&farm, "b"));
    assert!(!answers(&farm, "a"));
    for name in ["a", "b"] {
        let at = farm.address(name);
        let body = json!({ "name": name, "host": at.ip, "port": at.jms, "active": true });
        farm.ask("a", "PUT", "/rest/network/networkRelay", Some(&body))
            .json();
    }
    wait_until("a reaches b", || answers(&farm, "a"));
    farm.end("a", Signal::TERM);
    farm.end("b", Signal::TERM);
    agent_at(&farm, "a");
    // Whoever starts now knows of the connections.
    farm.start("a");
    farm.start("b");
    wait_until("b reaches a", || answers(&farm, "b"));
}

#[test]
fn one_that_was_not_started_anew_knows_of_no_new_connection() {
    let farm = Farm::of_version("6.2.7.1.100", &["a", "b"]);
    farm.start("a");
    farm.restart("a");
    agent_at(&farm, "a");
    farm.start("b");
    let at = farm.address("a");
    let body = json!({ "name": "a", "host": at.ip, "port": at.jms, "active": true });
    farm.ask("a", "PUT", "/rest/network/networkRelay", Some(&body))
        .json();
    let done = farm.request("b", 500);
    wait_until("some time is over", || {
        farm.state_of("b", &done) == "CLOSED"
    });
    assert!(!answers(&farm, "b"));
    farm.restart("b");
    wait_until("b reaches a", || answers(&farm, "b"));
}

#[test]
fn newer_servers_find_each_other_and_miss_one_that_is_gone() {
    let farm = Farm::of_version("7.2.0.0.1", &["a", "b"]);
    farm.start("a");
    farm.start("b");
    agent_at(&farm, "b");
    wait_until("a reaches b", || answers(&farm, "a"));
    farm.end("b", Signal::KILL);
    wait_until("a says that b is gone", || {
        farm.log("a").contains("Could not connect to")
    });
    assert_eq!(farm.get("a", "/rest/server").as_array().unwrap().len(), 2);
}
