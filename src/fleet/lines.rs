//! What a command writes, cut into lines as they come.

use std::io::{self, Write};

/// The longest line that is waited for; a longer one is told in pieces.
const LONGEST: usize = 64 << 10;

/// Cuts what is written into lines, and keeps a copy where one is wanted.
pub(super) struct Lines<'a> {
    begun: Vec<u8>,
    copy: Option<Box<dyn Write + Send + 'a>>,
    tell: Box<dyn FnMut(Vec<u8>) + Send + 'a>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(
        copy: Option<Box<dyn Write + Send + 'a>>,
        tell: impl FnMut(Vec<u8>) + Send + 'a,
    ) -> Self {
        Self {
            begun: Vec::new(),
            copy,
            tell: Box::new(tell),
        }
    }

    /// Tells what is left: a last line without an end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.begun.is_empty() {
            let rest = std::mem::take(&mut self.begun);
            (self.tell)(rest);
        }
        self.copy.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(copy) = &mut self.copy {
            copy.write_all(bytes)?;
        }
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            let mut whole = std::mem::take(&mut self.begun);
            whole.extend_from_slice(line);
            if whole.last() == Some(&b'\r') {
                whole.pop();
            }
            (self.tell)(whole);
            rest = after.get(1..).unwrap_or_default();
        }
        self.begun.extend_from_slice(rest);
        while self.begun.len() > LONGEST {
            let after = self.begun.split_off(LONGEST);
            let piece = std::mem::replace(&mut self.begun, after);
            (self.tell)(piece);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut told, mut copy) = (Vec::new(), Vec::new());
        let mut lines = Lines::new(Some(Box::new(&mut copy)), |line| told.push(line));
        for piece in pieces {
            lines.write_all(piece).unwrap();
        }
        lines.finish().unwrap();
        (told, copy)
    }

    #[test]
    fn lines_are_whole_wherever_they_are_torn() {
        let (told, copy) = cut(&[b"a\nb", b"c\r\n", b"\n", b"end"]);
        assert_eq!(told, [&b"a"[..], b"bc", b"", b"end"]);
        assert_eq!(copy, b"a\nbc\r\n\nend");
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let long = vec![b'x'; 3 * LONGEST + 5];
        let (told, copy) = cut(&[&long]);
        assert_eq!(
            told.iter().map(Vec::len).collect::<Vec<_>>(),
            [LONGEST, LONGEST, LONGEST, 5]
        );
        assert_eq!(copy.len(), long.len());
    }
}
