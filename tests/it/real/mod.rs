//! The program itself on this machine: real files, real processes, and kills at any instant.

mod calls;
mod canaries;
mod elsewhere;
mod everything;
mod full_disk;
mod interrupts;
mod kills;
pub(crate) mod lab;
mod outlives;
pub(crate) mod processes;
mod sketch;
mod stopped;
mod two_runners;
mod walk;
