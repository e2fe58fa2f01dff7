//! Valid plans from seeds.
//!
//! Every kind of action, probe, reading, proof and undo turns up. Each step works
//! on things of its own, so that in a world that begins as [`begins`] says, where
//! performing an action makes its proof true, a whole plan can be run, broken off,
//! resumed and taken back.

use clusterctl::config::{HostKeyPolicy, NodeName, RuntimeSocket, SecretRef, SshBackEnd};
use clusterctl::plan::{
    Action, Argv, BackupRef, Class, Compression, Condition, Expect, Hook, Hooks, Item, Lane, Merge,
    Method, Millis, OnFailure, OnTimeout, Plan, PoolFact, PoolState, Probe, Proof, PropertyEdit,
    Reading, RemotePath, Service, ServiceState, Sha256, Stage, Step, StepId, Sudo, Target,
    Temporary, Tree, TreeSource, Undo, Value, Why, XmlEdit,
};

use crate::build::{node, secret};

/// Random numbers from a seed, the same everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Places where HAProxy may listen.
const SOCKETS: [&str; 3] = ["/run/haproxy/admin.sock", "/o'dd, pl:ace", "[::1]:9999"];

/// Texts that quoting, escaping and wrapping may stumble over.
const AWKWARD: [&str; 16] = [
    "plain",
    "two words",
    "",
    "it's \"quoted\"",
    "$HOME `id` ; rm -rf / & |",
    "```\nfence\n````",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{202e}dlrow",
    "tab\tand\r\nreturn",
    "100 % \\ \\n",
    "# heading",
    "- [ ] box",
    "ÄÖÜ ☃ 漢字 e\u{301}",
    "https://x.example.com:8443/a?b=c&d=%20",
    "a very long text that has to be broken somewhere, and that goes on for a good while after it seemed to end",
    "END_OF_FILE\n",
];

/// What a step was, for later ones that refer to it.
struct Done {
    id: StepId,
    node: NodeName,
    stage: usize,
    outputs: Vec<String>,
    kept: Option<RemotePath>,
}

struct Making {
    draw: Draw,
    done: Vec<Done>,
    named: std::collections::BTreeSet<StepId>,
    stage: usize,
    count: usize,
}

/// The plan of this seed: up to four nodes, four stages and some thirty steps.
pub(crate) fn plan(seed: u64) -> Plan {
    sized(seed, 4)
}

/// A smaller plan: up to `most` nodes, stages, and steps in a lane.
pub(crate) fn sized(seed: u64, most: usize) -> Plan {
    let mut make = Making {
        draw: Draw::new(seed),
        done: Vec::new(),
        named: std::collections::BTreeSet::new(),
        stage: 0,
        count: 0,
    };
    let nodes: Vec<NodeName> = (1..=1 + make.draw.below(most))
        .map(|n| node(&format!("n{n}")))
        .collect();
    let stages = (0..=make.draw.below(most))
        .map(|at| make.stage(at, &nodes, most))
        .collect();
    let hook = |make: &mut Making| {
        let drawn = make.draw.chance(25);
        drawn.then(|| Hook {
            command: make.command(),
            deadline: make.length(),
        })
    };
    Plan {
        format: clusterctl::plan::FORMAT,
        verb: (*make.draw.pick(&["convert", "props-set", "upgrade"])).to_owned(),
        title: make.text(),
        made_by: "clusterctl 0.1.0".to_owned(),
        made_at: "2026-01-31T02:04:55Z".parse().unwrap(),
        starts_as: make.text(),
        hooks: Hooks {
            before_step: hook(&mut make),
            after_step: hook(&mut make),
            on_failure: hook(&mut make),
            on_end: hook(&mut make),
        },
        nodes: nodes
            .iter()
            .map(|node| (node.clone(), make.target(node)))
            .collect(),
        stages,
    }
}

