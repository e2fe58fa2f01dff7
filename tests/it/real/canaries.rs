//! Secrets that turn up nowhere: not in what is kept, told or shown, and not in any process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clusterctl::plan::{
    Action, Argv, Condition, Hook, Hooks, Millis, Plan, Probe, Proof, PropertyEdit, Reading, Step,
    Undo, Value,
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::lab::{Going, Lab, Told};
use super::processes::{Fifo, PATIENCE};
use super::sketch::{at, node, plan, put_back, remote, run_with, stage, step, text, turn};

/// A secret of every kind, each unlike all others and unlike anything else.
struct Canaries(BTreeMap<&'static str, String>);

impl Canaries {
    fn new() -> Self {
        let kinds = [
            "env",
            "file",
            "cmd",
            "pair",
            "value-file",
            "value-input",
            "typed",
        ];
        let now = jiff::Timestamp::now().as_nanosecond();
        Self(
            kinds
                .into_iter()
                .map(|kind| (kind, format!("canary{}x{now:x}", kind.replace('-', ""))))
                .collect(),
        )
    }

    fn get(&self, kind: &str) -> &str {
        &self.0[kind]
    }

    /// Fails when any of them is in these bytes.
    fn assert_none_in(&self, bytes: &[u8], place: &str) {
        for (kind, canary) in &self.0 {
            let found = bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            assert!(
                !found,
                "the secret of {kind} is in {place}: {}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    /// Fails when any of them is in a file below here; `but` are those where they belong.
    fn assert_none_below(&self, folder: &Path, but: &[&Path]) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = path.symlink_metadata().unwrap();
            if but.contains(&path.as_path()) || path.ends_with("backups") {
                assert_private(&path);
            } else if found.is_dir() {
                count += self.assert_none_below(&path, but);
            } else if found.is_file() {
                self.assert_none_in(&fs::read(&path).unwrap(), path.to_str().unwrap());
                count += 1;
            }
            self.assert_none_in(path.to_str().unwrap().as_bytes(), "a name");
        }
        count
    }

    /// Fails when any of them is in the arguments or the environment of a process that we began, this one left out.
    fn assert_none_in_processes(&self, lab: &Lab, own: &[u32]) -> usize {
        let mut looked = 0;
        let marks = [
            lab.folder().to_str().unwrap().as_bytes(),
            b"CLUSTERCTL_STATE_DIR",
        ];
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            if pid == std::process::id() || own.contains(&pid) {
                // What the caller gave to the program itself is the caller's doing.
                continue;
            }
            let contains = |mark: &&[u8]| {
                words
                    .windows(mark.len())
                    .chain(environment.windows(mark.len()))
                    .any(|window| window == *mark)
            };
            looked += usize::from(marks.iter().any(contains));
            self.assert_none_in(&words, &format!("the arguments of {pid}"));
            self.assert_none_in(&environment, &format!("the environment of {pid}"));
        }
        looked
    }

    fn assert_none_told(&self, told: &Told) {
        self.assert_none_in(told.out.as_bytes(), "what it said");
        self.assert_none_in(told.err.as_bytes(), "what it complained of");
    }
}

/// Files in which secrets may be, as backups, are for the owner's eyes only.
fn assert_private(path: &Path) {
    let found = path.symlink_metadata().unwrap();
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            assert_private(&entry.unwrap().path());
        }
    } else {
        assert_eq!(found.permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

fn private_file(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// What a script does that is to be looked at while it runs.
const WAIT: &str = r#"echo "$3" >"$1"; read -r _ <"$2""#;

struct Watched {
    lab: Lab,
    canaries: Canaries,
    there: Fifo,
    go: Fifo,
    targets: Vec<PathBuf>,
    looked: usize,
}

impl Watched {
    fn new() -> Self {
        Self::on(Lab::new())
    }

    fn on(lab: Lab) -> Self {
        let (there, go) = (Fifo::new(lab.path("there")), Fifo::new(lab.path("go")));
        let canaries = Canaries::new();
        private_file(
            &lab.path("secret-file"),
            &format!("{}\n", canaries.get("file")),
        );
        let script = format!(r#"{WAIT}; cat "$4""#);
        let keeper = lab.path("secret-of-command");
        private_file(&keeper, &format!("{}\n", canaries.get("cmd")));
        lab.script("fetch.sh", &script);
        let targets = [
            "secret-file",
            "secret-of-command",
            "tree/written",
            "tree/edited",
            "tree/read",
        ];
        let targets = targets.iter().map(|name| lab.path(name)).collect();
        Self {
            lab,
            canaries,
            there,
            go,
            targets,
            looked: 0,
        }
    }

    fn blocking(&self, name: &str) -> Vec<String> {
        [
            "sh",
            "-c",
            WAIT,
            "wait",
            self.there.path(),
            self.go.path(),
            name,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn references(&self) -> [Value; 3] {
        let keeper = self.lab.path("secret-of-command");
        let fetch = self.lab.path("fetch.sh");
        let words = [
            "sh",
            text(&fetch),
            self.there.path(),
            self.go.path(),
            "cmd",
            text(&keeper),
        ];
        let cmd = format!("cmd:{}", words.join(" "));
        let file = format!("file:{}", self.lab.path("secret-file").display());
        ["env:CANARY_VARIABLE", &file, &cmd].map(|text| Value::Secret(text.parse().unwrap()))
    }

    /// A plan that uses every reference in every action that takes one, and fails at its end if it is to.
    fn plan(&self, fail: bool) -> Plan {
        let n1 = node("n1");
        let secrets = self.references();
        let content: Vec<Value> = secrets
            .iter()
            .flat_map(|secret| [secret.clone(), "\n".into()])
            .collect();
        let written = self.lab.path("tree/written");
        let edited = self.lab.path("tree/edited");
        private_file(&edited, "a=1\n");
        let write = Action::WriteFile {
            path: remote(&written),
            content: content.clone(),
            mode: Some(0o600),
        };
        let write = turn(
            &n1,
            "write",
            write,
            put_back(&n1, "write", &written),
            at(&written),
            Reading::Absent,
            Reading::text("file"),
        );
        let keys = ["env.password", "file.password", "cmd.password"];
        let edits = keys
            .iter()
            .zip(&secrets)
            .map(|(key, value)| PropertyEdit::Set {
                key: (*key).to_owned(),
                value: value.clone(),
                line: None,
            });
        let edit = Action::EditProperties {
            path: remote(&edited),
            edits: edits.collect(),
            utf8: false,
        };
        let shown = keys.iter().zip(&secrets).map(|(key, value)| {
            let probe = Probe::PropertyIs {
                path: remote(&edited),
                key: (*key).to_owned(),
                value: value.clone(),
                utf8: false,
            };
            Condition::is(probe, Reading::Same)
        });
        let edit = Step {
            proof: Proof::Holds(shown.collect()),
            undo: Undo::By {
                action: Box::new(put_back(&n1, "edit", &edited)),
                proof: Proof::Holds(vec![Condition::is(
                    Probe::PropertyIs {
                        path: remote(&edited),
                        key: keys[0].to_owned(),
                        value: secrets[0].clone(),
                        utf8: false,
                    },
                    Reading::Absent,
                )]),
            },
            ..step(&n1, "edit", edit)
        };
        let mut words = self.blocking("run");
        // It keeps what it read, and on its way out repeats all of it where we look.
        let end = if fail {
            "cat \"$4\" >&2; cat \"$4\"; exit 3"
        } else {
            ":"
        };
        words[2] = format!("{WAIT}; umask 077; cat >\"$4\"; {end}");
        words.push(text(&self.lab.path("tree/read")).to_owned());
        let read = Step {
            undo: Undo::Nothing {
                because: "It changes nothing.".to_owned(),
            },
            ..step(&n1, "run", run_with(words, content))
        };
        let hook = |name: &str| {
            let command = Argv::new(self.blocking(name));
            Some(Hook {
                command,
                deadline: Millis::secs(60),
            })
        };
        let hooks = Hooks {
            before_step: hook("before"),
            after_step: hook("after"),
            on_failure: hook("failure"),
            on_end: hook("end"),
        };
        Plan {
            hooks,
            ..plan(
                &self.lab.path("nodes"),
                vec![stage("go", 1, vec![(&n1, vec![write, edit, read])])],
            )
        }
    }

    fn program(&self) -> Command {
        let mut command = self.lab.program("runner");
        command.env("CANARY_VARIABLE", self.canaries.get("env"));
        command
    }

    /// Looks at all processes whenever some script says that it runs, until the program ends.
    fn watch(&mut self, mut going: Going) -> (Told, Vec<String>) {
        let mut names = Vec::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            assert!(
                std::time::Instant::now() < deadline,
                "{}",
                going.complained()
            );
            if let Some(name) = self.there.hear_within(std::time::Duration::from_millis(20)) {
                let looked = self
                    .canaries
                    .assert_none_in_processes(&self.lab, &[going.child.id()]);
                // The script itself, and for an effect the fence as well.
                assert!(
                    looked >= if name == "run" { 2 } else { 1 },
                    "{name}: {looked}"
                );
                self.looked += looked;
                names.push(name);
                self.go.tell();
            } else if super::processes::ended(&mut going.child, std::time::Duration::ZERO).is_some()
            {
                let told = going.end();
                self.canaries.assert_none_told(&told);
                return (told, names);
            }
        }
    }

    fn look_everywhere(&self) {
        let but: Vec<&Path> = self.targets.iter().map(PathBuf::as_path).collect();
        let files = self.canaries.assert_none_below(self.lab.folder(), &but);
        assert!(files >= 3, "{files}");
        if let Some(servers) = self.lab.servers_if_any() {
            // The servers' logs are among them.
            let files = self.canaries.assert_none_below(servers, &[]);
            assert!(files >= 6, "{files}");
        }
        for arguments in [
            &["runs", "log"][..],
            &["runs", "log", "--json"],
            &["runs", "log", "--journal"],
            &["runs", "show"],
            &["runs", "show", "--json"],
            &["runs", "list", "--json"],
            &["cleanup"],
        ] {
            self.canaries.assert_none_told(&self.lab.call(arguments));
        }
    }
}

#[test]
fn secrets_of_a_plan_turn_up_nowhere() {
    watch_a_plan(Lab::new, &[false, true]);
}

#[test]
fn secrets_of_a_plan_turn_up_nowhere_elsewhere() {
    watch_a_plan(Lab::over_ssh, &[true]);
}

fn watch_a_plan(make: fn() -> Lab, with_json: &[bool]) {
    for fail in [false, true] {
        for json in with_json.iter().copied() {
            let mut watched = Watched::on(make());
            let plan = watched.lab.save(&watched.plan(fail));
            for verb in ["show", "rehearse"] {
                let mut command = watched.program();
                command.args([verb, &plan]);
                let going = watched.lab.start_command(command);
                let (told, _) = watched.watch(going);
                assert!(told.code == 0, "{told:#?}");
            }
            let mut command = watched.program();
            command
                .args(["apply", &plan])
                .args(json.then_some("--json"));
            let going = watched.lab.start_command(command);
            let (told, names) = watched.watch(going);
            assert_eq!(told.code, if fail { 40 } else { 0 }, "{told:#?}");
            assert!(
                names.contains(&"cmd".to_owned()) && names.contains(&"before".to_owned()),
                "{names:?}"
            );
            assert!(
                names.contains(&"run".to_owned()) && names.contains(&"end".to_owned()),
                "{names:?}"
            );
            let three = ["env", "file", "cmd", ""]
                .map(|kind| watched.canaries.0.get(kind).map_or("", String::as_str));
            let three = three.join(
                "
",
            );
            for name in ["tree/written", "tree/read"] {
                assert_eq!(
                    fs::read_to_string(watched.lab.path(name)).unwrap(),
                    three,
                    "{told:#?}"
                );
            }
            watched.look_everywhere();
            let mut command = watched.program();
            command
                .args(["undo", "latest"])
                .args(json.then_some("--json"));
            let going = watched.lab.start_command(command);
            let (told, _) = watched.watch(going);
            assert_eq!(told.code, 0, "{told:#?}");
            watched.look_everywhere();
            assert!(!watched.lab.path("tree/written").exists());
            println!(
                "fail {fail}, json {json}: {} looks at processes",
                watched.looked
            );
        }
    }
}

#[test]
fn secrets_given_to_one_command_turn_up_nowhere() {
    let mut watched = Watched::new();
    let file = watched.lab.path("tree/edited");
    private_file(&file, "db.password=old\nport=1\n");
    let value_file = watched.lab.path("secret-value");
    private_file(
        &value_file,
        &format!("{}\n", watched.canaries.get("value-file")),
    );
    watched.targets.push(value_file.clone());
    let cluster = format!(
        "name = \"test\"\n[nodes.local]\n[hooks]\nbefore_step = {{ command = {words:?}, deadline = \"60s\" }}\non_end = {{ command = {words:?}, deadline = \"60s\" }}\n",
        words = watched.blocking("hook"),
    );
    let cluster = watched.lab.script("cluster.toml", &cluster);
    let pair = format!("db.password={}", watched.canaries.get("pair"));
    let from_file = format!("file.password={}", value_file.display());
    let ways: [(&str, Vec<&str>); 3] = [
        ("pair", vec![&pair]),
        ("value-file", vec!["--value-file", &from_file]),
        ("value-input", vec!["--value-file", "input.password=-"]),
    ];
    for (kind, arguments) in ways {
        for extra in [&["--plan"][..], &[], &["--json"]] {
            let mut command = watched.lab.program("runner");
            command
                .args(["-c", &cluster, "props", "set", "--file", text(&file)])
                .args(&arguments)
                .args(extra);
            command.stdin(Stdio::piped());
            let mut going = watched.lab.start_command(command);
            let mut input = going.child.stdin.take().unwrap();
            // Whoever does not read it may have closed it.
            let _ = input.write_all(watched.canaries.get("value-input").as_bytes());
            drop(input);
            let (told, _) = watched.watch(going);
            assert_eq!(told.code, 0, "{kind} {extra:?}: {told:#?}");
            if extra != ["--plan"] {
                let content = fs::read_to_string(&file).unwrap();
                assert!(
                    content.contains(watched.canaries.get(kind)),
                    "{kind}: {told:#?}"
                );
            }
            watched.look_everywhere();
        }
    }
    // A value that can't be set, and what the file says now.
    for arguments in [
        &["set", "--file", text(&file), &pair, "--out", "saved.json"][..],
        &["set", "--file", "no/such/file", &pair],
        &["set", "--file", text(&file), &pair, "no-value"],
        &["set", "--file", text(&file), "--secret", &pair],
        &["get", "--file", text(&file)],
        &["get", "--file", text(&file), "--json"],
        &["diff", text(&file), "/dev/null"],
    ] {
        let mut command = watched.lab.program("runner");
        command.arg("props").args(arguments);
        let told = watched.lab.start_command(command).end();
        watched.canaries.assert_none_told(&told);
    }
    watched.look_everywhere();
}

#[test]
fn a_secret_typed_at_a_terminal_turns_up_nowhere() {
    let watched = Watched::new();
    let file = watched.lab.path("tree/edited");
    private_file(&file, "port=1\n");
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let open = || File::options().read(true).write(true).open(&name).unwrap();
    let mut command = Command::new("setsid");
    let program = watched.program();
    command
        .arg("--ctty")
        .arg("--wait")
        .arg(program.get_program());
    command.args([
        "props",
        "set",
        "--file",
        text(&file),
        "--secret",
        "db.password=prompt",
    ]);
    command.current_dir(watched.lab.folder());
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command.stdin(open()).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    let mut terminal = File::from(terminal);
    let mut shown = Vec::new();
    let mut typed = 0;
    let mut bytes = [0; 4096];
    // When the last process lets go of it, the terminal hangs up.
    drop(command);
    let deadline = std::time::Instant::now() + PATIENCE;
    while super::processes::readable(&terminal, deadline) {
        let Ok(count @ 1..) = terminal.read(&mut bytes) else {
            break;
        };
        shown.extend_from_slice(&bytes[..count]);
        let asked = String::from_utf8_lossy(&shown)
            .matches("db.password: ")
            .count();
        if typed < asked {
            typed += 1;
            // What is typed before the terminal is quiet is shown by it.
            while tcgetattr(&terminal)
                .unwrap()
                .local_modes
                .contains(LocalModes::ECHO)
            {
                let pause = std::time::Duration::from_millis(2);
                assert_eq!(super::processes::ended(&mut child, pause), None);
                assert!(std::time::Instant::now() < deadline);
            }
            terminal
                .write_all(format!("{}\n", watched.canaries.get("typed")).as_bytes())
                .unwrap();
        }
    }
    let ended = super::processes::ended(&mut child, std::time::Duration::from_secs(5));
    let status = ended.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&shown)));
    let text = String::from_utf8_lossy(&shown).into_owned();
    assert!(status.success() && typed > 0, "{text}");
    watched
        .canaries
        .assert_none_in(&shown, "what the terminal showed");
    let content = fs::read_to_string(&file).unwrap();
    assert!(
        content.contains(watched.canaries.get("typed")),
        "{content} {text}"
    );
    watched.look_everywhere();
}
