//! The plan that takes back what a run did.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{
    Action, BackupRef, Class, Condition, Expect, Lane, Millis, OnFailure, Outputs, Plan, Probe,
    Proof, Reading, RunId, ServiceState, Stage, Step, StepId, Undo, Value, Why, unified,
};
use crate::config::{NodeName, SecretRef};

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
/// overwritten; and its own undo is the old step. A temporary change that the
/// run had ended is temporary again while it is taken back; where its end says
/// that there is nothing to take back, it is over, and so is all that was
/// done to the same thing meanwhile.
pub fn reverse(
    plan: &Plan,
    run: &RunId,
    done: &BTreeMap<StepId, Outputs>,
    keep: &[StepId],
    made_at: jiff::Timestamp,
) -> Result<Plan, Irreversible> {
    let kept: BTreeSet<&StepId> = keep.iter().chain(over(plan, done)).collect();
    let back = Backwards {
        plan,
        run,
        done,
        names: names(plan),
        goes: plan
            .steps()
            .map(|(_, step)| step)
            .filter(|step| done.contains_key(&step.id) && !kept.contains(&step.id))
            .map(|step| (&step.id, step))
            .collect(),
        before: states_before(plan),
    };
    let mut stuck = Vec::new();
    let mut stages = Vec::new();
    for stage in plan.stages.iter().rev() {
        let mut lanes = Vec::new();
        for lane in stage.lanes.iter().rev() {
            let mut steps = Vec::new();
            for step in lane.steps.iter().rev() {
                if !back.goes.contains_key(&step.id) {
                    continue;
                }
                match back.step(step) {
                    Ok(step) => steps.extend(step),
                    Err(because) => stuck.push((step.id.clone(), because)),
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

/// The steps that a later step has put back to where things were before them.
fn over<'a>(
    plan: &'a Plan,
    done: &'a BTreeMap<StepId, Outputs>,
) -> impl Iterator<Item = &'a StepId> {
    let all: Vec<(&NodeName, &Step)> = plan
        .steps()
        .filter(|(_, step)| done.contains_key(&step.id))
        .collect();
    let mut over = Vec::new();
    for (at, (node, end)) in all.iter().enumerate() {
        let Some(begun) = &end.ends else { continue };
        if !matches!(end.undo, Undo::Nothing { .. }) {
            continue;
        }
        let subjects = end.action.subjects();
        let same = |step: &&Step| {
            let own = step.action.subjects();
            let all_are_its = own.iter().all(|subject| subjects.contains(subject));
            let changes = step.action.changes() && !own.is_empty();
            changes && all_are_its && members(&step.action) == members(&end.action)
        };
        let between = all[..at]
            .iter()
            .skip_while(|(_, step)| step.id != *begun)
            .filter(|(on, _)| on == node)
            .map(|(_, step)| *step)
            .filter(same);
        over.extend(between.map(|step| &step.id));
    }
    over.into_iter()
}

/// Which members of a JSON object a call writes: calls of one address may write different ones.
fn members(action: &Action) -> Option<BTreeSet<&String>> {
    let Action::Rest { body, .. } = action else {
        return None;
    };
    let object = body.as_ref()?.as_object()?;
    Some(object.keys().collect())
}

/// What each step is called when it is taken back.
///
/// The name is its slug under `undo`, and its verb as well where two steps of a node
/// share a slug. It doesn't depend on which steps were done.
fn names(plan: &Plan) -> BTreeMap<&StepId, StepId> {
    let mut shared: BTreeMap<StepId, usize> = BTreeMap::new();
    let short = |node: &NodeName, step: &Step| StepId::new("undo", node, step.id.slug());
    for (node, step) in plan.steps() {
        *shared.entry(short(node, step)).or_default() += 1;
    }
    let mut names = BTreeMap::new();
    let mut taken: BTreeSet<StepId> = BTreeSet::new();
    for (node, step) in plan.steps() {
        let mut name = short(node, step);
        if shared.get(&name).is_some_and(|count| *count > 1) {
            let verb = step.id.as_str().split('/').next().unwrap_or("");
            let slug = format!("{verb}-{}", step.id.slug());
            name = StepId::new("undo", node, &slug);
            let mut next = 2;
            while shared.contains_key(&name) || taken.contains(&name) {
                name = StepId::new("undo", node, &format!("{slug}-{next}"));
                next += 1;
            }
            taken.insert(name.clone());
        }
        names.insert(&step.id, name);
    }
    names
}

/// The state that each step finds its node in.
fn states_before(plan: &Plan) -> BTreeMap<&StepId, &str> {
    let mut now: BTreeMap<&NodeName, &str> = BTreeMap::new();
    let mut before = BTreeMap::new();
    for (node, step) in plan.steps() {
        let state = now.insert(node, &step.leaves);
        before.insert(&step.id, state.unwrap_or(&plan.starts_as));
    }
    before
}

struct Backwards<'a> {
    plan: &'a Plan,
    run: &'a RunId,
    done: &'a BTreeMap<StepId, Outputs>,
    names: BTreeMap<&'a StepId, StepId>,
    /// The steps that are taken back, even where that is nothing to do.
    goes: BTreeMap<&'a StepId, &'a Step>,
    before: BTreeMap<&'a StepId, &'a str>,
}

/// The conditions that can still be told: a secret that was given to one command alone can't be compared any more.
fn tellable(conditions: &[Condition]) -> Vec<Condition> {
    let given = |condition: &&Condition| {
        let secrets = condition.probe.secrets();
        !secrets
            .iter()
            .any(|secret| matches!(secret, SecretRef::Given(_)))
    };
    let tellable: Vec<_> = conditions.iter().filter(given).cloned().collect();
    if tellable.is_empty() {
        conditions.to_vec()
    } else {
        tellable
    }
}

impl Backwards<'_> {
    /// The step that takes this one back; none where there is nothing to take back.
    fn step(&self, step: &Step) -> Result<Option<Step>, String> {
        let (action, proof) = match &step.undo {
            Undo::By { action, proof } => (self.settled(action)?, self.settled_proof(proof)?),
            Undo::Nothing { .. } => return Ok(None),
            Undo::Impossible { because } => return Err(because.clone()),
        };
        let undone = self.settled_proof(&step.proof);
        let mut guards = match &undone {
            Ok(proof) => tellable(proof.conditions()),
            Err(missing) => return Err(missing.clone()),
        };
        guards.extend(self.looks_before_a_stop(&action));
        // What is done one by one may have been begun already when it is done again.
        if action.goes_on() {
            for guard in &mut guards {
                if let Probe::Contents { before, .. } = &mut guard.probe {
                    *before = Some(self.name(&step.id));
                }
            }
        }
        let undo = match (self.settled_again(step), undone) {
            (Ok(action), Ok(proof)) => Undo::By {
                action: Box::new(action),
                proof,
            },
            (Err(because), _) | (_, Err(because)) => Undo::Impossible { because },
        };
        let reverts = matches!(
            step.undo,
            Undo::By { ref action, .. }
                if matches!(action.as_ref(), Action::Restore { backup, .. } if backup.step == step.id)
        );
        let preview = step.preview.as_deref().filter(|_| reverts);
        let temporary = self
            .begun_by(step)
            .filter(|_| matches!(undo, Undo::By { .. }))
            .and_then(|begun| begun.temporary.clone());
        Ok(Some(Step {
            id: self.name(&step.id),
            title: format!("Take back: {}", step.title),
            why: Why {
                says: format!("Run {} did it, and it is to be undone.", self.run),
                page: None,
            },
            class: match step.class {
                Class::Read | Class::Stage => Class::Stage,
                Class::Disrupt | Class::Irreversible => Class::Disrupt,
            },
            action,
            guards,
            proof,
            outputs: BTreeMap::new(),
            undo,
            timeout: step.timeout,
            leaves: self
                .before
                .get(&step.id)
                .copied()
                .unwrap_or(&self.plan.starts_as)
                .to_owned(),
            temporary,
            ends: self.ended_by(step).map(|end| self.name(&end.id)),
            preview: preview.and_then(unified::reversed),
        }))
    }

    /// What the plan asked before it stopped a service, where the way back stops it again: work may run by then that did
    /// not run before. A service that answers nobody has none that could be asked for.
    fn looks_before_a_stop(&self, action: &Action) -> Vec<Condition> {
        let stops = |action: &Action| match action {
            Action::Service {
                service,
                to: ServiceState::Stopped,
            } => Some(service.clone()),
            _ => None,
        };
        let Some(service) = stops(action) else {
            return Vec::new();
        };
        let mut all = self.plan.steps().map(|(_, step)| step);
        let first = all.find(|step| stops(&step.action).as_ref() == Some(&service));
        let asked = first.into_iter().flat_map(|step| &step.guards);
        asked
            .filter(|guard| matches!(guard.probe, Probe::Rest { .. }))
            .map(|guard| match &guard.expect {
                Expect::Is(reading) => Condition {
                    probe: guard.probe.clone(),
                    expect: Expect::OneOf(vec![reading.clone(), Reading::Absent]),
                },
                _ => guard.clone(),
            })
            .collect()
    }

    fn name(&self, id: &StepId) -> StepId {
        self.names.get(id).unwrap_or(id).clone()
    }

    /// The temporary change that this step ended, where both are taken back.
    fn begun_by(&self, step: &Step) -> Option<&Step> {
        self.goes.get(step.ends.as_ref()?).copied()
    }

    /// The step that ended this temporary change, where both are taken back.
    fn ended_by(&self, step: &Step) -> Option<&Step> {
        step.temporary.as_ref()?;
        self.goes.values().copied().find(|end| {
            end.ends.as_ref() == Some(&step.id)
                && matches!(end.undo, Undo::By { .. })
                && self.settled(&end.action).is_ok()
        })
    }

    /// What does the step once more after it was taken back.
    fn settled_again(&self, step: &Step) -> Result<Action, String> {
        match &step.action {
            // What had been staged for it is kept by then where the way back put it.
            Action::SwapTree { to, one_by_one, .. } => Ok(Action::SwapBack {
                to: to.clone(),
                one_by_one: *one_by_one,
                swap: BackupRef {
                    run: None,
                    step: self.name(&step.id),
                },
            }),
            action => self.settled(action),
        }
    }

    /// The action with everything that it took from its own run written out.
    fn settled(&self, action: &Action) -> Result<Action, String> {
        let mut action = action.clone();
        for value in action.values_mut() {
            self.settle(value)?;
        }
        match &mut action {
            Action::Restore { backup, .. } | Action::SwapBack { swap: backup, .. } => {
                backup.run.get_or_insert_with(|| self.run.clone());
            }
            Action::WaitUntil { until, .. } => self.settle_probe(&mut until.probe),
            Action::Check { that } => {
                for condition in that {
                    self.settle_probe(&mut condition.probe);
                }
            }
            _ => {}
        }
        Ok(action)
    }

    /// The proof, its conditions written out. What a node remembers of a step of
    /// the old run can't be asked by the new one, so such conditions go.
    fn settled_proof(&self, proof: &Proof) -> Result<Proof, String> {
        let Proof::Holds(conditions) = proof else {
            return Ok(proof.clone());
        };
        let settled: Vec<Condition> = conditions
            .iter()
            .filter(|condition| {
                !matches!(condition.probe, Probe::Stamp { .. } | Probe::Staged { .. })
            })
            .map(|condition| {
                let mut condition = condition.clone();
                for value in condition.probe.values_mut() {
                    self.settle(value)?;
                }
                self.settle_probe(&mut condition.probe);
                Ok(condition)
            })
            .collect::<Result<_, String>>()?;
        Ok(if settled.is_empty() {
            Proof::Stamp
        } else {
            Proof::Holds(settled)
        })
    }

    fn settle_probe(&self, probe: &mut Probe) {
        if let Probe::Backup { backup } | Probe::AsKept { backup, .. } = probe {
            backup.run.get_or_insert_with(|| self.run.clone());
        }
    }

    fn settle(&self, value: &mut Value) -> Result<(), String> {
        if let Value::FromStep { step, output } = value {
            match self.done.get(step).and_then(|outputs| outputs.get(output)) {
                Some(text) => *value = Value::Text(text.clone()),
                None => {
                    return Err(format!(
                        "It needs `{}` of {step}, which that step did not give.",
                        output.escape_debug()
                    ));
                }
            }
        }
        Ok(())
    }
}
