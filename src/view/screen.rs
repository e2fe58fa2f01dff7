//! The terminal as bars are drawn on it: a writer, and how large it is at the moment.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

use super::Quiet;

/// How large a terminal is: columns and rows, or `None` when it does not tell.
pub type Measure = fn() -> Option<(u16, u16)>;

/// How large the terminal is that standard error goes to.
pub fn size_of_stderr() -> Option<(u16, u16)> {
    size_of(io::stderr())
}

/// How large the terminal is that standard output goes to.
pub fn size_of_stdout() -> Option<(u16, u16)> {
    size_of(io::stdout())
}

#[cfg(unix)]
fn size_of(stream: impl std::os::fd::AsFd) -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some((size.ws_col, size.ws_row))
}

#[cfg(not(unix))]
fn size_of<S>(_stream: S) -> Option<(u16, u16)> {
    None
}

/// A terminal that several can draw on; clones share it.
#[derive(Clone)]
pub(super) struct Screen {
    paper: Arc<Mutex<Paper>>,
    /// How wide it is unless it can be measured.
    width: u16,
    measure: Option<Measure>,
}

struct Paper {
    out: Quiet<Box<dyn Write + Send>>,
    /// One drawing, so that it reaches the terminal whole and does not flicker.
    drawing: Vec<u8>,
}

impl Screen {
    /// The rows of a terminal that does not tell.
    const USUAL_HEIGHT: u16 = 24;

    pub(super) fn new(out: Box<dyn Write + Send>, width: u16, measure: Option<Measure>) -> Self {
        let paper = Paper {
            out: Quiet::new(out),
            drawing: Vec::new(),
        };
        Self {
            paper: Arc::new(Mutex::new(paper)),
            width,
            measure,
        }
    }

    /// Writes rows that stay.
    pub(super) fn print(&self, rows: &[String]) {
        for row in rows {
            let _ = self.write_line(row);
        }
        let _ = self.flush();
    }

    pub(super) fn finish(&self) -> io::Result<()> {
        let mut paper = self.paper();
        let Paper { out, drawing } = &mut *paper;
        out.write_all(drawing)?;
        drawing.clear();
        out.finish()
    }

    /// Columns and rows. A terminal may be made narrower while a run goes on.
    pub(super) fn size(&self) -> (u16, u16) {
        self.measure
            .and_then(|measure| measure())
            .filter(|(columns, rows)| *columns > 0 && *rows > 0)
            .unwrap_or((self.width, Self::USUAL_HEIGHT))
    }

    fn paper(&self) -> MutexGuard<'_, Paper> {
        self.paper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, what: &str) -> io::Result<()> {
        self.paper().drawing.write_all(what.as_bytes())
    }

    fn steer(&self, by: usize, letter: char) -> io::Result<()> {
        match by {
            0 => Ok(()),
            by => self.draw(&format!("\u{1b}[{by}{letter}")),
        }
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.size().0
    }

    fn height(&self) -> u16 {
        self.size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.steer(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.draw(s)?;
        self.draw("\r\n")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.draw(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let mut paper = self.paper();
        let Paper { out, drawing } = &mut *paper;
        out.write_all(drawing)?;
        drawing.clear();
        out.flush()
    }
}
