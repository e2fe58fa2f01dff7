//! What became of a run, in a word and in a sentence.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::cli::conduct::Existing;
use crate::cli::context::{UNDO, typed};
use crate::cli::refusal::Refusal;
use crate::engine::{Ending, Progress, decode};
use crate::exit::Exit;
use crate::plan::{Plan, RunId};
use crate::store::{RunStore, StoredRun};

/// A run as the store knows it.
pub(in crate::cli) struct Summary {
    pub(in crate::cli) run: RunId,
    pub(in crate::cli) plan: Plan,
    pub(in crate::cli) progress: Progress,
    pub(in crate::cli) fate: Fate,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Fate {
    /// A process works on it.
    Running,
    /// It never began.
    NeverBegan,
    /// It stopped, with this exit code.
    Stopped(u8),
    /// Its runner died.
    Died,
    /// It is over.
    Over(Ending),
}

impl Fate {
    /// In a word or two.
    pub(in crate::cli) fn word(&self) -> String {
        match self {
            Self::Running => "running".to_owned(),
            Self::NeverBegan => "never began".to_owned(),
            Self::Stopped(130) => "interrupted".to_owned(),
            Self::Stopped(42) => "unsafe".to_owned(),
            Self::Stopped(_) => "stopped".to_owned(),
            Self::Died => "died".to_owned(),
            Self::Over(Ending::Done) => "done".to_owned(),
            Self::Over(Ending::DoneWithFailures) => "done, with failures".to_owned(),
            Self::Over(Ending::Undone { by: None }) => "failed, undone".to_owned(),
            Self::Over(Ending::Undone { by: Some(by) }) => format!("undone by {by}"),
            Self::Over(Ending::Abandoned { .. }) => "abandoned".to_owned(),
        }
    }

    /// Whether `resume` can go on with it.
    pub(in crate::cli) fn is_open(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Died)
    }
}

impl Summary {
    /// What the store knows of a run.
    pub(in crate::cli) fn of(store: &RunStore, run: &RunId, undone: &Undone) -> Result<Self> {
        let StoredRun { plan, journal, .. } = store.read(run)?;
        let plan = Plan::from_json(&plan)
            .with_context(|| format!("the plan of run {run} can't be used"))?;
        let decoded =
            decode(&journal).with_context(|| format!("the journal of run {run} can't be used"))?;
        let progress = Progress::of(&decoded.records, &plan);
        let busy = store.is_held(run);
        let fate = match (&progress.ended, &progress.stopped, undone.by(run)) {
            _ if busy => Fate::Running,
            (_, _, Some(by)) => Fate::Over(Ending::Undone {
                by: Some(by.clone()),
            }),
            (Some((ending, _)), ..) => Fate::Over(ending.clone()),
            (None, ..) if progress.last_seq == 0 => Fate::NeverBegan,
            (None, Some((exit, ..)), _) => Fate::Stopped(*exit),
            (None, None, _) => Fate::Died,
        };
        Ok(Self {
            run: run.clone(),
            plan,
            progress,
            fate,
        })
    }

    /// As a value for programs.
    pub(in crate::cli) fn json(&self) -> serde_json::Value {
        let start = self.progress.start.as_ref();
        json!({
            "format": 1,
            "run": self.run,
            "verb": self.plan.verb,
            "title": self.plan.title,
            "digest": self.plan.digest(),
            "began": start.map(|start| start.at),
            "owner": start.map(|start| &start.runner.owner),
            "approved_by": start.and_then(|start| start.approved_by.as_ref()),
            "undoes": start.and_then(|start| start.undoes.as_ref()),
            "fate": self.fate.word(),
            "steps": self.plan.steps().count(),
            "done": self.progress.done().len(),
            "state": self.progress.state(&self.plan),
        })
    }
}

/// Which runs were taken back, and by which.
pub(in crate::cli) struct Undone(BTreeMap<RunId, RunId>);

impl Undone {
    /// What the store knows of runs that were taken back.
    pub(in crate::cli) fn of(store: &RunStore) -> Result<Self> {
        let undos = store.list()?.into_iter().filter_map(|undo| {
            // A run that can't be read tells so itself, where it is asked for.
            let stored = store.read(&undo).ok()?;
            let plan = Plan::from_json(&stored.plan).ok()?;
            if plan.verb != UNDO {
                return None;
            }
            let progress = Progress::of(&decode(&stored.journal).ok()?.records, &plan);
            let complete = matches!(progress.ended, Some((Ending::Done, _)));
            complete.then_some((progress.start?.undoes?, undo))
        });
        Ok(Self(undos.collect()))
    }

    /// The run that took this one back, if one did.
    pub(in crate::cli) fn by(&self, run: &RunId) -> Option<&RunId> {
        self.0.get(run)
    }
}

/// Refuses to go on with a run that is over.
pub(in crate::cli) fn refuse_if_over(existing: &Existing, store: &RunStore) -> Result<()> {
    if let Some((ending, state)) = &existing.progress.ended {
        let what = format!(
            "run {} is over: {}",
            existing.run,
            Fate::Over(ending.clone()).word()
        );
        return Err(Refusal::usage(what)
            .state(state.clone())
            .hint("clusterctl runs list")
            .into());
    }
    match Undone::of(store)?.by(&existing.run) {
        Some(by) => Err(refuse_undone(&existing.run, by, store)),
        None => Ok(()),
    }
}

/// Refuses to go on with a run that another took back.
pub(in crate::cli) fn refuse_undone(run: &RunId, by: &RunId, store: &RunStore) -> anyhow::Error {
    let plan = store.folder_of(run).join("plan.json");
    Refusal::usage(format!("run {run} was taken back already, by run {by}"))
        .hint(format!(
            "clusterctl apply {}   (does it again)",
            typed(&plan)
        ))
        .hint("clusterctl runs list   (shows which others there are)")
        .into()
}

/// Refuses to take back a run that itself takes back another.
pub(in crate::cli) fn refuse_undo_of_undo(existing: &Existing, store: &RunStore) -> Result<()> {
    if existing.plan.verb != UNDO {
        return Ok(());
    }
    let run = &existing.run;
    let mut refusal = Refusal::new(
        Exit::Usage,
        format!("run {run} is itself an undo, and is not taken back"),
    );
    let undone = existing
        .progress
        .start
        .as_ref()
        .and_then(|start| start.undoes.as_ref());
    refusal = if existing.progress.is_unfinished() {
        refusal.hint(format!("clusterctl resume {run}   (to complete it)"))
    } else if let Some(undone) = undone {
        refusal.hint(format!(
            "clusterctl apply {}   (does again what run {undone} did)",
            typed(&store.folder_of(undone).join("plan.json"))
        ))
    } else {
        refusal
    };
    Err(refusal.into())
}
