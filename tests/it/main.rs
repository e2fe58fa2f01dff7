//! The integration tests: one binary, a module a subject.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the tests' own helpers may say \"this cannot fail here\" as the tests may"
)]

mod config_cases;
mod config_template;
mod fuzz_config;
mod secret_store;
