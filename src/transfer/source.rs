//! The tree that is copied: here, on this machine; what is on another one is asked for in `origin.rs`.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bits::Bits;
use super::hidden;
use super::manifest::{Kind, Known, Manifest, Time};
use super::origin::Afar;
use super::prints::Found;
use super::rules::Rules;
use super::script::LandError;
use super::survey::HashKind;

/// Attributes that a kernel or its guards compute or give by themselves.
pub(super) const NOT_CARRIED: [&str; 3] = ["security.ima", "security.evm", "security.selinux"];

/// The largest value of an attribute that Linux keeps, and the longest list of names.
const LARGEST_VALUE: usize = 64 << 10;

/// For how long what was read of a tree is taken for what it is.
const FRESH: Duration = Duration::from_secs(10);

/// The tree that is copied.
#[derive(Debug)]
pub struct Source {
    /// Where it is, without links on the way.
    pub root: PathBuf,
    /// What it contains, without what the rules leave out.
    pub manifest: Arc<Manifest>,
    /// What can't be copied, such as sockets and devices.
    pub left_out: Vec<PathBuf>,
    /// Whether nothing there can tell extended attributes, so that none are kept.
    pub attributes_unknown: bool,
    /// The machine that has it, when that is another one.
    pub(super) afar: Option<Afar>,
    /// When it was read.
    pub(super) read: Instant,
    /// What was found of contents so far, for all that ask for it.
    pub(super) fingerprints: Fingerprints,
    /// How much smaller it can be made.
    pub(super) sample: Mutex<Sampled>,
}

/// What part of the tree's content is left when it is made smaller.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Sampled {
    /// Nobody wanted to know.
    #[default]
    NotYet,
    /// It can't be told.
    Unknown,
    /// It is this part.
    To(f64),
}

/// Fingerprints of the files of the tree.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    found: Arc<Found>,
    /// Held by whoever computes some.
    turn: Mutex<()>,
}

/// The tree can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Something in it can't be read.
    #[error("{} can't be read: {why}", .path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// It is no folder.
    #[error("{} is not a folder", .0.display())]
    NoFolder(PathBuf),
    /// A path is too long, or there are too many.
    #[error("{}: {why}", .path.display())]
    TooMuch {
        /// Which.
        path: PathBuf,
        /// Why.
        why: super::manifest::TooMuch,
    },
}

impl Source {
    /// Reads what a folder contains.
    pub fn read(root: &Path, rules: &Rules) -> Result<Self, SourceError> {
        let root = root.canonicalize().map_err(|why| unreadable(root, why))?;
        let found = fs::metadata(&root).map_err(|why| unreadable(&root, why))?;
        if !found.is_dir() {
            return Err(SourceError::NoFolder(root));
        }
        let mut walk = Walk {
            root,
            manifest: Manifest::default(),
            left_out: Vec::new(),
        };
        walk.add(b"", &walk.root.clone(), &found, Kind::Folder)?;
        let is_mounted = hidden::is_mounted(&walk.root);
        let mut folders: Vec<Vec<u8>> = vec![Vec::new()];
        while let Some(folder) = folders.pop() {
            walk.folder(&folder, (rules, is_mounted), &mut folders)?;
        }
        walk.manifest.settle();
        Ok(Self {
            root: walk.root,
            manifest: Arc::new(walk.manifest),
            left_out: walk.left_out,
            attributes_unknown: false,
            afar: None,
            read: Instant::now(),
            fingerprints: Fingerprints::default(),
            sample: Mutex::default(),
        })
    }

    /// Whether it was read only just now, and nobody had the time to change it since.
    pub fn is_fresh(&self) -> bool {
        self.read.elapsed() < FRESH
    }

    /// Whether there are names that may be one and the same to a file system which knows no difference of capitals, or
    /// writes letters with marks in another way.
    pub fn has_alike_names(&self) -> bool {
        let manifest = &self.manifest;
        let mut seen = HashSet::with_capacity(manifest.len());
        let random = RandomState::new();
        let mut likeness = |path: &[u8]| {
            let mut hasher = random.build_hasher();
            for byte in path.iter().filter(|byte| byte.is_ascii()) {
                hasher.write_u8(byte.to_ascii_lowercase());
            }
            !seen.insert(hasher.finish())
        };
        manifest
            .iter()
            .any(|(_, entry)| likeness(manifest.path(entry)))
    }

