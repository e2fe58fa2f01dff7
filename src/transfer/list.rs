//! The paths of some entries, as programs on a node read them.

use std::io::{self, Read};

use super::bits::Bits;
use super::delta::word;
use super::manifest::Manifest;

/// Paths, each with a zero byte, made as they are read; then what else is told.
pub(super) struct List<'a> {
    manifest: &'a Manifest,
    which: &'a Bits,
    next: usize,
    rest: &'a [u8],
    ready: Vec<u8>,
    given: usize,
}

impl<'a> List<'a> {
    pub(super) fn new(manifest: &'a Manifest, which: &'a Bits, rest: &'a [u8]) -> Self {
        Self {
            manifest,
            which,
            next: 0,
            rest,
            ready: Vec::new(),
            given: 0,
        }
    }
}

impl Read for List<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
            while self.ready.len() < into.len()
                && let Some(entry) = self.manifest.get(self.next)
            {
                if self.which.has(self.next) {
                    word(self.manifest.path(entry), &mut self.ready);
                }
                self.next += 1;
            }
            if self.ready.is_empty() {
                self.ready.extend_from_slice(std::mem::take(&mut self.rest));
            }
        }
        let much = into.len().min(self.ready.len() - self.given);
        into[..much].copy_from_slice(&self.ready[self.given..self.given + much]);
        self.given += much;
        Ok(much)
    }
}
