//! Which file, on which nodes, and which definition of a key.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use super::nodes::FileOnNodes;
use crate::cli::context::{Context, TOOL, hooks, typed};
use crate::cli::decide::{Known, decide};
use crate::cli::global::Changing;
use crate::cli::refusal::Refusal;
use crate::config::{GivenSecrets, NodeName, SecretStore, Selection};
use crate::exit::Exit;
use crate::plan::{Millis, Probe, Reading, Value};
use crate::primitives::edit_properties::{Circumstances, Found, Wish, plan};
use crate::properties::{Encoding, Properties, Which};
use crate::world::read_file_bounded;

/// A file and how it is read.
#[derive(Debug, Clone, Args)]
pub(super) struct Place {
    /// The .properties file.
    #[arg(short, long, value_name = "PATH")]
    pub(super) file: PathBuf,

    /// Read the file as UTF-8. Java reads such files as Latin-1 unless a program does so itself.
    #[arg(long)]
    pub(super) utf8: bool,
}

/// Where and which definition an edit means.
#[derive(Debug, Clone, Args)]
pub(super) struct Where {
    #[command(flatten)]
    pub(super) place: Place,

    /// On these nodes of the cluster file: names, @tags, patterns; ! before one leaves it out.
    #[arg(long, value_name = "NODES")]
    pub(super) on: Option<Selection>,

    /// Which definition is meant when a key is defined more than once.
    #[arg(long, value_enum, conflicts_with = "line")]
    pub(super) which: Option<WhichOne>,

    /// The line of the definition that is meant when a key is defined more than once.
    #[arg(long, value_name = "N")]
    pub(super) line: Option<usize>,
}

/// Which of several definitions.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum WhichOne {
    /// The first; Java does not use it.
    First,
    /// The last, which Java uses.
    Last,
    /// Every one.
    All,
}

impl Where {
    pub(super) fn which(&self) -> Which {
        match (self.which, self.line) {
            (_, Some(line)) => Which::Line(line),
            (Some(WhichOne::First), None) => Which::First,
            (Some(WhichOne::Last), None) => Which::Last,
            (Some(WhichOne::All), None) => Which::All,
            (None, None) => Which::Only,
        }
    }
}

impl Place {
    pub(super) fn encoding(&self) -> Encoding {
        if self.utf8 {
            Encoding::Utf8
        } else {
            Encoding::Latin1
        }
    }

    /// Reads the file.
    pub(super) fn read(&self) -> Result<Properties> {
        self.read_other(&self.file)
    }

    /// Reads another file in the same way.
    pub(super) fn read_other(&self, path: &Path) -> Result<Properties> {
        let bytes = read_file_bounded(path)
            .with_context(|| Refusal::usage(format!("{} can't be read", path.display())))?
            .ok_or_else(|| {
                Refusal::usage(format!("there is no file {}", path.display()))
                    .hint("give the path with --file")
            })?;
        Ok(Properties::parse_as(&bytes, self.encoding()))
    }
}

/// Makes the plan for these wishes, and does with it what the command line says.
pub(super) fn edit(
    verb: &'static str,
    at: &Where,
    wishes: &[Wish],
    given: GivenSecrets,
    changing: &Changing,
    context: &Context,
) -> Result<Exit> {
    let cluster = context.cluster()?;
    let references: Vec<_> = wishes
        .iter()
        .filter_map(|wish| match &wish.value {
            Some(Value::Secret(reference)) => Some((&wish.key, reference)),
            _ => None,
        })
        .collect();
    let own = cluster.secrets().map(|(_, reference)| reference);
    let asked = references.iter().map(|(_, reference)| *reference);
    let unsaved: Vec<_> = given.keys().cloned().collect();
    let secrets = std::sync::Arc::new(
        SecretStore::new(own.chain(asked))
            .relative_to(cluster.folder())
            .with_given(given)
            .with_terminal(),
    );
    for (key, reference) in &references {
        secrets.resolve(reference).map_err(|error| {
            let what = format!("the value for `{}` can't be had", key.escape_debug());
            anyhow::Error::from(error).context(Refusal::usage(what))
        })?;
    }
    let file = FileOnNodes::new(
        &at.place,
        at.on.as_ref(),
        &cluster,
        std::sync::Arc::clone(&secrets),
    )?;
    let found = file.ask(|node, target| {
        Ok(Found {
            node: node.clone(),
            target: target.clone(),
            path: file.path.clone(),
            file: file.read(node)?,
            wishes: left_to_do(&file, node, at.place.utf8, wishes)?,
        })
    })?;
    let circumstances = Circumstances {
        verb,
        made_by: TOOL.to_owned(),
        made_at: jiff::Timestamp::now(),
        hooks: hooks(&cluster),
    };
    let plan =
        plan(&found, &circumstances).map_err(|error| with_ways_out(error, verb, &at.place.file))?;
    let known = Known::secrets(secrets, unsaved);
    decide(context, &cluster, changing, &plan, known, None)
}

/// The wishes but for secrets that the file has already, which only a comparison in memory can tell.
fn left_to_do(
    file: &FileOnNodes,
    node: &NodeName,
    utf8: bool,
    wishes: &[Wish],
) -> Result<Vec<Wish>> {
    use crate::engine::{Look, World as _};
    let run = "planning".parse().map_err(anyhow::Error::msg)?;
    let look = Look {
        node,
        run: &run,
        timeout: Millis::secs(30),
    };
    let mut left = Vec::new();
    for wish in wishes {
        if let Some(value @ Value::Secret(_)) = &wish.value {
            let (path, key, value) = (file.path.clone(), wish.key.clone(), value.clone());
            let is = Probe::PropertyIs {
                path,
                key,
                value,
                utf8,
            };
            if file.world.observe(&look, &is)? == Reading::Same {
                continue;
            }
        }
        left.push(wish.clone());
    }
    Ok(left)
}

fn with_ways_out(
    error: crate::primitives::edit_properties::Unplannable,
    verb: &str,
    file: &Path,
) -> anyhow::Error {
    use crate::properties::EditError;
    let verb = verb.replace('-', " ");
    let file = typed(file);
    let mut refusal = Refusal::usage(error.to_string());
    refusal = match &error.error {
        EditError::Ambiguous { lines, .. } => {
            let line = lines.last().copied().unwrap_or_default();
            refusal
                .hint(format!(
                    "clusterctl {verb} --file {file} --line {line} ...   (the one that Java uses)"
                ))
                .hint(format!(
                    "clusterctl {verb} --file {file} --which all ...   (every one)"
                ))
        }
        EditError::Unreadable(_) => refusal.hint(format!(
            "clusterctl props check --file {file}   (shows every such place)"
        )),
        EditError::NotOnLine { .. } => refusal.hint(format!(
            "clusterctl props get --file {file} --lines   (shows the lines of all keys)"
        )),
    };
    let source = anyhow::Error::from(error.error);
    source.context(refusal)
}
