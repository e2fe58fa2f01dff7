//! The command line: one file a verb, whose doc comment is its help.
//!
//! Verbs hold no logic of their own. They read what was typed, call inwards, and
//! turn what comes back into output and an exit code.

mod apply;
mod check;
mod cleanup;
mod completions;
mod conduct;
mod connect;
mod context;
mod convert;
mod decide;
mod draining;
mod exec;
mod given;
mod global;
mod io;
mod lb;
mod lock;
mod man;
mod props;
mod push;
mod push_look;
mod push_origin;
mod reach;
mod refusal;
mod rehearse;
mod restart;
mod resume;
mod runs;
mod schema;
mod servers;
mod show;
mod signals;
mod start;
mod status;
mod stop;
mod terminal_desk;
mod undo;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};

pub use io::{Io, Stream};

use context::Context;
use global::Global;

use crate::exit::Exit;

/// Turns a vendor's manual page for a server cluster into a plan that can be
/// read, approved, applied exactly, interrupted, resumed, undone and proved.
#[derive(Debug, Parser)]
#[command(name = "clusterctl", bin_name = "clusterctl", version, about, long_about = None)]
#[command(
    after_help = "Exit codes: 0 done, 2 wrong usage, 3 something differs, 10 changes pending, 20 held by \
another run, 21 plan is stale, 30 forbidden, 40 stopped (resumable), 41 failed and undone, 42 unsafe, \
50 unreachable, 130 interrupted. `clusterctl man` has them all."
)]
struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Status(status::Status),
    Convert(convert::Convert),
    Connect(connect::Connect),
    Restart(restart::Restart),
    Start(start::Start),
    Stop(stop::Stop),
    Props(props::Props),
    Push(push::Push),
    Exec(exec::Exec),
    Check(check::Check),
    Lock(lock::Lock),
    Lb(lb::Lb),
    Show(show::Show),
    Apply(apply::Apply),
    Rehearse(rehearse::Rehearse),
    Runs(runs::Runs),
    Resume(resume::Resume),
    Undo(undo::Undo),
    Cleanup(cleanup::Cleanup),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Verb {
    /// The state that an error leaves things in, which keeps a verb from beginning.
    ///
    /// Once a run has begun, it tells by itself how it ends.
    fn untouched(&self) -> Option<&'static str> {
        let changes = match self {
            Self::Props(args) => args.changes(),
            Self::Runs(args) => args.changes(),
            Self::Lock(args) => args.changes(),
            Self::Lb(args) => args.changes(),
            Self::Convert(_)
            | Self::Connect(_)
            | Self::Restart(_)
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Push(_)
            | Self::Apply(_)
            | Self::Resume(_)
            | Self::Undo(_) => true,
            _ => false,
        };
        changes.then_some("Nothing was changed by this command.")
    }
}

/// Runs the program with these arguments, the first of which is its own name.
pub fn run(args: impl IntoIterator<Item = OsString>, io: Io) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &io),
    };
    let untouched = cli.verb.untouched();
    let mut context = Context {
        io,
        global: cli.global,
    };
    let result = match cli.verb {
        Verb::Status(args) => status::run(&args, &context),
        Verb::Convert(args) => convert::run(&args, &context),
        Verb::Connect(args) => connect::run(&args, &context),
        Verb::Restart(args) => restart::run(&args, &context),
        Verb::Start(args) => start::run(&args, &context),
        Verb::Stop(args) => stop::run(&args, &context),
        Verb::Props(args) => props::run(args, &mut context),
        Verb::Push(args) => push::run(&args, &context),
        Verb::Exec(args) => exec::run(&args, &context),
        Verb::Lock(args) => lock::run(&args, &context),
        Verb::Lb(args) => lb::run(&args, &context),
        Verb::Check(args) => check::run(&args, &context),
        Verb::Show(args) => show::run(&args, &mut context),
        Verb::Apply(args) => apply::run(&args, &mut context),
        Verb::Rehearse(args) => rehearse::run(&args, &mut context),
        Verb::Runs(args) => runs::run(args, &mut context),
        Verb::Resume(args) => resume::run(&args, &mut context),
        Verb::Undo(args) => undo::run(&args, &mut context),
        Verb::Cleanup(args) => cleanup::run(&args, &context),
        Verb::Schema(args) => schema::run(&args, &context),
        Verb::Completions(args) => Ok(completions::run(&args, &context)),
        Verb::Man(args) => man::run(&args, &context),
    };
    let exit = result.unwrap_or_else(|error| {
        let (exit, trouble) = refusal::told(&error, untouched);
        context.io.err.print(&trouble.render(context.err_look()));
        exit
    });
    written(exit, &context.io)
}

/// The exit code, once it is known whether the results have arrived.
fn written(exit: Exit, io: &Io) -> Exit {
    let Err(error) = io.out.finish() else {
        return exit;
    };
    let text = format!("error: the output could not be written: {error}\n");
    io.err.print(&text);
    if exit == Exit::Done {
        Exit::Unexpected
    } else {
        exit
    }
}

/// The grammar of the command line, for completions and the manual.
fn grammar() -> clap::Command {
    Cli::command()
}

fn usage(error: &clap::Error, io: &Io) -> Exit {
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let (to, terminal) = if help {
        (&io.out, io.out_surroundings.terminal)
    } else {
        (&io.err, io.err_surroundings.terminal)
    };
    let text = error.render();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if terminal && !no_colour {
        to.print(&text.ansi().to_string());
    } else {
        to.print(&text.to_string());
    }
    written(if help { Exit::Done } else { Exit::Usage }, io)
}
