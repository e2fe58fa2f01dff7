//! Who holds a node, and who may not.

use std::process::{Command, Stdio};
use std::sync::Barrier;

use clusterctl::engine::{
    Claim, ClaimError, Ending, Entry, Epoch, FaultKind, Holder, JOURNAL_FORMAT, Record, Release,
    World as _,
};
use clusterctl::plan::{Action, Millis, RunId, Sha256};
use clusterctl::world::this_runner;

use super::bench::{Bench, dead_runner, remote, this_test, world_in};

fn held(result: Result<Epoch, ClaimError>) -> Holder {
    match result {
        Err(ClaimError::Held(holder)) => *holder,
        other => panic!("not held: {other:?}"),
    }
}

fn other() -> RunId {
    "20260131-030000-zzzz".parse().unwrap()
}

#[test]
fn a_node_is_taken_held_and_given_up() {
    let mut bench = Bench::unclaimed();
    assert_eq!(bench.world.holder(&bench.node).unwrap().holder, None);
    assert!(!bench.path("state").exists(), "looking makes nothing");

    bench.epoch = bench.claim(&bench.wish()).unwrap();
    assert_eq!(bench.epoch, Epoch(1));
    let record = bench.world.holder(&bench.node).unwrap();
    let holder = record.holder.unwrap();
    assert_eq!((holder.run, holder.epoch), (bench.run.clone(), Epoch(1)));
    assert_eq!(holder.runner, this_runner());
    assert_eq!(record.history, [bench.run.clone()]);

    let before = bench
        .world
        .holder(&bench.node)
        .unwrap()
        .holder
        .unwrap()
        .until;
    bench.world.renew(&bench.node, &bench.holding()).unwrap();
    let after = bench
        .world
        .holder(&bench.node)
        .unwrap()
        .holder
        .unwrap()
        .until;
    assert!(after > before);

    bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Free)
        .unwrap();
    let record = bench.world.holder(&bench.node).unwrap();
    assert_eq!(record.holder, None);
    assert_eq!(record.history, [bench.run.clone()]);

    let again = Claim {
        run: other(),
        ..bench.wish()
    };
    assert_eq!(bench.claim(&again), Ok(Epoch(2)));
}

#[test]
fn an_unused_hold_leaves_no_trace_in_the_history() {
    let bench = Bench::new();
    bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Unused)
        .unwrap();
    let record = bench.world.holder(&bench.node).unwrap();
    assert_eq!((record.holder, record.history), (None, vec![]));
}

#[test]
fn an_unfinished_run_keeps_others_out_whatever_became_of_its_runner() {
    let bench = Bench::unclaimed();
    let other = Claim {
        run: other(),
        ..bench.wish()
    };
    let lapsed = Claim {
        lease: Millis(0),
        ..bench.wish()
    };
    let dead = Claim {
        runner: dead_runner(),
        ..bench.wish()
    };
    for first in [lapsed, dead] {
        let epoch = bench.claim(&first).unwrap();
        assert_eq!(held(bench.claim(&other)).run, bench.run);
        let instead = Claim {
            instead_of: Some(bench.run.clone()),
            ..other.clone()
        };
        let next = bench.claim(&instead).unwrap();
        assert_eq!(next.0, epoch.0 + 1);
        let record = bench.world.holder(&bench.node).unwrap();
        assert_eq!(record.history, [bench.run.clone(), other.run.clone()]);
        let holding = clusterctl::engine::Holding {
            run: other.run.clone(),
            epoch: next,
            lease: Millis(0),
        };
        bench
            .world
            .release(&bench.node, &holding, &Release::Free)
            .unwrap();
    }
}

