//! Hosts to pass through on the way to another.

use std::fmt;

use super::value::whole_number;

/// What `ProxyJump` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jump {
    /// The last host before the one that is meant; nothing for `none`.
    last: Option<Stop>,
    /// Those before it, as they were written.
    before: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stop {
    user: Option<String>,
    host: String,
    port: Option<i64>,
}

impl Jump {
    /// Reads a list with commas.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self {
                last: None,
                before: None,
            });
        }
        let text = text.split('#').next().unwrap_or_default().trim_end();
        let mut last = None;
        for stop in text.split(',') {
            let read = Stop::read(stop);
            last = Some(read.ok_or_else(|| {
                format!("`{stop}` is not of the form user@host:port or ssh://user@host:port")
            })?);
        }
        Ok(Self {
            last,
            before: text.rsplit_once(',').map(|(before, _)| before.to_owned()),
        })
    }

    /// Whether it says `none`.
    pub(super) fn is_nobody(&self) -> bool {
        self.last.is_none()
    }

    /// The name of the last host.
    pub(super) fn host(&self) -> &str {
        self.last.as_ref().map_or("", |last| last.host.as_str())
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = &self.last else {
            return f.write_str("none");
        };
        if let Some(before) = &self.before {
            write!(f, "{before},")?;
        }
        if let Some(user) = &last.user {
            write!(f, "{user}@")?;
        }
        let address =
            last.host.contains(':') || last.host.chars().all(|c| c.is_ascii_digit() || c == '.');
        if address {
            write!(f, "[{}]", last.host)?;
        } else {
            f.write_str(&last.host)?;
        }
        last.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Stop {
    fn read(text: &str) -> Option<Self> {
        match text.strip_prefix("ssh://") {
            Some(uri) => Self::from_uri(uri),
            None => Self::plain(text),
        }
    }

    fn plain(text: &str) -> Option<Self> {
        let (user, place) = match text.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, text),
        };
        if user.is_some_and(str::is_empty) {
            return None;
        }
        let (host, port) = host_and_port(place)?;
        if host.is_empty() || place.len() > host.len() && !place[host.len()..].starts_with(':') {
            return None;
        }
        Some(Self {
            user: user.map(str::to_owned),
            host: bare(host).to_owned(),
            port: match port {
                Some(port) => Some(port_number(port)?),
                None => None,
            },
        })
    }

    fn from_uri(uri: &str) -> Option<Self> {
        let (user, place) = match uri.split_once('@') {
            Some((user, place)) => (Some(user.split(';').next().unwrap_or_default()), place),
            None => (None, uri),
        };
        if user.is_some_and(str::is_empty) {
            return None;
        }
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = host_and_port(place)?;
        if place[host.len()..].starts_with('/') || !is_domain(bare(host)) {
            return None;
        }
        Some(Self {
            user: match user {
                Some(user) => Some(decoded(user)?),
                None => None,
            },
            host: bare(host).to_owned(),
            port: match port {
                Some(port) => Some(port_number(port)?),
                None => None,
            },
        })
    }
}

/// The host, with its brackets, and what stands after the colon, if anything does.
fn host_and_port(text: &str) -> Option<(&str, Option<&str>)> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find([':', '/']).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at(end);
    match rest.chars().next() {
        None => Some((host, None)),
        Some(':' | '/') => Some((host, Some(&rest[1..]).filter(|port| !port.is_empty()))),
        Some(_) => None,
    }
}

fn bare(host: &str) -> &str {
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host)
}

fn port_number(text: &str) -> Option<i64> {
    whole_number(text).filter(|port| (1..=65535).contains(port))
}

fn is_domain(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(fine)
        && !name.contains("..")
}

/// What `%41` and the like stand for.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = digit(digits[0])? * 16 + digit(digits[1])?;
                u8::try_from(byte).ok().filter(|byte| *byte != 0)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_on_the_way() {
        for (text, shown) in [
            ("bastion", "bastion"),
            ("a@b:2222", "a@b:2222"),
            ("a,b@c", "a,b@c"),
            ("10.0.0.1", "[10.0.0.1]"),
            ("[::1]:22 # why", "[::1]:22"),
            ("ssh://me@x.y:22", "me@x.y:22"),
            ("NONE", "none"),
        ] {
            assert_eq!(Jump::read(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "@a", "a:0", "a:x", "a,,b", "[a", "a/b", "ssh://a b"] {
            assert!(Jump::read(text).is_err(), "{text}");
        }
    }
}
