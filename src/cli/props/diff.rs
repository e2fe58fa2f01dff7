//! `props diff`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use super::place::Place;
use crate::cli::context::Context;
use crate::exit::Exit;
use crate::properties::{ByteDiff, JavaString, MeaningDiff, looks_secret};

/// Compare two .properties files, line by line and by what they mean to Java.
///
/// Values of keys that look like secrets are hidden. Exits with 3 when the files differ.
#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    place: Place,

    /// The file that it is compared with.
    #[arg(value_name = "OTHER")]
    other: PathBuf,

    /// Compare only what the files mean: which keys have which values.
    #[arg(long)]
    meaning: bool,
}

pub(super) fn run(args: &Diff, context: &Context) -> Result<Exit> {
    let ours = args.place.read()?;
    let theirs = args.place.read_other(&args.other)?;
    let names = (
        args.place.file.display().to_string(),
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
