//! The world of this machine: real files, real locks, real processes.
pub(crate) mod bench;
mod claims;
mod commands;
mod files;
mod kills;
mod probes;
mod trees;
