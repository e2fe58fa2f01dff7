//! Why a secret could not be had, without a word of the secret.

use std::io;
use std::path::PathBuf;

use super::HumanDuration;

/// Why a secret could not be had. No variant can hold a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error(
        "the environment variable `{variable}` is not set\nhint: set it for this command: {variable}=… clusterctl …"
    )]
    VariableMissing {
        /// Its name.
        variable: String,
    },
    /// The secret is there, and empty.
    #[error(
        "the secret `{reference}` is empty\nhint: an empty secret is nearly always a mistake; put a value there"
    )]
    Empty {
        /// The reference.
        reference: String,
    },
    /// The secret is not text.
    #[error("the secret `{reference}` is not text in UTF-8")]
    NotText {
        /// The reference.
        reference: String,
    },
    /// The secret is larger than any password or key.
    #[error(
        "the secret `{reference}` is larger than {limit} bytes\nhint: is this the right place?"
    )]
    TooLarge {
        /// The reference.
        reference: String,
        /// The largest size.
        limit: usize,
    },
    /// The file could not be read.
    #[error("the secret's file {path} can't be read: {source}", path = .path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The path leads to a folder, a pipe or a device.
    #[error("the secret's file {path} is no regular file\nhint: for a secret that is not in a file, use {{ cmd = [..] }}", path = .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Every user of the machine can read the file, or change it.
    #[error("the secret's file {path} is open to every user of this machine (mode {mode:04o})\nhint: chmod 600 {path}", path = .path.display())]
    FileTooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The command could not be started.
    #[error("the command of the secret `{reference}` can't be started: {source}")]
    CommandNotStarted {
        /// The reference.
        reference: String,
        /// What the system says.
        source: io::Error,
    },
    /// The command ended without success.
    #[error("the command of the secret `{reference}` failed: {status}{}", said(.stderr))]
    CommandFailed {
        /// The reference.
        reference: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// The command did not end in time.
    #[error("the command of the secret `{reference}` did not end within {deadline}{}\nhint: it must not ask anything; try it with </dev/null", said(.stderr))]
    CommandTooSlow {
        /// The reference.
        reference: String,
        /// How long it had.
        deadline: HumanDuration,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// The secret would have to be asked for, and there is nobody to ask.
    #[error(
        "the secret `{label}` must be typed in, and there is no terminal\nhint: use an `env:`, `file:` or `cmd:` reference where nobody can answer"
    )]
    NoTerminal {
        /// What would have been asked for.
        label: String,
    },
    /// The question was not answered.
    #[error("the secret `{label}` was not entered: {source}")]
    PromptFailed {
        /// What was asked for.
        label: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The secret came with an earlier invocation and is kept nowhere.
    #[error(
        "the secret `{label}` was given with an earlier command and is kept nowhere\nhint: give it again, the way it was given then"
    )]
    NotGiven {
        /// Its label.
        label: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        return String::new();
    }
    let lines: Vec<_> = stderr.lines().collect();
    format!("; it said:\n  | {}", lines.join("\n  | "))
}
