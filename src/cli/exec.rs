//! `exec`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use super::context::Context;
use super::global::length;
use super::reach::Reach;
use super::refusal::Refusal;
use super::signals::Listening;
use crate::config::Selection;
use crate::engine::Interrupt;
use crate::exit::Exit;
use crate::fleet::{End, Errand, News, visit};
use crate::plan::Argv;
use crate::remote::{Exit as Ended, Line};
use crate::view::ErrandView;
use crate::world::Connect as _;

/// How long nothing may be heard before the program says that it still lives.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Run a command on many nodes at once.
///
/// Every line that it writes is shown with the node's name before it, as it
/// comes. No shell reads the command: for pipes and variables, run one
/// (-- sh -c 'df -h | grep data'). It takes no lock.
///
/// Exits with 3 when it failed on some node, or some could not be reached, and
/// with 50 when none could.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clusterctl exec --on @server -- systemctl is-active ucd
  clusterctl exec --on 'ucd*,!ucd3' --timeout 5m --output-dir logs -- tar -cf - /opt/ucd/server/var/log
  clusterctl exec --on @server --stdin fix.sh -- sh -s")]
pub(super) struct Exec {
    /// On these nodes of the cluster file: names, @tags, patterns; ! before one leaves it out.
    #[arg(long, value_name = "NODES")]
    on: Selection,

    /// On how many nodes at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    parallel: u16,

    /// How long it may take on each node, connecting included; 0s is without end.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = length)]
    timeout: Duration,

    /// The file that the command reads as its standard input, on each node from the beginning.
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,

    /// Keep what each node writes, byte for byte, as NODE.out and NODE.err in this folder.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,

    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(args: &Exec, context: &Context) -> Result<Exit> {
    let cluster = context.cluster()?;
    let line = Line::new(args.command.iter().cloned())
        .map_err(|error| Refusal::usage(error.to_string()))?;
    if let Some(path) = &args.stdin {
        let readable = std::fs::File::open(path).and_then(|file| file.metadata());
        let metadata = readable
            .with_context(|| Refusal::usage(format!("{} can't be read", path.display())))?;
        if !metadata.is_file() {
            let what = format!(
                "{} is not a file, and each node reads it from its beginning",
                path.display()
            );
            return Err(Refusal::usage(what).into());
        }
    }
    if let Some(folder) = &args.output_dir {
        std::fs::create_dir_all(folder)
            .with_context(|| Refusal::usage(format!("{} can't be made", folder.display())))?;
    }
    let reach = Reach::new(&cluster, &cluster.select(&args.on)?)?;
    reach.fetch()?;
    reach.explain(context);
    let nodes = reach.nodes();
    let errand = Errand {
        line,
        input: args.stdin.clone(),
        copies: args.output_dir.clone(),
        timeout: match args.timeout {
            Duration::ZERO => Duration::MAX,
            some => some,
        },
        width: usize::from(args.parallel),
    };
    let interrupt = Arc::new(Interrupt::default());
    let err = context.io.err.clone();
    let _listening = Listening::begin(Arc::clone(&interrupt), move |times| {
        if times == 1 {
            err.print("Stopping: what runs is broken off, and nothing more is begun.\n");
        }
    });
    let mut view = ErrandView::new(context.out_look(), context.err_look(), &nodes);
    let mut not_found = false;
    let show = |said: &crate::view::Said| {
        if !said.out.is_empty() {
            context.io.out.print(&said.out);
        }
        if !said.err.is_empty() {
            context.io.err.print(&said.err);
        }
    };
    visit(
        &errand,
        &nodes,
        &|node, patience| reach.connect(node, patience),
        &|| interrupt.times() > 0,
        HEARTBEAT,
        &mut |news| {
            not_found |= matches!(
                &news,
                Some(News::Ended {
                    end: End::Exit(Ended::Code(127)),
                    ..
                })
            );
            show(&view.hear(news));
        },
    );
    let (said, tally) = view.finish();
    show(&said);
    if not_found && let Some(hint) = meant_for_a_shell(&args.command) {
        context.io.err.print(&format!("hint: {hint}\n"));
    }
    Ok(match tally {
        _ if interrupt.times() > 0 => Exit::Interrupted,
        tally if tally.succeeded == nodes.len() => Exit::Done,
        tally if tally.unreached == nodes.len() => Exit::Unreachable,
        _ => Exit::Differs,
    })
}

/// What to type instead, where one word looks like a line for a shell.
fn meant_for_a_shell(command: &[String]) -> Option<String> {
    let [line] = command else { return None };
    line.contains(|c: char| c.is_whitespace() || ";|&<>$`".contains(c))
        .then(|| {
            let by_shell = Argv::new(["sh", "-c", line]);
            format!("-- {by_shell}   (no shell reads a command of one word: it is the name of a program)")
        })
}

#[cfg(test)]
mod tests {
    use super::meant_for_a_shell;

    #[test]
    fn one_word_that_is_a_line_for_a_shell() {
        let hint = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            meant_for_a_shell(&words)
        };
        assert!(
            hint(&["df -h | grep it's"])
                .unwrap()
                .starts_with(r"-- sh -c 'df -h | grep it'\''s'   (")
        );
        assert_eq!(hint(&["df"]), None);
        assert_eq!(hint(&["df", "-h | grep"]), None);
    }
}
