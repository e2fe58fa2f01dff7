//! What the vendor does not allow, each with a name and the page that says so.

use std::fmt;

use super::vendor;
use crate::config::NodeName;

/// A rule of the vendor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// The manual's page.
    pub page: &'static str,
}

/// The servers of a cluster share one database, and the embedded one can't be shared.
pub const SHARED_DATABASE: Rule = Rule {
    name: "shared-database",
    says: "All servers of a cluster use one database. The embedded one (Derby) belongs to one server alone.",
    page: vendor::CONNECTIONS_PAGE,
};

/// The application data is on storage that all servers reach.
pub const SHARED_STORAGE: Rule = Rule {
    name: "shared-storage",
    says: "All servers of a cluster use one application data folder, on storage that each of them reaches.",
    page: vendor::CONVERT_PAGE,
};

/// The balancer is not for agents that speak JMS.
pub const NO_JMS: Rule = Rule {
    name: "jms-not-balanced",
    says: "The balancer sends on requests of HTTP and HTTPS. JMS goes to the servers themselves; agents and relays have \
           lists of them.",
    page: vendor::CONVERT_PAGE,
};

/// A user's requests go to one server.
pub const PERSISTENCE: Rule = Rule {
    name: "session-persistence",
    says: "The balancer sends all requests of a session to one server.",
    page: vendor::CONVERT_PAGE,
};

/// The cluster's address is not one server's.
pub const OWN_ADDRESS: Rule = Rule {
    name: "balancer-address",
    says: "Users and agents are given the balancer's address, which is none of a server's.",
    page: vendor::CONVERT_PAGE,
};

/// All of them.
pub const ALL: [Rule; 5] = [
    SHARED_DATABASE,
    SHARED_STORAGE,
    NO_JMS,
    PERSISTENCE,
    OWN_ADDRESS,
];

/// What breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// The node where it is broken.
    pub node: NodeName,
    /// How.
    pub how: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule, node, how, ..
        } = self;
        write!(
            f,
            "{node}: {how}. {} (rule {}, from the page \"{}\")",
            rule.says, rule.name, rule.page
        )
    }
}

impl std::error::Error for Broken {}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn rules_have_names_of_their_own() {
        let mut names = ALL.map(|rule| rule.name);
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]));
        assert!(ALL.iter().all(|rule| rule.says.ends_with('.')));
    }
}
