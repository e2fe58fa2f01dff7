//! Effects that a command has: run under the node's fence, so that they outlive us if they must.

use std::path::Path;

use zeroize::Zeroizing;

use super::effect::{Commanded, Effect, Record};
use super::ending::{self, Ending, Written};
use super::process::{self, Process};
use super::vault::Vault;
use super::watch::Watch;
use crate::config::SecretRef;
use crate::engine::{Fault, FaultKind};
use crate::plan::{Argv, Millis, Outputs, RemotePath};

/// The wrapper that takes the lock, checks the epoch and leaves the outcome on the node.
const FENCE: &str = include_str!("fence.sh");

/// How long to wait for the lock when an outcome is to be remembered.
const RECORD_PATIENCE: Millis = Millis::secs(10);

/// A command, and what makes it a success.
pub(super) struct Job<'a> {
    pub(super) argv: &'a Argv,
    pub(super) dir: Option<&'a RemotePath>,
    pub(super) input: Zeroizing<Vec<u8>>,
    pub(super) success: &'a [i64],
    pub(super) secrets: Vec<SecretRef>,
}

/// Runs the command to its end.
pub(super) fn perform(
    effect: &Effect<'_>,
    job: Job<'_>,
    watch: &mut Watch<'_>,
    vault: &Vault,
) -> Result<Outputs, Fault> {
    let commanded = Commanded {
        shown: job.argv.posix(),
        success: job.success.to_vec(),
        secrets: job.secrets,
        files: false,
    };
    let alone = effect.alone(watch)?;
    let record = effect.begin(Some(commanded.clone()), None)?;
    let mut fence = process::command("/bin/sh", vault);
    fence
        .args(["-c", FENCE, "clusterctl-fence"])
        .args(effect.fence_arguments(&record))
        .arg("held")
        .arg(job.dir.map_or(Path::new("/"), RemotePath::local))
        .args(job.argv.words())
        // Should we die now, either the fence has the lock or the command was never started.
        .stdout(alone.hand_over());
    let what = format!("`{}`", commanded.shown);
    let ended = Process::start(fence, &job.input)
        .map_err(|error| {
            Fault::new(
                FaultKind::Failed,
                format!("{what} can't be started: {error}"),
            )
        })
        .and_then(|process| process.wait(watch, &what));
    let was_started = effect.was_started(&record);
    let outcome = match ended {
        Ok(code) if was_started => judge(effect, &commanded, code, vault),
        Ok(code) => {
            let dir = job.dir.map_or("/", RemotePath::as_str);
            let guard = || effect.guard().err();
            Err(ending::not_started(code, effect.folder(), dir, guard))
        }
        // Where the system does not tell us of our children, the fence still does.
        Err(fault) if fault.kind == FaultKind::LostOutcome => match effect.exit_code(&record) {
            Some(code) => judge(effect, &commanded, code, vault),
            None => return Err(fault),
        },
        Err(fault) if was_started => {
            Err(ending(effect, &commanded, vault).with_last_lines(fault, &written(effect)))
        }
        Err(fault) => Err(fault),
    };
    if was_started {
        mask_output(effect, &commanded, vault);
    }
    remember(effect, &record, was_started, outcome)
}

/// What the command of an earlier attempt came to, if it left an exit code. Under the effect lock.
///
/// One that was not started by now never will be, and is forgotten.
pub(super) fn settled(
    effect: &Effect<'_>,
    record: &Record,
    vault: &Vault,
) -> Result<Option<Result<Outputs, Fault>>, Fault> {
    let (Some(command), Some(code)) = (&record.command, effect.exit_code(record)) else {
        if record.command.is_some() && !effect.was_started(record) {
            effect.withdraw(record)?;
        }
        return Ok(None);
    };
    let outcome = judge(effect, command, code, vault);
    mask_output(effect, command, vault);
    effect.end(record, &outcome)?;
    Ok(Some(outcome))
}

fn ending<'a>(effect: &Effect<'_>, command: &'a Commanded, vault: &'a Vault) -> Ending<'a> {
    Ending {
        command,
        out: effect.path("out"),
        err: effect.path("err"),
        vault,
    }
}

