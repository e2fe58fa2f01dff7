//! The integration tests: one binary, a module a subject.

#[cfg(test)]
mod nasty;
#[cfg(test)]
mod properties_oracle;
