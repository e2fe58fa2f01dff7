//! What the files say for one host: the first value of an option counts.

use super::criteria::{Candidate, Criterion, Verdict};
use super::error::{Place, SshConfigProblem};
use super::expand;
use super::keyword::{COUNT, Keyword};
use super::pattern::{self, Fit};
use super::surroundings::Surroundings;
use super::tree::{self, Block, Condition, File, HostPattern, Item, Owner, Setting};
use super::value::Value;

/// What was found for a host.
pub(super) struct Found<'c> {
    values: [Option<&'c Setting>; COUNT],
    /// Files with keys, each with whether a file of the user names it.
    pub(super) identities: Vec<(&'c Setting, bool)>,
    /// Files with certificates.
    pub(super) certificates: Vec<&'c Setting>,
    /// Names and patterns of variables to send, in order; one with `-` takes away.
    pub(super) send: Vec<&'c str>,
    /// Options whose values come from a file of the system.
    from_system: Vec<Keyword>,
    /// Blocks of which only OpenSSH knows whether they apply, and why.
    pub(super) open: Vec<(&'c Place, &'static str)>,
    /// Whether there is one of those that was passed over without knowing.
    undecided: bool,
    /// Lines whose bytes are no UTF-8.
    pub(super) garbled: Option<&'c Setting>,
}

/// The host that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) host: &'a str,
    pub(super) user: Option<&'a str>,
    pub(super) here: &'a Surroundings,
}

/// One pass over the files.
struct Pass<'f, 'c, 'a> {
    found: &'f mut Found<'c>,
    asked: Asked<'a>,
    /// The host as it is called in this pass.
    host: &'a str,
    later: bool,
    owner: Owner,
}

impl<'c> Found<'c> {
    pub(super) fn nothing() -> Self {
        Self {
            values: [None; COUNT],
            identities: Vec::new(),
            certificates: Vec::new(),
            send: Vec::new(),
            from_system: Vec::new(),
            open: Vec::new(),
            undecided: false,
            garbled: None,
        }
    }

    /// Reads the files from the first to the last; `later` is the name of the host when they are read again.
    pub(super) fn read(
        &mut self,
        files: &'c [(Owner, File)],
        asked: Asked<'_>,
        later: Option<&str>,
    ) -> Result<(), SshConfigProblem> {
        for (owner, file) in files {
            let mut pass = Pass {
                found: self,
                asked,
                host: later.unwrap_or(asked.host),
                later: later.is_some(),
                owner: *owner,
            };
            pass.file(file, true)?;
        }
        Ok(())
    }

