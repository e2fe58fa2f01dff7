//! Output that may go away without stopping a run.

use std::io::{self, Write};

/// A writer whose failures do not stop whoever writes.
///
/// When the reader of a pipe has gone (`clusterctl … | head`), there is nobody
/// to tell, and the run goes on in silence. Any other failure, such as a full
/// disk, is kept for [`finish`](Quiet::finish), so that it is reported once.
/// After either, nothing more is written.
#[derive(Debug)]
pub struct Quiet<W> {
    to: W,
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    ReaderGone,
    Failed(io::Error),
}

impl<W: Write> Quiet<W> {
    /// Output to this writer.
    pub fn new(to: W) -> Self {
        Self { to, end: None }
    }

    /// Whether the reader has gone.
    pub fn reader_gone(&self) -> bool {
        matches!(self.end, Some(End::ReaderGone))
    }

    /// Writes what is still held back, and tells the failure that was kept, once.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush()?;
        match self.end.take() {
            Some(End::Failed(problem)) => {
                // The writer stays closed; only the message has been handed over.
                self.end = Some(End::ReaderGone);
                Err(problem)
            }
            end => {
                self.end = end;
                Ok(())
            }
        }
    }

    fn attempt(&mut self, what: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.end.is_some() {
            return;
        }
        if let Err(problem) = what(&mut self.to) {
            self.end = Some(if problem.kind() == io::ErrorKind::BrokenPipe {
                End::ReaderGone
            } else {
                End::Failed(problem)
            });
        }
    }
}

impl<W: Write> Write for Quiet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|to| to.write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(Write::flush);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that takes so many bytes and then fails, and counts the calls.
    struct Failing {
        room: usize,
        with: io::ErrorKind,
        calls: usize,
    }

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            if self.room == 0 {
                return Err(self.with.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn failing(with: io::ErrorKind) -> Quiet<Failing> {
        Quiet::new(Failing {
            room: 5,
            with,
            calls: 0,
        })
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_is_not_bothered_again() {
        let mut out = failing(io::ErrorKind::BrokenPipe);
        writeln!(out, "0123456789").unwrap();
        assert!(out.reader_gone());
        let calls = out.to.calls;
        writeln!(out, "more").unwrap();
        out.flush().unwrap();
        assert_eq!(out.to.calls, calls);
        assert!(out.finish().is_ok());
    }

    #[test]
    fn any_other_failure_is_told_once_at_the_end() {
        let mut out = failing(io::ErrorKind::StorageFull);
        writeln!(out, "0123456789").unwrap();
        writeln!(out, "more").unwrap();
        assert!(!out.reader_gone());
        assert_eq!(out.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(out.finish().is_ok());
    }

    #[test]
    fn a_real_pipe_that_closes_is_quiet() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut out = Quiet::new(writer);
        writeln!(out, "hello").unwrap();
        assert!(out.reader_gone());
    }
}
