//! `apply`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::conduct::Conductor;
use super::context::{Context, typed};
use super::decide::{Known, confirm};
use super::given::given_again;
use super::global::Running;
use super::refusal::Refusal;
use crate::exit::Exit;

/// Run a saved plan, exactly as it was saved.
///
/// Nothing is changed unless everything that the plan expects to find is still
/// so: otherwise the plan is stale, and the exit code is 21.
#[derive(Debug, Args)]
pub(super) struct Apply {
    /// The plan's file; - is standard input.
    #[arg(value_name = "PLAN")]
    plan: PathBuf,

    /// Refuse any plan but the one with this digest.
    #[arg(long, value_name = "DIGEST")]
    expect_digest: Option<String>,

    /// Who approved the plan; it is written into the journal.
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,

    #[command(flatten)]
    running: Running,
}

/// A shorter beginning of a digest could be met by chance.
const SHORTEST_DIGEST: usize = 12;

pub(super) fn run(args: &Apply, context: &mut Context) -> Result<Exit> {
    let plan = context.read_plan(&args.plan)?;
    let digest = plan.digest();
    if let Some(expected) = &args.expect_digest {
        let enough = expected.len() >= SHORTEST_DIGEST;
        if !enough || !digest.as_str().starts_with(&expected.to_lowercase()) {
            let what = if enough {
                format!("this is not the plan that was approved: its digest is {digest}")
            } else {
                format!(
                    "the digest `{}` is too short to tell one plan from another",
                    expected.escape_debug()
                )
            };
            return Err(Refusal::new(Exit::Forbidden, what)
                .hint(format!(
                    "clusterctl show {}   (shows what it would do)",
                    typed(&args.plan)
                ))
                .into());
        }
    }
    if plan.is_empty() {
        context.print_plan(&plan);
        return Ok(Exit::Done);
    }
    let given = given_again(
        context,
        &args.running.value_file,
        args.plan.as_os_str() == "-",
    )?;
    if args.expect_digest.is_none() {
        if context.io.interactive && !args.running.yes {
            context
                .io
                .err
                .print(&crate::plan::text::render(&plan, &context.plan_style()));
        }
        confirm(context, &plan, &args.running)?;
    }
    let cluster = context.cluster()?;
    let mut conductor = Conductor::new(context, &cluster, &args.running)?;
    conductor.approved_by.clone_from(&args.approved_by);
    let (_, secrets) = conductor.world(&plan, given);
    conductor.begin(&plan, Known::secrets(secrets, Vec::new()), None)
}
