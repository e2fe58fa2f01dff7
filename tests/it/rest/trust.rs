//! Whom calls trust, and what they say of whom they don't.

use clusterctl::config::RestTrust;
use clusterctl::remote::Retry;
use clusterctl::rest::{Client, Method, RestErrorKind};

use super::authority::{Identity, certificate};
use super::server::{Event, Reply, Server, answer};
use super::{call, nobody_else, trust};

fn fine(identity: &Identity) -> Server {
    Server::tls(identity, |_, _| answer(200, "fine"))
}

/// Trust in an authority by its file, which lives as long as what comes with it.
fn authority(authority: &Identity) -> (RestTrust, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let trust = RestTrust {
        authorities: Some(file),
        ..RestTrust::default()
    };
    (trust, folder)
}

/// The call is refused with this reason, and the server was told nothing.
fn refused(server: &Server, trust: RestTrust, reason: &str) -> clusterctl::rest::RestError {
    let error = call(&Client::new(trust), Method::Put, &server.url("/")).unwrap_err();
    assert_eq!(error.kind, RestErrorKind::Untrusted, "{error:?}");
    assert!(error.what.contains(reason), "{error:?}");
    assert!(error.kind.nothing_sent());
    assert_eq!(server.counts().1, 0);
    error
}

#[test]
fn whom_nobody_knows_is_told_nothing_and_can_be_pinned_by_what_the_hint_says() {
    let identity = certificate("ucd1 \u{1b}[31m").server();
    let server = fine(&identity);
    let error = refused(&server, nobody_else(), "self-signed certificate");
    let text = format!("{}\n{}", error.what, error.hint.as_ref().unwrap());
    assert!(text.contains(&identity.fingerprint()), "{text}");
    assert!(
        text.contains(
            "CN=ucd1 \\u{1b}[31m, signed by itself, valid from 2023-11-14 until 2123-10-21"
        ),
        "{text}"
    );
    let hint = error.hint.unwrap();
    let (_, lines) = hint.split_once(":\n").unwrap();
    let answer = call(&Client::new(trust(lines)), Method::Put, &server.url("/")).unwrap();
    assert_eq!((answer.status(), answer.text()), (200, "fine"));
}

#[test]
fn a_pin_is_enough_whatever_else_is_wrong() {
    let signer = certificate("authority").authority();
    let of_a_stranger = certificate("ucd1").host("DNS:elsewhere.example.com");
    for identity in [
        certificate("ucd1").server(),
        certificate("ucd1").signed_by(&signer).server(),
        certificate("ucd1").expired().server(),
        certificate("ucd1").expired().signed_by(&signer).server(),
        of_a_stranger.server(),
        certificate("ucd1").authority(),
    ] {
        let server = fine(&identity);
        let client = Client::new(trust(&server.pin(&identity)));
        for _ in 0..2 {
            assert_eq!(
                call(&client, Method::Get, &server.url("/"))
                    .unwrap()
                    .status(),
                200
            );
        }
        assert_eq!(server.counts(), (1, 2));
    }
}

#[test]
fn an_authority_knows_its_own_by_name_and_date() {
    let signer = certificate("authority").authority();
    let good = fine(&certificate("ucd1").signed_by(&signer).server());
    let (trust, _folder) = authority(&signer);
    let client = Client::new(trust.clone());
    assert_eq!(
        call(&client, Method::Get, &good.url("/")).unwrap().status(),
        200
    );

    let wrong = certificate("ucd1").signed_by(&signer).host("IP:127.0.0.2");
    refused(&fine(&wrong.server()), trust.clone(), "IP address mismatch");
    let wrong = certificate("ucd1")
        .signed_by(&signer)
        .host("DNS:ucd1.example.com");
    refused(&fine(&wrong.server()), trust.clone(), "IP address mismatch");
    let old = certificate("ucd1").signed_by(&signer).expired();
    refused(
        &fine(&old.server()),
        trust.clone(),
        "certificate has expired",
    );
    let stranger = certificate("authority").authority();
    let other = certificate("ucd1").signed_by(&stranger).server();
    refused(&fine(&other), trust, "is not trusted");
    good.so_far();
    let error = refused(
        &good,
        nobody_else(),
        "unable to get local issuer certificate",
    );
    assert!(error.what.contains("CN=ucd1, signed by CN=authority"));
}

