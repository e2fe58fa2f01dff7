//! The name of a cluster.

super::word::word_type! {
    /// The name of a cluster, as runs and reports show it.
    ClusterName, "cluster name"
}

impl ClusterName {
    /// The name of the cluster that is this machine alone.
    pub(super) fn this_machine() -> Self {
        Self("this-machine".to_owned())
    }
}
