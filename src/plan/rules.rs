//! The rules that a plan keeps, whoever made it.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use super::{
    Action, Argv, Class, Condition, Plan, Probe, Proof, RemotePath, Step, StepId, Undo, Value,
};
use crate::config::NodeName;

/// A rule that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum PlanProblem {
    /// Two steps have one name.
    #[error("two steps are called {0}")]
    TwoSteps(StepId),
    /// A step's name speaks of another node than its lane.
    #[error("{step} stands in the lane of {node}")]
    WrongLane {
        /// The step.
        step: StepId,
        /// The lane's node.
        node: NodeName,
    },
    /// A node has no address.
    #[error("{0} has a lane but is not among the plan's nodes")]
    UnknownNode(NodeName),
    /// A node's folder is not an absolute path.
    #[error("the folder `{dir}` of {node} is not an absolute path")]
    RelativeFolder {
        /// The node.
        node: NodeName,
        /// The folder.
        dir: String,
    },
    /// A node has two lanes in one stage.
    #[error("{node} has two lanes in stage `{}`", .stage.escape_debug())]
    TwoLanes {
        /// The node.
        node: NodeName,
        /// The stage.
        stage: String,
    },
    /// A stage would never go on.
    #[error("stage `{}` has width 0", .0.escape_debug())]
    NoWidth(String),
    /// A step uses what no earlier step gives.
    #[error("{step} uses an output of {of}, which does not come before it")]
    FromLater {
        /// The step.
        step: StepId,
        /// The step that it needs.
        of: StepId,
    },
    /// A step uses an output that is never given.
    #[error("{step} uses `{}` of {of}, which does not give it", .output.escape_debug())]
    NoSuchOutput {
        /// The step.
        step: StepId,
        /// The step that it needs.
        of: StepId,
        /// The output.
        output: String,
    },
    /// A step ends what no earlier step of its node began.
    #[error("{step} ends {begun}, which is not an earlier temporary change of the same node")]
    EndsNothing {
        /// The step.
        step: StepId,
        /// What it would end.
        begun: StepId,
    },
    /// A temporary change that can't be given back.
    #[error("{0} is temporary but has no undo")]
    TemporaryForGood(StepId),
    /// A step that only looks but changes something, or the reverse.
    #[error("{0} is of class `read` but changes something")]
    ReadsAndChanges(StepId),
    /// A step that can never be shown to be done.
    #[error("{0} has a proof without conditions")]
    EmptyProof(StepId),
    /// A file's path that depends on where the program runs.
    #[error("{step} names `{path}`, which is not an absolute path")]
    RelativePath {
        /// The step.
        step: StepId,
        /// The path.
        path: String,
    },
    /// A command without a program.
    #[error("{0} runs a command that has no words")]
    EmptyCommand(StepId),
    /// A plan of a format that this program does not know.
    #[error("the plan says that it has format {0}")]
    OtherFormat(u32),
    /// A plan that nobody could read.
    #[error("the plan has {0} steps; {MOST_STEPS} are the most")]
    TooManySteps(usize),
    /// A step's name that could not be read back from a file.
    #[error("`{}` can't be the name of a step", .0.as_str().escape_debug())]
    BadName(StepId),
    /// A user's name that is none.
    #[error("`{user}` can't be the name of a user on {node}")]
    BadUser {
        /// The node.
        node: NodeName,
        /// The name.
        user: String,
    },
    /// A node's address that is none.
    #[error("`{address}` can't be the address of {node}")]
    BadAddress {
        /// The node.
        node: NodeName,
        /// The address.
        address: String,
    },
    /// A hook without a program.
    #[error("the hook {0} has no command")]
    EmptyHook(&'static str),
    /// An undo that could never be shown to have worked.
    #[error("the undo of {0} has a proof without conditions")]
    EmptyUndoProof(StepId),
    /// A person's answer to a question that is never asked.
    #[error("{0} is proved by an answer but asks nobody")]
    AnswerToNothing(StepId),
    /// A temporary change that two steps end.
    #[error("{step} ends {begun}, which another step ends already")]
    EndsTwice {
        /// The step.
        step: StepId,
        /// What it would end.
        begun: StepId,
    },
    /// A step needs what no earlier step of its node keeps.
    #[error("{step} needs what {of} keeps, which is not an earlier step of the same node")]
    KeptNowhere {
        /// The step.
        step: StepId,
        /// The step that should keep it.
        of: StepId,
    },
    /// A step that could never succeed or would do nothing.
    #[error("{step} {what}")]
    Pointless {
        /// The step.
        step: StepId,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A mode that is more than the permissions of a file.
    #[error("{step} sets the mode {mode:o}")]
    BadMode {
        /// The step.
        step: StepId,
        /// The mode.
        mode: u32,
    },
    /// A text that no system can take.
    #[error("{0} has a NUL character in a command or path")]
    Nul(StepId),
    /// JSON that can't be kept as it is.
    #[error("{step} sends JSON {what}")]
    BadJson {
        /// The step.
        step: StepId,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A plan with more steps is refused.
const MOST_STEPS: usize = 100_000;
/// JSON nested deeper is refused: a plan that holds it could not be read back.
const DEEPEST_JSON: usize = 64;

impl Plan {
    /// Every rule that the plan breaks.
    pub fn problems(&self) -> Vec<PlanProblem> {
        let mut found = Vec::new();
        if !(1..=super::FORMAT).contains(&self.format) {
            found.push(PlanProblem::OtherFormat(self.format));
        }
        let steps = self.steps().count();
        if steps > MOST_STEPS {
            found.push(PlanProblem::TooManySteps(steps));
            return found;
        }
        self.judge_nodes(&mut found);
        for (name, hook) in self.hooks.each() {
            if !runs(&hook.command) {
                found.push(PlanProblem::EmptyHook(name));
            }
        }
        let mut seen = Seen::default();
        for (at, stage) in self.stages.iter().enumerate() {
            if stage.width == 0 {
                found.push(PlanProblem::NoWidth(stage.name.clone()));
            }
            let mut nodes = BTreeSet::new();
            for (lane_at, lane) in stage.lanes.iter().enumerate() {
                if !nodes.insert(&lane.node) {
                    let (node, stage) = (lane.node.clone(), stage.name.clone());
                    found.push(PlanProblem::TwoLanes { node, stage });
                }
                if !self.nodes.contains_key(&lane.node) {
                    found.push(PlanProblem::UnknownNode(lane.node.clone()));
                }
                for step in &lane.steps {
                    let here = Here {
                        stage: at,
                        lane: lane_at,
                        node: &lane.node,
                    };
                    judge(step, here, &mut seen, &mut found);
                }
            }
        }
        found
    }

    fn judge_nodes(&self, found: &mut Vec<PlanProblem>) {
        for (node, target) in &self.nodes {
            let dir = &target.state_dir;
            if !dir.is_absolute() || dir.as_str().contains('\0') {
                found.push(PlanProblem::RelativeFolder {
                    node: node.clone(),
                    dir: dir.as_str().escape_debug().to_string(),
                });
            }
            let odd = |c: char| c.is_whitespace() || !super::printable::shows(c);
            // What begins with `-` would be read as an option by whoever is given it.
            let bad = |word: &str| word.is_empty() || word.starts_with('-') || word.contains(odd);
            if bad(&target.address) {
                found.push(PlanProblem::BadAddress {
                    node: node.clone(),
                    address: target.address.escape_debug().to_string(),
                });
            }
            let sudo = target.sudo.as_ref().and_then(|sudo| sudo.user.as_ref());
            for user in target.user.iter().chain(sudo).filter(|user| bad(user)) {
                found.push(PlanProblem::BadUser {
                    node: node.clone(),
                    user: user.escape_debug().to_string(),
                });
            }
        }
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy)]
struct Here<'a> {
    stage: usize,
    lane: usize,
    node: &'a NodeName,
}

/// The steps so far.
#[derive(Debug, Default)]
struct Seen<'a> {
    steps: BTreeMap<&'a StepId, (Here<'a>, &'a Step)>,
    ended: BTreeSet<&'a StepId>,
}

impl<'a> Seen<'a> {
    /// The step and its node, if it is certainly over when a step runs here.
    fn before(&self, here: Here<'_>, id: &StepId) -> Option<(&'a NodeName, &'a Step)> {
        let (there, step) = *self.steps.get(id)?;
        let over =
            there.stage < here.stage || (there.stage == here.stage && there.lane == here.lane);
        over.then_some((there.node, step))
    }
}

fn judge<'a>(step: &'a Step, here: Here<'a>, seen: &mut Seen<'a>, found: &mut Vec<PlanProblem>) {
    let id = || step.id.clone();
    if step.id.as_str().parse::<StepId>().is_err() {
        found.push(PlanProblem::BadName(id()));
    }
    if step.id.node() != here.node.as_str() {
        found.push(PlanProblem::WrongLane {
            step: id(),
            node: here.node.clone(),
        });
    }
    if step.class == Class::Read && step.action.changes() {
        found.push(PlanProblem::ReadsAndChanges(id()));
    }
    judge_proofs(step, found);
    judge_ends(step, here, seen, found);
    judge_needs(step, here, seen, found);
    let undo = match &step.undo {
        Undo::By { action, .. } => Some(action.as_ref()),
        Undo::Nothing { .. } | Undo::Impossible { .. } => None,
    };
    for action in std::iter::once(&step.action).chain(undo) {
        judge_action(&step.id, action, found);
    }
    for probe in probes(step) {
        if let Some(path) = probe.path() {
            judge_path(&step.id, path, found);
        }
        for command in probe.commands() {
            judge_command(&step.id, command, found);
        }
    }
    if seen.steps.insert(&step.id, (here, step)).is_some() {
        found.push(PlanProblem::TwoSteps(id()));
    }
}

