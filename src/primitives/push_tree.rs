//! Bringing a tree to nodes: staged beside its place on all of them, then swapped; or file by file where it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::config::NodeName;
pub(crate) use crate::plan::printable::size;
use crate::plan::{
    Action, BackupRef, Class, Condition, FORMAT, Hooks, Lane, Millis, OnFailure, Plan, Probe,
    Proof, Reading, RemotePath, Sha256, Stage, Step, StepId, Target, Tree, TreeSource, Undo, Why,
};

/// The verb, as plans name it.
const VERB: &str = "push";

/// On how many nodes at once; all of them share one reading.
const WIDTH: usize = 32;

/// How long bringing a tree may take, besides what a limited rate takes: a terabyte comes through a line of 25 MB/s.
const STAGE_TIMEOUT: Millis = Millis::secs(12 * 3600);
/// How long a swap may take; it has to look at the old tree, and where that must be, to wait for the disk.
const SWAP_TIMEOUT: Millis = Millis::secs(1800);

/// What was found on a node.
#[derive(Debug, Clone)]
pub struct Found {
    /// The node.
    pub node: NodeName,
    /// Where it is.
    pub target: Target,
    /// The fingerprint of the tree that is there, or that there is none.
    pub is: Option<Sha256>,
    /// The fingerprint of the tree that will be there.
    pub becomes: Sha256,
    /// What has to be done.
    pub summary: Summary,
    /// How many bytes a second the line to the node carries, where that was measured.
    pub pace: Option<u64>,
    /// Whether the node has zstd.
    pub zstd: bool,
    /// What part of it is left when what is sent is made smaller on its way, where that is foretold.
    pub zipped_to: Option<f64>,
    /// Whether the node can exchange two trees at once.
    pub at_once: bool,
    /// Whether a file system is mounted at the place, so that what is in it has to be exchanged one by one.
    pub mounted: bool,
    /// What of the tree the node can't keep.
    pub losses: Vec<String>,
}

/// What differs on a node, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files that are sent.
    pub files: u64,
    /// The bytes of these.
    pub bytes: u64,
    /// Files that are there already.
    pub kept: u64,
    /// Entries that are new or become different, folders included.
    pub changed: u64,
    /// Entries that go.
    pub removed: u64,
}

impl Summary {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.changed == 0 && self.removed == 0
    }
}

/// How long what is sent to a node takes on its way.
///
/// It is the line alone: what the node's disk takes, nobody knows beforehand, and on a fast line that is what decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// How long.
    pub time: Duration,
    /// How many bytes a second.
    pub pace: u64,
    /// Whether what is sent is made smaller on its way.
    pub zipped: bool,
    /// Whether the line was measured; otherwise no more is known than what may be sent at the most.
    pub measured: bool,
}

impl Found {
    /// How long what is sent takes, where anything is known of that; `limit` is how many bytes a second may be sent.
    pub fn prediction(&self, limit: Option<u64>) -> Option<Prediction> {
        let pace = [self.pace, limit].into_iter().flatten().min()?;
        let millis = self.summary.bytes.saturating_mul(1000) / pace.max(1);
        let time = Duration::from_millis(millis);
        (self.summary.bytes > 0).then_some(Prediction {
            time: self
                .zipped_to
                .map_or(time, |part| time.mul_f64(part.clamp(0.0, 1.0))),
            pace,
            measured: self.pace.is_some(),
            zipped: self.zipped_to.is_some(),
        })
    }
}

impl Prediction {
    /// `about 40 s`, or `at least 40 s`.
    pub fn time_in_words(&self) -> String {
        let how = if self.measured || self.zipped {
            "about"
        } else {
            "at least"
        };
        let seconds = self.time.as_millis().div_ceil(1000);
        let time = match seconds {
            0..100 => format!("{seconds} s"),
            100..6_000 => format!("{} min", seconds.div_ceil(60)),
            _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        };
        format!("{how} {time}")
    }

    /// `about 40 s at 25.0 MB/s`.
    pub fn in_words(&self) -> String {
        let zipped = if self.zipped {
            ", made smaller by zstd"
        } else {
            ""
        };
        format!("{} at {}/s{zipped}", self.time_in_words(), size(self.pace))
    }
}

