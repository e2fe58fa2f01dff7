//! Nodes that pull a tree from the one that has it by themselves.

use std::fs;
use std::path::Path;

use super::lab::{Trees, everything, sh, text};
use crate::ssh::agent::Agent;

/// Nodes whose `ssh` and `tar` say that they were called, and an agent with the key that lets in.
fn nodes(make_tools: &str) -> (Trees, Agent) {
    let trees = Trees::with_tools(make_tools);
    let servers = trees.lab.servers();
    let agent = Agent::start(servers);
    Agent::add(servers, "id_ed25519");
    servers.write_ssh_config(&format!("IdentityAgent {}", text(&servers.path("agent"))));
    everything(&trees.path("src"));
    sh(
        &trees.path("src"),
        "for i in 1 2 3; do head -c 2000000 /dev/urandom >r$i; done",
    );
    let calls = trees.path("calls");
    for (name, real) in [("ssh", "/usr/bin/ssh"), ("tar", "/bin/tar")] {
        let tool = trees.tools().join(name);
        // What busybox does it finds by the name by which it is called.
        let of_tools = trees.tools().join("real").join(name);
        let real = if of_tools.exists() {
            text(&of_tools).to_owned()
        } else {
            real.to_owned()
        };
        let script = format!(
            "#!/bin/sh\necho {name} \"$@\" | head -n 1 >>{}\nexec {real} \"$@\"\n",
            text(&calls)
        );
        let _ = fs::remove_file(&tool);
        fs::write(&tool, script).unwrap();
        sh(trees.tools(), &format!("chmod 755 {name}"));
    }
    (trees, agent)
}

/// How often a program was called on the nodes with these words.
fn calls(trees: &Trees, name: &str, words: &str) -> usize {
    let calls = fs::read_to_string(trees.path("calls")).unwrap_or_default();
    let _ = fs::remove_file(trees.path("calls"));
    let is_one = |line: &&str| line.starts_with(name) && line.contains(words);
    calls.lines().filter(is_one).count()
}

#[test]
fn nodes_pull_from_the_one_that_has_the_tree() {
    let (trees, _agent) = nodes(":");
    let more = ["--direct"];
    trees.push_from("n1", "n2", "dst", &more).is(0);
    trees.judge("dst", &[]);
    // Nobody read the tree for this machine, or sent it from here.
    assert_eq!(calls(&trees, "tar", "--format=gnu"), 0);
    let told = trees.push_from("n1", "n2", "dst", &more).is(0);
    assert!(told.out.contains("Nothing to do"), "{told:#?}");
    sh(
        &trees.path("src"),
        "echo new >a/new; head -c 300000 /dev/urandom >r2; rm zz-same; mkdir full; echo 1 >full/1",
    );
    sh(&trees.path("dst"), "echo own >own");
    let in_place = ["--direct", "--in-place", "--delete"];
    trees.push_from("n1", "n2", "dst", &in_place).is(0);
    trees.judge("dst", &[]);
    // Where a node pulls, it is for all that differs at once.
    assert_eq!(calls(&trees, "tar", "--format=posix"), 1);
    sh(&trees.path("src"), "echo newer >a/new");
    let owned = ["--direct", "--owner", "1234:1235"];
    trees.push_from("n1", "n2", "owned", &owned).is(0);
    sh(
        &trees.path("."),
        "[ -z \"$(find owned ! -user 1234 -o ! -group 1235)\" ]",
    );
    trees.judge("owned", &["--no-owner", "--no-group"]);
    let several = ["--direct", "--delete"];
    let plan = trees.plan_with(&["n2", "n3"], &several, |node, to, more| {
        trees.push_from("n1", node, to, more)
    });
    assert!(
        fs::read_to_string(&plan)
            .unwrap()
            .contains("\"direct\":true")
    );
    let told = trees.call(&["apply", &plan, "--yes"]).is(0);
    for to in ["dst-n2", "dst-n3"] {
        trees.judge(to, &[]);
    }
    assert!(!told.err.contains("agent"), "{told:#?}");
    assert!(calls(&trees, "ssh", "HostKeyAlias") >= 2);
    trees.call(&["undo", "latest", "--yes"]).is(0);
    assert!(!trees.path("dst-n2").exists());
}

/// What nodes with the programs of busybox can't keep.
const SIMPLE: &str = "setfacl -b a/run.sh; setfattr -x user.note a/run.sh; setfattr -x user.on.folder empty
    chmod 6750 a/run.sh; touch -d '1970-01-01 00:00:00Z' a/nothing; i=0; while [ $i -lt 300 ]; do echo $i >many$i; i=$((i + 1)); done";

/// Nodes of which one has the programs of busybox.
fn mixed(with_busybox: &str) -> (Trees, Agent) {
    let (trees, agent) =
        nodes("busybox --install -s .; mkdir real; mv tar cp find stat real/; rm -f ssh");
    let address = trees.lab.servers().server(with_busybox).address().ip();
    for name in ["tar", "cp", "find", "stat"] {
        let tool = trees.tools().join(name);
        let busybox = trees.tools().join("real").join(name);
        let script = format!(
            "#!/bin/sh\ncase $SSH_CONNECTION in\n*' {address} '*) exec {} \"$@\" ;;\nesac\nexec /usr/bin/{name} \"$@\"\n",
            text(&busybox)
        );
        let _ = fs::remove_file(&tool);
        fs::write(&tool, script).unwrap();
        sh(trees.tools(), &format!("chmod 755 {name}"));
    }
    sh(&trees.path("src"), SIMPLE);
    (trees, agent)
}