fn judge_proofs(step: &Step, found: &mut Vec<PlanProblem>) {
    let asks = |action: &Action| matches!(action, Action::AskOperator { .. });
    let empty = |proof: &Proof| matches!(proof, Proof::Holds(conditions) if conditions.is_empty());
    if empty(&step.proof) {
        found.push(PlanProblem::EmptyProof(step.id.clone()));
    }
    let mut unasked = step.proof == Proof::Answer && !asks(&step.action);
    if let Undo::By { action, proof } = &step.undo {
        if empty(proof) {
            found.push(PlanProblem::EmptyUndoProof(step.id.clone()));
        }
        unasked |= *proof == Proof::Answer && !asks(action);
    } else if step.temporary.is_some() {
        found.push(PlanProblem::TemporaryForGood(step.id.clone()));
    }
    if unasked {
        found.push(PlanProblem::AnswerToNothing(step.id.clone()));
    }
}

fn judge_ends<'a>(
    step: &'a Step,
    here: Here<'_>,
    seen: &mut Seen<'a>,
    found: &mut Vec<PlanProblem>,
) {
    let Some(begun) = &step.ends else {
        return;
    };
    let (step_id, begun_id) = (step.id.clone(), begun.clone());
    match seen.before(here, begun) {
        Some((node, change)) if node == here.node && change.temporary.is_some() => {
            if !seen.ended.insert(begun) {
                found.push(PlanProblem::EndsTwice {
                    step: step_id,
                    begun: begun_id,
                });
            }
        }
        _ => found.push(PlanProblem::EndsNothing {
            step: step_id,
            begun: begun_id,
        }),
    }
}

