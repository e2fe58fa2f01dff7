//! What the program won't do: each refusal says what, why, the state now and what to type next.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use clusterctl::exit::Exit;

use super::lab::{Lab, Said};

/// Checks what holds for all refusals, and adds this one to the others.
#[track_caller]
fn add(text: &mut String, said: Said, exit: Exit) {
    let said = said.ends(exit);
    assert_eq!(said.out(), "", "a refusal is no result\n{said}");
    assert!(said.err.starts_with("error: "), "{said}");
    assert!(!said.err.contains('\u{1b}'), "{said}");
    writeln!(text, "{said}").unwrap();
}

fn lab() -> Lab {
    Lab::new()
        .file("a.properties", "a=1\ntwice=1\ntwice=2\ndb.password=old\n")
        .file("broken.properties", "a=\\u12\n")
        .file("empty", "")
        .file("value", "s3cret\n")
}

#[test]
fn of_command_lines() {
    let lab = lab();
    let mut text = String::new();
    for words in [
        "prop",
        "props set -f a.properties",
        "props set a=2",
        "props set -f a.properties a=2 --detailed-exitcode",
        "props set -f a.properties a=2 --lock-wait soon",
        "props set -f a.properties a=2 --line x",
        "props set -f a.properties a=2 --which last --line 1",
        "props get -f a.properties --color sometimes",
        "rehearse plan.json --fault crash",
        "rehearse plan.json --fault quake@n1:x",
        "resume latest --answer a/b/c",
        "show plan.json --format html",
        "cleanup --older-than never",
        "completions cmd",
    ] {
        add(&mut text, lab.run(words), Exit::Usage);
    }
    lab.snapshot("refusals_of_command_lines", &text);
    let odd = lab
        .call("props set -f a.properties")
        .arg(OsStr::from_bytes(b"a=\xff"));
    odd.run().ends(Exit::Usage).tells("UTF-8");
}

