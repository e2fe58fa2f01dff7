//! What the program is connected to.

use std::io::{self, IsTerminal, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::view::{Quiet, Surroundings};

/// What the program reads from, writes to, and sees of its environment.
pub struct Io {
    /// Results go here.
    pub out: Stream,
    /// Progress, questions and errors go here.
    pub err: Stream,
    /// Input comes from here.
    pub input: Box<dyn Read + Send>,
    /// What surrounds the results.
    pub out_surroundings: Surroundings,
    /// What surrounds the progress.
    pub err_surroundings: Surroundings,
    /// Whether a person can be asked.
    pub interactive: bool,
}

impl Io {
    /// The streams and the environment of this process.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let columns = |size: Option<(u16, u16)>| size.map(|(columns, _)| columns);
        let out_is_terminal = io::stdout().is_terminal();
        let err_is_terminal = io::stderr().is_terminal();
        Self {
            out: Stream::new(io::stdout()),
            err: Stream::new(io::stderr()),
            input: Box::new(io::stdin()),
            out_surroundings: Surroundings::new(
                out_is_terminal,
                columns(crate::view::size_of_stdout()),
                variable,
            ),
            err_surroundings: Surroundings::new(
                err_is_terminal,
                columns(crate::view::size_of_stderr()),
                variable,
            ),
            interactive: io::stdin().is_terminal() && err_is_terminal,
        }
    }
}

/// A stream that several parts of the program write to; clones share it.
///
/// When its reader goes away, what is written goes nowhere and nothing fails.
#[derive(Clone)]
pub struct Stream(Arc<Mutex<Quiet<Box<dyn Write + Send>>>>);

impl Stream {
    /// A stream that leads there.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Quiet::new(Box::new(to)))))
    }

    /// Writes a text.
    pub fn print(&self, text: &str) {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The stream keeps its failure until the end.
        let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    }

    /// Writes bytes as they are.
    pub fn print_bytes(&self, bytes: &[u8]) {
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The stream keeps its failure until the end.
        let _ = to.write_all(bytes).and_then(|()| to.flush());
    }

    /// What went wrong with the stream, other than that its reader went away.
    pub fn finish(&self) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .finish()
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}
