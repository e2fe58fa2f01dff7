//! What goes wrong between machines, and what is said about it: the same for every way over SSH.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clusterctl::config::Secret;
use clusterctl::remote::{
    BackEnd, Destination, Exit, Host, Input, Patience, RemoteError, RemoteErrorKind, Streams,
};

use super::agent::Agent;
use super::conformance::{destination, dialer, run, script, sh};
use super::lab::Lab;
use super::server::make_key;
use super::wires::{Listener, Wire, closing, saying, silent};
use crate::real::processes::{Fifo, PATIENCE, gone, with_words};

/// Connects, and gives up soon where connecting is tried again and again.
fn connect(lab: &Lab, to: &Destination) -> Result<Arc<dyn Host>, RemoteError> {
    dialer(lab).connect(to, &Patience::unbroken(PATIENCE))
}

fn trouble(lab: &Lab, to: &Destination) -> RemoteError {
    match connect(lab, to) {
        Ok(_) => panic!("nobody should have let us in"),
        Err(error) => {
            println!("{:?}: {}\n  hint: {:?}", error.kind, error.what, error.hint);
            assert!(error.hint.is_some(), "{error:?}");
            as_people_read_it(lab, to.back_end.unwrap(), &error);
            error
        }
    }
}

/// Compares what is said with what was said before.
fn as_people_read_it(lab: &Lab, back_end: BackEnd, error: &RemoteError) {
    thread_local! {
        static COUNT: Cell<u32> = const { Cell::new(0) };
    }
    let this = thread::current();
    let case = this.name().and_then(|name| name.rsplit("::").next());
    let case = match back_end {
        BackEnd::System => format!("system_{}", case.unwrap()),
        BackEnd::Ssh2 | BackEnd::Local => case.unwrap().to_owned(),
    };
    let number = COUNT.replace(COUNT.get() + 1);
    let hint = error.hint.as_deref().unwrap_or_default();
    let text = format!("error: node: {}\nhint: {hint}", error.what);
    let text = text.replace(lab.path("").to_str().unwrap(), "LAB/");
    insta::with_settings!({ filters => vec![
        (r"\[127\.[0-9.]+\]:\d+", "[ADDRESS]:PORT"),
        (r"127\.[0-9.]+:\d+", "ADDRESS:PORT"),
        (r"127\.\d+\.\d+\.\d+", "ADDRESS"),
        (r"port \d+", "port PORT"),
        (r"-p \d+", "-p PORT"),
        (r"SHA256:[A-Za-z0-9+/]+", "SHA256:FINGERPRINT"),
        (r"cctl-\d+-\d+", "USER"),
        (r"as `[a-z]+`", "as `USER`"),
        (r"(the agent's key `lab` was refused(; )?)+", "the agent's keys were refused"),
        (r"Name or service not known|Temporary failure in name resolution", "REASON"),
        (r"failed to lookup address information: [A-Za-z ]+", "REASON"),
        (r"\d+\.\d s\b", "N s"),
    ]}, {
        insta::assert_snapshot!(format!("{case}_{number}"), text);
    });
}

/// The user calls this address `name`.
fn call(lab: &Lab, name: &str, address: SocketAddr, more: &str) {
    lab.write_ssh_config(&format!(
        "Host {name}\n  HostName {}\n  Port {}\n  {more}",
        address.ip(),
        address.port()
    ));
}

fn with_password(name: &str, back_end: BackEnd, password: &str) -> Destination {
    let mut destination = destination(name, back_end);
    destination.password = Some(Arc::new(Secret::new(password.to_owned())));
    destination
}

fn an_unknown_key(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    fs::write(lab.known_hosts(), "").unwrap();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::UnknownKey);
    assert!(error.what.contains("SHA256:"), "{error}");
    let port = lab.server("a").address().port();
    let typed = match back_end {
        BackEnd::Ssh2 => format!("type `ssh -p {port} a` once"),
        BackEnd::Local | BackEnd::System => "type `ssh a` once".to_owned(),
    };
    let hint = error.hint.unwrap();
    assert!(hint.contains(&typed), "{hint}");
    assert!(!lab.server("a").log().contains("Accepted"));
}

