//! The remote half of the real world: nodes on which nothing of ours is installed.
//!
//! Everything that happens on a node is a script for its `/bin/sh`, run through
//! [`remote::Host`](crate::remote::Host). The node's folder has the same format
//! as that of a node on this machine, so that either can take over from the other.

mod connections;
mod effect;
mod file_jobs;
mod file_probes;
pub(super) mod files;
mod hold;
mod job;
mod leftovers;
mod listing;
#[expect(
    clippy::module_inception,
    reason = "a type is found by its file's name"
)]
mod node;
mod parts;
mod probes;
mod scripts;
mod sections;
mod survey;
mod trees;
mod trouble;
mod world;

pub use connections::Connect;
pub use world::NodeWorld;
