//! The one thread on which calls are made.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::remote::{Patience, RemoteError};

/// How often it is asked whether somebody broke it off.
const LOOK: Duration = Duration::from_millis(20);

/// A thread that drives calls, and keeps their connections awake between them. It ends when this is dropped.
pub(super) struct Worker {
    runtime: Handle,
    /// The thread works until this falls.
    _stay: oneshot::Sender<()>,
}

/// Why work has no result.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// Its time was up, or somebody broke it off.
    Stopped(RemoteError),
    /// It panicked.
    Died,
}

impl Worker {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stay, stayed) = oneshot::channel::<()>();
        thread::Builder::new()
            .name("rest".to_owned())
            .spawn(move || {
                // It ends with an error, for nobody ever sends anything.
                let _ = runtime.block_on(stayed);
                // A name that is still being looked up is nobody's concern any more.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            runtime: handle,
            _stay: stay,
        })
    }

    /// Waits for the end of work. What is broken off is over, with all its connections, when this returns.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        what: &str,
        patience: &Patience<'_>,
    ) -> Result<T, Unfinished> {
        patience.check(what).map_err(Unfinished::Stopped)?;
        let (give, get) = sync_channel(1);
        let task = self.runtime.spawn(async move {
            // Whoever waited may be gone.
            let _ = give.send(work.await);
        });
        loop {
            match get.recv_timeout(LOOK.min(patience.left())) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Disconnected) => return Err(Unfinished::Died),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(stopped) = patience.check(what) {
                task.abort();
                // The other end falls with the task. If it was quicker, there is a result.
                return get.recv().map_err(|_| Unfinished::Stopped(stopped));
            }
        }
    }
}
