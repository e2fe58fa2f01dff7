//! What must be true: a probe and what it is expected to find.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Probe, Reading};

/// A probe, and what it must find.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// What is looked at.
    pub probe: Probe,
    /// What must be found there.
    pub expect: Expect,
}

impl Condition {
    /// The probe must find exactly this.
    pub fn is(probe: Probe, reading: Reading) -> Self {
        Self {
            probe,
            expect: Expect::Is(reading),
        }
    }

    /// The probe must find anything but this.
    pub fn is_not(probe: Probe, reading: Reading) -> Self {
        Self {
            probe,
            expect: Expect::IsNot(reading),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.probe, self.probe.verb(), self.expect)
    }
}

/// What a probe must find.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Exactly this.
    Is(Reading),
    /// Anything but this.
    IsNot(Reading),
    /// A number of at least this.
    AtLeast(i64),
    /// One of these.
    OneOf(Vec<Reading>),
}

impl Expect {
    /// Whether what was found is what was wanted.
    pub fn admits(&self, found: &Reading) -> bool {
        match self {
            Self::Is(wanted) => found == wanted,
            Self::IsNot(unwanted) => found != unwanted,
            Self::AtLeast(least) => matches!(found, Reading::Number(n) if n >= least),
            Self::OneOf(wanted) => wanted.contains(found),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(wanted) => wanted.fmt(f),
            Self::IsNot(unwanted) => write!(f, "not {unwanted}"),
            Self::AtLeast(least) => write!(f, "at least {least}"),
            Self::OneOf(wanted) => {
                let words: Vec<_> = wanted.iter().map(ToString::to_string).collect();
                f.write_str(&words.join(" or "))
            }
        }
    }
}

/// How it is seen that an effect is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// All of these hold.
    Holds(Vec<Condition>),
    /// Nothing of the effect can be observed afterwards: the node keeps a stamp that it was done.
    Stamp,
    /// A person's answer, kept in the journal.
    Answer,
}

impl Proof {
    /// The conditions to look at; none for a stamp or an answer.
    pub fn conditions(&self) -> &[Condition] {
        match self {
            Self::Holds(conditions) => conditions,
            Self::Stamp | Self::Answer => &[],
        }
    }

    /// Every value that the proof compares with.
    pub fn values_mut(&mut self) -> Vec<&mut super::Value> {
        match self {
            Self::Holds(conditions) => conditions
                .iter_mut()
                .flat_map(|c| c.probe.values_mut())
                .collect(),
            Self::Stamp | Self::Answer => Vec::new(),
        }
    }
}
