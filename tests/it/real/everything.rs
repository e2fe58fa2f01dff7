//! A plan that does everything that this machine can do, and what must come of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use clusterctl::config::NodeName;
use clusterctl::plan::{
    Action, Argv, Condition, Millis, OnTimeout, Plan, Probe, Proof, PropertyEdit, Reading, Service,
    ServiceState, Sha256, Step, Temporary, Undo, XmlEdit,
};

use super::lab::Lab;
use super::processes::with_words;
use super::sketch::{at, kept, node, plan, put_back, remote, run, stage, step, text, turn};
use crate::world::manifest::manifest_digest;

const SERVICE: &str = include_str!("service.sh");

/// Writes a line into a log: so much is seen of it, and nothing else.
const LOG: &str = r#"sleep 0.02; echo "$1" >>"$2""#;

pub(crate) struct Everything<'a> {
    lab: &'a Lab,
    nodes: Vec<NodeName>,
    script: String,
}

impl<'a> Everything<'a> {
    /// Prepares what the plan finds, the daemons that run before it included.
    pub(crate) fn new(lab: &'a Lab, count: usize) -> Self {
        let nodes = ["n1", "n2", "n3"].map(node)[..count].to_vec();
        let script = lab.script("service.sh", SERVICE);
        let this = Self { lab, nodes, script };
        for node in &this.nodes {
            this.furnish(node);
        }
        this
    }

    fn tree(&self, node: &NodeName, name: &str) -> PathBuf {
        self.lab.path("tree").join(node.as_str()).join(name)
    }

