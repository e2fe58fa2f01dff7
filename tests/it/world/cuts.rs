//! Connections that break, runners that fall asleep, and nodes that change hands.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clusterctl::engine::{
    Claim, ClaimError, Direction, Epoch, FaultKind, Holding, Release, World as _,
};
use clusterctl::plan::{Action, Argv, Millis, Probe, Reading, Value};

use super::bench::{
    Bench, CANARY, dead_runner, is_root, lives, names, secret_value, step, wait_until, world_in,
};
use super::wire::{Fate, Wire};

/// A command that says that it runs, and waits until it may end; how often it ran is in `count`.
pub(super) struct Waiting {
    pub(super) pid: PathBuf,
    go: PathBuf,
    count: PathBuf,
}

impl Waiting {
    pub(super) fn on(bench: &Bench) -> Self {
        Self::in_folder(bench.folder.path())
    }

    fn in_folder(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        Self {
            pid: at("pid"),
            go: at("go"),
            count: at("count"),
        }
    }

    pub(super) fn action(&self) -> Action {
        let script = "echo >>\"$3\"; echo $$ >\"$1\"; while [ -e \"$1\" ] && [ ! -e \"$2\" ]; do sleep 0.02; done";
        let paths = [&self.pid, &self.go, &self.count];
        let words = ["sh", "-c", script, "sh"].map(str::to_owned);
        let paths = paths.map(|path| path.to_str().unwrap().to_owned());
        Action::Run {
            argv: Argv::new(words.into_iter().chain(paths)),
            dir: None,
            stdin: vec![],
            success: vec![0],
        }
    }

    pub(super) fn runs(&self) -> Option<u32> {
        fs::read_to_string(&self.pid).ok()?.trim_end().parse().ok()
    }

    pub(super) fn may_end(&self) {
        fs::write(&self.go, "").unwrap();
    }

    pub(super) fn times(&self) -> usize {
        fs::read_to_string(&self.count).map_or(0, |text| text.lines().count())
    }
}

pub(super) fn run(words: &[&str]) -> Action {
    Action::Run {
        argv: Argv::new(words.iter().copied()),
        dir: None,
        stdin: vec![],
        success: vec![0],
    }
}

/// A file that is there once the command of a bench that is not known yet runs.
#[derive(Clone, Default)]
struct Later(Arc<std::sync::Mutex<Option<PathBuf>>>);

impl Later {
    fn is(&self, path: &Path) {
        *self.0.lock().unwrap() = Some(path.to_owned());
    }

    fn is_there(&self) -> bool {
        let path = self.0.lock().unwrap();
        path.as_ref()
            .is_some_and(|path| fs::metadata(path).is_ok_and(|found| found.len() > 0))
    }
}

const FRONT: &str = "clusterctl-front";

#[test]
fn a_cut_connection_ends_nothing_and_the_outcome_is_found_over_a_new_one() {
    for killed in [false, true] {
        let running = Later::default();
        let seen = running.clone();
        let wire = Wire::new(move |script, before| {
            let seen = seen.clone();
            match (script, before) {
                (FRONT, 0) if killed => Fate::KilledWhen(Box::new(move || seen.is_there())),
                (FRONT, 0) => Fate::CutWhen(Box::new(move || seen.is_there())),
                _ => Fate::Runs,
            }
        });
        let bench = wire.bench();
        let waiting = Waiting::on(&bench);
        running.is(&waiting.pid);
        wire.scripts();
        std::thread::scope(|scope| {
            let work = scope.spawn(|| bench.act("step", &waiting.action()));
            wait_until("the node is asked again", || {
                wire.ran.lock().unwrap().iter().any(|name| name != FRONT)
            });
            assert!(lives(waiting.runs().unwrap()), "it goes on");
            waiting.may_end();
            assert_eq!(work.join().unwrap(), Ok(()), "killed: {killed}");
        });
        assert_eq!(waiting.times(), 1);
        assert_eq!(bench.stamp("step"), Reading::text("done"));
        assert_eq!(bench.settle("step"), Ok(Some(Ok(()))));
        // The one that was cut, by which the node was claimed too, and a new one.
        assert!(wire.connections.load(Ordering::Relaxed) >= 2);
    }
}

