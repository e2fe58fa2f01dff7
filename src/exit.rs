//! Exit codes: one place, which the program, its documentation and its tests share.

use std::fmt;

/// Why the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something unexpected.
    Unexpected = 1,
    /// The command line or a file given on it is wrong.
    Usage = 2,
    /// A command or comparison ran, and something failed or differs.
    Differs = 3,
    /// Changes are pending; only with `--detailed-exitcode`.
    Pending = 10,
    /// Another run holds a node, or an unfinished run is in the way.
    Held = 20,
    /// The world is no longer as the plan expects; nothing was changed.
    Stale = 21,
    /// Something forbids the run; nothing was changed.
    Forbidden = 30,
    /// Stopped in a named safe state; the run can be resumed.
    Stopped = 40,
    /// Failed, and everything that was done is undone.
    Undone = 41,
    /// Failed, and the state is unsafe or unclear.
    Unsafe = 42,
    /// A node could not be reached; nothing was changed.
    Unreachable = 50,
    /// Interrupted in a named safe state; the run can be resumed.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code, in order.
    pub const ALL: [Self; 13] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::Differs,
        Self::Pending,
        Self::Held,
        Self::Stale,
        Self::Forbidden,
        Self::Stopped,
        Self::Undone,
        Self::Unsafe,
        Self::Unreachable,
        Self::Interrupted,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Unexpected => "unexpected error",
            Self::Usage => "the command line, or a file named on it, is wrong",
            Self::Differs => {
                "a comparison ran and found a difference, or a node failed and the rest is done"
            }
            Self::Pending => "changes are pending (`--plan --detailed-exitcode`)",
            Self::Held => "another run holds a node, or an unfinished run is in the way",
            Self::Stale => "the world is no longer as the plan expects; nothing was changed",
            Self::Forbidden => "something forbids the run; nothing was changed",
            Self::Stopped => "stopped in a named safe state; the run can be resumed",
            Self::Undone => "failed; everything that was done is undone",
            Self::Unsafe => {
                "failed; the state is unsafe or unclear, and the message says what to do"
            }
            Self::Unreachable => "a node could not be reached; nothing was changed",
            Self::Interrupted => "interrupted in a named safe state; the run can be resumed",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.code(), self.meaning())
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
