//! The names of pools and of the servers in them.

super::word::word_type! {
    /// The name of a balancer's pool, or of a server in one.
    PoolName, "name in a balancer"
}
