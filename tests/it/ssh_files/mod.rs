//! The files of OpenSSH that we read ourselves, against what OpenSSH says of them.

mod config_draw;
mod config_fuzz;
mod config_matrix;
mod config_mistakes;
mod config_system;
mod hosts_draw;
mod hosts_fuzz;
mod hosts_matrix;
mod hosts_remember;

use std::collections::HashMap;

use clusterctl::remote::Surroundings;

/// Variables of the environment that generated files speak of.
const VARIABLES: [(&str, &str); 4] = [
    ("SSH_AUTH_SOCK", "/run/agent"),
    ("A_FOLDER", "/srv/a b"),
    ("EMPTY", ""),
    ("PATH", "/usr/bin:/bin"),
];

/// This machine and its user, with a small environment and without Kerberos.
fn surroundings() -> Surroundings {
    let variables = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Surroundings {
        variables: HashMap::from(variables),
        kerberos: false,
        ..Surroundings::of_this_process()
    }
}

/// How many executions a fuzzer does.
fn executions() -> usize {
    let count = std::env::var("CLUSTERCTL_FUZZ_EXECUTIONS").ok();
    count.map_or(20_000, |count| {
        count.parse().expect("a number of executions")
    })
}
