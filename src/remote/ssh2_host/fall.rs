//! Calls of the library that panic on what a server says.
//!
//! The library takes a server's list of ways to log in for text, and panics when it is none. No other call of it tells the
//! list. So a panic is caught here, and is an error like any other: the server alone is broken. Everywhere else a panic
//! ends the program at once, as nobody knows what else it has broken.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

#[cfg(not(panic = "unwind"))]
compile_error!("a server that garbles its list of ways to log in would end the program");

thread_local! {
    /// Whether this thread makes a call that may panic.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Makes a call; nothing if the library panicked. It leaves no lock behind, and the session can still be closed.
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Option<T> {
    let before = CAUGHT.replace(true);
    let called = catch_unwind(AssertUnwindSafe(call));
    CAUGHT.set(before);
    called.ok()
}

/// From now on a panic ends the program with this exit code, but for those that are caught here, of which nobody hears.
pub fn panics_end_the_program(code: u8) {
    let tell = take_hook();
    set_hook(Box::new(move |panic| {
        if !CAUGHT.get() {
            tell(panic);
            // Memory holds secrets, so there must be no core file; and other threads still use what an orderly exit
            // would take down.
            signal_hook::low_level::exit(i32::from(code));
        }
    }));
}
