//! What became of a run, in a word and in a sentence.

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::cli::conduct::Existing;
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
    pub(in crate::cli) fn of(store: &RunStore, run: &RunId) -> Result<Self> {
        let StoredRun { plan, journal, .. } = store.read(run)?;
        let plan = Plan::from_json(&plan)
            .with_context(|| format!("the plan of run {run} can't be used"))?;
        let decoded =
            decode(&journal).with_context(|| format!("the journal of run {run} can't be used"))?;
        let progress = Progress::of(&decoded.records, &plan);
        let busy = store.is_held(run);
        let fate = match (&progress.ended, &progress.stopped) {
            _ if busy => Fate::Running,
            (Some((ending, _)), _) => Fate::Over(match undone_by(store, run)? {
                Some(by) => Ending::Undone { by: Some(by) },
                None => ending.clone(),
            }),
            (None, _) if progress.last_seq == 0 => Fate::NeverBegan,
            (None, stopped) => match (undone_by(store, run)?, stopped) {
                (Some(by), _) => Fate::Over(Ending::Undone { by: Some(by) }),
                (None, Some((exit, ..))) => Fate::Stopped(*exit),
                (None, None) => Fate::Died,
            },
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

/// The run that took this one back, if one did.
pub(in crate::cli) fn undone_by(store: &RunStore, run: &RunId) -> Result<Option<RunId>> {
    for later in store
        .list()?
        .into_iter()
        .rev()
        .take_while(|later| later > run)
    {
        let Ok(stored) = store.read(&later) else {
            continue;
        };
        let Ok(plan) = Plan::from_json(&stored.plan) else {
            continue;
        };
        if plan.verb != "undo" {
            continue;
        }
        let Ok(decoded) = decode(&stored.journal) else {
            continue;
        };
        let progress = Progress::of(&decoded.records, &plan);
        let undoes = progress
            .start
            .as_ref()
            .and_then(|start| start.undoes.as_ref());
        if undoes == Some(run) && matches!(progress.ended, Some((Ending::Done, _))) {
            return Ok(Some(later));
        }
    }
    Ok(None)
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
    refuse_if_undone(existing, store)
}

/// Refuses to take back what is taken back already, and what takes back another run.
pub(in crate::cli) fn refuse_if_undone(existing: &Existing, store: &RunStore) -> Result<()> {
    let run = &existing.run;
    if let Some(by) = undone_by(store, run)? {
        let what = format!("run {run} was taken back already, by run {by}");
        return Err(Refusal::usage(what)
            .hint(format!(
                "clusterctl show {}   (the plan, which can be applied again)",
                store.folder_of(run).join("plan.json").display()
            ))
            .into());
    }
    Ok(())
}

/// Refuses to take back a run that itself takes back another.
pub(in crate::cli) fn refuse_undo_of_undo(existing: &Existing) -> Result<()> {
    if existing.plan.verb != "undo" {
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
        refusal.hint(format!("apply the plan of run {undone} again"))
    } else {
        refusal
    };
    Err(refusal.into())
}
