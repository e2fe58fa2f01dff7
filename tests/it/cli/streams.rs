//! Results on standard output, progress on standard error; pipes, colours and full disks.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use clusterctl::engine::EVENT_FORMAT;
use clusterctl::exit::Exit;

use super::lab::Lab;

fn lab() -> Lab {
    Lab::new().file("a.properties", "a=1\nb=2\n")
}

#[test]
fn pipes_get_no_colours_unless_they_are_asked_for() {
    let lab = lab();
    for words in [
        "--help",
        "props get -f a.properties",
        "props set -f a.properties a=2 --plan",
        "props set -f a.properties a=2",
        "runs list",
        "runs show",
        "runs log",
        "props set -f a.properties =",
        "man",
        "undo latest",
    ] {
        let said = lab.run(words);
        let allowed = |c: &char| *c == '\n' || *c == '\t' || !c.is_control();
        assert!(said.all().chars().all(|c| allowed(&c)), "{said}");
    }
    let coloured = lab.run("props set -f a.properties a=3 --plan --color always");
    assert!(coloured.out().contains("\u{1b}["), "{coloured}");
}

#[test]
fn results_and_progress_go_their_own_ways() {
    let lab = lab();
    let said = lab.run("props set -f a.properties a=2").ends(Exit::Done);
    assert_eq!(said.out(), "", "{said}");
    lab.snapshot("progress_of_a_run", &said.err);
    let said = lab
        .run("props set -f a.properties a=2 --plan")
        .ends(Exit::Done);
    assert_eq!(said.err, "", "{said}");
}

#[test]
fn with_json_every_line_is_a_value_with_a_format() {
    let lab = lab();
    let events = lab
        .run("props set -f a.properties a=2 --json")
        .ends(Exit::Done);
    assert_eq!(events.err, "");
    lab.snapshot("events_as_json", &events.out());
    for words in [
        "props get -f a.properties",
        "props get -f a.properties a none",
        "props check -f a.properties",
        "props diff -f a.properties a.properties",
        "props set -f a.properties a=3 --plan",
        "props set -f a.properties a=2",
        "runs list",
        "runs show",
        "runs log",
        "cleanup",
        "cleanup --older-than 1ms",
        "undo latest",
    ] {
        let said = lab.run(&format!("--json {words}"));
        for value in said.json() {
            let format = match value.get("event") {
                Some(_) => EVENT_FORMAT,
                None => 1,
            };
            assert_eq!(value["format"], format, "{said}");
        }
        assert!(said.err.is_empty(), "{said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let lab = lab();
    for words in ["man", "schema plan", "completions bash"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let said = lab.call(words).run_into(Stdio::from(writer));
        assert_eq!(said.err, "", "{said}");
        assert_eq!(said.code(), Some(0), "{said}");
    }
    // A run goes on although nobody reads its events.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let said = lab
        .call("props set -f a.properties a=2 --json")
        .run_into(Stdio::from(writer));
    assert_eq!(said.code(), Some(0), "{said}");
    assert_eq!(lab.bytes("a.properties"), b"a=2\nb=2\n");
}

#[test]
fn a_full_disk_is_told() {
    let lab = lab();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for words in ["props get -f a.properties", "man", "--help"] {
        let said = lab.call(words).run_into(full());
        said.ends(Exit::Unexpected).tells("No space left");
    }
}

#[test]
fn without_an_output_it_works() {
    let lab = lab();
    let mut shell = Command::new("sh")
        .args(["-c", "exec \"$0\" props get -f a.properties a >&-"])
        .arg(env!("CARGO_BIN_EXE_clusterctl"))
        .current_dir(lab.path(""))
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut err = String::new();
    shell
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert!(!err.contains("panicked"), "{err}");
    assert_eq!(shell.wait().unwrap().code(), Some(0), "{err}");
}
