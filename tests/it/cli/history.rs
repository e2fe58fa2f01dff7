//! What happened, and what becomes of it: undo, hooks, cleanup.

use std::fs;

use clusterctl::exit::Exit;

use super::lab::Lab;

fn lab() -> Lab {
    Lab::new().file("app.properties", "a=1\nb=1\n")
}

/// The cluster of this machine alone, with these hooks.
fn hooks(lab: &Lab, hooks: &str) {
    let node = lab.node();
    let text = format!(
        "format = 1\nname = \"lab\"\n[nodes]\nhere = {{ address = \"local\", state_dir = \"{}\" }}\n{hooks}",
        node.display()
    );
    fs::write(lab.path("cluster.toml"), text).unwrap();
}

#[test]
fn undo_goes_back_through_runs_and_never_through_undos() {
    let lab = lab();
    for value in 2..5 {
        lab.run(&format!("props set -f app.properties a={value}"))
            .ends(Exit::Done);
    }
    lab.run("undo latest").ends(Exit::Done);
    assert_eq!(lab.bytes("app.properties"), b"a=3\nb=1\n");
    // The latest run is taken back already; which one is meant now is for the person to say.
    let said = lab.run("undo latest").ends(Exit::Usage);
    assert!(said.err.contains("was taken back already"), "{said}");
    let second = lab.runs()[1].clone();
    lab.run(&format!("undo {second}")).ends(Exit::Done);
    assert_eq!(lab.bytes("app.properties"), b"a=2\nb=1\n");
    lab.snapshot(
        "runs_list",
        &lab.run("runs list").ends(Exit::Done).to_string(),
    );
}

#[test]
fn an_undo_is_shown_saved_and_applied_like_any_plan() {
    let lab = lab();
    lab.run("props set -f app.properties a=2").ends(Exit::Done);
    let shown = lab.run("undo latest --plan").ends(Exit::Done);
    lab.snapshot("plan_of_an_undo", &shown.to_string());
    lab.run("undo latest --plan --detailed-exitcode")
        .ends(Exit::Pending);
    assert_eq!(lab.bytes("app.properties"), b"a=2\nb=1\n");
    lab.run("undo latest --out back.json").ends(Exit::Done);
    lab.run("apply back.json").ends(Exit::Done);
    assert_eq!(lab.bytes("app.properties"), b"a=1\nb=1\n");
}

#[test]
fn what_somebody_else_changed_is_not_overwritten() {
    let lab = lab();
    lab.run("props set -f app.properties a=2").ends(Exit::Done);
    fs::write(lab.path("app.properties"), "a=2\nb=7\n").unwrap();
    let said = lab.run("undo latest").ends(Exit::Stale);
    assert_eq!(lab.bytes("app.properties"), b"a=2\nb=7\n", "{said}");
    let kept = lab.run("undo latest --keep props-set/local/edit-app.properties");
    kept.ends(Exit::Done).tells("Nothing to do");
}

#[test]
fn a_hook_can_forbid_a_step() {
    let lab = lab();
    hooks(
        &lab,
        "[hooks.before_step]\ncommand = [\"sh\", \"-c\", \"echo it is Friday >&2; exit 3\"]\n",
    );
    let said = lab.run("props set -f app.properties a=2 --on here");
    lab.snapshot("a_hook_that_forbids", &said.ends(Exit::Undone).to_string());
    assert_eq!(lab.bytes("app.properties"), b"a=1\nb=1\n");
}

#[test]
fn a_hook_that_takes_too_long_is_ended() {
    let lab = lab();
    hooks(
        &lab,
        "[hooks.before_step]\ncommand = [\"sleep\", \"600\"]\ndeadline = \"1s\"\n",
    );
    let said = lab
        .run("props set -f app.properties a=2 --on here")
        .ends(Exit::Undone);
    assert!(said.err.contains("took longer than 1s"), "{said}");
    assert_eq!(lab.bytes("app.properties"), b"a=1\nb=1\n");
}

#[test]
fn hooks_after_a_step_only_tell() {
    let lab = lab();
    hooks(
        &lab,
        "[hooks.after_step]\ncommand = [\"false\"]\n[hooks.on_end]\ncommand = [\"/none/such\"]\n",
    );
    let said = lab
        .run("props set -f app.properties a=2 --on here")
        .ends(Exit::Done);
    assert!(
        said.err.contains("hook: after_step: it ended with"),
        "{said}"
    );
    assert!(said.err.contains("hook: on_end: `/none/such`"), "{said}");
}

#[test]
fn cleanup_shows_first_and_then_removes() {
    let lab = lab();
    lab.run("props set -f app.properties a=2").ends(Exit::Done);
    lab.run("cleanup")
        .ends(Exit::Done)
        .tells("Nothing to remove");
    let shown = lab.run("cleanup --older-than 1ms").ends(Exit::Done);
    let run = lab.runs()[0].clone();
    assert!(shown.out().contains(&run), "{shown}");
    assert!(
        shown
            .err
            .contains("clusterctl cleanup --older-than 1ms --yes"),
        "{shown}"
    );
    assert_eq!(lab.runs().len(), 1);
    lab.run("cleanup --older-than 1ms --yes").ends(Exit::Done);
    assert_eq!(lab.runs(), [""; 0]);
    for (path, _) in lab.everything() {
        assert!(!path.to_str().unwrap().contains(&run), "{}", path.display());
    }
    assert_eq!(lab.bytes("app.properties"), b"a=2\nb=1\n");
}
