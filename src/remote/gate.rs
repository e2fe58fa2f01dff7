//! How many connections may be under way at once: altogether, and to one server.
//!
//! A server that many log in to at the same time drops some of them, as `MaxStartups` makes it do.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Patience, RemoteError};

/// How often whoever waits looks whether it was broken off.
const GLANCE: Duration = Duration::from_millis(50);

/// Lets so many through at once.
#[derive(Debug)]
pub(super) struct Gate {
    overall: usize,
    per_server: usize,
    under_way: Mutex<UnderWay>,
    fewer: Condvar,
}

#[derive(Debug, Default)]
struct UnderWay {
    overall: usize,
    by_server: HashMap<String, usize>,
}

impl Gate {
    pub(super) fn new(overall: usize, per_server: usize) -> Self {
        Self {
            overall: overall.max(1),
            per_server: per_server.max(1),
            under_way: Mutex::default(),
            fewer: Condvar::new(),
        }
    }

    /// Waits for a place. Whoever has got one is under way until the place is dropped.
    pub(super) fn enter(
        &self,
        server: &str,
        patience: &Patience<'_>,
    ) -> Result<UnderWayHere<'_>, RemoteError> {
        let mut under_way = self.lock();
        loop {
            let here = under_way.by_server.get(server).copied().unwrap_or(0);
            if under_way.overall < self.overall && here < self.per_server {
                under_way.overall += 1;
                under_way.by_server.insert(server.to_owned(), here + 1);
                let server = server.to_owned();
                return Ok(UnderWayHere { gate: self, server });
            }
            patience.check("waiting for other connections to be made")?;
            let waited = self.fewer.wait_timeout(under_way, GLANCE);
            under_way = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is under way.
pub(super) struct UnderWayHere<'a> {
    gate: &'a Gate,
    server: String,
}

impl Drop for UnderWayHere<'_> {
    fn drop(&mut self) {
        let mut under_way = self.gate.lock();
        under_way.overall -= 1;
        if let Some(here) = under_way.by_server.get_mut(&self.server) {
            *here -= 1;
            if *here == 0 {
                under_way.by_server.remove(&self.server);
            }
        }
        drop(under_way);
        self.gate.fewer.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_and_no_more() {
        let gate = Gate::new(3, 2);
        let now = || Patience::unbroken(Duration::ZERO);
        let first = gate.enter("a", &now()).ok();
        let _second = gate.enter("a", &now()).ok();
        assert!(gate.enter("a", &now()).is_err());
        let _third = gate.enter("b", &now()).ok();
        assert!(gate.enter("c", &now()).is_err());
        drop(first);
        assert!(gate.enter("a", &now()).is_ok());
    }
}
