//! Nodes to push to, trees to push, and the judge.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clusterctl::plan::Plan;

use crate::real::lab::{Lab, Told};
use crate::ssh::server::Wishes;

/// Makes a folder of the programs of busybox. Debian's has no `flock`: this one understands what that of others does.
pub(super) const BUSYBOX: &str = r#"busybox --install -s .
cat >flock <<'END'
#!/bin/sh
for word; do
    case $word in
    --* | -*[!-sxnu]*) echo "flock: invalid option -- $word" >&2; exit 1 ;;
    -*) ;;
    *) break ;;
    esac
done
exec /usr/bin/flock "$@"
END
chmod 755 . flock"#;

/// A lab with a cluster file, whose nodes are this machine under several names or are reached over SSH.
pub(super) struct Trees {
    pub(super) lab: Lab,
    cluster: Option<String>,
    /// The programs of its nodes.
    tools: Option<tempfile::TempDir>,
}

impl Trees {
    pub(super) fn here() -> Self {
        Self {
            lab: Lab::new(),
            cluster: None,
            tools: None,
        }
    }

    /// Nodes on which the programs of busybox are found first.
    pub(super) fn on_busybox() -> Self {
        Self::with_tools(BUSYBOX)
    }

    /// Nodes that find the programs first which these commands make.
    pub(super) fn with_tools(commands: &str) -> Self {
        Self::with_tools_and(commands, |wishes| wishes)
    }

    /// The same with servers of which something more is wished.
    pub(super) fn with_tools_and(commands: &str, more: impl Fn(Wishes) -> Wishes) -> Self {
        let tools = tempfile::tempdir().unwrap();
        sh(tools.path(), commands);
        let path = format!("{}:/usr/bin:/bin", text(tools.path()));
        let mut trees = Self::on(Lab::over_ssh_with(|wishes| more(wishes.env("PATH", &path))));
        trees.tools = Some(tools);
        trees
    }

    pub(super) fn over_ssh() -> Self {
        Self::on(Lab::over_ssh())
    }

    /// The same with servers of which something is wished.
    pub(super) fn over_ssh_with(wishes: impl Fn(Wishes) -> Wishes) -> Self {
        Self::on(Lab::over_ssh_with(wishes))
    }

    /// Nodes to which throw-away users log in, who may write into the folder `open`; said loudly where none can be made.
    pub(super) fn as_users() -> Option<Self> {
        Self::as_users_with(None)
    }

    /// The same where the programs of busybox are found first.
    pub(super) fn as_users_on_busybox() -> Option<Self> {
        let tools = tempfile::tempdir().unwrap();
        sh(tools.path(), BUSYBOX);
        Self::as_users_with(Some(tools))
    }

    fn as_users_with(tools: Option<tempfile::TempDir>) -> Option<Self> {
        let path = tools
            .as_ref()
            .map(|tools| format!("{}:/usr/bin:/bin", text(tools.path())));
        let lab = Lab::over_ssh_with(|wishes| match &path {
            Some(path) => wishes.login_shell("/bin/sh").env("PATH", path),
            None => wishes.login_shell("/bin/sh"),
        });
        lab.servers().server("n1").user()?;
        sh(
            lab.folder(),
            "chmod 755 .; mkdir open; chmod 777 nodes; chmod 777 open",
        );
        let mut trees = Self::on(lab);
        trees.tools = tools;
        Some(trees)
    }

    fn on(lab: Lab) -> Self {
        let mut text = "name = \"lab\"\n".to_owned();
        for name in ["n1", "n2", "n3"] {
            let address = lab.servers().server(name).address();
            let user = lab.servers().server(name).user().unwrap_or_default();
            let state = lab.path("nodes").join(name);
            let _ = write!(
                text,
                "[nodes.{name}]\naddress = \"{}\"\nport = {}\nuser = \"{user}\"\nstate_dir = \"{}\"\n",
                address.ip(),
                address.port(),
                state.display()
            );
        }
        let cluster = Some(lab.script("cluster.toml", &text));
        Self {
            lab,
            cluster,
            tools: None,
        }
    }

