//! What we find in generated lists of known hosts against what `ssh-keygen -F` finds.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use clusterctl::remote::{HostKey, KeyMark, KeyStanding, KnownHosts};

use super::hosts_draw;
use crate::generate::Draw;
use crate::scale;

const SEED: u64 = 0x4057_5EED_0000_0001;

/// Lists in a sample and in a full run, and hosts asked for in each.
const LISTS: (u64, u64) = (80, 4_000);
const HOSTS: usize = 4;

#[test]
fn generated_lists_of_hosts_matrix() {
    let lists = if scale::full() { LISTS.1 } else { LISTS.0 };
    println!("seed {SEED:#x}, {lists} lists, {HOSTS} hosts in each");
    let start = Instant::now();
    let keys = hosts_draw::keys();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    let mut found = 0;
    for number in 0..lists {
        let mut draw = Draw::new(SEED ^ number.wrapping_mul(0x1_0000_0001));
        let list = hosts_draw::list(&mut draw, &keys);
        fs::write(&path, &list).unwrap();
        // Some lists are hashed by OpenSSH itself; it refuses those with broken lines.
        if draw.chance(20) {
            let mut hash = Command::new("ssh-keygen");
            let _ = hash.arg("-H").arg("-f").arg(&path).output().unwrap();
        }
        let hosts = KnownHosts::read([&path]);
        for _ in 0..HOSTS {
            let (host, port) = *draw.pick(&hosts_draw::HOSTS);
            let ours = ours(&hosts, host, port);
            let shown = || {
                format!(
                    "list {number}, {host}:{port}: {}",
                    fs::read(&path).unwrap().escape_ascii()
                )
            };
            assert_eq!(ours, theirs(&path, host, port), "{}", shown());
            found += ours.len();
            for key in &keys {
                assert_eq!(
                    hosts.check(host, port, key),
                    judged(&hosts, host, port, key),
                    "{}",
                    shown()
                );
            }
        }
    }
    println!("{found} lines found, in {:.1?}", start.elapsed());
    assert!(found > usize::try_from(lists).unwrap());
}

type Found = (usize, KeyMark, String);

fn ours(hosts: &KnownHosts, host: &str, port: u16) -> Vec<Found> {
    let lines = hosts.lines(host, port);
    let found = lines
        .iter()
        .map(|line| (line.place.line, line.mark, line.fingerprint.clone()));
    found.collect()
}

fn theirs(path: &Path, host: &str, port: u16) -> Vec<Found> {
    let name = match port {
        22 => host.to_owned(),
        port => format!("[{host}]:{port}"),
    };
    let output = Command::new("ssh-keygen")
        .arg("-l")
        .arg("-F")
        .arg(&name)
        .arg("-f")
        .arg(path)
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!("`ssh-keygen` could not be started ({error}); on Debian, `apt-get install openssh-client`")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let (_, place) = line.split_once("found: line ").unwrap();
        let (number, mark) = place.split_once(' ').unwrap_or((place, ""));
        let mark = match mark.trim() {
            "CA" => KeyMark::Authority,
            "REVOKED" => KeyMark::Revoked,
            _ => KeyMark::Plain,
        };
        let key = lines.next().unwrap();
        let fingerprint = key
            .split(' ')
            .find(|word| word.starts_with("SHA256:"))
            .unwrap();
        found.push((number.parse().unwrap(), mark, fingerprint.to_owned()));
    }
    found
}

/// What OpenSSH's `check_host_key` makes of the lines, from its description.
fn judged(hosts: &KnownHosts, host: &str, port: u16, key: &HostKey) -> KeyStanding {
    let print = key.fingerprint();
    let judge = |port| {
        let lines = hosts.lines(host, port);
        let mut standing = KeyStanding::Unknown;
        for line in lines
            .iter()
            .filter(|line| line.mark == KeyMark::Plain)
            .rev()
        {
            if line.fingerprint == print {
                standing = KeyStanding::Known(line.place.clone());
            } else if standing == KeyStanding::Unknown {
                let plain = lines.iter().filter(|line| line.mark == KeyMark::Plain);
                standing = KeyStanding::Changed(plain.cloned().collect());
            }
        }
        let mut revoked = lines.iter().filter(|line| line.mark == KeyMark::Revoked);
        match revoked.find(|line| line.fingerprint == print) {
            Some(line) => KeyStanding::Revoked(line.place.clone()),
            None => standing,
        }
    };
    match judge(port) {
        KeyStanding::Unknown if port != 22 => match judge(22) {
            KeyStanding::Changed(_) => KeyStanding::Unknown,
            other => other,
        },
        other => other,
    }
}
