//! A folder in which the real program is run, and what it said.
//!
//! ```ignore
//! let lab = Lab::new().file("app.properties", "a=1\n");
//! lab.run("props get -f app.properties a").ends(Exit::Done).says("1\n");
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use clusterctl::exit::Exit;
use clusterctl::plan::{Plan, RemotePath};

/// A temporary folder with files, in which nothing of this machine's settings counts.
#[must_use]
pub(crate) struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// An empty one.
    pub(crate) fn new() -> Self {
        // Lines are broken where they are too long, so the folder's name must be as long everywhere.
        let folder = tempfile::Builder::new()
            .prefix("lab")
            .tempdir_in("/tmp")
            .unwrap();
        for name in ["desk", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// The same with this file.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    /// The same with a saved plan, whose nodes are all on this machine.
    pub(crate) fn plan(self, name: &str, mut plan: Plan) -> Self {
        for (node, target) in &mut plan.nodes {
            "local".clone_into(&mut target.address);
            let folder = self.folder.path().join("node").join(node.as_str());
            target.state_dir = RemotePath::new(folder.to_str().unwrap());
        }
        self.file(name, plan.to_json())
    }

    /// Where a file is, or would be.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("desk").join(name)
    }

    /// The folder in which the program keeps runs.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The folder in which a node keeps its lock and its backups.
    pub(crate) fn node(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    /// The content of a file.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Every file below the lab, with its content; links are not followed.
    pub(crate) fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = fs::symlink_metadata(&path).unwrap().file_type();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    let content = fs::read(&path).unwrap();
                    found.push((path, content));
                }
            }
        }
        found.sort();
        found
    }

    /// The names of runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state().join("runs")) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Runs the program with these words, which blanks part.
    pub(crate) fn run(&self, words: &str) -> Said {
        self.call(words).run()
    }

    /// The program, about to be run with these words.
    pub(crate) fn call(&self, words: &str) -> Call<'_> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clusterctl"));
        command
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("CLUSTERCTL_STATE_DIR", self.state())
            .env("CLUSTERCTL_NODE_DIR", self.node())
            .args(words.split_whitespace());
        Call {
            lab: self,
            command,
            input: Vec::new(),
        }
    }

    /// A text without what is different in every lab: folders, runs, digests, times, people.
    pub(crate) fn settled(&self, text: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let mut text = text.replace(folder, "[LAB]");
        let mut seen: Vec<String> = Vec::new();
        let mut at = 0;
        while let Some(found) = (at..text.len()).find(|at| is_run(text.as_bytes(), *at)) {
            let name = text[found..found + RUN].to_owned();
            let number = seen.iter().position(|known| *known == name);
            let number = number.unwrap_or_else(|| {
                seen.push(name);
                seen.len() - 1
            });
            let label = format!("[RUN{}]", number + 1);
            text.replace_range(found..found + RUN, &label);
            at = found + label.len();
        }
        text
    }

    /// Compares a text that a person reads with what was approved.
    #[track_caller]
    pub(crate) fn snapshot(&self, name: &str, text: &str) {
        let text = self.settled(text);
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (filter, with) in [
            (r"\b[0-9a-f]{64}\b", "[DIGEST]"),
            (r"(plan|sha256) [0-9a-f]{12}\b", "$1 [DIGEST]"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
            (r"(\(|, )(<0\.1|\d+(\.\d)?)s(\)|\.)", "$1[TOOK]$4"),
            (r#""took":\d+"#, r#""took":[TOOK]"#),
            (r#"(by |which |"owner":")[\w.-]+@[\w.-]+"#, "$1[OWNER]"),
            (r#""boot":"[^"]*","pid":\d+,"started":\d+"#, "[RUNNER]"),
        ] {
            settings.add_filter(filter, with);
        }
        settings.bind(|| insta::assert_snapshot!(name, text));
    }
}

/// How long a run's name is.
const RUN: usize = "20260131-020455-kqzf".len();

fn is_run(text: &[u8], at: usize) -> bool {
    let Some(name) = text.get(at..at + RUN) else {
        return false;
    };
    name.iter().enumerate().all(|(place, byte)| match place {
        8 | 15 => *byte == b'-',
        16.. => byte.is_ascii_lowercase(),
        _ => byte.is_ascii_digit(),
    })
}

/// The program, about to be run.
#[must_use]
pub(crate) struct Call<'a> {
    lab: &'a Lab,
    command: Command,
    input: Vec<u8>,
}

impl<'a> Call<'a> {
    /// The same with one more word, as it is.
    pub(crate) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    /// The same with a variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same with this on standard input.
    pub(crate) fn input(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input = input.as_ref().to_vec();
        self
    }

    fn words(&self) -> String {
        let words = self.command.get_args().map(OsStr::to_string_lossy);
        words.collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end.
    pub(crate) fn run(self) -> Said {
        self.start().wait()
    }

    /// Runs it with this as its standard output.
    pub(crate) fn run_into(mut self, out: impl Into<Stdio>) -> Said {
        self.command.stdout(out);
        self.started().wait()
    }

    /// Begins to run it.
    pub(crate) fn start(mut self) -> Running<'a> {
        self.command.stdout(Stdio::piped());
        self.started()
    }

    fn started(mut self) -> Running<'a> {
        let words = self.words();
        self.command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        // Whoever doesn't read what it is given has ended already.
        let _ = child.stdin.take().unwrap().write_all(&self.input);
        Running {
            lab: self.lab,
            words,
            child: Some(child),
        }
    }
}

/// The program while it runs; it is killed when it is forgotten.
#[must_use]
pub(crate) struct Running<'a> {
    lab: &'a Lab,
    words: String,
    child: Option<Child>,
}

