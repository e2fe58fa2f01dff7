//! A plan as a file: versioned JSON.

use thiserror::Error;

use super::{Plan, PlanProblem, printable};

/// The version of the plan format that this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// A plan file larger than this is refused: it is something else.
const LARGEST: usize = 256 << 20;

/// Why a text is not a plan that this program can use.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A newer program made it.
    #[error(
        "the plan has format {found}, and this program reads formats up to {FORMAT}; \
         use the version of clusterctl that made it ({made_by}), or make the plan again with this one"
    )]
    Newer {
        /// Its format.
        found: u64,
        /// The program that made it, as the file says.
        made_by: String,
    },
    /// It is no plan.
    #[error("this is not a plan of clusterctl: {0}")]
    NotAPlan(String),
    /// It is a plan that breaks the rules.
    #[error("the plan contradicts itself: {}", list(.0))]
    Contradicts(Vec<PlanProblem>),
}

/// So many problems are told; a plan that breaks one rule often breaks it in every step.
const TOLD: usize = 8;

fn list(problems: &[PlanProblem]) -> String {
    let mut told: Vec<_> = problems
        .iter()
        .take(TOLD)
        .map(ToString::to_string)
        .collect();
    if problems.len() > TOLD {
        told.push(format!("and {} more", problems.len() - TOLD));
    }
    told.join("; ")
}

/// What the parser said; it repeats parts of the file.
fn unreadable(error: &serde_json::Error) -> LoadError {
    LoadError::NotAPlan(printable::short(&error.to_string(), 300))
}

impl Plan {
    /// Reads a plan and checks that it keeps the rules.
    pub fn from_json(bytes: &[u8]) -> Result<Self, LoadError> {
        #[derive(serde::Deserialize)]
        struct Head {
            format: Option<u64>,
            made_by: Option<String>,
        }
        if bytes.len() > LARGEST {
            return Err(LoadError::NotAPlan(format!(
                "it is larger than {} MiB",
                LARGEST >> 20
            )));
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        match head.format {
            None => return Err(LoadError::NotAPlan("it has no `format`".to_owned())),
            Some(found) if found > u64::from(FORMAT) => {
                let made_by = head
                    .made_by
                    .map_or("it does not say which".to_owned(), |made_by| {
                        printable::short(&made_by, 100)
                    });
                return Err(LoadError::Newer { found, made_by });
            }
            Some(0) => return Err(LoadError::NotAPlan("there is no format 0".to_owned())),
            Some(_) => {}
        }
        let plan: Self = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        let problems = plan.problems();
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(LoadError::Contradicts(problems))
        }
    }

    /// The plan as the text of its file.
    pub fn to_json(&self) -> String {
        // Every type in a plan is made of strings, numbers, lists and string-keyed maps.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}
