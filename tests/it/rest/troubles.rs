//! Servers that give no answer: what is said of them, and what is certain.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clusterctl::remote::{Patience, Retry};
use clusterctl::rest::{Call, Client, Method, RestError, RestErrorKind};

use super::authority::certificate;
use super::server::{Reply, Server, answer};
use super::{LONG, call, credentials, nobody_else, trust, within};

/// Time enough for what is sent to arrive.
const SHORT: Duration = Duration::from_millis(1500);

fn is(error: &RestError, kind: RestErrorKind, what: &str) {
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.what.contains(what), "{error:?}");
    assert!(error.hint.is_some(), "{error:?}");
}

#[test]
fn hosts_that_nobody_knows() {
    let client = Client::new(nobody_else());
    let error = call(&client, Method::Put, "https://nobody.invalid:8443/").unwrap_err();
    is(&error, RestErrorKind::NoSuchHost, "`nobody.invalid`");
    assert!(error.kind.nothing_sent());
}

#[test]
fn ports_at_which_nobody_listens() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::new(nobody_else());
    for scheme in ["http", "https"] {
        let error = call(&client, Method::Put, &format!("{scheme}://{free}/")).unwrap_err();
        is(
            &error,
            RestErrorKind::Refused,
            &format!("nobody listens at {free}"),
        );
        assert!(error.kind.nothing_sent());
        assert!(matches!(error.kind.retry(), Retry::Yes(_)));
    }
}

#[test]
fn a_server_that_says_nothing_got_nothing() {
    let mute = Server::mute();
    let client = Client::new(nobody_else()).connecting_within(Duration::from_millis(200));
    let error = call(&client, Method::Put, &mute.url("/")).unwrap_err();
    is(&error, RestErrorKind::Silent, "does not answer");
    assert!(error.kind.nothing_sent());
    // Where the time is up before that is certain, it is not called certain.
    let error = within(
        SHORT,
        &Client::new(nobody_else()),
        Method::Put,
        &mute.url("/"),
    )
    .unwrap_err();
    is(&error, RestErrorKind::TimedOut, "did not end in time");
    assert!(!error.kind.nothing_sent());
    mute.waits_until_somebody_goes();
    mute.waits_until_somebody_goes();
}

#[test]
fn what_speaks_no_tls() {
    let plain = Server::plain(|_, _| answer(200, ""));
    let url = plain.url("/").replace("http://", "https://");
    // The server takes the greeting of TLS for the beginning of a question, which never ends.
    let garbage = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = garbage.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut visitor in garbage.incoming().flatten() {
            use std::io::Write as _;
            let _ = visitor.write_all(b"SSH-2.0-OpenSSH_9.2\r\nno TLS at all\r\n");
            let _ = std::io::copy(&mut visitor, &mut std::io::sink());
        }
    });
    let client = Client::new(nobody_else()).connecting_within(SHORT);
    let error = call(&client, Method::Put, &format!("https://{address}/")).unwrap_err();
    is(&error, RestErrorKind::NoTls, "does not speak TLS");
    assert!(error.hint.unwrap().contains("http://"));
    let error = call(&client, Method::Put, &url).unwrap_err();
    assert!(error.kind.nothing_sent(), "{error:?}");
}

#[test]
fn servers_with_another_tls() {
    let identity = certificate("ucd1").server();
    let server = Server::of_the_last_century(&identity);
    let client = Client::new(trust(&server.pin(&identity)));
    let error = call(&client, Method::Put, &server.url("/")).unwrap_err();
    is(
        &error,
        RestErrorKind::NothingInCommon,
        "knows no way of speaking TLS",
    );
    assert!(error.kind.nothing_sent());
    assert_eq!(server.counts(), (1, 0));
}

#[test]
fn answers_that_do_not_come_in_time() {
    let identity = certificate("ucd1").server();
    for reply in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let server = Server::tls(&identity, move |_, _| Reply::Hang(reply.to_owned()));
        let client = Client::new(trust(&server.pin(&identity)));
        let error = within(SHORT, &client, Method::Put, &server.url("/x")).unwrap_err();
        let what = format!("PUT https://{}/x did not end in time", server.address);
        is(&error, RestErrorKind::TimedOut, &what);
        assert!(!error.kind.nothing_sent());
        // The connection is not kept for another.
        server.waits_until_somebody_goes();
        assert_eq!(server.counts(), (0, 0));
    }
}

#[test]
fn what_is_broken_off_ends_at_once() {
    let server = Server::plain(|_, _| Reply::Hang(String::new()));
    let client = Client::new(nobody_else());
    let broken = AtomicBool::new(false);
    let stop = || broken.load(Ordering::Relaxed);
    let (secret, url) = (credentials(), server.url("/"));
    let call = Call::new(Method::Put, &url).by(&secret);
    std::thread::scope(|scope| {
        let calling = scope.spawn(|| client.call(&call, &Patience::new(LONG, &stop)));
        server.asked();
        broken.store(true, Ordering::Relaxed);
        let begin = Instant::now();
        let error = calling.join().unwrap().unwrap_err();
        // A hundredth of it where nothing else goes on.
        assert!(begin.elapsed() < Duration::from_secs(5));
        is(&error, RestErrorKind::Cancelled, "was broken off");
        assert!(!error.kind.nothing_sent());
    });
    server.waits_until_somebody_goes();
    // What is broken off before it begins is not begun.
    let error = client.call(&call, &Patience::new(LONG, &stop)).unwrap_err();
    is(&error, RestErrorKind::Cancelled, "was broken off");
    assert_eq!(server.so_far(), []);
}

#[test]
fn answers_that_are_none() {
    let client = Client::new(nobody_else());
    for reply in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: a\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        for method in [Method::Get, Method::Put] {
            let server = Server::plain(move |_, _| Reply::Close(reply.to_owned()));
            let error = call(&client, method, &server.url("/")).unwrap_err();
            is(&error, RestErrorKind::Broken, "did not come whole");
            assert!(!error.kind.nothing_sent());
            assert!(matches!(error.kind.retry(), Retry::No(_)));
            // What may have had its effect is not done twice.
            assert_eq!(server.counts(), (1, 1), "{reply}");
        }
    }
}

#[test]
fn a_head_without_end_is_no_answer() {
    let client = Client::new(nobody_else());
    let server = Server::plain(|_, _| Reply::Endless("HTTP/1.1 200 OK\r\nX: ".to_owned()));
    let error = call(&client, Method::Get, &server.url("/")).unwrap_err();
    is(&error, RestErrorKind::Broken, "did not come whole");
    server.waits_until_somebody_goes();
}

#[test]
fn addresses_that_can_not_be_called() {
    let client = Client::new(nobody_else());
    let text = format!("https://admin:{}@127.0.0.1:1/", super::CANARY);
    let error = call(&client, Method::Get, &text).unwrap_err();
    is(&error, RestErrorKind::BadAddress, "names a user");
    let error = call(&client, Method::Get, "ucd1:8443/cli").unwrap_err();
    is(&error, RestErrorKind::BadAddress, "can't be called");
}
