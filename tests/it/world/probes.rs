//! What probes find.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use clusterctl::config::NodeName;
use clusterctl::engine::{Look, World as _};
use clusterctl::plan::{
    Action, Condition, Expect, Method, Millis, OnTimeout, PoolState, Probe, Reading, RemotePath,
    Sha256, Target, Value,
};

use super::bench::{Bench, CANARY, remote, secret_value, secrets};
use super::the_world;

#[test]
fn what_stands_at_a_path() {
    let bench = Bench::unclaimed();
    let at = |name: &str| {
        bench
            .look(&Probe::Path {
                path: bench.remote(name),
            })
            .unwrap()
    };
    bench.file("file", "");
    fs::create_dir(bench.path("folder")).unwrap();
    symlink("no where", bench.path("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(bench.path("socket")).unwrap();
    assert_eq!(at("file"), Reading::text("file"));
    assert_eq!(at("folder"), Reading::text("folder"));
    assert_eq!(at("link"), Reading::text("link no where"));
    assert_eq!(at("socket"), Reading::text("other"));
    assert_eq!(at("none"), Reading::Absent);
    assert_eq!(at("file/below"), Reading::Absent);
    assert!(!bench.path("state").exists(), "looking makes nothing");
}

#[test]
fn fingerprints_of_files_say_nothing_of_secrets() {
    let bench = Bench::unclaimed();
    let look = |masked: &[&str]| {
        let masked = masked.iter().map(|key| (*key).to_owned()).collect();
        bench
            .look(&Probe::File {
                path: bench.remote("a.properties"),
                masked,
            })
            .unwrap()
    };
    assert_eq!(look(&[]), Reading::Absent);
    assert_eq!(look(&["p"]), Reading::Absent);
    bench.file("a.properties", "a=1\np=one\n");
    assert_eq!(look(&[]), Reading::Digest(Sha256::of("a=1\np=one\n")));
    let masked = look(&["p"]);
    bench.file("a.properties", "a=1\np=another\n");
    assert_eq!(look(&["p"]), masked);
    bench.file("a.properties", "a=2\np=another\n");
    assert_ne!(look(&["p"]), masked);
}

#[test]
fn contents_are_compared_in_memory() {
    let bench = Bench::unclaimed();
    bench.file("a.properties", "a=1\nb=\u{fc}\np=canary-4711\n");
    bench.file("a.xml", "<a b='1' p='canary-4711'/>");
    let property = |key: &str, value: Value, utf8| {
        let path = bench.remote("a.properties");
        bench
            .look(&Probe::PropertyIs {
                path,
                key: key.to_owned(),
                value,
                utf8,
            })
            .unwrap()
    };
    assert_eq!(property("a", "1".into(), false), Reading::Same);
    assert_eq!(property("a", "2".into(), false), Reading::Different);
    assert_eq!(property("none", "2".into(), false), Reading::Absent);
    assert_eq!(property("b", "\u{fc}".into(), true), Reading::Same);
    assert_eq!(property("b", "\u{fc}".into(), false), Reading::Different);
    assert_eq!(property("p", secret_value(), false), Reading::Same);

    let xml = |element: &str, attribute: &str, value: Value| {
        let (path, element) = (bench.remote("a.xml"), vec![element.to_owned()]);
        bench
            .look(&Probe::XmlIs {
                path,
                element,
                attribute: attribute.to_owned(),
                value,
            })
            .unwrap()
    };
    assert_eq!(xml("a", "b", "1".into()), Reading::Same);
    assert_eq!(xml("a", "b", "2".into()), Reading::Different);
    assert_eq!(xml("a", "c", "2".into()), Reading::Absent);
    assert_eq!(xml("b", "b", "2".into()), Reading::Absent);
    assert_eq!(xml("a", "p", secret_value()), Reading::Same);

    let file = |name: &str, content: Vec<Value>| {
        bench
            .look(&Probe::FileIs {
                path: bench.remote(name),
                content,
            })
            .unwrap()
    };
    let parts = vec!["<a b='1' p='".into(), secret_value(), "'/>".into()];
    assert_eq!(file("a.xml", parts), Reading::Same);
    assert_eq!(file("a.xml", vec!["x".into()]), Reading::Different);
    assert_eq!(file("none", vec!["x".into()]), Reading::Absent);

    let value = |name: &str, key: &str| {
        let (path, key) = (bench.remote(name), key.to_owned());
        bench.look(&Probe::Property { path, key })
    };
    assert_eq!(value("a.properties", "a").unwrap(), Reading::text("1"));
    assert_eq!(value("a.properties", "c").unwrap(), Reading::Absent);
    assert_eq!(value("none", "c").unwrap(), Reading::Absent);
    bench.file("bad.properties", "a=\\u00zz\n");
    assert!(
        value("bad.properties", "a")
            .unwrap_err()
            .what
            .contains("Java refuses")
    );
    assert_eq!(CANARY.len(), 11);
}

#[test]
fn ports_and_free_space() {
    let bench = Bench::unclaimed();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let look = |host: &str| {
        bench.look(&Probe::Port {
            host: host.to_owned(),
            port,
        })
    };
    assert_eq!(look("127.0.0.1").unwrap(), Reading::text("open"));
    assert_eq!(look("localhost").unwrap(), Reading::text("open"));
    drop(listener);
    assert_eq!(look("127.0.0.1").unwrap(), Reading::text("closed"));
    assert!(look("no such host").is_err());
    let free = |path: RemotePath| bench.look(&Probe::FreeSpace { path }).unwrap();
    assert!(Expect::AtLeast(1).admits(&free(bench.remote("not/yet/there"))));
}

#[test]
fn a_folder_that_may_not_be_read_is_named() {
    if super::bench::is_root() {
        eprintln!("NOT TESTED: missing rights, because root has them all");
        return;
    }
    let bench = Bench::unclaimed();
    fs::create_dir_all(bench.path("tree/closed")).unwrap();
    fs::set_permissions(bench.path("tree/closed"), fs::Permissions::from_mode(0o000)).unwrap();
    let fault = bench
        .look(&Probe::Tree {
            path: bench.remote("tree"),
        })
        .unwrap_err();
    assert!(fault.what.contains("tree/closed"), "{fault}");
}

#[test]
fn what_is_out_of_reach_is_refused() {
    let bench = Bench::unclaimed();
    let far: NodeName = "ucd2".parse().unwrap();
    let target = |address: &str| Target::at(address.to_owned(), remote(&bench.path("state")));
    let targets = [
        (NodeName::local(), target("local")),
        (far.clone(), target("10.0.0.2")),
    ];
    let world = the_world(&targets.into(), secrets().into());
    let remove = Action::Remove {
        path: bench.remote("x"),
    };
    let local = NodeName::local();
    assert_eq!(world.refuses(&local, &remove), None);
    assert!(world.refuses(&"ucd3".parse().unwrap(), &remove).is_some());
    let rest = Action::Rest {
        under: None,
        method: Method::Get,
        url: "http://x".to_owned(),
        merge: None,
        credentials: None,
        body: None,
        success: vec![200],
    };
    let pool = Action::Balancer {
        socket: "/nowhere/admin.sock".parse().unwrap(),
        pool: "p".parse().unwrap(),
        server: "s".parse().unwrap(),
        to: PoolState::Enabled,
    };
    let product = Probe::Product {
        name: "p".to_owned(),
        args: vec![],
    };
    let until = Condition::is(product.clone(), Reading::Absent);
    let wait = Action::WaitUntil {
        until: until.clone(),
        every: Millis(1),
        good: 1,
        within: Millis(1),
        on_timeout: OnTimeout::Fail,
    };
    assert_eq!(world.refuses(&local, &rest), None);
    assert_eq!(world.refuses(&local, &pool), None);
    for action in [wait, Action::Check { that: vec![until] }] {
        assert!(
            world.refuses(&local, &action).is_some(),
            "{}",
            action.kind()
        );
    }
    let look = Look {
        node: &local,
        run: &bench.run,
        timeout: Millis(1),
    };
    assert!(world.observe(&look, &product).is_err());
}

#[test]
fn a_process_is_found_by_whole_words_and_known_by_when_it_began() {
    let bench = Bench::unclaimed();
    let place = bench.path("place");
    let marker = format!("marker-of-{}", std::process::id());
    let look = |place: &str| {
        bench
            .look(&Probe::Process {
                words: vec![marker.clone(), place.to_owned()],
            })
            .unwrap()
    };
    let start = |place: &str| {
        std::process::Command::new("/bin/sh")
            .args(["-c", "read nothing", &marker, place])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let place = place.to_str().unwrap();
    assert_eq!(look(place), Reading::Absent);
    let mut first = start(place);
    // A longer word is another one.
    let mut other = start(&format!("{place}2"));
    let Reading::Text(found) = look(place) else {
        panic!("it is not found");
    };
    let (pid, began) = found.split_once(' ').unwrap();
    assert_eq!(pid.parse::<u32>().unwrap(), first.id());
    let known = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = known.rsplit_once(") ").unwrap().1.split(' ').collect();
    assert_eq!(fields[19], began);
    let mut second = start(&format!("{place}/bin"));
    assert_eq!(look(place), Reading::text("2 processes"));
    for child in [&mut first, &mut second, &mut other] {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    assert_eq!(look(place), Reading::Absent);
}
