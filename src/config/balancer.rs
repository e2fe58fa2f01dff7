//! The balancer in front of the servers.

use std::collections::BTreeSet;

use super::{BalancerKind, HumanDuration, NodeName, PoolName, RuntimeSocket};

/// The balancer, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Balancer {
    /// What it is.
    pub kind: BalancerKind,
    /// The nodes on which it runs.
    pub nodes: BTreeSet<NodeName>,
    /// Its pools, in the order in which they are worked on.
    pub pools: Vec<PoolName>,
    /// Where its runtime interface listens.
    pub socket: RuntimeSocket,
    /// How many servers must serve in each pool while another is taken out.
    pub min_in_service: u32,
    /// For how long a drained server must have had no request before it is taken out.
    pub drain_grace: HumanDuration,
    /// How long that may take.
    pub drain_timeout: HumanDuration,
}
