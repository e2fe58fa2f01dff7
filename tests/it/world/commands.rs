//! Effects that commands have: under the lock, with their outcome on the node, without secrets where others look.

use std::fs;
use std::time::Instant;

use clusterctl::engine::{Direction, FaultKind, World as _};
use clusterctl::plan::{
    Action, Argv, Millis, Probe, Reading, RemotePath, Service, ServiceState, Value,
};

use super::bench::{Bench, CANARY, lives, names, secret_value, wait_until};

fn run(words: &[&str]) -> Action {
    Action::Run {
        argv: Argv::new(words.iter().copied()),
        dir: None,
        stdin: vec![],
        success: vec![0],
    }
}

fn sh(script: &str, arguments: &[&str]) -> Action {
    let mut words = vec!["sh", "-c", script, "sh"];
    words.extend(arguments);
    run(&words)
}

fn pid_in(path: &std::path::Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim_end().parse().ok()
}

#[test]
fn a_command_runs_and_its_outcome_stays_on_the_node() {
    let bench = Bench::new();
    assert_eq!(bench.stamp("try"), Reading::Absent);
    assert_eq!(bench.act("try", &run(&["true"])), Ok(()));
    assert_eq!(bench.stamp("try"), Reading::text("done"));
    assert_eq!(bench.settle("try"), Ok(Some(Ok(()))));
    assert_eq!(bench.settle("never"), Ok(None));

    let picky = Action::Run {
        argv: Argv::new(["sh", "-c", "exit 3"]),
        dir: None,
        stdin: vec![],
        success: vec![0, 3],
    };
    assert_eq!(bench.act("picky", &picky), Ok(()));
}

#[test]
fn arguments_arrive_byte_by_byte() {
    let bench = Bench::new();
    let odd: String = (1..=127_u8).map(char::from).chain("é☃".chars()).collect();
    let words = [
        "-n",
        "",
        "a b",
        "*",
        "~",
        "$HOME",
        "`id`",
        "x=y",
        "--",
        "\\",
        "'\"",
        odd.as_str(),
    ];
    let out = bench.path("out");
    let script = r#"out=$1; shift; printf '%s\0' "$@" >"$out""#;
    let mut all = vec![out.to_str().unwrap()];
    all.extend(words);
    bench.act("say", &sh(script, &all)).unwrap();
    let expected: String = words.iter().flat_map(|word| [*word, "\0"]).collect();
    assert_eq!(fs::read_to_string(&out).unwrap(), expected);
    // Long ones are no trouble, as long as the system itself takes them.
    let long = "x".repeat(100_000);
    let script = r#"out=$1; shift; echo "$# ${#1} ${#6}" >"$out""#;
    let mut all = vec![out.to_str().unwrap()];
    all.extend([long.as_str(); 6]);
    bench.act("long", &sh(script, &all)).unwrap();
    assert_eq!(fs::read_to_string(&out).unwrap(), "6 100000 100000\n");
    let longer = "x".repeat(200_000);
    let fault = bench.act("longer", &run(&["true", &longer])).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed, "{fault}");
    assert!(fault.what.contains("too long"), "{fault}");
    // A word that shells understand themselves is a program here.
    let fault = bench.act("builtin", &run(&["exit", "0"])).unwrap_err();
    assert!(fault.what.contains("exit code 12"), "126 or 127: {fault}");
}

#[test]
fn a_failure_says_what_the_command_said_without_secrets() {
    let bench = Bench::new();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $i >&2; done; read -r p; \
                  printf 'the password is %s\\033[31m\\n' \"$p\" >&2; exit 4";
    let action = Action::Run {
        argv: Argv::new(["sh", "-c", script]),
        dir: None,
        stdin: vec![secret_value(), Value::from("\n")],
        success: vec![0],
    };
    let fault = bench.act("fail", &action).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(
        fault.what.contains("ended with exit code 4; it wrote:"),
        "{fault}"
    );
    assert!(fault.what.contains("\n  | line 3\n"), "{fault}");
    assert!(
        !fault.what.contains("line 2\n"),
        "only the last lines: {fault}"
    );
    assert!(
        fault.what.ends_with("the password is ****\u{fffd}[31m"),
        "{fault}"
    );
    assert!(fault.hint.as_ref().unwrap().contains("+fail.do.err"));
    assert_eq!(bench.stamp("fail"), Reading::text("begun"));
    assert_eq!(bench.settle("fail"), Ok(Some(Err(fault))));
}

