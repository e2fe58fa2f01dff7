//! `cluster.toml`: its types, defaults and validation, and secrets as references.