/// Readings that make every guard of the plan hold before the first step, and what its steps give.
pub(crate) fn begins(plan: &Plan) -> Vec<(NodeName, Probe, Reading)> {
    let mut readings = Vec::new();
    for (node, step) in plan.steps() {
        let looks = match &step.action {
            Action::WaitUntil { until, .. } => std::slice::from_ref(until),
            Action::Check { that } => that,
            _ => &[],
        };
        for condition in step.guards.iter().chain(looks) {
            let reading = match &condition.expect {
                Expect::Is(reading) => reading.clone(),
                Expect::IsNot(Reading::Absent) => Reading::Digest(Sha256::of("there")),
                Expect::IsNot(_) => Reading::Absent,
                Expect::AtLeast(least) => Reading::Number(*least),
                Expect::OneOf(readings) => readings[0].clone(),
            };
            readings.push((node.clone(), condition.probe.clone(), reading));
        }
        for (name, probe) in &step.outputs {
            readings.push((node.clone(), probe.clone(), Reading::text(name)));
        }
    }
    readings
}

/// What a step gives, by name.
type Gives = std::collections::BTreeMap<String, Probe>;

/// How a step is done: its class, action, guards, proof and undo.
struct How {
    class: Class,
    action: Action,
    guards: Vec<Condition>,
    proof: Proof,
    undo: Undo,
}

fn is(probe: Probe, reading: Reading) -> Condition {
    Condition::is(probe, reading)
}

fn stands(path: &RemotePath, what: &str) -> Condition {
    is(Probe::Path { path: path.clone() }, Reading::text(what))
}

fn gone(path: &RemotePath) -> Condition {
    is(Probe::Path { path: path.clone() }, Reading::Absent)
}

fn by(action: Action, proof: Vec<Condition>) -> Undo {
    Undo::By {
        action: Box::new(action),
        proof: Proof::Holds(proof),
    }
}

fn own(id: &StepId, path: &RemotePath) -> Action {
    Action::Restore {
        path: path.clone(),
        backup: BackupRef {
            run: None,
            step: id.clone(),
        },
    }
}

impl Making {
    fn text(&mut self) -> String {
        let text = *self.draw.pick(&AWKWARD);
        if self.draw.chance(30) {
            format!("{text} {}", self.draw.pick(&AWKWARD))
        } else {
            text.to_owned()
        }
    }

    fn length(&mut self) -> Millis {
        Millis(1 + self.draw.number() % 10_000_000)
    }

    fn command(&mut self) -> Argv {
        let mut argv = Argv::new(["/usr/bin/do"]);
        for _ in 0..self.draw.below(4) {
            argv = argv.arg(self.text());
        }
        argv
    }

    fn target(&mut self, node: &NodeName) -> Target {
        let state_dir = RemotePath::new("/var/lib/clusterctl");
        let mut target = Target::at(format!("{node}.example.com"), state_dir);
        if self.draw.chance(30) {
            target.user = Some("deploy".to_owned());
            target.port = std::num::NonZeroU16::new(2222);
        }
        if self.draw.chance(30) {
            target.login.back_end = *self.draw.pick(&[SshBackEnd::Ssh2, SshBackEnd::System]);
            target.login.host_keys = HostKeyPolicy::AcceptNew;
            target.login.password = Some(self.secret());
            target.login.passphrase = Some(self.secret());
        }
        if self.draw.chance(30) {
            target.sudo = Some(Sudo {
                user: self.draw.chance(50).then(|| "ucd".to_owned()),
                password: self.draw.chance(50).then(|| self.secret()),
            });
        }
        target
    }

    fn secret(&mut self) -> SecretRef {
        let name: &&str = self.draw.pick(&["DB_PASSWORD", "ADMIN_TOKEN"][..]);
        secret(name)
    }

    /// A value; one of an earlier step where there is one.
    fn value(&mut self) -> Value {
        match self.draw.below(4) {
            0 => Value::Secret(self.secret()),
            1 => self.output().unwrap_or_else(|| Value::Text(self.text())),
            _ => Value::Text(self.text()),
        }
    }

    fn output(&mut self) -> Option<Value> {
        let given: Vec<(StepId, String)> = self
            .done
            .iter()
            .filter(|done| done.stage < self.stage)
            .flat_map(|done| {
                done.outputs
                    .iter()
                    .map(|name| (done.id.clone(), name.clone()))
            })
            .collect();
        if given.is_empty() {
            return None;
        }
        let (step, output) = self.draw.pick(&given).clone();
        Some(Value::FromStep { step, output })
    }

