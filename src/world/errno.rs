//! What the system's errors mean for whoever reads a fault.

use std::io;
use std::path::Path;

use rustix::fs::{IFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::engine::{Fault, FaultKind};

/// The fault that a failed call on a path amounts to; `done` is what could not be done to it, such as `read`.
pub(super) fn fault(done: &str, path: &Path, error: &io::Error) -> Fault {
    let path_shown = path.display();
    let what = format!("{path_shown} can't be {done}: {}", reason(error));
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Fault::new(FaultKind::DiskFull, what)
            .hint(format!("make room on the file system of {path_shown}")),
        Some(Errno::PERM) if is_immutable(path) => Fault::new(FaultKind::Denied, what).hint(
            format!("the file is marked as immutable; `lsattr -d {path_shown}` shows it"),
        ),
        Some(Errno::ACCESS | Errno::PERM) => Fault::new(FaultKind::Denied, what).hint(format!(
            "run clusterctl as a user who may do that; it runs as user {}",
            rustix::process::geteuid().as_raw()
        )),
        Some(Errno::ROFS) => Fault::new(FaultKind::Denied, what),
        _ => Fault::new(FaultKind::Failed, what),
    }
}

/// The system's words without the number that the standard library adds.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Whether a file or the folder it is in refuses changes even from the superuser.
fn is_immutable(path: &Path) -> bool {
    [Some(path), path.parent()]
        .into_iter()
        .flatten()
        .any(|path| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::open(path, flags, Mode::empty())
                .and_then(rustix::fs::ioctl_getflags)
                .is_ok_and(|flags| flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND))
        })
}

/// Turns the error of a call on a path into a fault.
pub(super) trait OrFault<T> {
    /// The value, or the fault that this could not be done to the path.
    fn or_fault(self, done: &str, path: &Path) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> OrFault<T> for Result<T, E> {
    fn or_fault(self, done: &str, path: &Path) -> Result<T, Fault> {
        self.map_err(|error| fault(done, path, &error.into()))
    }
}

/// Whether the error only says that there is nothing at the path.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NOTDIR)
    )
}
