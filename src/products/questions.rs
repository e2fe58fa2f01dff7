//! What is asked of nodes before a plan is made, and what they answered.

use std::collections::BTreeMap;

use crate::config::NodeName;
use crate::plan::{Probe, Reading};

/// A node, and what is looked at there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The node.
    pub node: NodeName,
    /// What is looked at.
    pub probe: Probe,
}

/// Questions, each asked once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions(Vec<Question>);

impl Questions {
    /// Asks a node something.
    pub fn ask(&mut self, node: &NodeName, probe: Probe) {
        let question = Question {
            node: node.clone(),
            probe,
        };
        if !self.0.contains(&question) {
            self.0.push(question);
        }
    }

    /// All of them, in the order in which they were asked.
    pub fn all(&self) -> &[Question] {
        &self.0
    }
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What happened.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<Question, Result<Reading, Unanswered>>);

impl Answers {
    /// Takes an answer down.
    pub fn put(&mut self, question: Question, answer: Result<Reading, Unanswered>) {
        self.0.insert(question, answer);
    }

    /// What a node answered; that nobody asked is an error of the planner's, and told like a node's silence.
    pub fn of(&self, node: &NodeName, probe: &Probe) -> Result<&Reading, Unanswered> {
        let question = Question {
            node: node.clone(),
            probe: probe.clone(),
        };
        match self.0.get(&question) {
            Some(Ok(reading)) => Ok(reading),
            Some(Err(why)) => Err(why.clone()),
            None => Err(Unanswered {
                what: format!("nobody asked for {probe}"),
                hint: None,
            }),
        }
    }
}
