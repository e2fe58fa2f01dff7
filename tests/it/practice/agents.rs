//! Agents: which server they are connected to, and what becomes of steps that run on them.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::farm::Farm;
use crate::world::bench::wait_until;

/// Asks for a process whose step runs on an agent; its identity.
fn on_agent(farm: &Farm, through: &str, agent: &str, takes: u64) -> String {
    let body = json!({ "takes": takes, "name": "deploy", "agent": agent });
    let answer = farm.ask(through, "POST", "/practice/request", Some(&body));
    answer.json()["requestId"].as_str().unwrap().to_owned()
}

/// The server that runs a process.
fn runner_of(farm: &Farm, process: &str) -> Value {
    let database = farm.database();
    let all = database["requests"].as_array().unwrap();
    all.iter().find(|it| it["id"] == process).unwrap()["server"].clone()
}

#[test]
fn an_agent_goes_to_the_next_server_of_its_list_and_stays_there() {
    let farm = Farm::of(&["a", "b"]);
    farm.start("a");
    farm.start("b");
    farm.agent("web", &["a", "b"]);
    assert_eq!(farm.server_of("web"), farm.identity("a"));
    farm.end("a", Signal::TERM);
    let second = farm.identity("b");
    wait_until("it goes to the other", || {
        farm.server_of("web") == second.as_str()
    });
    farm.start("a");
    let agents = farm.get("a", "/cli/agentCLI");
    assert_eq!(agents[0]["status"], "ONLINE");
    assert_eq!(farm.server_of("web"), second.as_str());
}

#[test]
fn a_step_goes_on_when_its_agent_reaches_a_server_again_and_not_when_the_agent_was_stopped() {
    let farm = Farm::of(&["a", "b"]);
    farm.start("a");
    farm.agent("web", &["b", "a"]);
    // The only server that runs when it is asked for takes it.
    let long = on_agent(&farm, "a", "web", 1_500);
    wait_until("it runs", || {
        runner_of(&farm, &long) == farm.identity("a").as_str()
    });
    farm.start("b");
    wait_until("it is done", || farm.state_of("a", &long) == "CLOSED");
    let lost = on_agent(&farm, "a", "web", 3_000);
    wait_until("it has reached the agent", || {
        let database = farm.database();
        let all = database["requests"].as_array().unwrap();
        all.iter()
            .any(|it| it["id"] == lost.as_str() && it["life"] != Value::Null)
    });
    farm.end("web", Signal::KILL);
    farm.agent("web", &["a", "b"]);
    // Something that is asked for later, and takes as long, comes to its end.
    let next = on_agent(&farm, "a", "web", 3_000);
    wait_until("the next one is done", || {
        farm.state_of("a", &next) == "CLOSED"
    });
    assert_eq!(farm.state_of("a", &lost), "EXECUTING");
}
