//! By what on the node HAProxy is spoken to, and over which ways.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::drain::{OUT, Scene};
use super::haproxy::{HaProxy, POOL, Web, cluster};
use crate::real::lab::Lab;

const SCRIPT: &str = include_str!("../../../src/world/pool_ask.sh");

/// A folder with nothing but these programs in it.
fn programs(lab: &Lab, name: &str, of: &[&str]) -> String {
    let folder = lab.path(name);
    fs::create_dir(&folder).unwrap();
    for program in of.iter().copied() {
        let found = ["/usr/bin", "/bin", "/usr/sbin"]
            .iter()
            .map(|folder| Path::new(folder).join(program))
            .find(|path| path.exists());
        let found =
            found.unwrap_or_else(|| panic!("{program} is missing: .ci/install installs it"));
        symlink(found, folder.join(program)).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

#[test]
fn each_program_that_can_speak_to_it_does() {
    let scene = Scene::new("");
    let socket = scene.haproxy.socket.to_str().unwrap();
    for (program, way) in [
        ("perl", "perl"),
        ("python3", "python3"),
        ("socat", "socat"),
        ("nc", "nc.openbsd"),
    ] {
        let path = programs(&scene.lab, &format!("only-{program}"), &[]);
        let real = if program == "python3" {
            "/usr/bin/python3".into()
        } else {
            Path::new("/usr/bin").join(way)
        };
        let real = if real.exists() {
            real
        } else {
            Path::new("/bin").join(way)
        };
        assert!(real.exists(), "{way} is missing: .ci/install installs it");
        symlink(real, Path::new(&path).join(program)).unwrap();
        let run = |mode: &str, line: &str| {
            Command::new("/bin/sh")
                .args(["-c", SCRIPT, "ask", mode, "10", socket, line])
                .env("PATH", &path)
                .output()
                .unwrap()
        };
        let told = run(
            "ask",
            &format!("show servers state {POOL}; show stat {POOL} 6 -1; show table"),
        );
        let said = String::from_utf8_lossy(&told.stdout);
        assert!(told.status.success(), "{program}: {told:?}");
        assert!(
            said.contains("# be_id") && said.contains("# pxname"),
            "{program}: {said}"
        );
        let told = run("order", &format!("set server {POOL}/ucd1 state maint"));
        assert!(told.status.success(), "{program}: {told:?}");
        assert_eq!(scene.haproxy.admin("ucd1"), OUT, "{program}");
        let told = run("order", &format!("set server {POOL}/ucd1 state ready"));
        assert!(told.status.success(), "{program}: {told:?}");
        assert_eq!(scene.haproxy.admin("ucd1"), 0, "{program}");
        let told = run("order", &format!("set server {POOL}/ucd9 state ready"));
        assert_eq!(told.status.code(), Some(68), "{program}: {told:?}");
        assert!(
            String::from_utf8_lossy(&told.stderr).contains("No such server"),
            "{program}: {told:?}"
        );
    }
    let path = programs(&scene.lab, "none", &[]);
    let told = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "ask", "ask", "10", socket, "show table"])
        .env("PATH", path)
        .output()
        .unwrap();
    assert_eq!(told.status.code(), Some(69), "{told:?}");
}

#[test]
fn over_ssh_and_by_a_port() {
    let lab = Lab::over_ssh();
    let web = ["ucd1", "ucd2"].map(Web::start);
    let haproxy = HaProxy::start(&lab, "haproxy", &web, &HaProxy::usual());
    haproxy.until_all_are_up();
    let file = cluster(&lab, &[], haproxy.socket.to_str().unwrap(), "");
    let text = fs::read_to_string(&file).unwrap();
    let state = lab.path("nodes/n1");
    let text = text.replace("nodes = []", "nodes = [\"n1\"]")
        + &format!("[nodes.n1]\nstate_dir = \"{}\"\n", state.display());
    fs::write(&file, text).unwrap();
    lab.must(&["-c", &file, "lb", "check"]);
    lab.must(&["-c", &file, "lb", "drain", "ucd2", "--yes"]);
    assert_eq!(haproxy.admin("ucd2"), OUT);
    lab.must(&["-c", &file, "lb", "enable", "ucd2", "--yes"]);
    assert_eq!(haproxy.admin("ucd2"), 0);
}
