//! The integration tests: one binary, a module a subject.

#![cfg(test)]

mod crash_matrix;
mod every_kind;
mod fuzz_properties;
mod nasty;
mod properties_hostile;
mod properties_oracle;
mod scale;
