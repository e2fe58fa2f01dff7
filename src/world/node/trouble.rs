//! What goes wrong with a machine, as the engine has to know it.

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
        (Kind::TooMuch | Kind::Stream | Kind::Here | Kind::Shell, _) => FaultKind::Failed,
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
