//! What a command reads, with something before it that is for the shell that starts it.

use std::io::{self, Read};

use super::Input;

/// Bytes for the shell, and then what the command reads.
pub(super) struct Ahead<'b, 'a> {
    ahead: &'b [u8],
    input: Input<'a>,
}

impl<'b, 'a> Ahead<'b, 'a> {
    pub(super) fn new(ahead: &'b [u8], input: Input<'a>) -> Self {
        Self { ahead, input }
    }
}

impl Ahead<'_, '_> {
    /// What the command reads, where nothing goes before it.
    pub(super) fn rest(&mut self) -> Input<'_> {
        self.input.lent()
    }
}

impl Read for Ahead<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            return self.ahead.read(buffer);
        }
        match &mut self.input {
            Input::Nothing => Ok(0),
            Input::Bytes(bytes) => bytes.read(buffer),
            Input::Reader(reader) => reader.read(buffer),
        }
    }
}
