//! A stand-in for an `UrbanCode` Deploy server.
//!
//! It is a real process with real ports, files and keystores, and behaves as the vendor's manual and what is publicly
//! known of the product say: it shares a database (a file here) with the other servers of its cluster, runs requests that
//! whichever server polls first finds, and lets a process die with its server.

pub(crate) mod agent;
pub(crate) mod database;
mod faults;
pub(crate) mod files;
mod guest;
mod http;
pub(crate) mod install;
mod keystore;
mod layout;
mod mesh;
pub(crate) mod relay;
mod rest;
mod script;
pub(crate) mod server;
