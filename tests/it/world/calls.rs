//! Calls of REST interfaces: under the fence of their node, with their outcome there, without secrets where others look.

use std::fs;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use clusterctl::engine::{Claim, ClaimError, Direction, FaultKind};
use clusterctl::plan::{Action, Item, Merge, Method, Millis, Probe, Reading};
use serde_json::json;

use super::bench::{Bench, CANARY, dead_runner, names, secret};
use crate::rest::server::{Event, Reply, Server, answer};

/// Replaces something, as a user with a token.
fn put(url: String) -> Action {
    Action::Rest {
        under: None,
        method: Method::Put,
        url,
        credentials: Some(secret()),
        body: Some(json!({ "drain": true })),
        success: vec![200, 204],
        merge: None,
    }
}

fn get(url: String, pointer: Option<&str>) -> Probe {
    Probe::Rest {
        item: None,
        url,
        credentials: Some(secret()),
        pointer: pointer.map(str::to_owned),
        counts: false,
    }
}

/// The address of nobody.
fn nobody() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", port.local_addr().unwrap())
}

/// How often a server was asked so far.
fn asked(server: &Server) -> usize {
    let events = server.so_far();
    let asked = events.iter().filter(|it| matches!(it, Event::Asked(_)));
    asked.count()
}

impl Bench {
    /// The files of effects that say something about calls, and the secret nowhere among all files.
    fn words(&self) -> Vec<String> {
        let effects = self.state("runs").join(self.run.as_str()).join("effects");
        for name in names(&effects) {
            let content = fs::read(effects.join(&name)).unwrap();
            let content = String::from_utf8_lossy(&content);
            assert!(!content.contains(CANARY), "{name}: {content}");
        }
        let is_word = |name: &String| name.contains(".word");
        names(&effects).into_iter().filter(is_word).collect()
    }
}

