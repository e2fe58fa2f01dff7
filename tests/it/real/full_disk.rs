//! A disk that fills up in the middle of a run.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::Lab;
use super::processes::Fifo;
use super::sketch::{node, plan, run, stage, step, text, write};

/// A small file system of its own, which goes with the value.
struct Small(PathBuf);

impl Small {
    /// `None` where nothing may be mounted.
    fn at(path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=0700", "clusterctl-test"])
            .arg(&path)
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then_some(Self(path))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Leaves no room for another byte.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        for size in [4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Fills a disk while a command runs, and lets the run go on when there is room again.
fn fill_in_mid_run(which: &str) {
    let lab = Lab::new();
    let Some(small) = Small::at(lab.path(which)) else {
        println!(
            "SKIPPED: nothing may be mounted here, so a full disk under {which} was NOT tested"
        );
        return;
    };
    let (mut there, mut go) = (Fifo::new(lab.path("there")), Fifo::new(lab.path("go")));
    let n1 = node("n1");
    let log = lab.path("var/log");
    let work = |slug: &str| {
        let script = r#"echo "$1" >"$2"; read -r _ <"$3"; echo "$1" >>"$4""#;
        step(
            &n1,
            slug,
            run([
                "sh",
                "-c",
                script,
                "work",
                slug,
                there.path(),
                go.path(),
                text(&log),
            ]),
        )
    };
    // A journal that grows by a few lines may still find room in its last block; it must not be enough.
    let between = (0..30).map(|count| {
        let slug = format!("between-{count}");
        write(&n1, &slug, &lab.path("tree").join(&slug))
    });
    let steps: Vec<_> = std::iter::once(work("first"))
        .chain(between)
        .chain([work("second")])
        .collect();
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage("go", 1, vec![(&n1, steps)])],
    ));
    let going = lab.start(&["apply", &plan]);
    assert_eq!(there.hear(), "first");
    small.fill();
    go.tell();
    let told = going.end();
    assert!([40, 41].contains(&told.code), "{told:#?}");
    assert!(!told.err.contains("panicked"), "{told:#?}");
    assert!(says_that_it_is_full(&told.err), "{told:#?}");
    assert!(!lab.path("tree/between-29").exists(), "{told:#?}");
    // Without room it is refused again, in the same words and without harm.
    let again = lab.call(&["resume", "latest"]);
    assert_ne!(again.code, 0, "{again:#?}");
    assert!(says_that_it_is_full(&again.err), "{again:#?}");
    small.make_room();
    let resumed = lab.start(&["resume", "latest"]);
    let next = there.hear();
    go.tell();
    let told = resumed.end();
    assert_eq!(told.code, 0, "{told:#?}");
    assert_eq!(next, "second", "{told:#?}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "first\nsecond\n");
    drop(small);
}

fn says_that_it_is_full(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("no space left")
        || text.contains("disk is full")
        || text.contains("nothing can be written")
}

#[test]
fn a_full_disk_under_the_runners_folder_stops_the_run_safely() {
    fill_in_mid_run("runner");
}

#[test]
fn a_full_disk_under_the_nodes_folder_stops_the_run_safely() {
    fill_in_mid_run("nodes/n1");
}

#[test]
fn a_full_disk_under_the_tree_leaves_files_as_they_were() {
    let lab = Lab::new();
    let Some(small) = Small::at(lab.path("small")) else {
        println!("SKIPPED: nothing may be mounted here, so a full disk under files was NOT tested");
        return;
    };
    let file = lab.path("small/a.properties");
    fs::write(&file, format!("a={}\n", "x".repeat(20_000))).unwrap();
    let old = fs::read(&file).unwrap();
    small.fill();
    let refused = lab.call(&["props", "set", "--file", text(&file), "b=2"]);
    assert_ne!(refused.code, 0, "{refused:#?}");
    assert!(says_that_it_is_full(&refused.err), "{refused:#?}");
    assert_eq!(fs::read(&file).unwrap(), old);
    assert_eq!(names(&lab.path("small")), ["a.properties", "ballast"]);
    small.make_room();
    lab.must(&["props", "set", "--file", text(&file), "b=2"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
