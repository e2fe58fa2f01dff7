//! All runs of this runner.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::run_folder::{JOURNAL, PLAN, RunFolder, UNDOES};
use crate::plan::RunId;

/// All runs of this runner, in one folder.
#[derive(Debug, Clone)]
pub struct RunStore {
    runs: PathBuf,
}

/// What is stored of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// The run.
    pub run: RunId,
    /// The text of its plan.
    pub plan: Vec<u8>,
    /// The bytes of its journal.
    pub journal: Vec<u8>,
    /// The run that it takes back. Its journal says so too, once there is one.
    pub undoes: Option<RunId>,
}

impl RunStore {
    /// The runs in this state folder, which need not exist yet.
    pub fn new(state: impl AsRef<Path>) -> Self {
        Self {
            runs: state.as_ref().join("runs"),
        }
    }

    /// Where the runs are.
    pub fn path(&self) -> &Path {
        &self.runs
    }

    /// The folder of a run.
    pub fn folder_of(&self, run: &RunId) -> PathBuf {
        self.runs.join(run.as_str())
    }

    /// Makes the folder of a new run, with its plan, and the name of the run that it takes back.
    pub fn create(
        &self,
        run: &RunId,
        plan: &str,
        undoes: Option<&RunId>,
    ) -> Result<RunFolder, StoreError> {
        RunFolder::create(self.folder_of(run), run, plan, undoes)
    }

    /// Holds the folder of a run that is there already.
    pub fn take(&self, run: &RunId) -> Result<RunFolder, StoreError> {
        let path = self.folder_of(run);
        if !path.is_dir() {
            return Err(self.no_such(run.as_str()));
        }
        RunFolder::take(path, run)
    }

    /// Whether a process of this machine works on a run.
    pub fn is_held(&self, run: &RunId) -> bool {
        RunFolder::is_held(&self.folder_of(run))
    }

    /// Reads what is stored of a run, whether or not another process works on it.
    pub fn read(&self, run: &RunId) -> Result<StoredRun, StoreError> {
        let folder = self.folder_of(run);
        let path = folder.join(PLAN);
        let plan = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.no_such(run.as_str()),
            _ => StoreError::io(path, "read", error),
        })?;
        let path = folder.join(JOURNAL);
        let journal = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|error| StoreError::io(path, "read", error))?,
        };
        let undoes = fs::read_to_string(folder.join(UNDOES)).ok();
        Ok(StoredRun {
            run: run.clone(),
            plan,
            journal,
            undoes: undoes.and_then(|name| name.trim().parse().ok()),
        })
    }

    /// The names of all runs, oldest first.
    pub fn list(&self) -> Result<Vec<RunId>, StoreError> {
        let entries = match fs::read_dir(&self.runs) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|error| StoreError::io(&self.runs, "read", error))?,
        };
        let mut runs: Vec<RunId> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            // A runner that was killed before it had saved the plan began nothing.
            .filter(|run| self.folder_of(run).join(PLAN).exists())
            .collect();
        runs.sort();
        Ok(runs)
    }

    /// The run that a person means: its name, the beginning or end of it, or `latest`.
    pub fn find(&self, asked: &str) -> Result<RunId, StoreError> {
        let runs = self.list()?;
        if asked == "latest" {
            return runs
                .into_iter()
                .next_back()
                .ok_or_else(|| self.no_such(asked));
        }
        let fits = |run: &&RunId| {
            let name = run.as_str();
            !asked.is_empty() && (name.starts_with(asked) || name.ends_with(asked))
        };
        let mut fitting: Vec<_> = runs.iter().filter(fits).cloned().collect();
        if let Some(exact) = runs.iter().find(|run| run.as_str() == asked) {
            return Ok(exact.clone());
        }
        match (fitting.pop(), fitting.is_empty()) {
            (None, _) => Err(self.no_such(asked)),
            (Some(run), true) => Ok(run),
            (Some(run), false) => {
                fitting.push(run);
                Err(StoreError::Ambiguous {
                    asked: asked.to_owned(),
                    candidates: fitting,
                })
            }
        }
    }

    /// Removes what is stored of a run that is over.
    pub fn remove(&self, run: &RunId) -> Result<(), StoreError> {
        let held = self.take(run)?;
        let path = held.path().to_owned();
        fs::remove_dir_all(&path).map_err(|error| StoreError::io(path, "removed", error))
    }

    /// Removes what runners left that were killed before they had saved their plan.
    pub fn remove_unsaved(&self) -> Result<(), StoreError> {
        for entry in fs::read_dir(&self.runs).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(run) = name.to_str().and_then(|name| name.parse::<RunId>().ok()) else {
                continue;
            };
            if self.folder_of(&run).join(PLAN).exists() {
                continue;
            }
            match self.take(&run) {
                // Its runner is about to save it.
                Err(StoreError::Busy { .. }) => {}
                taken => taken?.discard(),
            }
        }
        Ok(())
    }

    fn no_such(&self, asked: &str) -> StoreError {
        StoreError::NoSuchRun {
            asked: asked.escape_debug().to_string(),
            folder: self.runs.clone(),
        }
    }
}
