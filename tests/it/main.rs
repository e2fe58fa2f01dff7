//! The integration tests: one binary, a module a subject.

#![cfg(test)]

mod config_cases;
mod config_template;
mod crash_matrix;
mod every_kind;
mod fuzz_config;
mod fuzz_properties;
mod nasty;
mod properties_hostile;
mod properties_oracle;
mod scale;
mod secret_store;
