//! What the end of a command means, and how a person is told of it.

use std::path::{Path, PathBuf};

use super::effect_record::Commanded;
use super::files;
use super::vault::Vault;
use crate::engine::{Fault, FaultKind};
use crate::plan::Outputs;

/// The output that tells a command's exit code.
const EXIT: &str = "exit";

/// How much of the end of a command's output is read back.
pub(super) const TAIL_BYTES: u64 = 64 << 10;

/// How many lines of it a person sees.
const TAIL_LINES: usize = 10;

/// The longest line that a person sees.
const TAIL_WIDTH: usize = 300;

/// The ends of what a command wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) out: String,
    pub(super) err: String,
}

/// A command that has ended or was ended, and where all that it wrote is.
pub(super) struct Ending<'a> {
    pub(super) command: &'a Commanded,
    pub(super) out: PathBuf,
    pub(super) err: PathBuf,
    pub(super) vault: &'a Vault,
}

impl Ending<'_> {
    /// What its exit code means. What it wrote is read when a person has to be told.
    pub(super) fn judge(
        &self,
        code: i64,
        written: impl FnOnce() -> Written,
    ) -> Result<Outputs, Fault> {
        let command = self.command;
        if command.success.contains(&code) {
            return Ok(Outputs::from([(EXIT.to_owned(), code.to_string())]));
        }
        if command.files {
            return files::judge(code, &written().err).map(|()| Outputs::new());
        }
        let what = format!("`{}` ended with exit code {code}", command.shown);
        let fault = Fault::new(FaultKind::Failed, what);
        // What could not be recognised in the output could not be masked.
        Err(if self.all_known() {
            self.with_last_lines(fault, &written())
        } else {
            fault.hint(self.where_output_is())
        })
    }

    /// Whether every secret that the command read can be recognised in what it wrote.
    pub(super) fn all_known(&self) -> bool {
        let mut secrets = self.command.secrets.iter();
        secrets.all(|reference| self.vault.secret(reference).is_ok())
    }

    /// The fault together with the last lines that the command wrote.
    pub(super) fn with_last_lines(&self, mut fault: Fault, written: &Written) -> Fault {
        let mut lines = last_lines(&written.err, self.vault);
        if lines.is_empty() {
            lines = last_lines(&written.out, self.vault);
        }
        if !lines.is_empty() {
            fault.what.push_str("; it wrote:");
            fault.what.push_str(&lines);
        }
        fault.hint(self.where_output_is())
    }

    fn where_output_is(&self) -> String {
        format!(
            "all that it wrote is in {} and {}",
            self.out.display(),
            self.err.display()
        )
    }
}

/// The last lines of a text, without secrets and without orders to a terminal.
fn last_lines(text: &str, vault: &Vault) -> String {
    let text = vault.mask(text);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let shown = lines.iter().skip(lines.len().saturating_sub(TAIL_LINES));
    shown.fold(String::new(), |mut shown, line| {
        shown.push_str("\n  | ");
        let visible = line.trim_end().chars().take(TAIL_WIDTH);
        shown.extend(visible.map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        }));
        shown
    })
}

/// The end of what was written as text, from the beginning of a line unless this is all of it: half a secret would not
/// be recognised.
pub(super) fn end_of(bytes: &[u8], is_all: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let whole = match text.split_once('\n') {
        _ if is_all => &text,
        Some((_, whole)) => whole,
        None => "",
    };
    whole.to_owned()
}

/// Why the fence did not start a command, from its exit code. `guard` looks at who holds the node.
pub(super) fn not_started(
    code: i64,
    folder: &Path,
    dir: &str,
    guard: impl FnOnce() -> Option<Fault>,
) -> Fault {
    match code {
        69 => Fault::new(
            FaultKind::Failed,
            "there is no program `flock` or no `setsid` on the node",
        )
        .hint("install them: they are a part of util-linux and of busybox"),
        70 => guard().unwrap_or_else(|| {
            Fault::new(FaultKind::Fenced, "the run did not hold the node any more")
        }),
        71 => Fault::new(
            FaultKind::TimedOut,
            "an earlier effect on the node did not end in time",
        ),
        72 => Fault::new(
            FaultKind::Failed,
            format!("there is no folder {dir} to run in, or it may not be entered"),
        ),
        73 => Fault::new(
            FaultKind::DiskFull,
            format!("nothing can be written to {}", folder.display()),
        ),
        code => Fault::new(
            FaultKind::Failed,
            format!("the shell that was to start the command ended with exit code {code}"),
        ),
    }
}
