//! Runners killed at any instant: what they began is completed or taken back, and nothing happens twice.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use clusterctl::plan::RunId;
use clusterctl::store::RunStore;

use super::everything::Everything;
use super::lab::Lab;
use super::processes::{Chance, with_words};
use super::sketch::{node, plan, run, stage, step, write};
use super::walk::{assert_same, walk};
use crate::scale::full;

/// The world as it was, as an unbroken run leaves it, and how long that takes.
struct Unbroken {
    before: Lab,
    after: Lab,
    length: Duration,
}

fn nodes() -> usize {
    if full() { 3 } else { 2 }
}

fn rounds() -> u32 {
    let rounds = std::env::var("CLUSTERCTL_TEST_ROUNDS");
    match rounds.ok().and_then(|rounds| rounds.parse().ok()) {
        Some(rounds) => rounds,
        None if full() => 100,
        None => 10,
    }
}

impl Unbroken {
    fn measure(make: fn() -> Lab) -> Self {
        let (before, after) = (Lab::new(), make());
        Everything::new(&before, nodes());
        let everything = Everything::new(&after, nodes());
        let plan = after.save(&everything.plan());
        let began = Instant::now();
        after.must(&["apply", &plan]);
        let mut length = began.elapsed();
        everything.judge(false, "unbroken");
        after.must(&["cleanup", "--yes", "--older-than", "1ms"]);
        // A machine that was busy for a moment would have most kills come too late.
        for _ in 0..2 {
            let lab = make();
            let plan = lab.save(&Everything::new(&lab, nodes()).plan());
            let began = Instant::now();
            lab.must(&["apply", &plan]);
            length = length.min(began.elapsed());
        }
        Self {
            before,
            after,
            length,
        }
    }
}

#[test]
fn what_a_killed_runner_began_is_completed() {
    kill_and_go_on("resume", 0, Lab::new, rounds());
}

#[test]
fn what_a_killed_runner_began_is_taken_back() {
    kill_and_go_on("undo", 1, Lab::new, rounds());
}

#[test]
fn what_a_killed_runner_began_elsewhere_is_completed() {
    kill_and_go_on("resume", 2, Lab::over_ssh, rounds_elsewhere());
}

#[test]
fn what_a_killed_runner_began_elsewhere_is_taken_back() {
    kill_and_go_on("undo", 3, Lab::over_ssh, rounds_elsewhere());
}

/// Connections that are cut at any instant: the run goes on by itself or stops where it can be resumed.
#[test]
fn what_broken_connections_left_is_completed() {
    let unbroken = Unbroken::measure(Lab::over_ssh);
    let mut chance = Chance::new("cut");
    let (mut cuts, mut went_on) = (0, 0);
    let rounds = rounds_elsewhere() / 2;
    for round in 0..rounds {
        let lab = Lab::over_ssh();
        let everything = Everything::new(&lab, nodes());
        let plan = lab.save(&everything.plan());
        let mut runner = lab.start(&["apply", &plan]);
        let what = format!("round {round}");
        while super::processes::ended(&mut runner.child, chance.instant_in(unbroken.length) / 3)
            .is_none()
        {
            let which = ["n1", "n2", "n3"][..nodes()]
                [usize::try_from(chance.next() % 3).unwrap() % nodes()];
            lab.servers().server(which).kill_connections();
            cuts += 1;
        }
        let told = runner.end();
        went_on += u32::from(told.code == 0);
        assert!(
            [0, 40, 41, 42, 50].contains(&told.code),
            "{what}: {told:#?}"
        );
        assert!(!told.err.contains("panicked"), "{what}: {told:#?}");
        if lab.latest().is_none_or(|(_, fate)| fate != "done") {
            complete(&lab, &plan, &mut chance, unbroken.length, &mut 0, &what);
        }
        everything.judge(false, &what);
        judge_locks(&lab, &what);
        clean_up(&lab, &what);
        assert_same(&lab.path("tree"), &unbroken.after.path("tree"), &what);
    }
    println!("{cuts} connections cut in {rounds} rounds, {went_on} runs went on by themselves");
}

/// Over SSH everything takes longer, and the lab of three servers too.
fn rounds_elsewhere() -> u32 {
    let rounds = std::env::var("CLUSTERCTL_TEST_ROUNDS");
    match rounds.ok().and_then(|rounds| rounds.parse().ok()) {
        Some(rounds) => rounds,
        None if full() => 100,
        None => 10,
    }
}

fn kill_and_go_on(verb: &str, salt: u64, make: fn() -> Lab, rounds: u32) {
    let unbroken = Unbroken::measure(make);
    let mut chance = Chance::new(verb);
    for _ in 0..salt {
        chance.next();
    }
    let (mut kills, mut never, mut late) = (0, 0, 0);
    for round in 0..rounds {
        let lab = make();
        let everything = Everything::new(&lab, nodes());
        let plan = lab.save(&everything.plan());
        let when = chance.instant_in(unbroken.length);
        let what = format!("round {round}, killed after {when:?}");
        let killed = lab.start(&["apply", &plan]).kill_after(when);
        kills += u32::from(killed);
        late += u32::from(!killed);
        let undo = verb == "undo";
        let began = if undo {
            take_back(&lab, &mut chance, unbroken.length, &mut kills, &what)
        } else {
            complete(&lab, &plan, &mut chance, unbroken.length, &mut kills, &what)
        };
        never += u32::from(!began);
        everything.judge(undo, &what);
        judge_locks(&lab, &what);
        clean_up(&lab, &what);
        let wanted = if undo {
            &unbroken.before
        } else {
            &unbroken.after
        };
        assert_same(&lab.path("tree"), &wanted.path("tree"), &what);
    }
    println!(
        "{verb}: {rounds} rounds over {:?}, {kills} kills, {never} before the run began, {late} after its end",
        unbroken.length
    );
}

