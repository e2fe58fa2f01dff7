//! What is sent, and what is made of answers.

use std::sync::{Arc, Mutex};

use clusterctl::config::Secret;
use clusterctl::remote::Patience;
use clusterctl::rest::{Call, Client, LARGEST, Method, RestErrorKind};
use serde_json::json;

use super::authority::certificate;
use super::server::{Reply, Server, answer, redirection};
use super::{LONG, call, nobody_else, trust};

#[test]
fn what_is_sent() {
    let server = Server::plain(|_, _| answer(200, "{\"a\":[1]}"));
    let client = Client::new(nobody_else());
    let url = server.url("/cli/x?y=z%20");
    let send = |call: Call<'_>| {
        let answer = client.call(&call, &Patience::unbroken(LONG)).unwrap();
        assert_eq!(answer.json().unwrap(), json!({ "a": [1] }));
        server.asked()
    };
    for method in [Method::Get, Method::Post, Method::Put, Method::Delete] {
        let asked = send(Call::new(method, &url));
        let first = format!("{method} /cli/x?y=z%20 HTTP/1.1");
        assert_eq!(asked.head.lines().next(), Some(first.as_str()));
        assert_eq!(
            asked.header("host"),
            Some(server.address.to_string().as_str())
        );
        assert_eq!(
            (asked.header("authorization"), asked.body.as_str()),
            (None, "")
        );
        let version = concat!("clusterctl/", env!("CARGO_PKG_VERSION"));
        assert_eq!(asked.header("user-agent"), Some(version));
    }
    let basic = Secret::new("admin:admin:1".to_owned());
    let body = json!({ "name": "é", "active": true });
    let asked = send(Call::new(Method::Put, &url).by(&basic).with(&body));
    assert_eq!(
        asked.header("authorization"),
        Some("Basic YWRtaW46YWRtaW46MQ==")
    );
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&asked.body).unwrap(),
        body
    );
    let token = Secret::new("abc.DEF-1".to_owned());
    let asked = send(Call::new(Method::Get, &url).by(&token));
    assert_eq!(asked.header("authorization"), Some("Bearer abc.DEF-1"));
}

#[test]
fn every_status_is_an_answer() {
    let client = Client::new(nobody_else());
    for status in [200, 201, 202, 400, 401, 403, 404, 409, 500, 503] {
        let server = Server::plain(move |_, _| answer(status, "text"));
        let told = call(&client, Method::Put, &server.url("/")).unwrap();
        assert_eq!((told.status(), told.text()), (status, "text"));
        assert_eq!(server.counts(), (1, 1));
    }
    let nothing = Server::plain(|_, _| Reply::Say("HTTP/1.1 204 No\r\n\r\n".to_owned()));
    let told = call(&client, Method::Delete, &nothing.url("/")).unwrap();
    assert_eq!((told.status(), told.text()), (204, ""));
}

#[test]
fn what_is_no_json_is_told_without_what_it_is() {
    let page = format!("<html>{}</html>", super::CANARY);
    let server = Server::plain(move |_, _| answer(200, &page));
    let client = Client::new(nobody_else());
    let told = call(&client, Method::Get, &server.url("/")).unwrap();
    let error = told.json().unwrap_err();
    assert_eq!(error.kind, RestErrorKind::NotJson);
    assert!(error.what.contains("(status 200) is no JSON"), "{error}");
    super::no_canary(&Err(error));
}

#[test]
fn answers_are_taken_up_to_a_limit() {
    let body = "x".repeat(LARGEST);
    let server = Server::plain(move |asked, _| match asked.head.as_str() {
        head if head.starts_with("GET /fits") => answer(200, &body),
        head if head.starts_with("GET /longer") => answer(200, &format!("{body}x")),
        _ => Reply::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned()),
    });
    let client = Client::new(nobody_else());
    let told = call(&client, Method::Get, &server.url("/fits")).unwrap();
    assert_eq!(told.text().len(), LARGEST);
    for path in ["/longer", "/endless"] {
        let error = call(&client, Method::Get, &server.url(path)).unwrap_err();
        assert_eq!(error.kind, RestErrorKind::TooLarge, "{error:?}");
        assert!(error.what.contains("longer than 1024 KiB"), "{error}");
        assert!(!error.kind.nothing_sent());
    }
    // What goes on for ever was not left running.
    server.waits_until_somebody_goes();
}

