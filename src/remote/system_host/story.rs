//! What `ssh` tells of a login: whom it spoke to, what it tried, and what came of it.

use std::path::Path;

use super::SystemWay;

/// The login at the host that is meant; there may be others on the way to it.
pub(super) struct Story<'a> {
    /// The user who wanted in.
    pub(super) user: Option<&'a str>,
    /// The host's key, as its kind and its fingerprint.
    pub(super) host_key: Option<&'a str>,
    /// What was tried, and what came of it.
    pub(super) tried: Vec<String>,
    /// Whether the server had to say no to something.
    pub(super) offered: bool,
    /// The ways to log in that the server takes.
    takes: Option<&'a str>,
}

/// A key that `ssh` tries.
struct Key<'a> {
    what: String,
    path: &'a str,
    /// Whether there is nothing but its public half.
    absent: bool,
    /// Whether the server would take it, if somebody could sign with it.
    wanted: bool,
}

impl<'a> Story<'a> {
    /// Reads it from the log.
    pub(super) fn read(log: &'a str, way: &SystemWay) -> Self {
        const BEGIN: &str = "debug1: Authenticating to ";
        let last = log.rfind(BEGIN).map_or("", |at| &log[at..]);
        let mut story = Self {
            user: None,
            host_key: None,
            tried: Vec::new(),
            offered: false,
            takes: None,
        };
        let mut key = None;
        for line in last.lines().map(str::trim) {
            if line.starts_with(BEGIN) {
                let user = line.rsplit_once(" as '").map(|(_, user)| user);
                story.user = user.map(|user| user.trim_end_matches('\''));
            } else if let Some(shown) = line.strip_prefix("debug1: Server host key: ") {
                story.host_key = Some(shown);
            } else if let Some(takes) =
                line.strip_prefix("debug1: Authentications that can continue: ")
            {
                story.takes = Some(takes);
            } else if let Some(offer) = line.strip_prefix("debug1: Offering public key: ") {
                story.note(key.replace(Key::offered(offer)), way);
            } else if line.starts_with("debug1: Server accepts key: ") {
                if let Some(key) = &mut key {
                    key.wanted = true;
                }
            } else if let Some(missing) = line.strip_prefix("no such identity: ") {
                story.note(key.take().filter(|key| !missing.starts_with(key.path)), way);
                let path = missing.split_once(": ").map_or(missing, |(path, _)| path);
                story.tried.push(format!("{path} is not there"));
            } else if line.starts_with("debug1: Next authentication method: ") {
                story.note(key.take(), way);
            }
        }
        story.note(key, way);
        story
    }

    /// Notes what came of a key.
    fn note(&mut self, key: Option<Key<'a>>, way: &SystemWay) {
        let Some(Key {
            what,
            absent,
            wanted,
            ..
        }) = key
        else {
            return;
        };
        self.tried.push(if absent {
            format!("{what} is not there")
        } else if !wanted {
            self.offered = true;
            format!("{what} was refused")
        } else if way.destination.passphrase.is_some() {
            format!("the passphrase does not open {what}")
        } else {
            format!("{what} is encrypted, and no passphrase is given")
        });
    }

    /// What was tried, in one sentence's part.
    pub(super) fn told(mut self, way: &SystemWay, answered: bool) -> String {
        let takes = self.takes.unwrap_or_default();
        let asks = takes
            .split(',')
            .any(|name| matches!(name, "password" | "keyboard-interactive"));
        match &way.destination.password {
            Some(_) if answered && asks => self.tried.push("the password was refused".to_owned()),
            None if asks => self.tried.push("no password is given".to_owned()),
            _ => {}
        }
        if !takes.is_empty() {
            let takes = takes.replace(',', ", ");
            self.tried.push(format!("the server takes {takes}"));
        }
        let plain = |c: &char| !c.is_control();
        self.tried.join("; ").chars().filter(plain).collect()
    }
}

impl<'a> Key<'a> {
    /// From `NAME KIND FINGERPRINT WHERE`.
    fn offered(offer: &'a str) -> Self {
        let (named, rest) = offer.split_once(" SHA256:").unwrap_or((offer, ""));
        let path = named.rsplit_once(' ').map_or(named, |(path, _)| path);
        let of_agent = rest.ends_with(" agent");
        Self {
            what: if of_agent {
                format!("the agent's key `{path}`")
            } else {
                path.to_owned()
            },
            path,
            absent: !of_agent && !Path::new(path).exists(),
            wanted: false,
        }
    }
}
