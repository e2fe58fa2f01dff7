//! `push`.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{ArgGroup, Args, ValueEnum};

use super::context::{Context, TOOL, hooks, target};
use super::decide::{Known, decide};
use super::global::Changing;
use super::push_look::Looking;
use super::push_origin::{Origin, origin};
use super::reach::Reach;
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, Selection};
use crate::exit::Exit;
use crate::plan::{Compression, RemotePath, Sha256, Target, Tree, TreeSource};
use crate::primitives::push_tree::{Circumstances, Found, Summary, plan, size};
use crate::transfer::{Rules, Source, Zip};
use crate::view::table::{Column, Table};

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
/// With --in-place there is no second tree: what was sent is given its places file by
/// file, as rsync does it, and what goes with --delete goes last; what came from this
/// machine just now is read again and compared on the node only with --checksum.
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
    pub(super) direct: bool,

    /// Leave this out, and alone on the nodes: a rule as in a .gitignore; may be given more than once.
    #[arg(long, value_name = "RULE")]
    exclude: Vec<String>,

    /// Leave away what is on the nodes and not in SRC.
    #[arg(long)]
    pub(super) delete: bool,

    /// Say for each node how much would change, and change nothing.
    #[arg(long, conflicts_with_all = ["plan", "out"])]
    dry_run: bool,

    /// Replace files where they are, one by one, and don't swap whole trees; it can't be taken back.
    #[arg(long)]
    pub(super) in_place: bool,

    /// Tell by content (BLAKE2 or SHA-256) which files are the same, and not by size and time; read back what was sent also
    /// with --in-place.
    #[arg(long)]
    pub(super) checksum: bool,

    /// Let everything belong to this user and group there, names or numbers; without a group, to the user's own.
    #[arg(long, value_name = "USER[:GROUP]", value_parser = owner)]
    pub(super) owner: Option<String>,

    /// Send at most so many bytes a second to each node; k, M and G stand for thousands, millions, billions.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) limit_rate: Option<u64>,

    /// Make what is sent smaller on its way: `auto` where a look at the tree and at the line tells that this is faster,
    /// and the node has zstd.
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t = Compress::Auto,
        default_missing_value = "zstd",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with = "direct"
    )]
    pub(super) compress: Compress,

    /// Give unchanged files a second name in the new tree instead of copying them: only for trees in which nothing is
    /// ever written in place, since both trees, and the undo, then have the same file.
    #[arg(long, conflicts_with = "in_place")]
    pub(super) link_unchanged: bool,

    #[command(flatten)]
    changing: Changing,
}

/// Whether what is sent is made smaller on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Compress {
    /// Where it is worth it.
    Auto,
    /// Never.
    Never,
    /// By zstd, always.
    Zstd,
}

impl From<Compress> for Compression {
    fn from(how: Compress) -> Self {
        match how {
            Compress::Auto => Self::Auto,
            Compress::Never => Self::Never,
            Compress::Zstd => Self::Zstd,
        }
    }
}

impl From<Compress> for Zip {
    fn from(how: Compress) -> Self {
        match how {
            Compress::Auto => Self::Auto,
            Compress::Never => Self::Never,
            Compress::Zstd => Self::Always,
        }
    }
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
    let reach = Arc::new(Reach::to(&cluster, all, Arc::clone(&store)));
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
    let known = Known {
        store,
        unsaved: Vec::new(),
        hosts,
        source: Some(source).filter(|source| !source.is_afar()),
    };
    let exit = decide(context, &cluster, &args.changing, &plan, known, None)?;
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
            compress: args.compress.into(),
            rate: args.limit_rate,
        },
        to,
        in_place: args.in_place,
        made_by: TOOL.to_owned(),
        made_at: jiff::Timestamp::now(),
        hooks: hooks(cluster),
    })
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
                "smaller_to": one.zipped_to,
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
}
