//! Steps that call a REST interface, from the plan to the server and back, over real SSH.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use clusterctl::plan::{Action, Method, Millis, Probe, Reading};
use serde_json::json;

use super::lab::{Going, Lab, Told};
use super::sketch::{node, plan, stage, text, turn};
use crate::rest::authority::certificate;
use crate::rest::server::{Event, Reply, Server, answer};

const CANARY: &str = "canary-of-calls-4711";

/// A server that is drained and enabled, and lets in who knows the password; where it `forgets` to answer, not when it is
/// changed.
fn server(forgets: bool) -> (Server, String) {
    let identity = certificate("another name").server();
    let drained = Mutex::new(false);
    let server = Server::tls(&identity, move |asked, _| {
        let mut drained = drained.lock().unwrap();
        // `admin:` and the canary.
        let known = "Basic YWRtaW46Y2FuYXJ5LW9mLWNhbGxzLTQ3MTE=";
        if asked.header("authorization") != Some(known) {
            return answer(401, "who are you?");
        }
        if asked.head.starts_with("PUT ") {
            *drained = asked.body.contains("true");
            return if forgets {
                Reply::Hang(String::new())
            } else {
                answer(204, "")
            };
        }
        answer(200, &json!({ "drained": *drained }).to_string())
    });
    let pin = server.pin(&identity);
    (server, pin)
}

struct Calls {
    lab: Lab,
    plan: String,
}

impl Calls {
    fn of(server: &Server) -> Self {
        let lab = Lab::over_ssh();
        let secret = || Some("env:CALLS".parse().unwrap());
        let put = |drained: bool| Action::Rest {
            under: None,
            method: Method::Put,
            url: server.url("/state"),
            credentials: secret(),
            body: Some(json!({ "drained": drained })),
            success: vec![204],
            merge: None,
        };
        let probe = Probe::Rest {
            item: None,
            url: server.url("/state"),
            credentials: secret(),
            pointer: Some("/drained".to_owned()),
            counts: false,
        };
        let n1 = node("n1");
        let (from, to) = (Reading::text("false"), Reading::text("true"));
        let mut step = turn(&n1, "drain", put(true), put(false), probe, from, to);
        step.timeout = Millis::secs(4);
        let stages = vec![stage("drain", 1, vec![(&n1, vec![step])])];
        let plan = lab.save(&plan(&lab.path("nodes"), stages));
        Self { lab, plan }
    }

    /// Calls the program with a cluster file of these lines.
    fn call(&self, lines: &str, password: &str, words: &[&str]) -> Told {
        let told = self.start(lines, password, words).end();
        for said in [&told.out, &told.err] {
            assert!(!said.contains(CANARY), "{said}");
        }
        told
    }

    fn start(&self, lines: &str, password: &str, words: &[&str]) -> Going {
        let cluster = self.lab.path("cluster.toml");
        let text_of = format!("name = \"calls\"\n{lines}\n[nodes.n1]\n");
        fs::write(&cluster, text_of).unwrap();
        let mut command = self.lab.program("runner");
        command
            .env("CALLS", format!("admin:{password}"))
            .args(["-c", text(&cluster)])
            .args(words);
        self.lab.start_command(command)
    }
}

#[test]
fn a_call_is_made_proved_and_taken_back() {
    let (server, pin) = server(false);
    let calls = Calls::of(&server);
    let apply = ["apply", &calls.plan, "--yes"];
    let told = calls.call("", CANARY, &apply);
    // Nobody knows the server, and what to type is told.
    assert_eq!(told.code, 30, "{told:#?}");
    assert!(told.err.contains("[rest.pins]"), "{told:#?}");
    let told = calls.call(&pin, "wrong", &apply);
    assert_eq!(told.code, 30, "{told:#?}");
    assert!(told.err.contains("401"), "{told:#?}");
    calls.call(&pin, CANARY, &apply).is(0);
    // Applied again it is stale: the server is drained by now.
    let told = calls.call(&pin, CANARY, &apply);
    assert_eq!(told.code, 21, "{told:#?}");
    calls.call(&pin, CANARY, &["undo", "latest", "--yes"]).is(0);
    calls.call(&pin, CANARY, &apply).is(0);
}

#[test]
fn what_a_killed_runner_called_is_not_called_again() {
    let (server, pin) = server(true);
    let calls = Calls::of(&server);
    let mut runner = calls.start(&pin, CANARY, &["apply", &calls.plan, "--yes"]);
    let mut changes = 0;
    while changes == 0 {
        changes += changes_in(&[server.next()]);
    }
    assert!(runner.kill_after(Duration::ZERO));
    // Whoever goes on waits until nobody waits for word of the call any more, and looks.
    calls.call(&pin, CANARY, &["resume", "latest"]).is(0);
    assert_eq!(changes_in(&server.so_far()), 0);
}

/// How often it was changed.
fn changes_in(events: &[Event]) -> usize {
    let is_change = |event: &&Event| match event {
        Event::Asked(asked) => asked.head.starts_with("PUT "),
        _ => false,
    };
    events.iter().filter(is_change).count()
}
