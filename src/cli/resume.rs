//! `resume`.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args;

use super::conduct::{Conductor, Further};
use super::context::Context;
use super::given::given_again;
use super::global::Running;
use super::refusal::Refusal;
use crate::exit::Exit;
use crate::plan::StepId;

/// Go on with a run that was stopped, interrupted or killed.
///
/// What was begun and not seen to end is looked at first: it is done, or it is
/// done again, or the run stops and says what it found.
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The run: its name, the beginning or end of it, or `latest`.
    #[arg(value_name = "RUN")]
    run: String,

    /// Say that this step is done.
    #[arg(long, value_name = "STEP", requires = "evidence")]
    answer: Option<StepId>,

    /// What shows that it is done; it is written into the journal.
    #[arg(long, value_name = "TEXT", requires = "answer")]
    evidence: Option<String>,

    #[command(flatten)]
    running: Running,
}

pub(super) fn run(args: &Resume, context: &mut Context) -> Result<Exit> {
    let given = given_again(context, &args.running.value_file, false)?;
    let cluster = context.cluster()?;
    let conductor = Conductor::new(context, &cluster, &args.running)?;
    let existing = conductor.open(context.find_run(&args.run)?)?;
    // A runner that was killed after its run was over may still have to let go of nodes.
    if !conductor.is_held_after_its_end(&existing) {
        super::runs::refuse_if_over(&existing, &context.runs()?)?;
    }
    let mut answers = BTreeMap::new();
    if let (Some(step), Some(evidence)) = (&args.answer, &args.evidence) {
        if existing.plan.step(step).is_none() {
            let steps: Vec<_> = existing
                .plan
                .steps()
                .map(|(_, s)| s.id.to_string())
                .collect();
            return Err(
                Refusal::usage(format!("run {} has no step {step}", existing.run))
                    .hint(format!("its steps are {}", steps.join(", ")))
                    .into(),
            );
        }
        if evidence.trim().is_empty() {
            return Err(Refusal::usage("the evidence is empty")
                .hint("--evidence TEXT   (what you saw: a ticket, an output, a name)")
                .into());
        }
        answers.insert(step.clone(), evidence.clone());
    }
    conductor.go_on(existing, given, &Further::Resume(answers))
}
