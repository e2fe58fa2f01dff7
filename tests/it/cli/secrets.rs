//! Secrets, however they are given, are seen nowhere but in the edited file and its backup.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clusterctl::exit::Exit;

use super::lab::{Lab, Said};

const OLD: &str = "0ld-c4nary";
const NEW: &str = "n3w-c4nary";

fn lab() -> Lab {
    let lab = Lab::new()
        .file("app.properties", format!("a=1\ndb.password={OLD}\n"))
        .file("secret", format!("{NEW}\n"));
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(lab.path("secret"), private.clone()).unwrap();
    fs::set_permissions(lab.path("app.properties"), private).unwrap();
    lab
}

/// Neither value was said, and each is only where it belongs.
#[track_caller]
fn is_nowhere_else(lab: &Lab, said: &Said) {
    for canary in [OLD, NEW] {
        assert!(!said.all().contains(canary), "{said}");
        for (path, content) in lab.everything() {
            let holds = content
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            let own = path == lab.path("app.properties") || path == lab.path("secret");
            if holds && !own {
                let backup = path.starts_with(lab.node());
                assert!(backup, "{} has {canary}\n{said}", path.display());
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o077, 0, "{} is a backup", path.display());
            }
        }
    }
}

#[test]
fn every_way_of_giving_one() {
    for words in [
        format!("db.password={NEW}"),
        "--secret db.password=env:DB_PASSWORD".to_owned(),
        "--secret db.password=file:secret".to_owned(),
        "--value-file db.password=secret".to_owned(),
        "--value-file db.password=-".to_owned(),
    ] {
        let lab = lab();
        let run = |words: &str| {
            let call = lab.call(words).env("DB_PASSWORD", NEW);
            call.input(format!("{NEW}\n")).run()
        };
        let edit = format!("props set -f app.properties {words}");
        for flags in ["--plan", "--plan --json", "--plan -v"] {
            // What was typed is repeated by nobody.
            is_nowhere_else(&lab, &run(&format!("{edit} {flags}")).ends(Exit::Done));
        }
        let said = run(&format!("{edit} --json")).ends(Exit::Done);
        is_nowhere_else(&lab, &said);
        let text = String::from_utf8(lab.bytes("app.properties")).unwrap();
        assert_eq!(text, format!("a=1\ndb.password={NEW}\n"), "{said}");
        let again = run(&edit).ends(Exit::Done).tells("Nothing to do");
        is_nowhere_else(&lab, &again);
        for look in [
            "runs show",
            "runs log",
            "runs log --journal",
            "props get -f app.properties",
        ] {
            is_nowhere_else(&lab, &run(look).ends(Exit::Done));
        }
        // Whether the file still has it, only who has it can tell.
        let back = run("undo latest --value-file db.password=-").ends(Exit::Done);
        is_nowhere_else(&lab, &back);
        let text = String::from_utf8(lab.bytes("app.properties")).unwrap();
        assert_eq!(text, format!("a=1\ndb.password={OLD}\n"));
    }
}

#[test]
fn what_a_command_prints_is_asked_for_once() {
    let lab = lab().file("ask.sh", "echo asked >>asked; cat secret");
    let said = lab
        .call("props set -f app.properties --secret")
        .arg("db.password=cmd:sh ask.sh")
        .run()
        .ends(Exit::Done);
    is_nowhere_else(&lab, &said);
    lab.run("props get -f app.properties db.password")
        .ends(Exit::Done)
        .says(&format!("{NEW}\n"));
    assert_eq!(lab.bytes("asked"), b"asked\n");
}

#[test]
fn a_saved_plan_has_the_reference() {
    let lab = lab();
    let said = lab
        .call("props set -f app.properties --secret db.password=env:DB_PASSWORD --out plan.json")
        .env("DB_PASSWORD", NEW)
        .run();
    is_nowhere_else(&lab, &said.ends(Exit::Done));
    for format in ["text", "json", "md"] {
        let shown = lab.run(&format!("show plan.json --format {format}"));
        is_nowhere_else(&lab, &shown.ends(Exit::Done).tells("DB_PASSWORD"));
    }
    let without = lab.run("apply plan.json").ends(Exit::Usage);
    assert!(
        without.err.contains("state: Nothing was changed"),
        "{without}"
    );
    assert_eq!(lab.runs(), [""; 0]);
    let said = lab.call("apply plan.json").env("DB_PASSWORD", NEW).run();
    is_nowhere_else(&lab, &said.ends(Exit::Done));
    lab.run("props get -f app.properties db.password")
        .says(&format!("{NEW}\n"));
}
