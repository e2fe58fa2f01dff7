//! The lab does what tests rely on: servers answer, differ as wished, and leave nothing behind.

use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Instant;

use super::lab::Lab;
use super::wires::{Wire, closing, saying, silent};
use crate::real::processes::{Fifo, PATIENCE, gone, with_words};

#[test]
fn servers_answer_and_differ_as_wished() {
    let lab = Lab::new().sshd("plain", |s| s).sshd("odd", |s| {
        s.env("LANG", "tr_TR")
            .home_file(".bashrc", "echo noise")
            .host_key("ecdsa")
    });
    let plain = lab.ssh("plain", &["echo \"$LANG:$HOME\"; exit 7"]);
    assert_eq!(plain.status.code(), Some(7), "{plain:?}");
    let home = lab.server("plain").home();
    assert_eq!(
        String::from_utf8_lossy(&plain.stdout),
        format!(":{}\n", home.display())
    );
    let odd = lab.ssh("odd", &["echo $LANG"]);
    assert_eq!(String::from_utf8_lossy(&odd.stdout), "noise\ntr_TR\n");
    assert!(
        lab.server("odd")
            .host_key("ecdsa")
            .starts_with("ecdsa-sha2")
    );
    assert!(lab.server("odd").log().contains("Accepted publickey"));
}

#[test]
fn whoever_wants_another_shell_gets_a_user_for_it() {
    let lab = Lab::new().sshd("dash", |s| s.login_shell("/bin/dash"));
    let Some(user) = lab.server("dash").user() else {
        return;
    };
    let told = lab.ssh("dash", &["echo $0; id -un"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("dash"), "{told}");
    assert!(told.contains(&user), "{told}");
    drop(lab);
    let known = Command::new("id").arg(&user).output().unwrap();
    assert!(!known.status.success(), "{user} is still there");
}

#[test]
fn nothing_is_left_behind_even_after_a_panic() {
    let mut seen = Vec::new();
    let mut folder = String::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let lab = Lab::new().sshd("a", |s| s);
        folder = lab.path("").display().to_string();
        let mut there = Fifo::new(lab.path("there"));
        let left = format!(
            "setsid sh -c 'echo $$ > {}; exec sleep 1000' >/dev/null 2>&1 </dev/null &",
            there.path()
        );
        assert!(lab.ssh("a", &[&left]).status.success());
        seen.push(there.hear().parse::<u32>().unwrap());
        panic!("as a failing test does");
    }));
    assert!(panicked.is_err());
    assert!(gone(seen[0], PATIENCE));
    assert_eq!(with_words(&folder), []);
    assert!(!fs::exists(&folder).unwrap());
}

#[test]
fn wires_carry_hold_and_break() {
    let lab = Lab::new().sshd("a", |s| s);
    let wire = Wire::to(lab.server("a").address());
    let mut through = TcpStream::connect(wire.address()).unwrap();
    let mut greeting = [0; 8];
    through.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"SSH-2.0-");
    assert!(wire.carried() >= 8);
    wire.hold();
    wire.cut();
    let mut rest = Vec::new();
    let _ = through.read_to_end(&mut rest);

    let started = Instant::now();
    let mut said = Vec::new();
    let _ = TcpStream::connect(closing().address())
        .unwrap()
        .read_to_end(&mut said);
    assert!(said.is_empty());
    let garbage = saying(b"220 mail\r\n");
    let mut line = [0; 10];
    TcpStream::connect(garbage.address())
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    assert_eq!(&line, b"220 mail\r\n");
    let silent = silent();
    let mut other = TcpStream::connect(silent.address()).unwrap();
    silent.accepted(1);
    silent.cut();
    let _ = other.read_to_end(&mut said);
    assert!(said.is_empty());
    assert!(started.elapsed() < PATIENCE);
}

#[test]
fn a_connection_ends_with_the_process_that_serves_it() {
    let mut lab = Lab::new().sshd("a", |s| s);
    let mut there = Fifo::new(lab.path("there"));
    let line = format!("echo here > {}; exec sleep 1000", there.path());
    let mut ssh = Command::new("ssh")
        .arg("-F")
        .arg(lab.ssh_config())
        .args(["a", &line])
        .spawn()
        .unwrap();
    there.hear();
    lab.server("a").kill_connections();
    let ended = crate::real::processes::ended(&mut ssh, PATIENCE).unwrap();
    assert_eq!(ended.code(), Some(255));
    lab.server_mut("a").stop();
    assert_eq!(lab.ssh("a", &["true"]).status.code(), Some(255));
    lab.server_mut("a").start_again();
    assert_eq!(lab.ssh("a", &["true"]).status.code(), Some(0));
}

#[test]
fn passwords_open_what_they_shall() {
    let lab = Lab::new()
        .sshd("password", |s| s.password("open sesame"))
        .sshd("asked", |s| s.asked_for("open sesame"));
    let askpass = lab.path("askpass");
    fs::write(&askpass, "#!/bin/sh\necho 'open sesame'\n").unwrap();
    fs::set_permissions(&askpass, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, method) in [("password", "password"), ("asked", "keyboard-interactive")] {
        if lab.server(name).user().is_none() {
            return;
        }
        let told = Command::new("ssh")
            .arg("-F")
            .arg(lab.ssh_config())
            .args(["-o", "PubkeyAuthentication=no", "-v", name, "echo in"])
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.stdout.ends_with(b"in\n"), "{told:?}");
        assert!(err.contains(&format!("using \"{method}\"")), "{err}");
    }
}