fn a_changed_key(back_end: BackEnd) {
    let mut lab = Lab::new().sshd("a", |s| s).sshd("other", |s| s);
    let other = lab.server("other").host_key("ed25519");
    fs::write(lab.known_hosts(), "# first\n").unwrap();
    lab.know(lab.server("a").address(), &other);
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::ChangedKey);
    let place = format!("{}:2", lab.known_hosts().display());
    assert!(error.what.contains(&place), "{error}");
    let hint = error.hint.unwrap();
    let address = lab.server("a").address();
    let name = format!("'[{}]:{}'", address.ip(), address.port());
    assert!(
        hint.contains("ssh-keygen -R") && hint.contains(&name),
        "{hint}"
    );
    // Nor is it taken when new keys are.
    let mut destination = destination("a", back_end);
    destination.host_keys = clusterctl::remote::HostKeys::AcceptNew;
    assert_eq!(
        trouble(&lab, &destination).kind,
        RemoteErrorKind::ChangedKey
    );
    lab.server_mut("a").stop();
    let connections = lab.server("a").log().matches("Connection from").count();
    assert_eq!(connections, 2, "it must not be tried again");
}

fn what_ssh_config_says_of_new_keys(back_end: BackEnd) {
    for (word, taken) in [
        ("ask", false),
        ("yes", false),
        ("accept-new", true),
        ("no", true),
        ("off", true),
    ] {
        let lab = Lab::new().sshd("a", |s| s).sshd("other", |s| s);
        lab.write_ssh_config(&format!("StrictHostKeyChecking {word}"));
        fs::write(lab.known_hosts(), "").unwrap();
        let choice = dialer(&lab).choose(&destination("a", back_end)).unwrap();
        assert_eq!(choice.takes_new_keys.is_some(), taken, "{word}");
        let ended = connect(&lab, &destination("a", back_end));
        let kind = ended.err().map(|error| error.kind);
        assert_eq!(
            kind,
            (!taken).then_some(RemoteErrorKind::UnknownKey),
            "{word}"
        );
        // A changed key is never taken.
        fs::write(lab.known_hosts(), "").unwrap();
        let other = lab.server("other").host_key("ed25519");
        lab.know(lab.server("a").address(), &other);
        let error = connect(&lab, &destination("a", back_end)).err().unwrap();
        assert_eq!(error.kind, RemoteErrorKind::ChangedKey, "{word}");
    }
}

fn a_revoked_key(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    let known = fs::read_to_string(lab.known_hosts()).unwrap();
    let key = lab.server("a").host_key("ed25519");
    fs::write(lab.known_hosts(), format!("{known}@revoked * {key}\n")).unwrap();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::RevokedKey);
}

fn names_that_are_hashed(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    let hashed = Command::new("ssh-keygen")
        .args(["-H", "-f"])
        .arg(lab.known_hosts())
        .output()
        .unwrap();
    assert!(hashed.status.success());
    let text = fs::read_to_string(lab.known_hosts()).unwrap();
    assert!(text.starts_with("|1|"));
    connect(&lab, &destination("a", back_end)).unwrap();
}

fn the_kind_of_key_that_is_known_is_asked_for(back_end: BackEnd) {
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let lab = Lab::new().sshd("a", |s| {
            s.host_key("ecdsa").host_key("ed25519").host_key("rsa")
        });
        fs::write(lab.known_hosts(), "").unwrap();
        let server = lab.server("a");
        lab.know(server.address(), &server.host_key(kind));
        connect(&lab, &destination("a", back_end)).unwrap();
    }
}

fn hosts_that_say_nothing(back_end: BackEnd) {
    let lab = Lab::new();
    let nobody = silent();
    call(&lab, "a", nobody.address(), "ConnectTimeout 1");
    let begin = Instant::now();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::Silent);
    assert!(begin.elapsed() < Duration::from_secs(6));
}

fn hosts_that_fall_silent(back_end: BackEnd) {
    let lab = Lab::new();
    // It greets, and then says nothing more.
    let half = saying(b"SSH-2.0-OpenSSH_9.2\r\n");
    call(&lab, "a", half.address(), "ConnectTimeout 1");
    let begin = Instant::now();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::Silent);
    assert!(begin.elapsed() < Duration::from_secs(6));
}

fn what_is_no_ssh_server(back_end: BackEnd) {
    let noise: &'static [u8] = Box::leak((1..=250_u8).cycle().step_by(7).take(9000).collect());
    for words in [
        b"220 mail.example ESMTP\r\n".as_slice(),
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        noise,
    ] {
        let lab = Lab::new();
        let server = saying(words);
        call(&lab, "a", server.address(), "ConnectTimeout 4");
        let error = trouble(&lab, &destination("a", back_end));
        assert_eq!(error.kind, RemoteErrorKind::Garbage, "{error:?}");
    }
}

