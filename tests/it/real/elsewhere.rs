//! Verbs on nodes over SSH, as a person types them.

use std::fmt::Write as _;
use std::fs;

use super::lab::Lab;
use super::sketch::{node, plan, run, stage, step, write};

/// A cluster file of the lab's three servers, whose nodes keep their state below `nodes`.
fn cluster(lab: &Lab) -> String {
    let mut text = "name = \"lab\"\n".to_owned();
    for name in ["n1", "n2", "n3"] {
        let address = lab.servers().server(name).address();
        let state = lab.path("nodes").join(name);
        let _ = write!(
            text,
            "[nodes.{name}]\naddress = \"{}\"\nport = {}\nstate_dir = \"{}\"\n",
            address.ip(),
            address.port(),
            state.display()
        );
    }
    lab.script("cluster.toml", &text)
}

#[test]
fn programs_get_what_the_schemas_say() {
    let mut lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let command = "echo out; echo err >&2; test $(($$ % 2)) = 0 && exit 3; kill -s TERM $$";
    let exec = ["exec", "--json", "--on", "n*", "--", "sh", "-c", command];
    lab.servers_mut().server_mut("n3").stop();
    let reach = ["check", "--reach", "--json"];
    // Nodes that are one machine have all files in common, but this one is another whenever it is read.
    let diff = ["props", "diff", "--json", "--on", "n1,n2", "/proc/stat"];
    for (of, words) in [("exec", &exec[..]), ("reach", &reach), ("parity", &diff)] {
        let schema = lab.call(&["schema", of]).is(0).out;
        let schema = serde_json::from_str(&schema).unwrap();
        let told = lab.call(&[&["-c", &cluster], words].concat());
        assert!(told.code == 3 && !told.out.is_empty(), "{told:#?}");
        for line in told.out.lines() {
            let value = serde_json::from_str(line).unwrap();
            assert_eq!(crate::schema::fault(&schema, &value), None);
            let mut more = value.clone();
            more["more"] = 1.into();
            assert!(crate::schema::fault(&schema, &more).is_some());
        }
    }
}

#[test]
fn a_command_on_many_nodes() {
    let lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let told = lab
        .call(&[
            "-c",
            &cluster,
            "exec",
            "--on",
            "n*",
            "--",
            "sh",
            "-c",
            "echo it\\'s $((6*7)); echo oops >&2",
        ])
        .is(0);
    for name in ["n1", "n2", "n3"] {
        assert!(
            told.out.contains(&format!("{name} | it's 42\n")),
            "{told:#?}"
        );
        assert!(told.err.contains(&format!("{name} | oops\n")), "{told:#?}");
    }
    assert!(told.err.contains("3 nodes: done."), "{told:#?}");
    let told = lab
        .call(&[
            "-c",
            &cluster,
            "exec",
            "--json",
            "--on",
            "n1,n2",
            "--",
            "sh",
            "-c",
            "exit $((${#PWD} > 0 ? 7 : 0))",
        ])
        .is(3);
    assert_eq!(told.out.matches("\"exit\":7").count(), 2, "{told:#?}");
    let told = lab
        .call(&["-c", &cluster, "exec", "--on", "n1", "--", "df -h"])
        .is(3);
    assert!(
        told.err.contains("\nhint: -- sh -c 'df -h'   ("),
        "{told:#?}"
    );
    let told = lab.call(&["-c", &cluster, "check", "--reach"]).is(0);
    assert_eq!(told.out.matches("\tyes\n").count(), 3, "{told:#?}");
}