fn written(effect: &Effect<'_>) -> Written {
    Written {
        out: process::end_of(&effect.path("out")),
        err: process::end_of(&effect.path("err")),
    }
}

fn judge(
    effect: &Effect<'_>,
    command: &Commanded,
    code: i64,
    vault: &Vault,
) -> Result<Outputs, Fault> {
    ending(effect, command, vault).judge(code, || written(effect))
}

/// A command may repeat the secrets that it read: they don't stay on the node.
fn mask_output(effect: &Effect<'_>, command: &Commanded, vault: &Vault) {
    if command.secrets.is_empty() {
        return;
    }
    let all_known = ending(effect, command, vault).all_known();
    for name in ["out", "err"] {
        let path = effect.path(name);
        // Where that can't be done, the file stays as it is: for the eyes of its owner only.
        let _ = if all_known {
            process::mask_file(&path, vault)
        } else {
            process::withhold_file(&path)
        };
    }
}

/// Keeps the outcome on the node, unless another attempt was begun there since. What was never started leaves no trace.
fn remember(
    effect: &Effect<'_>,
    record: &Record,
    was_started: bool,
    outcome: Result<Outputs, Fault>,
) -> Result<Outputs, Fault> {
    let kept = effect
        .alone(&mut Watch::unbroken(RECORD_PATIENCE))
        .and_then(|_alone| match effect.last()? {
            Some(last) if last.attempt != record.attempt => Ok(()),
            Some(_) if was_started => effect.end(record, &outcome),
            Some(_) => effect.withdraw(record),
            None => Ok(()),
        });
    match (outcome, kept) {
        (Ok(_), Err(fault)) => Err(super::effect::not_remembered(&fault)),
        (outcome, _) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::FENCE;

    /// Runs the fence in a folder of its own; `held` is what the lock says there.
    fn fence(shell: &[&str], folder: &Path, held: &str, wait: &str, argv: &[&str]) -> i32 {
        fs::write(folder.join("lock"), held).unwrap();
        Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", FENCE, "clusterctl-fence"])
            .arg(folder)
            .args(["run-a", "7"])
            .arg(folder.join("step"))
            .args(["7-1", wait, "/"])
            .args(argv)
            .status()
            .unwrap()
            .code()
            .unwrap()
    }

    #[test]
    fn every_shell_keeps_the_fence() {
        let shells: [&[&str]; 6] = [
            &["sh"],
            &["dash"],
            &["bash", "--posix"],
            &["busybox", "sh"],
            &["ksh"],
            &["zsh", "--emulate", "sh"],
        ];
        let found = |shell: &&&[&str]| crate::remote::environment::find(shell[0]).is_some();
        for shell in shells.iter().filter(found) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            let run = |held: &str, argv: &[&str]| fence(shell, path, held, "0", argv);
            let in_force = "7 run-a 99999999999999\n";
            for held in [
                "",
                "\n",
                "8 run-a 99999999999999\n",
                "7 run-b 99999999999999\n",
                "7 run-a 1\n",
                "7 - 0\n",
            ] {
                assert_eq!(run(held, &["touch", "/never"]), 70, "{shell:?} {held:?}");
            }
            assert!(!path.join("step.pid").exists());
            assert_eq!(
                run(in_force, &["sh", "-c", "echo out; echo err >&2; exit 9"]),
                9
            );
            let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
            assert_eq!(read("step.exit"), "7-1   9\n", "{shell:?}");
            assert_eq!(
                (read("step.out"), read("step.err")),
                ("out\n".into(), "err\n".into())
            );
            assert_eq!(run(in_force, &["sh", "-c", "kill -9 $$"]), 137, "{shell:?}");
            assert_eq!(read("step.exit"), "7-1 137\n", "{shell:?}");
            // The command does not have the lock.
            let lock = path.join("effect.lock");
            let free = ["sh", "-c", "! ls -l /proc/self/fd | grep effect.lock", "sh"];
            assert_eq!(run(in_force, &free), 0, "{shell:?}");
            let held_elsewhere = super::super::lock_file::LockFile::take(&lock).unwrap();
            assert!(held_elsewhere.is_some());
            assert_eq!(run(in_force, &["touch", "/never"]), 71, "{shell:?}");
        }
    }
}
