//! What only the system's `ssh` does: its words, its master, its questions.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clusterctl::config::Secret;
use clusterctl::remote::{
    BackEnd, Destination, Host, Input, Line, Patience, RemoteError, RemoteErrorKind, Streams,
};

use super::conformance::{destination, dialer, run, script, sh};
use super::lab::Lab;
use super::server::make_key;
use super::wires::{closing, saying, silent};
use crate::real::processes::{Fifo, PATIENCE};

fn connect(lab: &Lab, to: &Destination) -> Result<Arc<dyn Host>, RemoteError> {
    dialer(lab).connect(to, &Patience::unbroken(PATIENCE))
}

fn to(name: &str) -> Destination {
    destination(name, BackEnd::System)
}

#[track_caller]
fn refusal(lab: &Lab, to: &Destination) -> RemoteErrorKind {
    let Err(error) = connect(lab, to) else {
        panic!("it connects");
    };
    println!("{error}\nhint: {:?}", error.hint);
    assert!(error.hint.is_some());
    assert!(error.kind.nothing_begun());
    error.kind
}

fn host(name: &str, address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "Host {name}\n  HostName {ip}\n  Port {port}\n  ConnectTimeout 1\n  ConnectionAttempts 1\n"
    )
}

fn secret(text: &str) -> Arc<Secret> {
    Arc::new(Secret::new(text.to_owned()))
}

/// Command lines and environments of all processes that hold this text.
fn seen_by_others(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let files =
        processes.flat_map(|entry| ["cmdline", "environ"].map(|name| entry.path().join(name)));
    let holds = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(text)
    };
    files
        .filter(holds)
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn what_ssh_says_is_understood() {
    let (mute, other, shut) = (
        silent(),
        saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        closing(),
    );
    let mut lab = Lab::new()
        .sshd("down", |s| s)
        .sshd("unknown", |s| s)
        .sshd("changed", |s| s)
        .sshd("revoked", |s| s)
        .sshd("stranger", |s| s)
        .sshd("modern", |s| s.option("Ciphers aes256-gcm@openssh.com"));
    lab.server_mut("down").stop();
    let [unknown, revoked] = ["unknown", "revoked"].map(|name| lab.server(name).address());
    let known = fs::read_to_string(lab.known_hosts()).unwrap();
    let kept = |line: &&str| !line.starts_with(&format!("[{}]", unknown.ip()));
    let mut known = known.lines().filter(kept).collect::<Vec<_>>().join("\n");
    let [right, wrong] = ["revoked", "unknown"].map(|name| lab.server(name).host_key("ed25519"));
    known = known.replace(&lab.server("changed").host_key("ed25519"), &wrong);
    known.push('\n');
    let revoked = format!("@revoked [{}]:{} {right}\n", revoked.ip(), revoked.port());
    fs::write(lab.known_hosts(), known + &revoked).unwrap();
    make_key(&lab.path("other_key"), "ed25519", "");
    lab.write_ssh_config(&format!(
        "{}{}{}Host stranger\n  IdentityFile {}\n  IdentitiesOnly yes\nHost modern\n  Ciphers aes128-ctr\nHost nowhere\n  HostName nowhere.invalid\n",
        host("mute", mute.address()),
        host("other", other.address()),
        host("shut", shut.address()),
        lab.path("other_key").display(),
    ));
    // The lab's key comes after those of the hosts: this one is not let in with it either.
    let stranger = fs::read_to_string(lab.ssh_config()).unwrap();
    let config = stranger.replace(&format!("IdentityFile {}\n", lab.key().display()), "\n");
    fs::write(lab.ssh_config(), config).unwrap();
    let cases = [
        ("down", RemoteErrorKind::Refused),
        ("unknown", RemoteErrorKind::UnknownKey),
        ("changed", RemoteErrorKind::ChangedKey),
        ("revoked", RemoteErrorKind::RevokedKey),
        ("stranger", RemoteErrorKind::Denied),
        ("modern", RemoteErrorKind::NothingInCommon),
        ("nowhere", RemoteErrorKind::NoSuchHost),
        ("mute", RemoteErrorKind::Silent),
        ("other", RemoteErrorKind::Garbage),
        ("shut", RemoteErrorKind::Busy),
    ];
    for (name, kind) in cases {
        println!("{name}");
        assert_eq!(refusal(&lab, &to(name)), kind, "{name}");
    }
}