    fn values(&mut self) -> Vec<Value> {
        (0..=self.draw.below(3)).map(|_| self.value()).collect()
    }

    fn path(&mut self) -> RemotePath {
        self.count += 1;
        let odd = *self.draw.pick(&["", " odd's", "$x", "\u{1b}[1m", "`"]);
        RemotePath::new(format!("/srv/{}{odd}", self.count))
    }

    fn service(&mut self) -> Service {
        self.count += 1;
        let name = format!("s{}", self.count);
        Service {
            start: Argv::new(["systemctl", "start", &name]),
            stop: Argv::new(["systemctl", "stop", &name]),
            status: Argv::new(["systemctl", "is-active", &name]),
            name,
        }
    }

    fn stage(&mut self, at: usize, nodes: &[NodeName], most: usize) -> Stage {
        self.stage = at;
        let mut lanes = Vec::new();
        for node in nodes {
            if self.draw.chance(75) {
                lanes.push(self.lane(node, most));
            }
        }
        Stage {
            name: self.text(),
            width: 1 + u32::try_from(self.draw.below(4)).unwrap(),
            max_failures: u32::try_from(self.draw.below(3)).unwrap(),
            bake: *self.draw.pick(&[Millis(0), Millis(0), Millis::secs(90)]),
            on_failure: *self.draw.pick(&[
                OnFailure::Stop,
                OnFailure::ReturnLane,
                OnFailure::GiveBack,
            ]),
            lanes,
        }
    }

    fn lane(&mut self, node: &NodeName, most: usize) -> Lane {
        let mut steps = Vec::new();
        let drain = self.draw.chance(40).then(|| {
            self.count += 1;
            let (pool, server) = (
                format!("pool.{}", self.count),
                format!("{node}-{}", self.count),
            );
            let step = self.balancer(node, (&pool, &server), PoolState::Drained);
            (pool, server, step)
        });
        if let Some((_, _, step)) = &drain {
            steps.push(step.clone());
        }
        for _ in 0..=self.draw.below(most) {
            steps.push(self.step(node));
        }
        if let Some((pool, server, begun)) = drain {
            let mut end = self.balancer(node, (&pool, &server), PoolState::Enabled);
            end.ends = Some(begun.id);
            steps.push(end);
        }
        Lane {
            node: node.clone(),
            steps,
        }
    }

    fn balancer(&mut self, node: &NodeName, (pool, server): (&str, &str), to: PoolState) -> Step {
        let from = match to {
            PoolState::Enabled | PoolState::Out => PoolState::Drained,
            PoolState::Drained => PoolState::Enabled,
        };
        let socket: RuntimeSocket = self.draw.pick(&SOCKETS).parse().unwrap();
        let act = |to| Action::Balancer {
            socket: socket.clone(),
            pool: pool.parse().unwrap(),
            server: server.parse().unwrap(),
            to,
        };
        let state = |state: PoolState| {
            let probe = Probe::Balancer {
                socket: socket.clone(),
                pool: pool.parse().unwrap(),
                server: server.parse().unwrap(),
                of: PoolFact::State,
            };
            is(probe, Reading::text(state.to_string()))
        };
        let how = How {
            class: Class::Disrupt,
            action: act(to),
            guards: match to {
                PoolState::Drained => vec![state(from)],
                PoolState::Enabled | PoolState::Out => Vec::new(),
            },
            proof: Proof::Holds(vec![state(to)]),
            undo: by(act(from), vec![state(from)]),
        };
        let id = self.id(node);
        let mut step = self.finish(id, how);
        if to == PoolState::Drained {
            step.temporary = Some(Temporary {
                lease: self.length(),
            });
        }
        step
    }

    fn id(&mut self, node: &NodeName) -> StepId {
        self.count += 1;
        // Now and then two verbs share a slug.
        let verb = *self.draw.pick(&["convert", "props-set"]);
        let slug = if self.draw.chance(10) {
            "again".to_owned()
        } else {
            format!("s{}", self.count)
        };
        let mut id = StepId::new(verb, node, &slug);
        if self.named.contains(&id) {
            id = StepId::new(verb, node, &format!("s{}", self.count));
        }
        self.named.insert(id.clone());
        id
    }

