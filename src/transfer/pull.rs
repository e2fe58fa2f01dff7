//! Content that a node gets from the machine that has a tree by itself, with the user's agent, and not through the
//! machine that this runs on.

use std::sync::Arc;

use super::list::List;
use super::origin::Afar;
use super::script::{self, LandError};
use super::source::Source;
use super::survey::Archives;
use crate::remote::{Handed, Host, Input, Line, Output, Patience, RemoteError, RemoteErrorKind};

/// The way from a node to the machine that has a tree.
pub struct Pull {
    /// The node, by a connection on which the user's agent answers.
    pub host: Arc<dyn Host>,
    /// The socket of that agent on the node.
    pub agent: String,
    /// What `ssh` on the node is given to reach the machine.
    pub ssh: Vec<String>,
    /// The keys by which the machine is known, as lists have them after the name.
    pub keys: Vec<String>,
    /// What commands on the machine begin with, such as `sudo`.
    pub before: Vec<String>,
    /// The machine's name, for people.
    pub from: String,
}

/// Under which name the script knows the machine.
const ALIAS: &str = "clusterctl-origin";

/// What tar says of files that are not what they were.
const CHANGED: [&str; 3] = [
    "file changed as we read it",
    "removed before we read it",
    "No such file or directory",
];

impl Pull {
    /// Sees whether the node reaches the machine, and whether the tree can come that way.
    pub fn is_possible(
        &self,
        source: &Source,
        archives: Archives,
        patience: &Patience<'_>,
    ) -> Result<(), LandError> {
        let of_source = source.afar.as_ref().map(|afar| afar.archives);
        if (of_source, archives) == (Some(Archives::Busybox), Archives::Busybox) {
            let from = &self.from;
            return Err(LandError::Said {
                code: script::FAILED,
                said: format!(
                    "it can't pull from {from} by itself: the tar of both is that of busybox, which reads no archives in \
                     parts"
                ),
            });
        }
        let nothing = Line::new(["true"]).map_err(|error| here(&error.to_string()))?;
        self.run(("-", "-"), &nothing, Input::Nothing, patience)
    }

    /// Has files come to a stage on the node, whose tar is of this kind.
    pub(super) fn content(
        &self,
        stage: &str,
        (afar, archives): (&Afar, Archives),
        (root, owner): (&str, Option<(u32, u32)>),
        mut list: List<'_>,
        patience: &Patience<'_>,
    ) -> Result<(), LandError> {
        let form = match (afar.archives, archives) {
            (Archives::Busybox, _) => "busybox",
            (Archives::Gnu, Archives::Busybox) => "plain",
            (Archives::Gnu, Archives::Gnu) => "whole",
        };
        let owner = owner.map_or("-".to_owned(), |(uid, gid)| format!("{uid} {gid}"));
        let content = script::content();
        let content = Line::script(content.text, content.name, [root, form, &owner]);
        let how = match archives {
            Archives::Gnu => "gnu",
            Archives::Busybox => "busybox",
        };
        self.run(
            (stage, how),
            &content.map_err(|error| here(&error.to_string()))?,
            Input::Reader(&mut list),
            patience,
        )
    }

    fn run(
        &self,
        (stage, how): (&str, &str),
        command: &Line,
        input: Input<'_>,
        patience: &Patience<'_>,
    ) -> Result<(), LandError> {
        let before: Vec<&str> = self.before.iter().map(String::as_str).collect();
        let Handed { text, mark } = command
            .under(&before)
            .handed_on()
            .ok_or_else(|| here("the command for the other machine is too long"))?;
        let known: Vec<_> = self
            .keys
            .iter()
            .map(|key| format!("{ALIAS} {key}"))
            .collect();
        let known = known.join("\n");
        let mut arguments = vec![stage, how, &self.agent, &known, &mark];
        arguments.extend(self.ssh.iter().map(String::as_str));
        arguments.push(&text);
        let exec = |line: &Line, streams: crate::remote::Streams<'_>, patience: &Patience<'_>| {
            self.host.exec(line, streams, patience)
        };
        let mut out = Output::at_most(1 << 16);
        let ended = script::run(&exec, script::pull(), &arguments, input, &mut out, patience);
        ended.map(|_| ()).map_err(|error| self.explained(error))
    }

    fn explained(&self, error: LandError) -> LandError {
        let from = &self.from;
        match error {
            LandError::Said { said, .. } if tells_of_change(&said) => LandError::Changed(format!(
                "the source changed while it was read: {from}: {said}"
            )),
            LandError::Said { said, code } if code != script::FULL => LandError::Said {
                said: format!(
                    "it can't pull from {from} by itself: {said}; without --direct, the tree goes through the machine that \
                     runs this"
                ),
                code,
            },
            other => other,
        }
    }
}

/// Whether the tar of the machine that has the tree says that files are not what they were. `ssh` has some of these words
/// for files of its own.
fn tells_of_change(said: &str) -> bool {
    let mut of_tar = said.lines().filter_map(|line| line.strip_prefix("tar: "));
    of_tar.any(|line| CHANGED.iter().any(|words| line.contains(words)))
}

fn here(what: &str) -> LandError {
    RemoteError::new(RemoteErrorKind::Here, what).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tar_tells_that_files_changed() {
        for said in [
            "tar: ./a: file changed as we read it",
            "x\ntar: ./a: File removed before we read it",
            "tar: ./a: Cannot stat: No such file or directory\ntar: Exiting with failure status",
            "tar: ./a: No such file or directory",
        ] {
            assert!(tells_of_change(said), "{said}");
        }
        for said in [
            "no such identity: /root/.ssh/id: No such file or directory\nPermission denied (publickey).",
            "ssh: Could not resolve hostname n1: Name or service not known",
            "tar: Exiting with failure status due to previous errors",
        ] {
            assert!(!tells_of_change(said), "{said}");
        }
    }
}
