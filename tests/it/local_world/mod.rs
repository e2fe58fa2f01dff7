//! The world of this machine: real files, real locks, real processes.

mod bench;
mod claims;
mod commands;
mod files;
mod probes;
mod trees;