/// What the step uses of other steps must be there when it runs; its proof and its undo may use its own.
fn judge_needs(step: &Step, here: Here<'_>, seen: &Seen<'_>, found: &mut Vec<PlanProblem>) {
    let mut probed: Vec<(&Probe, bool)> = Vec::new();
    let mut acted = vec![(&step.action, false)];
    probed.extend(step.guards.iter().map(|c| (&c.probe, false)));
    probed.extend(step.proof.conditions().iter().map(|c| (&c.probe, true)));
    probed.extend(step.outputs.values().map(|probe| (probe, false)));
    if let Undo::By { action, proof } = &step.undo {
        acted.push((action.as_ref(), true));
        probed.extend(proof.conditions().iter().map(|c| (&c.probe, true)));
    }
    let mut values = Vec::new();
    let mut backups = Vec::new();
    for (action, own) in acted {
        values.extend(action.values().into_iter().map(|value| (value, own)));
        if let Action::Restore { backup, .. } | Action::SwapBack { swap: backup, .. } = action {
            backups.push((backup, own));
        }
        probed.extend(action.looks().iter().map(|c| (&c.probe, own)));
    }
    for (probe, own) in probed {
        values.extend(
            probe
                .clone()
                .values_mut()
                .into_iter()
                .map(|value| (value.clone(), own)),
        );
        if let Probe::Backup { backup } | Probe::AsKept { backup, .. } = probe {
            backups.push((backup, own));
        }
    }
    let mut missing = BTreeSet::new();
    for (value, own) in values {
        let Value::FromStep { step: of, output } = value else {
            continue;
        };
        let giver = if own && of == step.id {
            Some(step)
        } else {
            seen.before(here, &of).map(|(_, giver)| giver)
        };
        let step = step.id.clone();
        match giver {
            None => drop(missing.insert(PlanProblem::FromLater { step, of })),
            Some(giver) if !giver.outputs.contains_key(&output) => {
                missing.insert(PlanProblem::NoSuchOutput { step, of, output });
            }
            Some(_) => {}
        }
    }
    found.extend(missing);
    for (backup, own) in backups {
        let there = (own && backup.step == step.id)
            || backup.run.is_some()
            || matches!(seen.before(here, &backup.step), Some((node, _)) if node == here.node);
        if !there {
            found.push(PlanProblem::KeptNowhere {
                step: step.id.clone(),
                of: backup.step.clone(),
            });
        }
    }
}