/// Resumes until the run is over, and kills that too now and then; `false` when nothing had begun.
fn complete(
    lab: &Lab,
    plan: &str,
    chance: &mut Chance,
    length: Duration,
    kills: &mut u32,
    what: &str,
) -> bool {
    if lab.latest().is_none() {
        lab.must(&["apply", plan]);
        return false;
    }
    while chance.one_in(3) && lab.latest().unwrap().1 != "done" {
        let mut again = lab.start(&["resume", "latest"]);
        *kills += u32::from(again.kill_after(chance.instant_in(length)));
    }
    if lab.latest().unwrap().1 != "done" || holds(lab) {
        lab.must(&["resume", "latest"]);
    }
    assert_eq!(lab.latest().unwrap().1, "done", "{what}");
    true
}

/// Undoes until that is over, and kills that too now and then; `false` when nothing had begun.
fn take_back(
    lab: &Lab,
    chance: &mut Chance,
    length: Duration,
    kills: &mut u32,
    what: &str,
) -> bool {
    if lab.latest().is_none() {
        return false;
    }
    for attempt in 0.. {
        let (verb, fate) = lab.latest().unwrap();
        let verb = match (verb.as_str(), fate.as_str()) {
            ("undo", "done") if !holds(lab) => break,
            (_, "abandoned") => break,
            ("undo", _) => "resume",
            _ => "undo",
        };
        if attempt < 5 && chance.one_in(3) {
            let mut again = lab.start(&[verb, "latest"]);
            *kills += u32::from(again.kill_after(chance.instant_in(length)));
        } else {
            let told = lab.must(&[verb, "latest"]);
            if told.out.contains("Nothing to do") {
                break;
            }
        }
        assert!(attempt < 20, "{what}");
    }
    true
}

/// Whether some node is held, though the run may be over: its runner was killed before it could let go.
fn holds(lab: &Lab) -> bool {
    let lines = ["n1", "n2", "n3"].map(|node| lab.path("nodes").join(node).join("lock"));
    let mut held = lines
        .iter()
        .filter_map(|line| fs::read_to_string(line).ok());
    held.any(|line| line.split(' ').nth(1) != Some("-"))
}

/// Nothing still runs, and another run finds the nodes free.
fn judge_locks(lab: &Lab, what: &str) {
    let fences = with_words(&format!("clusterctl-fence {}", lab.folder().display()));
    assert!(fences.is_empty(), "{what}: {fences:?}");
    let names: Vec<_> = ["n1", "n2", "n3"].map(node)[..nodes()].to_vec();
    let lanes = names.iter().map(|node| {
        let path = lab.path("var").join(format!("free-{node}"));
        (node, vec![write(node, "free", &path)])
    });
    let another = plan(&lab.path("nodes"), vec![stage("go", 3, lanes.collect())]);
    let another = lab.save(&another);
    lab.call_as("another", &["apply", &another]).is(0);
}

/// What the runs left is what `cleanup` knows of, and nothing else.
fn clean_up(lab: &Lab, what: &str) {
    for runner in ["runner", "another"] {
        let told = lab.call_as(runner, &["cleanup", "--yes", "--older-than", "1ms"]);
        assert_eq!(told.code, 0, "{what}: {told:#?}");
    }
    let litter: Vec<_> = ["tree", "nodes", "runner"]
        .into_iter()
        .filter(|name| lab.path(name).is_dir())
        .flat_map(|name| walk(&lab.path(name)).into_keys())
        .filter(|name| {
            name.contains(".clusterctl-") || name.contains(".new") || name.ends_with("plan.json")
        })
        .collect();
    assert!(litter.is_empty(), "{what}: {litter:#?}");
}

#[test]
fn the_second_judge_is_there() {
    let rsync = Command::new("rsync").arg("--version").output();
    if rsync.is_err() {
        println!(
            "SKIPPED IN PART: there is no rsync here, and trees are judged by our own walker only"
        );
    }
}

/// A runner may be killed when its plan is saved and nothing is in its journal yet.
#[test]
fn an_undo_that_was_killed_before_its_first_record_goes_on_as_an_undo() {
    let lab = Lab::new();
    let n1 = node("n1");
    let path = lab.path("tree/written");
    let steps = vec![
        write(&n1, "written", &path),
        step(&n1, "fails", run(["false"])),
    ];
    let plan = lab.save(&plan(
        &lab.path("nodes"),
        vec![stage("go", 1, vec![(&n1, steps)])],
    ));
    assert_ne!(lab.call(&["apply", &plan]).code, 0);
    assert!(path.exists());
    let back = lab.path("back.json");
    lab.must(&["undo", "latest", "--out", back.to_str().unwrap()]);
    let store = RunStore::new(lab.path("runner"));
    let unfinished = store.list().unwrap().pop().unwrap();
    let undo: RunId = "20991231-000000-undo".parse().unwrap();
    let text = fs::read_to_string(&back).unwrap();
    drop(store.create(&undo, &text, Some(&unfinished)).unwrap());
    lab.must(&["resume", "latest"]);
    assert!(!path.exists());
    judge_locks(&lab, "after the undo");
}
