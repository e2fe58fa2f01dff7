//! Runbooks: what they say, and that what they say works.

use std::path::Path;
use std::process::{Command, Output};

use clusterctl::plan::runbook::render;
use clusterctl::plan::{
    Action, BackupRef, Condition, Expect, Millis, OnTimeout, Plan, Probe, Reading, Service,
    ServiceState, Sha256, Value,
};

use crate::build::{Making, argv, lane, path, plan, secret, stage, step};
use crate::sample;

#[test]
fn the_sample() {
    let plan = sample::convert();
    insta::with_settings!({ filters => vec![(plan.digest().as_str(), "<digest>")] }, {
        insta::assert_snapshot!(render(&plan));
    });
}

#[test]
fn nothing_to_do() {
    insta::assert_snapshot!(render(&sample::nothing()), @r"
    # Make ucd1 the first node of the cluster

    Nothing to do: ucd1 is the first node of the cluster ucd-prod already.
    ");
}

/// What a step's section of a runbook tells a person to type.
struct Typed {
    first: String,
    work: String,
    proof: String,
    back: String,
}

/// The commands of a step, by the headings under which they stand.
fn typed(runbook: &str, number: usize) -> Typed {
    let heading = format!("\n### Step {number}, ");
    let section = runbook.split(&heading).nth(1).unwrap();
    let section = section.split("\n### ").next().unwrap();
    let mut typed = Typed {
        first: String::new(),
        work: String::new(),
        proof: String::new(),
        back: String::new(),
    };
    let (mut part, mut fence) = (0, None::<String>);
    for line in section.lines() {
        match &fence {
            Some(end) if line == end => fence = None,
            Some(_) => {
                let to = match part {
                    1 => &mut typed.first,
                    2 => &mut typed.work,
                    3 => &mut typed.proof,
                    _ => &mut typed.back,
                };
                to.push_str(line);
                to.push('\n');
            }
            None if line.starts_with("```") && line.ends_with("sh") => {
                fence = Some(line.trim_end_matches("sh").to_owned());
            }
            None if line.starts_with("**Check first") => part = 1,
            None if line.starts_with("**Do.") => part = 2,
            None if line.starts_with("**See that it worked") && part < 4 => part = 3,
            None if line.starts_with("**If it must be taken back") => part = 4,
            None => {}
        }
    }
    typed
}

/// The shells of this machine that call themselves POSIX shells.
const SHELLS: [&str; 3] = ["/bin/sh", "/bin/bash", "/bin/busybox"];

fn sh(shell: &str, script: &str, answers: &str) -> Output {
    use std::io::Write as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // There is no terminal whose echo could be switched off.
    writeln!(file, "stty() {{ :; }}\n{script}").unwrap();
    let mut child = Command::new(shell)
        .args(shell.ends_with("busybox").then_some("sh"))
        .arg(file.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Types the commands; every check must say `ok`, and at least one must be there.
fn all_ok(shell: &str, script: &str, answers: &str) {
    let out = sh(shell, script, answers);
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        said.contains("ok") && !said.contains("STOP"),
        "{script}\n{out:?}"
    );
}

fn is(path_: &Path, what: Reading) -> Condition {
    let probe = Probe::Path {
        path: path(path_.to_str().unwrap()),
    };
    Condition::is(probe, what)
}

fn kept(id: &str) -> BackupRef {
    BackupRef {
        run: None,
        step: id.parse().unwrap(),
    }
}

/// A plan of steps on one node, in one stage.
fn one_node(steps: Vec<Making>) -> Plan {
    let mut plan = plan("test", "everything", &[("n1", "local")]);
    plan.stages = vec![stage("all", vec![lane("n1", steps)])];
    plan
}

/// Where a step of the test works: a folder whose name a shell could misread.
fn awkward(folder: &Path) -> std::path::PathBuf {
    let place = folder.join("it's a `place`, $HOME *; \u{1b}[31m");
    std::fs::create_dir(&place).unwrap();
    place
}

#[expect(clippy::too_many_lines, reason = "a list: one step after the other")]
/// The steps of the test, with the answers that each asks for.
fn steps(at: &Path) -> Vec<(Making, &'static str)> {
    let remote = |name: &str| path(at.join(name).to_str().unwrap());
    let there = |name: &str, what: &str| is(&at.join(name), Reading::text(what));
    let gone = |name: &str| is(&at.join(name), Reading::Absent);
    let file = |name: &str, content: &str| {
        let probe = Probe::File {
            path: remote(name),
            masked: Vec::new(),
        };
        Condition::is(probe, Reading::Digest(Sha256::of(content)))
    };
    let put_back = |name: &str, id: &str| Action::Restore {
        path: remote(name),
        backup: kept(id),
    };
    let content = |name: &str, content: Vec<Value>| {
        Condition::is(
            Probe::FileIs {
                path: remote(name),
                content,
            },
            Reading::Same,
        )
    };
    let text = "one\n```\n$two `three` \\\nEND_OF_FILE\n";
    let odd = "tab\there, 100%, \u{202e}bidi, \u{1b}[1m no end";
    let secret_parts = vec!["password=".into(), Value::Secret(secret("PW")), "\n".into()];
    let write = |name: &str, content: Vec<Value>, mode| Action::WriteFile {
        path: remote(name),
        content,
        mode,
    };
    let take_away = |name: &str| Action::Remove { path: remote(name) };
    let service = Service {
        name: "fake".to_owned(),
        start: argv("touch").arg(at.join("up").to_str().unwrap()),
        stop: argv("rm").arg(at.join("up").to_str().unwrap()),
        status: argv("sh -c")
            .arg("test -e \"$0\" || exit 3")
            .arg(at.join("up").to_str().unwrap()),
    };
    let serves = |state| {
        Condition::is(
            Probe::Service {
                service: service.clone(),
            },
            Reading::Service(state),
        )
    };
    vec![
        (
            step(
                "test/n1/write",
                "write over a file",
                write("file", vec![text.into()], Some(0o640)),
            )
            .guard(file("file", "old\n"))
            .shown_by([file("file", text), content("file", vec![text.into()])])
            .undo(put_back("file", "test/n1/write"), [file("file", "old\n")]),
            "",
        ),
        (
            step(
                "test/n1/odd",
                "write a new file",
                write("odd", vec![odd.into()], None),
            )
            .guard(gone("odd"))
            .shown_by([file("odd", odd), content("odd", vec![odd.into()])])
            .undo(take_away("odd"), [gone("odd")]),
            "",
        ),
        (
            step(
                "test/n1/secret",
                "write a secret",
                write("secret", secret_parts.clone(), None),
            )
            .shown_by([
                content("secret", secret_parts),
                file("secret", "password=hunter2 \\%s\n"),
            ])
            .undo(take_away("secret"), [gone("secret")]),
            "hunter2 \\%s\n",
        ),
        (
            step(
                "test/n1/link",
                "point a link elsewhere",
                Action::Link {
                    path: remote("link"),
                    target: "new target".to_owned(),
                },
            )
            .guard(there("link", "link old"))
            .shown_by([there("link", "link new target")])
            .undo(
                put_back("link", "test/n1/link"),
                [there("link", "link old")],
            ),
            "",
        ),
        (
            step(
                "test/n1/move",
                "move a folder",
                Action::MoveTree {
                    from: remote("tree"),
                    to: remote("moved"),
                },
            )
            .guard(there("tree", "folder"))
            .shown_by([there("moved", "folder"), gone("tree")])
            .undo(
                Action::MoveTree {
                    from: remote("moved"),
                    to: remote("tree"),
                },
                [there("tree", "folder"), gone("moved")],
            ),
            "",
        ),
        (
            step(
                "test/n1/copy",
                "copy a folder",
                Action::CopyTree {
                    from: remote("source"),
                    to: remote("copy"),
                    source: Sha256::of(""),
                },
            )
            .guard(gone("copy"))
            .shown_by([there("copy", "folder"), file("copy/deep/file", "content")])
            .undo(take_away("copy"), [gone("copy")]),
            "",
        ),
        (
            step("test/n1/remove", "remove a folder", take_away("source"))
                .shown_by([gone("source")])
                .undo(
                    put_back("source", "test/n1/remove"),
                    [file("source/deep/file", "content")],
                ),
            "",
        ),
        (
            step(
                "test/n1/back-up",
                "keep a folder",
                Action::BackUp {
                    path: remote("source"),
                },
            )
            .shown_by([
                there("source", "folder"),
                Condition::is(
                    Probe::AsKept {
                        path: remote("source"),
                        backup: kept("test/n1/back-up"),
                    },
                    Reading::Same,
                ),
            ])
            .undo(
                put_back("source", "test/n1/back-up"),
                [file("source/deep/file", "content")],
            ),
            "",
        ),
        (
            step(
                "test/n1/service",
                "start a service",
                Action::Service {
                    service: service.clone(),
                    to: ServiceState::Running,
                },
            )
            .guard(serves(ServiceState::Stopped))
            .shown_by([serves(ServiceState::Running)])
            .undo(
                Action::Service {
                    service: service.clone(),
                    to: ServiceState::Stopped,
                },
                [serves(ServiceState::Stopped)],
            ),
            "",
        ),
        (
            step(
                "test/n1/run",
                "run a program",
                Action::Run {
                    argv: argv("sh -c").arg("cat > ran; exit 7"),
                    dir: Some(path(at.to_str().unwrap())),
                    stdin: vec!["a\t%s\n".into(), Value::Secret(secret("PW"))],
                    success: vec![0, 7],
                },
            )
            .shown_by([file("ran", "a\t%s\n'x' \"y\"")])
            .undo(take_away("ran"), [gone("ran")]),
            "'x' \"y\"\n",
        ),
        (
            step(
                "test/n1/wait",
                "wait for a file",
                Action::WaitUntil {
                    until: Condition {
                        probe: Probe::Path {
                            path: remote("source"),
                        },
                        expect: Expect::OneOf(vec![Reading::text("file"), Reading::text("folder")]),
                    },
                    every: Millis(100),
                    good: 2,
                    within: Millis::secs(20),
                    on_timeout: OnTimeout::Fail,
                },
            )
            .shown_by([there("source", "folder")]),
            "",
        ),
        (
            step(
                "test/n1/check",
                "look at everything",
                Action::Check { that: checks(at) },
            )
            .shown_by(checks(at)),
            "",
        ),
    ]
}

/// Conditions that hold, of every kind that a shell can tell.
fn checks(at: &Path) -> Vec<Condition> {
    let remote = |name: &str| path(at.join(name).to_str().unwrap());
    let key = |key: &str| Probe::Property {
        path: remote("conf.properties"),
        key: key.to_owned(),
    };
    let compare = |name: &str, value: &str| Probe::PropertyIs {
        path: remote("conf.properties"),
        key: name.to_owned(),
        value: value.into(),
        utf8: false,
    };
    let command = |words: &str| Probe::Command { argv: argv(words) };
    vec![
        Condition::is(
            key("a.url"),
            Reading::text("https://x.example.com:8443/a=b"),
        ),
        Condition::is(key("aXurl"), Reading::Absent),
        Condition::is_not(key("twice"), Reading::text("first")),
        Condition::is(key("twice"), Reading::text("second")),
        Condition::is(
            compare("a.url", "https://x.example.com:8443/a=b"),
            Reading::Same,
        ),
        Condition::is(compare("twice", "first"), Reading::Different),
        Condition::is(compare("none", "x"), Reading::Absent),
        Condition::is(command("false"), Reading::Number(1)),
        Condition {
            probe: command("false"),
            expect: Expect::AtLeast(1),
        },
        Condition {
            probe: Probe::FreeSpace {
                path: remote("source"),
            },
            expect: Expect::AtLeast(4096),
        },
        Condition::is(
            Probe::File {
                path: remote("no"),
                masked: Vec::new(),
            },
            Reading::Absent,
        ),
        Condition::is(Probe::Tree { path: remote("no") }, Reading::Absent),
        Condition::is_not(
            Probe::Path {
                path: remote("source"),
            },
            Reading::Absent,
        ),
        Condition::is(
            Probe::Path {
                path: path("/dev/null"),
            },
            Reading::text("other"),
        ),
        Condition::is(
            Probe::FileIs {
                path: remote("conf.properties"),
                content: vec!["x".into()],
            },
            Reading::Different,
        ),
    ]
}

fn furnish(at: &Path) {
    use std::os::unix::fs::{PermissionsExt, symlink};
    std::fs::write(at.join("file"), "old\n").unwrap();
    std::fs::set_permissions(at.join("file"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::create_dir(at.join("tree")).unwrap();
    symlink("old", at.join("link")).unwrap();
    std::fs::create_dir_all(at.join("source/deep")).unwrap();
    std::fs::write(at.join("source/deep/file"), "content").unwrap();
    std::fs::write(
        at.join("conf.properties"),
        "  a.url = https\\://x.example.com:8443/a\\=b\ntwice=first\ntwice:second\n",
    )
    .unwrap();
}

#[test]
fn what_it_says_works_in_real_shells() {
    for shell in SHELLS.into_iter().filter(|shell| Path::new(shell).exists()) {
        it_works(shell);
    }
}

fn it_works(shell: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = awkward(folder.path());
    let (steps, answers): (Vec<Making>, Vec<&str>) = steps(&at).into_iter().unzip();
    let plan = one_node(steps);
    assert_eq!(plan.problems(), []);
    let runbook = render(&plan);
    furnish(&at);
    for (at_step, answers) in answers.iter().enumerate() {
        let Typed {
            first,
            work,
            proof,
            back,
        } = typed(&runbook, at_step + 1);
        let title = &plan.stages[0].lanes[0].steps[at_step].title;
        eprintln!("{shell}: {title}");
        if !first.is_empty() {
            all_ok(shell, &first, "");
        }
        let out = sh(shell, &work, answers);
        assert!(
            out.status.success() && out.stderr.is_empty(),
            "{work}\n{out:?}"
        );
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(!said.contains("STOP"), "{work}\n{out:?}");
        assert!(!work.contains("hunter2") && !proof.contains("hunter2"));
        all_ok(shell, &proof, answers);
        if !back.is_empty() {
            all_ok(shell, &back, "");
        }
        if let (false, true) = (first.is_empty(), back.contains("mv")) {
            all_ok(shell, &first, "");
        }
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(at.join("file")).unwrap());
    assert_eq!(mode & 0o777, 0o600, "the old file came back with its mode");
}

#[test]
fn checks_say_stop_where_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let at = awkward(folder.path());
    furnish(&at);
    for condition in checks(&at) {
        let opposite = match condition.expect {
            Expect::Is(reading) => Condition::is_not(condition.probe, reading),
            Expect::IsNot(reading) => Condition::is(condition.probe, reading),
            Expect::AtLeast(_) => Condition {
                probe: condition.probe,
                expect: Expect::AtLeast(i64::MAX / 2),
            },
            Expect::OneOf(_) => continue,
        };
        let plan = one_node(vec![step(
            "test/n1/check",
            "check",
            Action::Check {
                that: vec![opposite],
            },
        )]);
        let work = typed(&render(&plan), 1).work;
        let out = sh("/bin/sh", &work, "");
        assert_eq!(
            String::from_utf8_lossy(&out.stdout),
            "STOP\n",
            "{work}{out:?}"
        );
    }
}

#[test]
fn what_a_plan_says_can_not_break_the_page() {
    let evil = "x\u{1b}[2J\u{202e}\r\n# fake\n```\n~~~\n<script>|`";
    let mut plan = sample::convert();
    evil.clone_into(&mut plan.title);
    evil.clone_into(&mut plan.starts_as);
    for target in plan.nodes.values_mut() {
        evil.clone_into(&mut target.address);
    }
    let honest = render(&sample::convert());
    for stage in &mut plan.stages {
        evil.clone_into(&mut stage.name);
        for step in stage.lanes.iter_mut().flat_map(|lane| &mut lane.steps) {
            evil.clone_into(&mut step.title);
            evil.clone_into(&mut step.leaves);
            evil.clone_into(&mut step.why.says);
            step.why.page = Some(evil.to_owned());
            step.preview = step.preview.is_some().then(|| evil.to_owned());
        }
    }
    let shown = render(&plan);
    let bad = shown
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
    assert_eq!(bad, None, "{shown}");
    let headings = |page: &str| page.lines().filter(|line| line.starts_with('#')).count();
    // The preview stands in a block; its `# fake` is no heading there.
    assert_eq!(headings(&shown), headings(&honest) + 1, "{shown}");
    assert!(!shown.contains("\n<script>") || shown.contains("````diff"));
}