#[test]
fn a_node_that_stays_away_leaves_a_doubt_that_it_settles_later() {
    let (running, away) = (Later::default(), Arc::new(AtomicBool::new(false)));
    let (seen, gone) = (running.clone(), Arc::clone(&away));
    let wire = Wire::new(move |script, before| {
        let (seen, gone) = (seen.clone(), Arc::clone(&gone));
        match (script, before) {
            (FRONT, 0) => Fate::CutWhen(Box::new(move || {
                gone.store(true, Ordering::Relaxed);
                seen.is_there()
            })),
            _ if gone.load(Ordering::Relaxed) => Fate::Refused,
            _ => Fate::Runs,
        }
    });
    let bench = wire.bench();
    let waiting = Waiting::on(&bench);
    running.is(&waiting.pid);
    let fault = bench.act("step", &waiting.action()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::LostOutcome, "{fault}");
    assert!(fault.what.starts_with("the connection broke"), "{fault}");
    let fault = bench.settle("step").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    waiting.may_end();
    away.store(false, Ordering::Relaxed);
    assert_eq!(bench.settle("step"), Ok(Some(Ok(()))));
    assert_eq!(waiting.times(), 1);
}

#[test]
fn what_did_not_arrive_whole_is_not_begun() {
    let wire = Wire::new(|script, before| match (script, before) {
        (FRONT, 0) => Fate::HalfOfIt,
        _ => Fate::Runs,
    });
    let bench = wire.bench();
    let copy = bench.path("copy");
    let action = Action::Run {
        argv: Argv::new(["sh", "-c", "cat >\"$1\"", "sh", copy.to_str().unwrap()]),
        dir: None,
        stdin: vec![secret_value(), Value::from("x".repeat(100_000).as_str())],
        success: vec![0],
    };
    let fault = bench.act("step", &action).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(!copy.exists());
    assert_eq!(bench.stamp("step"), Reading::Absent);
    let effects = bench.state(&format!("runs/{}/effects", bench.run));
    for name in names(&effects) {
        let content = fs::read_to_string(effects.join(&name)).unwrap();
        assert!(!content.contains(CANARY), "{name}");
    }
    bench.act("step", &action).unwrap();
    assert_eq!(
        fs::metadata(&copy).unwrap().len(),
        100_000 + CANARY.len() as u64
    );
}

#[test]
fn a_cut_in_mid_effect_can_still_be_broken_off() {
    let running = Later::default();
    let seen = running.clone();
    let wire = Wire::new(move |script, before| {
        let seen = seen.clone();
        match (script, before) {
            (FRONT, 0) => Fate::CutWhen(Box::new(move || seen.is_there())),
            _ => Fate::Runs,
        }
    });
    let bench = wire.bench();
    let waiting = Waiting::on(&bench);
    running.is(&waiting.pid);
    wire.scripts();
    let fault = std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.act("step", &waiting.action()));
        wait_until("the node is asked again", || {
            wire.ran.lock().unwrap().iter().any(|name| name != FRONT)
        });
        bench.cancel.cancel();
        work.join().unwrap().unwrap_err()
    });
    assert_eq!(fault.kind, FaultKind::Cancelled, "{fault}");
    assert!(!lives(waiting.runs().unwrap()));
}

#[test]
fn a_runner_that_slept_past_its_lease_has_no_effect_any_more() {
    let taken = Arc::new(AtomicBool::new(false));
    let folder = Later::default();
    let (took, place) = (Arc::clone(&taken), folder.clone());
    // The runner falls asleep after it has looked at everything, and wakes when another has the node.
    let wire = Wire::new(move |script, _| {
        let place = place.0.lock().unwrap().clone();
        if let (FRONT, Some(path), false) = (script, place, took.load(Ordering::Relaxed)) {
            let bench = Bench::unclaimed();
            let world = world_in(&path);
            let claim = Claim {
                wait: Millis::secs(30),
                ..bench.wish()
            };
            assert_eq!(world.claim(&bench.node, &claim), Ok(Epoch(2)));
            took.store(true, Ordering::Relaxed);
        }
        Fate::Runs
    });
    let mut bench = Bench::unclaimed();
    bench.world = wire.world(&bench);
    folder.is(bench.folder.path());
    let short = Claim {
        lease: Millis(500),
        ..bench.wish()
    };
    bench.epoch = bench.claim(&short).unwrap();
    let touched = bench.path("touched");
    let touch = run(&["touch", touched.to_str().unwrap()]);
    let fault = bench.act("step", &touch).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fenced, "{fault}");
    assert!(taken.load(Ordering::Relaxed));
    assert!(!touched.exists());
    // The node's own record has no word of it.
    assert_eq!(bench.stamp("step"), Reading::Absent);
    let effects = bench.state(&format!("runs/{}/effects", bench.run));
    assert_eq!(names(&effects), [""; 0]);
    let holding = bench.holding();
    for fault in [
        bench.world.renew(&bench.node, &holding),
        bench.world.keep(&bench.node, &holding, b"late\n"),
        bench.world.release(&bench.node, &holding, &Release::Free),
    ] {
        assert_eq!(fault.unwrap_err().kind, FaultKind::Fenced);
    }
    let record = bench.world.holder(&bench.node).unwrap();
    assert_eq!(record.holder.unwrap().epoch, Epoch(2));
}

