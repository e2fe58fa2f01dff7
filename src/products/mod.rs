//! What is particular to vendors' products, a folder each.
//!
//! A product's planners are pure: from what the cluster file says and what was found to a [`Plan`](crate::plan::Plan).
//! What has to be found is asked in probes ([`Questions`]) and read from their answers ([`Answers`]): this room looks at
//! nothing by itself.

mod questions;
pub mod urbancode;

pub use questions::{Answers, Question, Questions, Unanswered};