#[test]
fn secrets_are_read_from_standard_input_and_seen_nowhere_else() {
    let bench = Bench::new();
    let seen = bench.path("seen");
    let script = "cat >\"$1\"; cat \"$1\"; cat \"$1\" >&2; \
                  cat /proc/self/environ /proc/$PPID/environ | tr '\\0' '\\n'; \
                  echo THAT WAS ALL; cat /proc/$$/cmdline /proc/$PPID/cmdline | tr '\\0' '\\n'";
    let action = Action::Run {
        argv: Argv::new(["sh", "-c", script, "sh", seen.to_str().unwrap()]),
        dir: None,
        stdin: vec!["user ".into(), secret_value(), "\n".into()],
        success: vec![0],
    };
    bench.act("login", &action).unwrap();
    assert_eq!(
        fs::read_to_string(&seen).unwrap(),
        format!("user {CANARY}\n")
    );
    fs::remove_file(&seen).unwrap();
    let effects = bench.state(&format!("runs/{}/effects", bench.run));
    let mut looked_at = 0;
    for name in names(&effects) {
        let content = fs::read_to_string(effects.join(&name)).unwrap();
        assert!(!content.contains(CANARY), "{name}: {content}");
        looked_at += content.len();
    }
    assert!(looked_at > 500, "the command told what it saw");
    // What the command repeated is masked as soon as it has ended.
    let err = fs::read_to_string(effects.join("test+local+login.do.err")).unwrap();
    assert_eq!(err, "user ****\n");
    let out = fs::read_to_string(effects.join("test+local+login.do.out")).unwrap();
    assert!(out.starts_with("user ****\n"), "{out}");
    let (environment, _) = out.split_once("THAT WAS ALL").unwrap();
    for line in environment.lines().filter(|line| line.contains('=')) {
        let name = line.split('=').next().unwrap();
        let known = [
            "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "PWD", "OLDPWD",
            "SHLVL", "_",
        ];
        let fits = known.contains(&name)
            || name.starts_with("LC_")
            || !name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        assert!(fits, "{line}");
    }
}

#[test]
fn a_large_input_is_fed_to_readers_and_does_not_block_others() {
    let bench = Bench::new();
    let big = "x".repeat(1 << 20);
    let action = |words: &[&str]| Action::Run {
        argv: Argv::new(words.iter().copied()),
        dir: None,
        stdin: vec![big.as_str().into()],
        success: vec![0],
    };
    let copy = bench.path("copy");
    bench
        .act(
            "read",
            &action(&["sh", "-c", "cat >\"$1\"", "sh", copy.to_str().unwrap()]),
        )
        .unwrap();
    assert_eq!(fs::metadata(&copy).unwrap().len(), 1 << 20);
    bench.act("ignore", &action(&["true"])).unwrap();
}

#[test]
fn a_command_runs_in_its_folder() {
    let bench = Bench::new();
    let mut action = sh("pwd >\"$1\"", &[bench.path("pwd").to_str().unwrap()]);
    bench.act("root", &action).unwrap();
    assert_eq!(bench.content("pwd"), "/\n");
    let Action::Run { dir, .. } = &mut action else {
        unreachable!()
    };
    *dir = Some(RemotePath::new("/usr"));
    bench.act("usr", &action).unwrap();
    assert_eq!(bench.content("pwd"), "/usr\n");
    let Action::Run { dir, .. } = &mut action else {
        unreachable!()
    };
    *dir = Some(bench.remote("nowhere"));
    let fault = bench.act("nowhere", &action).unwrap_err();
    assert!(fault.what.starts_with("there is no folder "), "{fault}");
    assert_eq!(bench.stamp("nowhere"), Reading::Absent);
}