    /// From now on the node is reached at this address.
    pub(super) fn reach(&self, node: &str, at: SocketAddr) {
        let servers = self.lab.servers();
        let server = servers.server(node);
        for key in server.host_keys() {
            servers.know(at, &key);
        }
        let (is, file) = (server.address(), self.cluster.as_ref().unwrap());
        let old = format!("address = \"{}\"\nport = {}\n", is.ip(), is.port());
        let new = format!("address = \"{}\"\nport = {}\n", at.ip(), at.port());
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(&old));
        fs::write(file, text.replace(&old, &new)).unwrap();
    }

    pub(super) fn is_on_busybox(&self) -> bool {
        self.tools.is_some()
    }

    /// The folder of the programs that the nodes find first.
    pub(super) fn tools(&self) -> &Path {
        self.tools.as_ref().unwrap().path()
    }

    /// Calls the program where a folder is mounted at another, which nobody else sees.
    pub(super) fn call_with_mount(&self, folder: &str, at: &str, words: &[&str]) -> Told {
        const MOUNT: &str = "mount --bind \"$1\" \"$2\"; shift 2; exec \"$@\"";
        let (folder, at) = (self.path(folder), self.path(at));
        let by = [
            "unshare",
            "-m",
            "sh",
            "-ec",
            MOUNT,
            "sh",
            text(&folder),
            text(&at),
        ];
        let mut command = self.lab.program_by("runner", &by);
        command.args(self.words(words));
        self.lab.start_command(command).end()
    }

    /// A cluster file that has this called before each step.
    pub(super) fn cluster_with_hook(&self, hook: &str) -> String {
        let nodes = match &self.cluster {
            Some(file) => fs::read_to_string(file).unwrap(),
            None => format!(
                "name = \"lab\"\n[nodes.local]\naddress = \"local\"\nstate_dir = \"{}\"\n",
                text(&self.path("nodes/local"))
            ),
        };
        let hooks = format!(
            "{nodes}[hooks]\nbefore_step = {{ command = [\"{hook}\"], deadline = \"60s\" }}\n"
        );
        self.lab.script("hooked.toml", &hooks)
    }

    /// The node that most tests push to.
    pub(super) fn node(&self) -> &'static str {
        if self.cluster.is_some() {
            "n1"
        } else {
            "local"
        }
    }

    /// What stands before the words of every command.
    pub(super) fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let cluster = self.cluster.iter().flat_map(|file| ["-c", file.as_str()]);
        cluster.chain(words.iter().copied()).collect()
    }

    pub(super) fn call(&self, words: &[&str]) -> Told {
        self.lab.call(&self.words(words))
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.lab.path(name)
    }

    /// Calls the program where the node finds these scripts before all other programs, which it does no more afterwards.
    pub(super) fn call_with_programs(&self, programs: &[(&str, &str)], words: &[&str]) -> Told {
        let here = self.path("bin");
        let bin = self.tools.as_ref().map_or(&*here, |tools| tools.path());
        fs::create_dir_all(bin).unwrap();
        for (name, script) in programs {
            let at = bin.join(name);
            fs::write(&at, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = self.lab.program("runner");
        if self.tools.is_none() {
            let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", text(bin));
            command.env("PATH", path);
        }
        command.args(self.words(words));
        let told = self.lab.start_command(command).end();
        for (name, _) in programs {
            fs::remove_file(bin.join(name)).unwrap();
        }
        told
    }

    /// Pushes `src` to a node's folder of this name.
    pub(super) fn push(&self, to: &str, more: &[&str]) -> Told {
        self.push_to(self.node(), to, more)
    }

    pub(super) fn push_to(&self, node: &str, to: &str, more: &[&str]) -> Told {
        let (from, to) = (self.path("src"), self.path(to));
        let words = [
            "push",
            text(&from),
            "--on",
            node,
            "--to",
            text(&to),
            "--yes",
        ];
        self.call(&[&words, more].concat())
    }

    /// Pushes `src` to a node's folder where the node finds these scripts before all other programs.
    pub(super) fn push_with_programs(
        &self,
        programs: &[(&str, &str)],
        to: &str,
        more: &[&str],
    ) -> Told {
        let (from, to) = (self.path("src"), self.path(to));
        let words = ["push", text(&from), "--on", self.node(), "--to"];
        let words = [&words[..], &[text(&to), "--yes"], more].concat();
        self.call_with_programs(programs, &words)
    }

    /// Pushes a node's folder `src` to a folder of others.
    pub(super) fn push_from(&self, node: &str, on: &str, to: &str, more: &[&str]) -> Told {
        let from = format!("{node}:{}", text(&self.path("src")));
        let to = self.path(to);
        let words = [
            "push",
            "--from",
            &from,
            "--on",
            on,
            "--to",
            text(&to),
            "--yes",
        ];
        self.call(&[&words, more].concat())
    }

    /// Fails unless the folder is as `src`.
    #[track_caller]
    pub(super) fn judge(&self, to: &str, more: &[&str]) {
        let differs = differences(&self.path("src"), &self.path(to), more);
        assert_eq!(differs, "", "the trees differ");
    }

    /// A plan for several nodes that share one file system, each with a folder of its own, in one company.
    pub(super) fn plan_for(&self, nodes: &[&str], more: &[&str]) -> String {
        self.plan_with(nodes, more, |node, to, more| self.push_to(node, to, more))
    }

    /// The same, made by these calls.
    pub(super) fn plan_with(
        &self,
        nodes: &[&str],
        more: &[&str],
        push: impl Fn(&str, &str, &[&str]) -> Told,
    ) -> String {
        let mut whole: Option<Plan> = None;
        for node in nodes {
            let file = self.path(&format!("{node}.plan"));
            let more = [more, &["--out", text(&file)]].concat();
            push(node, &format!("dst-{node}"), &more).is(0);
            let plan = Plan::from_json(&fs::read(&file).unwrap()).unwrap();
            match &mut whole {
                None => whole = Some(plan),
                Some(whole) => {
                    whole.nodes.extend(plan.nodes);
                    let last = plan.stages.into_iter().next_back();
                    let stage = whole.stages.last_mut().unwrap();
                    stage
                        .lanes
                        .extend(last.into_iter().flat_map(|stage| stage.lanes));
                }
            }
        }
        let mut plan = serde_json::to_value(whole.unwrap()).unwrap();
        let stage = plan["stages"].as_array_mut().unwrap().last_mut().unwrap();
        stage["width"] = nodes.len().into();
        stage["max_failures"] = (nodes.len() - 1).into();
        for lane in stage["lanes"].as_array_mut().unwrap() {
            lane["steps"][0]["action"]["company"] = nodes.into();
        }
        let file = self.path("company.plan");
        fs::write(&file, plan.to_string()).unwrap();
        text(&file).to_owned()
    }

    /// What lies beside the folders, hidden, of runs.
    pub(super) fn hidden(&self) -> Vec<String> {
        let names = fs::read_dir(self.lab.folder()).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(".clusterctl-"))
            .collect();
        names.sort();
        names
    }
}