    fn furnish(&self, node: &NodeName) {
        let file = |name: &str, content: &str, mode: u32| {
            let path = self.tree(node, name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        file("app/a.properties", "# kept\na=1\nb = two\n", 0o640);
        file(
            "app/server.xml",
            "<Server port=\"8005\">\n</Server>\n",
            0o600,
        );
        file("app/motd", "hello\n", 0o644);
        file("releases/1/bin/run", "#!/bin/sh\n", 0o755);
        for jar in 0..8 {
            file(
                &format!("releases/1/lib/{jar}.jar"),
                &"x".repeat(30_000),
                0o644,
            );
        }
        file("old/deep/file", "old\n", 0o604);
        file("junk/deep/file", "junk\n", 0o600);
        file("junk.txt", "junk\n", 0o666);
        symlink("bin/run", self.tree(node, "releases/1/go")).unwrap();
        symlink("releases/1", self.tree(node, "current")).unwrap();
        for name in ["web", "job"] {
            let service = self.service(node, name);
            fs::write(
                self.lab
                    .path("var")
                    .join(format!("{}.log.daemon", service.name)),
                "",
            )
            .unwrap();
        }
        let start = self.service(node, "web").start;
        let started = Command::new(&start.words()[0])
            .args(&start.words()[1..])
            .status();
        assert!(started.unwrap().success());
    }

    fn service(&self, node: &NodeName, name: &str) -> Service {
        let name = format!("{name}-{node}");
        let var = self.lab.path("var");
        let call = |verb: &str| Argv::new(["sh", &self.script, text(&var), &name, verb]);
        Service {
            start: call("start"),
            stop: call("stop"),
            status: call("status"),
            name,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        let each = |steps: &dyn Fn(&NodeName) -> Vec<Step>| -> Vec<(&NodeName, Vec<Step>)> {
            self.nodes.iter().map(|node| (node, steps(node))).collect()
        };
        let nodes = self.lab.path("nodes");
        plan(
            &nodes,
            vec![
                stage(
                    "look and keep",
                    3,
                    each(&|n| {
                        vec![
                            self.check(n, "check-first", "releases/1", "folder"),
                            self.back_up(n),
                        ]
                    }),
                ),
                stage("change", 2, each(&|n| self.changes(n))),
                stage(
                    "afterwards",
                    3,
                    each(&|n| {
                        let job = self.drive(n, "start-job", "job", ServiceState::Running);
                        vec![
                            job,
                            self.log(n, "log-last"),
                            self.check(n, "check-last", "older", "folder"),
                        ]
                    }),
                ),
            ],
        )
    }

    fn changes(&self, n: &NodeName) -> Vec<Step> {
        let stop = Step {
            temporary: Some(Temporary {
                lease: Millis::secs(600),
            }),
            ..self.drive(n, "stop-web", "web", ServiceState::Stopped)
        };
        let start = Step {
            ends: Some(stop.id.clone()),
            ..self.drive(n, "start-web", "web", ServiceState::Running)
        };
        let (moved, older) = (self.tree(n, "old"), self.tree(n, "older"));
        let to_and_fro = |from: &Path, to: &Path| Action::MoveTree {
            from: remote(from),
            to: remote(to),
        };
        vec![
            stop,
            self.edit(n),
            self.edit_xml(n),
            self.write(n, "write-motd", "app/motd", 0o600),
            self.write(n, "write-new", "app/new", 0o640),
            self.log(n, "log-first"),
            self.copy(n),
            self.link(
                n,
                "link-current",
                "current",
                Reading::text("link releases/1"),
            ),
            self.link(n, "link-new", "next", Reading::Absent),
            turn(
                n,
                "move",
                to_and_fro(&moved, &older),
                to_and_fro(&older, &moved),
                at(&moved),
                Reading::text("folder"),
                Reading::Absent,
            ),
            self.remove(n, "remove-folder", "junk", "folder"),
            self.remove(n, "remove-file", "junk.txt", "file"),
            start,
            self.wait(n),
        ]
    }

    fn check(&self, n: &NodeName, slug: &str, name: &str, what: &str) -> Step {
        let that = vec![Condition::is(at(&self.tree(n, name)), Reading::text(what))];
        let proof = Proof::Holds(that.clone());
        Step {
            proof,
            ..step(n, slug, Action::Check { that })
        }
    }

    fn wait(&self, n: &NodeName) -> Step {
        let probe = Probe::Service {
            service: self.service(n, "web"),
        };
        let until = Condition::is(probe, Reading::Service(ServiceState::Running));
        let proof = Proof::Holds(vec![until.clone()]);
        let action = Action::WaitUntil {
            until,
            every: Millis(10),
            good: 2,
            within: Millis::secs(30),
            on_timeout: OnTimeout::Fail,
        };
        Step {
            proof,
            ..step(n, "wait-web", action)
        }
    }

    fn back_up(&self, n: &NodeName) -> Step {
        let path = self.tree(n, "app");
        let digest = Reading::Digest(manifest_digest(&path).unwrap());
        let probe = Probe::Backup {
            backup: kept(n, "back-up"),
        };
        let guard = Condition::is(
            Probe::Tree {
                path: remote(&path),
            },
            digest.clone(),
        );
        Step {
            guards: vec![guard],
            proof: Proof::Holds(vec![Condition::is(probe, digest)]),
            ..step(
                n,
                "back-up",
                Action::BackUp {
                    path: remote(&path),
                },
            )
        }
    }

    fn drive(&self, n: &NodeName, slug: &str, name: &str, to: ServiceState) -> Step {
        let from = match to {
            ServiceState::Running => ServiceState::Stopped,
            ServiceState::Stopped => ServiceState::Running,
        };
        let service = self.service(n, name);
        let action = |to| Action::Service {
            service: service.clone(),
            to,
        };
        let probe = Probe::Service {
            service: service.clone(),
        };
        turn(
            n,
            slug,
            action(to),
            action(from),
            probe,
            Reading::Service(from),
            Reading::Service(to),
        )
    }

    fn content(&self, n: &NodeName, name: &str) -> (Probe, Reading) {
        let path = self.tree(n, name);
        let probe = Probe::File {
            path: remote(&path),
            masked: vec![],
        };
        let reading =
            fs::read(path).map_or(Reading::Absent, |bytes| Reading::Digest(Sha256::of(bytes)));
        (probe, reading)
    }

    fn edit(&self, n: &NodeName) -> Step {
        let path = self.tree(n, "app/a.properties");
        let set = |key: &str, value: &str| PropertyEdit::Set {
            key: key.to_owned(),
            value: value.into(),
            line: None,
        };
        let edits = vec![set("a", "3"), set("b", "2")];
        let action = Action::EditProperties {
            path: remote(&path),
            edits,
            utf8: false,
        };
        let (probe, from) = self.content(n, "app/a.properties");
        let to = Reading::Digest(Sha256::of("# kept\na=3\nb = 2\n"));
        turn(
            n,
            "edit",
            action,
            put_back(n, "edit", &path),
            probe,
            from,
            to,
        )
    }

    fn edit_xml(&self, n: &NodeName) -> Step {
        let path = self.tree(n, "app/server.xml");
        let edit = XmlEdit {
            element: vec!["Server".to_owned()],
            attribute: "port".to_owned(),
            value: "9005".into(),
        };
        let action = Action::EditXml {
            path: remote(&path),
            edits: vec![edit],
        };
        let (probe, from) = self.content(n, "app/server.xml");
        let to = Reading::Digest(Sha256::of("<Server port=\"9005\">\n</Server>\n"));
        turn(
            n,
            "edit-xml",
            action,
            put_back(n, "edit-xml", &path),
            probe,
            from,
            to,
        )
    }

    fn write(&self, n: &NodeName, slug: &str, name: &str, mode: u32) -> Step {
        let path = self.tree(n, name);
        let action = Action::WriteFile {
            path: remote(&path),
            content: vec![slug.into()],
            mode: Some(mode),
        };
        let (probe, from) = self.content(n, name);
        turn(
            n,
            slug,
            action,
            put_back(n, slug, &path),
            probe,
            from,
            Reading::Digest(Sha256::of(slug)),
        )
    }

    fn copy(&self, n: &NodeName) -> Step {
        let (from, to) = (self.tree(n, "releases/1"), self.tree(n, "releases/2"));
        let source = manifest_digest(&from).unwrap();
        let action = Action::CopyTree {
            from: remote(&from),
            to: remote(&to),
            source: source.clone(),
        };
        let probe = Probe::Tree { path: remote(&to) };
        let undo = Action::Remove { path: remote(&to) };
        turn(
            n,
            "copy",
            action,
            undo,
            probe,
            Reading::Absent,
            Reading::Digest(source),
        )
    }

    fn link(&self, n: &NodeName, slug: &str, name: &str, from: Reading) -> Step {
        let path = self.tree(n, name);
        let action = Action::Link {
            path: remote(&path),
            target: "releases/2".to_owned(),
        };
        turn(
            n,
            slug,
            action,
            put_back(n, slug, &path),
            at(&path),
            from,
            Reading::text("link releases/2"),
        )
    }

    fn remove(&self, n: &NodeName, slug: &str, name: &str, what: &str) -> Step {
        let path = self.tree(n, name);
        let action = Action::Remove {
            path: remote(&path),
        };
        turn(
            n,
            slug,
            action,
            put_back(n, slug, &path),
            at(&path),
            Reading::text(what),
            Reading::Absent,
        )
    }

    /// A line in a log, which nothing but the node's stamp proves.
    fn log(&self, n: &NodeName, slug: &str) -> Step {
        let log = self.log_of(n);
        let line = |sign: &str| {
            run([
                "sh",
                "-c",
                LOG,
                "log",
                &format!("{sign} {slug}"),
                text(&log),
            ])
        };
        let undo = Undo::By {
            action: Box::new(line("-")),
            proof: Proof::Stamp,
        };
        Step {
            undo,
            ..step(n, slug, line("+"))
        }
    }

    fn log_of(&self, node: &NodeName) -> PathBuf {
        self.lab.path("var").join(format!("{node}.log"))
    }

    /// Fails unless every command ran as often as it must, and the daemons that must run do.
    pub(crate) fn judge(&self, undone: bool, what: &str) {
        for node in &self.nodes {
            let log = fs::read_to_string(self.log_of(node)).unwrap_or_default();
            let mut wanted = vec!["+ log-first", "+ log-last"];
            if undone {
                // What was taken back was done before, and was not done again.
                let mut lines: Vec<&str> = log.lines().collect();
                let begun = lines.iter().filter(|line| line.starts_with('+')).count();
                let mut back: Vec<&str> = lines.split_off(begun);
                back.reverse();
                let same = lines
                    .iter()
                    .map(|line| &line[2..])
                    .eq(back.iter().map(|line| &line[2..]));
                assert!(same && lines == wanted[..begun], "{what}: {node}: {log}");
                wanted.clear();
            } else {
                assert_eq!(log.lines().collect::<Vec<_>>(), wanted, "{what}: {node}");
            }
            let (web, job) = (self.daemons(node, "web"), self.daemons(node, "job"));
            assert_eq!(web.len(), 1, "{what}: {node}: {web:?}");
            assert_eq!(job.len(), usize::from(!undone), "{what}: {node}: {job:?}");
        }
    }

    fn daemons(&self, node: &NodeName, name: &str) -> Vec<(u32, String)> {
        let marker = self
            .lab
            .path("var")
            .join(format!("{name}-{node}.log.daemon"));
        with_words(&format!("tail -f {}", marker.display()))
    }
}