/// What a plan is made for and with.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The tree.
    pub tree: Tree,
    /// Where the node is that the tree is on, when it is on one.
    pub origin: Option<Target>,
    /// Where it shall be.
    pub to: RemotePath,
    /// Whether files are replaced where they are.
    pub in_place: bool,
    /// The program that makes the plan.
    pub made_by: String,
    /// When.
    pub made_at: jiff::Timestamp,
    /// The commands that the runner calls around steps.
    pub hooks: Hooks,
}

/// The plan that brings the tree to the nodes on which something differs.
pub fn plan(found: &[Found], given: &Circumstances) -> Plan {
    let differ: Vec<&Found> = found.iter().filter(|one| !one.summary.is_none()).collect();
    let company: Vec<NodeName> = differ.iter().map(|one| one.node.clone()).collect();
    let lanes: Vec<Lane> = differ
        .iter()
        .map(|one| Lane {
            node: one.node.clone(),
            steps: if given.in_place {
                vec![replace(one, &company, given)]
            } else {
                vec![stage(one, &company, given), swap(one, given)]
            },
        })
        .collect();
    let many = u32::try_from(lanes.len()).unwrap_or(u32::MAX);
    let width = u32::try_from(lanes.len().min(WIDTH)).unwrap_or(1);
    let mut stages = Vec::new();
    if !lanes.is_empty() {
        if let TreeSource::Node { node, path } = &given.tree.from {
            stages.push(source_stage(node, path, given));
        }
        stages.push(Stage {
            name: "bring the tree".to_owned(),
            width: width.max(1),
            // What goes wrong on one node is no reason to keep the tree from the others.
            max_failures: many - 1,
            bake: Millis(0),
            on_failure: OnFailure::Stop,
            lanes,
        });
    }
    let mut places: BTreeMap<NodeName, Target> = found
        .iter()
        .map(|one| (one.node.clone(), one.target.clone()))
        .collect();
    let mut from = given.tree.from.path().to_string();
    if let (TreeSource::Node { node, .. }, Some(origin)) = (&given.tree.from, &given.origin) {
        places.insert(node.clone(), origin.clone());
        from = format!("{node}:{from}");
    }
    Plan {
        format: FORMAT,
        verb: VERB.to_owned(),
        title: format!("push {from} to {} of {}", given.to, nodes(found)),
        made_by: given.made_by.clone(),
        made_at: given.made_at,
        starts_as: if differ.is_empty() {
            format!("{} is as it should be everywhere", given.to)
        } else if given.in_place {
            format!(
                "every file of {} is as it was found, or as it shall be",
                given.to
            )
        } else {
            format!("{} is as it was found", given.to)
        },
        nodes: places,
        hooks: given.hooks.clone(),
        stages,
    }
}

fn nodes(found: &[Found]) -> String {
    match found {
        [one] => one.node.to_string(),
        some => format!("{} nodes", some.len()),
    }
}

fn why() -> Why {
    Why {
        says: "It was asked for on the command line.".to_owned(),
        page: None,
    }
}

/// How long bringing the tree to a node may take.
fn time_for(one: &Found, given: &Circumstances) -> Millis {
    let limited = given
        .tree
        .rate
        .map_or(0, |rate| one.summary.bytes / rate.max(1));
    Millis(STAGE_TIMEOUT.0.saturating_add(Millis::secs(limited).0))
}

/// What the tree there is now.
fn as_found(one: &Found, given: &Circumstances) -> Condition {
    Condition::is(contents(given), was(one))
}

fn was(one: &Found) -> Reading {
    one.is.clone().map_or(Reading::Absent, Reading::Digest)
}

fn contents(given: &Circumstances) -> Probe {
    contents_before(given, None)
}

/// What the place contains, or contained before a step that changes it one by one.
fn contents_before(given: &Circumstances, before: Option<StepId>) -> Probe {
    Probe::Contents {
        path: given.to.clone(),
        exclude: given.tree.exclude.clone(),
        before,
    }
}

