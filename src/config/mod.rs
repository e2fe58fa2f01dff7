//! The cluster file, `cluster.toml`: its types, defaults and validation, where
//! secrets are found, and which nodes a selection means.
//!
//! A file becomes a [`Cluster`], in which every default is applied and every
//! value checked, or a [`ConfigError`], which names each problem with its line
//! and column. The types of the private module `cluster_file` are the only
//! list of keys: the JSON Schema ([`schema()`]), the check for unknown keys and
//! the test of `templates/cluster.toml` are read off them. A key that nothing
//! reads has no place there.
//!
//! A secret's value is never part of the configuration. A [`SecretRef`] says
//! where it is found, a [`SecretStore`] fetches it when it is first needed, and
//! a [`Secret`] shows it to nobody who doesn't ask by name. Errors mask lines
//! that may hold a secret by mistake.
//!
//! This module knows no node, no network and no vendor's procedure.
//!
//! ```
//! use clusterctl::config::{Cluster, Selection};
//!
//! let cluster = Cluster::parse("name = 'demo'\n[nodes.ucd1]\n[nodes.ucd2]", "cluster.toml")?;
//! let selection: Selection = "ucd*,!ucd2".parse()?;
//! assert_eq!(cluster.select(&selection)?[0].name.as_str(), "ucd1");
//!
//! let error = Cluster::parse("nam = 'demo'\n[nodes.ucd1]", "cluster.toml").unwrap_err();
//! assert_eq!(error.problems()[0].message(), "unknown key `nam`; did you mean `name`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod argv;
mod balancer;
mod cluster;
mod cluster_file;
mod cluster_name;
mod config_error;
mod document;
mod endpoint;
mod fingerprint;
mod glob;
mod human_duration;
mod mask;
mod nearest;
mod node_name;
mod node_path;
mod pool_name;
mod resolved_node;
mod rest_trust;
mod runtime_socket;
mod schema;
mod secret;
mod secret_command;
mod secret_error;
mod secret_name;
mod secret_ref;
mod secret_store;
mod selection;
mod shape;
mod source;
mod tag;
mod web_url;
mod word;

pub use address::{Address, InvalidAddress};
pub use argv::{Argv, InvalidArgv};
pub use balancer::Balancer;
pub use cluster::Cluster;
pub use cluster_file::{
    BalancerKind, Hook, Hooks, HostKeyPolicy, NodeRole, Product, RunSettings, SshBackEnd,
};
pub use cluster_name::ClusterName;
pub use config_error::{ConfigError, Problem, Problems};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use human_duration::{HumanDuration, InvalidDuration};
pub use mask::{MASK, mask, needles};
pub use nearest::nearest;
pub use node_name::NodeName;
pub use node_path::{InvalidPath, NodePath};
pub use pool_name::PoolName;
pub use resolved_node::{ResolvedNode, ServiceCommands, SshSettings, SudoSettings};
pub use rest_trust::RestTrust;
pub use runtime_socket::{InvalidSocket, RuntimeSocket};
pub use schema::schema;
pub use secret::Secret;
pub use secret_error::SecretError;
pub use secret_name::SecretName;
pub use secret_ref::{GivenSecrets, InvalidSecretRef, SecretRef, scrub_environment};
pub use secret_store::SecretStore;
pub use selection::{Selection, SelectionError};
pub use tag::Tag;
pub use web_url::{InvalidUrl, WebUrl};
pub use word::InvalidName;
