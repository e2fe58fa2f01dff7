//! `completions`.

use clap::Args;
use clap_complete::Shell;

use super::context::Context;
use crate::exit::Exit;

/// Print a script that completes clusterctl's command line in a shell.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Completions, context: &Context) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::grammar(), "clusterctl", &mut script);
    context.io.out.print_bytes(&script);
    Exit::Done
}
