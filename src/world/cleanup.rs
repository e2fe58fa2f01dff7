//! Clearing away what a run left on a node for its undo: backups, what was put aside, its copy of the journal.

use std::fs;
use std::path::{Path, PathBuf};

use super::backup::Backup;
use super::errno::{self, OrFault as _};
use super::node_folder::NodeFolder;
use crate::engine::{Fault, FaultKind};
use crate::plan::RunId;

/// What a run left on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// The folders and files that would go.
    pub paths: Vec<PathBuf>,
    /// How many bytes they take.
    pub bytes: u64,
}

/// Finds what a run left.
pub(super) fn leftovers(folder: &NodeFolder, run: &RunId) -> Result<Leftovers, Fault> {
    let own = folder.run(run);
    let mut left = Leftovers::default();
    if own.symlink_metadata().is_err() {
        return Ok(left);
    }
    let backups = own.join("backups");
    let entries = match fs::read_dir(&backups) {
        Err(error) if errno::is_absent(&error) => None,
        entries => Some(entries.or_fault("read", &backups)?),
    };
    for entry in entries.into_iter().flatten() {
        let entry = entry.or_fault("read", &backups)?;
        let aside = Backup::in_folder(entry.path()).put_aside()?;
        left.paths
            .extend(aside.filter(|path| path.symlink_metadata().is_ok()));
    }
    left.paths.push(own);
    left.bytes = left.paths.iter().map(|path| size(path)).sum();
    Ok(left)
}

/// Removes what a run left. What was put aside goes first, for only the backups tell where it is.
pub(super) fn clear(folder: &NodeFolder, run: &RunId) -> Result<Leftovers, Fault> {
    let left = leftovers(folder, run)?;
    for path in &left.paths {
        let aside = path != &folder.run(run);
        if aside
            && !path
                .file_name()
                .is_some_and(|name| is_ours(&name.to_string_lossy(), run))
        {
            let what = format!(
                "{} was not put aside by run {run}, and stays",
                path.display()
            );
            return Err(Fault::new(FaultKind::Failed, what));
        }
        let removed = match path.symlink_metadata() {
            Ok(found) if found.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if errno::is_absent(&error) => {}
            other => other.or_fault("removed", path)?,
        }
    }
    Ok(left)
}

/// Whether a name is one that this run gave to what it put aside.
pub(super) fn is_ours(name: &str, run: &RunId) -> bool {
    name.starts_with('.') && name.contains(&format!(".clusterctl-{run}"))
}

fn size(path: &Path) -> u64 {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten();
            entries.flatten().map(|entry| size(&entry.path())).sum()
        }
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}
