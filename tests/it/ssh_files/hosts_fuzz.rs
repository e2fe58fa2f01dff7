//! Mutated lists of known hosts: whatever the bytes, there is an answer, and a revoked key is never a known one.
//!
//! `CLUSTERCTL_FUZZ_EXECUTIONS` says how many; the seed is always the same.

use std::path::Path;
use std::time::{Duration, Instant};

use clusterctl::remote::{KeyMark, KeyStanding, KnownHosts};

use super::{executions, hosts_draw};
use crate::generate::Draw;

const SEED: u64 = 0x5EED_F022_0000_0056;

/// How many lists live on to be mutated again.
const CORPUS: usize = 256;

/// The longest list.
const LONGEST: usize = 4096;

#[test]
fn no_list_of_hosts_breaks_the_reader_fuzz() {
    let executions = executions();
    println!("seed {SEED:#x}, {executions} executions");
    let mut draw = Draw::new(SEED);
    let keys = hosts_draw::keys();
    let seeds: Vec<Vec<u8>> = (0..CORPUS)
        .map(|_| hosts_draw::list(&mut draw, &keys))
        .collect();
    let mut corpus = seeds.clone();
    let (start, mut slowest, mut found) = (Instant::now(), Duration::ZERO, 0_usize);
    for number in 0..executions {
        let place = draw.below(CORPUS);
        let mut bytes = corpus[place].clone();
        for _ in 0..=draw.below(4) {
            mutate(&mut draw, &mut bytes, &seeds);
        }
        bytes.truncate(LONGEST);
        let begin = Instant::now();
        let mut hosts = KnownHosts::default();
        hosts.add(Path::new("list"), &bytes);
        let (host, port) = *draw.pick(&hosts_draw::HOSTS);
        let key = draw.pick(&keys);
        let standing = hosts.check(host, port, key);
        let lines = hosts.lines(host, port);
        let kinds = hosts.kinds(host, port);
        slowest = slowest.max(begin.elapsed());

        let shown = || {
            format!(
                "execution {number}, {host}:{port}: {}",
                bytes.escape_ascii()
            )
        };
        let same = |mark| {
            let mut lines = lines.iter();
            lines.any(|line| line.mark == mark && line.fingerprint == key.fingerprint())
        };
        if same(KeyMark::Revoked) {
            assert!(matches!(standing, KeyStanding::Revoked(_)), "{}", shown());
        } else if same(KeyMark::Plain) {
            assert!(matches!(standing, KeyStanding::Known(_)), "{}", shown());
        } else if let KeyStanding::Changed(known) = &standing {
            assert!(
                !known.is_empty() && known.iter().all(|known| kinds.contains(&known.kind)),
                "{}",
                shown()
            );
        }
        let count = bytes.split(|byte| *byte == b'\n').count();
        assert!(
            lines
                .iter()
                .all(|line| (1..=count).contains(&line.place.line)),
            "{}",
            shown()
        );
        found += lines.len();
        corpus[place] = if draw.chance(12) {
            draw.pick(&seeds).clone()
        } else {
            bytes
        };
        if number % 1_000_000 == 999_999 {
            println!("{} executions, {:.0?}", number + 1, start.elapsed());
        }
    }
    println!(
        "{found} lines found, the slowest {slowest:.1?}, in {:.1?}",
        start.elapsed()
    );
    assert!(slowest < Duration::from_secs(10));
}

fn mutate(draw: &mut Draw, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = draw.below(bytes.len() + 1);
    let end = (at + draw.below(40)).min(bytes.len());
    match draw.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let other = draw.pick(seeds).clone();
            let from = draw.below(other.len() + 1);
            let to = (from + draw.below(200)).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        2 => {
            let piece = *draw.pick(&[
                "*",
                "!",
                ",",
                "|1|",
                "@revoked ",
                "@cert-authority ",
                "\n",
                "[",
                "]:",
                "=",
                "\u{e4}",
            ]);
            bytes.splice(at..at, piece.bytes());
        }
        3 => {
            let stars = "*?".repeat(draw.below(600));
            bytes.splice(at..at, stars.bytes());
        }
        _ => hosts_draw::spoil(draw, bytes),
    }
}
