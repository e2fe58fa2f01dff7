//! Machines over SSH: real `sshd` processes, and hosts that only pretend to be one.

pub(crate) mod account;
pub(crate) mod agent;
mod conformance;
mod far;
pub(crate) mod lab;
mod lab_itself;
pub(crate) mod server;
mod sudo;
mod system;
mod troubles;
pub(crate) mod wires;
