//! Who may know whom: the table in the library's documentation, kept true by reading the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms that it may know.
const ROOMS: [(&str, &[&str]); 17] = [
    ("properties", &[]),
    ("config", &[]),
    ("exit", &[]),
    ("plan", &["config"]),
    ("primitives", &["config", "plan", "properties"]),
    ("products", &["config", "plan", "primitives", "properties"]),
    ("balancer", &[]),
    ("engine", &["config", "exit", "plan"]),
    ("store", &["engine", "plan"]),
    ("remote", &["config"]),
    ("transfer", &["remote"]),
    ("rest", &["config", "remote"]),
    ("fleet", &["config", "remote"]),
    (
        "world",
        &[
            "balancer",
            "config",
            "engine",
            "plan",
            "properties",
            "remote",
            "rest",
            "transfer",
        ],
    ),
    ("rehearse", &["config", "engine", "plan"]),
    ("view", &["config", "engine", "fleet", "plan"]),
    (
        "cli",
        &[
            "balancer",
            "config",
            "engine",
            "exit",
            "fleet",
            "plan",
            "primitives",
            "products",
            "properties",
            "rehearse",
            "remote",
            "store",
            "transfer",
            "view",
            "world",
        ],
    ),
];

/// Planners and everything below them do no I/O and read no clock.
const PURE: [&str; 5] = ["balancer", "primitives", "products", "properties", "plan"];
const IMPURE: [&str; 7] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "Timestamp::now",
    "Instant::now",
    "SystemTime",
];

fn sources(room: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let file = src.join(format!("{room}.rs"));
    if file.exists() {
        vec![file]
    } else {
        below(&src.join(room))
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that a text names as `crate::ROOM` or `crate::{ROOM, ...}`.
fn known(text: &str) -> BTreeSet<&'static str> {
    let mut known = BTreeSet::new();
    for part in text.split("crate::").skip(1) {
        let list = part
            .strip_prefix('{')
            .and_then(|list| list.split('}').next());
        let names = list.unwrap_or_else(|| {
            part.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default()
        });
        for name in names.split(|c: char| !c.is_alphanumeric() && c != '_') {
            known.extend(
                ROOMS
                    .iter()
                    .map(|(room, _)| *room)
                    .filter(|room| *room == name),
            );
        }
    }
    known
}

#[test]
fn no_room_knows_more_than_it_may() {
    for (room, may) in ROOMS {
        for path in sources(room) {
            for other in known(&code(&path)) {
                assert!(
                    other == room || may.contains(&other),
                    "{} knows `{other}`, and `{room}` may only know {may:?}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_module_of_the_library_is_a_room() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: BTreeSet<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(modules, ROOMS.iter().map(|(room, _)| *room).collect());
    for (room, _) in ROOMS {
        assert!(
            lib.contains(&format!("| [`{room}`] |")),
            "the table does not tell of `{room}`"
        );
    }
}

#[test]
fn planners_look_at_nothing_but_what_they_are_given() {
    for room in PURE {
        for path in sources(room) {
            let text = code(&path);
            for word in IMPURE {
                let tests = path.ends_with("cases.rs") || path.ends_with("laws.rs");
                assert!(
                    tests || !text.contains(word),
                    "{} uses {word}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_search_finds_what_it_looks_for() {
    assert_eq!(known("use crate::{plan::Plan, view};").len(), 2);
    assert_eq!(
        known("crate::engine::World")
            .into_iter()
            .collect::<Vec<_>>(),
        ["engine"]
    );
}
