//! Proxies of the environment, in a process of its own for each environment.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use clusterctl::config::RestTrust;
use clusterctl::rest::{Client, Method};

use super::authority::certificate;
use super::server::{Server, answer};
use super::{LONG, call};
use crate::world::bench::this_test;

/// Makes a call as the environment says, in a process of its own; does nothing otherwise.
#[test]
fn caller() {
    let Ok(url) = std::env::var("CLUSTERCTL_TEST_REST_URL") else {
        return;
    };
    let mut trust = RestTrust {
        authorities: std::env::var_os("CLUSTERCTL_TEST_REST_CA").map(Into::into),
        ..RestTrust::default()
    };
    if let Ok(line) = std::env::var("CLUSTERCTL_TEST_REST_PIN") {
        trust.pins = super::trust(&line).pins;
    }
    match call(&Client::new(trust), Method::Put, &url) {
        Ok(answer) => println!("\nANSWER {} {}", answer.status(), answer.text()),
        Err(error) => println!("\nANSWER {:?} {error}", error.kind),
    }
}

/// What a call in this environment comes to.
fn called(url: &str, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        &this_test(module_path!(), "caller"),
        "--nocapture",
    ]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command.env("CLUSTERCTL_TEST_REST_URL", url);
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().find_map(|line| line.strip_prefix("ANSWER "));
    answer.unwrap_or_else(|| panic!("{output:?}")).to_owned()
}

/// A proxy that leads every connection to one server, or refuses it, and tells what it was asked.
fn proxy(to: Option<SocketAddr>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(visitor.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
                tell.send(head).unwrap();
                let mut visitor = visitor;
                let Some(to) = to else {
                    let refusal = b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n";
                    return visitor.write_all(refusal).unwrap();
                };
                let mut server = TcpStream::connect(to).unwrap();
                visitor.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").unwrap();
                let mut back = (server.try_clone().unwrap(), visitor.try_clone().unwrap());
                thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
                let _ = std::io::copy(&mut reader, &mut server);
            });
        }
    });
    (url, told)
}

#[test]
fn servers_elsewhere_are_reached_through_the_proxy() {
    let signer = certificate("authority").authority();
    let identity = certificate("ucd1")
        .signed_by(&signer)
        .host("DNS:ucd1.invalid");
    let server = Server::tls(&identity.server(), |_, _| answer(200, "fine"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, signer.pem()).unwrap();
    let file = file.to_str().unwrap();
    let (proxy, asked) = proxy(Some(server.address));
    let url = "https://ucd1.invalid:8443/x";

    let known = [("HTTPS_PROXY", &*proxy), ("CLUSTERCTL_TEST_REST_CA", file)];
    assert_eq!(called(url, &known), "200 fine");
    let head = asked.recv_timeout(LONG).unwrap();
    assert!(head.starts_with("CONNECT ucd1.invalid:8443 "), "{head}");
    assert!(!head.to_lowercase().contains("\r\nauthorization"), "{head}");
    assert!(server.asked().head.starts_with("PUT /x?"));

    let unknown = called(url, &[("https_proxy", &proxy)]);
    assert!(unknown.starts_with("Untrusted "), "{unknown}");

    let off = [
        ("HTTPS_PROXY", &*proxy),
        ("NO_PROXY", "a.example.com,.invalid"),
    ];
    let direct = called(url, &off);
    assert!(direct.starts_with("NoSuchHost "), "{direct}");
}

#[test]
fn a_proxy_that_makes_no_connection() {
    let (proxy, asked) = proxy(None);
    let told = called("https://ucd1.invalid:8443/", &[("HTTPS_PROXY", &proxy)]);
    assert!(
        told.starts_with("Proxy the proxy makes no connection to ucd1.invalid:8443"),
        "{told}"
    );
    assert_eq!(asked.try_iter().count(), 1);
}

#[test]
fn this_machine_and_pinned_servers_are_no_business_of_a_proxy() {
    let identity = certificate("ucd1").server();
    let server = Server::tls(&identity, |_, _| answer(200, "fine"));
    let plain = Server::plain(|_, _| answer(200, "fine"));
    let (proxy, asked) = proxy(None);
    let pin = server.pin(&identity);
    let environment = [
        ("HTTPS_PROXY", &*proxy),
        ("HTTP_PROXY", &proxy),
        ("http_proxy", &proxy),
        ("ALL_PROXY", &proxy),
        ("CLUSTERCTL_TEST_REST_PIN", &pin),
    ];
    for url in [server.url("/"), plain.url("/")] {
        assert_eq!(called(&url, &environment), "200 fine");
        let by_name = url.replace("127.0.0.1", "localhost");
        let told = called(&by_name, &environment);
        assert!(
            told == "200 fine" || told.starts_with("Untrusted "),
            "{told}"
        );
    }
    let elsewhere = pin.replace(&server.address.to_string(), "ucd1.invalid:8443");
    let environment = [
        ("HTTPS_PROXY", &*proxy),
        ("CLUSTERCTL_TEST_REST_PIN", &elsewhere),
    ];
    let told = called("https://ucd1.invalid:8443/", &environment);
    assert!(told.starts_with("NoSuchHost "), "{told}");
    assert_eq!(asked.try_iter().count(), 0);
}
