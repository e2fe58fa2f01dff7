//! What runs of this program have in a tree for a while, or keep there: it is no part of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// How the names begin of copies that stand for a moment beside their places on another file system, as `land/obey.sh`
/// makes them.
const NEAR: &[u8] = b".clusterctl-near";

/// Whether a path is one of those copies.
pub(super) fn is_near(path: &[u8]) -> bool {
    path.rsplit(|byte| *byte == b'/')
        .next()
        .is_some_and(|name| name.starts_with(NEAR))
}

/// Whether a path in the tree of this name belongs to a run, or to the file system that is mounted there.
pub(super) fn is_hidden(path: &[u8], name: &[u8], is_mounted: bool) -> bool {
    if is_mounted && (path == b"lost+found" || path.starts_with(b"lost+found/")) {
        return true;
    }
    let rest = path.strip_prefix(b".");
    let rest = rest.and_then(|rest| rest.strip_prefix(name));
    (!name.is_empty() && rest.is_some_and(|rest| rest.starts_with(b".clusterctl-")))
        || path
            .split(|byte| *byte == b'/')
            .any(|part| part.starts_with(NEAR))
}

/// Whether a file system is mounted at a folder of this machine.
pub(super) fn is_mounted(folder: &Path) -> bool {
    let Some(above) = folder.parent() else {
        return true;
    };
    let device = |at: &Path| fs::metadata(at).ok().map(|found| found.dev());
    if device(folder) != device(above) {
        return true;
    }
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    mounts
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .any(|point| plain(point) == folder.as_os_str())
}

/// A path of that list, in which some characters are digits after a backslash.
fn plain(point: &[u8]) -> std::ffi::OsString {
    let mut plain = Vec::with_capacity(point.len());
    let mut rest = point;
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..3).filter(|_| *first == b'\\');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &more[3..] } else { more };
    }
    std::ffi::OsString::from_vec(plain)
}

/// The last name of a path.
pub(super) fn name(path: &Path) -> &[u8] {
    path.file_name().map_or(b"", OsStr::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_leave_is_hidden() {
        for path in [
            &b".app.clusterctl-x"[..],
            b".app.clusterctl-x.stage/a",
            b"d/.clusterctl-near",
            b"d/.clusterctl-near-old/f",
        ] {
            assert!(is_hidden(path, b"app", false), "{path:?}");
        }
        for path in [
            &b"d/.app.clusterctl-x"[..],
            b".other.clusterctl-x",
            b"lost+found",
            b"clusterctl-near",
        ] {
            assert!(!is_hidden(path, b"app", false), "{path:?}");
        }
        assert!(is_hidden(b"lost+found/#1", b"app", true));
        assert!(is_near(b"d/.clusterctl-near") && !is_near(b"d/.clusterctl-near/in"));
        assert_eq!(plain(b"/a\\040b\\"), "/a b\\");
    }
}
