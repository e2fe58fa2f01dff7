//! Ctrl-C, SIGTERM and SIGHUP, as the engine's [`Interrupt`].

use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use crate::engine::Interrupt;
use crate::exit::Exit;

/// Listens for signals while it lives.
pub(super) struct Listening {
    handle: Option<Handle>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Listening {
    /// From now on each signal asks the run to stop, and `tell` is told how often that makes; the third Ctrl-C ends the
    /// program at once.
    pub(super) fn begin(interrupt: Arc<Interrupt>, tell: impl Fn(u32) + Send + 'static) -> Self {
        // Without signals a run can still be ended; it only can't be asked to stop.
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
            return Self {
                handle: None,
                thread: None,
            };
        };
        let handle = signals.handle();
        let thread = std::thread::spawn(move || {
            for signal in signals.forever() {
                // A service manager or a closed terminal asks once, however often it sends.
                if signal != SIGINT && interrupt.times() > 0 {
                    continue;
                }
                let times = interrupt.ask();
                if times >= 3 {
                    std::process::exit(i32::from(Exit::Interrupted.code()));
                }
                tell(times);
            }
        });
        Self {
            handle: Some(handle),
            thread: Some(thread),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.close();
        }
        if let Some(thread) = self.thread.take() {
            // A listener that failed has nothing to clean up.
            let _ = thread.join();
        }
    }
}
