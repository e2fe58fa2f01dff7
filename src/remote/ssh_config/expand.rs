//! What `~`, `${VARIABLE}` and `%h` stand for.

use sha1::{Digest as _, Sha1};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;

/// What the letters after `%` stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    /// The host as it was asked for.
    pub original: &'a str,
    /// The host to connect to.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The user there.
    pub user: &'a str,
    /// The name under which its key is known.
    pub key_alias: &'a str,
    /// The hosts to pass through.
    pub jump: &'a str,
    /// The user and the machine here.
    pub here: &'a Surroundings,
}

impl Tokens<'_> {
    fn of(&self, letter: char) -> Option<String> {
        let here = self.here;
        Some(match letter {
            'C' => self.connection(),
            'L' => short(&here.machine).to_owned(),
            'd' => here.home.to_string_lossy().into_owned(),
            'h' => self.host.to_owned(),
            'i' => here.uid.to_string(),
            'j' => self.jump.to_owned(),
            'k' => self.key_alias.to_owned(),
            'l' => here.machine.clone(),
            'n' => self.original.to_owned(),
            'p' => self.port.to_string(),
            'r' => self.user.to_owned(),
            'u' => here.user.clone(),
            _ => return None,
        })
    }

    /// A name for the connection: machine, host, port and user under a hash, as OpenSSH 9.2 has it.
    fn connection(&self) -> String {
        let port = self.port.to_string();
        let parts = [&self.here.machine, self.host, &port, self.user];
        Sha1::digest(parts.concat())
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

fn short(machine: &str) -> &str {
    machine.split('.').next().unwrap_or_default()
}

/// A path with everything expanded.
pub(super) fn path(text: &str, tokens: &Tokens<'_>) -> Result<PathBuf, String> {
    let text = tilde(text, tokens.here)?;
    expanded(&text, Some(tokens.here), |letter| tokens.of(letter)).map(PathBuf::from)
}

/// A path in which only `~` is expanded.
pub(super) fn plain_path(text: &str, here: &Surroundings) -> Result<PathBuf, String> {
    tilde(text, here).map(PathBuf::from)
}

/// The name of a host in which `%h` stands for the one that was asked for.
pub(super) fn host_name(text: &str, host: &str) -> Result<String, String> {
    expanded(text, None, |letter| {
        (letter == 'h').then(|| host.to_owned())
    })
}

/// A text in which only variables are expanded.
pub(super) fn variables(text: &str, here: &Surroundings) -> Result<String, String> {
    // Every letter after `%` stands for itself with the `%`.
    let doubled = text.replace('%', "%%");
    expanded(&doubled, Some(here), |_| None)
}

fn tilde(text: &str, here: &Surroundings) -> Result<String, String> {
    let Some(rest) = text.strip_prefix('~') else {
        return Ok(text.to_owned());
    };
    let (user, path) = rest.split_once('/').unwrap_or((rest, ""));
    let home: &Path = match user {
        "" => &here.home,
        name => here
            .home_of(name)
            .ok_or_else(|| format!("there is no user `{name}` for `{text}`"))?,
    };
    let home = home.to_string_lossy();
    let slash = if home.ends_with('/') { "" } else { "/" };
    Ok(format!("{home}{slash}{}", path.trim_start_matches('/')))
}

fn expanded(
    text: &str,
    here: Option<&Surroundings>,
    token: impl Fn(char) -> Option<String>,
) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let (Some(here), Some(after)) = (here, rest.strip_prefix("${")) {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`${{` has no `}}` in `{text}`"))?;
            let value = here.variables.get(name).ok_or_else(|| {
                format!("the environment has no variable `{name}`, which `{text}` needs")
            })?;
            result.push_str(value);
            rest = after;
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        if letter != '%' {
            result.push(letter);
            continue;
        }
        let Some(letter) = rest.chars().next() else {
            return Err(format!("`{text}` ends with a single `%`"));
        };
        rest = &rest[letter.len_utf8()..];
        match letter {
            '%' => result.push('%'),
            _ => result.push_str(&token(letter).ok_or_else(|| {
                format!("`%{letter}` in `{text}` stands for nothing; `%%` is one `%`")
            })?),
        }
    }
    Ok(result)
}
