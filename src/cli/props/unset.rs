//! `props unset`.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;

use super::place::{Where, edit};
use crate::cli::context::Context;
use crate::cli::global::Changing;
use crate::config::GivenSecrets;
use crate::exit::Exit;
use crate::primitives::edit_properties::Wish;

/// Remove keys from a .properties file, and leave every other byte as it is.
#[derive(Debug, Args)]
pub(super) struct Unset {
    #[command(flatten)]
    at: Where,

    /// The keys that go. A key that is not there is no error.
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Unset, context: &Context) -> Result<Exit> {
    let which = args.at.which();
    let keys: BTreeSet<_> = args.keys.iter().collect();
    let wishes: Vec<_> = keys
        .into_iter()
        .map(|key| Wish::unset(key, which))
        .collect();
    edit(
        "props-unset",
        &args.at,
        &wishes,
        GivenSecrets::new(),
        &args.changing,
        context,
    )
}
