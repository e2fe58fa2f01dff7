//! What a file has besides its content: mode, owner, times, access lists and other extended attributes.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    flistxattr, fremovexattr, fsetxattr, futimens, lsetxattr, utimensat,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::errno::{self, OrFault as _};
use crate::engine::{Fault, FaultKind};

/// Attributes that the kernel computes from the content, which must not be carried to another.
const COMPUTED: [&str; 2] = ["security.ima", "security.evm"];

/// The largest value of an attribute that Linux keeps, and the longest list of names.
const LARGEST_VALUE: usize = 64 << 10;

/// A file's attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) read_at: (i64, i64),
    pub(super) changed_at: (i64, i64),
    pub(super) extended: Extended,
}

/// Extended attributes by name.
pub(super) type Extended = BTreeMap<String, Vec<u8>>;

/// How exactly attributes must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exactness {
    /// Whatever can't be kept is a fault.
    All,
    /// On another file system, labels that it does not know may be lost, and only the superuser keeps owners.
    Copy,
}

impl Attributes {
    /// Those that the system tells at once, without the extended ones.
    pub(super) fn of_stat(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            read_at: (stat.st_atime, nanos(stat.st_atime_nsec)),
            changed_at: (stat.st_mtime, nanos(stat.st_mtime_nsec)),
            extended: Extended::new(),
        }
    }

    /// All of an open file's or folder's.
    pub(super) fn of(file: impl AsFd, stat: &Stat, path: &Path) -> Result<Self, Fault> {
        let extended = extended_of(file).or_fault("read with its extended attributes", path)?;
        Ok(Self {
            extended,
            ..Self::of_stat(stat)
        })
    }

    /// Gives an open file or folder everything but the times.
    pub(super) fn give(
        &self,
        file: impl AsFd,
        path: &Path,
        exactness: Exactness,
    ) -> Result<(), Fault> {
        let file = file.as_fd();
        let now = rustix::fs::fstat(file).or_fault("read", path)?;
        let me_root = rustix::process::geteuid().is_root();
        let other_owner = (now.st_uid, now.st_gid) != (self.uid, self.gid);
        if other_owner && (exactness == Exactness::All || me_root) {
            fchown(
                file,
                Some(Uid::from_raw(self.uid)),
                Some(Gid::from_raw(self.gid)),
            )
            .map_err(|error| self.not_kept("its owner", path, &error.into()))?;
        }
        let present = extended_of(file).or_fault("read with its extended attributes", path)?;
        for name in present
            .keys()
            .filter(|name| !self.extended.contains_key(*name))
        {
            let removed = fremovexattr(file, name.as_str());
            if let Err(error) = removed
                && name.starts_with("system.")
            {
                return Err(self.not_kept("its access list", path, &error.into()));
            }
        }
        for (name, value) in &self.extended {
            if present.get(name) == Some(value) {
                continue;
            }
            match fsetxattr(file, name.as_str(), value, XattrFlags::empty()) {
                Err(error) if exactness == Exactness::All || !may_be_lost(name) => {
                    let what = format!("its attribute {name}");
                    return Err(self.not_kept(&what, path, &error.into()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        fchmod(file, Mode::from_raw_mode(self.mode))
            .map_err(|error| self.not_kept("its mode", path, &error.into()))
    }

    /// Gives an open file or folder the times.
    pub(super) fn give_times(&self, file: impl AsFd, path: &Path) -> Result<(), Fault> {
        futimens(file, &self.times()).or_fault("given its times", path)
    }

    /// Gives a symbolic link everything that one has.
    pub(super) fn give_link(&self, path: &Path) -> Result<(), Fault> {
        let here = AtFlags::SYMLINK_NOFOLLOW;
        if rustix::process::geteuid().is_root() {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            chownat(CWD, path, Some(uid), Some(gid), here)
                .map_err(|error| self.not_kept("its owner", path, &error.into()))?;
        }
        for (name, value) in &self.extended {
            let _ = lsetxattr(path, name.as_str(), value, XattrFlags::empty());
        }
        utimensat(CWD, path, &self.times(), here).or_fault("given its times", path)
    }

    /// The same without the time of the last reading, which reading changes.
    pub(super) fn unread(&self) -> Self {
        Self {
            read_at: (0, 0),
            ..self.clone()
        }
    }

    fn times(&self) -> Timestamps {
        let time = |(seconds, nanos): (i64, i64)| Timespec {
            tv_sec: seconds,
            tv_nsec: nanos,
        };
        Timestamps {
            last_access: time(self.read_at),
            last_modification: time(self.changed_at),
        }
    }

    fn not_kept(&self, what: &str, path: &Path, error: &io::Error) -> Fault {
        let mut fault = errno::fault("replaced", path, error);
        fault.what = format!("{} would lose {what}: {error}", path.display());
        if fault.kind == FaultKind::Denied {
            fault.hint = Some(format!(
                "run clusterctl as root or as the file's owner (user {})",
                self.uid
            ));
        }
        fault
    }
}

/// Whether the kernel computes this attribute from the content.
pub(super) fn is_computed(name: &str) -> bool {
    COMPUTED.contains(&name)
}

/// Labels that belong to one file system or one machine's policy.
fn may_be_lost(name: &str) -> bool {
    name.starts_with("security.") || name.starts_with("trusted.")
}

fn nanos(raw: u64) -> i64 {
    i64::try_from(raw).unwrap_or(0)
}

fn extended_of(file: impl AsFd) -> io::Result<Extended> {
    let file = file.as_fd();
    let mut names = vec![0; LARGEST_VALUE];
    let length = match flistxattr(file, &mut names[..]) {
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Extended::new()),
        length => length?,
    };
    let mut all = Extended::new();
    let mut value = vec![0; LARGEST_VALUE];
    for name in names[..length].split(|byte| *byte == 0) {
        let name = String::from_utf8_lossy(name).into_owned();
        if name.is_empty() || is_computed(&name) {
            continue;
        }
        match rustix::fs::fgetxattr(file, name.as_str(), &mut value[..]) {
            Ok(length) => {
                all.insert(name, value[..length].to_vec());
            }
            // It went between the list and the look.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

/// The extended attributes of a symbolic link.
pub(super) fn extended_of_link(path: &Path) -> Extended {
    let mut names = vec![0; LARGEST_VALUE];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut value = vec![0; LARGEST_VALUE];
    names[..length]
        .split(|byte| *byte == 0)
        .filter_map(|name| {
            let name = String::from_utf8_lossy(name).into_owned();
            let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value[..]).ok()?;
            Some((name, value[..length].to_vec()))
        })
        .collect()
}