/// Tests both ways in which a tree comes: to this machine itself it is copied by `cp` where the program is root, and over
/// SSH it is sent as an archive.
pub(super) fn both(test: impl Fn(&Trees)) {
    test(&Trees::here());
    test(&Trees::with_tools(":"));
}

/// A small file system of its own, which goes with the value.
pub(super) struct Small(PathBuf);

impl Small {
    /// `None`, said loudly, where nothing may be mounted; `what` is what is not tested then.
    pub(super) fn at(path: PathBuf, options: &str, what: &str) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "clusterctl-test"])
            .arg(&path)
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        println!("NOT TESTED: nothing may be mounted here, so {what}");
        None
    }

    /// Leaves no room for another byte.
    pub(super) fn fill(&self) {
        let mut file = fs::File::create(self.0.join("ballast")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    pub(super) fn make_room(&self) {
        let _ = fs::remove_file(self.0.join("ballast"));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What `rsync` would do to make the second tree as the first.
pub(super) fn differences(from: &Path, to: &Path, more: &[&str]) -> String {
    let output = Command::new("rsync")
        .args(["-aHAX", "--checksum", "--delete", "-n", "-i"])
        .args(more)
        .arg(format!("{}/", text(from)))
        .arg(format!("{}/", text(to)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A tree with one of everything.
pub(super) fn everything(root: &Path) {
    let dir = |name: &str| fs::create_dir_all(root.join(name)).unwrap();
    let file = |name: &[u8], content: &[u8]| {
        fs::write(root.join(OsStr::from_bytes(name)), content).unwrap();
    };
    let mode = |name: &str, mode| {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    dir("a/b/c");
    dir("empty");
    dir("closed/in");
    file(b"a/plain", b"hello\n");
    file(b"a/nothing", b"");
    file(b"-n\n\\ 'odd\" name", b"odd");
    file(b"\xff\xfe", b"no text");
    file(b"a/run.sh", b"#!/bin/sh\n");
    file(b"closed/in/side", b"x");
    let big: Vec<u8> = (0..700_001_u32)
        .map(|at| (at * 31).to_le_bytes()[1])
        .collect();
    file(b"big", &big);
    let long = format!("{}/{}", "d".repeat(200), "e".repeat(200));
    dir(&long);
    file(format!("{long}/{}", "f".repeat(255)).as_bytes(), b"deep");
    fs::hard_link(root.join("a/plain"), root.join("a/b/same")).unwrap();
    fs::hard_link(root.join("a/plain"), root.join("zz-same")).unwrap();
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    };
    link("plain", "a/link");
    link("/nowhere/at/all", "dangling");
    link(&"t".repeat(300), "long-link");
    sh(
        root,
        "truncate -s 5M holes; printf end >>holes; printf x | dd of=holes bs=1 seek=2000000 conv=notrunc 2>/dev/null",
    );
    sh(
        root,
        "mkfifo pipe; touch -d '1969-12-31 23:59:58.25' a/nothing; touch -h -d '2003-04-05 06:07:08.9' a/link",
    );
    sh(
        root,
        "touch -d '2001-02-03 04:05:06.789012345' a/plain empty; touch -d '2033-01-01' big",
    );
    sh(
        root,
        "setfattr -n user.note -v 'a value' a/run.sh; setfattr -n user.on.folder -v 1 empty; setfacl -m u:12345:r a/run.sh",
    );
    mode("a/run.sh", 0o6750);
    mode("a/b", 0o1777);
    mode("closed/in/side", 0o000);
    mode("closed/in", 0o555);
    mode("closed", 0o500);
}

/// Runs commands in a folder.
#[track_caller]
pub(super) fn sh(root: &Path, commands: &str) {
    let done = Command::new("sh")
        .args(["-ec", commands])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(done.status.success(), "{commands}: {done:?}");
}