    /// Where an entry is.
    pub(super) fn place(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsStr::from_bytes(path))
    }

    /// Computes the fingerprints of these files that nobody has computed yet. Whoever asks meanwhile waits.
    pub(super) fn compute(&self, kind: HashKind, which: &Bits) -> Result<(), LandError> {
        let Fingerprints { found, turn } = &self.fingerprints;
        let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing = Bits::default();
        for (at, _) in self.manifest.iter() {
            if which.has(at) && found.get(kind, at).is_none() {
                missing.add(at);
            }
        }
        let computed = if missing.is_none() {
            Ok(())
        } else {
            super::read::fingerprints(self, kind, &missing)
        };
        drop(turn);
        computed
    }

    /// What is found of fingerprints.
    pub(super) fn found(&self) -> &Arc<Found> {
        &self.fingerprints.found
    }
}

/// A look at all that a folder contains.
struct Walk {
    root: PathBuf,
    manifest: Manifest,
    left_out: Vec<PathBuf>,
}

impl Walk {
    fn folder(
        &mut self,
        folder: &[u8],
        (rules, is_mounted): (&Rules, bool),
        folders: &mut Vec<Vec<u8>>,
    ) -> Result<(), SourceError> {
        let place = self.root.join(std::ffi::OsStr::from_bytes(folder));
        let entries = fs::read_dir(&place).map_err(|why| unreadable(&place, why))?;
        for entry in entries {
            let entry = entry.map_err(|why| unreadable(&place, why))?;
            let mut path = folder.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let at = entry.path();
            let found = match entry.metadata() {
                // It went while we looked.
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(|why| unreadable(&at, why))?,
            };
            let sort = found.file_type();
            if rules.names(&path, sort.is_dir())
                || hidden::is_hidden(&path, hidden::name(&self.root), is_mounted)
            {
                continue;
            }
            let kind = if sort.is_dir() {
                Kind::Folder
            } else if sort.is_file() {
                Kind::File
            } else if sort.is_symlink() {
                Kind::Link
            } else if sort.is_fifo() {
                Kind::Pipe
            } else {
                self.left_out.push(at);
                continue;
            };
            self.add(&path, &at, &found, kind)?;
            if kind == Kind::Folder {
                folders.push(path);
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        path: &[u8],
        at: &Path,
        found: &Metadata,
        kind: Kind,
    ) -> Result<(), SourceError> {
        let target = match kind {
            Kind::Link => fs::read_link(at).map_err(|why| unreadable(at, why))?,
            _ => PathBuf::new(),
        };
        let mut known = known(found, kind);
        if known.sparse {
            known.taken = super::read::without_holes(at, known.size).unwrap_or(known.size);
        }
        let too_much = |why| SourceError::TooMuch {
            path: at.to_owned(),
            why,
        };
        self.manifest
            .add(path, target.as_os_str().as_bytes(), &known)
            .map_err(too_much)?;
        if matches!(kind, Kind::File | Kind::Folder) {
            let extended = extended(at).map_err(|why| unreadable(at, why))?;
            self.manifest.extend_last(extended);
        }
        Ok(())
    }
}

/// What the system says of a file, as a manifest has it.
pub(super) fn known(found: &Metadata, kind: Kind) -> Known {
    Known {
        kind,
        mode: u16::try_from(found.mode() & 0o7777).unwrap_or_default(),
        owner: (found.uid(), found.gid()),
        changed: Time {
            seconds: found.mtime(),
            nanos: u32::try_from(found.mtime_nsec()).unwrap_or_default(),
        },
        size: found.size(),
        sparse: kind == Kind::File && found.blocks().saturating_mul(512) < found.size(),
        taken: found.size(),
        shared: (found.nlink() > 1 && kind == Kind::File).then(|| (found.dev(), found.ino())),
    }
}

fn unreadable(path: &Path, why: io::Error) -> SourceError {
    let path = path.to_owned();
    SourceError::Unreadable { path, why }
}

/// The extended attributes of a file or folder; none where the file system has no such thing.
fn extended(at: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut list = [0_u8; 1024];
    let size = match rustix::fs::llistxattr(at, &mut list[..]) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        // More names than have room there.
        Err(rustix::io::Errno::RANGE) => 0,
        other => other?,
    };
    let names = if size > 0 {
        list[..size].to_vec()
    } else {
        let mut long = vec![0; LARGEST_VALUE];
        let size = rustix::fs::llistxattr(at, &mut long[..])?;
        long.truncate(size);
        long
    };
    let mut all = Vec::new();
    let mut room = Vec::new();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        if NOT_CARRIED.contains(&name) {
            continue;
        }
        room.resize(LARGEST_VALUE, 0);
        match rustix::fs::lgetxattr(at, name, &mut room[..]) {
            Ok(size) => all.push((name.to_owned(), room.iter().take(size).copied().collect())),
            // It went meanwhile, or only the superuser sees it.
            Err(
                rustix::io::Errno::NODATA | rustix::io::Errno::PERM | rustix::io::Errno::ACCESS,
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    all.sort();
    Ok(all)
}