/// Every probe of a step.
fn probes(step: &Step) -> Vec<&Probe> {
    let mut all: Vec<&Condition> = step.guards.iter().collect();
    all.extend(step.proof.conditions());
    all.extend(step.action.looks());
    if let Undo::By { action, proof } = &step.undo {
        all.extend(proof.conditions());
        all.extend(action.looks());
    }
    let all = all.into_iter().map(|condition| &condition.probe);
    all.chain(step.outputs.values()).collect()
}

fn judge_action(id: &StepId, action: &Action, found: &mut Vec<PlanProblem>) {
    for path in action.paths() {
        judge_path(id, path, found);
    }
    for command in action.commands() {
        judge_command(id, command, found);
    }
    let pointless = match action {
        Action::EditProperties { edits, .. } if edits.is_empty() => Some("edits nothing"),
        Action::EditXml { edits, .. } if edits.is_empty() => Some("edits nothing"),
        Action::Run { success, .. } if success.is_empty() => Some("could never succeed"),
        Action::Rest { success, .. } if success.is_empty() => Some("could never succeed"),
        Action::Rest {
            merge: Some(_),
            body,
            ..
        } if !body.as_ref().is_some_and(serde_json::Value::is_object) => {
            Some("changes no member of what it reads first")
        }
        Action::Rest {
            under: Some(Value::Secret(_)),
            ..
        } => Some("has a secret in an address, which everybody on the way may read"),
        Action::WaitUntil { good: 0, .. } => Some("waits for no answer at all"),
        Action::Check { that } if that.is_empty() => Some("checks nothing"),
        Action::Link { target, .. } if target.is_empty() => Some("links to nothing"),
        _ => None,
    };
    if let Some(what) = pointless {
        let step = id.clone();
        found.push(PlanProblem::Pointless { step, what });
    }
    match action {
        Action::WriteFile {
            mode: Some(mode), ..
        } if *mode > 0o7777 => found.push(PlanProblem::BadMode {
            step: id.clone(),
            mode: *mode,
        }),
        Action::Link { target, .. } if target.contains('\0') => {
            found.push(PlanProblem::Nul(id.clone()));
        }
        Action::Rest {
            body: Some(body), ..
        } => {
            if let Some(what) = odd_json(body, 0) {
                let step = id.clone();
                found.push(PlanProblem::BadJson { step, what });
            }
        }
        _ => {}
    }
}

/// What keeps the JSON from being written and read back unchanged.
fn odd_json(json: &serde_json::Value, depth: usize) -> Option<&'static str> {
    if depth > DEEPEST_JSON {
        return Some("that is nested too deeply");
    }
    match json {
        serde_json::Value::Number(number) if number.is_f64() => {
            Some("with a fraction; write it as text")
        }
        serde_json::Value::Array(items) => items.iter().find_map(|item| odd_json(item, depth + 1)),
        serde_json::Value::Object(members) => {
            members.values().find_map(|item| odd_json(item, depth + 1))
        }
        _ => None,
    }
}

