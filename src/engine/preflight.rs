//! What is looked at before a run changes anything: whether it may begin, and whether the plan still fits.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use super::Fault;
use super::fault::FaultKind;
use super::run::Engine;
use super::session::Session;
use super::verdict::{Gone, Verdict};
use crate::config::NodeName;
use crate::exit::Exit;
use crate::plan::{Action, Condition, Probe, Reading, StepId, Value};

impl Engine<'_> {
    /// What forbids the run before anything is looked at.
    pub(super) fn forbidden(&self) -> Option<String> {
        if self.settings.no_operator {
            let asks: Vec<_> = self
                .plan
                .steps()
                .filter(|(_, step)| matches!(step.action, Action::AskOperator { .. }))
                .map(|(_, step)| step.id.to_string())
                .collect();
            if !asks.is_empty() {
                return Some(format!(
                    "the plan needs a person for {}, and --no-operator was given",
                    asks.join(", ")
                ));
            }
        }
        let refused: BTreeSet<_> = self
            .plan
            .steps()
            .filter_map(|(node, step)| {
                let why = self.world.refuses(node, &step.action)?;
                Some(format!("{}: {why}", step.id))
            })
            .collect();
        (!refused.is_empty()).then(|| refused.into_iter().collect::<Vec<_>>().join("; "))
    }

    /// Checks every guard that no earlier step of the plan can change. Looks only.
    pub(super) fn preflight(&self, session: &Session<'_>) -> Result<Option<Verdict>, Gone> {
        let mut guards: BTreeMap<&NodeName, Vec<Guard<'_>>> = BTreeMap::new();
        let mut touched = BTreeSet::new();
        // What a REST interface answers depends on the services behind it.
        let mut services = false;
        for (node, step) in self.plan.steps() {
            for guard in &step.guards {
                let from_step = guard
                    .probe
                    .clone()
                    .values_mut()
                    .into_iter()
                    .any(|value| matches!(value, Value::FromStep { .. }));
                if !from_step && !touched.contains(&(node, guard.probe.subject())) {
                    guards.entry(node).or_default().push(Guard {
                        step: &step.id,
                        condition: guard,
                        by_service: services && matches!(guard.probe, Probe::Rest { .. }),
                    });
                }
            }
            services |= matches!(step.action, Action::Service { .. });
            let shown = step
                .proof
                .conditions()
                .iter()
                .map(|condition| condition.probe.subject());
            touched.extend(
                shown
                    .chain(step.action.subjects())
                    .map(|subject| (node, subject)),
            );
        }
        let mut stale = Vec::new();
        let mut unreachable = Vec::new();
        let found: Vec<Looked<'_>> = thread::scope(|scope| {
            let looks: Vec<_> = guards
                .into_iter()
                .map(|(node, guards)| scope.spawn(move || look_at(session, node, guards)))
                .collect();
            looks
                .into_iter()
                .flat_map(|look| look.join().unwrap_or_default())
                .collect()
        });
        for (node, step, result) in found {
            match result {
                Ok((guard, reading)) => {
                    stale.push(format!("{step} expects that {guard}, and found {reading}"));
                }
                Err(fault) if fault.kind == FaultKind::RunnerGone => return Err(Gone),
                Err(fault) => unreachable.push((node, fault)),
            }
        }
        if !unreachable.is_empty() {
            let away = unreachable
                .iter()
                .any(|(_, fault)| fault.kind == FaultKind::Unreachable);
            let exit = if away {
                Exit::Unreachable
            } else {
                Exit::Forbidden
            };
            let texts = unreachable
                .iter()
                .map(|(node, fault)| format!("{node}: {fault}"));
            let texts: Vec<_> = texts.collect();
            let mut verdict = Verdict::nothing_changed(exit, texts.join("; "));
            for hint in unreachable.into_iter().filter_map(|(_, fault)| fault.hint) {
                if !verdict.next.contains(&hint) {
                    verdict.next.push(hint);
                }
            }
            return Ok(Some(verdict));
        }
        Ok((!stale.is_empty()).then(|| {
            let because = format!("the plan no longer fits: {}", stale.join("; "));
            let mut verdict = Verdict::nothing_changed(Exit::Stale, because);
            verdict
                .next
                .push("make the plan again, and read what is different".to_owned());
            verdict
        }))
    }
}

/// What must hold before a step.
struct Guard<'l> {
    step: &'l StepId,
    condition: &'l Condition,
    /// Whether it may be answered only when an earlier step has started a service.
    by_service: bool,
}

/// What a look at one node's guards found amiss.
type Looked<'l> = (
    &'l NodeName,
    &'l StepId,
    Result<(Condition, Reading), Fault>,
);

fn look_at<'l>(
    session: &Session<'_>,
    node: &'l NodeName,
    guards: Vec<Guard<'l>>,
) -> Vec<Looked<'l>> {
    let mut amiss = Vec::new();
    for Guard {
        step,
        condition,
        by_service,
    } in guards
    {
        match session.failing(node, std::slice::from_ref(condition)) {
            Ok(None) => {}
            Ok(Some((_, Reading::Absent))) if by_service => {}
            Ok(Some(found)) => amiss.push((node, step, Ok(found))),
            Err(fault) if by_service && fault.kind != FaultKind::RunnerGone => {}
            Err(fault) => {
                amiss.push((node, step, Err(fault)));
                break;
            }
        }
    }
    amiss
}