fn garbage_after_the_greeting(back_end: BackEnd) {
    let lab = Lab::new();
    let server: Listener =
        saying(b"SSH-2.0-x\r\nThis is no packet of SSH's, whatever its length may say.\n\0\0\0\0");
    call(&lab, "a", server.address(), "ConnectTimeout 2");
    let error = trouble(&lab, &destination("a", back_end));
    let kinds = [RemoteErrorKind::Garbage, RemoteErrorKind::NothingInCommon];
    assert!(kinds.contains(&error.kind), "{error:?}");
}

fn hosts_that_hang_up(back_end: BackEnd) {
    let lab = Lab::new();
    let server = closing();
    call(&lab, "a", server.address(), "");
    let soon = Patience::unbroken(Duration::from_secs(2));
    let error = dialer(&lab).connect(&destination("a", back_end), &soon);
    let error = error.err().unwrap();
    assert_eq!(error.kind, RemoteErrorKind::Busy, "{error:?}");
    assert!(error.what.contains("(tried "), "{error}");
}

fn nobody_listens(back_end: BackEnd) {
    let mut lab = Lab::new().sshd("a", |s| s);
    lab.server_mut("a").stop();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::Refused);
    let port = lab.server("a").address().port().to_string();
    assert!(error.what.contains(&port), "{error}");
}

fn a_name_that_nobody_knows(back_end: BackEnd) {
    let lab = Lab::new();
    let error = trouble(&lab, &destination("no-such-host.invalid", back_end));
    assert_eq!(error.kind, RemoteErrorKind::NoSuchHost);
    assert!(error.what.contains("no-such-host.invalid"), "{error}");
}

fn a_server_of_the_last_century(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("Ciphers 3des-cbc"));
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::NothingInCommon);
}

fn ways_to_log_in_that_are_no_text(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| {
        s.option("KbdInteractiveAuthentication yes").built_with(
            b"keyboard-inter\xff\xfe\xfdive\0",
            b"keyboard-interactive\0",
        )
    });
    // What nobody asks for is no trouble to ssh, which looks for what it knows.
    if back_end == BackEnd::System {
        connect(&lab, &destination("a", back_end)).unwrap();
        return;
    }
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::Garbage);
}

fn a_key_that_nobody_lets_in(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    fs::write(lab.path("authorized_keys"), "").unwrap();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::Denied);
    assert!(error.what.contains("publickey"), "{error}");
    assert!(error.what.contains("id_ed25519"), "{error}");
}

fn nothing_to_log_in_with(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    fs::remove_file(lab.key()).unwrap();
    fs::remove_file(lab.path("id_ed25519.pub")).unwrap();
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::NoCredentials);
    assert!(error.what.contains("id_ed25519 is not there"), "{error}");
}

fn passwords(back_end: BackEnd) {
    let lab = Lab::new()
        .sshd("password", |s| s.password("open sesame"))
        .sshd("asked", |s| s.asked_for("open sesame"));
    fs::remove_file(lab.key()).unwrap();
    for name in ["password", "asked"] {
        if lab.server(name).user().is_none() {
            return;
        }
        let host = connect(&lab, &with_password(name, back_end, "open sesame")).unwrap();
        assert_eq!(sh(&*host, "echo in").text(), "in\n");
        let error = trouble(&lab, &with_password(name, back_end, "shut canary"));
        assert_eq!(error.kind, RemoteErrorKind::Denied);
        assert!(!format!("{error:?}").contains("canary"));
        let error = trouble(&lab, &destination(name, back_end));
        assert_eq!(error.kind, RemoteErrorKind::NoCredentials);
        assert!(error.what.contains("no password is given"), "{error}");
    }
}

fn a_key_and_a_password(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| {
        s.password("open sesame")
            .option("AuthenticationMethods publickey,password")
    });
    if lab.server("a").user().is_none() {
        return;
    }
    connect(&lab, &with_password("a", back_end, "open sesame")).unwrap();
}