#[test]
fn a_node_that_is_down_is_told_apart() {
    let mut lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    lab.servers_mut().server_mut("n2").stop();
    let told = lab
        .call(&["-c", &cluster, "exec", "--on", "n*", "--", "true"])
        .is(3);
    assert!(
        told.err.contains("2 of 3 nodes: done; 1 not reached."),
        "{told:#?}"
    );
    lab.call(&["-c", &cluster, "exec", "--on", "n2", "--", "true"])
        .is(50);
    let told = lab.call(&["-c", &cluster, "lock", "status"]).is(3);
    assert!(told.err.contains("n2: "), "{told:#?}");
    let file = lab.script("a.properties", "a=1\n");
    let told = lab
        .call(&[
            "-c", &cluster, "props", "set", "--on", "n*", "--file", &file, "a=2",
        ])
        .is(50);
    assert!(told.err.contains("!n2"), "{told:#?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "a=1\n");
}

#[test]
fn files_of_nodes_are_read_compared_and_edited() {
    let lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let file = lab.script("a.properties", "port=1\npassword=hunter2\n");
    let call = |words: &[&str]| lab.call(&[&["-c", cluster.as_str()], words].concat());
    let told = call(&["props", "get", "--on", "n*", "--file", &file, "port"]).is(0);
    assert_eq!(
        told.out,
        "node\tkey\tvalue\nn1\tport\t1\nn2\tport\t1\nn3\tport\t1\n"
    );
    let told = call(&["props", "diff", "--on", "n*", &file]).is(0);
    assert!(
        told.err.contains("3 nodes agree on all 2 keys."),
        "{told:#?}"
    );
    let told = call(&[
        "props", "set", "--on", "n1", "--file", &file, "port=2", "--plan",
    ])
    .is(0);
    assert!(
        told.out.contains("+port=2") && !told.out.contains("hunter2"),
        "{told:#?}"
    );
    call(&["props", "set", "--on", "n1", "--file", &file, "port=2"]).is(0);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "port=2\npassword=hunter2\n"
    );
    call(&["undo", "latest"]).is(0);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "port=1\npassword=hunter2\n"
    );
    call(&["props", "check", "--on", "n2", "--file", &file]).is(0);
}

#[test]
fn another_machine_goes_on_from_the_nodes_alone() {
    let lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let (n1, n2) = (node("n1"), node("n2"));
    let ready = lab.path("var/ready");
    let first = lab.path("tree/first");
    let second = lab.path("tree/second");
    let waits = run(["test", "-e", ready.to_str().unwrap()]);
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![
            stage("one", 1, vec![(&n1, vec![write(&n1, "first", &first)])]),
            stage(
                "two",
                1,
                vec![(
                    &n2,
                    vec![step(&n2, "ready", waits), write(&n2, "second", &second)],
                )],
            ),
        ],
    ));
    assert_ne!(lab.call(&["apply", &plan]).code, 0);
    assert!(first.exists() && !second.exists());
    let status = lab
        .call_as("another", &["-c", &cluster, "lock", "status", "--json"])
        .is(0);
    let line: serde_json::Value = serde_json::from_str(status.out.lines().next().unwrap()).unwrap();
    let run = line["holder"]["run"].as_str().unwrap().to_owned();
    // The first runner is gone, and all that it knew.
    fs::remove_dir_all(lab.path("runner")).unwrap();
    fs::write(&ready, "").unwrap();
    let told = lab
        .call_as("another", &["-c", &cluster, "runs", "fetch", &run])
        .is(0);
    assert!(told.err.contains("clusterctl resume"), "{told:#?}");
    lab.call_as("another", &["-c", &cluster, "resume", &run])
        .is(0);
    assert!(second.exists());
    lab.call_as("another", &["-c", &cluster, "undo", &run])
        .is(0);
    assert!(!first.exists() && !second.exists());
    lab.call_as(
        "another",
        &["-c", &cluster, "runs", "fetch", "20260101-000000-none"],
    )
    .is(2);
}

#[test]
fn a_hold_that_nobody_gives_up_is_broken() {
    let lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let n1 = node("n1");
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage(
            "go",
            1,
            vec![(
                &n1,
                vec![
                    write(&n1, "written", &lab.path("tree/written")),
                    step(&n1, "fails", run(["false"])),
                ],
            )],
        )],
    ));
    assert_ne!(lab.call(&["apply", &plan]).code, 0);
    let status = lab
        .call(&["-c", &cluster, "lock", "status", "--on", "n1", "--json"])
        .is(0);
    let line: serde_json::Value = serde_json::from_str(status.out.trim()).unwrap();
    let run = line["holder"]["run"].as_str().unwrap();
    lab.call_as("another", &["apply", &plan]).is(20);
    lab.call(&[
        "-c",
        &cluster,
        "lock",
        "break",
        "--on",
        "n1",
        "--run",
        "20260101-000000-none",
    ])
    .is(20);
    lab.call(&["-c", &cluster, "lock", "break", "--on", "n1", "--run", run])
        .is(0);
    lab.call(&["-c", &cluster, "lock", "break", "--on", "n1", "--run", run])
        .is(2);
    // What it did can still be taken back.
    lab.call(&["undo", run]).is(0);
    assert!(!lab.path("tree/written").exists());
}

