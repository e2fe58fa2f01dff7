//! Random trees upon random trees.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::lab::{Trees, sh};
use crate::generate::Draw;
use crate::scale::full;

const NAMES: [&[u8]; 12] = [
    b"a",
    b"b",
    b"a-b",
    b"a.b",
    b"-x",
    b"with space",
    b"new\nline",
    b"\xff",
    b"back\\slash",
    b"'",
    b"*",
    b"\xc3\xa4",
];

fn name_of(draw: &mut Draw) -> &'static OsStr {
    OsStr::from_bytes(NAMES[draw.below(NAMES.len())])
}

/// Puts random things into a folder.
pub(super) fn grow(draw: &mut Draw, root: &Path, depth: usize) {
    for name in NAMES {
        let path = root.join(OsStr::from_bytes(name));
        if path.symlink_metadata().is_ok() || draw.chance(45) {
            continue;
        }
        match draw.below(12) {
            0..=2 if depth < 3 => {
                fs::create_dir(&path).unwrap();
                grow(draw, &path, depth + 1);
                let mode = *draw.pick(&[0o755, 0o700, 0o500, 0o2775]);
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            3 => std::os::unix::fs::symlink(name_of(draw), &path).unwrap(),
            4 => {
                let other = root.join(name_of(draw));
                if other.symlink_metadata().is_ok_and(|found| found.is_file()) {
                    fs::hard_link(other, path).unwrap();
                }
            }
            5 => {
                let file = fs::File::create(&path).unwrap();
                file.set_len(draw.number() % 3_000_000).unwrap();
            }
            _ => {
                let size = *draw.pick(&[0, 1, 511, 512, 513, 5000, 262_144, 300_000]);
                let byte = u8::try_from(draw.below(256)).unwrap();
                fs::write(&path, vec![byte; size]).unwrap();
                let mode = *draw.pick(&[0o644, 0o600, 0o755, 0o444, 0o000]);
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                if draw.chance(50) {
                    let seconds = draw.number() % 2_000_000_000;
                    let time =
                        std::time::UNIX_EPOCH + std::time::Duration::new(seconds, 123_456_789);
                    fs::File::open(&path).unwrap().set_modified(time).unwrap();
                }
            }
        }
    }
}

fn rounds() -> u64 {
    if full() { 200 } else { 8 }
}

#[test]
fn any_tree_becomes_any_other() {
    for seed in 0..rounds() {
        becomes_another(seed, &Trees::here());
    }
}

/// As an archive, which a push to this machine as root is not.
#[test]
fn any_tree_becomes_any_other_over_ssh() {
    for seed in 0..rounds() {
        becomes_another(seed, &Trees::over_ssh());
    }
}

fn becomes_another(seed: u64, trees: &Trees) {
    let mut draw = Draw::new(seed);
    sh(&trees.path("."), "mkdir src dst");
    grow(&mut draw, &trees.path("dst"), 0);
    if draw.chance(50) {
        // Most of it is the same on both sides.
        sh(&trees.path("."), "rm -r src; cp -a dst src");
        let victims = fs::read_dir(trees.path("src")).unwrap();
        for victim in victims
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>()
        {
            if draw.chance(30) {
                // As root nothing keeps it; else folders may have to be opened first.
                let _ = fs::remove_file(&victim).or_else(|_| fs::remove_dir_all(&victim));
            }
        }
    }
    grow(&mut draw, &trees.path("src"), 0);
    trees.push("dst", &["--delete"]).is(0);
    println!("seed {seed}");
    trees.judge("dst", &[]);
}
