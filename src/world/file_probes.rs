//! What probes find in a node's files. Big files are hashed there; what is compared with a secret is read.

use std::path::Path;

use zeroize::Zeroizing;

use super::backup::Backup;
use super::content;
use super::file_here::LARGEST;
use super::files;
use super::kept::Kept;
use super::listing;
use super::node::Node;
use super::parts::{Parts, cut_short, path_word};
use super::survey::{changing, kept};
use super::watch::Watch;
use crate::engine::{Fault, FaultKind, Look};
use crate::plan::{BackupRef, Probe, Reading, Sha256};

/// How often a file that changes meanwhile is read.
const TRIES: usize = 3;

/// What a probe finds; `None` where it is no probe of files.
pub(super) fn observe(
    node: &Node<'_>,
    look: &Look<'_>,
    probe: &Probe,
    watch: &Watch<'_>,
) -> Result<Option<Reading>, Fault> {
    let reading = match probe {
        Probe::Path { path } => what_stands_at(node, path.local(), watch)?,
        Probe::File { path, masked } if masked.is_empty() => {
            fingerprint(node, path.local(), watch)?
        }
        Probe::File { path, .. }
        | Probe::FileIs { path, .. }
        | Probe::Property { path, .. }
        | Probe::PropertyIs { path, .. }
        | Probe::XmlIs { path, .. } => in_content(node, path.local(), probe, watch)?,
        Probe::Tree { path } => digest(files::tree(node, path.local(), watch)?.map(|it| it.digest)),
        Probe::Backup { backup } => {
            digest(look_at_backup(node, look, backup, None, watch)?.kept_digest())
        }
        Probe::AsKept { path, backup } => {
            match look_at_backup(node, look, backup, Some(path.local()), watch)?.is_there() {
                None => Reading::Absent,
                Some(true) => Reading::Same,
                Some(false) => Reading::Different,
            }
        }
        Probe::Service { .. }
        | Probe::Contents { .. }
        | Probe::Staged { .. }
        | Probe::Command { .. }
        | Probe::Port { .. }
        | Probe::FreeSpace { .. }
        | Probe::Stamp { .. }
        | Probe::Rest { .. }
        | Probe::Process { .. }
        | Probe::Balancer { .. }
        | Probe::Product { .. } => return Ok(None),
    };
    Ok(Some(reading))
}

fn digest(found: Option<Sha256>) -> Reading {
    found.map_or(Reading::Absent, Reading::Digest)
}

fn ask(
    node: &Node<'_>,
    verb: &str,
    paths: &[&Path],
    watch: &Watch<'_>,
) -> Result<zeroize::Zeroizing<Vec<u8>>, Fault> {
    let words = paths.iter().map(|path| path_word(path));
    let arguments: Vec<String> = std::iter::once(verb.to_owned()).chain(words).collect();
    files::look(node, &arguments, watch)
}

fn what_stands_at(node: &Node<'_>, path: &Path, watch: &Watch<'_>) -> Result<Reading, Fault> {
    let answer = ask(node, "path", &[path], watch)?;
    let mut parts = Parts::of(&answer);
    Ok(match parts.text()? {
        "absent" => Reading::Absent,
        "link" => Reading::Text(format!("link {}", parts.path()?.display())),
        kind => Reading::text(kind),
    })
}

fn fingerprint(node: &Node<'_>, path: &Path, watch: &Watch<'_>) -> Result<Reading, Fault> {
    let answer = ask(node, "digest", &[path], watch)?;
    let mut parts = Parts::of(&answer);
    match parts.next()? {
        b"absent" => Ok(Reading::Absent),
        _ => sha(parts.text()?).map(Reading::Digest),
    }
}

fn sha(digits: &str) -> Result<Sha256, Fault> {
    serde_json::from_value(digits.into()).map_err(|_| cut_short())
}

/// The content of a file that is not too large to be edited; `None` where there is nothing.
pub(super) fn read(
    node: &Node<'_>,
    path: &Path,
    watch: &Watch<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    with_content(node, path, watch, |content| match content {
        Content::Absent => Ok(None),
        Content::Bytes(bytes) => Ok(Some(Zeroizing::new(bytes.to_vec()))),
        Content::TooLarge => Err(larger(path)),
    })
}

fn in_content(
    node: &Node<'_>,
    path: &Path,
    probe: &Probe,
    watch: &Watch<'_>,
) -> Result<Reading, Fault> {
    with_content(node, path, watch, |content| match content {
        Content::Absent => Ok(Reading::Absent),
        Content::Bytes(bytes) => content::look(bytes, probe, node.vault),
        Content::TooLarge => too_large(path, probe),
    })
}

