//! What a node has that our work on it needs.

use std::time::Duration;

use crate::remote::{Host, Input, Line, Output, Patience, RemoteError, RemoteErrorKind, Streams};

const SCRIPT: &str = include_str!("survey.sh");

/// A clock that is so far off deserves a word: leases are judged by the node's clock, and logs by all.
const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(5);

/// With less space than this, in bytes, a backup may not find room.
const LEAST_SPACE: u64 = 100 << 20;

/// More than any node has to say.
const LONGEST: usize = 64 << 10;

/// What a node told of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// The user that commands run as.
    pub user: String,
    /// The login shell.
    pub shell: String,
    /// The system and the machine's kind.
    pub system: String,
    /// How far the node's clock is ahead of ours, in milliseconds.
    pub clock_ahead: Option<i64>,
    /// Free bytes where the node's folder is.
    pub free: Option<u64>,
    /// Where the node's folder can't be made or written, if so.
    pub unwritable: Option<String>,
    /// Programs that are needed and not there.
    pub missing: Vec<String>,
}

impl Survey {
    /// Asks a node, which keeps its records in this folder.
    pub fn of(
        host: &dyn Host,
        state_dir: &str,
        patience: &Patience<'_>,
    ) -> Result<Self, RemoteError> {
        let line = Line::script(SCRIPT, "clusterctl-survey", [state_dir])
            .map_err(|error| RemoteError::new(RemoteErrorKind::Configuration, error.to_string()))?;
        let (mut out, mut err) = (Output::at_most(LONGEST), Output::at_most(LONGEST));
        let streams = Streams {
            input: Input::Nothing,
            out: &mut out,
            err: &mut err,
        };
        let before = jiff::Timestamp::now().as_millisecond();
        let exit = host.exec(&line, streams, patience)?;
        let after = jiff::Timestamp::now().as_millisecond();
        let mut survey = Self::default();
        for line in out.text().lines() {
            survey.hear(line, before.midpoint(after));
        }
        if !survey.answered() {
            let said = err.text();
            let said = said.lines().next_back().unwrap_or("it said nothing");
            let what = format!("it ran no script for /bin/sh ({exit}): {said}");
            return Err(RemoteError::new(RemoteErrorKind::Shell, what)
                .hint("log in by hand, and see whether `/bin/sh -c 'echo hello'` works there"));
        }
        Ok(survey)
    }

    /// Takes in one line of the answer, which was true at this time of ours, in milliseconds.
    fn hear(&mut self, line: &str, now: i64) {
        let Some((key, value)) = line.split_once('=') else {
            return;
        };
        let text = || value.to_owned();
        match key {
            "now" => {
                let theirs = value.parse::<i64>().ok();
                self.clock_ahead = theirs.map(|theirs| theirs.saturating_sub(now));
            }
            "user" => self.user = text(),
            "shell" => self.shell = text(),
            "system" => self.system = text(),
            "free" => self.free = value.parse().ok().map(|kib: u64| kib.saturating_mul(1024)),
            "writable" => self.unwritable = (value != "yes").then(text),
            "missing" => self.missing.push(text()),
            _ => {}
        }
    }

    fn answered(&self) -> bool {
        !self.user.is_empty()
    }

    /// What is in the way of our work, each with what to do about it.
    pub fn problems(&self, state_dir: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if !self.missing.is_empty() {
            found.push((
                format!("these programs are missing: {}", self.missing.join(", ")),
                "install them: they are parts of coreutils, findutils and util-linux".to_owned(),
            ));
        }
        if let Some(place) = &self.unwritable {
            found.push((
                format!(
                    "{} may not write in {place}, where {state_dir} is to be",
                    self.user
                ),
                format!(
                    "set `state_dir` to a folder that {} may make, or `sudo.use = true`",
                    self.user
                ),
            ));
        }
        if let Some(free) = self.free.filter(|free| *free < LEAST_SPACE) {
            found.push((
                format!("only {} MB are free where {state_dir} is", free / 1_000_000),
                "make room there, or set `state_dir` to another folder".to_owned(),
            ));
        }
        let ahead = self.clock_ahead.unwrap_or(0);
        if u128::from(ahead.unsigned_abs()) > CLOCKS_MAY_DIFFER.as_millis() {
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            found.push((
                format!(
                    "its clock is {}s {way} this machine's",
                    ahead.unsigned_abs() / 1000
                ),
                "set the clock: chronyc makestep, or timedatectl set-ntp true".to_owned(),
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::LocalHost;

    fn survey(lines: &[&str]) -> Survey {
        let mut survey = Survey::default();
        for line in lines {
            survey.hear(line, 1_000_000);
        }
        survey
    }

    #[test]
    fn this_machine_answers() {
        let patience = Patience::unbroken(Duration::from_secs(30));
        let survey = Survey::of(&LocalHost::new(), "/nowhere/at/all", &patience).unwrap();
        assert!(survey.clock_ahead.unwrap().abs() < 30_000, "{survey:?}");
        assert!(
            survey.free.is_some() && !survey.system.is_empty(),
            "{survey:?}"
        );
        assert!(survey.shell.starts_with('/'), "{survey:?}");
        assert_eq!(survey.missing, Vec::<String>::new());
    }

    #[test]
    fn what_is_in_the_way_is_said() {
        let fine = survey(&[
            "user=root",
            "now=1001000",
            "free=999999999",
            "writable=yes",
            "noise",
            "x=y",
        ]);
        assert_eq!(fine.problems("/s"), []);
        assert_eq!(fine.clock_ahead, Some(1000));
        let bad = survey(&[
            "user=ucd",
            "now=900",
            "free=1000",
            "writable=/var/lib",
            "missing=flock",
        ]);
        let said: Vec<_> = bad
            .problems("/s")
            .into_iter()
            .map(|(what, _)| what)
            .collect();
        assert_eq!(
            said,
            [
                "these programs are missing: flock",
                "ucd may not write in /var/lib, where /s is to be",
                "only 1 MB are free where /s is",
                "its clock is 999s behind this machine's",
            ]
        );
    }
}