#[test]
fn many_calls_share_one_connection() {
    let identity = certificate("ucd1").server();
    let server = Server::tls(&identity, |_, _| answer(200, "fine"));
    let client = Client::new(trust(&server.pin(&identity)));
    for _ in 0..50 {
        for method in [Method::Get, Method::Put] {
            call(&client, method, &server.url("/")).unwrap();
        }
    }
    assert_eq!(server.counts(), (1, 100));
}

#[test]
fn a_connection_that_the_server_closed_meanwhile_is_not_used() {
    let server = Server::plain(|_, _| {
        Reply::Close("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned())
    });
    let client = Client::new(nobody_else());
    for _ in 0..20 {
        call(&client, Method::Put, &server.url("/")).unwrap();
        server.waits_until_somebody_goes();
        // This server says nothing of it, as servers do whose patience is over: the worker has to notice.
        let other = Server::plain(|_, _| answer(200, ""));
        call(&client, Method::Get, &other.url("/")).unwrap();
    }
}

#[test]
fn calls_from_many_threads() {
    let server = Server::plain(|asked, _| answer(200, &asked.body));
    let client = Client::new(nobody_else());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (client, url) = (&client, server.url("/"));
            scope.spawn(move || {
                for round in 0..20 {
                    let body = json!([number, round]);
                    let call = Call::new(Method::Post, &url).with(&body);
                    let answer = client.call(&call, &Patience::unbroken(LONG)).unwrap();
                    assert_eq!(answer.json().unwrap(), body);
                }
            });
        }
    });
}

#[test]
fn a_server_that_is_not_available_is_asked_again_by_those_who_only_read() {
    let client = Client::new(nobody_else());
    for (unavailable, method, status, asked) in [
        (1, Method::Get, 200, 2),
        (2, Method::Get, 200, 3),
        (9, Method::Get, 503, 3),
        (1, Method::Put, 503, 1),
        (1, Method::Post, 503, 1),
        (1, Method::Delete, 503, 1),
    ] {
        let server = Server::plain(move |_, before| {
            answer(if before < unavailable { 503 } else { 200 }, "")
        });
        let told = call(&client, method, &server.url("/")).unwrap();
        assert_eq!(told.status(), status);
        assert_eq!(server.counts().1, asked, "{method}");
    }
}

#[test]
fn whoever_was_sent_away_before_asking_asks_again() {
    let identity = certificate("ucd1").server();
    for (times, comes) in [(1, 2), (2, 3)] {
        let server = Server::rude(&identity, times, |_, _| answer(200, ""));
        let client = Client::new(trust(&server.pin(&identity)));
        assert_eq!(
            call(&client, Method::Put, &server.url("/"))
                .unwrap()
                .status(),
            200
        );
        assert_eq!(server.counts(), (comes, 1));
    }
    let server = Server::rude(&identity, 9, |_, _| answer(200, ""));
    let client = Client::new(trust(&server.pin(&identity)));
    let error = call(&client, Method::Put, &server.url("/")).unwrap_err();
    assert_eq!(error.kind, RestErrorKind::Cut, "{error:?}");
    assert!(error.kind.nothing_sent());
}

#[test]
fn redirections_are_followed_within_the_server_by_those_who_only_read() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let server = Server::plain(move |asked, _| {
        told.lock()
            .unwrap()
            .push(asked.header("authorization").map(str::to_owned));
        match asked.head.split(['?', ' ']).nth(1).unwrap() {
            "/old" => redirection(302, "/older"),
            "/older" => redirection(308, "new"),
            "/round" => redirection(301, "/round"),
            _ => answer(200, "new"),
        }
    });
    let client = Client::new(nobody_else());
    let told = call(&client, Method::Get, &server.url("/old")).unwrap();
    assert_eq!((told.status(), told.text()), (200, "new"));
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() == 3 && seen.iter().all(|who| *who == seen[0] && who.is_some()));
    let told = call(&client, Method::Put, &server.url("/old")).unwrap();
    assert_eq!(told.status(), 302);
    let told = call(&client, Method::Get, &server.url("/round")).unwrap();
    assert_eq!(told.status(), 301);
    assert_eq!(server.counts().1, 3 + 1 + 6);
}

#[test]
fn redirections_elsewhere_are_followed_by_nobody() {
    let other = Server::plain(|_, _| answer(200, ""));
    let client = Client::new(nobody_else());
    let port = other.address.port();
    for location in [
        other.url("/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let location = location.clone();
            let server = Server::plain(move |_, _| redirection(status, &location));
            for method in [Method::Get, Method::Put] {
                let told = call(&client, method, &server.url("/")).unwrap();
                assert_eq!(told.status(), status);
            }
        }
    }
    assert_eq!(other.so_far(), []);
}
