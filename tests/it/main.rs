//! The integration tests: one binary, a module a subject.

#[cfg(test)]
mod fuzz_properties;
#[cfg(test)]
mod nasty;
#[cfg(test)]
mod properties_oracle;