#[test]
fn a_node_with_busybox_pulls_and_is_pulled_from() {
    for with_busybox in ["n1", "n2"] {
        let (trees, _agent) = mixed(with_busybox);
        trees.push_from("n1", "n2", "dst", &["--direct"]).is(0);
        trees.judge("dst", &["--modify-window=1", "--omit-link-times"]);
        assert!(calls(&trees, "ssh", "HostKeyAlias") >= 1);
    }
}

#[test]
fn two_nodes_with_busybox_have_it_come_through_this_machine() {
    let (trees, _agent) = nodes("busybox --install -s .; mkdir real; mv tar real/; rm -f ssh");
    sh(&trees.path("src"), SIMPLE);
    let told = trees.push_from("n1", "n2", "dst", &["--direct"]).is(30);
    assert!(
        told.err.contains("the tar of both is that of busybox"),
        "{told:#?}"
    );
    trees.push_from("n1", "n2", "dst", &[]).is(0);
    trees.judge("dst", &["--modify-window=1", "--omit-link-times"]);
}

#[test]
fn a_pull_that_was_cut_short_is_gone_on_with() {
    let (trees, _agent) = nodes(":");
    let tar = trees.tools().join("tar");
    let whole = fs::read_to_string(&tar).unwrap();
    let short = whole.replace(
        "exec ",
        "case $* in *posix*) /bin/tar \"$@\" | head -c 4100000; exit 1 ;; esac\nexec ",
    );
    fs::write(&tar, short).unwrap();
    let told = trees.push_from("n1", "n2", "dst", &["--direct"]);
    assert_ne!(told.code, 0);
    assert!(!trees.path("dst").exists());
    let arrived = |trees: &Trees| {
        trees
            .hidden()
            .iter()
            .filter(|name| trees.path(name).join("r1").exists())
            .count()
    };
    assert_eq!(arrived(&trees), 1, "{told:#?}");
    fs::write(&tar, whole).unwrap();
    let told = trees.push_from("n1", "n2", "dst", &["--direct"]).is(0);
    trees.judge("dst", &[]);
    assert!(!told.err.contains("6 MB"), "{told:#?}");
}

#[test]
fn what_changes_while_it_is_pulled_is_noticed() {
    let (trees, _agent) = nodes(":");
    let tar = trees.tools().join("tar");
    let whole = fs::read_to_string(&tar).unwrap();
    let victim = trees.path("src").join("r3");
    let early = whole.replace(
        "exec ",
        &format!(
            "case $* in *posix*) echo more >>{} ;; esac\nexec ",
            text(&victim)
        ),
    );
    fs::write(&tar, early).unwrap();
    let told = trees.push_from("n1", "n2", "dst", &["--direct"]);
    assert_ne!(told.code, 0);
    assert!(told.err.contains("r3"), "{told:#?}");
    assert!(!trees.path("dst").exists());
    fs::write(&tar, whole).unwrap();
    trees.push_from("n1", "n2", "dst", &["--direct"]).is(0);
    trees.judge("dst", &[]);
}

#[test]
fn what_is_in_the_way_of_pulling_is_told_before_anything_is_done() {
    let (trees, agent) = nodes(":");
    let servers = trees.lab.servers();
    let expect = |words: &[&str], code: i32| {
        let told = trees.push_from("n1", "n2", "dst", &["--direct"]).is(code);
        for word in words {
            assert!(told.err.contains(word), "{word}: {told:#?}");
        }
        assert!(!trees.path("dst").exists());
        assert_eq!(trees.hidden(), [""; 0]);
        told
    };
    // An agent without keys opens no door.
    let remove = |key: &str| {
        let mut command = std::process::Command::new("ssh-add");
        command.env("SSH_AUTH_SOCK", servers.path("agent"));
        assert!(command.args(["-q", key]).status().unwrap().success());
    };
    remove("-D");
    expect(
        &[
            "n2: it can't pull from n1 by itself",
            "Permission denied",
            "leave --direct out",
        ],
        30,
    );
    drop(agent);
    expect(&["no agent of SSH answers", "ssh-add"], 30);
    // Where nothing has to be pulled, nothing is in the way.
    sh(&trees.path("."), "cp -a src same; chmod 711 same/a");
    trees.push_from("n1", "n2", "same", &["--direct"]).is(0);
    trees.judge("same", &[]);
    let told = trees
        .push_from("n1", "n2", "dst", &["--direct", "--limit-rate", "1M"])
        .is(2);
    assert!(told.err.contains("--limit-rate"), "{told:#?}");
    let (from, to) = (trees.path("src"), trees.path("dst"));
    let words = [
        "push",
        text(&from),
        "--on",
        "n2",
        "--to",
        text(&to),
        "--direct",
    ];
    let told = trees.call(&words).is(2);
    assert!(told.err.contains("--from"), "{told:#?}");
    assert!(!Path::new(&to).exists());
}

#[test]
fn a_server_that_forwards_no_agent_is_told() {
    let trees = Trees::over_ssh_with(|wishes| wishes.option("AllowAgentForwarding no"));
    let servers = trees.lab.servers();
    let _agent = Agent::start(servers);
    Agent::add(servers, "id_ed25519");
    servers.write_ssh_config(&format!("IdentityAgent {}", text(&servers.path("agent"))));
    everything(&trees.path("src"));
    let told = trees.push_from("n1", "n2", "dst", &["--direct"]).is(30);
    for words in ["n2", "forwards no agent", "AllowAgentForwarding"] {
        assert!(told.err.contains(words), "{told:#?}");
    }
}
