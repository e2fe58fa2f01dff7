//! What a command reads, from the beginning again if the command was not begun after all.

use std::io::{self, Read};

use zeroize::Zeroizing;

/// How much is kept: more than what fits into a pipe that nobody reads.
const KEPT: usize = 256 << 10;

/// Something to read that can be read again as long as only its beginning was read.
pub(super) struct Again<'a> {
    reader: &'a mut (dyn Read + Send),
    kept: Zeroizing<Vec<u8>>,
    /// How much of what is kept was given out since the last beginning.
    given: usize,
    overflowed: bool,
}

impl<'a> Again<'a> {
    pub(super) fn new(reader: &'a mut (dyn Read + Send)) -> Self {
        Self {
            reader,
            kept: Zeroizing::default(),
            given: 0,
            overflowed: false,
        }
    }

    /// Begins anew; whether that can be done.
    pub(super) fn rewind(&mut self) -> bool {
        self.given = 0;
        !self.overflowed
    }
}

impl Read for Again<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = if self.given < self.kept.len() {
            (&self.kept[self.given..]).read(buffer)?
        } else {
            let count = self.reader.read(buffer)?;
            self.overflowed |= self.given + count > KEPT;
            if self.overflowed {
                return Ok(count);
            }
            if self.kept.capacity() == 0 {
                // It never grows, so that no copy is left unwiped.
                self.kept.reserve_exact(KEPT);
            }
            self.kept.extend_from_slice(&buffer[..count]);
            count
        };
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_read_again_and_more_is_not() {
        let all: Vec<u8> = (0..=255).cycle().take(2 * KEPT).collect();
        let mut source = all.as_slice();
        let mut again = Again::new(&mut source);
        let mut buffer = vec![0; 60_000];
        for length in [10, 60_000] {
            again.read_exact(&mut buffer[..length]).unwrap();
            assert_eq!(buffer[..length], all[..length]);
            assert!(again.rewind());
        }
        let mut rest = Vec::new();
        again.read_to_end(&mut rest).unwrap();
        assert!(rest == all);
        assert!(!again.rewind());
    }
}
