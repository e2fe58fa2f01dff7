//! `push`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args};

use super::context::{Context, TOOL, hooks, target};
use super::decide::{Secrets, decide};
use super::global::Changing;
use super::push_origin::{Origin, origin};
use super::reach::Reach;
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, Selection};
use crate::exit::Exit;
use crate::fleet::each;
use crate::plan::{RemotePath, Sha256, Target, Tree, TreeSource};
use crate::primitives::push_tree::{Circumstances, Found, Summary, plan, size};
use crate::remote::{Host, Line, Patience, RemoteErrorKind, Streams};
use crate::transfer::{self, Delta, LandError, Rules, Source, Standing, Survey, Wanted};
use crate::view::table::{Column, Table};
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

/// Copy a folder to many nodes at once, whole or not at all.
///
/// Only what differs is sent, from one reading for near nodes. It is staged beside
/// its place on each node, verified by a strong hash and swapped in; the tree that
/// was there is kept until `clusterctl cleanup`, and `clusterctl undo` swaps it
/// back. What is only in the old tree is carried over, unless --delete is given.
/// A copy that was cut short leaves the old tree alone, and the next one goes on
/// with what had arrived. A target at which a file system is mounted is staged in
/// it, and what is in the two trees changes places one by one: not at once, but no
/// less sure to come to its end.
///
/// With --in-place there is no second tree: what was sent and verified is given its
/// places file by file, as rsync does it, and what goes with --delete goes last.
/// Every file is the old one or the new one then, whenever it is cut short, and the
/// next push goes on; but it can't be taken back. It needs room for what is sent.
///
/// With --from the folder is one of a node, which is only read: what the others lack
/// goes through this machine without touching its disk. A node that has the folder
/// itself copies it there, sharing its blocks where the file system can.
///
/// Kept are modes, links, hard links, holes, times, extended attributes and access
/// lists, and owners where the user there is root; what a node can't keep is told.
/// Whether a file is the same is told by its size, its time and its extended
/// attributes, or with --checksum by its content instead of its time.
///
/// The plan and --dry-run say how long what is sent takes on its way, where much is
/// to be sent and a short look at the line can tell that.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("tree").required(true).args(["source", "from"])))]
#[command(after_help = "Examples:
  clusterctl push build/app --on @server --to /opt/app
  clusterctl push /opt/ucd/server --on 'ucd*,!ucd1' --to /opt/ucd/server --exclude '*.log' --exclude /conf/server/ --delete
  clusterctl push build/app --on @server --to /opt/app --dry-run
  clusterctl push --from ucd1:/opt/ucd/server --on 'ucd*,!ucd1' --to /opt/ucd/server
  clusterctl push content --on @web --to /srv/www --in-place --delete --owner www-data --limit-rate 20M")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(super) struct Push {
    /// The folder on this machine.
    #[arg(
        value_name = "SRC",
        required_unless_present = "from",
        conflicts_with = "from"
    )]
    source: Option<PathBuf>,

    /// The folder of a node of the cluster file, instead of SRC.
    #[arg(long, value_name = "NODE:PATH")]
    from: Option<String>,

    /// To these nodes of the cluster file: names, @tags, patterns; ! before one leaves it out.
    #[arg(long, value_name = "NODES")]
    on: Selection,

    /// Where the folder shall be on the nodes; what SRC contains is then in it.
    #[arg(long, value_name = "PATH")]
    to: String,

    /// Have the nodes pull what they lack from the node of --from by themselves, with your agent, and not through this
    /// machine: your agent is forwarded to them for that time, which root there could use.
    #[arg(long, requires = "from", conflicts_with_all = ["limit_rate", "source"])]
    direct: bool,

    /// Leave this out, and alone on the nodes: a rule as in a .gitignore; may be given more than once.
    #[arg(long, value_name = "RULE")]
    exclude: Vec<String>,

    /// Leave away what is on the nodes and not in SRC.
    #[arg(long)]
    delete: bool,

    /// Say for each node how much would change, and change nothing.
    #[arg(long, conflicts_with_all = ["plan", "out"])]
    dry_run: bool,

    /// Replace files where they are, one by one, and don't swap whole trees; it can't be taken back.
    #[arg(long)]
    in_place: bool,

    /// Tell by content (BLAKE2 or SHA-256) which files are the same, and not by size and time.
    #[arg(long)]
    checksum: bool,

    /// Let everything belong to this user and group there, names or numbers; without a group, to the user's own.
    #[arg(long, value_name = "USER[:GROUP]", value_parser = owner)]
    owner: Option<String>,

    /// Send at most so many bytes a second to each node; k, M and G stand for thousands, millions, billions.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    limit_rate: Option<u64>,

    /// Give unchanged files a second name in the new tree instead of copying them: only for trees in which nothing is
    /// ever written in place, since both trees, and the undo, then have the same file.
    #[arg(long, conflicts_with = "in_place")]
    link_unchanged: bool,

    #[command(flatten)]
    changing: Changing,
}

