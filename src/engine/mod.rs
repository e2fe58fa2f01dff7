//! The engine: interprets plans against a [`World`], and loses nothing when it is killed.
//!
//! One dispatcher goes through the stages; each lane of a stage has a worker of
//! its own:
//!
//! ```text
//!  Engine::start ─► claim nodes ─► preflight ─► dispatcher ─┬─► worker (lane ucd1) ─┐
//!      resume                        (looks)    stage by     ├─► worker (lane ucd2) ─┤
//!                                               stage        └─► worker (lane ucd3) ─┤
//!                                                                                    ▼
//!            for every step:  guards ─► intent ─► perform ─► proof ─► outcome     events
//!                             World     journal   World      World    journal     ─► view
//! ```
//!
//! An intent is on the runner's disk and on the node's before the effect, its
//! outcome after it. Whoever goes on after a crash has only the journal and the
//! world, and that is enough: a step with an intent and no outcome is done when
//! its proof holds, is done again when its guards hold, and stops the run when
//! neither does.
//!
//! The engine reaches nodes only through [`World`], the person and the hooks only
//! through [`Desk`], its disk only through [`Log`]. It knows no vendor.

mod book;
mod cancel;
mod desk;
mod event;
mod fault;
mod halt;
mod hold;
mod interrupt;
mod journal;
mod judge;
mod plan_text;
mod preflight;
mod progress;
mod reporter;
mod run;
mod session;
mod verdict;
mod worker;
mod world;

pub use cancel::Cancel;
pub use desk::{Answer, Desk};
pub use event::{EVENT_FORMAT, Event, Happening, How};
pub use fault::{Fault, FaultKind};
pub use interrupt::Interrupt;
pub use journal::{
    Decoded, Ending, Entry, JOURNAL_FORMAT, JournalError, Log, Record, StepResult, decode, highest,
    union,
};
pub use plan_text::PlanText;
pub use progress::{Progress, Standing, Start};
pub use reporter::Reporter;
pub use run::{End, Engine, Settings};
pub use world::{
    Amount, Call, Claim, ClaimError, Direction, Epoch, Holder, Holding, Look, NodeRecord, Release,
    Runner, Teller, World,
};
