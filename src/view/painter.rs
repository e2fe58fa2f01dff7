//! What every view of a run can do.

use std::time::Duration;

use crate::engine::Event;

/// A view of a run. Times count from when the watching began, so that tests and replays bring their own.
pub(super) trait Painter {
    /// Shows an event.
    fn show(&mut self, event: &Event, now: Duration);

    /// Some time has passed.
    fn tick(&mut self, now: Duration);

    /// Goes to a fresh line, when somebody else may have left the cursor in the middle of one.
    fn break_line(&mut self);

    /// Takes everything off the terminal that would be in somebody else's way.
    fn hide(&mut self);

    /// Takes down what was up only for the time being, and writes what is held back.
    fn end(&mut self) -> std::io::Result<()>;
}
