//! Planners of the everyday verbs that belong to no vendor.
//!
//! Each is a pure function from what is there and what is wanted to a
//! [`Plan`](crate::plan::Plan): it reads no file and asks no clock.

pub mod balance;
pub mod edit_properties;
pub mod push_tree;
