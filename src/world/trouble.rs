//! What goes wrong with a machine, as the engine has to know it.

use std::path::Path;

use crate::engine::{Fault, FaultKind};
use crate::remote::{RemoteError, RemoteErrorKind as Kind, Retry};

/// What was asked of the machine when it went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To look: nothing can have changed.
    ToLook,
    /// To change something.
    ToAct,
}

/// The fault that an error of a machine amounts to.
pub(super) fn fault(error: RemoteError, asked: Asked) -> Fault {
    let kind = match (error.kind, asked) {
        (Kind::TimedOut, _) => FaultKind::TimedOut,
        (Kind::Cancelled, _) => FaultKind::Cancelled,
        (Kind::Denied | Kind::Sudo, _) => FaultKind::Denied,
        (Kind::NoCredentials, _) => FaultKind::Secret,
        (kind, Asked::ToAct) if !kind.nothing_begun() => FaultKind::LostOutcome,
        (Kind::TooMuch | Kind::TooLong | Kind::Stream | Kind::Here | Kind::Shell, _) => {
            FaultKind::Failed
        }
        // Who can't be let in now can't be reached; whether trying again helps is said in words.
        _ => FaultKind::Unreachable,
    };
    let what = match (kind, error.kind.retry()) {
        (FaultKind::LostOutcome, Retry::No(why)) => format!("{}: {why}", error.what),
        _ => error.what,
    };
    Fault {
        kind,
        what,
        hint: error.hint,
    }
}

/// Whether a connection on which this happened is of no use any more.
pub(super) fn ends_the_connection(kind: Kind) -> bool {
    !matches!(kind, Kind::Sudo | Kind::TooMuch | Kind::Stream)
}

/// The fault that a program on the node tells of in its own words; `done` is what could not be done to the path.
pub(super) fn said(err: &str, done: &str, path: &Path) -> Fault {
    let reason = err.lines().rfind(|line| !line.trim().is_empty());
    // Which program says so, and what it was about to do, is of no interest.
    let reason = reason.and_then(|line| line.rsplit(": ").next());
    let reason = reason.unwrap_or("the node does not say why");
    let what = format!("{} can't be {done}: {reason}", path.display());
    let says = |words: &[&str]| words.iter().any(|word| err.contains(word));
    if says(&["No space left", "quota exceeded"]) {
        return Fault::new(FaultKind::DiskFull, what).hint(format!(
            "make room on the file system of {}",
            path.display()
        ));
    }
    if says(&["Permission denied", "not permitted"]) {
        return Fault::new(FaultKind::Denied, what)
            .hint("log in as a user who may do that, or set `sudo` for the node");
    }
    if says(&["Read-only"]) {
        return Fault::new(FaultKind::Denied, what);
    }
    Fault::new(FaultKind::Failed, what)
}
