//! `man`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, bold, roman};

use super::context::Context;
use crate::exit::Exit;

/// Print the manual page, or write one page a verb into a folder.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write the pages of all verbs here.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Man, context: &Context) -> Result<Exit> {
    let mut grammar = super::grammar();
    grammar.build();
    if let Some(folder) = &args.dir {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} could not be made", folder.display()))?;
        clap_mangen::generate_to(grammar, folder)
            .with_context(|| format!("the pages could not be written to {}", folder.display()))?;
        return Ok(Exit::Done);
    }
    let mut text = Vec::new();
    Page::new(grammar).render(&mut text)?;
    let mut codes = Roff::default();
    codes.control("SH", ["EXIT STATUS"]);
    for exit in Exit::ALL {
        codes.control("TP", []);
        codes.text([bold(exit.code().to_string())]);
        codes.text([roman(exit.meaning())]);
    }
    codes.to_writer(&mut text)?;
    context.io.out.print_bytes(&text);
    Ok(Exit::Done)
}