#[test]
fn a_run_that_goes_on_is_not_resumed() {
    let bench = Bench::new();
    assert_eq!(held(bench.claim(&bench.wish())).epoch, bench.epoch);
    let instead = Claim {
        run: other(),
        instead_of: Some(bench.run.clone()),
        ..bench.wish()
    };
    held(bench.claim(&instead));

    bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Unfinished)
        .unwrap();
    let holder = held(bench.claim(&Claim {
        run: other(),
        ..bench.wish()
    }));
    assert_eq!(holder.until, None);
    assert_eq!(bench.claim(&bench.wish()), Ok(Epoch(2)));
}

#[test]
fn a_runner_elsewhere_keeps_its_hold_until_its_lease_ends() {
    let bench = Bench::unclaimed();
    let mut elsewhere = dead_runner();
    elsewhere.boot = "another machine".to_owned();
    bench
        .claim(&Claim {
            runner: elsewhere,
            ..bench.wish()
        })
        .unwrap();
    held(bench.claim(&bench.wish()));
}

#[test]
fn a_claim_waits_for_the_lease_to_end() {
    let bench = Bench::unclaimed();
    let short = Claim {
        lease: Millis(300),
        ..bench.wish()
    };
    bench.claim(&short).unwrap();
    let patient = Claim {
        wait: Millis::secs(20),
        ..bench.wish()
    };
    assert_eq!(bench.claim(&patient), Ok(Epoch(2)));
}

#[test]
fn who_lost_the_node_does_nothing() {
    let mut bench = Bench::unclaimed();
    let file = bench.file("a.txt", "old");
    let write = Action::WriteFile {
        path: remote(&file),
        content: vec!["new".into()],
        mode: None,
    };
    let run = Action::Run {
        argv: clusterctl::plan::Argv::new(["touch", bench.path("touched").to_str().unwrap()]),
        dir: None,
        stdin: vec![],
        success: vec![0],
    };
    // The lease is over.
    bench.epoch = bench
        .claim(&Claim {
            lease: Millis(0),
            ..bench.wish()
        })
        .unwrap();
    let all_fenced = |bench: &Bench| {
        for action in [&write, &run] {
            let fault = bench.act("late", action).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Fenced, "{fault}");
        }
        let fault = bench
            .world
            .renew(&bench.node, &bench.holding())
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::Fenced, "{fault}");
    };
    all_fenced(&bench);
    // The run was resumed elsewhere.
    bench.claim(&bench.wish()).unwrap();
    all_fenced(&bench);
    let fault = bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Free)
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Fenced);
    // Nobody holds it.
    bench.epoch = Epoch(2);
    bench
        .world
        .release(&bench.node, &bench.holding(), &Release::Free)
        .unwrap();
    all_fenced(&bench);
    assert_eq!(bench.content("a.txt"), "old");
    assert_eq!(bench.names(), ["a.txt"]);
    assert_eq!(bench.stamp("late"), clusterctl::plan::Reading::Absent);
}

#[test]
fn of_many_threads_one_gets_the_node() {
    for _ in 0..100 {
        let bench = Bench::unclaimed();
        let start = Barrier::new(4);
        let won: Vec<bool> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..4)
                .map(|salt| {
                    let claim = Claim {
                        run: RunId::new(jiff::Timestamp::UNIX_EPOCH, salt),
                        ..bench.wish()
                    };
                    let (bench, start) = (&bench, &start);
                    scope.spawn(move || {
                        start.wait();
                        bench.claim(&claim).is_ok()
                    })
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    }
}

/// The other process of the next test; it does nothing when it is run as a test.
#[test]
fn claimant() {
    let Ok(folder) = std::env::var("CLUSTERCTL_TEST_CLAIMANT") else {
        return;
    };
    let salt = std::env::var("CLUSTERCTL_TEST_SALT")
        .unwrap()
        .parse()
        .unwrap();
    let bench = Bench::unclaimed();
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).unwrap() > 0 {
        let world = world_in(&std::path::Path::new(&folder).join(line.trim()));
        let claim = Claim {
            run: RunId::new(jiff::Timestamp::UNIX_EPOCH, salt),
            ..bench.wish()
        };
        println!(
            "\n{}",
            if world.claim(&bench.node, &claim).is_ok() {
                "won"
            } else {
                "lost"
            }
        );
        line.clear();
    }
}