/// Brings what differs and gives it its places one by one: done again, it goes on where it was cut short.
fn replace(one: &Found, company: &[NodeName], given: &Circumstances) -> Step {
    let id = StepId::new(VERB, &one.node, "replace");
    let before = contents_before(given, Some(id.clone()));
    let done = Probe::Stamp { step: id.clone() };
    let becomes = Reading::Digest(one.becomes.clone());
    let words = in_words(&one.summary, one.prediction(given.tree.rate));
    let (title, class, undo) = if one.is.is_some() {
        let undo = Undo::Impossible {
            because: "Each file is replaced where it is, and no copy of the old one is kept."
                .to_owned(),
        };
        let title = format!("Replace the files that differ, one by one: {words}");
        (title, Class::Disrupt, undo)
    } else {
        let undo = Undo::By {
            action: Box::new(Action::Remove {
                path: given.to.clone(),
            }),
            proof: Proof::Holds(vec![as_found(one, given)]),
        };
        (format!("Bring the tree: {words}"), Class::Stage, undo)
    };
    Step {
        title,
        why: why(),
        class,
        action: Action::ReplaceFiles {
            tree: given.tree.clone(),
            to: given.to.clone(),
            becomes: one.becomes.clone(),
            company: company.to_vec(),
        },
        guards: vec![Condition::is(before, was(one))],
        // What it contains may look the same before and after: then the stamp tells.
        proof: Proof::Holds(vec![
            Condition::is(contents(given), becomes),
            Condition::is(done, Reading::text("done")),
        ]),
        outputs: BTreeMap::new(),
        undo,
        timeout: time_for(one, given),
        leaves: format!("{} has the new files", given.to),
        temporary: None,
        ends: None,
        preview: None,
        id,
    }
}

/// The tree is only read where it is: that is no reason to hold the node, but to look at it before anything is begun.
fn source_stage(node: &NodeName, path: &RemotePath, given: &Circumstances) -> Stage {
    let contents = Probe::Contents {
        path: path.clone(),
        exclude: given.tree.exclude.clone(),
        before: None,
    };
    let as_read = Condition::is(contents, Reading::Digest(given.tree.digest.clone()));
    let step = Step {
        id: StepId::new(VERB, node, "source"),
        title: "See whether the tree is as it was when the plan was made".to_owned(),
        why: why(),
        class: Class::Read,
        action: Action::Check {
            that: vec![as_read.clone()],
        },
        guards: vec![as_read.clone()],
        proof: Proof::Holds(vec![as_read]),
        outputs: BTreeMap::new(),
        undo: Undo::Nothing {
            because: "It is only looked at.".to_owned(),
        },
        timeout: SWAP_TIMEOUT,
        leaves: format!("{path} is as before"),
        temporary: None,
        ends: None,
        preview: None,
    };
    Stage {
        name: "look at the tree".to_owned(),
        width: 1,
        max_failures: 0,
        bake: Millis(0),
        on_failure: OnFailure::Stop,
        lanes: vec![Lane {
            node: node.clone(),
            steps: vec![step],
        }],
    }
}

fn stage(one: &Found, company: &[NodeName], given: &Circumstances) -> Step {
    let id = StepId::new(VERB, &one.node, "stage");
    let staged = Probe::Staged {
        step: id.clone(),
        to: given.to.clone(),
    };
    Step {
        title: format!(
            "Stage the tree: {}",
            in_words(&one.summary, one.prediction(given.tree.rate))
        ),
        why: why(),
        class: Class::Stage,
        action: Action::StageTree {
            tree: given.tree.clone(),
            to: given.to.clone(),
            becomes: one.becomes.clone(),
            company: company.to_vec(),
        },
        guards: vec![as_found(one, given)],
        proof: Proof::Holds(vec![Condition::is(
            staged,
            Reading::Digest(one.becomes.clone()),
        )]),
        outputs: BTreeMap::new(),
        undo: Undo::Nothing {
            because: "What is staged is in nobody's way, and `cleanup` removes it.".to_owned(),
        },
        timeout: time_for(one, given),
        leaves: format!(
            "{} is as before, and the new tree stands beside it",
            given.to
        ),
        temporary: None,
        ends: None,
        preview: None,
        id,
    }
}

