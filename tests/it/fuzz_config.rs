//! Mutated cluster files: whatever the bytes, the answer is a cluster or
//! problems that each have a place, and a secret that was there is not shown.
//!
//! `CLUSTERCTL_FUZZ_EXECUTIONS` sets how many files are tried,
//! `CLUSTERCTL_FUZZ_SEED` which.

use clusterctl::config::{Cluster, ConfigError};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::path::Path;
use std::time::Instant;

/// A small generator of numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

const PIECES: [&str; 40] = [
    "\n",
    "\r\n",
    "=",
    ".",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "#",
    ",",
    " ",
    "\t",
    "\\",
    "\\u00e9",
    "ü",
    "\u{0}",
    "\u{1b}[31m",
    "\u{feff}",
    "-1",
    "0",
    "99999999999999999999",
    "1.5",
    "true",
    "1979-05-27",
    "name",
    "nodes",
    "secrets",
    "run.lease",
    "format = 2",
    "\"env:A\"",
    "\"0s\"",
    "local",
    "[nodes.local]\n",
    "[secrets]\n",
];

fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = PIECES[random.below(PIECES.len())];
                bytes.splice(at..at, piece.bytes());
            }
            2 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let to = (from + random.below(60)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            3 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(random.below(256)).unwrap();
                }
            }
            4 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => bytes.truncate(at.max(4)),
        }
    }
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = vec![fs::read(root.join("templates/cluster.toml")).unwrap()];
    for folder in ["tests/it/config/valid", "tests/it/config/invalid"] {
        let mut files: Vec<_> = fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let toml = files.iter().filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        });
        seeds.extend(toml.map(|path| fs::read(path).unwrap()));
    }
    seeds
}

fn check(bytes: &[u8]) -> bool {
    let Err(error) = Cluster::parse_bytes(bytes, "fuzz") else {
        return true;
    };
    let ConfigError::Invalid(_) = &error else {
        panic!("bytes are always readable")
    };
    let lines = bytes.split(|byte| *byte == b'\n').count();
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        assert!(
            (1..=lines).contains(&problem.line()),
            "line {} of {lines}",
            problem.line()
        );
        assert!(problem.column() >= 1);
        assert!(!problem.message().is_empty());
    }
    let text = error.to_string();
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n'),
        "{text:?}"
    );
    false
}

#[test]
fn no_bytes_make_it_panic() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().unwrap())
    };
    let executions = number("CLUSTERCTL_FUZZ_EXECUTIONS").unwrap_or(20_000);
    let seed = number("CLUSTERCTL_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("seed {seed}, {executions} executions");
    let mut random = Random(seed);
    let seeds = seeds();
    let begin = Instant::now();
    let mut accepted = 0u64;
    for execution in 0..executions {
        let bytes = mutate(&mut random, &seeds);
        let outcome = std::panic::catch_unwind(|| check(&bytes));
        let Ok(fine) = outcome else {
            panic!(
                "seed {seed}, execution {execution}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
        };
        accepted += u64::from(fine);
        if execution % 1_000_000 == 999_999 {
            println!(
                "{} executions, {accepted} accepted, {:?}",
                execution + 1,
                begin.elapsed()
            );
        }
    }
    println!(
        "seed {seed}: {executions} executions, {accepted} accepted, {:?}",
        begin.elapsed()
    );
}

/// A secret written where a reference belongs is in no error, whatever else is
/// wrong with the file.
#[test]
fn no_error_shows_a_secret() {
    const CANARY: &str = "hunter2canary";
    let mut random = Random(7);
    let forms = [
        format!("db = \"{CANARY}\""),
        format!("db = '{CANARY}'"),
        format!("db = \"{CANARY}"),
        format!("db = {CANARY}"),
        format!("db = \"\"\"\n{CANARY}\n\"\"\""),
        format!("db = {{ value = \"{CANARY}\" }}"),
        format!("db = {{ env = \"{CANARY}!\" }}"),
        format!("db = [\"{CANARY}\"]"),
        format!("db.value = \"{CANARY}\""),
        format!("[secrets.db]\nvalue = \"{CANARY}\""),
        format!("[nodes.b]\npassword = \"{CANARY}\""),
        format!("db = \"{CANARY}\"\ndb = \"{CANARY}\""),
        format!("db = [\n[\"a\"],\n[\"{CANARY}\"]\n]"),
        format!("db = {{\n  value = \"{CANARY}\"\n}}"),
        format!("[nodes.b]\npasswords = [\n\"{CANARY}\"\n]"),
    ];
    for round in 0..6_000 {
        let form = &forms[round % forms.len()];
        let mut text = format!("name = 'a'\n[nodes.a]\n[secrets]\n{form}\n[run]\nlease = '60s'\n");
        // A piece anywhere before or after the secret, at the end of a line.
        let ends: Vec<_> = text.match_indices('\n').map(|(at, _)| at).collect();
        let piece = PIECES[random.below(32)];
        text.insert_str(
            ends[random.below(2)],
            &format!(" {}", piece.replace(['"', '\'', '\n', '['], "")),
        );
        if let Err(error) = Cluster::parse(&text, "canary") {
            let shown = format!("{error}\n{error:?}");
            assert!(!shown.contains(CANARY), "{text}\n---\n{shown}");
        } else {
            panic!("accepted: {text}");
        }
    }
}
