//! What a configuration of SSH may speak of beside the host: the user, the machine, the environment.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The user, the machine and the environment, as they are when it is made.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The user's name on this machine.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The user's home, as the list of users has it.
    pub home: PathBuf,
    /// The name of this machine.
    pub machine: String,
    /// The variables of the environment.
    pub variables: HashMap<String, String>,
    /// The list of users.
    pub users: Vec<User>,
    /// Whether Kerberos is set up here, so that there may be a ticket.
    pub kerberos: bool,
}

/// A line of the list of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The number of the first group.
    pub gid: u32,
    /// The home.
    pub home: PathBuf,
}

impl Surroundings {
    /// Those of this process. As for `ssh`, the list of users says where the home is, and the environment only if the
    /// user is not in the list.
    pub fn of_this_process() -> Self {
        let variables: HashMap<_, _> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let users = users(&fs::read_to_string("/etc/passwd").unwrap_or_default());
        let uid = rustix::process::getuid().as_raw();
        let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let me = users.iter().find(|user| user.uid == uid);
        let user = me.map(|user| user.name.clone());
        let user = user.or_else(|| variable("USER").or(variable("LOGNAME")).cloned());
        let home = me.map(|user| user.home.clone());
        let home = home.or_else(|| variable("HOME").map(PathBuf::from));
        let name = rustix::system::uname();
        Self {
            user: user.unwrap_or_else(|| uid.to_string()),
            uid,
            home: home.unwrap_or_else(|| PathBuf::from("/")),
            machine: name.nodename().to_string_lossy().into_owned(),
            kerberos: kerberos(&variables, uid),
            variables,
            users,
        }
    }

    /// The home of a user, or nothing if nobody has that name.
    pub(super) fn home_of(&self, name: &str) -> Option<&Path> {
        let user = self.users.iter().find(|user| user.name == name);
        user.map(|user| user.home.as_path())
    }
}

fn users(list: &str) -> Vec<User> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = PathBuf::from(fields.nth(1)?);
        Some(User {
            name,
            uid,
            gid,
            home,
        })
    };
    list.lines().filter_map(user).collect()
}

/// Distributions switch Kerberos on for everybody; it matters where there may be a ticket.
fn kerberos(variables: &HashMap<String, String>, uid: u32) -> bool {
    let configuration = variables
        .get("KRB5_CONFIG")
        .map_or("/etc/krb5.conf", String::as_str);
    variables.contains_key("KRB5CCNAME")
        || Path::new(&format!("/tmp/krb5cc_{uid}")).exists()
        || fs::read_to_string(configuration).is_ok_and(|text| {
            text.lines()
                .any(|line| line.trim_start().starts_with("default_realm"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_users() {
        let list =
            "root:x:0:0:root:/root:/bin/bash\n\nbroken:x\nwww-data:x:33:33::/var/www:/bin/sh\n";
        let users = users(list);
        let names: Vec<_> = users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["root", "www-data"]);
        assert_eq!(
            (users[1].uid, users[1].home.as_path()),
            (33, Path::new("/var/www"))
        );
    }
}