#[test]
fn of_edits() {
    let lab = lab();
    fs::create_dir(lab.path("folder")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        lab.path("pipe"),
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let before = lab.bytes("a.properties");
    let mut text = String::new();
    for (words, exit) in [
        ("-f none.properties a=2", Exit::Usage),
        ("-f folder a=2", Exit::Usage),
        ("-f pipe a=2", Exit::Usage),
        ("-f broken.properties a=2", Exit::Usage),
        ("-f a.properties a", Exit::Usage),
        ("-f a.properties =2", Exit::Usage),
        ("-f a.properties a=2 a=3", Exit::Usage),
        ("-f a.properties a=2 --value-file a=value", Exit::Usage),
        (
            "-f a.properties --secret a=env:A --value-file a=-",
            Exit::Usage,
        ),
        ("-f a.properties twice=3", Exit::Usage),
        ("-f a.properties twice=3 --line 1", Exit::Usage),
        ("-f a.properties --secret db.password=s3cret", Exit::Usage),
        (
            "-f a.properties --secret db.password=env:NOT_SET",
            Exit::Usage,
        ),
        (
            "-f a.properties --secret db.password=file:none",
            Exit::Usage,
        ),
        (
            "-f a.properties --secret db.password=cmd:false",
            Exit::Usage,
        ),
        ("-f a.properties --secret db.password=prompt", Exit::Usage),
        ("-f a.properties --value-file a", Exit::Usage),
        ("-f a.properties --value-file a=none", Exit::Usage),
        ("-f a.properties --value-file a=empty", Exit::Usage),
        (
            "-f a.properties --value-file a=- --value-file b=-",
            Exit::Usage,
        ),
        (
            "-f a.properties db.password=new --out plan.json",
            Exit::Usage,
        ),
        ("-f a.properties a=2 --out none/plan.json", Exit::Usage),
        ("-f a.properties a=2 --out folder", Exit::Usage),
        ("-f a.properties a=2 --on n1", Exit::Usage),
    ] {
        let said = lab.run(&format!("props set {words}"));
        assert!(said.err.contains("\nstate: Nothing was changed"), "{said}");
        assert!(!said.err.contains("s3cret"), "{said}");
        add(&mut text, said, exit);
    }
    lab.snapshot("refusals_of_edits", &text);
    assert_eq!(lab.bytes("a.properties"), before);
    assert_eq!(lab.runs(), [""; 0]);
    assert!(!lab.node().exists() && !lab.path("plan.json").exists());
}

#[test]
fn of_cluster_files() {
    let lab = lab().file("cluster.toml", "format = 1\nname = \"lab\"\n[node]\n");
    let mut text = String::new();
    add(
        &mut text,
        lab.run("props set -f a.properties a=2"),
        Exit::Usage,
    );
    add(
        &mut text,
        lab.run("-c none.toml props set -f a.properties a=2"),
        Exit::Usage,
    );
    let away = "format = 1\nname = \"lab\"\n[nodes]\nn1 = { address = \"10.0.0.1\" }\n";
    fs::write(lab.path("cluster.toml"), away).unwrap();
    add(
        &mut text,
        lab.run("props set -f a.properties a=2 --on n1"),
        Exit::Usage,
    );
    add(
        &mut text,
        lab.run("props set -f a.properties a=2 --on n2"),
        Exit::Usage,
    );
    lab.snapshot("refusals_of_cluster_files", &text);
    // Reading needs no cluster.
    fs::write(lab.path("cluster.toml"), "?").unwrap();
    lab.run("props get -f a.properties a")
        .ends(Exit::Done)
        .says("1\n");
    lab.run("runs list").ends(Exit::Done);
}

#[test]
fn of_plans() {
    let lab = lab()
        .file("text.json", "make it so")
        .file(
            "newer.json",
            r#"{"format":99,"made_by":"clusterctl 9.9.9"}"#,
        )
        .file("list.json", "[]");
    lab.run("props set -f a.properties a=2 --out plan.json")
        .ends(Exit::Done);
    let mut text = String::new();
    for (words, exit) in [
        ("show none.json", Exit::Usage),
        ("show .", Exit::Usage),
        ("show empty", Exit::Usage),
        ("show text.json", Exit::Usage),
        ("show list.json", Exit::Usage),
        ("show newer.json", Exit::Usage),
        ("apply -", Exit::Usage),
        ("apply newer.json", Exit::Usage),
        ("apply - --value-file a=-", Exit::Usage),
        ("apply plan.json --expect-digest 0000", Exit::Forbidden),
        (
            "apply plan.json --expect-digest 00000000000000",
            Exit::Forbidden,
        ),
        ("rehearse plan.json --fault crash@n1:x", Exit::Usage),
        ("rehearse plan.json --fault crash@local:x", Exit::Usage),
    ] {
        add(&mut text, lab.run(words), exit);
    }
    lab.snapshot("refusals_of_plans", &text);
    assert_eq!(lab.runs(), [""; 0]);
}

#[test]
fn of_runs() {
    let lab = lab();
    let mut text = String::new();
    for words in [
        "runs show",
        "runs show 2026",
        "runs log",
        "runs release latest",
        "runs abandon latest",
        "resume latest",
        "undo latest",
        "undo ../../etc",
        "cleanup nothing",
    ] {
        add(&mut text, lab.run(words), Exit::Usage);
    }
    lab.run("runs list").ends(Exit::Done).says("");
    lab.run("runs list --json").ends(Exit::Done).says("");
    assert!(!lab.state().exists(), "looking makes nothing");
    for value in 2..4 {
        lab.run(&format!("props set -f a.properties a={value}"))
            .ends(Exit::Done);
    }
    let [first, second] = &lab.runs()[..] else {
        panic!("two runs: {:?}", lab.runs());
    };
    assert!(first < second, "names are in order, also within a second");
    add(&mut text, lab.run("runs show 2"), Exit::Usage);
    add(&mut text, lab.run("resume latest"), Exit::Usage);
    add(&mut text, lab.run("runs abandon latest"), Exit::Usage);
    add(&mut text, lab.run(&format!("undo {first}")), Exit::Held);
    lab.run("undo latest").ends(Exit::Done);
    add(&mut text, lab.run(&format!("undo {second}")), Exit::Usage);
    let undo = &lab.runs()[2];
    add(&mut text, lab.run(&format!("undo {undo}")), Exit::Usage);
    lab.snapshot("refusals_of_runs", &text);
}

#[test]
fn of_what_is_stored_wrongly() {
    let lab = lab();
    lab.run("props set -f a.properties a=2").ends(Exit::Done);
    let run = lab.state().join("runs").join(&lab.runs()[0]);
    let journal = run.join("journal.jsonl");
    let whole = fs::read(&journal).unwrap();
    let mut text = String::new();
    let damaged = String::from_utf8(whole.clone())
        .unwrap()
        .replace("claimed", "clained");
    fs::write(&journal, damaged).unwrap();
    add(&mut text, lab.run("runs show"), Exit::Usage);
    add(&mut text, lab.run("undo latest"), Exit::Usage);
    lab.run("runs list").ends(Exit::Done).tells("can't be used");
    fs::write(&journal, &whole).unwrap();
    fs::write(run.join("plan.json"), "{}").unwrap();
    add(&mut text, lab.run("runs show"), Exit::Usage);
    lab.snapshot("refusals_of_what_is_stored_wrongly", &text);
}

#[test]
fn of_folders_that_are_in_the_way() {
    let lab = lab();
    let mut text = String::new();
    fs::write(lab.state(), "").unwrap();
    let said = lab.run("props set -f a.properties a=2");
    assert!(said.err.contains("Nothing was changed"), "{said}");
    writeln!(text, "{said}").unwrap();
    said.ends(Exit::Forbidden);
    fs::remove_file(lab.state()).unwrap();
    fs::create_dir(lab.node()).unwrap();
    fs::set_permissions(lab.node(), fs::Permissions::from_mode(0o777)).unwrap();
    let said = lab.run("props set -f a.properties a=2");
    writeln!(text, "{said}").unwrap();
    said.ends(Exit::Forbidden);
    fs::remove_dir(lab.node()).unwrap();
    fs::write(lab.node(), "").unwrap();
    let said = lab.run("props set -f a.properties a=2");
    writeln!(text, "{said}").unwrap();
    said.ends(Exit::Forbidden);
    let said = lab.call("props set -f a.properties a=2");
    let said = said.env("CLUSTERCTL_NODE_DIR", "relative").run();
    writeln!(text, "{said}").unwrap();
    said.ends(Exit::Usage);
    lab.snapshot("refusals_of_folders", &text);
    assert!(lab.bytes("a.properties").starts_with(b"a=1\n"));
}

#[test]
fn what_to_type_next_can_be_typed() {
    let lab = lab().file("a b.properties", "k=1\nk=2\n");
    let call = lab.call("props set k=3 -f").arg("a b.properties");
    let said = call.run().ends(Exit::Usage);
    assert!(
        said.err.contains("--file 'a b.properties' --line 2"),
        "{said}"
    );
}

#[test]
fn programs_get_errors_as_json() {
    let lab = lab();
    let said = lab.run("props set -f a.properties twice=3 --json");
    let said = said.ends(Exit::Usage).says("");
    let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["format"], 1);
    assert_eq!(error["error"]["exit"], 2);
    lab.snapshot("refusal_as_json", &said.err);
}