#[test]
fn a_command_without_end_is_ended_with_all_its_children() {
    let bench = Bench::new();
    let script = "echo started >&2; sleep 600 & echo $! >\"$1\"; wait";
    let pid = bench.path("pid");
    let endless = sh(script, &[pid.to_str().unwrap()]);
    let fault = bench
        .perform("long", Direction::Do, &endless, Millis(500))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert!(fault.what.contains("did not end within 500ms"), "{fault}");
    assert!(fault.what.contains("| started"), "{fault}");
    assert!(!lives(pid_in(&pid).unwrap()));
    assert_eq!(bench.settle("long"), Ok(Some(Err(fault))));

    fs::remove_file(&pid).unwrap();
    let fault = std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.act("cut", &endless));
        wait_until("it runs", || pid_in(&pid).is_some());
        bench.cancel.cancel();
        work.join().unwrap().unwrap_err()
    });
    assert_eq!(fault.kind, FaultKind::Cancelled);
    assert!(!lives(pid_in(&pid).unwrap()));
}

#[test]
fn a_command_that_does_not_want_to_end_is_killed() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let stubborn = sh(
        "trap '' TERM; echo $$ >\"$1\"; while :; do sleep 600; done",
        &[pid.to_str().unwrap()],
    );
    let begun = Instant::now();
    let fault = bench
        .perform("stubborn", Direction::Do, &stubborn, Millis(200))
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut);
    assert!(begun.elapsed().as_secs() < 60);
    assert!(!lives(pid_in(&pid).unwrap()));
    // The lock is free again.
    bench.act("next", &run(&["true"])).unwrap();
}

#[test]
fn a_daemon_keeps_neither_the_lock_nor_us() {
    let bench = Bench::new();
    let pid = bench.path("pid");
    let pid_text = pid.to_str().unwrap();
    let service = Service {
        name: "sleeper".to_owned(),
        start: Argv::new([
            "sh",
            "-c",
            "setsid sleep 120 & echo $! >\"$1\"",
            "sh",
            pid_text,
        ]),
        stop: Argv::new([
            "sh",
            "-c",
            "kill $(cat \"$1\") && rm \"$1\"",
            "sh",
            pid_text,
        ]),
        status: Argv::new(["sh", "-c", "test -f \"$1\" || exit 3", "sh", pid_text]),
    };
    let probe = Probe::Service {
        service: service.clone(),
    };
    let to = |to| Action::Service {
        service: service.clone(),
        to,
    };
    assert_eq!(
        bench.look(&probe).unwrap(),
        Reading::Service(ServiceState::Stopped)
    );
    bench.act("start", &to(ServiceState::Running)).unwrap();
    let daemon = pid_in(&pid).unwrap();
    assert!(lives(daemon));
    assert_eq!(
        bench.look(&probe).unwrap(),
        Reading::Service(ServiceState::Running)
    );
    for fd in fs::read_dir(format!("/proc/{daemon}/fd")).unwrap() {
        let target = fs::read_link(fd.unwrap().path()).unwrap();
        assert!(!target.ends_with("effect.lock"), "{}", target.display());
    }
    assert_eq!(bench.settle("start"), Ok(Some(Ok(()))));
    bench.act("next", &run(&["true"])).unwrap();
    bench.act("stop", &to(ServiceState::Stopped)).unwrap();
    wait_until("the daemon has ended", || !lives(daemon));
    assert_eq!(
        bench.look(&probe).unwrap(),
        Reading::Service(ServiceState::Stopped)
    );
}