#[test]
fn a_lease_that_ended_while_its_runner_slept_is_not_prolonged() {
    let sleep = Arc::new(AtomicBool::new(false));
    let asleep = Arc::clone(&sleep);
    let wire = Wire::new(move |script, _| {
        if script == "clusterctl-hold_swap" && asleep.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(700));
        }
        Fate::Runs
    });
    let mut bench = Bench::unclaimed();
    bench.world = wire.world(&bench);
    let short = Claim {
        lease: Millis(600),
        ..bench.wish()
    };
    bench.epoch = bench.claim(&short).unwrap();
    sleep.store(true, Ordering::Relaxed);
    let fault = bench
        .world
        .renew(&bench.node, &bench.holding())
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fenced, "{fault}");
}

#[test]
fn each_errand_is_one_command_on_the_node() {
    let wire = Wire::new(|_, _| Fate::Runs);
    let bench = wire.bench();
    assert_eq!(
        wire.scripts(),
        ["clusterctl-hold_look", "clusterctl-hold_swap"]
    );
    bench.world.renew(&bench.node, &bench.holding()).unwrap();
    bench.world.renew(&bench.node, &bench.holding()).unwrap();
    assert_eq!(
        wire.scripts(),
        ["clusterctl-hold_swap", "clusterctl-hold_swap"]
    );
    bench
        .world
        .keep(&bench.node, &bench.holding(), b"line\n")
        .unwrap();
    assert_eq!(wire.scripts(), ["clusterctl-keep"]);
    bench.act("step", &run(&["true"])).unwrap();
    assert_eq!(wire.scripts(), [FRONT]);
    bench.settle("step").unwrap();
    assert_eq!(wire.scripts(), ["clusterctl-await"]);
    bench
        .look(&Probe::Command {
            argv: Argv::new(["true"]),
        })
        .unwrap();
    assert_eq!(wire.scripts().len(), 1);
    bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Free)
        .unwrap();
    assert_eq!(wire.scripts(), ["clusterctl-hold_swap"]);
    assert_eq!(
        wire.connections.load(Ordering::Relaxed),
        2,
        "one for work, and one for holding the node"
    );
}

#[test]
fn a_lease_is_renewed_while_an_effect_has_its_connection() {
    let wire = Wire::new(|_, _| Fate::Runs);
    let bench = wire.bench();
    let waiting = Waiting::on(&bench);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.act("step", &waiting.action()));
        wait_until("it runs", || waiting.runs().is_some());
        bench.world.renew(&bench.node, &bench.holding()).unwrap();
        waiting.may_end();
        work.join().unwrap().unwrap();
    });
}

#[test]
fn a_swap_whose_answer_was_lost_is_recognised() {
    let cut = Arc::new(AtomicBool::new(true));
    let cuts = Arc::clone(&cut);
    let wire = Wire::new(move |script, _| {
        let is_swap = script == "clusterctl-hold_swap" || script == "clusterctl-keep";
        if is_swap && cuts.swap(false, Ordering::Relaxed) {
            // It runs to its end, and nobody hears of it.
            return Fate::CutWhen(Box::new(|| false));
        }
        Fate::Runs
    });
    let bench = wire.bench();
    assert_eq!(bench.epoch, Epoch(1), "taken once");
    cut.store(true, Ordering::Relaxed);
    bench.world.renew(&bench.node, &bench.holding()).unwrap();
    cut.store(true, Ordering::Relaxed);
    let line = b"{\"sum\":\"0\",\"rec\":{\"seq\":1}}\n";
    bench
        .world
        .keep(&bench.node, &bench.holding(), line)
        .unwrap();
    let kept = bench.world.kept(&bench.node, &bench.run).unwrap();
    assert_eq!(kept, line, "kept once");
}