fn keys_with_passphrases(back_end: BackEnd) {
    for (kind, format) in [("ed25519", "RFC4716"), ("rsa", "PEM"), ("ecdsa", "PKCS8")] {
        let lab = Lab::new().sshd("a", |s| s);
        fs::remove_file(lab.key()).unwrap();
        fs::remove_file(lab.path("id_ed25519.pub")).unwrap();
        make_key(&lab.key(), kind, "");
        let changed = Command::new("ssh-keygen")
            .args([
                "-q",
                "-p",
                "-m",
                format,
                "-P",
                "",
                "-N",
                "open sesame",
                "-f",
            ])
            .arg(lab.key())
            .output()
            .unwrap();
        assert!(changed.status.success(), "{changed:?}");
        lab.authorize(&lab.key());
        let error = trouble(&lab, &destination("a", back_end));
        assert!(error.what.contains("passphrase"), "{kind} {error}");
        let mut to = destination("a", back_end);
        to.passphrase = Some(Arc::new(Secret::new("shut canary".to_owned())));
        let error = trouble(&lab, &to);
        assert!(error.what.contains("passphrase"), "{kind} {error}");
        assert!(!format!("{error:?}").contains("canary"));
        to.passphrase = Some(Arc::new(Secret::new("open sesame".to_owned())));
        connect(&lab, &to).unwrap_or_else(|error| panic!("{kind} {format}: {error}"));
    }
}

fn keys_of_all_kinds(back_end: BackEnd) {
    for kind in ["rsa", "ecdsa"] {
        let lab = Lab::new().sshd("a", |s| s);
        fs::remove_file(lab.key()).unwrap();
        make_key(&lab.path("other"), kind, "");
        lab.authorize(&lab.path("other"));
        lab.write_ssh_config(&format!("IdentityFile {}", lab.path("other").display()));
        connect(&lab, &destination("a", back_end)).unwrap();
    }
}

fn agents(back_end: BackEnd) {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let lab = Lab::new().sshd("a", |s| s);
        let _agent = Agent::start(&lab);
        make_key(&lab.path("other"), kind, "");
        lab.authorize(&lab.path("other"));
        Agent::add(&lab, "other");
        fs::remove_file(lab.key()).unwrap();
        fs::remove_file(lab.path("id_ed25519.pub")).unwrap();
        let agent = format!("IdentityAgent {}", lab.path("agent").display());
        lab.write_ssh_config(&agent);
        connect(&lab, &destination("a", back_end)).unwrap();
        // A key that no file names is not offered when only those shall be.
        lab.write_ssh_config(&format!("{agent}\nIdentitiesOnly yes"));
        trouble(&lab, &destination("a", back_end));
        fs::remove_file(lab.path("other")).unwrap();
        lab.write_ssh_config(&format!(
            "{agent}\nIdentitiesOnly yes\nIdentityFile {}",
            lab.path("other").display()
        ));
        connect(&lab, &destination("a", back_end)).unwrap();
    }
}

fn an_agent_with_too_many_keys(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("MaxAuthTries 2"));
    let _agent = Agent::start(&lab);
    for number in 0..4 {
        let name = format!("other{number}");
        make_key(&lab.path(&name), "ed25519", "");
        Agent::add(&lab, &name);
    }
    let agent = format!("IdentityAgent {}", lab.path("agent").display());
    lab.write_ssh_config(&agent);
    let error = trouble(&lab, &destination("a", back_end));
    assert_eq!(error.kind, RemoteErrorKind::Denied);
    assert!(error.hint.unwrap().contains("IdentitiesOnly"));
    lab.write_ssh_config(&format!("{agent}\nIdentitiesOnly yes"));
    connect(&lab, &destination("a", back_end)).unwrap();
}

fn an_agent_that_is_not_there(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    lab.write_ssh_config(&format!("IdentityAgent {}", lab.path("agent").display()));
    connect(&lab, &destination("a", back_end)).unwrap();
}

/// Runs a command that says that it runs, does something to it, and gives what is said about it.
fn in_mid_command(host: &dyn Host, lab: &Lab, strike: impl FnOnce()) -> RemoteError {
    let mut there = Fifo::new(lab.path("there"));
    let line = script(&format!("echo $$ > {}; sleep 1000", there.path()));
    let ended = thread::scope(|scope| {
        let going = scope.spawn(|| run(host, &line, Input::Nothing));
        there.hear();
        strike();
        going.join().unwrap()
    });
    let error = ended.unwrap_err();
    println!("{error:?}");
    error
}

