//! What can be wrong between us and HAProxy: each is told, and changes nothing.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::drain::Scene;
use super::haproxy::{HaProxy, Web, Wishes, cluster};
use crate::real::lab::{Lab, Told};

/// What `lb drain` says where HAProxy is like this.
fn refused(socket: &str, lab: &Lab, code: i32) -> Told {
    let file = cluster(lab, &["lb1"], socket, "");
    let told = lab
        .call(&["-c", &file, "lb", "drain", "ucd1", "--yes"])
        .is(code);
    assert!(told.err.contains("lb1"), "{told:#?}");
    assert!(
        told.err.contains("Nothing was changed by this command."),
        "{told:#?}"
    );
    assert!(told.err.contains("hint: "), "{told:#?}");
    told
}

#[test]
fn nobody_listens() {
    let lab = Lab::new();
    let told = refused("/nowhere/admin.sock", &lab, 30);
    assert!(told.err.contains("No such file or directory"), "{told:#?}");
    let told = refused("127.0.0.1:1", &lab, 30);
    assert!(told.err.contains("refused"), "{told:#?}");
    let file = cluster(&lab, &["lb1"], "/nowhere/admin.sock", "");
    let told = lab.call(&["-c", &file, "lb", "check"]).is(3);
    assert!(
        told.err
            .contains("lb1: HAProxy's runtime interface at /nowhere/admin.sock does not answer"),
        "{told:#?}"
    );
}

#[test]
fn a_socket_with_too_few_rights_lets_one_look_and_not_change() {
    for level in ["user", "operator"] {
        let lab = Lab::new();
        let web = ["ucd1", "ucd2"].map(Web::start);
        let wishes = Wishes {
            level: Some(level),
            ..HaProxy::usual()
        };
        let haproxy = HaProxy::start(&lab, "haproxy", &web, &wishes);
        haproxy.until_all_are_up();
        let file = cluster(&lab, &["lb1"], haproxy.socket.to_str().unwrap(), "");
        let told = lab
            .call(&["-c", &file, "lb", "drain", "ucd1", "--yes"])
            .is(41);
        assert!(
            told.err
                .contains("Permission denied: `level admin` is missing"),
            "{told:#?}"
        );
        assert_eq!(haproxy.admin("ucd1"), 0);
    }
}

#[test]
fn somebody_else_listens_there() {
    let lab = Lab::new();
    let socket = lab.path("other.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for visitor in listener.incoming().flatten() {
            let _ = (&visitor).write_all(b"220 mail.example.com ESMTP\r\n");
        }
    });
    let told = refused(socket.to_str().unwrap(), &lab, 30);
    assert!(told.err.contains("220 mail.example.com ESMTP"), "{told:#?}");
}

#[test]
fn one_that_hangs_is_not_waited_for_for_ever() {
    let scene = Scene::new("");
    let pid = Pid::from_raw(scene.haproxy.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let began = Instant::now();
    let told = scene.call(&["lb", "drain", "ucd1", "--yes"]);
    kill_process(pid, Signal::CONT).unwrap();
    assert!(
        told.err.contains("no answer within 10 seconds"),
        "{told:#?}"
    );
    assert!(began.elapsed() < Duration::from_mins(1));
    assert_eq!(scene.haproxy.admin("ucd1"), 0);
}

#[test]
fn what_the_cluster_file_names_is_not_there() {
    let scene = Scene::new("");
    let text = fs::read_to_string(&scene.file).unwrap();
    fs::write(
        &scene.file,
        text.replace("pools = [\"web\"]", "pools = [\"wep\"]"),
    )
    .unwrap();
    let told = scene.call(&["lb", "drain", "ucd1", "--yes"]).is(30);
    assert!(
        told.err.contains("lb1: HAProxy has no backend `wep`"),
        "{told:#?}"
    );
    let told = scene.call(&["lb", "check"]).is(3);
    assert!(
        told.err.contains("HAProxy has no backend `wep`"),
        "{told:#?}"
    );
    let renamed = text.replace("[nodes.ucd1]", "[nodes.ucd1]\npool_name = \"ucd11\"");
    fs::write(&scene.file, renamed).unwrap();
    let told = scene.call(&["lb", "drain", "ucd1", "--yes"]).is(30);
    assert!(
        told.err.contains("HAProxy has no server `ucd11`"),
        "{told:#?}"
    );
    assert!(told.err.contains("pool_name = \"ucd1\""), "{told:#?}");
    let told = scene.call(&["lb", "drain", "lb1", "--yes"]).is(2);
    assert!(
        told.err.contains("the balancer itself runs there"),
        "{told:#?}"
    );
    fs::write(&scene.file, "name = \"none\"\n[nodes.ucd1]\n").unwrap();
    let told = scene.call(&["lb", "check"]).is(2);
    assert!(told.err.contains("names no balancer"), "{told:#?}");
    // Nothing was asked of the servers.
    assert_eq!(scene.haproxy.admin("ucd1"), 0);
    assert_eq!(scene.web.len(), 3);
}