#[test]
fn a_password_reaches_ssh_and_nobody_else() {
    const PASSWORD: &str = "canary-4711 'with' \"quotes\" $(id)";
    for asked in [false, true] {
        let lab = Lab::new().sshd("a", |s| {
            if asked {
                s.asked_for(PASSWORD)
            } else {
                s.password(PASSWORD)
            }
        });
        if lab.server("a").user().is_none() {
            return;
        }
        lab.write_ssh_config("Host a\n  PubkeyAuthentication no\n");
        assert_eq!(refusal(&lab, &to("a")), RemoteErrorKind::NoCredentials);
        let mut right = to("a");
        right.password = Some(secret(PASSWORD));
        let host = connect(&lab, &right).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(sh(&*host, "echo in").text(), "in\n");
        assert_eq!(seen_by_others("canary-4711"), [""; 0]);
        let mut wrong = to("a");
        wrong.password = Some(secret("canary-0815"));
        let before = lab.server("a").log().matches("Failed ").count();
        assert_eq!(refusal(&lab, &wrong), RemoteErrorKind::Denied);
        let after = lab.server("a").log().matches("Failed ").count();
        assert!(after <= before + 1, "the password was tried again");
        assert!(!lab.server("a").log().contains("canary"));
    }
}

#[test]
fn a_passphrase_opens_a_key() {
    let lab = Lab::new().sshd("a", |s| s);
    let locked = lab.path("locked");
    make_key(&locked, "ed25519", "canary-phrase");
    fs::write(lab.path("authorized_keys"), "").unwrap();
    lab.authorize(&locked);
    lab.write_ssh_config(&format!("Host a\n  IdentityFile {}\n", locked.display()));
    let mut right = to("a");
    right.passphrase = Some(secret("canary-phrase"));
    let host = connect(&lab, &right).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(sh(&*host, "echo in").text(), "in\n");
    let mut wrong = to("a");
    wrong.passphrase = Some(secret("another"));
    assert_eq!(refusal(&lab, &wrong), RemoteErrorKind::Denied);
}

#[test]
fn hosts_behind_others_are_reached() {
    let mut lab = Lab::new()
        .sshd("first", |s| s)
        .sshd("second", |s| s)
        .sshd("last", |s| s);
    lab.write_ssh_config("Host last\n  ProxyJump first,second\n");
    // Those on the way are connected to by another ssh, which reads the same file only where it is told so.
    let mut any = Destination::new("last");
    let choice = dialer(&lab).choose(&any).unwrap();
    assert_eq!(choice.back_end, BackEnd::System);
    any.back_end = Some(BackEnd::System);
    let host = connect(&lab, &any).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(sh(&*host, "echo in").text(), "in\n");
    drop(host);
    lab.server_mut("second").stop();
    assert_eq!(refusal(&lab, &any), RemoteErrorKind::Refused);
}

#[test]
fn a_connection_that_breaks_is_told_and_made_anew() {
    let lab = Lab::new().sshd("a", |s| s);
    let host = connect(&lab, &to("a")).unwrap();
    let mut there = Fifo::new(lab.path("there"));
    let line = script(&format!("echo there > {}; sleep 1000", there.path()));
    let ended = std::thread::scope(|scope| {
        let going = scope.spawn(|| run(&*host, &line, Input::Nothing));
        there.hear();
        lab.server("a").kill_connections();
        going.join().unwrap()
    });
    let error = ended.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Lost, "{error}");
    assert_eq!(sh(&*host, "echo again").text(), "again\n");
    lab.server("a").kill_connections();
    let did = run(&*host, &script("cat"), Input::Bytes(b"once more"));
    assert_eq!(did.unwrap().text(), "once more");
}

