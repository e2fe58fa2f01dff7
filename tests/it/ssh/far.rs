//! A machine at the end of a long line: by how many connections a large stream goes there.

use std::time::Duration;

use clusterctl::remote::{BackEnd, Bulk, Load, Patience};

use super::conformance::{destination, dialer, sh};
use super::lab::Lab;
use super::wires::Wire;
use crate::real::processes::PATIENCE;

const LENGTH: Duration = Duration::from_millis(8);

/// A server `far` at the end of such a line.
fn lab() -> (Lab, Wire) {
    let lab = Lab::new().sshd("a", |wishes| wishes);
    let server = lab.server("a");
    let wire = Wire::as_long_as(LENGTH, server.address());
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

#[test]
fn a_large_stream_gets_further_connections_on_a_long_line_alone() {
    let (lab, _wire) = lab();
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
    let load = |bytes| Load {
        bytes,
        in_parts: true,
    };
    for (to, bytes, expected) in [(&far, 64 << 20, 3), (&far, 1 << 20, 0)] {
        let host = dialer.connect(to, &patience).unwrap();
        sh(&*host, "echo a");
        assert!(host.round_trip().unwrap() >= 2 * LENGTH);
        let bulk = dialer.connect_for_bulk(to, &*host, load(bytes), &patience);
        assert_eq!(count(bulk), expected, "{bytes}");
    }
    let host = dialer.connect(&near, &patience).unwrap();
    for _ in 0..10 {
        sh(&*host, "echo a");
    }
    let is_near = host.round_trip().unwrap() < Duration::from_millis(10);
    let bulk = dialer.connect_for_bulk(&near, &*host, load(64 << 20), &patience);
    // A machine that has too much to do is as slow as a long line.
    assert!(count(bulk) == 0 || !is_near);
}
