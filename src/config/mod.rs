//! `cluster.toml`: its types, defaults and validation, and secrets as references.

mod node_name;
mod secret_ref;

pub use node_name::NodeName;
pub use secret_ref::SecretRef;