    fn step(&mut self, node: &NodeName) -> Step {
        let id = self.id(node);
        let (how, outputs, kept) = self.how(node, &id);
        let mut step = self.finish(id.clone(), how);
        step.outputs.clone_from(&outputs);
        if let (true, Action::EditProperties { path, .. }) = (self.draw.chance(50), &step.action) {
            step.preview = Some(format!("--- {path}\n+++ {path}\n@@ -1 +1 @@\n-a=1\n+a=2\n"));
        }
        self.done.push(Done {
            id,
            node: node.clone(),
            stage: self.stage,
            outputs: outputs.into_keys().collect(),
            kept,
        });
        step
    }

    fn finish(&mut self, id: StepId, how: How) -> Step {
        Step {
            id,
            title: self.text(),
            why: Why {
                says: self.text(),
                page: self
                    .draw
                    .chance(50)
                    .then(|| "A page of the manual".to_owned()),
            },
            class: how.class,
            action: how.action,
            guards: how.guards,
            proof: how.proof,
            outputs: Gives::new(),
            undo: how.undo,
            timeout: self.length(),
            leaves: self.text(),
            temporary: None,
            ends: None,
            preview: self.draw.chance(15).then(|| self.text()),
        }
    }

    /// One of all kinds, with what later steps may use of it.
    #[expect(clippy::too_many_lines, reason = "a list: one kind after the other")]
    fn how(&mut self, node: &NodeName, id: &StepId) -> (How, Gives, Option<RemotePath>) {
        let path = self.path();
        let nothing = |how| (how, Gives::new(), None);
        match self.draw.below(19) {
            0 => {
                let how = self.edit_properties(id, &path);
                (how, self.old(), Some(path))
            }
            1 => (self.edit_xml(id, &path), self.old(), Some(path)),
            2 => nothing(self.write_file(&path)),
            3 => nothing(self.copy_tree(&path)),
            4 => nothing(self.move_tree(&path)),
            5 => nothing(self.link(&path)),
            6 => nothing(How {
                class: Class::Stage,
                action: Action::Remove { path: path.clone() },
                guards: vec![stands(&path, "file")],
                proof: Proof::Holds(vec![gone(&path)]),
                undo: by(own(id, &path), vec![stands(&path, "file")]),
            }),
            7 => nothing(self.serve()),
            8 => nothing(self.run()),
            9 => {
                let how = self.rest();
                let probe = Probe::Rest {
                    item: self.draw.chance(50).then(|| Item {
                        member: "name".to_owned(),
                        is: self.text(),
                    }),
                    url: format!("https://x.example.com/made/{}", self.count),
                    credentials: self.draw.chance(50).then(|| self.secret()),
                    pointer: Some("/id".to_owned()),
                    counts: false,
                };
                (how, Gives::from([("id".to_owned(), probe)]), None)
            }
            10 => {
                let condition = self.condition(id);
                nothing(How {
                    class: Class::Read,
                    action: Action::WaitUntil {
                        until: condition.clone(),
                        every: Millis(1 + self.draw.number() % 9000),
                        good: 1 + u32::try_from(self.draw.below(4)).unwrap(),
                        within: self.length(),
                        on_timeout: *self.draw.pick(&[OnTimeout::Fail, OnTimeout::GoOn]),
                    },
                    guards: Vec::new(),
                    proof: Proof::Holds(vec![condition]),
                    undo: Undo::Nothing {
                        because: self.text(),
                    },
                })
            }
            11 => {
                let backup = BackupRef {
                    run: None,
                    step: id.clone(),
                };
                let how = How {
                    class: Class::Stage,
                    action: Action::BackUp { path: path.clone() },
                    guards: vec![stands(&path, "file")],
                    proof: Proof::Holds(vec![
                        Condition::is_not(
                            Probe::Backup {
                                backup: backup.clone(),
                            },
                            Reading::Absent,
                        ),
                        is(
                            Probe::AsKept {
                                path: path.clone(),
                                backup,
                            },
                            Reading::Same,
                        ),
                    ]),
                    undo: Undo::Nothing {
                        because: self.text(),
                    },
                };
                (how, Gives::new(), Some(path))
            }
            12 => nothing(self.restore(node, &path)),
            13 => nothing(How {
                class: *self.draw.pick(&[Class::Stage, Class::Disrupt]),
                action: Action::AskOperator {
                    request: self.text(),
                    evidence: self.text(),
                },
                guards: Vec::new(),
                proof: Proof::Answer,
                undo: Undo::Nothing {
                    because: self.text(),
                },
            }),
            14 => nothing(self.stage_tree(id, &path)),
            15 => nothing(self.swap_tree(id, &path)),
            16 => nothing(self.replace_files(id, &path)),
            _ => {
                let that: Vec<_> = (0..=self.draw.below(3))
                    .map(|_| self.condition(id))
                    .collect();
                nothing(How {
                    class: Class::Read,
                    action: Action::Check { that: that.clone() },
                    guards: Vec::new(),
                    proof: Proof::Holds(that),
                    undo: Undo::Nothing {
                        because: self.text(),
                    },
                })
            }
        }
    }

