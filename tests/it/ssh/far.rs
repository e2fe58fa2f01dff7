//! A machine at the end of a long line: how often it has to be asked, and by how many connections a large stream goes.

use std::time::Duration;

use clusterctl::remote::{BackEnd, Bulk, Patience};

use super::conformance::{destination, dialer, sh};
use super::lab::Lab;
use super::wires::Wire;
use crate::real::processes::PATIENCE;

const LENGTH: Duration = Duration::from_millis(8);

/// A server `far` at the end of such a line.
fn lab(length: Duration, wishes: &[&str]) -> (Lab, Wire) {
    let lab = Lab::new().sshd("a", |start| {
        wishes.iter().fold(start, |all, line| all.option(line))
    });
    let server = lab.server("a");
    let wire = Wire::as_long_as(length, server.address());
    for key in server.host_keys() {
        lab.know(wire.address(), &key);
    }
    let address = wire.address();
    lab.write_ssh_config(&format!(
        "Host far\n  HostName {}\n  Port {}\n  User {}",
        address.ip(),
        address.port(),
        super::server::me()
    ));
    (lab, wire)
}

/// How often a command makes the client wait for the server, on average.
fn turns_of_a_command(length: Duration) -> (usize, usize) {
    const MANY: usize = 10;
    let (lab, wire) = lab(length, &[]);
    let patience = Patience::unbroken(PATIENCE);
    let host = dialer(&lab)
        .connect(&destination("far", BackEnd::Ssh2), &patience)
        .unwrap();
    assert_eq!(sh(&*host, "echo a").text(), "a\n");
    let before = wire.turns();
    for number in 0..MANY {
        assert_eq!(
            sh(&*host, &format!("echo {number}")).text(),
            format!("{number}\n")
        );
    }
    (wire.turns() - before, MANY)
}

#[test]
fn on_a_long_line_a_command_need_not_wait_for_its_channel() {
    let (turns, commands) = turns_of_a_command(LENGTH);
    assert!(turns < commands * 5 / 2, "{turns} for {commands} commands");
}

#[test]
fn a_server_that_opens_one_session_serves_a_long_line_too() {
    let (lab, _wire) = lab(LENGTH, &["MaxSessions 1"]);
    let patience = Patience::unbroken(PATIENCE);
    let host = dialer(&lab)
        .connect(&destination("far", BackEnd::Ssh2), &patience)
        .unwrap();
    for _ in 0..4 {
        assert_eq!(sh(&*host, "echo a").text(), "a\n");
    }
}

#[test]
fn a_channel_that_was_asked_for_long_ago_is_not_relied_on() {
    let (lab, wire) = lab(LENGTH, &[]);
    let patience = Patience::unbroken(PATIENCE);
    let host = dialer(&lab)
        .connect(&destination("far", BackEnd::Ssh2), &patience)
        .unwrap();
    assert_eq!(sh(&*host, "echo a").text(), "a\n");
    // Longer than an answer is fresh; then the connection dies without anybody's using it.
    std::thread::sleep(Duration::from_millis(2500));
    wire.cut();
    assert_eq!(sh(&*host, "echo c").text(), "c\n");
}

#[test]
fn a_large_stream_gets_further_connections_on_a_long_line_alone() {
    let (lab, _wire) = lab(LENGTH, &[]);
    let (dialer, patience) = (dialer(&lab), Patience::unbroken(PATIENCE));
    let (far, near) = (
        destination("far", BackEnd::Ssh2),
        destination("a", BackEnd::Ssh2),
    );
    let count = |bulk: Bulk| match bulk {
        Bulk::Same => 0,
        Bulk::Instead(_) => panic!("another way was not asked for"),
        Bulk::Further(hosts) => {
            for host in &hosts {
                assert_eq!(sh(&**host, "echo a").text(), "a\n");
            }
            hosts.len()
        }
    };
    for (to, bytes, expected) in [(&far, 64 << 20, 3), (&far, 1 << 20, 0)] {
        let host = dialer.connect(to, &patience).unwrap();
        sh(&*host, "echo a");
        assert!(host.round_trip().unwrap() >= 2 * LENGTH);
        let bulk = dialer.connect_for_bulk(to, &*host, bytes, &patience);
        assert_eq!(count(bulk), expected, "{bytes}");
    }
    let host = dialer.connect(&near, &patience).unwrap();
    for _ in 0..10 {
        sh(&*host, "echo a");
    }
    let is_near = host.round_trip().unwrap() < Duration::from_millis(10);
    let bulk = dialer.connect_for_bulk(&near, &*host, 64 << 20, &patience);
    // A machine that has too much to do is as slow as a long line.
    assert!(count(bulk) == 0 || !is_near);
}
