//! A file to which lines are only ever added, each on disk before the next.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::engine::Log;

/// A file that grows by whole lines.
#[derive(Debug)]
pub struct FileLog {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// How many bytes of it are whole lines.
    pub(super) length: u64,
}

impl Log for FileLog {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let path = self.path.display();
        // What is written to a file that was removed would be lost with this process.
        if self.file.metadata()?.nlink() == 0 {
            let what = format!("{path}: it was removed while the run goes on");
            return Err(io::Error::new(io::ErrorKind::NotFound, what));
        }
        let written = self
            .file
            .write_all(line)
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What was not acknowledged must not look like a record, nor stand in the way of the next.
            let taken_back = self
                .file
                .set_len(self.length)
                .and_then(|()| self.file.sync_data());
            return Err(match taken_back {
                Ok(()) => io::Error::new(error.kind(), format!("{path}: {error}")),
                Err(also) => io::Error::new(
                    error.kind(),
                    format!("{path}: {error} (and the torn line could not be removed: {also})"),
                ),
            });
        }
        self.length += line.len() as u64;
        Ok(())
    }
}