/// A user, or a user and a group.
fn owner(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('-')
            && name
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control() && !"/:".contains(c))
    };
    let (user, group) = text.split_once(':').unwrap_or((text, "0"));
    if is_name(user) && is_name(group) {
        return Ok(text.to_owned());
    }
    Err("write it as `app`, `app:staff` or `1001:1001`".to_owned())
}

/// A number of bytes a second.
fn rate(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1_000,
        "m" | "M" => 1_000_000,
        "g" | "G" => 1_000_000_000,
        _ => 0,
    };
    let rate = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit));
    rate.filter(|rate| *rate > 0)
        .ok_or_else(|| "write it as `500k`, `10M` or a number of bytes".to_owned())
}

pub(super) fn run(args: &Push, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let to = place(&args.to)?;
    let rules = Rules::new(&args.exclude).map_err(|error| {
        Refusal::usage(error.to_string())
            .hint("write rules as in a .gitignore, such as --exclude '*.log'")
    })?;
    let store = Arc::new(cluster.secret_store().with_terminal());
    let targets = cluster
        .select(&args.on)?
        .into_iter()
        .map(|node| Ok((node.name.clone(), target(&cluster, node)?)))
        .collect::<Result<Vec<(NodeName, Target)>>>()?;
    let origin = args.from.as_deref().map(|given| origin(given, &cluster));
    let origin = origin.transpose()?;
    let mut all: BTreeMap<NodeName, Target> = targets.iter().cloned().collect();
    all.extend(
        origin
            .iter()
            .map(|from| (from.node.clone(), from.target.clone())),
    );
    let reach = Arc::new(Reach::to(all, Arc::clone(&store)));
    reach.fetch()?;
    reach.explain(context);
    reach.explain_bulk(context);
    let source = match &origin {
        Some(from) => from.survey(&reach, &rules)?,
        None => read(args, &rules)?,
    };
    if source.attributes_unknown {
        let text = format!(
            "extended attributes and access lists are not kept: {} has neither getfattr nor python3, which tell them\n",
            origin
                .as_ref()
                .map_or("the node", |from| from.node.as_str())
        );
        context.io.err.print(&text);
    }
    for odd in &source.left_out {
        let text = format!(
            "{} is left out: it is no file, folder, link or pipe\n",
            odd.display()
        );
        context.io.err.print(&text);
    }
    let look = Looking {
        source: &source,
        origin: origin.as_ref(),
        rules: &rules,
        args,
        to: &to,
        on: &args.on,
        reach: &reach,
    };
    let (mut found, hosts) = look.at_all(&targets, context)?;
    look.measure(&mut found, &hosts);
    for one in found.iter().filter(|one| !one.losses.is_empty()) {
        let text = format!("{} can't keep {}\n", one.node, one.losses.join("; "));
        context.io.err.print(&text);
    }
    let missing = found.len() < targets.len();
    if args.dry_run {
        summarise(context, &found, args.limit_rate);
        return Ok(if missing { Exit::Differs } else { Exit::Done });
    }
    let given = circumstances(args, &cluster, &source, origin, to)?;
    let plan = plan(&found, &given);
    // From here on the run reads it anew.
    drop(source);
    let secrets = Secrets {
        store,
        unsaved: Vec::new(),
        hosts,
    };
    let exit = decide(context, &cluster, &args.changing, &plan, secrets, None)?;
    Ok(if exit == Exit::Done && missing {
        Exit::Differs
    } else {
        exit
    })
}

/// The place on the nodes: an absolute path without anything that leads back, and none that holds everything.
fn place(to: &str) -> Result<RemotePath> {
    Ok(tidy(to).ok_or_else(|| {
        Refusal::usage(format!("`{to}` is no place for a folder on a node"))
            .hint("give --to an absolute path without `..`, such as /opt/app")
    })?)
}

/// A path in the plainest of its spellings, if it is absolute, leads nowhere back, and names something.
pub(super) fn tidy(path: &str) -> Option<RemotePath> {
    let path = PathBuf::from(path);
    let odd = |part: Component<'_>| matches!(part, Component::ParentDir | Component::Prefix(_));
    if !path.is_absolute() || path.file_name().is_none() || path.components().any(odd) {
        return None;
    }
    let tidy: PathBuf = path.components().collect();
    Some(RemotePath::new(tidy.to_string_lossy()))
}

fn read(args: &Push, rules: &Rules) -> Result<Source> {
    let source = args.source.as_deref().context("there is no folder")?;
    let source = Source::read(source, rules).map_err(|error| Refusal::usage(error.to_string()))?;
    if source.root.to_str().is_none() {
        let what = format!(
            "the name of {} is no text, which a plan is",
            source.root.display()
        );
        return Err(Refusal::usage(what).into());
    }
    Ok(source)
}

