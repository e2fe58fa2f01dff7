//! The practice cluster that anybody can start: it starts, its story is told, and nothing of it is left.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::practice::farm::playground;
use crate::real::processes::{end_all_of, with_words};

/// A place for a practice cluster. Whatever is left of it at the end is ended.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        // The usual one may be too long for sockets.
        Self(
            tempfile::Builder::new()
                .prefix("pg")
                .tempdir_in("/tmp")
                .unwrap(),
        )
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("pg")
    }

    fn call(&self, words: &[&str]) -> Output {
        Command::new(playground())
            .args(words)
            .env("PLAYGROUND", self.folder())
            .env("CLUSTERCTL_STATE_DIR", self.0.path().join("runs"))
            .env_remove("CLUSTERCTL_SSH_CONFIG")
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn must(&self, words: &[&str]) -> String {
        let done = self.call(words);
        assert!(done.status.success(), "{done:#?}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Calls the program with the cluster file as it was written.
    #[track_caller]
    fn clusterctl(&self, words: &[&str]) -> String {
        let file = self.folder().join("cluster.toml");
        let start = ["clusterctl", "-c", file.to_str().unwrap()];
        self.must(&[&start[..], words].concat())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        end_all_of(self.0.path());
    }
}

fn is_gone(folder: &Path) {
    assert!(!folder.exists());
    assert_eq!(with_words(folder.to_str().unwrap()), []);
}

#[test]
fn its_story_is_told_and_no_user_goes_without_an_answer() {
    let place = Place::new();
    let told = place.must(&["demo"]);
    for part in [
        "$ clusterctl restart --on ucd2 --plan",
        "ucd2: done: Stop the server",
        "Killed",
        "$ clusterctl resume latest --yes",
        "and 0 times none",
        "The practice cluster is stopped, and its folder is gone.",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    is_gone(&place.folder());
}

#[test]
fn a_stand_alone_server_is_there_to_be_converted_and_its_agents_come_to_it() {
    let place = Place::new();
    let welcome = place.must(&["up", "1"]);
    assert!(welcome.contains("clusterctl convert --plan"), "{welcome}");
    let told = place.clusterctl(&["exec", "--on", "*", "--", "echo", "here"]);
    for node in ["agents1", "agents2", "lb1", "relay1", "ucd1"] {
        let line = told.lines().find(|line| line.starts_with(node));
        assert!(line.is_some_and(|line| line.ends_with("| here")), "{told}");
    }
    let plan = place.clusterctl(&["convert", "--plan"]);
    assert!(plan.contains("Make the server one of several"), "{plan}");
    let told = place.clusterctl(&["status"]);
    assert!(told.contains("agents: 10 online"), "{told}");
    place.must(&["down"]);
    is_gone(&place.folder());
    // Once more, there is nothing to do.
    place.must(&["down"]);
}

#[test]
fn what_is_no_practice_cluster_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.folder()).unwrap();
    let own = place.folder().join("thesis.txt");
    fs::write(&own, "important").unwrap();
    for verb in ["up", "down", "demo"] {
        let refused = place.call(&[verb]);
        assert!(!refused.status.success());
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            said.contains("is no practice cluster, and nothing in it was touched"),
            "{said}"
        );
    }
    for words in [
        &["up", "0"][..],
        &["up", "12"],
        &["up", "many"],
        &["nonsense"],
    ] {
        assert!(!place.call(words).status.success(), "{words:?}");
    }
    assert_eq!(fs::read_to_string(own).unwrap(), "important");
}