    /// An output that tells what was there before.
    fn old(&mut self) -> Gives {
        let probe = Probe::Product {
            name: "old".to_owned(),
            args: vec![self.count.to_string()],
        };
        Gives::from([("old".to_owned(), probe)])
    }

    fn edit_properties(&mut self, id: &StepId, path: &RemotePath) -> How {
        let utf8 = self.draw.chance(30);
        let line = self.draw.chance(20).then_some(7);
        let mut edits = Vec::new();
        let mut proof = Vec::new();
        for at in 0..=self.draw.below(3) {
            let key = format!("key.{at}");
            if self.draw.chance(70) {
                let value = self.value();
                let probe = Probe::PropertyIs {
                    path: path.clone(),
                    key: key.clone(),
                    value: value.clone(),
                    utf8,
                };
                proof.push(is(probe, Reading::Same));
                edits.push(PropertyEdit::Set { key, value, line });
            } else {
                proof.push(is(
                    Probe::Property {
                        path: path.clone(),
                        key: key.clone(),
                    },
                    Reading::Absent,
                ));
                edits.push(PropertyEdit::Unset { key, line });
            }
        }
        let before = is(
            Probe::File {
                path: path.clone(),
                masked: vec!["key.0".to_owned()],
            },
            Reading::Digest(Sha256::of(path.as_str())),
        );
        How {
            class: Class::Stage,
            action: Action::EditProperties {
                path: path.clone(),
                edits,
                utf8,
            },
            guards: vec![before.clone()],
            proof: Proof::Holds(proof),
            undo: by(own(id, path), vec![before]),
        }
    }

    fn edit_xml(&mut self, id: &StepId, path: &RemotePath) -> How {
        let value = self.value();
        let element = vec!["Server".to_owned(), "Service[name=Catalina]".to_owned()];
        let probe = Probe::XmlIs {
            path: path.clone(),
            element: element.clone(),
            attribute: "port".to_owned(),
            value: value.clone(),
        };
        let edit = XmlEdit {
            element,
            attribute: "port".to_owned(),
            value,
        };
        How {
            class: Class::Stage,
            action: Action::EditXml {
                path: path.clone(),
                edits: vec![edit],
            },
            guards: vec![is(probe.clone(), Reading::Different)],
            proof: Proof::Holds(vec![is(probe.clone(), Reading::Same)]),
            undo: by(own(id, path), vec![is(probe, Reading::Different)]),
        }
    }

    fn write_file(&mut self, path: &RemotePath) -> How {
        let content = self.values();
        let probe = Probe::FileIs {
            path: path.clone(),
            content: content.clone(),
        };
        How {
            class: Class::Stage,
            action: Action::WriteFile {
                path: path.clone(),
                content,
                mode: self.draw.chance(50).then_some(0o640),
            },
            guards: vec![is(probe.clone(), Reading::Absent)],
            proof: Proof::Holds(vec![is(probe.clone(), Reading::Same)]),
            undo: by(
                Action::Remove { path: path.clone() },
                vec![is(probe, Reading::Absent)],
            ),
        }
    }