fn a_host_that_dies_in_mid_command(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    let host = connect(&lab, &destination("a", back_end)).unwrap();
    let error = in_mid_command(&*host, &lab, || lab.server("a").kill_connections());
    assert_eq!(error.kind, RemoteErrorKind::Lost);
    assert_eq!(sh(&*host, "echo again").text(), "again\n");
}

fn a_server_that_ends_a_session_without_a_word(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("ChannelTimeout session:command=1"));
    let host = connect(&lab, &destination("a", back_end)).unwrap();
    let error = in_mid_command(&*host, &lab, || {});
    assert_eq!(error.kind, RemoteErrorKind::Lost);
    assert!(error.what.contains("nobody told"), "{error}");
    assert_eq!(sh(&*host, "echo again").text(), "again\n");
}

fn a_wire_that_breaks(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    let wire = Wire::to(lab.server("a").address());
    lab.know(wire.address(), &lab.server("a").host_key("ed25519"));
    call(&lab, "w", wire.address(), "");
    let host = connect(&lab, &destination("w", back_end)).unwrap();
    let error = in_mid_command(&*host, &lab, || wire.cut());
    assert_eq!(error.kind, RemoteErrorKind::Lost);
    assert_eq!(sh(&*host, "echo again").text(), "again\n");
}

fn a_wire_that_breaks_while_somebody_logs_in(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    let wire = Wire::to(lab.server("a").address());
    lab.know(wire.address(), &lab.server("a").host_key("ed25519"));
    call(&lab, "w", wire.address(), "");
    // What comes when somebody is in may break a command, as later cuts do.
    let whole = {
        let host = connect(&lab, &destination("w", back_end)).unwrap();
        let carried = wire.carried();
        drop(host);
        carried * 9 / 10
    };
    let pieces = 14;
    let cuts = (0..pieces).map(|piece| whole * piece / pieces + 1);
    for after in cuts {
        wire.cut_after(after);
        let host = connect(&lab, &destination("w", back_end));
        let host = host.unwrap_or_else(|error| panic!("after {after} of {whole}: {error:?}"));
        assert!(wire.has_broken(), "after {after} of {whole}");
        assert_eq!(sh(&*host, "echo in").text(), "in\n");
    }
}

fn a_wire_that_falls_silent(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    let wire = Wire::to(lab.server("a").address());
    lab.know(wire.address(), &lab.server("a").host_key("ed25519"));
    let alive = "ServerAliveInterval 1\n  ServerAliveCountMax 2";
    call(&lab, "w", wire.address(), alive);
    let host = connect(&lab, &destination("w", back_end)).unwrap();
    // A silence that is shorter, or that is the command's own, is none.
    assert_eq!(sh(&*host, "sleep 4; echo slept").text(), "slept\n");
    let error = in_mid_command(&*host, &lab, || wire.hold());
    assert_eq!(error.kind, RemoteErrorKind::Lost);
}

fn a_connection_that_ended_while_nobody_used_it(back_end: BackEnd) {
    let mut lab = Lab::new().sshd("a", |s| s);
    let host = connect(&lab, &destination("a", back_end)).unwrap();
    assert_eq!(sh(&*host, "echo first").text(), "first\n");
    lab.server("a").kill_connections();
    assert_eq!(sh(&*host, "echo second").text(), "second\n");
    lab.server_mut("a").stop();
    lab.server("a").kill_connections();
    let error = run(&*host, &script("true"), Input::Nothing).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Refused, "{error:?}");
    lab.server_mut("a").start_again();
    assert_eq!(sh(&*host, "echo third").text(), "third\n");
}

fn one_session_only(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("MaxSessions 1"));
    let host = connect(&lab, &destination("a", back_end)).unwrap();
    thread::scope(|scope| {
        for number in 0..4 {
            let host = &*host;
            scope.spawn(move || {
                let text = format!("{number}\n").repeat(10_000);
                let mut once = text.as_bytes();
                let input = Input::Reader(&mut once);
                let did = run(host, &script("sleep 0.1; cat"), input).unwrap();
                assert_eq!(did.text(), text);
            });
        }
    });
    let mut there = Fifo::new(lab.path("there"));
    let line = script(&format!("echo $$ > {}; sleep 1000", there.path()));
    let streams = Streams {
        input: Input::Nothing,
        out: &mut std::io::sink(),
        err: &mut std::io::sink(),
    };
    let ended = host.exec(&line, streams, &Patience::unbroken(Duration::from_secs(2)));
    assert_eq!(ended.unwrap_err().kind, RemoteErrorKind::TimedOut);
    assert!(gone(there.hear().parse().unwrap(), PATIENCE), "it goes on");
    assert_eq!(sh(&*host, "exit 4").exit, Exit::Code(4));
}

