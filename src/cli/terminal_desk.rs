//! The runner's own side for real: a person at the terminal, and hooks as processes.

use std::io::{BufRead as _, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::io::Stream;
use crate::config::SecretStore;
use crate::engine::{Answer, Desk};
use crate::plan::{Hook, Step};
use crate::view::Suspend;

/// The person and the hooks of this machine.
pub(super) struct TerminalDesk {
    pub(super) err: Stream,
    pub(super) suspend: Suspend,
    pub(super) interactive: bool,
    /// Whether the view tells people what is asked of them.
    pub(super) told: bool,
    pub(super) secrets: Arc<SecretStore>,
}

impl Desk for TerminalDesk {
    fn ask(&self, step: &Step, request: &str, evidence: &str) -> Answer {
        if !self.interactive {
            return Answer::Nobody;
        }
        let _terminal = self.suspend.hold();
        // The view has told the request, unless it speaks to a program.
        let request = if self.told {
            String::new()
        } else {
            format!("{}\n", shown(request))
        };
        self.err.print(&format!(
            "\n{}\n{request}Evidence: {}\nType the evidence when it is done, or an empty line to stop here.\n> ",
            shown(&step.title),
            shown(evidence),
        ));
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => Answer::Nobody,
            Ok(_) if line.trim().is_empty() => Answer::No,
            Ok(_) => Answer::Done {
                evidence: line.trim().to_owned(),
            },
        }
    }

    fn hook(&self, hook: &Hook, environment: &[(&str, String)]) -> Result<(), String> {
        let words = hook.command.words();
        let Some((program, arguments)) = words.split_first() else {
            return Err("the hook has no command".to_owned());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // A Ctrl-C at the terminal is for the run, which decides what becomes of its hooks.
        command.process_group(0);
        self.secrets.scrub(&mut command);
        command.envs(environment.iter().map(|(name, value)| (*name, value)));
        let mut child = command
            .spawn()
            .map_err(|error| format!("`{program}`: {error}"))?;
        let said = child.stderr.take();
        let listener = std::thread::spawn(move || {
            let mut text = String::new();
            // What can't be read is not told; the exit code still is.
            let _ = said.map(|said| said.take(4096).read_to_string(&mut text));
            text
        });
        let status = wait(&mut child, hook.deadline.duration());
        let Some(status) = status else {
            end(&mut child);
            return Err(format!(
                "it took longer than {} and was ended",
                hook.deadline
            ));
        };
        if status.success() {
            return Ok(());
        }
        // A child that the hook left behind may keep the stream open for ever.
        let text = if listener.is_finished() || settle(&listener) {
            listener.join().unwrap_or_default()
        } else {
            String::new()
        };
        let last = text
            .lines()
            .last()
            .map(|line| format!(": {}", shown(line)))
            .unwrap_or_default();
        Err(format!("it ended with {status}{last}"))
    }
}

fn shown(text: &str) -> String {
    crate::plan::printable::lines(text)
        .collect::<Vec<_>>()
        .join("\n")
}

fn settle(listener: &std::thread::JoinHandle<String>) -> bool {
    let began = Instant::now();
    while !listener.is_finished() && began.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(5));
    }
    listener.is_finished()
}

/// Waits for a child this long.
fn wait(child: &mut Child, deadline: Duration) -> Option<std::process::ExitStatus> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Err(_) => return None,
            Ok(None) if began.elapsed() >= deadline => return None,
            Ok(None) => {}
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Ends a child and everything in its group.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
    {
        // It may have ended by itself just now.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}