#[test]
fn a_node_that_is_taken_after_the_look_for_it_is_taken() {
    let (begins, ended) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let wire = Wire::new(move |script, before| match (script, before) {
        ("clusterctl-hold_swap", 0) => {
            let begins = Arc::clone(&begins);
            Fate::Late(
                Box::new(move || begins.load(Ordering::Acquire)),
                Arc::clone(&ended),
            )
        }
        // The look after the cut found nothing; before the next one, the record is written after all.
        ("clusterctl-hold_look", 2) => {
            begins.store(true, Ordering::Release);
            wait_until("the node is taken", || ended.load(Ordering::Acquire));
            Fate::Runs
        }
        _ => Fate::Runs,
    });
    let bench = wire.bench();
    assert_eq!(bench.epoch, Epoch(1), "taken once");
    bench.world.renew(&bench.node, &bench.holding()).unwrap();
    let looks = wire.scripts();
    let looks = looks.iter().filter(|name| *name == "clusterctl-hold_look");
    assert!(looks.count() >= 3, "it was looked for in between");
}

/// Two runners on one node, and one hands it over to the other.
#[test]
fn a_node_changes_hands_between_runners() {
    let mut bench = Bench::unclaimed();
    let other = world_in(bench.folder.path());
    let of_the_dead = Claim {
        runner: dead_runner(),
        ..bench.wish()
    };
    let holding = |epoch| Holding {
        run: bench.run.clone(),
        epoch,
        lease: Millis::secs(60),
    };
    let said = |action: &Action, epoch| {
        let step = step("said");
        let mut call = bench.call(&step, Direction::Do, Millis::secs(30));
        call.epoch = epoch;
        other.perform(&call, action)
    };
    let failing = run(&["sh", "-c", "echo why >&2; exit 4"]);

    // From this runner to the other.
    let epoch = other.claim(&bench.node, &of_the_dead).unwrap();
    other.keep(&bench.node, &holding(epoch), b"one\n").unwrap();
    let fault = said(&failing, epoch).unwrap_err();
    let epoch = bench.claim(&of_the_dead).unwrap();
    assert_eq!(epoch, Epoch(2));
    assert_eq!(
        bench.world.holder(&bench.node).unwrap(),
        other.holder(&bench.node).unwrap()
    );
    assert_eq!(
        other
            .keep(&bench.node, &holding(Epoch(1)), b"x\n")
            .unwrap_err()
            .kind,
        FaultKind::Fenced
    );
    bench
        .world
        .keep(&bench.node, &holding(epoch), b"two\n")
        .unwrap();
    assert_eq!(other.kept(&bench.node, &bench.run).unwrap(), b"one\ntwo\n");
    assert_eq!(bench.settle("said"), Ok(Some(Err(fault))));
    assert_eq!(bench.stamp("said"), Reading::text("begun"));

    // And back.
    bench.epoch = epoch;
    bench.act("said", &run(&["true"])).unwrap();
    let fault = bench.act("failed", &failing).unwrap_err();
    let epoch = other.claim(&bench.node, &bench.wish()).unwrap();
    assert_eq!(epoch, Epoch(3));
    for (slug, outcome) in [("said", Ok(())), ("failed", Err(fault))] {
        let step = step(slug);
        let mut call = bench.call(&step, Direction::Do, Millis::secs(30));
        call.epoch = epoch;
        assert_eq!(other.settle(&call), Ok(Some(outcome)), "{slug}");
    }
    let undone = {
        let step = step("said");
        let mut call = bench.call(&step, Direction::Undo, Millis::secs(30));
        call.epoch = epoch;
        other.perform(&call, &run(&["true"]))
    };
    assert_eq!(undone, Ok(()));
    bench.epoch = epoch;
    assert_eq!(bench.stamp("said"), Reading::Absent);
    bench.act("said", &run(&["true"])).unwrap();
    assert_eq!(bench.stamp("said"), Reading::text("done"));
}