    /// The option as it counts.
    pub(super) fn setting(&self, keyword: Keyword) -> Option<&'c Setting> {
        self.values[keyword as usize]
    }

    pub(super) fn text(&self, keyword: Keyword) -> Option<&'c str> {
        match &self.setting(keyword)?.value {
            Value::Text(text) => Some(text),
            Value::Choice(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn number(&self, keyword: Keyword) -> Option<u32> {
        match self.setting(keyword)?.value {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn words(&self, keyword: Keyword) -> Option<&'c [String]> {
        match &self.setting(keyword)?.value {
            Value::Words(words) => Some(words),
            _ => None,
        }
    }

    /// Whether the option is `yes`, or not there and so by default.
    pub(super) fn flag(&self, keyword: Keyword, default: bool) -> bool {
        self.text(keyword).map_or(default, |word| word == "yes")
    }

    /// Whether the option is there and is not `no`.
    pub(super) fn word_but_no(&self, keyword: Keyword) -> bool {
        self.text(keyword).is_some_and(|word| word != "no")
    }

    /// A word other than `none`.
    pub(super) fn word_but_none(&self, keyword: Keyword) -> Option<&'c str> {
        self.text(keyword)
            .filter(|word| !word.eq_ignore_ascii_case("none"))
    }

    /// Whether it is a file of the system that says it.
    pub(super) fn is_from_system(&self, keyword: Keyword) -> bool {
        self.from_system.contains(&keyword)
    }

    fn take(&mut self, setting: &'c Setting, owner: Owner) {
        if setting.garbled {
            self.garbled = self.garbled.or(Some(setting));
        }
        let slot = setting.keyword as usize;
        match (setting.keyword, &setting.value) {
            (Keyword::IdentityFile, _) => {
                let of_user = owner == Owner::User;
                let same = |(other, user): &(&Setting, bool)| {
                    other.value == setting.value && *user == of_user
                };
                if !self.identities.iter().any(same) {
                    self.identities.push((setting, of_user));
                }
            }
            (Keyword::CertificateFile, _) => {
                let same = |other: &&Setting| other.value == setting.value;
                if !self.certificates.iter().any(same) {
                    self.certificates.push(setting);
                }
            }
            (Keyword::SendEnv, Value::Words(names)) => self.send(names),
            (Keyword::ProxyJump, Value::Jump(jump)) => {
                let command = self.values[Keyword::ProxyCommand as usize].is_some();
                if self.values[slot].is_none() && (!command || jump.is_nobody()) {
                    self.values[slot] = Some(setting);
                }
            }
            (Keyword::ProxyCommand, _) => {
                let jump = self.values[Keyword::ProxyJump as usize];
                let jumps = jump.is_some_and(
                    |jump| matches!(&jump.value, Value::Jump(jump) if !jump.is_nobody()),
                );
                if self.values[slot].is_none() && !jumps {
                    self.values[slot] = Some(setting);
                }
            }
            (Keyword::SetEnv, Value::Words(words)) if words.is_empty() => {}
            (keyword, _) if self.values[slot].is_none() => {
                self.values[slot] = Some(setting);
                if owner == Owner::System {
                    self.from_system.push(keyword);
                }
            }
            _ => {}
        }
    }

    fn send(&mut self, names: &'c [String]) {
        for name in names {
            match name.strip_prefix('-') {
                Some(pattern) => self.send.retain(|other| !pattern::fits(other, pattern)),
                None => self.send.push(name),
            }
        }
    }
}

impl<'c> Pass<'_, 'c, '_> {
    /// `applies`: whether the place does from which the file is included.
    fn file(&mut self, file: &'c File, applies: bool) -> Result<(), SshConfigProblem> {
        if !applies && !file.has_unknown {
            return Ok(());
        }
        for block in &file.blocks {
            let applies = applies && self.applies(block)?;
            if !applies && !block.has_unknown {
                continue;
            }
            for item in &block.items {
                self.item(item, applies)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &'c Item, applies: bool) -> Result<(), SshConfigProblem> {
        match item {
            Item::Option(setting) if applies => self.found.take(setting, self.owner),
            Item::Option(_) => {}
            Item::Include(files) => {
                for file in files {
                    self.file(file, applies)?;
                }
            }
            Item::Unknown(place, keyword) => {
                let small = keyword.to_ascii_lowercase();
                let ignored = self.found.text(Keyword::IgnoreUnknown);
                let ignored = ignored.map(str::to_ascii_lowercase);
                let fit = ignored.map(|list| pattern::fits_list(&small, &list));
                // Whoever judges an open block may find `IgnoreUnknown` in it.
                if fit != Some(Fit::Yes) && !self.found.undecided {
                    return Err(tree::unknown(place, keyword));
                }
            }
        }
        Ok(())
    }

    fn applies(&mut self, block: &'c Block) -> Result<bool, SshConfigProblem> {
        match &block.condition {
            Condition::Beginning => Ok(true),
            Condition::Host(patterns) => Ok(fits_host(self.host, patterns)),
            Condition::Match(criteria) => self.matches(block, criteria),
        }
    }

    fn matches(
        &mut self,
        block: &'c Block,
        criteria: &'c [Criterion],
    ) -> Result<bool, SshConfigProblem> {
        let by_name = self.found.text(Keyword::HostName);
        let named = match by_name {
            Some(name) if !self.later => {
                let named = expand::host_name(name, self.host);
                Some(named.map_err(SshConfigProblem::new)?)
            }
            _ => None,
        };
        let here = self.asked.here;
        let user = self.asked.user.or(self.found.text(Keyword::User));
        let candidate = Candidate {
            host: named.as_deref().unwrap_or(self.host),
            original: self.asked.host,
            user: user.unwrap_or(&here.user),
            local_user: &here.user,
            later: self.later,
        };
        let verdict = Criterion::judge(criteria, &candidate);
        let open = match verdict {
            Verdict::Open(name) => {
                self.found.undecided = true;
                Some(name)
            }
            // A criterion that was met in the second pass only.
            Verdict::Yes => Criterion::special(criteria),
            Verdict::No => None,
        };
        if let Some(name) = open {
            self.found.open.push((&block.place, name));
        }
        Ok(verdict == Verdict::Yes)
    }
}

/// Whether a host fits one of the patterns, and none with a `!`.
fn fits_host(host: &str, patterns: &[HostPattern]) -> bool {
    let fit = |pattern: &HostPattern| {
        if pattern.is_name {
            host == pattern.text
        } else {
            pattern::fits(host, &pattern.text)
        }
    };
    let excluded = patterns
        .iter()
        .any(|pattern| pattern.excludes && fit(pattern));
    !excluded
        && patterns
            .iter()
            .any(|pattern| !pattern.excludes && fit(pattern))
}