#[test]
fn a_call_is_made_once_and_its_outcome_stays_on_the_node() {
    let bench = Bench::new();
    let server = Server::plain(|_, _| answer(204, ""));
    assert_eq!(bench.act("put", &put(server.url("/drain"))), Ok(()));
    assert!(server.next() == Event::Came);
    let asked = server.asked();
    assert!(asked.head.starts_with("PUT /drain "), "{asked:?}");
    assert_eq!(
        asked.header("authorization"),
        Some(&*format!("Bearer {CANARY}"))
    );
    assert_eq!(asked.body, r#"{"drain":true}"#);
    assert_eq!(bench.stamp("put"), Reading::text("done"));
    assert_eq!(bench.settle("put"), Ok(Some(Ok(()))));
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn a_server_that_refuses_is_quoted_without_secrets() {
    let bench = Bench::new();
    let server = Server::plain(|_, _| answer(409, &format!("no,\n{CANARY} may not")));
    let fault = bench
        .act("put", &put(format!("{}?token=x", server.url("/drain"))))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(
        fault
            .what
            .ends_with("/drain answered 409 (expected: 200 or 204): no, **** may not"),
        "{fault:?}"
    );
    assert_eq!(bench.stamp("put"), Reading::text("begun"));
    let settled = bench.settle("put").unwrap().unwrap().unwrap_err();
    assert_eq!(settled, fault.clone());
    assert_eq!(bench.words(), [""; 0]);
    let server = Server::plain(|_, _| answer(401, ""));
    let fault = bench.act("login", &put(server.url("/"))).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    // What a server could not finish it may have done, and what it made may be a secret.
    for (step, status) in [("busy", 504), ("made", 201), ("moved", 302)] {
        let server = Server::plain(move |_, _| answer(status, "key-4711"));
        let fault = bench.act(step, &put(server.url("/"))).unwrap_err();
        assert_eq!(fault.kind, FaultKind::LostOutcome);
        assert_eq!(fault.what.contains("key-4711"), status >= 300, "{fault:?}");
        let settled = bench.settle(step).unwrap().unwrap().unwrap_err();
        assert_eq!(settled.kind, FaultKind::LostOutcome);
        assert_eq!(asked(&server), 1);
    }
}

#[test]
fn where_nobody_listens_nothing_was_done() {
    let bench = Bench::new();
    let fault = bench.act("put", &put(nobody())).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(fault.hint.is_some(), "{fault:?}");
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn whoever_lost_the_node_calls_nobody() {
    let mut bench = Bench::new();
    let server = Server::plain(|_, _| answer(200, ""));
    bench.epoch.0 += 1;
    let fault = bench.act("put", &put(server.url("/"))).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fenced);
    assert_eq!(asked(&server), 0);
}

#[test]
fn what_an_answer_that_never_comes_would_have_said_is_not_known() {
    let bench = Bench::new();
    let server = Server::plain(|_, _| Reply::Hang(String::new()));
    let action = put(server.url("/"));
    let fault = bench
        .perform("put", Direction::Do, &action, Millis(800))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert_eq!(asked(&server), 1);
    assert_eq!(bench.stamp("put"), Reading::text("begun"));
    // Whoever comes later reads that, too.
    let settled = bench.settle("put").unwrap().unwrap().unwrap_err();
    assert_eq!(settled.kind, FaultKind::LostOutcome);
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn a_call_that_is_broken_off_lets_go_of_the_node() {
    let bench = Bench::new();
    let server = Server::plain(|_, _| Reply::Hang(String::new()));
    let action = put(server.url("/"));
    thread::scope(|scope| {
        let call = scope.spawn(|| bench.act("put", &action));
        assert!(server.next() == Event::Came);
        server.asked();
        bench.cancel.cancel();
        let fault = call.join().unwrap().unwrap_err();
        assert_eq!(fault.kind, FaultKind::Cancelled);
    });
    assert_eq!(bench.words(), [""; 0]);
}

#[test]
fn nobody_takes_a_node_over_while_a_call_is_made_for_it() {
    let bench = Bench::unclaimed();
    // Of this runner, the others believe that it is gone.
    let dead = Claim {
        runner: dead_runner(),
        ..bench.wish()
    };
    let epoch = bench.claim(&dead).unwrap();
    let bench = Bench { epoch, ..bench };
    let (let_go, gone) = channel::<()>();
    let gone = Mutex::new(gone);
    let server = Server::plain(move |_, _| {
        let _ = gone.lock().unwrap().recv();
        answer(200, "")
    });
    let action = put(server.url("/"));
    thread::scope(|scope| {
        let call = scope.spawn(|| bench.act("put", &action));
        assert!(server.next() == Event::Came);
        let hasty = bench.claim(&bench.wish());
        assert!(matches!(hasty, Err(ClaimError::EffectRuns(_))), "{hasty:?}");
        let_go.send(()).unwrap();
        assert_eq!(call.join().unwrap(), Ok(()));
    });
    assert_eq!(bench.stamp("put"), Reading::text("done"));
    assert!(bench.claim(&bench.wish()).is_ok());
}

#[test]
fn probes_find_what_a_server_answers() {
    let bench = Bench::new();
    let server = Server::plain(|asked, _| {
        let path = asked.head.split(' ').nth(1).unwrap();
        match path {
            "/drained" => answer(200, r#"{"state":"drained","requests":0,"more":null}"#),
            "/secret" => answer(403, ""),
            "/page" => answer(200, "<html>"),
            "/broken" => answer(500, ""),
            "/moved" => answer(302, ""),
            "/hangs" => Reply::Hang(String::new()),
            _ => answer(404, ""),
        }
    });
    let look = |path: &str, pointer| bench.look(&get(server.url(path), pointer));
    assert_eq!(look("/drained", None), Ok(Reading::Number(200)));
    assert_eq!(look("/nothing", None), Ok(Reading::Number(404)));
    assert_eq!(look("/secret", None), Ok(Reading::Number(403)));
    let of = |pointer| look("/drained", Some(pointer));
    assert_eq!(of("/state"), Ok(Reading::text("drained")));
    assert_eq!(of("/requests"), Ok(Reading::text("0")));
    // Nothing is there.
    assert_eq!(of("/more"), Ok(Reading::Absent));
    assert_eq!(of("/less"), Ok(Reading::Absent));
    assert_eq!(look("/nothing", Some("/state")), Ok(Reading::Absent));
    assert_eq!(look("/broken", None), Ok(Reading::Number(500)));
    let kind = |path| look(path, Some("/state")).unwrap_err().kind;
    assert_eq!(kind("/secret"), FaultKind::Denied);
    assert_eq!(kind("/page"), FaultKind::Failed);
    assert_eq!(kind("/broken"), FaultKind::Failed);
    assert_eq!(kind("/moved"), FaultKind::Failed);
    // That nobody answers in time does not say that nobody is there.
    let hangs = bench.look_within(&get(server.url("/hangs"), None), Millis(300));
    assert_eq!(hangs.unwrap_err().kind, FaultKind::TimedOut);
    assert_eq!(bench.look(&get(nobody(), None)), Ok(Reading::Absent));
}

#[test]
fn items_of_lists_are_counted_and_nothing_else_counts_as_none() {
    let bench = Bench::unclaimed();
    let server = Server::plain(|asked, _| {
        let body = match asked.head.split(' ').nth(1) {
            Some("/list") => r#"[{"id":1},{"id":2}]"#,
            Some("/none") => "[]",
            Some("/inner") => r#"{"items":[1,2,3]}"#,
            Some("/object") => "{}",
            _ => return answer(404, "no"),
        };
        answer(200, body)
    });
    let count = |path: &str, pointer: Option<&str>| {
        let mut probe = get(server.url(path), pointer);
        if let Probe::Rest { counts, .. } = &mut probe {
            *counts = true;
        }
        bench.look(&probe).unwrap()
    };
    assert_eq!(count("/list", None), Reading::Number(2));
    assert_eq!(count("/none", None), Reading::Number(0));
    assert_eq!(count("/inner", Some("/items")), Reading::Number(3));
    assert_eq!(count("/inner", None), Reading::text("no list"));
    assert_eq!(count("/object", Some("/items")), Reading::Absent);
    assert_eq!(count("/gone", None), Reading::Absent);
}

#[test]
fn an_item_of_a_list_is_found_by_a_member() {
    let bench = Bench::unclaimed();
    let server = Server::plain(|asked, _| {
        let body = match asked.head.split(' ').nth(1) {
            Some("/list") => {
                r#"[{"id":1,"name":"a"},{"name":"b","port":7918,"up":true},{"name":"b","port":1}]"#
            }
            Some("/object") => r#"{"name":"b"}"#,
            _ => return answer(404, "no"),
        };
        answer(200, body)
    });
    let find = |path: &str, member: &str, is: &str, pointer: Option<&str>| {
        let mut probe = get(server.url(path), pointer);
        if let Probe::Rest { item, .. } = &mut probe {
            *item = Some(Item {
                member: member.to_owned(),
                is: is.to_owned(),
            });
        }
        bench.look(&probe).unwrap()
    };
    assert_eq!(
        find("/list", "name", "b", Some("/port")),
        Reading::text("7918")
    );
    assert_eq!(
        find("/list", "name", "b", Some("/up")),
        Reading::text("true")
    );
    // What is no text is compared as it is written.
    assert_eq!(find("/list", "id", "1", Some("/name")), Reading::text("a"));
    assert_eq!(
        find("/list", "name", "a", None),
        Reading::text(r#"{"id":1,"name":"a"}"#)
    );
    assert_eq!(find("/list", "name", "a", Some("/port")), Reading::Absent);
    assert_eq!(find("/list", "name", "c", None), Reading::Absent);
    assert_eq!(find("/object", "name", "b", None), Reading::text("no list"));
    assert_eq!(find("/gone", "name", "b", None), Reading::Absent);
}

#[test]
fn what_ends_an_address_leads_nowhere_else() {
    let bench = Bench::new();
    let server = Server::plain(|_, _| answer(204, ""));
    for (at, (last, path)) in [
        ("4-a", "/all/4-a"),
        ("../x?y#z", "/all/%2E%2E%2Fx%3Fy%23z"),
        ("", "/all/"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut action = put(server.url("/all"));
        if let Action::Rest { under, .. } = &mut action {
            *under = Some(last.into());
        }
        assert_eq!(bench.act(&format!("end-{at}"), &action), Ok(()));
        let head = server.asked().head;
        assert!(head.starts_with(&format!("PUT {path} ")), "{head}");
    }
}

#[test]
fn what_is_read_first_is_sent_back_with_the_changes_and_without_masks() {
    let bench = Bench::new();
    let server = Server::plain(|asked, _| {
        if asked.head.starts_with("GET /settings ") {
            return answer(
                200,
                r#"{"externalURL":"https://a","deployMailPassword":"****","drain":false,"n":3}"#,
            );
        }
        if asked.head.starts_with("PUT ") {
            return answer(204, "");
        }
        answer(500, "no")
    });
    let changed = |from: String| {
        let mut action = put(server.url("/all"));
        if let Action::Rest { merge, .. } = &mut action {
            *merge = Some(Merge {
                from,
                without: vec!["deployMailPassword".to_owned()],
            });
        }
        action
    };
    assert_eq!(bench.act("set", &changed(server.url("/settings"))), Ok(()));
    let read = server.asked();
    assert!(read.head.starts_with("GET /settings "), "{read:?}");
    assert_eq!(
        read.header("authorization"),
        Some(&*format!("Bearer {CANARY}"))
    );
    let written = server.asked();
    assert!(written.head.starts_with("PUT /all "), "{written:?}");
    let body: serde_json::Value = serde_json::from_str(&written.body).unwrap();
    assert_eq!(
        body,
        json!({ "externalURL": "https://a", "drain": true, "n": 3 })
    );
    // Where nothing can be read, nothing is written.
    let fault = bench
        .act("lost", &changed(server.url("/nowhere")))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(
        fault.what.contains("answered 500, and nothing was changed"),
        "{fault:?}"
    );
    let read = server.asked();
    assert!(read.head.starts_with("GET /nowhere "), "{read:?}");
    assert_eq!(asked(&server), 0);
}