#[test]
fn every_shell_and_busybox_keep_the_fence() {
    let folder = tempfile::tempdir().unwrap();
    let tools = folder.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let which = |program: &str| {
        let found = ["/usr/bin", "/bin", "/usr/sbin"].map(|folder| Path::new(folder).join(program));
        found.into_iter().find(|path| path.exists())
    };
    let busybox = which("busybox").expect("busybox is missing; see .ci/install");
    for applet in [
        "sh", "cat", "cksum", "cut", "date", "dd", "df", "dirname", "env", "head", "id", "ls",
        "mkdir", "mv", "readlink", "rm", "sed", "setsid", "sleep", "stat", "sync", "tail", "tr",
        "wc",
    ] {
        symlink(&busybox, tools.join(applet)).unwrap();
    }
    symlink(which("flock").unwrap(), tools.join("flock")).unwrap();
    for (program, only_busybox) in [
        ("dash", false),
        ("bash", false),
        ("busybox", false),
        ("busybox", true),
        ("ksh", false),
        ("zsh", false),
    ] {
        let program_path = which(program).unwrap_or_else(|| panic!("{program} is missing"));
        let own = tempfile::tempdir().unwrap();
        let shell = own.path().join("sh");
        symlink(program_path, &shell).unwrap();
        let wire = Wire::with_shell(&shell, only_busybox.then_some(tools.as_path()));
        let bench = wire.bench();
        let case = format!("{program}, only busybox: {only_busybox}");
        bench.world.renew(&bench.node, &bench.holding()).unwrap();
        for line in ["one\n", "two \u{144}\u{e9} \\ ' \"\n"] {
            let holding = bench.holding();
            bench
                .world
                .keep(&bench.node, &holding, line.as_bytes())
                .unwrap();
        }
        let kept = bench.world.kept(&bench.node, &bench.run).unwrap();
        assert_eq!(
            String::from_utf8(kept).unwrap(),
            "one\ntwo \u{144}\u{e9} \\ ' \"\n",
            "{case}"
        );
        let copy = bench.path("copy");
        let action = Action::Run {
            argv: Argv::new(["sh", "-c", "cat >\"$1\"", "sh", copy.to_str().unwrap()]),
            dir: None,
            stdin: vec![secret_value(), Value::from("\n\u{144}\n\n")],
            success: vec![0],
        };
        assert_eq!(bench.act("read", &action), Ok(()), "{case}");
        assert_eq!(
            fs::read_to_string(&copy).unwrap(),
            format!("{CANARY}\n\u{144}\n\n"),
            "{case}"
        );
        let killed = run(&["sh", "-c", "echo said >&2; kill -9 $$"]);
        let fault = bench.act("killed", &killed).unwrap_err();
        assert!(fault.what.contains("exit code 137"), "{case}: {fault}");
        assert!(fault.what.contains("| said"), "{case}: {fault}");
        assert_eq!(bench.settle("killed"), Ok(Some(Err(fault))), "{case}");
        assert_eq!(bench.act("killed", &run(&["true"])), Ok(()), "{case}");
        assert_eq!(bench.stamp("killed"), Reading::text("done"), "{case}");
        assert_eq!(bench.undo("killed", &run(&["true"])), Ok(()), "{case}");
        assert_eq!(bench.stamp("killed"), Reading::Absent, "{case}");
        let waiting = Waiting::on(&bench);
        let fault = bench
            .perform("long", Direction::Do, &waiting.action(), Millis(1500))
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::TimedOut, "{case}: {fault}");
        assert!(!lives(waiting.runs().unwrap()), "{case}");
        let code = bench.look(&Probe::Command {
            argv: Argv::new(["sh", "-c", "exit 9"]),
        });
        assert_eq!(code, Ok(Reading::Number(9)), "{case}");
        let space = bench.look(&Probe::FreeSpace {
            path: bench.remote("not/there"),
        });
        assert!(
            matches!(space, Ok(Reading::Number(bytes)) if bytes > 0),
            "{case}: {space:?}"
        );
        let late = Holding {
            epoch: Epoch(9),
            ..bench.holding()
        };
        let fault = bench.world.keep(&bench.node, &late, b"x\n").unwrap_err();
        assert_eq!(fault.kind, FaultKind::Fenced, "{case}");
        bench
            .world
            .release(&bench.node, &bench.holding(), &Release::Free)
            .unwrap();
    }
}

#[test]
fn a_user_without_rights_has_a_folder_of_its_own() {
    if !is_root() {
        eprintln!("NOT TESTED: another user, because only root can be one");
        return;
    }
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let wire = Wire::under(&nobody);
    let mut bench = Bench::unclaimed();
    bench.world = wire.world(&bench);
    match bench.claim(&bench.wish()) {
        Err(ClaimError::Fault(fault)) => {
            assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
            assert!(fault.what.contains("Permission denied"), "{fault}");
            let hint = fault.hint.unwrap();
            assert!(hint.contains("set `state_dir` to one"), "{hint}");
        }
        other => panic!("{other:?}"),
    }
    std::os::unix::fs::chown(bench.folder.path(), Some(65534), Some(65534)).unwrap();
    bench.epoch = bench.claim(&bench.wish()).unwrap();
    let id = bench.path("id");
    let action = run(&["sh", "-c", "id -u >\"$1\"", "sh", id.to_str().unwrap()]);
    bench.act("id", &action).unwrap();
    assert_eq!(bench.content("id"), "65534\n");
    let holding = bench.holding();
    bench.world.keep(&bench.node, &holding, b"one\n").unwrap();
    bench.world.renew(&bench.node, &holding).unwrap();
    bench
        .world
        .release(&bench.node, &holding, &Release::Free)
        .unwrap();
}
