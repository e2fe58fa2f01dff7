//! The plan that takes back what a run did.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{
    Action, Class, Lane, Millis, OnFailure, Outputs, Plan, Proof, RunId, Stage, Step, StepId, Undo,
    Value, Why,
};
use crate::config::NodeName;

/// Steps that were done and can't be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{} can't be taken back: {}",
    .0.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>().join(", "),
    .0.iter().map(|(_, because)| because.as_str()).collect::<Vec<_>>().join(" ")
)]
pub struct Irreversible(pub Vec<(StepId, String)>);

/// The plan that takes back, in reverse order, the steps of `plan` that `run` has done.
///
/// `done` gives those steps with their outputs; steps in `keep` are left as they
/// are. A step of the new plan does what the old step's undo says; it is guarded
/// by the old step's proof, so that what somebody changed since is never
/// overwritten; and its own undo is the old step.
pub fn reverse(
    plan: &Plan,
    run: &RunId,
    done: &BTreeMap<StepId, Outputs>,
    keep: &[StepId],
    made_at: jiff::Timestamp,
) -> Result<Plan, Irreversible> {
    let mut stuck = Vec::new();
    let mut stages = Vec::new();
    for stage in plan.stages.iter().rev() {
        let mut lanes = Vec::new();
        for lane in &stage.lanes {
            let mut steps = Vec::new();
            for step in lane.steps.iter().rev() {
                if !done.contains_key(&step.id) || keep.contains(&step.id) {
                    continue;
                }
                match &step.undo {
                    Undo::By { action, proof } => {
                        let action = settled(action, run, done);
                        steps.push(backwards(
                            step,
                            &lane.node,
                            action,
                            proof.clone(),
                            run,
                            done,
                        ));
                    }
                    Undo::Nothing { .. } => {}
                    Undo::Impossible { because } => stuck.push((step.id.clone(), because.clone())),
                }
            }
            if !steps.is_empty() {
                lanes.push(Lane {
                    node: lane.node.clone(),
                    steps,
                });
            }
        }
        if !lanes.is_empty() {
            stages.push(Stage {
                name: format!("take back: {}", stage.name),
                width: stage.width,
                max_failures: 0,
                bake: Millis(0),
                on_failure: OnFailure::Stop,
                lanes,
            });
        }
    }
    if !stuck.is_empty() {
        return Err(Irreversible(stuck));
    }
    Ok(Plan {
        format: super::FORMAT,
        verb: "undo".to_owned(),
        title: format!("take back run {run} ({})", plan.title),
        made_by: plan.made_by.clone(),
        made_at,
        starts_as: format!("as run {run} left it"),
        nodes: plan.nodes.clone(),
        hooks: plan.hooks.clone(),
        stages,
    })
}

fn backwards(
    step: &Step,
    node: &NodeName,
    action: Action,
    proof: Proof,
    run: &RunId,
    done: &BTreeMap<StepId, Outputs>,
) -> Step {
    let class = if step.class == Class::Disrupt {
        Class::Disrupt
    } else {
        Class::Stage
    };
    Step {
        id: StepId::new("undo", node, step.id.slug()),
        title: format!("Take back: {}", step.title),
        why: Why {
            says: format!("Run {run} did it, and it is to be undone."),
            page: None,
        },
        class,
        action,
        guards: written_out(step.proof.clone(), Proof::values_mut, done)
            .conditions()
            .to_vec(),
        proof: written_out(proof, Proof::values_mut, done),
        undo: Undo::By {
            action: Box::new(settled(&step.action, run, done)),
            proof: written_out(step.proof.clone(), Proof::values_mut, done),
        },
        outputs: BTreeMap::new(),
        timeout: step.timeout,
        leaves: format!("as before {}", step.id),
        temporary: None,
        ends: None,
        preview: None,
    }
}

/// The action with everything that it took from its own run written out.
fn settled(action: &Action, run: &RunId, done: &BTreeMap<StepId, Outputs>) -> Action {
    let mut action = written_out(action.clone(), Action::values_mut, done);
    if let Action::Restore { backup, .. } = &mut action {
        backup.run.get_or_insert_with(|| run.clone());
    }
    action
}

/// The same with what earlier steps gave written out.
fn written_out<T>(
    mut thing: T,
    values: impl FnOnce(&mut T) -> Vec<&mut Value>,
    done: &BTreeMap<StepId, Outputs>,
) -> T {
    for value in values(&mut thing) {
        if let Value::FromStep { step, output } = value
            && let Some(text) = done.get(step).and_then(|outputs| outputs.get(output))
        {
            *value = Value::Text(text.clone());
        }
    }
    thing
}
