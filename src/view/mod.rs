//! What people and programs see: runs as they happen, tables, errors.
//!
//! A run tells what happens as [events](crate::engine::Event); this room turns
//! them into bars on a terminal, plain lines in a log, or lines of JSON
//! ([`watch`]), as they come or from a recording ([`replay`]). It decides how
//! to show things ([`Look`]), survives readers that go away ([`Quiet`]), and
//! steps aside while somebody is asked a question ([`Suspend`]). It draws
//! [tables](table) and tells [what went wrong](Trouble).
//!
//! It knows events and values only: no files, no nodes, nothing of how a run
//! works. Whatever comes from elsewhere is made harmless for a terminal on its
//! way into a line.
//!
//! ```
//! use clusterctl::view::{Look, Manner, watch};
//!
//! let (tell, events) = std::sync::mpsc::channel();
//! drop(tell); // A run would send its events here, from another thread.
//! watch(&events, &Manner::new(Look::Plain { colour: false }), Box::new(std::io::stderr()))?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod board;
mod brief;
mod errand;
mod json;
mod line;
mod look;
mod marks;
mod moved;
mod painter;
mod plain;
mod quiet;
mod replay_error;
mod screen;
mod suspend;
pub mod table;
mod terminal;
#[cfg(test)]
mod tests;
mod tone;
mod trouble;
mod watch;
mod wording;

pub use errand::{ErrandView, Said, Tally, errand_schema};
pub use look::{ColourChoice, Look, Surroundings, Wanted};
pub use quiet::Quiet;
pub use replay_error::ReplayError;
pub use screen::{Measure, size_of_stderr, size_of_stdout};
pub use suspend::{Held, Suspend};
pub use tone::Tone;
pub use trouble::Trouble;
pub use watch::{Manner, replay, watch};

use board::{Board, Running, Waiting};
use json::Json;
use line::Line;
use marks::Marks;
use moved::Moved;
use painter::Painter;
use plain::Plain;
use screen::Screen;
use terminal::Terminal;
