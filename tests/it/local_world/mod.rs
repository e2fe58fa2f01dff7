//! The world of this machine: real files, real locks, real processes.
pub(crate) mod bench;
mod claims;
mod commands;
mod files;
mod kills;
mod probes;
mod trees;

use std::collections::BTreeMap;
use std::sync::Arc;

use clusterctl::config::{NodeName, SecretStore};
use clusterctl::plan::Target;
use clusterctl::world::LocalWorld;

/// The world that these tests try.
pub(crate) type TheWorld = LocalWorld;

/// Whether all other addresses are out of its reach.
pub(crate) const REACHES_ONLY_THIS_MACHINE: bool = true;

pub(crate) fn the_world(
    targets: &BTreeMap<NodeName, Target>,
    secrets: Arc<SecretStore>,
) -> TheWorld {
    LocalWorld::new(targets, secrets)
}