    fn copy_tree(&mut self, from: &RemotePath) -> How {
        let to = self.path();
        let source = Sha256::of(from.as_str());
        let tree = |path: &RemotePath, reading| is(Probe::Tree { path: path.clone() }, reading);
        How {
            class: Class::Stage,
            action: Action::CopyTree {
                from: from.clone(),
                to: to.clone(),
                source: source.clone(),
            },
            guards: vec![
                tree(from, Reading::Digest(source.clone())),
                tree(&to, Reading::Absent),
            ],
            proof: Proof::Holds(vec![tree(&to, Reading::Digest(source))]),
            undo: by(
                Action::Remove { path: to.clone() },
                vec![tree(&to, Reading::Absent)],
            ),
        }
    }

    fn move_tree(&mut self, from: &RemotePath) -> How {
        let to = self.path();
        let there = |at: &RemotePath, away: &RemotePath| vec![stands(at, "folder"), gone(away)];
        How {
            class: Class::Stage,
            action: Action::MoveTree {
                from: from.clone(),
                to: to.clone(),
            },
            guards: there(from, &to),
            proof: Proof::Holds(there(&to, from)),
            undo: by(
                Action::MoveTree {
                    from: to.clone(),
                    to: from.clone(),
                },
                there(from, &to),
            ),
        }
    }

    fn contents(&mut self, path: &RemotePath) -> Probe {
        Probe::Contents {
            path: path.clone(),
            exclude: self
                .draw
                .chance(50)
                .then(|| self.text())
                .into_iter()
                .collect(),
            before: None,
        }
    }

    fn replace_files(&mut self, id: &StepId, to: &RemotePath) -> How {
        let How { action, .. } = self.stage_tree(id, to);
        let Action::StageTree {
            tree,
            to,
            becomes,
            company,
        } = action
        else {
            return self.stage_tree(id, to);
        };
        let contents = |before| Probe::Contents {
            path: to.clone(),
            exclude: tree.exclude.clone(),
            before,
        };
        let was = is(contents(Some(id.clone())), Reading::Absent);
        How {
            class: Class::Disrupt,
            guards: vec![was],
            proof: Proof::Holds(vec![is(contents(None), Reading::Digest(becomes.clone()))]),
            undo: Undo::Impossible {
                because: self.text(),
            },
            action: Action::ReplaceFiles {
                tree: tree.clone(),
                to: to.clone(),
                becomes,
                company,
            },
        }
    }

    fn stage_tree(&mut self, id: &StepId, to: &RemotePath) -> How {
        let becomes = Sha256::of(to.as_str());
        let company = vec![node(id.node())];
        let staged = Probe::Staged {
            step: id.clone(),
            to: to.clone(),
        };
        let tree = Tree {
            from: if self.draw.chance(50) {
                TreeSource::Runner { path: self.path() }
            } else {
                TreeSource::Node {
                    node: node(id.node()),
                    path: self.path(),
                }
            },
            digest: Sha256::of("tree"),
            exclude: (0..self.draw.below(3)).map(|_| self.text()).collect(),
            delete: self.draw.chance(50),
            checksum: self.draw.chance(50),
            owner: self.draw.chance(30).then(|| "app:1001".to_owned()),
            link_unchanged: self.draw.chance(30),
            direct: self.draw.chance(30),
            compress: *self
                .draw
                .pick(&[Compression::Auto, Compression::Never, Compression::Zstd]),
            rate: self.draw.chance(30).then_some(1_000_000),
        };
        How {
            class: Class::Stage,
            guards: vec![is(self.contents(to), Reading::Absent)],
            action: Action::StageTree {
                tree,
                to: to.clone(),
                becomes: becomes.clone(),
                company,
            },
            proof: Proof::Holds(vec![is(staged, Reading::Digest(becomes))]),
            undo: Undo::Nothing {
                because: self.text(),
            },
        }
    }