fn swap(one: &Found, given: &Circumstances) -> Step {
    let id = StepId::new(VERB, &one.node, "swap");
    let staged_by = StepId::new(VERB, &one.node, "stage");
    let staged = Probe::Staged {
        step: staged_by.clone(),
        to: given.to.clone(),
    };
    let becomes = Reading::Digest(one.becomes.clone());
    let (title, class) = match (&one.is, one.at_once) {
        (None, _) => ("Give the new tree its name".to_owned(), Class::Stage),
        (Some(_), _) if one.mounted => {
            let title = "Swap what is in the trees, one by one, and keep the old; a file system is mounted there, so \
                         for a moment there is some of both";
            (title.to_owned(), Class::Disrupt)
        }
        (Some(_), true) => (
            "Swap the trees, and keep the old one".to_owned(),
            Class::Disrupt,
        ),
        (Some(_), false) => {
            let title = "Swap the trees, and keep the old one; the node can't do that at once, and for an instant \
                         neither has the name";
            (title.to_owned(), Class::Disrupt)
        }
    };
    Step {
        title,
        why: why(),
        class,
        action: Action::SwapTree {
            to: given.to.clone(),
            stage: staged_by,
            becomes: one.becomes.clone(),
            one_by_one: one.mounted,
        },
        guards: vec![
            // What was begun one by one and cut short is gone on with.
            Condition::is(
                contents_before(given, one.mounted.then(|| id.clone())),
                was(one),
            ),
            Condition::is(staged.clone(), becomes.clone()),
        ],
        // Trees may look the same before and after, when only what a fingerprint leaves out differs, such as times of
        // folders; then it tells that what was staged is no longer where it waited.
        proof: Proof::Holds(vec![
            Condition::is(contents(given), becomes),
            Condition::is(staged, Reading::Absent),
        ]),
        outputs: BTreeMap::new(),
        undo: Undo::By {
            action: Box::new(Action::SwapBack {
                to: given.to.clone(),
                swap: BackupRef {
                    run: None,
                    step: id.clone(),
                },
                one_by_one: one.mounted,
            }),
            proof: Proof::Holds(vec![as_found(one, given)]),
        },
        timeout: SWAP_TIMEOUT,
        leaves: format!("{} is the new tree", given.to),
        temporary: None,
        ends: None,
        preview: None,
        id,
    }
}

