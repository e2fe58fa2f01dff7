//! What is left out of a copy: rules as in a `.gitignore`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What is left out.
#[derive(Debug)]
pub struct Rules {
    rules: Gitignore,
}

/// A rule that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}` is no rule for what to leave out: {why}")]
pub struct BadRule {
    /// The rule.
    pub rule: String,
    /// What is wrong with it.
    pub why: String,
}

impl Rules {
    /// The rules, of which a later one outranks an earlier one.
    pub fn new(lines: &[String]) -> Result<Self, BadRule> {
        let mut builder = GitignoreBuilder::new("/");
        let bad = |rule: &str, why: ignore::Error| BadRule {
            rule: rule.to_owned(),
            why: why.to_string(),
        };
        for line in lines {
            // In a file such a line would be a comment; who gives it as a rule means a name.
            let literal = if line.starts_with('#') { "\\" } else { "" };
            builder
                .add_line(None, &format!("{literal}{line}"))
                .map_err(|why| bad(line, why))?;
        }
        let all = || lines.join(" ");
        let rules = builder.build().map_err(|why| bad(&all(), why))?;
        Ok(Self { rules })
    }

    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule names this entry itself; what a folder contains goes with the folder.
    pub fn names(&self, path: &[u8], is_folder: bool) -> bool {
        !path.is_empty()
            && self
                .rules
                .matched(Path::new(OsStr::from_bytes(path)), is_folder)
                .is_ignore()
    }

    /// Whether an entry is left out, by itself or with a folder that it lies in.
    pub fn leave_out(&self, path: &[u8], is_folder: bool) -> bool {
        if self.are_none() {
            return false;
        }
        let slashes = memchr::memchr_iter(b'/', path);
        slashes
            .map(|at| &path[..at])
            .any(|folder| self.names(folder, true))
            || self.names(path, is_folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lines: &[&str]) -> Rules {
        let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        Rules::new(&lines).unwrap()
    }

    #[test]
    fn rules_mean_what_they_mean_to_git() {
        let rules = rules(&["*.log", "!keep.log", "/var/", "tmp/", "conf/secret"]);
        for out in [
            "a.log",
            "x/b.log",
            "var/a/b",
            "x/tmp/y",
            "conf/secret",
            "conf/secret/x",
        ] {
            assert!(rules.leave_out(out.as_bytes(), false), "{out}");
        }
        for kept in ["keep.log", "x/var/a", "tmp", "x/conf/secret", "", "a.logs"] {
            assert!(!rules.leave_out(kept.as_bytes(), false), "{kept}");
        }
        assert!(rules.leave_out(b"tmp", true));
        assert!(rules.leave_out(b"\xff\n.log", false));
    }

    #[test]
    fn a_rule_is_never_a_comment() {
        let rules = rules(&["#x#", "#*.tmp", "!#keep.tmp"]);
        for out in ["#x#", "a/#x#", "#1.tmp"] {
            assert!(rules.leave_out(out.as_bytes(), false), "{out}");
        }
        for kept in ["x#", "#keep.tmp", "1.tmp"] {
            assert!(!rules.leave_out(kept.as_bytes(), false), "{kept}");
        }
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_named() {
        let bad = Rules::new(&["a[z-a]".to_owned()]).unwrap_err();
        assert!(bad.to_string().contains("`a[z-a]`"), "{bad}");
    }
}