    fn swap_tree(&mut self, id: &StepId, to: &RemotePath) -> How {
        let becomes = Sha256::of(to.as_str());
        let contents = self.contents(to);
        let was = is(contents.clone(), Reading::Digest(Sha256::of("was")));
        let swap = BackupRef {
            run: None,
            step: id.clone(),
        };
        How {
            class: Class::Disrupt,
            guards: vec![was.clone()],
            action: Action::SwapTree {
                to: to.clone(),
                stage: StepId::new("push", &node(id.node()), "stage"),
                becomes: becomes.clone(),
                one_by_one: false,
            },
            proof: Proof::Holds(vec![is(contents, Reading::Digest(becomes))]),
            undo: by(
                Action::SwapBack {
                    to: to.clone(),
                    swap,
                    one_by_one: false,
                },
                vec![was],
            ),
        }
    }

    fn link(&mut self, path: &RemotePath) -> How {
        let target = format!("to {}", self.draw.below(9));
        How {
            class: Class::Stage,
            guards: vec![gone(path)],
            proof: Proof::Holds(vec![stands(path, &format!("link {target}"))]),
            undo: by(Action::Remove { path: path.clone() }, vec![gone(path)]),
            action: Action::Link {
                path: path.clone(),
                target,
            },
        }
    }

    fn serve(&mut self) -> How {
        let service = self.service();
        let act = |to| Action::Service {
            service: service.clone(),
            to,
        };
        let serves = |state| {
            is(
                Probe::Service {
                    service: service.clone(),
                },
                Reading::Service(state),
            )
        };
        let (from, to) = if self.draw.chance(50) {
            (ServiceState::Stopped, ServiceState::Running)
        } else {
            (ServiceState::Running, ServiceState::Stopped)
        };
        How {
            class: Class::Disrupt,
            action: act(to),
            guards: vec![serves(from)],
            proof: Proof::Holds(vec![serves(to)]),
            undo: by(act(from), vec![serves(from)]),
        }
    }

    fn run(&mut self) -> How {
        self.count += 1;
        let argv = self.command().arg(self.count.to_string());
        let action = |argv: &Argv, dir, stdin| Action::Run {
            argv: argv.clone(),
            dir,
            stdin,
            success: vec![0, 3],
        };
        let dir = self.draw.chance(50).then(|| RemotePath::new("/srv/work"));
        let stdin = if self.draw.chance(50) {
            self.values()
        } else {
            Vec::new()
        };
        let forward = action(&argv, dir, stdin);
        if self.draw.chance(50) {
            return How {
                class: Class::Stage,
                action: forward,
                guards: Vec::new(),
                proof: Proof::Stamp,
                undo: Undo::By {
                    action: Box::new(action(&argv.arg("--undo"), None, Vec::new())),
                    proof: Proof::Stamp,
                },
            };
        }
        let probe = Probe::Command {
            argv: Argv::new(["/usr/bin/look"]).arg(self.count.to_string()),
        };
        How {
            class: Class::Irreversible,
            action: forward,
            guards: vec![is(probe.clone(), Reading::Number(1))],
            proof: Proof::Holds(vec![is(probe, Reading::Number(0))]),
            undo: Undo::Impossible {
                because: self.text(),
            },
        }
    }

    fn rest(&mut self) -> How {
        self.count += 1;
        let url = format!("https://x.example.com/thing/{}", self.count);
        let credentials = self.draw.chance(50).then(|| self.secret());
        let probe = Probe::Rest {
            item: None,
            url: url.clone(),
            credentials: credentials.clone(),
            pointer: None,
            counts: false,
        };
        let method = *self
            .draw
            .pick(&[Method::Get, Method::Post, Method::Put, Method::Delete]);
        let kind = self.draw.below(3);
        let merge = (kind == 2 && self.draw.chance(50)).then(|| Merge {
            from: format!("{url}/all"),
            without: vec!["mask".to_owned()],
        });
        let last = self
            .draw
            .chance(30)
            .then(|| Value::Text(format!("{}/..", self.count)));
        let call = |method, body: Option<serde_json::Value>| Action::Rest {
            under: last.clone(),
            method,
            url: url.clone(),
            credentials: credentials.clone(),
            merge: merge.clone().filter(|_| body.is_some()),
            body,
            success: vec![200, 204],
        };
        let body = match kind {
            0 => None,
            1 => Some(serde_json::Value::Null),
            _ => Some(serde_json::json!({ "b": [1, -2, "x"], "a": { "it's": self.text() } })),
        };
        How {
            class: Class::Stage,
            action: call(method, body),
            guards: vec![is(probe.clone(), Reading::Number(404))],
            proof: Proof::Holds(vec![is(probe.clone(), Reading::Number(200))]),
            undo: by(
                call(Method::Delete, None),
                vec![is(probe, Reading::Number(404))],
            ),
        }
    }