#[test]
fn who_shows_another_certificate_than_the_pinned_one_is_told_nothing() {
    let (pinned, other) = (certificate("ucd1").server(), certificate("ucd1").server());
    let server = fine(&other);
    let trust = trust(&server.pin(&pinned));
    for method in [Method::Get, Method::Put] {
        let error = call(&Client::new(trust.clone()), method, &server.url("/")).unwrap_err();
        assert_eq!(error.kind, RestErrorKind::ChangedCertificate, "{error:?}");
        assert!(error.kind.nothing_sent());
        assert!(matches!(error.kind.retry(), Retry::No(_)));
        for fingerprint in [pinned.fingerprint(), other.fingerprint()] {
            assert!(error.what.contains(&fingerprint), "{error:?}");
        }
        let line = format!("\"{}\" = \"{}\"", server.address, other.fingerprint());
        assert!(error.hint.unwrap().ends_with(&line));
    }
    // Neither was it made anew.
    assert_eq!(server.counts(), (2, 0));
}

#[test]
fn a_certificate_that_changes_later_is_noticed_on_the_next_connection() {
    let (pinned, other) = (certificate("ucd1").server(), certificate("ucd1").server());
    let server = Server::tls(&pinned, |_, _| {
        Reply::Close("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_owned())
    });
    let client = Client::new(trust(&server.pin(&pinned)));
    call(&client, Method::Put, &server.url("/")).unwrap();
    server.waits_until_somebody_goes();
    server.becomes(&other);
    let error = call(&client, Method::Put, &server.url("/")).unwrap_err();
    assert_eq!(error.kind, RestErrorKind::ChangedCertificate, "{error:?}");
    assert_eq!(server.counts().1, 0);
    server.becomes(&pinned);
    call(&client, Method::Put, &server.url("/")).unwrap();
}

#[test]
fn a_pin_is_for_one_port_of_one_host() {
    let identity = certificate("ucd1").server();
    let (one, other) = (fine(&identity), fine(&identity));
    refused(
        &other,
        trust(&one.pin(&identity)),
        "self-signed certificate",
    );
}

#[test]
fn a_pin_does_not_turn_others_away() {
    let signer = certificate("authority").authority();
    let pinned = certificate("ucd1").server();
    let (one, other) = (
        fine(&pinned),
        fine(&certificate("ucd2").signed_by(&signer).server()),
    );
    let (mut both, _folder) = authority(&signer);
    both.pins = trust(&one.pin(&pinned)).pins;
    let client = Client::new(both);
    for server in [&one, &other] {
        assert_eq!(
            call(&client, Method::Get, &server.url("/"))
                .unwrap()
                .status(),
            200
        );
    }
}

#[test]
fn authorities_that_can_not_be_used_are_told_when_they_are_needed() {
    let identity = certificate("ucd1").server();
    let (server, plain) = (fine(&identity), Server::plain(|_, _| answer(200, "")));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let mut trust = RestTrust {
        authorities: Some(file.clone()),
        ..RestTrust::default()
    };
    let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (content, problem) in [
        (None, "No such file"),
        (Some(&b"nothing"[..]), "no certificate"),
        (Some(&bad[..]), "no certificate"),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let error = call(&Client::new(trust.clone()), Method::Get, &server.url("/")).unwrap_err();
        assert_eq!(error.kind, RestErrorKind::Authorities, "{error:?}");
        assert!(
            error.what.contains("ca.pem") && error.what.contains(problem),
            "{error:?}"
        );
        assert!(error.hint.unwrap().contains("rest.ca"));
    }
    assert_eq!(server.so_far(), [] as [Event; 0]);
    trust.pins = super::trust(&server.pin(&identity)).pins;
    let client = Client::new(trust);
    for url in [server.url("/"), plain.url("/")] {
        assert_eq!(call(&client, Method::Get, &url).unwrap().status(), 200);
    }
}
