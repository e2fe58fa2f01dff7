//! `push` looks at the nodes: what differs there, whether a tree can be landed at all, and how fast the lines are.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::context::Context;
use super::push::{Compress, Push};
use super::push_origin::Origin;
use super::reach::Reach;
use super::refusal::{self, Refusal};
use crate::config::{NodeName, Selection};
use crate::exit::Exit;
use crate::fleet::each;
use crate::plan::{RemotePath, Sha256, Target};
use crate::primitives::push_tree::{Found, Summary};
use crate::remote::{Host, Line, Patience, RemoteErrorKind, Streams};
use crate::transfer::{
    self, Arrival, Delta, LandError, Rules, Sending, Source, Standing, Survey, Wanted,
};
use crate::world::Connect as _;

/// On how many nodes is looked at once.
const WIDTH: usize = 32;

/// How long finding out how fast a line is may take, before nothing is foretold.
const MEASURE: Duration = Duration::from_secs(10);

/// How long looking at a node may take.
pub(super) const LOOK: Duration = Duration::from_mins(10);

/// How long comparing the contents of files may take, which both sides have to read.
const CONTENTS: Duration = Duration::from_hours(12);

/// What is wrong with a node that is reached.
const REACHED: [RemoteErrorKind; 6] = [
    RemoteErrorKind::TimedOut,
    RemoteErrorKind::Cancelled,
    RemoteErrorKind::TooLong,
    RemoteErrorKind::TooMuch,
    RemoteErrorKind::Stream,
    RemoteErrorKind::Here,
];

/// Connections by which nodes were looked at.
pub(super) type Hosts = BTreeMap<NodeName, Arc<dyn Host>>;

/// Looking at nodes.
pub(super) struct Looking<'a> {
    pub(super) source: &'a Source,
    pub(super) origin: Option<&'a Origin>,
    pub(super) rules: &'a Rules,
    pub(super) args: &'a Push,
    pub(super) to: &'a RemotePath,
    pub(super) on: &'a Selection,
    pub(super) reach: &'a Reach,
}

