//! `undo`.

use anyhow::Result;
use clap::Args;

use super::conduct::{Conductor, Existing, Further};
use super::context::{Context, TOOL};
use super::decide::{Known, decide};
use super::given::given_again;
use super::global::Changing;
use super::refusal::Refusal;
use super::runs::{Undone, refuse_undone};
use crate::config::GivenSecrets;
use crate::engine::World as _;
use crate::exit::Exit;
use crate::plan::{Plan, StepId, reverse};

/// Take back what a run did, in reverse order.
///
/// What somebody else changed since is never overwritten: the undo is refused
/// then, with exit code 21. An undo is a run itself, and can be resumed.
#[derive(Debug, Args)]
pub(super) struct Undo {
    /// The run: its name, the beginning or end of it, or `latest`, which is no undo itself.
    #[arg(value_name = "RUN")]
    run: String,

    /// Leave this step as it is; may be given more than once.
    #[arg(long, value_name = "STEP")]
    keep: Vec<StepId>,

    #[command(flatten)]
    changing: Changing,
}

pub(super) fn run(args: &Undo, context: &mut Context) -> Result<Exit> {
    let given = given_again(context, &args.changing.running.value_file, false)?;
    let context = &*context;
    let cluster = context.cluster()?;
    let conductor = Conductor::new(context, &cluster, &args.changing.running)?;
    let existing = conductor.open(context.find_run_to_undo(&args.run)?)?;
    let store = context.runs()?;
    super::runs::refuse_undo_of_undo(&existing, &store)?;
    if let Some(undo) = Undone::of(&store)?.by(&existing.run) {
        let (world, _) = conductor.world(&existing.plan, GivenSecrets::new());
        let freed = conductor.free(&world, &existing.plan, undo, &existing.run)?;
        if freed.is_empty() {
            return Err(refuse_undone(&existing.run, undo, &store));
        }
        for node in freed {
            let run = &existing.run;
            let text = format!("{node}: free again; run {undo} took back all of run {run}\n");
            context.io.out.print(&text);
        }
        return Ok(Exit::Done);
    }
    refuse_if_followed(&conductor, &existing)?;
    let run = existing.run.clone();
    let done = conductor.effects(&existing)?;
    let plan = reverse(
        &existing.plan,
        &run,
        &done,
        &args.keep,
        jiff::Timestamp::now(),
    )
    .map_err(|stuck| {
        let mut refusal = Refusal::new(Exit::Forbidden, format!("run {run} can't be taken back"));
        for (step, _) in &stuck.0 {
            refusal = refusal.hint(format!(
                "--keep {step}   (leaves it, and takes back the rest)"
            ));
        }
        anyhow::Error::from(stuck).context(refusal)
    })?;
    let plan = Plan {
        made_by: TOOL.to_owned(),
        ..plan
    };
    if plan.is_empty() && !args.changing.plan && args.changing.out.is_none() {
        if existing.progress.is_unfinished() {
            // Nothing is there to take back, so letting go is all there is to do.
            let reason = "undone: it had changed nothing".to_owned();
            return conductor.go_on(existing, GivenSecrets::new(), &Further::Abandon(reason));
        }
        context.io.out.print(&format!(
            "Nothing to do: run {run} left nothing that could be taken back.\n"
        ));
        return Ok(Exit::Done);
    }
    // From here on the run's own folder may be looked at by others again.
    drop(existing);
    let unsaved = given.keys().cloned().collect();
    let (_, store) = conductor.world(&plan, given);
    let known = Known::secrets(store, unsaved);
    decide(context, &cluster, &args.changing, &plan, known, Some(&run))
}

/// A run that a later one on the same nodes followed can't be taken back before that one is.
fn refuse_if_followed(conductor: &Conductor<'_>, existing: &Existing) -> Result<()> {
    let (world, _) = conductor.world(&existing.plan, GivenSecrets::new());
    for node in existing.plan.changed() {
        let record = world.holder(node)?;
        let Some(at) = record.history.iter().position(|run| *run == existing.run) else {
            continue;
        };
        let later: Vec<_> = record
            .history
            .iter()
            .skip(at + 1)
            .map(ToString::to_string)
            .collect();
        if let Some(last) = later.last() {
            let what = format!(
                "{node}: run {} was followed by {}, which must be taken back first",
                existing.run,
                later.join(", ")
            );
            return Err(Refusal::new(Exit::Held, what)
                .hint(format!("clusterctl undo {last}"))
                .into());
        }
    }
    Ok(())
}