#[test]
fn one_session_more_than_the_server_opens_waits_for_its_turn() {
    let lab = Lab::new().sshd("a", |s| s.option("MaxSessions 1"));
    let host = connect(&lab, &to("a")).unwrap();
    let mut there = Fifo::new(lab.path("there"));
    let go = Fifo::new(lab.path("go"));
    let line = script(&format!(
        "echo there > {}; read -r go < {}",
        there.path(),
        go.path()
    ));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(&*host, &line, Input::Nothing));
        there.hear();
        // Who has no time to wait has begun nothing.
        let streams = Streams {
            input: Input::Nothing,
            out: &mut std::io::sink(),
            err: &mut std::io::sink(),
        };
        let mark = lab.path("begun");
        let never = script(&format!("echo > {}", mark.display()));
        let soon = Patience::unbroken(Duration::from_secs(2));
        let refused = host.exec(&never, streams, &soon).unwrap_err();
        let kinds = [RemoteErrorKind::NoSession, RemoteErrorKind::TimedOut];
        assert!(kinds.contains(&refused.kind), "{refused}");
        assert!(!mark.exists());
        let second = scope.spawn(|| run(&*host, &script("echo now"), Input::Nothing));
        fs::write(go.path(), "go\n").unwrap();
        assert!(first.join().unwrap().unwrap().exit.is_success());
        assert_eq!(second.join().unwrap().unwrap().text(), "now\n");
    });
}

#[test]
fn nothing_of_a_connection_is_left() {
    let lab = Lab::new().sshd("a", |s| s);
    let host = connect(&lab, &to("a")).unwrap();
    sh(&*host, "true");
    let config = lab.ssh_config().display().to_string();
    assert!(!seen_by_others(&config).is_empty());
    let socket = sockets(&config);
    assert_eq!(socket.len(), 1, "{socket:?}");
    drop(host);
    assert_eq!(sockets(&config), [""; 0]);
    let folder = Path::new(&socket[0]).parent().unwrap();
    assert!(!folder.exists(), "{}", folder.display());
}

/// Where masters that read this file listen.
fn sockets(config: &str) -> Vec<String> {
    let found = seen_by_others(config);
    let lines = found.iter().filter(|path| path.ends_with("cmdline"));
    let socket = |path: &String| {
        let line = fs::read(path).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
        let at = words.iter().position(|word| word == b"-S")?;
        String::from_utf8(words.get(at + 1)?.clone()).ok()
    };
    lines.filter_map(socket).collect()
}

#[test]
fn what_is_too_long_for_a_line_is_refused_before_anything_is_sent() {
    let lab = Lab::new().sshd("a", |s| s);
    for back_end in [BackEnd::Ssh2, BackEnd::System] {
        let host = connect(&lab, &destination("a", back_end)).unwrap();
        let word = "'\n".repeat(60_000);
        let line = Line::new(["printf", "%s", &word]).unwrap();
        assert_eq!(run(&*host, &line, Input::Nothing).unwrap().text(), word);
        let line = script("cat; printf %s \"$0\"").under(&["env"]);
        let did = run(&*host, &line, Input::Bytes(b"in ")).unwrap();
        assert_eq!(did.text(), "in case");
        let streams = Streams {
            input: Input::Nothing,
            out: &mut std::io::sink(),
            err: &mut std::io::sink(),
        };
        let line = Line::new(["true".to_owned(), "x".repeat(200_000)]).unwrap();
        let ended = host.exec(&line, streams, &Patience::unbroken(PATIENCE));
        assert_eq!(ended.unwrap_err().kind, RemoteErrorKind::TooLong);
    }
}
