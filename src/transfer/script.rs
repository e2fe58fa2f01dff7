//! The scripts that run on a node, and how they are run.

use std::io::Write;
use std::sync::LazyLock;

use crate::remote::{Exit, Input, Line, Output, Patience, RemoteError, RemoteErrorKind, Streams};

/// How much of what a script says on standard error is read.
const MOST_ERRORS: usize = 64 << 10;

/// A script for `/bin/sh`, and the name under which it is seen on the node.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! script {
    ($(#[$doc:meta])* $seen:vis $name:ident, $file:literal) => {
        $(#[$doc])*
        $seen fn $name() -> Script {
            static TEXT: LazyLock<String> =
                LazyLock::new(|| joined(&[include_str!("land/tools.sh"), include_str!($file)]));
            Script { name: concat!("clusterctl-", stringify!($name)), text: &TEXT }
        }
    };
}

script!(pub(super) survey, "survey.sh");
script!(pub(super) place, "place.sh");
script!(pub(super) note, "land/note.sh");
script!(pub(super) prepare, "land/prepare.sh");
script!(pub(super) carry, "land/carry.sh");
script!(pub(super) unpack, "land/unpack.sh");
script!(pub(super) verify, "land/verify.sh");
script!(pub(super) extended, "from/extended.sh");
script!(pub(super) content, "from/content.sh");
script!(pub(super) sums, "from/sums.sh");
script!(pub(super) discard, "land/discard.sh");
script!(pub(super) modes, "land/modes.sh");
script!(
    /// Says that a staged tree is whole. It has to be run under the node's lock.
    pub seal, "land/seal.sh"
);
script!(
    /// Makes a staged tree the live one. It has to be run under the node's lock.
    pub swap, "land/swap.sh"
);
script!(
    /// Gives a place its old tree back. It has to be run under the node's lock.
    pub back, "land/back.sh"
);

/// Several texts as one script. The comments are for who reads them here, and don't travel.
fn joined(parts: &[&str]) -> String {
    let lines = parts.iter().flat_map(|part| part.lines());
    lines
        .filter(|line| {
            !line.is_empty() && !line.trim_start().starts_with("# ") && line.trim() != "#"
        })
        .fold(String::new(), |text, line| text + line + "\n")
}

/// Why a tree could not be landed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LandError {
    /// The node could not be asked, or its answer did not come.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A script on the node ended with this code and said why. The codes are those of `land/tools.sh`.
    #[error("{said}")]
    Said {
        /// The exit code.
        code: i64,
        /// What it said.
        said: String,
    },
    /// The source is not what it was.
    #[error("{0}")]
    Changed(String),
    /// What arrived is not what was sent.
    #[error("{0}")]
    Broken(String),
    /// There is not enough room.
    #[error("{0}")]
    NoRoom(String),
    /// There is no tree where one shall come from.
    #[error("{0}")]
    NoSource(String),
}

/// With which code a script ends when the disk is full, as in `land/tools.sh`.
const FULL: i64 = 86;

impl LandError {
    /// What was said when a disk was full.
    pub fn says_full(&self) -> Option<&str> {
        match self {
            Self::Said { code: FULL, said } => Some(said),
            _ => None,
        }
    }
}

/// Runs a command on a node to its end, as [`Host::exec`](crate::remote::Host::exec) does.
pub type Exec<'a> =
    dyn Fn(&Line, Streams<'_>, &Patience<'_>) -> Result<Exit, RemoteError> + Sync + 'a;

/// What a script that succeeded said on standard error.
pub(super) fn run(
    exec: &Exec<'_>,
    script: Script,
    arguments: &[&str],
    mut input: Input<'_>,
    out: &mut (dyn Write + Send),
    patience: &Patience<'_>,
) -> Result<String, LandError> {
    let line = Line::script(script.text, script.name, arguments.iter().copied())
        .map_err(|error| RemoteError::new(RemoteErrorKind::Here, error.to_string()))?;
    let mut err = Output::at_most(MOST_ERRORS);
    let streams = Streams {
        input: input.lent(),
        out,
        err: &mut err,
    };
    let exit = exec(&line, streams, patience)?;
    let said = err.text().trim_end().to_owned();
    if exit.is_success() {
        return Ok(said);
    }
    let code = exit.code();
    let said = if said.is_empty() {
        format!("{} ended with {exit}", script.name)
    } else {
        said
    };
    Err(LandError::Said { code, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_can_read_them() {
        for script in [
            survey(),
            place(),
            note(),
            prepare(),
            carry(),
            unpack(),
            verify(),
            extended(),
            content(),
            sums(),
            discard(),
            modes(),
            seal(),
            swap(),
            back(),
        ] {
            assert!(
                script.text.len() < 20_000,
                "{}: {}",
                script.name,
                script.text.len()
            );
            for shell in [&["dash"][..], &["bash"], &["ksh"], &["busybox", "sh"]] {
                let checked = std::process::Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-n", "-c", script.text])
                    .status()
                    .unwrap();
                assert!(checked.success(), "{}: {shell:?}", script.name);
            }
        }
    }
}
