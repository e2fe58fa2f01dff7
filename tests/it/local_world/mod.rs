//! The world of this machine: real files, real locks, real processes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what helps a test may fail it too"
)]

mod bench;
mod claims;
mod commands;
mod files;
mod kills;
mod probes;
mod trees;