#[test]
fn a_run_that_was_fetched_does_not_guess_what_a_node_knows() {
    let mut lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let (n1, n2) = (node("n1"), node("n2"));
    let (first, second) = (lab.path("tree/first"), lab.path("tree/second"));
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![
            stage("one", 1, vec![(&n1, vec![write(&n1, "first", &first)])]),
            stage(
                "two",
                1,
                vec![(
                    &n2,
                    vec![
                        write(&n2, "second", &second),
                        step(&n2, "fails", run(["false"])),
                    ],
                )],
            ),
        ],
    ));
    assert_ne!(lab.call(&["apply", &plan]).code, 0);
    let run = holder_of(&lab, &cluster, "n1");
    fs::remove_dir_all(lab.path("runner")).unwrap();
    let another = |lab: &Lab, words: &[&str]| {
        lab.call_as("another", &[&["-c", cluster.as_str()], words].concat())
    };
    another(&lab, &["runs", "fetch", &run]).is(0);
    lab.servers_mut().server_mut("n2").stop();
    // Without what n2 knows, only what n1 did would be taken back.
    for words in [["undo", &run], ["resume", &run]] {
        let told = another(&lab, &words).is(50);
        for word in [
            "n2: its copy of the journal",
            "what was done on n2 is not known",
            "once n2 can be reached",
        ] {
            assert!(told.err.contains(word), "{word}: {told:#?}");
        }
    }
    assert!(first.exists() && second.exists());
}

#[test]
fn a_damaged_copy_is_no_hindrance_where_the_journal_is_whole() {
    let lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let n1 = node("n1");
    let written = lab.path("tree/written");
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage(
            "go",
            1,
            vec![(
                &n1,
                vec![
                    write(&n1, "written", &written),
                    step(&n1, "fails", run(["false"])),
                ],
            )],
        )],
    ));
    assert_ne!(lab.call(&["apply", &plan]).code, 0);
    let run = holder_of(&lab, &cluster, "n1");
    let copy = lab.path("nodes/n1/runs").join(&run).join("journal.jsonl");
    let text = fs::read_to_string(&copy).unwrap();
    fs::write(&copy, text.replacen("\"rec\"", "\"wreck\"", 1)).unwrap();
    let told = lab.call(&["undo", &run]).is(0);
    assert!(
        told.err.contains("warning: n1: its copy of the journal"),
        "{told:#?}"
    );
    assert!(!written.exists());
}

#[test]
fn a_damaged_copy_is_written_anew_by_who_has_the_whole_journal() {
    let lab = Lab::over_ssh();
    let cluster = cluster(&lab);
    let n1 = node("n1");
    let written = lab.path("tree/written");
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage(
            "go",
            1,
            vec![(
                &n1,
                vec![
                    write(&n1, "written", &written),
                    step(
                        &n1,
                        "fails",
                        run(["test", "-e", lab.path("var/now").to_str().unwrap()]),
                    ),
                ],
            )],
        )],
    ));
    assert_ne!(lab.call(&["apply", &plan]).code, 0);
    let run = holder_of(&lab, &cluster, "n1");
    let copy = lab.path("nodes/n1/runs").join(&run).join("journal.jsonl");
    let text = fs::read_to_string(&copy).unwrap();
    let damaged = text.replacen("\"rec\"", "\"wreck\"", 1);
    fs::write(&copy, &damaged).unwrap();
    let told = lab.call(&["resume", &run]);
    assert_ne!(told.code, 0);
    assert!(told.err.contains("is written anew"), "{told:#?}");
    let beside = copy.with_file_name("journal.jsonl.damaged");
    assert_eq!(fs::read_to_string(beside).unwrap(), damaged);
    assert!(fs::read_to_string(&copy).unwrap().starts_with(&text));
    // Another machine needs nothing but the copy.
    fs::write(lab.path("var/now"), "").unwrap();
    lab.call_as("another", &["-c", &cluster, "runs", "fetch", &run])
        .is(0);
    let told = lab.call_as("another", &["resume", &run]).is(0);
    assert!(!told.err.contains("warning"), "{told:#?}");
    assert!(written.exists());
}

/// The run that holds this node.
fn holder_of(lab: &Lab, cluster: &str, name: &str) -> String {
    let words = ["-c", cluster, "lock", "status", "--on", name, "--json"];
    let status = lab.call_as("another", &words).is(0);
    let line: serde_json::Value = serde_json::from_str(status.out.trim()).unwrap();
    line["holder"]["run"].as_str().unwrap().to_owned()
}