fn circumstances(
    args: &Push,
    cluster: &Cluster,
    source: &Source,
    origin: Option<Origin>,
    to: RemotePath,
) -> Result<Circumstances> {
    let path = source
        .root
        .to_str()
        .context("the name of the folder is no text")?;
    let (from, origin) = if let Some(Origin { node, target, path }) = origin {
        (TreeSource::Node { node, path }, Some(target))
    } else {
        let path = RemotePath::new(path);
        (TreeSource::Runner { path }, None)
    };
    Ok(Circumstances {
        origin,
        tree: Tree {
            from,
            digest: Sha256::from_raw(&source.digest()),
            exclude: args.exclude.clone(),
            delete: args.delete,
            checksum: args.checksum,
            owner: args.owner.clone(),
            link_unchanged: args.link_unchanged,
            direct: args.direct,
            rate: args.limit_rate,
        },
        to,
        in_place: args.in_place,
        made_by: TOOL.to_owned(),
        made_at: jiff::Timestamp::now(),
        hooks: hooks(cluster),
    })
}

/// Connections by which nodes were looked at.
type Hosts = BTreeMap<NodeName, Arc<dyn Host>>;

/// Looking at nodes.
struct Looking<'a> {
    source: &'a Source,
    origin: Option<&'a Origin>,
    rules: &'a Rules,
    args: &'a Push,
    to: &'a RemotePath,
    on: &'a Selection,
    reach: &'a Reach,
}

impl Looking<'_> {
    /// What is found on the nodes that can be reached. The others are told of.
    fn at_all(
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
                Err(error) if super::refusal::exit(&error) == Exit::Unreachable => {
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
    fn measure(&self, found: &mut [Found], hosts: &Hosts) {
        if self.origin.is_some() {
            // How fast it comes from there can't be told without reading some of it.
            return;
        }
        let is_worth_it =
            |one: &&mut Found| one.summary.bytes >= transfer::WORTH_IT && !one.target.is_local();
        let mut many: Vec<_> = found.iter_mut().filter(is_worth_it).collect();
        let paces = each(&many, WIDTH, |one| {
            let host = hosts.get(&one.node)?;
            let exec = |line: &Line, streams: Streams<'_>, patience: &Patience<'_>| {
                host.exec(line, streams, patience)
            };
            transfer::pace(&exec, one.summary.bytes, &Patience::unbroken(MEASURE))
        });
        for (one, pace) in many.iter_mut().zip(paces) {
            one.pace = pace;
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
        };
        let delta = Delta::between(&self.source.manifest, &survey, self.rules, wanted);
        if let Some(lost) = delta.lost.first() {
            let lost = String::from_utf8_lossy(lost);
            let what = format!(
                "{node}: {lost} is excluded and would be lost: the source has something else there or where its folder is"
            );
            return Err(Refusal::new(Exit::Forbidden, what).into());
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

fn summarise(context: &Context, found: &[Found], limit: Option<u64>) {
    if context.global.json {
        for one in found {
            let time = one.prediction(limit).map(|it| it.time.as_secs_f64());
            let Summary {
                files,
                bytes,
                kept,
                changed,
                removed,
            } = one.summary;
            context.print_json(&serde_json::json!({
                "format": 1, "node": one.node, "files": files, "bytes": bytes, "kept": kept, "changed": changed,
                "removed": removed, "seconds": time, "bytes_per_second": one.prediction(limit).map(|it| it.pace),
            }));
        }
        return;
    }
    let mut table = Table::new([
        Column::new("node").whole(),
        Column::new("files to send").right(),
        Column::new("size").right(),
        Column::new("files kept").right(),
        Column::new("changed").right(),
        Column::new("removed").right(),
        Column::new("time"),
    ]);
    for one in found {
        let Summary {
            files,
            bytes,
            kept,
            changed,
            removed,
        } = one.summary;
        table.row([
            one.node.to_string(),
            files.to_string(),
            size(bytes),
            kept.to_string(),
            changed.to_string(),
            removed.to_string(),
            one.prediction(limit)
                .map_or_else(|| "-".to_owned(), |it| it.in_words()),
        ]);
    }
    context.io.out.print(&table.render(context.out_look()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_owners_are_read_or_refused() {
        let rates = ["500k", "10M", "1G", "77", "2K"].map(|text| rate(text).unwrap());
        assert_eq!(rates, [500_000, 10_000_000, 1_000_000_000, 77, 2_000]);
        for bad in ["", "0", "k", "1.5M", "-1", "10MB", "99999999999G", "ä"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        for good in ["app", "app:staff", "1001:1001", "a.b@c:d"] {
            assert_eq!(owner(good).unwrap(), good);
        }
        for bad in ["", ":staff", "app:", "-x", "a b", "a/b", "a:b:c"] {
            assert!(owner(bad).is_err(), "{bad}");
        }
    }

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
            assert_eq!(super::super::refusal::exit(&error), expected, "{kind:?}");
        }
    }
}