#[test]
fn what_was_taken_back_can_be_done_again() {
    let bench = Bench::new();
    bench.act("step", &run(&["true"])).unwrap();
    bench.undo("step", &run(&["false"])).unwrap_err();
    assert_eq!(bench.stamp("step"), Reading::text("done"));
    bench.undo("step", &run(&["true"])).unwrap();
    assert_eq!(bench.stamp("step"), Reading::Absent);
    assert_eq!(bench.settle("step"), Ok(None));
    bench.act("step", &run(&["false"])).unwrap_err();
    assert_eq!(bench.stamp("step"), Reading::text("begun"));
    bench.act("step", &run(&["true"])).unwrap();
    assert_eq!(bench.stamp("step"), Reading::text("done"));
}

#[test]
fn effects_do_not_overlap() {
    let bench = Bench::new();
    let log = bench.path("log");
    let script =
        "echo in >>\"$1\"; i=0; while [ $i -lt 200 ]; do i=$((i + 1)); done; echo out >>\"$1\"";
    let action = sh(script, &[log.to_str().unwrap()]);
    let write = Action::WriteFile {
        path: bench.remote("file"),
        content: vec!["x".into()],
        mode: None,
    };
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let (bench, action, write) = (&bench, &action, &write);
            scope.spawn(move || {
                bench.act(name, action).unwrap();
                bench.act(&format!("{name}-file"), write).unwrap();
            });
        }
    });
    assert_eq!(bench.content("log"), "in\nout\n".repeat(3));
}

#[test]
fn commands_that_cannot_start_say_so() {
    let bench = Bench::new();
    let fault = bench.act("a", &run(&["no-such-program-here"])).unwrap_err();
    assert!(fault.what.contains("exit code 12"), "126 or 127: {fault}");
    let fault = bench.act("b", &run(&["a\0b"])).unwrap_err();
    assert!(fault.what.contains("can't be started"), "{fault}");
    assert_eq!(bench.stamp("b"), Reading::Absent);
    assert_eq!(bench.settle("b"), Ok(None));
    let long = "x".repeat(3 << 20);
    let fault = bench.act("c", &run(&["true", &long])).unwrap_err();
    assert!(
        fault.what.contains("can't be started"),
        "{}",
        &fault.what[fault.what.len() - 80..]
    );
    let look = |argv: Argv, ms| bench.look_within(&Probe::Command { argv }, Millis(ms));
    assert_eq!(
        look(Argv::new(["sh", "-c", "exit 9"]), 9000).unwrap(),
        Reading::Number(9)
    );
    assert!(look(Argv::new(["no-such-program-here"]), 9000).is_err());
    let fault = look(Argv::new(["sleep", "600"]), 100).unwrap_err();
    assert_eq!(fault.kind, FaultKind::TimedOut);
}

#[test]
fn an_unknown_secret_stops_the_step_before_it_begins() {
    let bench = Bench::new();
    let action = Action::Run {
        argv: Argv::new(["true"]),
        dir: None,
        stdin: vec![Value::Secret("env:NO_SUCH_SECRET".parse().unwrap())],
        success: vec![0],
    };
    assert_eq!(bench.act("s", &action).unwrap_err().kind, FaultKind::Secret);
    assert_eq!(bench.stamp("s"), Reading::Absent);
    assert!(bench.world.refuses(&bench.node, &action).is_none());
}

#[test]
fn a_command_that_is_broken_off_may_tidy_up_under_the_lock() {
    let bench = Bench::new();
    let (ready, tidy) = (bench.path("ready"), bench.path("tidy"));
    let script = "trap 'flock -n \"$3\" true || echo locked >\"$2\"; exit 1' TERM; : >\"$1\"; \
                  while [ -e \"$1\" ]; do sleep 0.02; done";
    let lock = bench.state("effect.lock");
    let words = [&ready, &tidy, &lock].map(|path| path.to_str().unwrap().to_owned());
    let action = sh(script, &[&words[0], &words[1], &words[2]]);
    let fault = std::thread::scope(|scope| {
        let work = scope.spawn(|| bench.act("cut", &action));
        wait_until("it runs", || ready.exists());
        bench.cancel.cancel();
        work.join().unwrap().unwrap_err()
    });
    assert_eq!(fault.kind, FaultKind::Cancelled);
    assert_eq!(bench.content("tidy"), "locked\n");
}
