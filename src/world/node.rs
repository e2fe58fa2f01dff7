//! One node: its folder there, and scripts that run on it.

use zeroize::Zeroizing;

use super::connections::Connections;
use super::node_folder::NodeFolder;
use super::trouble::{Asked, fault};
use super::vault::Vault;
use super::watch::Watch;
use crate::config::NodeName;
use crate::engine::{Fault, FaultKind};
use crate::remote::{Exit, Input, Line, Output, RemoteError, RemoteErrorKind, Streams};

/// The longest command line that a system takes, with all that a script adds to it on its way.
const LONGEST_LINE: usize = 1 << 20;

/// How much of what a script says on standard error is read.
const MOST_ERRORS: usize = 64 << 10;

/// A script for `/bin/sh`, and the name under which it is seen on the node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

/// Several texts as one script. The comments are for who reads them here, and don't travel.
pub(super) fn joined(parts: &[&str]) -> String {
    let lines = parts.iter().flat_map(|part| part.lines());
    lines
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// What a script answered.
pub(super) struct Answer {
    /// The exit code; a signal counts from 128.
    pub(super) code: i64,
    /// What it wrote.
    pub(super) out: Zeroizing<Vec<u8>>,
    /// What it said on standard error.
    pub(super) err: String,
}

/// A node, reached by one of its connections.
#[derive(Clone, Copy)]
pub(super) struct Node<'w> {
    pub(super) name: &'w NodeName,
    pub(super) folder: &'w NodeFolder,
    pub(super) vault: &'w Vault,
    pub(super) connections: &'w Connections,
}

impl Node<'_> {
    /// Runs a script that only looks. A kept connection that broke since is made again once.
    ///
    /// What it writes may have `most` bytes.
    pub(super) fn look(
        &self,
        script: Script,
        arguments: &[String],
        input: &[u8],
        most: usize,
        watch: &Watch<'_>,
    ) -> Result<Answer, Fault> {
        let first = self.run(script, arguments, input, most, watch);
        let answer = match first {
            Err(error) if error.kind == RemoteErrorKind::Lost => {
                self.run(script, arguments, input, most, watch)
            }
            other => other,
        };
        answer.map_err(|error| fault(error, Asked::ToLook))
    }

    /// Runs a script once.
    pub(super) fn run(
        &self,
        script: Script,
        arguments: &[String],
        input: &[u8],
        most: usize,
        watch: &Watch<'_>,
    ) -> Result<Answer, RemoteError> {
        let line = line(script, arguments)?;
        let mut out = Output::at_most(most);
        let mut err = Output::at_most(MOST_ERRORS);
        let streams = Streams {
            input: if input.is_empty() {
                Input::Nothing
            } else {
                Input::Bytes(input)
            },
            out: &mut out,
            err: &mut err,
        };
        let broken_off = || watch.is_broken_off();
        let patience = watch.patience(&broken_off);
        let exit: Exit = self
            .connections
            .exec(self.name, &line, streams, &patience)?;
        Ok(Answer {
            code: exit.code(),
            out: Zeroizing::new(out.bytes().to_vec()),
            err: err.text(),
        })
    }
}

fn line(script: Script, arguments: &[String]) -> Result<Line, RemoteError> {
    let line = Line::script(script.text, script.name, arguments.iter().cloned())
        .map_err(|error| RemoteError::new(RemoteErrorKind::Here, error.to_string()))?;
    let length: usize = line.words().iter().map(String::len).sum();
    if length > LONGEST_LINE {
        let what = "its arguments are too long for a command line";
        return Err(RemoteError::new(RemoteErrorKind::TooLong, what));
    }
    Ok(line)
}

/// The fault of an answer that makes no sense.
pub(super) fn nonsense(script: Script, answer: &Answer) -> Fault {
    let said = answer.err.lines().next_back().unwrap_or_default();
    let what = format!(
        "the script {} ended with exit code {} on the node and said: {}",
        script.name,
        answer.code,
        if said.is_empty() { "nothing" } else { said }
    );
    Fault::new(FaultKind::Failed, what)
}
