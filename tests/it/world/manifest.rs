//! The fingerprint of a folder, made as its definition says and in the simplest way.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use clusterctl::plan::Sha256;
use sha2::Digest as _;

/// The fingerprint of what a folder contains; `None` where nothing is.
pub(crate) fn manifest_digest(folder: &Path) -> Option<Sha256> {
    let mode = fs::metadata(folder).ok()?.mode();
    let mut all = Vec::new();
    add(&mut all, b".", 'd', mode, 0, b"");
    walk(folder, b"", &mut all);
    Some(Sha256::of(all))
}

fn walk(folder: &Path, above: &[u8], all: &mut Vec<u8>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = folder.join(&name);
        let found = path.symlink_metadata().unwrap();
        let within = match above {
            b"" => name.as_bytes().to_vec(),
            above => [above, b"/", name.as_bytes()].concat(),
        };
        if found.is_dir() {
            add(all, &within, 'd', found.mode(), 0, b"");
            walk(&path, &within, all);
        } else if found.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            add(all, &within, 'l', 0, 0, target.as_os_str().as_bytes());
        } else if found.is_file() {
            let content = sha2::Sha256::digest(fs::read(&path).unwrap());
            add(all, &within, 'f', found.mode(), found.len(), &content);
        } else {
            add(all, &within, 'o', found.mode(), 0, b"");
        }
    }
}

/// `content` is a file's fingerprint, or a link's target.
fn add(all: &mut Vec<u8>, within: &[u8], kind: char, mode: u32, size: u64, content: &[u8]) {
    let mode = mode & 0o7777;
    let numbers = format!("{kind} {mode:o} {size} {} ", content.len());
    for part in [within, b"\0", numbers.as_bytes(), content, b"\0"] {
        all.extend_from_slice(part);
    }
}
