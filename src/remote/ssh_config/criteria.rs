//! What `Match` asks for.

use super::line::Cutter;
use super::pattern::{self, Fit};
use crate::config::nearest;

/// Criteria that OpenSSH judges by what only it can see, or by a later pass over the files.
const OTHERS: [(&str, bool); 8] = [
    ("canonical", false),
    ("final", false),
    ("exec", true),
    ("localnetwork", true),
    ("tagged", true),
    ("command", true),
    ("version", true),
    ("sessiontype", true),
];

/// Criteria that are judged here.
const OWN: [&str; 5] = ["all", "host", "originalhost", "user", "localuser"];

/// One criterion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Criterion {
    /// Whether it has a `!`.
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    All,
    Host(String),
    OriginalHost(String),
    User(String),
    LocalUser(String),
    /// Whether this is the later pass over the files.
    Later(&'static str),
    Other(&'static str),
}

/// What criteria are compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// The host as it is called by now.
    pub host: &'a str,
    /// The host as it was asked for.
    pub original: &'a str,
    /// The user there.
    pub user: &'a str,
    /// The user here.
    pub local_user: &'a str,
    /// Whether the files are read for the second time.
    pub later: bool,
}

/// Whether what follows applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Yes,
    No,
    /// It depends on this criterion, which only OpenSSH can judge.
    Open(&'static str),
}

impl Criterion {
    /// Reads what stands after `Match`.
    pub(super) fn read_all(line: &str) -> Result<Vec<Self>, String> {
        let mut criteria = Vec::new();
        let mut words = Cutter::new(line);
        while let Some(word) = words.next().filter(|word| !word.is_empty()) {
            if word.starts_with('#') {
                words.skip_the_rest();
                break;
            }
            let (negated, name) = match word.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, word.as_str()),
            };
            if name.eq_ignore_ascii_case("all") {
                let next = words.next().unwrap_or_default();
                let comment = next.starts_with('#');
                if criteria.len() > 1 || !next.is_empty() && !comment {
                    return Err("`all` stands alone".to_owned());
                }
                if comment {
                    words.skip_the_rest();
                }
                criteria.push(Self {
                    negated,
                    test: Test::All,
                });
                break;
            }
            let test = Test::read(name, &mut words)?;
            criteria.push(Self { negated, test });
        }
        if !words.is_done() {
            return Err("there is too much at the end of the line".to_owned());
        }
        if criteria.is_empty() {
            return Err("there is no criterion".to_owned());
        }
        Ok(criteria)
    }

    /// Whether the files are read again because of it.
    pub(super) fn asks_for_later_pass(&self) -> bool {
        self.test == Test::Later("final")
    }

    /// Whether a candidate meets all of these.
    pub(super) fn judge(criteria: &[Self], candidate: &Candidate<'_>) -> Verdict {
        let mut open = None;
        for criterion in criteria {
            match criterion.test.judge(candidate) {
                None => open = open.or(criterion.test.name()),
                Some(met) if met == criterion.negated => return Verdict::No,
                Some(_) => {}
            }
        }
        open.map_or(Verdict::Yes, Verdict::Open)
    }

    /// The first of these that needs more than the names, and that would not be met in a single pass.
    pub(super) fn special(criteria: &[Self]) -> Option<&'static str> {
        criteria.iter().find_map(|criterion| criterion.test.name())
    }
}

impl Test {
    fn read(name: &str, words: &mut Cutter<'_>) -> Result<Self, String> {
        let mut others = OTHERS.iter();
        let other = others.find(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some((known, false)) = other {
            return Ok(Self::Later(known));
        }
        let mut argument = || {
            let argument = words.next().unwrap_or_default();
            if argument.is_empty() || argument.starts_with('#') {
                return Err(format!("`{name}` needs a value"));
            }
            Ok(argument)
        };
        if let Some((known, true)) = other {
            argument()?;
            return Ok(Self::Other(known));
        }
        let make = match name.to_ascii_lowercase().as_str() {
            "host" => Self::Host,
            "originalhost" => Self::OriginalHost,
            "user" => Self::User,
            "localuser" => Self::LocalUser,
            _ => {
                let names = OTHERS.iter().map(|(name, _)| *name).chain(OWN);
                let meant = nearest(name, names).map(|name| format!("; `{name}` is one"));
                return Err(format!(
                    "`{name}` is no criterion that OpenSSH knows{}",
                    meant.unwrap_or_default()
                ));
            }
        };
        argument().map(make)
    }

    /// Nothing if only OpenSSH can judge it.
    fn judge(&self, candidate: &Candidate<'_>) -> Option<bool> {
        let fit = match self {
            Self::All => return Some(true),
            Self::Later(_) => return Some(candidate.later),
            Self::Other(_) => return None,
            Self::Host(list) => pattern::fits_host_list(candidate.host, list),
            Self::OriginalHost(list) => pattern::fits_host_list(candidate.original, list),
            Self::User(list) => pattern::fits_list(candidate.user, list),
            Self::LocalUser(list) => pattern::fits_list(candidate.local_user, list),
        };
        Some(fit == Fit::Yes)
    }

    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Later(name) | Self::Other(name) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANDIDATE: Candidate<'_> = Candidate {
        host: "web1.example.com",
        original: "web1",
        user: "deploy",
        local_user: "me",
        later: false,
    };

    #[test]
    fn verdicts() {
        use Verdict::{No, Open, Yes};
        for (text, expected) in [
            ("all", Yes),
            ("!all", No),
            ("host *.example.com", Yes),
            ("host *.EXAMPLE.com,!web1*", No),
            ("originalhost web1 user deploy localuser me", Yes),
            ("!originalhost web1", No),
            ("host=web1*", Yes),
            ("user \"deploy\" # why", Yes),
            ("exec \"test -e x\"", Open("exec")),
            ("exec x host nobody", No),
            ("!exec x host web*", Open("exec")),
            ("final", No),
            ("!final", Yes),
            ("tagged x", Open("tagged")),
            ("host web* all", Yes),
        ] {
            let criteria = Criterion::read_all(text).unwrap();
            assert_eq!(Criterion::judge(&criteria, &CANDIDATE), expected, "{text}");
        }
        for text in [
            "",
            "host",
            "all host a",
            "host # a",
            "nothing x",
            "host a \"\" b",
        ] {
            assert!(Criterion::read_all(text).is_err(), "{text}");
        }
    }
}