/// `12 files to send (3.4 MB, about 2 s at 1.7 MB/s), 7 kept, 2 removed`.
fn in_words(summary: &Summary, prediction: Option<Prediction>) -> String {
    let plural = |many: u64| if many == 1 { "" } else { "s" };
    let time = prediction.map_or_else(String::new, |it| format!(", {}", it.in_words()));
    let mut text = format!(
        "{} file{} to send ({}{time}), {} kept",
        summary.files,
        plural(summary.files),
        size(summary.bytes),
        summary.kept
    );
    if summary.removed > 0 {
        let _ = write!(text, ", {} removed", summary.removed);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Compression;

    fn found(name: &str, is: Option<&str>, changed: u64) -> Found {
        Found {
            node: name.parse().unwrap(),
            target: Target::at("local", RemotePath::new("/var/lib/clusterctl")),
            is: is.map(Sha256::of),
            becomes: Sha256::of("new"),
            summary: Summary {
                files: changed,
                changed,
                bytes: 1_234_567,
                ..Summary::default()
            },
            pace: None,
            zstd: false,
            zipped_to: None,
            at_once: true,
            mounted: false,
            losses: Vec::new(),
        }
    }

    fn given() -> Circumstances {
        Circumstances {
            origin: None,
            tree: Tree {
                from: TreeSource::Runner {
                    path: RemotePath::new("/src"),
                },
                digest: Sha256::of("tree"),
                exclude: vec!["*.log".to_owned()],
                delete: true,
                checksum: false,
                owner: None,
                link_unchanged: false,
                direct: false,
                compress: Compression::Auto,
                rate: None,
            },
            in_place: false,
            to: RemotePath::new("/opt/app"),
            made_by: "test".to_owned(),
            made_at: jiff::Timestamp::UNIX_EPOCH,
            hooks: Hooks::default(),
        }
    }

    #[test]
    fn nodes_that_differ_get_the_tree_in_company() {
        let plan = plan(
            &[
                found("a", None, 1),
                found("b", Some("x"), 0),
                found("c", Some("y"), 2),
            ],
            &given(),
        );
        assert_eq!(plan.problems(), []);
        assert_eq!(plan.changed().len(), 2);
        let classes: Vec<_> = plan.steps().map(|(_, step)| step.class).collect();
        assert_eq!(
            classes,
            [Class::Stage, Class::Stage, Class::Stage, Class::Disrupt]
        );
        let Some((
            _,
            Step {
                action: Action::StageTree { company, .. },
                ..
            },
        )) = plan.steps().next()
        else {
            panic!("the first step stages");
        };
        assert_eq!(company.len(), 2);
    }

    #[test]
    fn a_node_that_has_the_tree_is_looked_at_and_not_held() {
        let mut given = given();
        given.tree.from = TreeSource::Node {
            node: "o".parse().unwrap(),
            path: RemotePath::new("/src"),
        };
        given.origin = Some(Target::at(
            "o.example",
            RemotePath::new("/var/lib/clusterctl"),
        ));
        let plan = plan(&[found("a", None, 1), found("o", Some("x"), 1)], &given);
        assert_eq!(plan.problems(), []);
        assert_eq!(plan.title, "push o:/src to /opt/app of 2 nodes");
        let first = plan.steps().next().unwrap().1;
        assert_eq!(
            (first.id.as_str(), first.class),
            ("push/o/source", Class::Read)
        );
        let alone = super::plan(&[found("a", None, 1)], &given);
        assert!(alone.nodes.len() == 2 && alone.changed().len() == 1);
        assert!(super::plan(&[found("a", None, 0)], &given).is_empty());
    }

    #[test]
    fn what_is_replaced_in_place_cannot_be_taken_back() {
        let given = Circumstances {
            in_place: true,
            ..given()
        };
        let plan = plan(&[found("a", None, 1), found("c", Some("y"), 2)], &given);
        assert_eq!(plan.problems(), []);
        let steps: Vec<_> = plan.steps().map(|(_, step)| step).collect();
        let of = |step: &Step| {
            (
                step.class,
                matches!(step.undo, Undo::Impossible { .. }),
                step.action.goes_on(),
            )
        };
        assert_eq!(of(steps[0]), (Class::Stage, false, true));
        assert_eq!(of(steps[1]), (Class::Disrupt, true, true));
        assert_eq!(steps.len(), 2);
    }

    #[test]
    fn what_goes_out_slowly_has_the_time_that_it_takes() {
        let mut given = given();
        let timeouts = |given: &Circumstances| {
            let mut one = found("a", None, 1);
            one.summary.bytes = 100_000_000_000;
            let plan = plan(&[one], given);
            plan.steps().next().map(|(_, step)| step.timeout).unwrap()
        };
        let usual = timeouts(&given);
        given.tree.rate = Some(1_000_000);
        for in_place in [false, true] {
            given.in_place = in_place;
            let limited = timeouts(&given);
            assert_eq!(limited.0 - usual.0, 100_000 * 1000);
        }
    }

    #[test]
    fn how_long_it_takes_is_told_where_it_is_known() {
        let mut one = found("a", None, 3);
        let words = |one: &Found, limit| {
            let mut given = given();
            given.tree.rate = limit;
            plan(std::slice::from_ref(one), &given)
                .steps()
                .next()
                .unwrap()
                .1
                .title
                .clone()
        };
        assert_eq!(
            words(&one, None),
            "Stage the tree: 3 files to send (1.2 MB), 0 kept"
        );
        assert_eq!(
            words(&one, Some(10_000)),
            "Stage the tree: 3 files to send (1.2 MB, at least 3 min at 10.0 kB/s), 0 kept"
        );
        one.pace = Some(100_000);
        assert_eq!(
            words(&one, None),
            "Stage the tree: 3 files to send (1.2 MB, about 13 s at 100.0 kB/s), 0 kept"
        );
        // The lower of the two decides.
        let slow = one.prediction(Some(20_000)).unwrap();
        assert_eq!(slow.in_words(), "about 62 s at 20.0 kB/s");
        assert_eq!(one.prediction(Some(200_000)), one.prediction(None));
        one.summary.bytes = 1_000_000_000;
        assert_eq!(
            one.prediction(None).unwrap().time_in_words(),
            "about 2 h 46 min"
        );
        one.summary.bytes = 0;
        assert_eq!(one.prediction(None), None);
    }

    #[test]
    fn where_nothing_differs_there_is_nothing_to_do() {
        assert!(plan(&[found("a", Some("new"), 0)], &given()).is_empty());
    }
}
