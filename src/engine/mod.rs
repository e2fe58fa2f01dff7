//! The engine.

mod cancel;
mod event;
mod fault;
mod world;

pub use cancel::Cancel;
pub use event::{EVENT_FORMAT, Event, Happening, How};
pub use fault::{Fault, FaultKind};
pub use world::{
    Call, Claim, ClaimError, Direction, Epoch, Holder, Holding, Look, NodeRecord, Release, Runner,
    World,
};