fn many_at_once_at_a_server_that_takes_few(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("MaxStartups 2"));
    let dialer = dialer(&lab);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let patience = Patience::unbroken(2 * PATIENCE);
                let host = dialer.connect(&destination("a", back_end), &patience);
                let host = host.unwrap();
                assert_eq!(sh(&*host, "echo in").text(), "in\n");
            });
        }
    });
}

fn many_that_connect_again_at_once(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("MaxStartups 2"));
    let dialer = dialer(&lab);
    let connect = || dialer.connect(&destination("a", back_end), &Patience::unbroken(PATIENCE));
    let hosts: Vec<_> = (0..12).map(|_| connect().unwrap()).collect();
    lab.server("a").kill_connections();
    let line = script("echo in");
    thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| assert_eq!(run(&**host, &line, Input::Nothing).unwrap().text(), "in\n"));
        }
    });
}

fn no_session_at_all(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("MaxSessions 0"));
    let host = connect(&lab, &destination("a", back_end)).unwrap();
    let error = run(&*host, &script("true"), Input::Nothing).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::NoSession);
    as_people_read_it(&lab, back_end, &error);
}

fn nothing_secret_is_seen(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.password("canary sesame"));
    if lab.server("a").user().is_none() {
        return;
    }
    fs::remove_file(lab.key()).unwrap();
    let host = connect(&lab, &with_password("a", back_end, "canary sesame")).unwrap();
    assert_eq!(with_words("canary sesame"), []);
    let did = sh(
        &*host,
        "env; cat /proc/*/cmdline /proc/*/environ 2>/dev/null",
    );
    assert!(!did.text().contains("canary sesame"));
    assert!(!lab.server("a").log().contains("canary"));
}

macro_rules! troubles {
    ($($module:ident $back_end:ident),*) => { $(
        mod $module {
            list! { $back_end: an_unknown_key, a_changed_key, what_ssh_config_says_of_new_keys, a_revoked_key, names_that_are_hashed,
                the_kind_of_key_that_is_known_is_asked_for, hosts_that_say_nothing, hosts_that_fall_silent,
                what_is_no_ssh_server, garbage_after_the_greeting, hosts_that_hang_up, nobody_listens,
                a_name_that_nobody_knows, a_server_of_the_last_century, ways_to_log_in_that_are_no_text, a_key_that_nobody_lets_in,
                nothing_to_log_in_with, passwords, a_key_and_a_password, keys_with_passphrases, keys_of_all_kinds,
                agents, an_agent_with_too_many_keys, an_agent_that_is_not_there, a_host_that_dies_in_mid_command,
                a_server_that_ends_a_session_without_a_word,
                a_wire_that_breaks, a_wire_that_breaks_while_somebody_logs_in, a_wire_that_falls_silent, a_connection_that_ended_while_nobody_used_it,
                one_session_only, many_at_once_at_a_server_that_takes_few,
                many_that_connect_again_at_once, no_session_at_all, nothing_secret_is_seen }
        }
    )* };
}

macro_rules! list {
    ($back_end:ident: $($case:ident),*) => { $(
        #[test]
        fn $case() {
            super::$case(clusterctl::remote::BackEnd::$back_end);
        }
    )* };
}

troubles! { ssh2 Ssh2, system System }

#[test]
fn the_best_way_is_chosen_and_the_reason_is_known() {
    let lab = Lab::new().sshd("a", |s| s);
    lab.write_ssh_config("Host behind\n  ProxyJump a");
    let dialer = dialer(&lab);
    let choice = dialer.choose(&Destination::new("a")).unwrap();
    assert_eq!((choice.back_end, choice.reason), (BackEnd::Ssh2, None));
    let choice = dialer.choose(&Destination::new("behind")).unwrap();
    assert_eq!(choice.back_end, BackEnd::System);
    assert!(choice.reason.unwrap().contains("ProxyJump"));
    let forced = dialer.choose(&destination("behind", BackEnd::Ssh2));
    let error = forced.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Unsupported);
    assert!(error.what.contains("ProxyJump"), "{error}");
    let local = dialer.choose(&Destination::new("local")).unwrap();
    assert_eq!(local.back_end, BackEnd::Local);
}
