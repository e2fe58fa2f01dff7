//! Names beside a path.

use std::path::{Path, PathBuf};

use crate::engine::{Fault, FaultKind};
use crate::plan::{RunId, Sha256};

/// Where something of a run is kept beside a path until it gets its name, or after it lost it.
pub(super) fn beside(path: &Path, run: &RunId) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = format!(".{name}.clusterctl-{run}");
    // A name has at most 255 bytes; what is cut off is made up for by a fingerprint.
    if hidden.len() <= 255 {
        return path.with_file_name(hidden);
    }
    let digest = Sha256::of(name.as_bytes());
    path.with_file_name(format!(".{}.clusterctl-{run}", digest.short()))
}

/// Whether a name is one that this run gave to what it put aside.
pub(super) fn is_aside(name: &str, run: &RunId) -> bool {
    name.starts_with('.') && name.contains(&format!(".clusterctl-{run}"))
}

/// Refuses what is no name in a folder, beside which nothing can be kept.
pub(super) fn check_has_name(path: &Path) -> Result<(), Fault> {
    match (path.parent(), path.file_name()) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(Fault::new(
            FaultKind::Failed,
            format!(
                "{} is not the path of something in a folder",
                path.display()
            ),
        )),
    }
}

/// The path with something added to its last part.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
