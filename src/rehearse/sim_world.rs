//! The simulated world: performing an action makes its proof true, or a fault strikes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::sim_state::{SimNode, SimState, key};
use super::{Instants, Strike, StrikeKind};
use crate::config::NodeName;
use crate::engine::{
    Call, Cancel, Claim, ClaimError, Direction, Epoch, Fault, FaultKind, Holder, Holding,
    Interrupt, Look, NodeRecord, Release, World,
};
use crate::plan::{Action, Plan, Probe, Proof, Reading, RunId, StepId};

/// Simulated nodes.
///
/// A world that is made from a saved state stands for a new runner: whoever
/// held a node before is taken to be dead.
pub struct SimWorld {
    state: Mutex<SimState>,
    plan: Plan,
    instants: Arc<Instants>,
    strikes: Mutex<Vec<(StrikeKind, NodeName, StepId)>>,
    away: Mutex<BTreeSet<NodeName>>,
    interrupt: Option<Arc<Interrupt>>,
    claimed: Mutex<BTreeSet<(NodeName, RunId)>>,
}

impl SimWorld {
    /// The nodes as they were saved.
    pub fn new(plan: &Plan, state: SimState, instants: Arc<Instants>) -> Self {
        Self {
            state: Mutex::new(state),
            plan: plan.clone(),
            instants,
            strikes: Mutex::default(),
            away: Mutex::default(),
            interrupt: None,
            claimed: Mutex::default(),
        }
    }

    /// The same with faults that will strike.
    pub fn with_strikes(self, strikes: &[Strike]) -> Result<Self, String> {
        for strike in strikes {
            let (node, step) = strike.place(&self.plan)?;
            lock(&self.strikes).push((strike.kind, node, step));
        }
        self.tamper();
        Ok(self)
    }

    /// The same with somebody at the keyboard, for the fault `interrupt`.
    #[must_use]
    pub fn with_keyboard(mut self, interrupt: Arc<Interrupt>) -> Self {
        self.interrupt = Some(interrupt);
        self
    }

    /// What the nodes are like now.
    pub fn save(&self) -> SimState {
        lock(&self.state).clone()
    }

    /// The fault that strikes this step now, if one does; it will not strike again.
    fn strike(&self, step: &StepId) -> Option<StrikeKind> {
        let mut strikes = lock(&self.strikes);
        let at = strikes
            .iter()
            .position(|(kind, _, struck)| struck == step && *kind != StrikeKind::Stale)?;
        Some(strikes.remove(at).0)
    }

    /// The fault that strikes a step which only looks, when it looks.
    fn strike_a_look(&self, node: &NodeName, probe: &Probe) -> Result<(), Fault> {
        let looking: Vec<StepId> = lock(&self.strikes)
            .iter()
            .filter(|(_, on, id)| {
                let step = self.plan.step(id).map(|(_, step)| step);
                on == node && step.is_some_and(|step| looks_at(&step.action, probe))
            })
            .map(|(_, _, id)| id.clone())
            .collect();
        let struck = looking
            .into_iter()
            .find(|id| self.all_before_has_happened(node, id));
        let Some(strike) = struck.and_then(|id| self.strike(&id)) else {
            return Ok(());
        };
        let fail = |kind, what: &str| Err(Fault::new(kind, what));
        match strike {
            StrikeKind::Unreachable | StrikeKind::PowerLoss => {
                lock(&self.away).insert(node.clone());
                Ok(())
            }
            StrikeKind::Crash | StrikeKind::CrashAfter => {
                self.instants.die();
                Ok(())
            }
            StrikeKind::Timeout => fail(FaultKind::TimedOut, "the look took too long"),
            StrikeKind::Failed => fail(FaultKind::Failed, "what was looked at can't be read"),
            StrikeKind::DiskFull => fail(FaultKind::DiskFull, "no space left on the device"),
            StrikeKind::Denied => fail(FaultKind::Denied, "permission denied"),
            StrikeKind::LostOutcome => fail(
                FaultKind::LostOutcome,
                "the connection broke before the answer came",
            ),
            StrikeKind::Interrupt => {
                if let Some(interrupt) = &self.interrupt {
                    interrupt.ask();
                }
                Ok(())
            }
            StrikeKind::Stale => Ok(()),
        }
    }

    /// Whether everything that the plan changes on the node before this step has been changed.
    fn all_before_has_happened(&self, name: &NodeName, id: &StepId) -> bool {
        let state = lock(&self.state);
        let Some(node) = state.nodes.get(name) else {
            return false;
        };
        self.changes_before(name, id)
            .all(|before| node.effects.iter().any(|(_, step, _)| step == before))
    }

