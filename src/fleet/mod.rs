//! One errand on many machines at once: who is asked, what they say, how it ends.
//!
//! A fixed number of threads takes one machine after the other; each connects, runs, and lets go of it, so that a
//! thousand machines need no more memory than thirty. What happens is told as [`News`] in one place, in the order in
//! which it happens; a failure on one machine takes nothing from the others.
//!
//! This room knows machines and their names; it takes no lock and changes nothing by itself.

mod each;
mod lines;
mod news;
mod survey;
mod visit;

pub use each::each;
pub use news::{End, News, Stream};
pub use survey::Survey;
pub use visit::{Dial, Errand, visit};

use lines::Lines;
