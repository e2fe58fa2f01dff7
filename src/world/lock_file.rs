//! A lock on a file, held as long as the value lives, and passed on to a child only on purpose.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Stdio;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::durable::private;
use super::errno::OrFault as _;
use super::watch::Watch;
use crate::engine::Fault;

/// A lock that other processes, and `flock` of a shell script, respect.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
}

impl LockFile {
    /// The lock, if nobody else has it.
    pub(super) fn take(path: &Path) -> Result<Option<Self>, Fault> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = private(&mut options).open(path).or_fault("opened", path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(error).or_fault("locked", path),
        }
    }

    /// Hands the lock over to a child, which has it from its first instant and until it ends.
    pub(super) fn hand_over(self) -> Stdio {
        self.file.into()
    }

    /// The lock, as soon as nobody else has it; `what` is waited for.
    pub(super) fn wait(path: &Path, watch: &mut Watch<'_>, what: &str) -> Result<Self, Fault> {
        loop {
            if let Some(lock) = Self::take(path)? {
                return Ok(lock);
            }
            watch.check(what)?;
            watch.pause();
        }
    }
}
