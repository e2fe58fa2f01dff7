//! The integration tests: one binary, a module a subject.

mod crash_matrix;
mod every_kind;
mod scale;
