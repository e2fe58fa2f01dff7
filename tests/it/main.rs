//! The integration tests: one binary, a module a subject.

#![cfg(test)]

mod build;
mod plan_runbook;
mod plan_text;
mod sample;
