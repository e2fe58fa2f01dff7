//! clusterctl turns a vendor's manual page for a server cluster into a plan
//! that can be read, approved, applied exactly, interrupted, resumed, undone
//! and proved.

pub mod config;
pub mod engine;
pub mod exit;
pub mod plan;
pub mod primitives;
pub mod properties;
pub mod rehearse;
pub mod store;
pub mod view;
pub mod world;
