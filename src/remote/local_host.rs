//! This machine.

use std::io;
use std::process::Command;
use std::sync::Arc;

use super::process::{self, Process};
use super::{BackEnd, Exit, Host, Line, Patience, RemoteError, RemoteErrorKind, Streams};
use crate::config::SecretStore;

/// This machine: commands are its processes, in sessions of their own, and no shell reads them.
#[derive(Default)]
pub struct LocalHost {
    secrets: Option<Arc<SecretStore>>,
}

impl LocalHost {
    /// This machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// This machine; its commands don't see the variables that these secrets come from.
    pub fn hiding(secrets: Arc<SecretStore>) -> Self {
        Self {
            secrets: Some(secrets),
        }
    }
}

impl Host for LocalHost {
    fn exec(
        &self,
        line: &Line,
        streams: Streams<'_>,
        patience: &Patience<'_>,
    ) -> Result<Exit, RemoteError> {
        let Some((program, arguments)) = line.words().split_first() else {
            return Ok(Exit::Code(0));
        };
        let mut command = process::command(program);
        command.args(arguments);
        if let Some(secrets) = &self.secrets {
            secrets.scrub(&mut command);
        }
        match start(command, program, &streams) {
            Ok(process) => process.run(streams, patience),
            Err(error) => not_started(program, &error, &mut *streams.err),
        }
    }

    fn back_end(&self) -> BackEnd {
        BackEnd::Local
    }
}

fn start(command: Command, program: &str, streams: &Streams<'_>) -> io::Result<Process> {
    Process::start(command, format!("`{program}`"), &streams.input)
}

/// A program that is not there is no trouble of the machine's: it ends as it does with every shell.
fn not_started(
    program: &str,
    error: &io::Error,
    err: &mut dyn io::Write,
) -> Result<Exit, RemoteError> {
    let code = match error.kind() {
        io::ErrorKind::NotFound => 127,
        io::ErrorKind::PermissionDenied => 126,
        io::ErrorKind::ArgumentListTooLong => return Err(RemoteError::too_long(128)),
        _ => {
            let what = format!("`{program}` can't be started on this machine: {error}");
            return Err(RemoteError::new(RemoteErrorKind::Here, what));
        }
    };
    writeln!(err, "{program}: {error}").map_err(|error| RemoteError::of_stream(&error))?;
    Ok(Exit::Code(code))
}
