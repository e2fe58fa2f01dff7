//! The command line as people and scripts meet it: the real program, its output and its exit codes.

mod lab;

mod edits;
mod help;
mod history;
mod interrupts;
mod plans;
mod refusals;
mod secrets;
mod streams;