    fn changes_before<'s>(
        &'s self,
        name: &'s NodeName,
        id: &'s StepId,
    ) -> impl Iterator<Item = &'s StepId> {
        self.plan
            .steps()
            .filter(move |(on, _)| *on == name)
            .take_while(move |(_, step)| step.id != *id)
            .filter(|(_, step)| step.action.changes())
            .map(|(_, step)| &step.id)
    }

    /// Changes what the guards of a step look at, as soon as all that comes before the step has happened.
    fn tamper(&self) {
        let mut state = lock(&self.state);
        lock(&self.strikes).retain(|(kind, name, id)| {
            if *kind != StrikeKind::Stale {
                return true;
            }
            let Some(node) = state.nodes.get_mut(name) else {
                return false;
            };
            let happened = |id: &StepId| node.effects.iter().any(|(_, step, _)| step == id);
            if !self.changes_before(name, id).all(happened) {
                return true;
            }
            if let Some((_, step)) = self.plan.step(id)
                && let Some(guard) = step.guards.first()
            {
                let other = Reading::text("changed by somebody else");
                node.readings.insert(key(&guard.probe), other);
            }
            false
        });
    }

    fn reachable(&self, node: &NodeName) -> Result<(), Fault> {
        self.instants.alive()?;
        if lock(&self.away).contains(node) {
            return Err(Fault::new(
                FaultKind::Unreachable,
                "the node does not answer",
            ));
        }
        Ok(())
    }

    fn with_node<T>(
        &self,
        name: &NodeName,
        work: impl FnOnce(&mut SimNode) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.reachable(name)?;
        work(lock(&self.state).nodes.entry(name.clone()).or_default())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this action only looks, and at this.
fn looks_at(action: &Action, probe: &Probe) -> bool {
    match action {
        Action::Check { that } => that.iter().any(|condition| condition.probe == *probe),
        Action::WaitUntil { until, .. } => until.probe == *probe,
        _ => false,
    }
}

fn stamp_key(run: &RunId, step: &StepId) -> String {
    format!("{run} {step}")
}

fn outcome_key(call: &Call<'_>) -> String {
    format!("{} {} {:?}", call.run, call.step, call.direction)
}

/// Whether the node's wrapper sees an effect through when its runner dies.
fn goes_on_alone(action: &Action) -> bool {
    matches!(action, Action::Run { .. } | Action::Service { .. })
}

fn holds(node: &SimNode, run: &RunId, epoch: Epoch) -> Result<(), Fault> {
    let ours = node
        .holder
        .as_ref()
        .is_some_and(|h| h.run == *run && h.epoch == epoch);
    if ours {
        Ok(())
    } else {
        Err(Fault::new(FaultKind::Fenced, "another run holds the node"))
    }
}

impl World for SimWorld {
    fn refuses(&self, _: &NodeName, _: &Action) -> Option<String> {
        None
    }

    fn observe(&self, look: &Look<'_>, probe: &Probe) -> Result<Reading, Fault> {
        self.strike_a_look(look.node, probe)?;
        self.with_node(look.node, |node| {
            Ok(match probe {
                Probe::Stamp { step } => node
                    .stamps
                    .get(&stamp_key(look.run, step))
                    .map_or(Reading::Absent, Reading::text),
                other => node
                    .readings
                    .get(&key(other))
                    .cloned()
                    .unwrap_or(Reading::Absent),
            })
        })
    }

    fn perform(&self, call: &Call<'_>, action: &Action) -> Result<(), Fault> {
        self.instants.pass()?;
        let strike = if call.direction == Direction::Do {
            self.strike(call.step)
        } else {
            None
        };
        let fail = |kind, what: &str| Err(Fault::new(kind, what));
        match strike {
            Some(StrikeKind::Unreachable) => {
                lock(&self.away).insert(call.node.clone());
            }
            Some(StrikeKind::Crash) => self.instants.die(),
            Some(StrikeKind::Timeout) => {
                return fail(FaultKind::TimedOut, "it took too long and was ended");
            }
            Some(StrikeKind::Failed) => return fail(FaultKind::Failed, "it exited with code 1"),
            Some(StrikeKind::DiskFull) => {
                return fail(FaultKind::DiskFull, "no space left on the device");
            }
            Some(StrikeKind::Denied) => return fail(FaultKind::Denied, "permission denied"),
            Some(StrikeKind::PowerLoss) => {
                self.with_node(call.node, |node| {
                    node.stamps
                        .insert(stamp_key(call.run, call.step), "begun".to_owned());
                    Ok(())
                })?;
                lock(&self.away).insert(call.node.clone());
            }
            Some(StrikeKind::Interrupt) => {
                if let Some(interrupt) = &self.interrupt {
                    interrupt.ask();
                }
            }
            Some(StrikeKind::CrashAfter | StrikeKind::LostOutcome | StrikeKind::Stale) | None => {}
        }
        self.with_node(call.node, |node| {
            holds(node, call.run, call.epoch)?;
            node.bring_about(call.proof);
            let stamp = stamp_key(call.run, call.step);
            match (call.proof, call.direction) {
                (Proof::Stamp, Direction::Do) => {
                    node.stamps.insert(stamp, "done".to_owned());
                }
                (_, Direction::Undo) => {
                    node.stamps.remove(&stamp);
                    node.outcomes.remove(&format!(
                        "{} {} {:?}",
                        call.run,
                        call.step,
                        Direction::Do
                    ));
                }
                (_, Direction::Do) => {}
            }
            node.effects
                .push((call.run.clone(), call.step.clone(), call.direction));
            if goes_on_alone(action) {
                node.outcomes.insert(outcome_key(call));
            }
            Ok(())
        })?;
        self.tamper();
        match strike {
            Some(StrikeKind::CrashAfter) => self.instants.die(),
            Some(StrikeKind::LostOutcome) => {
                return fail(
                    FaultKind::LostOutcome,
                    "the connection broke before the outcome came",
                );
            }
            _ => {}
        }
        self.instants.pass()
    }

    fn settle(&self, call: &Call<'_>) -> Result<Option<Result<(), Fault>>, Fault> {
        self.with_node(call.node, |node| {
            Ok(node.outcomes.contains(&outcome_key(call)).then_some(Ok(())))
        })
    }

    fn claim(&self, node: &NodeName, claim: &Claim) -> Result<Epoch, ClaimError> {
        self.instants.pass().map_err(ClaimError::Fault)?;
        self.reachable(node).map_err(ClaimError::Fault)?;
        let mut state = lock(&self.state);
        let name = node;
        let node = state.nodes.entry(name.clone()).or_default();
        if let Some(holder) = &node.holder {
            let may = holder.run == claim.run || claim.instead_of.as_ref() == Some(&holder.run);
            let claimed = (name.clone(), holder.run.clone());
            let alive = holder.until.is_some() && lock(&self.claimed).contains(&claimed);
            if !may || (alive && !claim.by_force) {
                return Err(ClaimError::Held(Box::new(holder.clone())));
            }
        }
        node.epoch += 1;
        let epoch = Epoch(node.epoch);
        let now = jiff::Timestamp::now();
        let holder = Holder {
            run: claim.run.clone(),
            verb: claim.verb.clone(),
            runner: claim.runner.clone(),
            reason: claim.reason.clone(),
            epoch,
            until: Some(now),
        };
        match node.holder.replace(holder) {
            Some(old) if old.run != claim.run => node.before = Some(Box::new(old)),
            _ => {}
        }
        if !node.history.contains(&claim.run) {
            node.history.push(claim.run.clone());
        }
        lock(&self.claimed).insert((name.clone(), claim.run.clone()));
        drop(state);
        self.instants.pass().map_err(ClaimError::Fault)?;
        Ok(epoch)
    }

    fn renew(&self, node: &NodeName, holding: &Holding) -> Result<(), Fault> {
        self.with_node(node, |node| holds(node, &holding.run, holding.epoch))
    }

    fn release(&self, node: &NodeName, holding: &Holding, release: &Release) -> Result<(), Fault> {
        self.instants.pass()?;
        self.with_node(node, |node| {
            holds(node, &holding.run, holding.epoch)?;
            match release {
                Release::Free => node.holder = None,
                Release::Unused => {
                    node.holder = node.before.take().map(|before| Holder {
                        until: None,
                        ..*before
                    });
                    node.history.retain(|run| *run != holding.run);
                }
                Release::Unfinished => {
                    if let Some(holder) = &mut node.holder {
                        holder.until = None;
                    }
                }
                Release::Undid(undone) => {
                    node.holder = None;
                    node.history
                        .retain(|run| run != undone && *run != holding.run);
                }
            }
            if *release != Release::Unfinished {
                node.before = None;
            }
            Ok(())
        })?;
        self.instants.pass()
    }

    fn holder(&self, node: &NodeName) -> Result<NodeRecord, Fault> {
        self.with_node(node, |node| {
            Ok(NodeRecord {
                holder: node.holder.clone(),
                history: node.history.clone(),
            })
        })
    }

    fn keep(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
        self.instants.pass()?;
        self.with_node(node, |node| {
            holds(node, &holding.run, holding.epoch)?;
            node.journals
                .entry(holding.run.clone())
                .or_default()
                .extend_from_slice(lines);
            Ok(())
        })?;
        self.instants.pass()
    }

    fn keep_anew(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
        self.instants.pass()?;
        self.with_node(node, |node| {
            holds(node, &holding.run, holding.epoch)?;
            node.journals.insert(holding.run.clone(), lines.to_vec());
            Ok(())
        })?;
        self.instants.pass()
    }

    fn kept(&self, node: &NodeName, run: &RunId) -> Result<Vec<u8>, Fault> {
        self.with_node(node, |node| {
            Ok(node.journals.get(run).cloned().unwrap_or_default())
        })
    }

    fn pause(&self, _: Duration, cancel: &Cancel) -> bool {
        // Simulated time costs nothing.
        !cancel.is_cancelled()
    }
}
