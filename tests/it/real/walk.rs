//! Everything below a folder: kinds, modes, contents, targets of links.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

/// What stands at each path, in words that tell any two things apart.
pub(crate) fn walk(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    enter(folder, folder, &mut found);
    found
}

fn enter(top: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let kind = metadata.file_type();
        let what = if kind.is_symlink() {
            format!("link {}", fs::read_link(&path).unwrap().display())
        } else {
            let mode = metadata.permissions().mode();
            let owner = (metadata.uid(), metadata.gid());
            if kind.is_dir() {
                enter(top, &path, found);
                format!("folder {mode:o} {owner:?}")
            } else {
                let content = fs::read(&path).unwrap();
                format!(
                    "file {mode:o} {owner:?} {:?}",
                    String::from_utf8_lossy(&content)
                )
            }
        };
        let name = path.strip_prefix(top).unwrap();
        found.insert(name.to_str().unwrap().to_owned(), what);
    }
}

/// Fails unless two folders hold the same, by our own judgement and by that of `rsync` where there is one.
pub(crate) fn assert_same(found: &Path, wanted: &Path, what: &str) {
    let (left, right) = (walk(found), walk(wanted));
    let different: Vec<_> = left
        .iter()
        .filter(|(name, what)| right.get(*name) != Some(what))
        .chain(
            right
                .iter()
                .filter(|(name, what)| left.get(*name) != Some(what)),
        )
        .collect();
    assert!(different.is_empty(), "{what}: {different:#?}");
    let judge = Command::new("rsync")
        .args(["-rlpgocin", "--delete"])
        .arg(format!("{}/", wanted.display()))
        .arg(format!("{}/", found.display()))
        .output();
    if let Ok(judge) = judge {
        let text = String::from_utf8_lossy(&judge.stdout).into_owned();
        assert!(
            judge.status.success() && text.is_empty(),
            "{what}: rsync: {text}"
        );
    }
}
