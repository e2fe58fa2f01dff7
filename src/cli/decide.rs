//! What becomes of a plan that a verb has made: shown, saved, or run.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use super::conduct::Conductor;
use super::context::{Context, save_plan, typed};
use super::global::{Changing, Running};
use super::refusal::Refusal;
use crate::config::{Cluster, NodeName, SecretStore};
use crate::exit::Exit;
use crate::plan::{Class, Plan, RunId};
use crate::remote::Host;
use crate::transfer::Source;
use crate::view::Look;

/// What is known already when a plan is decided on.
pub(super) struct Known {
    /// Nobody is asked twice for what is found here.
    pub(super) store: Arc<SecretStore>,
    /// The keys whose values were given to this command only.
    pub(super) unsaved: Vec<String>,
    /// Connections that looking at nodes has made: what is run goes on with them.
    pub(super) hosts: BTreeMap<NodeName, Arc<dyn Host>>,
    /// The tree that is brought, where it is one of this machine.
    pub(super) source: Option<Source>,
}

impl Known {
    /// No more than where secrets are found.
    pub(super) fn secrets(store: Arc<SecretStore>, unsaved: Vec<String>) -> Self {
        Self {
            store,
            unsaved,
            hosts: BTreeMap::new(),
            source: None,
        }
    }
}

/// Shows, saves or runs a plan, as the command line says.
pub(super) fn decide(
    context: &Context,
    cluster: &Cluster,
    changing: &Changing,
    plan: &Plan,
    mut known: Known,
    undoes: Option<&RunId>,
) -> Result<Exit> {
    if let Some(path) = &changing.out {
        if !known.unsaved.is_empty() {
            let keys: Vec<_> = known
                .unsaved
                .iter()
                .map(|key| key.escape_debug().to_string())
                .collect();
            let what = format!(
                "the plan was not saved: the value of {} was given only to this command, and a saved plan can't have it",
                keys.join(", ")
            );
            let refusal = keys.iter().fold(Refusal::usage(what), |refusal, key| {
                refusal.hint(format!(
                    "--secret {key}=env:NAME   (or file:PATH, cmd:COMMAND, prompt)"
                ))
            });
            return Err(refusal.into());
        }
        save_plan(plan, path)?;
    }
    if changing.plan || changing.out.is_some() {
        context.print_plan(plan);
        if let Some(path) = &changing.out {
            let shown = typed(path);
            context.io.err.print(&format!(
                "Saved as {shown}. To run it: clusterctl apply {shown} --expect-digest {}\n",
                plan.digest()
            ));
        }
        let pending = changing.detailed_exitcode && !plan.is_empty();
        return Ok(if pending { Exit::Pending } else { Exit::Done });
    }
    if plan.is_empty() {
        context.print_plan(plan);
        return Ok(Exit::Done);
    }
    // A program reads in the events what happens.
    if context.out_look() != Look::Json {
        context.io.err.print(&beforehand(context, plan));
    }
    if confirm(context, plan, &changing.running)? {
        // While a person reads and thinks, the tree may change.
        known.source = None;
    }
    let conductor = Conductor::new(context, cluster, &changing.running)?;
    conductor.begin(plan, known, undoes)
}

/// What a person sees before the plan is run: the whole of it when users may notice, else what changes in files.
fn beforehand(context: &Context, plan: &Plan) -> String {
    let style = context.plan_style();
    if plan.class() >= Class::Disrupt {
        return crate::plan::text::render(plan, &style);
    }
    let previews = plan.steps().filter_map(|(_, step)| step.preview.as_deref());
    previews
        .map(|preview| crate::plan::text::preview(preview, style.colour))
        .collect()
}

/// Asks the person at the terminal before steps that users may notice; whether anybody was asked.
pub(super) fn confirm(context: &Context, plan: &Plan, running: &Running) -> Result<bool> {
    if plan.class() < Class::Disrupt || running.yes || !context.io.interactive {
        return Ok(false);
    }
    context
        .io
        .err
        .print("Users may notice this. Type `yes` to run it: ");
    let mut line = String::new();
    // No answer is no consent.
    let _ = std::io::stdin().read_line(&mut line);
    if line.trim() == "yes" {
        return Ok(true);
    }
    Err(
        Refusal::new(Exit::Forbidden, "the plan was not run: nobody said yes")
            .hint("--yes   (runs it without asking)")
            .into(),
    )
}