impl Looking<'_> {
    /// What is found on the nodes that can be reached. The others are told of.
    pub(super) fn at_all(
        &self,
        targets: &[(NodeName, Target)],
        context: &Context,
    ) -> Result<(Vec<Found>, Hosts)> {
        let answers = each(targets, WIDTH, |(node, target)| self.at(node, target));
        let mut found = Vec::new();
        let mut hosts = Hosts::new();
        let mut unreached = Vec::new();
        for ((node, _), answer) in targets.iter().zip(answers) {
            match answer {
                Ok((one, host)) => {
                    found.push(one);
                    hosts.insert(node.clone(), host);
                }
                Err(error) if refusal::exit(&error) == Exit::Unreachable => {
                    unreached.push((node, error));
                }
                Err(error) => return Err(error),
            }
        }
        let last = if found.is_empty() {
            unreached.pop()
        } else {
            None
        };
        for (node, error) in &unreached {
            let text = format!("{node} is left out, since it was not reached: {error:#}\n");
            context.io.err.print(&text);
        }
        match last {
            Some((_, error)) => Err(error),
            None => Ok((found, hosts)),
        }
    }

    /// Finds out how fast the lines are by which much shall be sent. All at once, since that is how it will be sent.
    pub(super) fn measure(&self, found: &mut [Found], hosts: &Hosts) {
        let machines = found.iter().filter(|one| !one.summary.is_none()).count();
        let is_worth_it =
            |one: &&mut Found| one.summary.bytes >= transfer::WORTH_IT && !one.target.is_local();
        let mut many: Vec<_> = found.iter_mut().filter(is_worth_it).collect();
        // How fast it comes from another node can't be told without reading some of it, and a line is not tried faster than
        // it may be used.
        let paces = if self.origin.is_some() || self.args.limit_rate.is_some() {
            vec![None; many.len()]
        } else {
            each(&many, WIDTH, |one| {
                let host = hosts.get(&one.node)?;
                let exec = |line: &Line, streams: Streams<'_>, patience: &Patience<'_>| {
                    host.exec(line, streams, patience)
                };
                transfer::pace(&exec, one.summary.bytes, &Patience::unbroken(MEASURE))
            })
        };
        for (one, pace) in many.iter_mut().zip(paces) {
            one.pace = pace;
            let sending = Sending {
                source: self.source,
                bytes: one.summary.bytes,
                files: one.summary.files,
                machines,
                limit: self.args.limit_rate,
            };
            one.zipped_to = pace
                .or(self.args.limit_rate)
                .filter(|_| one.zstd)
                .and_then(|pace| sending.shrinks_to(self.args.compress.into(), pace));
        }
    }

    fn at(&self, node: &NodeName, target: &Target) -> Result<(Found, Arc<dyn Host>)> {
        let patience = Patience::unbroken(LOOK);
        let told = |error: LandError| of_land(node, &error);
        let host = self
            .reach
            .connect(node, &patience)
            .map_err(|error| told(error.into()))?;
        let exec = |line: &Line, streams: Streams<'_>, patience: &Patience<'_>| {
            host.exec(line, streams, patience)
        };
        let owner = self.args.owner.as_deref();
        let like = Some(self.source);
        let survey = transfer::survey(&exec, self.to.as_str(), None, owner, like, &patience)
            .map_err(told)?;
        self.check(node, target, &survey)?;
        let same = if self.args.checksum {
            let patience = Patience::unbroken(CONTENTS);
            let same = transfer::same_content(&exec, self.source, &survey, &patience);
            Some(same.map_err(told)?)
        } else {
            None
        };
        let wanted = Wanted {
            delete: self.args.delete,
            in_place: self.args.in_place,
            link_unchanged: self.args.link_unchanged,
            same: same.as_ref(),
            arrival: Arrival::default(),
        };
        let delta = Delta::between(&self.source.manifest, &survey, self.rules, wanted);
        if let Some(lost) = delta.lost.first() {
            let lost = String::from_utf8_lossy(lost);
            let what = format!(
                "{node}: {lost} is excluded and would be lost: the source has something else there or where its folder is"
            );
            return Err(Refusal::new(Exit::Forbidden, what).into());
        }
        if let Some(path) = delta.not_own.as_ref().filter(|_| !delta.is_none()) {
            let path = String::from_utf8_lossy(path);
            let what = format!(
                "{node}: {}/{path} belongs to another user than the one who works there, so nobody could give it its time and mode",
                self.to
            );
            let hint =
                "see `user` and `sudo` of the node in the cluster file, or push without --in-place";
            return Err(Refusal::new(Exit::Forbidden, what).hint(hint).into());
        }
        if !delta.is_none()
            && let Some(lack) = delta.lack(&survey)
        {
            let what = format!("{node}: there is no room for {}: {lack}", self.to);
            let hint = "make room on that file system; `clusterctl cleanup` removes old trees";
            return Err(Refusal::new(Exit::Forbidden, what).hint(hint).into());
        }
        if let Some(from) = self.origin.filter(|_| self.args.direct && delta.bytes > 0) {
            let to = (node, target, survey.archives);
            from.check_pull(to, self.source, self.reach, &patience)?;
        }
        let is_near = |from: &Origin| from.node == *node || from.target.is_same_user(target);
        let is_sent = delta.bytes > 0 && !(target.is_local() || self.origin.is_some_and(is_near));
        if self.args.compress == Compress::Zstd && is_sent && !survey.zstd {
            let what = format!(
                "{node}: there is no zstd, which makes large again what was made smaller on its way"
            );
            let hint = "install zstd there, or push without --compress";
            return Err(Refusal::new(Exit::Forbidden, what).hint(hint).into());
        }
        let found = Found {
            node: node.clone(),
            target: target.clone(),
            is: (survey.standing == Standing::Folder).then(|| Sha256::from_raw(&delta.was)),
            becomes: Sha256::from_raw(&delta.becomes),
            summary: Summary {
                files: delta.files,
                bytes: delta.bytes,
                kept: delta.kept,
                changed: delta.changed,
                removed: delta.removed,
            },
            pace: None,
            zstd: survey.zstd,
            zipped_to: None,
            at_once: survey.exchange != "none",
            mounted: survey.mounted,
            losses: if delta.is_none() {
                Vec::new()
            } else {
                transfer::losses(&self.source.manifest, &survey)
            },
        };
        Ok((found, host))
    }

    /// Whether the tree would be copied into itself, or over itself.
    fn check_apart(&self, node: &NodeName, target: &Target, survey: &Survey) -> Result<()> {
        let is_same_machine = match self.origin {
            Some(from) => from.node == *node || from.target.is_same_user(target),
            None => target.is_local(),
        };
        let (from, to) = (&self.source.root, Path::new(&survey.real));
        if !is_same_machine || !(from.starts_with(to) || to.starts_with(from)) {
            return Ok(());
        }
        let shown = from.display();
        let what = if from == to {
            format!(
                "{node}: {} is the very folder that the tree comes from",
                self.to
            )
        } else {
            format!(
                "{node}: {} and {shown}, which the tree comes from, are one in the other",
                self.to
            )
        };
        let on = self.on.to_string();
        let hint = if on == node.as_str() {
            "give another --to".to_owned()
        } else {
            format!("leave the node out, such as with --on '{on},!{node}', or give another --to")
        };
        Err(Refusal::new(Exit::Forbidden, what).hint(hint).into())
    }

    /// Whether a tree can be landed there at all.
    fn check(&self, node: &NodeName, target: &Target, survey: &Survey) -> Result<()> {
        let to = self.to;
        let forbidden = |what: String| Refusal::new(Exit::Forbidden, what);
        self.check_apart(node, target, survey)?;
        let state = target.state_dir.local();
        if state.starts_with(to.local()) || state.starts_with(&survey.real) {
            let what = format!(
                "{node}: {}, where clusterctl keeps what it knows of the node, is in {to}",
                state.display()
            );
            let hint = "push to another folder, or set another `state_dir` in the cluster file";
            return Err(forbidden(what).hint(hint).into());
        }
        if survey.standing == Standing::Other {
            let what = format!("{node}: {to} is not a folder");
            return Err(forbidden(what).hint("move it away first").into());
        }
        if self.args.in_place {
            let source = &self.source.manifest;
            if let Some(at) = survey.endangered(source, self.rules, self.args.delete) {
                let what = format!(
                    "{node}: something is mounted at {at}, where the source has nothing like it"
                );
                let hint = "unmount it, or exclude it";
                return Err(forbidden(what).hint(hint).into());
            }
            if survey.stages_inside() && !survey.writable_inside {
                let what = format!("{node}: this user may not put anything into {to}");
                let hint = "see `user` and `sudo` of the node in the cluster file";
                return Err(forbidden(what).hint(hint).into());
            }
            if !survey.stages_inside() && !survey.writable {
                let what = format!("{node}: this user may not make {to}");
                let hint = "see `user` and `sudo` of the node in the cluster file, or make the folder first, for this user";
                return Err(forbidden(what).hint(hint).into());
            }
            return Ok(());
        }
        if let Some(at) = &survey.holds_mount {
            let what = format!(
                "{node}: something is mounted at {at}, which would not stay where it is when {to} is swapped"
            );
            let hint = "unmount it, or push to the folders beside it one by one";
            return Err(forbidden(what).hint(hint).into());
        }
        if !(survey.writable || survey.mounted) {
            let what = format!("{node}: this user may not put anything beside {to}");
            let hint =
                "see `user` and `sudo` of the node in the cluster file, or push with --in-place";
            return Err(forbidden(what).hint(hint).into());
        }
        if let Some(odd) = survey.stays(self.rules, self.args.delete) {
            let odd = String::from_utf8_lossy(odd);
            let what =
                format!("{node}: {to}/{odd} is a socket or a device, which can't be carried over");
            return Err(forbidden(what).hint("remove it first").into());
        }
        Ok(())
    }
}

