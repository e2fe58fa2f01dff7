//! Work for a node's fence: a program, what it is told, and what its exit code means.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::config::SecretRef;
use crate::plan::{Argv, RemotePath};

/// Work that is done on a node under its effect lock.
///
/// It runs as a child of the fence: in a session of its own, without the lock, with standard input from a file that
/// was complete before it started, its output in files of the node's folder. It goes on when the connection is cut or
/// the runner dies.
pub(super) struct Job {
    /// As a person may see it. Never a secret.
    pub(super) shown: String,
    /// The program and its arguments. Never a secret: everybody on the node can see them.
    pub(super) words: Vec<String>,
    /// The folder it runs in, or `/`.
    pub(super) dir: Option<RemotePath>,
    /// All that it reads. Secrets come in here and nowhere else.
    pub(super) input: Zeroizing<Vec<u8>>,
    /// What makes it a success.
    pub(super) ends: Ends,
    /// The secrets among what it reads, which it may repeat in what it writes.
    pub(super) secrets: Vec<SecretRef>,
    /// What it makes beside its place before it gets its name: of no use once the work was cut short.
    pub(super) beside: Option<PathBuf>,
}

/// What the exit code of a job means.
pub(super) enum Ends {
    /// These codes are a success of somebody's command; every other is its failure.
    Command(Vec<i64>),
    /// It is our own work on files, and `files::judge` knows what its codes mean.
    Files,
}

impl Job {
    /// Work on files: a script for `/bin/sh`, its name and its arguments.
    pub(super) fn files<S: Into<String>>(
        shown: impl Into<String>,
        script: &str,
        name: &str,
        arguments: impl IntoIterator<Item = S>,
        input: Zeroizing<Vec<u8>>,
    ) -> Self {
        let start = ["/bin/sh", "-c", script, name].map(str::to_owned);
        Self {
            shown: shown.into(),
            words: start
                .into_iter()
                .chain(arguments.into_iter().map(Into::into))
                .collect(),
            dir: None,
            input,
            ends: Ends::Files,
            secrets: Vec::new(),
            beside: None,
        }
    }

    /// Somebody's command.
    pub(super) fn command(
        argv: &Argv,
        dir: Option<&RemotePath>,
        input: Zeroizing<Vec<u8>>,
        success: &[i64],
        secrets: Vec<SecretRef>,
    ) -> Self {
        Self {
            shown: argv.posix(),
            words: argv.words().to_vec(),
            dir: dir.cloned(),
            input,
            ends: Ends::Command(success.to_vec()),
            secrets,
            beside: None,
        }
    }
}
