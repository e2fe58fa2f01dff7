//! What is heard of an errand.

use std::time::Duration;

use crate::config::NodeName;
use crate::remote::{BackEnd, Exit, RemoteError};

/// Something was heard.
#[derive(Debug)]
pub enum News {
    /// The machine was reached, and the command begins.
    Begun {
        /// The machine.
        node: NodeName,
        /// How it is reached.
        back_end: BackEnd,
    },
    /// The command wrote a line.
    Line {
        /// The machine.
        node: NodeName,
        /// Where it wrote.
        stream: Stream,
        /// The line, without its end.
        line: Vec<u8>,
    },
    /// It is over on this machine.
    Ended {
        /// The machine.
        node: NodeName,
        /// How.
        end: End,
        /// How long it took, connecting included.
        took: Duration,
    },
}

/// How an errand ended on one machine.
#[derive(Debug)]
pub enum End {
    /// The command ran to its end.
    Exit(Exit),
    /// It did not, or that is not known.
    Failed(RemoteError),
    /// It was not begun, because a person wanted to stop.
    Skipped,
}

impl End {
    /// Whether the command ran and said that all is well.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exit(exit) if exit.is_success())
    }

    /// Whether the machine could not be reached, so that nothing was begun there.
    pub fn is_unreached(&self) -> bool {
        matches!(self, Self::Failed(error) if error.kind.nothing_begun())
    }
}

/// Where a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}
