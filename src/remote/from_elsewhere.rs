//! How a machine is reached by another one than this, without what is written down here.

/// What another machine has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromElsewhere {
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The keys by which it is known here, as lists have them after the name.
    pub keys: Vec<String>,
}
