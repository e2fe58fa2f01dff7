//! The script that looks at a node's files and changes them, and what its answers mean.

use std::path::Path;
use std::sync::LazyLock;

use zeroize::Zeroizing;

use super::kept::Kept;
use super::listing::{self, Listing};
use super::node::{Node, Script};
use super::parts::{Parts, path_word};
use super::survey;
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};

/// The script without what only people read: a command line is no place for that.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    let lines = include_str!("files.sh").lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with('#') && !line.is_empty());
    lines
        .flat_map(|line| [line.trim_start_matches(' '), "\n"])
        .collect()
});

/// The exit codes of the script; see there.
const CHANGED: i64 = 81;
const ABSENT: i64 = 82;
const TAKEN: i64 = 83;
const NO_FILE: i64 = 84;
const DENIED: i64 = 85;
const FULL: i64 = 86;
const ELSEWHERE: i64 = 87;
const FIXED: i64 = 88;
const FAILED: i64 = 89;
/// Of work that is done elsewhere meanwhile: nobody knows what came of it.
const UNKNOWN: i64 = 90;

/// The most that a script may say of files besides the content of one.
const MOST_WORDS: usize = 512 << 20;

/// The most that a script may say of a file and its content.
const MOST_CONTENT: usize = 65 << 20;

/// The script that looks at files and changes them.
pub(super) fn script() -> Script {
    Script {
        name: "clusterctl-files",
        text: &TEXT,
    }
}

/// What a look at files wrote.
pub(super) fn look(
    node: &Node<'_>,
    arguments: &[String],
    watch: &Watch<'_>,
) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let most = match arguments.first().map(String::as_str) {
        Some("read" | "survey") => MOST_CONTENT,
        _ => MOST_WORDS,
    };
    let answer = node.look(script(), arguments, b"", most, watch)?;
    judge(answer.code, &answer.err)?;
    Ok(answer.out)
}

/// What the exit code of the script means, with what it said.
pub(super) fn judge(code: i64, said: &str) -> Result<(), Fault> {
    let what = said.trim_end_matches('\n').to_owned();
    let fault = |kind| Err(Fault::new(kind, what.clone()));
    let with = |kind, hint: &str| Err(Fault::new(kind, what.clone()).hint(hint));
    match code {
        0 => Ok(()),
        CHANGED | ABSENT => fault(FaultKind::Stale),
        TAKEN => with(FaultKind::Stale, "move it away first"),
        NO_FILE | FAILED => fault(FaultKind::Failed),
        DENIED => with(
            FaultKind::Denied,
            "have it done by a user who may: see `user` and `sudo` of the node in the cluster file",
        ),
        FULL => with(
            FaultKind::DiskFull,
            "make room on the file system that it is on",
        ),
        ELSEWHERE => with(FaultKind::Failed, "copy it instead"),
        FIXED => with(
            FaultKind::Denied,
            "the file is marked as immutable; `lsattr -d` shows it",
        ),
        UNKNOWN => fault(FaultKind::LostOutcome),
        129.. => Err(Fault::new(
            FaultKind::LostOutcome,
            format!("the work on files was ended by signal {}", code - 128),
        )),
        _ => Err(Fault::new(
            FaultKind::Failed,
            format!("the work on files ended with exit code {code}: {what}"),
        )),
    }
}

/// What a folder contains; `None` where nothing is.
pub(super) fn tree(
    node: &Node<'_>,
    path: &Path,
    watch: &Watch<'_>,
) -> Result<Option<Listing>, Fault> {
    let answer = look(node, &["tree".to_owned(), path_word(path)], watch)?;
    let mut parts = Parts::of(&answer);
    match parts.next()? {
        b"absent" => Ok(None),
        _ => listing::read(&mut parts).map(Some),
    }
}

/// What a backup's record says.
pub(super) fn kept_in(
    node: &Node<'_>,
    backup: &Path,
    watch: &Watch<'_>,
) -> Result<Option<Kept>, Fault> {
    let answer = look(node, &["record".to_owned(), path_word(backup)], watch)?;
    survey::kept(Parts::of(&answer).next()?, backup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_mean_the_same_by_an_exit_code() {
        let codes = [
            ("STALE", CHANGED),
            ("ABSENT", ABSENT),
            ("TAKEN", TAKEN),
            ("NO_FILE", NO_FILE),
            ("DENIED", DENIED),
            ("FULL", FULL),
            ("ELSEWHERE", ELSEWHERE),
            ("FIXED", FIXED),
            ("FAILED", FAILED),
        ];
        for (name, code) in codes {
            let line = format!("EX_{name}={code}");
            assert!(
                TEXT.lines().any(|l| l.split(' ').next() == Some(&line)),
                "{line}"
            );
        }
        let defined = TEXT.lines().filter(|line| line.starts_with("EX_"));
        assert_eq!(defined.count(), codes.len());
        assert!(
            TEXT.len() < 24 << 10,
            "{} bytes in a command line",
            TEXT.len()
        );
    }

    #[test]
    fn every_shell_can_read_it() {
        for shell in [&["dash"][..], &["bash"], &["ksh"], &["busybox", "sh"]] {
            let checked = std::process::Command::new(shell[0])
                .args(&shell[1..])
                .args(["-n", "-c", &TEXT])
                .status()
                .unwrap();
            assert!(checked.success(), "{shell:?}");
        }
    }
}