    /// Something that is looked at and that no step changes.
    fn condition(&mut self, id: &StepId) -> Condition {
        self.count += 1;
        let path = RemotePath::new(format!("/etc/{}", self.count));
        let count = self.count;
        match self.draw.below(10) {
            0 => Condition {
                probe: Probe::FreeSpace { path },
                expect: Expect::AtLeast(1 << 30),
            },
            1 => {
                let probe = Probe::Port {
                    host: "localhost".to_owned(),
                    port: u16::try_from(count).unwrap(),
                };
                is(probe, Reading::text(*self.draw.pick(&["open", "closed"])))
            }
            2 => Condition {
                probe: Probe::Product {
                    name: "version".to_owned(),
                    args: vec![count.to_string()],
                },
                expect: Expect::OneOf(vec![Reading::text(self.text()), Reading::Number(7)]),
            },
            3 => is(
                Probe::Stamp {
                    step: StepId::new("never", &node(id.node()), &count.to_string()),
                },
                Reading::Absent,
            ),
            4 => is(
                Probe::Property {
                    path,
                    key: "a.b".to_owned(),
                },
                Reading::text(self.text()),
            ),
            6 => Condition::is_not(
                Probe::Process {
                    words: vec![self.text(), path.to_string()],
                },
                Reading::text(self.text()),
            ),
            7 => {
                let inner = self.draw.chance(50);
                let probe = Probe::Rest {
                    item: None,
                    url: format!("https://x.example.com/list/{count}"),
                    credentials: self.draw.chance(50).then(|| self.secret()),
                    pointer: inner.then(|| "/items".to_owned()),
                    counts: true,
                };
                is(probe, Reading::Number(0))
            }
            8 => {
                let of = *self
                    .draw
                    .pick(&[PoolFact::Health, PoolFact::OthersInService]);
                Condition {
                    probe: Probe::Balancer {
                        socket: self.draw.pick(&SOCKETS).parse().unwrap(),
                        pool: format!("pool.{count}").parse().unwrap(),
                        server: "s".parse().unwrap(),
                        of,
                    },
                    expect: if of == PoolFact::Health {
                        Expect::OneOf(vec![Reading::text("up"), Reading::text("unchecked")])
                    } else {
                        Expect::AtLeast(1)
                    },
                }
            }
            5 => Condition::is_not(
                Probe::Backup {
                    backup: BackupRef {
                        run: Some("20260131-020455-kqzf".parse().unwrap()),
                        step: id.clone(),
                    },
                },
                Reading::Absent,
            ),
            _ => {
                let probe = Probe::Product {
                    name: "quiet".to_owned(),
                    args: vec![count.to_string()],
                };
                Condition::is_not(probe, Reading::Same)
            }
        }
    }

    /// Puts back what an earlier step of the node keeps; makes a link where there is none.
    fn restore(&mut self, node: &NodeName, path: &RemotePath) -> How {
        let kept: Vec<(StepId, RemotePath)> = self
            .done
            .iter()
            .filter(|done| done.node == *node)
            .filter_map(|done| Some((done.id.clone(), done.kept.clone()?)))
            .collect();
        if kept.is_empty() {
            return self.link(path);
        }
        let (step, _) = self.draw.pick(&kept).clone();
        How {
            class: Class::Stage,
            action: own(&step, path),
            guards: vec![gone(path)],
            proof: Proof::Holds(vec![stands(path, "file")]),
            undo: by(Action::Remove { path: path.clone() }, vec![gone(path)]),
        }
    }
}