fn judge_path(id: &StepId, path: &RemotePath, found: &mut Vec<PlanProblem>) {
    if !path.is_absolute() || path.as_str().contains('\0') {
        found.push(PlanProblem::RelativePath {
            step: id.clone(),
            path: path.as_str().escape_debug().to_string(),
        });
    }
}

fn judge_command(id: &StepId, command: &Argv, found: &mut Vec<PlanProblem>) {
    if !runs(command) {
        found.push(PlanProblem::EmptyCommand(id.clone()));
    }
    if command.words().iter().any(|word| word.contains('\0')) {
        found.push(PlanProblem::Nul(id.clone()));
    }
}

/// Whether the command names a program.
fn runs(command: &Argv) -> bool {
    command.words().first().is_some_and(|word| !word.is_empty())
}

impl Probe {
    fn path(&self) -> Option<&RemotePath> {
        match self {
            Self::Path { path }
            | Self::File { path, .. }
            | Self::FileIs { path, .. }
            | Self::Property { path, .. }
            | Self::PropertyIs { path, .. }
            | Self::XmlIs { path, .. }
            | Self::Tree { path }
            | Self::AsKept { path, .. }
            | Self::Contents { path, .. }
            | Self::Staged { to: path, .. }
            | Self::FreeSpace { path } => Some(path),
            Self::Backup { .. }
            | Self::Service { .. }
            | Self::Command { .. }
            | Self::Port { .. }
            | Self::Stamp { .. }
            | Self::Rest { .. }
            | Self::Process { .. }
            | Self::Balancer { .. }
            | Self::Product { .. } => None,
        }
    }

    fn commands(&self) -> Vec<&Argv> {
        match self {
            Self::Command { argv } => vec![argv],
            Self::Service { service } => vec![&service.start, &service.stop, &service.status],
            _ => Vec::new(),
        }
    }
}

impl Action {
    /// Whether the action changes anything on the node.
    pub fn changes(&self) -> bool {
        !matches!(
            self,
            Self::WaitUntil { .. } | Self::Check { .. } | Self::AskOperator { .. }
        )
    }

    /// What the action changes, as [`Probe::subject`](super::Probe::subject) names it.
    pub fn subjects(&self) -> Vec<String> {
        match self {
            Self::Service { service, .. } => vec![format!("service {}", service.name)],
            Self::Balancer { pool, server, .. } => vec![format!("{server} in pool {pool}")],
            Self::Rest { url, .. } => vec![url.clone()],
            other => other.paths().into_iter().map(ToString::to_string).collect(),
        }
    }

    /// What the action itself looks at.
    pub(super) fn looks(&self) -> &[Condition] {
        match self {
            Self::WaitUntil { until, .. } => std::slice::from_ref(until),
            Self::Check { that } => that,
            _ => &[],
        }
    }

    fn paths(&self) -> Vec<&RemotePath> {
        match self {
            Self::EditProperties { path, .. }
            | Self::EditXml { path, .. }
            | Self::WriteFile { path, .. }
            | Self::Link { path, .. }
            | Self::Remove { path }
            | Self::BackUp { path }
            | Self::Restore { path, .. } => vec![path],
            Self::CopyTree { from, to, .. } | Self::MoveTree { from, to } => vec![from, to],
            Self::StageTree { tree, to, .. } | Self::ReplaceFiles { tree, to, .. } => {
                vec![tree.from.path(), to]
            }
            Self::SwapTree { to, .. } | Self::SwapBack { to, .. } => vec![to],
            Self::Run { dir, .. } => dir.iter().collect(),
            Self::Service { .. }
            | Self::Rest { .. }
            | Self::Balancer { .. }
            | Self::WaitUntil { .. }
            | Self::AskOperator { .. }
            | Self::Check { .. } => Vec::new(),
        }
    }

    fn commands(&self) -> Vec<&Argv> {
        match self {
            Self::Run { argv, .. } => vec![argv],
            Self::Service { service, .. } => vec![&service.start, &service.stop, &service.status],
            _ => Vec::new(),
        }
    }
}