#[test]
fn of_two_processes_one_gets_the_node() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let folder = tempfile::tempdir().unwrap();
    let mut children: Vec<_> = (0..2)
        .map(|salt: u32| {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    &this_test(module_path!(), "claimant"),
                    "--nocapture",
                ])
                .env("CLUSTERCTL_TEST_CLAIMANT", folder.path())
                .env("CLUSTERCTL_TEST_SALT", salt.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap()).lines();
            (child, output)
        })
        .collect();
    for round in 0..100 {
        std::fs::create_dir(folder.path().join(round.to_string())).unwrap();
        for (child, _) in &mut children {
            writeln!(child.stdin.as_mut().unwrap(), "{round}").unwrap();
        }
        let won = children
            .iter_mut()
            .map(|(_, output)| {
                output
                    .find_map(|line| match line.unwrap().as_str() {
                        "won" => Some(true),
                        "lost" => Some(false),
                        _ => None,
                    })
                    .unwrap()
            })
            .filter(|won| *won)
            .count();
        assert_eq!(won, 1, "round {round}");
    }
    for (mut child, output) in children {
        drop(child.stdin.take());
        output.for_each(drop);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_folder_that_others_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::unclaimed();
    let state = bench.path("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).unwrap();
    match bench.claim(&bench.wish()) {
        Err(ClaimError::Fault(fault)) => {
            assert_eq!(fault.kind, FaultKind::Denied);
            assert!(fault.hint.unwrap().starts_with("chmod 700"));
        }
        other => panic!("{other:?}"),
    }
    std::fs::remove_dir(&state).unwrap();
    std::fs::write(&state, "").unwrap();
    assert!(matches!(
        bench.claim(&bench.wish()),
        Err(ClaimError::Fault(_))
    ));
}

#[test]
fn a_record_of_a_newer_program_is_left_alone() {
    let bench = Bench::new();
    let path = bench.state("lock.json");
    let newer = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\"format\": 1", "\"format\": 2");
    std::fs::write(&path, &newer).unwrap();
    let fault = bench.world.holder(&bench.node).unwrap_err();
    assert!(fault.what.contains("format 2"), "{fault}");
    assert!(matches!(
        bench.claim(&bench.wish()),
        Err(ClaimError::Fault(_))
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn the_journal_is_kept_line_by_line() {
    let bench = Bench::new();
    assert_eq!(bench.world.kept(&bench.node, &bench.run).unwrap(), b"");
    bench
        .world
        .keep(&bench.node, &bench.holding(), b"one\n")
        .unwrap();
    bench
        .world
        .keep(&bench.node, &bench.holding(), b"two")
        .unwrap();
    assert_eq!(
        bench.world.kept(&bench.node, &bench.run).unwrap(),
        b"one\ntwo\n"
    );
    // A power cut in the middle of a line, which nobody was told is there.
    let journal = bench.state(&format!("runs/{}/journal.jsonl", bench.run));
    std::fs::write(&journal, "one\ntw").unwrap();
    bench
        .world
        .keep(&bench.node, &bench.holding(), b"three\n")
        .unwrap();
    assert_eq!(
        bench.world.kept(&bench.node, &bench.run).unwrap(),
        b"one\nthree\n"
    );
    // Several at once, of which an earlier attempt may have left some.
    let line = |seq: u32| format!("{{\"sum\":\"0\",\"rec\":{{\"seq\":{seq}}}}}\n");
    let (before, lines) = (line(1) + &line(3), line(4) + &line(5) + &line(6));
    let left = [
        String::new(),
        line(4)[..20].to_owned(),
        line(4),
        line(4) + &line(5) + &line(6)[..9],
    ];
    for left in left {
        std::fs::write(&journal, format!("{before}{left}")).unwrap();
        for _ in 0..2 {
            let holding = bench.holding();
            let kept = bench.world.keep(&bench.node, &holding, lines.as_bytes());
            assert_eq!(kept, Ok(()), "{left:?}");
            let all = bench.world.kept(&bench.node, &bench.run).unwrap();
            assert_eq!(all, format!("{before}{lines}").as_bytes(), "{left:?}");
        }
    }
}

#[test]
fn the_record_is_read_and_changed_in_one_turn() {
    let bench = Bench::new();
    let lock = std::fs::File::open(bench.state("claim.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    bench.world.holder(&bench.node).unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let (bench, send) = (&bench, &send);
        scope.spawn(move || {
            bench.world.renew(&bench.node, &bench.holding()).unwrap();
            send.send("renewed").unwrap();
        });
        scope.spawn(move || {
            let claim = Claim {
                run: other(),
                ..bench.wish()
            };
            assert!(matches!(bench.claim(&claim), Err(ClaimError::Held(_))));
            send.send("refused").unwrap();
        });
        let early = receive.recv_timeout(std::time::Duration::from_millis(200));
        drop(lock);
        assert!(early.is_err(), "{early:?} while somebody else had the turn");
    });
}

/// A journal that says how its run ended, if it did.
fn journal(run: &RunId, undoes: Option<&RunId>, ending: Option<Ending>) -> Vec<u8> {
    let started = Entry::Started {
        format: JOURNAL_FORMAT,
        tool: "test".to_owned(),
        run: run.clone(),
        digest: Sha256::of(b""),
        runner: this_runner(),
        approved_by: None,
        undoes: undoes.cloned(),
    };
    let ended = ending.map(|ending| Entry::Ended {
        ending,
        state: "well".to_owned(),
    });
    let mut lines = Vec::new();
    for (seq, entry) in (1..).zip([Some(started), ended].into_iter().flatten()) {
        let at = jiff::Timestamp::now();
        lines.extend(Record { seq, at, entry }.line());
    }
    lines
}

#[test]
fn who_died_after_the_end_of_its_run_keeps_nobody_out() {
    let done = Some(Ending::Done);
    let undone = Some(Ending::Undone { by: None });
    for (ending, undoes, runner, is_free) in [
        (done.clone(), None, dead_runner(), true),
        (Some(Ending::DoneWithFailures), None, dead_runner(), true),
        // Its runner may be about to give the node up.
        (done.clone(), None, this_runner(), false),
        // There is more to tidy up.
        (done, Some(other()), dead_runner(), false),
        (undone, None, dead_runner(), false),
        (None, None, dead_runner(), false),
    ] {
        let what = format!("{ending:?} {undoes:?}");
        let mut bench = Bench::unclaimed();
        let first = Claim {
            runner,
            ..bench.wish()
        };
        bench.epoch = bench.claim(&first).unwrap();
        let lines = journal(&bench.run, undoes.as_ref(), ending);
        bench
            .world
            .keep(&bench.node, &bench.holding(), &lines)
            .unwrap();
        let next = Claim {
            run: "20260131-040000-yyyy".parse().unwrap(),
            ..bench.wish()
        };
        if !is_free {
            assert_eq!(held(bench.claim(&next)).run, bench.run, "{what}");
            continue;
        }
        assert_eq!(bench.claim(&next), Ok(Epoch(2)), "{what}");
        let record = bench.world.holder(&bench.node).unwrap();
        assert_eq!(record.history, [bench.run.clone(), next.run.clone()]);
        // Who changes nothing gives it back as it was: free.
        let holding = clusterctl::engine::Holding {
            run: next.run,
            epoch: Epoch(2),
            lease: Millis(0),
        };
        bench
            .world
            .release(&bench.node, &holding, &Release::Unused)
            .unwrap();
        let record = bench.world.holder(&bench.node).unwrap();
        assert_eq!(record.holder, None, "{what}");
    }
}
