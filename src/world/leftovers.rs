//! Clearing away what a run left on a node for its undo: backups, what was put aside, its copy of the journal.

use std::path::{Path, PathBuf};

use super::files;
use super::kept::Kept;
use super::names::{is_aside, with_ending};
use super::node::Node;
use super::parts::{Parts, cut_short, word};
use super::survey;
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};
use crate::plan::RunId;

/// How the name ends that an old tree has for an instant of a swap.
const BETWEEN: &str = ".old";

/// What a run left on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// The folders and files that would go.
    pub paths: Vec<PathBuf>,
    /// How many bytes they take.
    pub bytes: u64,
}

/// Finds what a run left.
pub(super) fn leftovers(
    node: &Node<'_>,
    run: &RunId,
    watch: &Watch<'_>,
) -> Result<Leftovers, Fault> {
    let own = node.folder.run(run);
    let answer = files::look(node, &order("leftovers", [&own]), watch)?;
    let mut parts = Parts::of(&answer);
    if parts.is_empty() {
        return Ok(Leftovers::default());
    }
    parts.next()?;
    let mut paths = Vec::new();
    while !parts.is_empty() {
        if let Some(Kept::Aside { at }) = survey::kept(parts.next()?, &own)? {
            let at = at.path();
            // A swap that was cut short leaves the old tree under the name that it has in between.
            paths.push(with_ending(&at, BETWEEN));
            paths.push(at);
        }
    }
    paths.push(own);
    weigh(node, &paths, watch)
}

/// Removes what a run left. What was put aside goes first, for only the backups tell where it is.
pub(super) fn clear(node: &Node<'_>, run: &RunId, watch: &Watch<'_>) -> Result<Leftovers, Fault> {
    let left = leftovers(node, run, watch)?;
    let own = node.folder.run(run);
    let strange = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        **path != own && !is_aside(&name, run)
    };
    // In the instant between the two renames of a swap both trees are there, and the place is empty.
    let is_live = |path: &&PathBuf| {
        let shown = path.to_string_lossy();
        let other = shown.strip_suffix(BETWEEN);
        other.is_some_and(|other| left.paths.iter().any(|it| it.as_os_str() == other))
    };
    if let Some(path) = left.paths.iter().find(is_live) {
        let what = format!(
            "a swap was cut short, and {} is the tree that was live: nothing was removed",
            path.display()
        );
        return Err(Fault::new(FaultKind::Failed, what)
            .hint("go on with that run by `clusterctl resume`, or push again, first"));
    }
    if let Some(path) = left.paths.iter().find(strange) {
        let what = format!(
            "{} was not put aside by run {run}, and stays",
            path.display()
        );
        return Err(Fault::new(FaultKind::Failed, what));
    }
    if !left.paths.is_empty() {
        files::look(node, &order("clear", &left.paths), watch)?;
    }
    Ok(left)
}

/// Which of these are there, and how much room they take.
fn weigh(node: &Node<'_>, paths: &[PathBuf], watch: &Watch<'_>) -> Result<Leftovers, Fault> {
    let answer = files::look(node, &order("weigh", paths), watch)?;
    let mut parts = Parts::of(&answer);
    let mut left = Leftovers::default();
    while !parts.is_empty() {
        let bytes: u64 = parts.text()?.parse().map_err(|_| cut_short())?;
        left.bytes += bytes;
        left.paths.push(parts.path()?);
    }
    Ok(left)
}

fn order<P: AsRef<Path>>(verb: &str, paths: impl IntoIterator<Item = P>) -> Vec<String> {
    let words = paths.into_iter().map(|path| word(path.as_ref()));
    std::iter::once(verb.to_owned()).chain(words).collect()
}
