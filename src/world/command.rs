//! Effects that a command has: run under the node's fence, so that they outlive us if they must.

use std::path::Path;

use zeroize::Zeroizing;

use super::effect::{Commanded, Effect, Record};
use super::process::{self, Process};
use super::vault::Vault;
use super::watch::Watch;
use crate::config::SecretRef;
use crate::engine::{Fault, FaultKind};
use crate::plan::{Argv, Millis, Outputs, RemotePath};

/// The wrapper that takes the lock, checks the epoch and leaves the outcome on the node.
const FENCE: &str = include_str!("fence.sh");

/// The output that tells a command's exit code.
const EXIT: &str = "exit";

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
        Ok(code) => Err(not_started(effect, code, job.dir)),
        // Where the system does not tell us of our children, the fence still does.
        Err(fault) if fault.kind == FaultKind::LostOutcome => match effect.exit_code(&record) {
            Some(code) => judge(effect, &commanded, code, vault),
            None => return Err(fault),
        },
        Err(fault) if was_started => Err(with_last_lines(fault, effect, vault)),
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

fn judge(
    effect: &Effect<'_>,
    command: &Commanded,
    code: i64,
    vault: &Vault,
) -> Result<Outputs, Fault> {
    if command.success.contains(&code) {
        return Ok(Outputs::from([(EXIT.to_owned(), code.to_string())]));
    }
    let what = format!("`{}` ended with exit code {code}", command.shown);
    let fault = Fault::new(FaultKind::Failed, what);
    // What could not be recognised in the output could not be masked.
    Err(if all_known(command, vault) {
        with_last_lines(fault, effect, vault)
    } else {
        fault.hint(where_output_is(effect))
    })
}

fn all_known(command: &Commanded, vault: &Vault) -> bool {
    command.secrets.iter().all(|r| vault.secret(r).is_ok())
}

/// A command may repeat the secrets that it read: they don't stay on the node.
fn mask_output(effect: &Effect<'_>, command: &Commanded, vault: &Vault) {
    if command.secrets.is_empty() {
        return;
    }
    for ending in ["out", "err"] {
        let path = effect.path(ending);
        // Where that can't be done, the file stays as it is: for the eyes of its owner only.
        let _ = if all_known(command, vault) {
            process::mask_file(&path, vault)
        } else {
            process::withhold_file(&path)
        };
    }
}

fn with_last_lines(mut fault: Fault, effect: &Effect<'_>, vault: &Vault) -> Fault {
    let mut lines = process::last_lines(&effect.path("err"), vault);
    if lines.is_empty() {
        lines = process::last_lines(&effect.path("out"), vault);
    }
    if !lines.is_empty() {
        fault.what.push_str("; it wrote:");
        fault.what.push_str(&lines);
    }
    fault.hint(where_output_is(effect))
}

fn where_output_is(effect: &Effect<'_>) -> String {
    format!(
        "all that it wrote is in {} and {}",
        effect.path("out").display(),
        effect.path("err").display()
    )
}

/// What the fence says with an exit code of its own; see there.
fn not_started(effect: &Effect<'_>, code: i64, dir: Option<&RemotePath>) -> Fault {
    let dir = dir.map_or("/", RemotePath::as_str);
    match code {
        69 => Fault::new(FaultKind::Failed, "there is no program `flock` on the node")
            .hint("install it: it is a part of util-linux and of busybox"),
        70 => effect.guard().err().unwrap_or_else(|| {
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
            format!("nothing can be written to {}", effect.folder().display()),
        ),
        code => Fault::new(
            FaultKind::Failed,
            format!("the shell that was to start the command ended with exit code {code}"),
        ),
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
