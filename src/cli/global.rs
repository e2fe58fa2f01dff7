//! What every verb understands.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::view::ColourChoice;

/// Options that every verb understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        help = "The cluster file; without it $CLUSTERCTL_CLUSTER, else ./cluster.toml if there is one"
    )]
    pub(super) cluster: Option<PathBuf>,

    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "The folder in which this machine keeps its runs; without it $CLUSTERCTL_STATE_DIR, else ~/.local/state/clusterctl"
    )]
    pub(super) state_dir: Option<PathBuf>,

    /// Print JSON, one value a line: events of a run, results, errors.
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// When to use colours.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        value_parser = color()
    )]
    pub(super) color: ColourChoice,

    /// Say more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
}

/// What verbs that change something understand.
#[derive(Debug, Clone, Args)]
pub(super) struct Changing {
    /// Show the plan, with the differences in files, and change nothing.
    #[arg(long)]
    pub(super) plan: bool,

    /// Save the plan as FILE, to be applied later, and change nothing.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,

    /// With --plan: exit with 10 when the plan has something to do.
    #[arg(long, requires = "plan")]
    pub(super) detailed_exitcode: bool,

    #[command(flatten)]
    pub(super) running: Running,
}

/// What verbs that run a plan understand.
#[derive(Debug, Clone, Args)]
pub(super) struct Running {
    /// Don't ask before steps that users may notice.
    #[arg(short, long)]
    pub(super) yes: bool,

    /// Wait this long for nodes that another run holds.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = length)]
    pub(super) lock_wait: std::time::Duration,

    /// Refuse plans in which a person must do something.
    #[arg(long)]
    pub(super) no_operator: bool,

    /// Give a secret that is not kept: KEY=FILE, or KEY=- for standard input.
    #[arg(long, value_name = "KEY=FILE")]
    pub(super) value_file: Vec<String>,
}

fn color() -> impl TypedValueParser<Value = ColourChoice> {
    // The choices are the very texts that the type reads.
    PossibleValuesParser::new(["auto", "always", "never"])
        .map(|text| text.parse::<ColourChoice>().unwrap_or_default())
}

/// A length of time as people write it; `0s` is allowed.
pub(super) fn length(text: &str) -> Result<std::time::Duration, String> {
    if ["0", "0s"].contains(&text) {
        return Ok(std::time::Duration::ZERO);
    }
    text.parse::<crate::config::HumanDuration>()
        .map(crate::config::HumanDuration::get)
        .map_err(|error| error.to_string())
}
