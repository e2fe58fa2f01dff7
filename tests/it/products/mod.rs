//! What is particular to products, on stand-in servers behind a real HAProxy.

mod cluster;
mod connect;
mod convert;
mod refusals;
mod restart;
mod status;
