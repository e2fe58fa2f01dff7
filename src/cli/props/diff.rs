//! `props diff`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::nodes::FileOnNodes;
use super::parity_view::ParityView;
use super::place::Place;
use crate::cli::context::Context;
use crate::cli::refusal::Refusal;
use crate::config::Selection;
use crate::exit::Exit;
use crate::properties::{ByteDiff, JavaString, MeaningDiff, Parity, looks_secret};

/// Compare .properties files: two of this machine, or one as several nodes have it.
///
/// Two files are compared line by line and by what they mean to Java. With --on,
/// a table shows the keys on which the nodes don't agree. Values of keys that
/// look like secrets are hidden. Exits with 3 when something differs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clusterctl props diff --file installed.properties installed.properties.old
  clusterctl props diff --on ucd1,ucd2,ucd3 /opt/ucd/server/conf/server/installed.properties")]
pub(super) struct Diff {
    /// The .properties file that OTHER is compared with.
    #[arg(short, long, value_name = "PATH", required_unless_present = "on")]
    file: Option<PathBuf>,

    /// The other file; with --on, the file on each node.
    #[arg(value_name = "OTHER")]
    other: PathBuf,

    /// Compare the file as these nodes of the cluster file have it: names, @tags, patterns.
    #[arg(long, value_name = "NODES", conflicts_with_all = ["file", "meaning"])]
    on: Option<Selection>,

    /// Read the files as UTF-8. Java reads such files as Latin-1 unless a program does so itself.
    #[arg(long)]
    utf8: bool,

    /// Compare only what the files mean: which keys have which values.
    #[arg(long)]
    meaning: bool,
}

pub(super) fn run(args: &Diff, context: &Context) -> Result<Exit> {
    let place = |file: &PathBuf| Place {
        file: file.clone(),
        utf8: args.utf8,
    };
    match (&args.on, &args.file) {
        (Some(on), _) => between_nodes(&place(&args.other), on, context),
        (None, Some(file)) => between_files(&place(file), args, context),
        (None, None) => Err(Refusal::usage("there is nothing to compare it with")
            .hint("--file PATH   (or --on NODES)")
            .into()),
    }
}

/// On which keys nodes don't agree.
fn between_nodes(place: &Place, on: &Selection, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let file = FileOnNodes::to_look_at(place, on, &cluster)?;
    if file.targets.len() < 2 {
        return Err(Refusal::usage("one node alone has nothing to differ from")
            .hint("--on a,b   (two nodes or more)")
            .into());
    }
    let found = file.ask(|node, _| file.read(node))?;
    let nodes: Vec<_> = file.targets.iter().map(|(node, _)| node).collect();
    let parity = Parity::of(&found.iter().collect::<Vec<_>>()).map_err(|(at, problem)| {
        let node = nodes.get(at).map_or("a node", |node| node.as_str());
        anyhow::Error::from(problem).context(Refusal::usage(format!(
            "Java can't load {} on {node}",
            file.path
        )))
    })?;
    let view = ParityView::new(&nodes, &parity);
    if context.global.json {
        context.print_json(&view.told(file.path.as_str()));
    } else {
        context.io.out.print(&view.render(context.out_look()));
        context.io.err.print(&view.sentence());
    }
    Ok(if parity.differing.is_empty() {
        Exit::Done
    } else {
        Exit::Differs
    })
}

fn between_files(place: &Place, args: &Diff, context: &Context) -> Result<Exit> {
    let ours = place.read()?;
    let theirs = place.read_other(&args.other)?;
    let names = (
        place.file.display().to_string(),
        args.other.display().to_string(),
    );
    let meaning = MeaningDiff::between(&ours, &theirs);
    let hidden = |key: &JavaString| looks_secret(&key.to_lossy());
    let bytes = ByteDiff::between(&ours, &theirs, hidden);
    let same_bytes = ours.bytes() == theirs.bytes();
    let differs = if args.meaning {
        let meaning = meaning.as_ref().map_err(Clone::clone);
        !meaning
            .with_context(|| format!("{} and {} can't be compared", names.0, names.1))?
            .is_empty()
    } else {
        !same_bytes
    };
    if context.global.json {
        let meaning = meaning.as_ref().ok();
        let keys = |keys: Option<Vec<String>>| keys.unwrap_or_default();
        context.print_json(&json!({
            "format": 1,
            "same_bytes": same_bytes,
            "same_meaning": meaning.map(MeaningDiff::is_empty),
            "added": keys(meaning.map(|m| m.added.iter().map(ToString::to_string).collect())),
            "removed": keys(meaning.map(|m| m.removed.iter().map(ToString::to_string).collect())),
            "changed": keys(meaning.map(|m| m.changed.iter().map(ToString::to_string).collect())),
        }));
    } else {
        if !args.meaning {
            context.io.out.print(&bytes.unified(&names.0, &names.1));
        }
        match meaning {
            Ok(meaning) if args.meaning || differs => {
                context.io.out.print(&format!("{meaning}\n"));
            }
            Ok(_) => {}
            Err(problem) => context
                .io
                .err
                .print(&format!("What they mean can't be compared: {problem}\n")),
        }
    }
    Ok(if differs { Exit::Differs } else { Exit::Done })
}
