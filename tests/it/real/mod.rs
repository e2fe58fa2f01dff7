//! The program itself on this machine: real files, real processes, and kills at any instant.

mod everything;
mod kills;
mod lab;
mod outlives;
mod processes;
mod sketch;
mod two_runners;
mod walk;
