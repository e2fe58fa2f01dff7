//! A journal in memory, whose writer can die before, in the midst of and after a line.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Instants;
use crate::engine::Log;

/// A journal in memory; clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    bytes: Arc<Mutex<Vec<u8>>>,
    instants: Arc<Instants>,
    room: Option<usize>,
}

impl MemoryLog {
    /// A journal that holds these bytes already.
    pub fn new(bytes: Vec<u8>, instants: Arc<Instants>) -> Self {
        Self {
            bytes: Arc::new(Mutex::new(bytes)),
            instants,
            room: None,
        }
    }

    /// The same on a disk that has room for so many bytes in all.
    #[must_use]
    pub fn with_room(mut self, room: usize) -> Self {
        self.room = Some(room);
        self
    }

    /// What is written.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Log for MemoryLog {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let dead = |fault: crate::engine::Fault| io::Error::other(fault.what);
        self.instants.pass().map_err(dead)?;
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if self
            .room
            .is_some_and(|room| bytes.len() + line.len() > room)
        {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if let Err(fault) = self.instants.pass() {
            bytes.extend_from_slice(line.get(..line.len() / 2).unwrap_or_default());
            return Err(dead(fault));
        }
        bytes.extend_from_slice(line);
        self.instants.pass().map_err(dead)
    }
}
