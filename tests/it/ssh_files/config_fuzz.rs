//! Mutated configurations of SSH: whatever the bytes, the answer is a configuration or problems that have a place.
//!
//! `CLUSTERCTL_FUZZ_EXECUTIONS` says how many; the seed is always the same.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use clusterctl::remote::{SshConfig, Surroundings};

use super::{config_draw, executions, surroundings};
use crate::generate::Draw;

const SEED: u64 = 0x5EED_F022_0000_0055;

/// How many files live on to be mutated again.
const CORPUS: usize = 128;

/// The longest file.
const LONGEST: usize = 2048;

const PIECES: [&str; 44] = [
    "\n",
    "\r\n",
    " ",
    "\t",
    "=",
    "\"",
    "'",
    "\\",
    "#",
    ",",
    "!",
    "*",
    "?",
    "%",
    "%h",
    "%%",
    "${",
    "}",
    "$",
    "~",
    "~/",
    "~root/",
    "none",
    "[",
    "]",
    ":",
    "@",
    "ssh://",
    "\0",
    "\x0c",
    "\u{feff}",
    "ü",
    "99999999999999999999",
    "-1",
    "0x10",
    "1w",
    "Host *\n",
    "Match all\n",
    "Match host a exec b\n",
    "Match final\n",
    "Include ",
    "IgnoreUnknown *\n",
    "ProxyJump a,b\n",
    "HostName %h.x\n",
];

#[test]
fn no_configuration_breaks_the_reader_fuzz() {
    let executions = executions();
    println!("seed {SEED:#x}, {executions} executions");
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() {
        folder
    } else {
        Path::new("/tmp")
    };
    let folder = tempfile::tempdir_in(folder).unwrap();
    let mut draw = Draw::new(SEED);
    let mut corpus: Vec<Vec<u8>> = (0..CORPUS)
        .map(|_| fresh(&mut draw, folder.path()))
        .collect();
    let here = surroundings();
    let (start, mut slowest, mut good) = (Instant::now(), Duration::ZERO, 0_usize);
    for number in 0..executions {
        let place = draw.below(CORPUS);
        let mut bytes = corpus[place].clone();
        mutate(&mut draw, &mut bytes, &corpus);
        let begin = Instant::now();
        let fine = check(&bytes, folder.path(), &here, &mut draw, number);
        slowest = slowest.max(begin.elapsed());
        good += usize::from(fine);
        // What is wrong already is seldom worth another mutation.
        corpus[place] = if fine && draw.chance(90) || draw.chance(10) {
            bytes
        } else {
            fresh(&mut draw, folder.path())
        };
        if number % 1_000_000 == 999_999 {
            println!("{} executions, {:.0?}", number + 1, start.elapsed());
        }
    }
    println!(
        "{good} of them good, the slowest {slowest:.1?}, in {:.1?}",
        start.elapsed()
    );
    assert!(slowest < Duration::from_secs(10));
}

fn fresh(draw: &mut Draw, folder: &Path) -> Vec<u8> {
    let mut files = config_draw::files(draw, folder);
    let (_, text) = files.swap_remove(0);
    text.into_bytes()
}

fn mutate(draw: &mut Draw, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    for _ in 0..=draw.below(4) {
        let at = draw.below(bytes.len() + 1);
        let end = (at + draw.below(12)).min(bytes.len());
        match draw.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 | 2 => {
                let piece = *draw.pick(&PIECES);
                bytes.splice(at..at, piece.bytes());
            }
            3 => {
                let other = draw.pick(corpus).clone();
                let from = draw.below(other.len() + 1);
                let to = (from + draw.below(60)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            4 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(draw.below(256)).unwrap();
                }
            }
            5 => {
                let copy = bytes[at..end].repeat(1 + draw.below(3));
                bytes.splice(at..at, copy);
            }
            _ => bytes.truncate(at.max(8)),
        }
    }
    bytes.truncate(LONGEST);
}

/// Reads the bytes and asks for a host; whether both went well.
fn check(bytes: &[u8], folder: &Path, here: &Surroundings, draw: &mut Draw, number: usize) -> bool {
    let path = folder.join("config");
    fs::write(&path, bytes).unwrap();
    let shown = || format!("execution {number}: {}", bytes.escape_ascii());
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let host = *draw.pick(&config_draw::HOSTS);
    let result = SshConfig::only(&path, here.clone()).and_then(|config| {
        config
            .resolve(host, None, None)
            .map(|found| (config, found))
    });
    match result {
        Ok((config, found)) => {
            assert_eq!(
                config.resolve(host, None, None).unwrap(),
                found,
                "{}",
                shown()
            );
            assert!(found.port > 0, "{}", shown());
            let reason = found.beyond_ssh2().unwrap_or_default();
            assert!(
                !reason.chars().any(char::is_control),
                "{reason:?} {}",
                shown()
            );
            true
        }
        Err(error) => {
            assert!(!error.problems().is_empty(), "{}", shown());
            for problem in error.problems() {
                if let Some(place) = problem
                    .place
                    .as_ref()
                    .filter(|place| *place.file == *path.to_string_lossy())
                {
                    assert!((1..=lines).contains(&place.line), "{place} {}", shown());
                }
                assert!(!problem.what.is_empty(), "{}", shown());
            }
            let text = error.to_string();
            assert!(
                !text.chars().any(|c| c.is_control() && c != '\n'),
                "{text:?} {}",
                shown()
            );
            false
        }
    }
}