/// What is in a file.
enum Content<'a> {
    Absent,
    Bytes(&'a [u8]),
    TooLarge,
}

/// Does something with a file's content, which did not change while it was read.
fn with_content<T>(
    node: &Node<'_>,
    path: &Path,
    watch: &Watch<'_>,
    work: impl FnOnce(Content<'_>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    for _ in 0..TRIES {
        let answer = ask(node, "read", &[path], watch)?;
        let mut parts = Parts::of(&answer);
        if parts.next()? == b"absent" {
            return work(Content::Absent);
        }
        let size: u64 = parts.text()?.parse().map_err(|_| cut_short())?;
        let (bytes, same) = parts.content_and_word()?;
        if size > LARGEST {
            return work(Content::TooLarge);
        }
        if same == b"same" {
            return work(Content::Bytes(bytes));
        }
    }
    Err(changing(path))
}

/// What was not read: nothing that is compared with it is as large.
fn too_large(path: &Path, probe: &Probe) -> Result<Reading, Fault> {
    if let Probe::FileIs { .. } = probe {
        return Ok(Reading::Different);
    }
    Err(larger(path))
}

fn larger(path: &Path) -> Fault {
    let what = format!(
        "{} is larger than {} MiB, the most that is edited",
        path.display(),
        LARGEST >> 20
    );
    Fault::new(FaultKind::Failed, what)
}

/// A backup, and what stands at a path.
struct Compared {
    kept: Option<Kept>,
    /// The fingerprint of what was kept, where it has one of its own.
    held: Option<Sha256>,
    /// The fingerprint of what stands at the path.
    now: Option<Sha256>,
}

impl Compared {
    fn kept_digest(&self) -> Option<Sha256> {
        match self.kept.as_ref()? {
            Kept::Nothing => Some(Sha256::of("nothing")),
            Kept::Link { target } => Some(Sha256::of(target.as_bytes())),
            Kept::File { .. } | Kept::Tree | Kept::Aside { .. } => self.held.clone(),
        }
    }

    /// Whether what was kept stands at the path; `None` where nothing does.
    fn is_there(&self) -> Option<bool> {
        let now = self.now.as_ref();
        let same = match &self.kept {
            None => return Some(false),
            Some(Kept::Nothing) => return Some(now.is_none()),
            // What was put aside is there when it is no longer aside.
            Some(Kept::Aside { .. }) => self.held.is_none(),
            Some(_) => self.kept_digest().as_ref() == now,
        };
        now.map(|_| same)
    }
}

fn look_at_backup(
    node: &Node<'_>,
    look: &Look<'_>,
    backup: &BackupRef,
    path: Option<&Path>,
    watch: &Watch<'_>,
) -> Result<Compared, Fault> {
    let backup = Backup::of(node.folder, look.run, backup);
    let paths: Vec<&Path> = std::iter::once(backup.folder()).chain(path).collect();
    let answer = ask(node, "kept", &paths, watch)?;
    let mut parts = Parts::of(&answer);
    let kept = kept(parts.next()?, backup.folder())?;
    let mut held = portrait(&mut parts)?;
    let now = match path {
        Some(_) => portrait(&mut parts)?,
        None => None,
    };
    if let Some(Kept::Aside { at }) = &kept {
        held = put_aside(node, &at.path(), path.is_none(), watch)?;
    }
    Ok(Compared { kept, held, now })
}

/// The fingerprint of what was put aside; any one will do where it only matters whether it is there.
fn put_aside(
    node: &Node<'_>,
    at: &Path,
    whole: bool,
    watch: &Watch<'_>,
) -> Result<Option<Sha256>, Fault> {
    if whole {
        let answer = ask(node, "portrait", &[at], watch)?;
        return portrait(&mut Parts::of(&answer));
    }
    let found = what_stands_at(node, at, watch)?;
    Ok((found != Reading::Absent).then(|| Sha256::of("")))
}

/// The fingerprint of what stands somewhere.
fn portrait(parts: &mut Parts<'_>) -> Result<Option<Sha256>, Fault> {
    Ok(match parts.next()? {
        b"absent" => None,
        b"folder" => Some(listing::read(parts)?.digest),
        b"link" => Some(Sha256::of(parts.next()?)),
        b"file" => Some(sha(parts.text()?)?),
        _ => return Err(cut_short()),
    })
}
