//! A file of this machine that is read without a node: for who only wants to see it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, Stat};
use zeroize::Zeroizing;

use super::errno::{self, OrFault as _};
use crate::engine::{Fault, FaultKind};

/// The largest file that is read into memory.
pub(super) const LARGEST: u64 = 64 << 20;

/// Opens a regular file, and nothing else: no pipe is waited for, no device is woken. `None` where there is nothing.
fn open(path: &Path) -> Result<Option<(File, Stat)>, Fault> {
    let kind = match rustix::fs::stat(path).map_err(io::Error::from) {
        Err(error) if errno::is_absent(&error) => return Ok(None),
        stat => FileType::from_raw_mode(stat.or_fault("read", path)?.st_mode),
    };
    refuse_other_than_file(kind, path)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Err(error) if errno::is_absent(&error) => return Ok(None),
        file => File::from(file.or_fault("read", path)?),
    };
    let stat = rustix::fs::fstat(&file).or_fault("read", path)?;
    refuse_other_than_file(FileType::from_raw_mode(stat.st_mode), path)?;
    Ok(Some((file, stat)))
}

fn refuse_other_than_file(kind: FileType, path: &Path) -> Result<(), Fault> {
    let what = match kind {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(Fault::new(
        FaultKind::Failed,
        format!("{} is {what} and not a file", path.display()),
    ))
}

fn read_all(file: &mut File, stat: &Stat, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let too_large = || {
        Fault::new(
            FaultKind::Failed,
            format!(
                "{} is larger than {} MiB, the most that is edited",
                path.display(),
                LARGEST >> 20
            ),
        )
    };
    if size > LARGEST {
        return Err(too_large());
    }
    // One byte more than there should be, so that the buffer never grows and leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .or_fault("read", path)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    Ok(bytes)
}

/// The content of a file that is not too large to be edited; links are followed. `None` where there is nothing.
pub fn read_file_bounded(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    match open(path)? {
        None => Ok(None),
        Some((mut file, stat)) => read_all(&mut file, &stat, path).map(Some),
    }
}