pub(super) fn of_land(node: &NodeName, error: &LandError) -> anyhow::Error {
    let what = format!("{node}: {error}");
    let refusal = match error {
        LandError::Remote(error) => {
            let exit = if REACHED.contains(&error.kind) {
                Exit::Forbidden
            } else {
                Exit::Unreachable
            };
            let refusal = Refusal::new(exit, what);
            match &error.hint {
                Some(hint) => refusal.hint(hint.clone()),
                None if error.kind == RemoteErrorKind::TimedOut => refusal.hint(format!(
                    "see what keeps {node} busy, or leave it out with --on"
                )),
                None => refusal,
            }
        }
        _ => Refusal::new(Exit::Forbidden, what),
    };
    refusal.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_reached_is_not_left_out_as_if_it_were_not() {
        let node: NodeName = "n1".parse().unwrap();
        for (kind, expected) in [
            (RemoteErrorKind::TimedOut, Exit::Forbidden),
            (RemoteErrorKind::Here, Exit::Forbidden),
            (RemoteErrorKind::Silent, Exit::Unreachable),
            (RemoteErrorKind::Denied, Exit::Unreachable),
        ] {
            let error = crate::remote::RemoteError::new(kind, "it is so");
            let error = of_land(&node, &error.into());
            assert_eq!(refusal::exit(&error), expected, "{kind:?}");
        }
    }
}
