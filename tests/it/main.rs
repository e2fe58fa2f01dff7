//! The integration tests: one binary, a module a subject.

mod build;
mod plan_text;
mod sample;