impl Running<'_> {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Said {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        Said {
            words: self.words.clone(),
            folder: self.lab.path(""),
            out: output.stdout,
            err: String::from_utf8(output.stderr).unwrap(),
            status: output.status,
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What the program said, and how it ended.
pub(crate) struct Said {
    words: String,
    folder: PathBuf,
    out: Vec<u8>,
    pub(crate) err: String,
    status: ExitStatus,
}

impl Said {
    /// Its exit code; none when a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Its results, as text.
    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.out.clone()).unwrap()
    }

    /// Its results, a JSON value a line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        let text = self.out();
        text.lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}\n{self}"))
            })
            .collect()
    }

    /// Everything that it said.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", String::from_utf8_lossy(&self.out), self.err)
    }

    /// It must have ended so.
    #[track_caller]
    pub(crate) fn ends(self, exit: Exit) -> Self {
        assert_eq!(
            self.code(),
            Some(i32::from(exit.code())),
            "it should have ended with {exit}\n{self}"
        );
        self
    }

    /// Its results must be this.
    #[track_caller]
    pub(crate) fn says(self, out: &str) -> Self {
        assert_eq!(self.out(), out, "\n{self}");
        self
    }

    /// It must have told this somewhere.
    #[track_caller]
    pub(crate) fn tells(self, text: &str) -> Self {
        assert!(self.all().contains(text), "it didn't say {text:?}\n{self}");
        self
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indented = |f: &mut fmt::Formatter<'_>, mark: &str, text: &str| {
            text.lines()
                .try_for_each(|line| writeln!(f, "{mark}{line}"))
        };
        writeln!(f, "$ clusterctl {}", self.words.escape_debug())?;
        indented(f, "", &String::from_utf8_lossy(&self.out))?;
        indented(f, "2| ", &self.err)?;
        match self.code() {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "[exit {code}]"),
            None => writeln!(f, "[{}]", self.status),
        }?;
        if std::thread::panicking() {
            writeln!(f, "in {}", Path::new(&self.folder).display())?;
        }
        Ok(())
    }
}
