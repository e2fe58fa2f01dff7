//! Commands on this machine: streams, ends, deadlines, and what they find around them.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clusterctl::remote::{
    BackEnd, Exit, Host, Input, Line, LocalHost, Output, Patience, RemoteError, RemoteErrorKind,
    Streams,
};

use super::real::processes::gone;

const LONG: Duration = Duration::from_mins(1);

fn sh(script: &str) -> Line {
    Line::script(script, "sh", [""; 0]).unwrap()
}

struct Ran {
    exit: Result<Exit, RemoteError>,
    out: Output,
    err: Output,
}

fn run(line: &Line, mut input: Input<'_>, patience: &Patience<'_>) -> Ran {
    let (mut out, mut err) = (Output::at_most(1 << 20), Output::at_most(1 << 20));
    let streams = Streams {
        input: input.lent(),
        out: &mut out,
        err: &mut err,
    };
    let exit = LocalHost::new().exec(line, streams, patience);
    Ran { exit, out, err }
}

fn simply(script: &str) -> Ran {
    run(&sh(script), Input::Nothing, &Patience::unbroken(LONG))
}

#[test]
fn streams_are_separate_and_the_exit_code_is_its_own() {
    let ran = simply("echo out; echo err >&2; exit 7");
    assert_eq!(ran.exit, Ok(Exit::Code(7)));
    assert_eq!(
        (ran.out.text(), ran.err.text()),
        ("out\n".into(), "err\n".into())
    );
    assert_eq!(
        simply("kill -KILL $$").exit,
        Ok(Exit::Signal("KILL".into()))
    );
    assert_eq!(simply("exit 255").exit, Ok(Exit::Code(255)));
    assert_eq!(LocalHost::new().back_end(), BackEnd::Local);
}

#[test]
fn a_program_that_is_not_there_ends_as_with_a_shell() {
    for (program, code) in [("no-such-program", 127), ("/etc/passwd", 126)] {
        let line = Line::new([program]).unwrap();
        let ran = run(&line, Input::Nothing, &Patience::unbroken(LONG));
        assert_eq!(ran.exit, Ok(Exit::Code(code)), "{program}");
        assert!(ran.err.text().contains(program), "{}", ran.err.text());
    }
    let line = Line::new(["echo".to_owned(), "x".repeat(200_000)]).unwrap();
    let ran = run(&line, Input::Nothing, &Patience::unbroken(LONG));
    assert_eq!(ran.exit.unwrap_err().kind, RemoteErrorKind::TooLong);
}

#[test]
fn a_hundred_megabytes_go_in_and_out_at_once() {
    const SIZE: u64 = 100 << 20;
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            assert!(bytes.iter().all(|byte| *byte == 0xA5));
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (mut out, mut err) = (Count(0), Count(0));
    let mut reader = std::io::repeat(0xA5).take(SIZE);
    let streams = Streams {
        input: Input::Reader(&mut reader),
        out: &mut out,
        err: &mut err,
    };
    let exit = LocalHost::new().exec(
        &sh("exec tee /dev/fd/2"),
        streams,
        &Patience::unbroken(LONG),
    );
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!((out.0, err.0), (SIZE, SIZE));
}

#[test]
fn a_command_need_not_read_what_it_is_given() {
    let bytes = vec![b'x'; 10 << 20];
    let ran = run(
        &sh("echo done"),
        Input::Bytes(&bytes),
        &Patience::unbroken(LONG),
    );
    assert_eq!(ran.exit, Ok(Exit::Code(0)));
    assert_eq!(ran.out.text(), "done\n");
    let ran = run(
        &sh("wc -c"),
        Input::Bytes(&bytes),
        &Patience::unbroken(LONG),
    );
    assert_eq!(ran.out.text().trim(), (10 << 20).to_string());
    assert_eq!(simply("cat").exit, Ok(Exit::Code(0)));
}

#[test]
fn when_the_time_is_up_all_of_it_is_ended() {
    let script = "sleep 1000 & echo $! $$; wait";
    let patience = Patience::unbroken(Duration::from_secs(2));
    let ran = run(&sh(script), Input::Nothing, &patience);
    assert_eq!(ran.exit.unwrap_err().kind, RemoteErrorKind::TimedOut);
    let pids: Vec<u32> = ran
        .out
        .text()
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 2);
    assert!(pids.into_iter().all(|pid| gone(pid, LONG)));
}

#[test]
fn one_that_is_broken_off_may_say_a_last_word() {
    struct Tell<'a>(&'a AtomicBool, Vec<u8>);
    impl std::io::Write for Tell<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.store(true, Ordering::SeqCst);
            self.1.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let begun = AtomicBool::new(false);
    let mut out = Tell(&begun, Vec::new());
    let mut err = Output::at_most(100);
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut err,
    };
    let cancelled = || begun.load(Ordering::SeqCst);
    let line = sh("trap 'echo tidied; exit 3' TERM; echo begun; while :; do sleep 0.01; done");
    let exit = LocalHost::new().exec(&line, streams, &Patience::new(LONG, &cancelled));
    assert_eq!(exit.unwrap_err().kind, RemoteErrorKind::Cancelled);
    assert_eq!(out.1, b"begun\ntidied\n");
}

#[test]
fn more_than_is_taken_ends_the_command() {
    let (mut out, mut err) = (Output::at_most(1000), Output::at_most(1000));
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut err,
    };
    let exit = LocalHost::new().exec(&sh("exec yes"), streams, &Patience::unbroken(LONG));
    assert_eq!(exit.unwrap_err().kind, RemoteErrorKind::TooMuch);
    assert!(out.overflowed());
}

#[test]
fn a_reader_that_fails_is_no_end_of_the_input() {
    struct Fails(bool);
    impl Read for Fails {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(std::io::Error::other("torn"));
            }
            buffer[0] = b'x';
            Ok(1)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let line = Line::script("cat; : >\"$1\"", "sh", [whole.to_str().unwrap()]).unwrap();
    let ran = run(
        &line,
        Input::Reader(&mut Fails(false)),
        &Patience::unbroken(LONG),
    );
    assert_eq!(ran.exit.unwrap_err().kind, RemoteErrorKind::Stream);
    assert!(!whole.exists());
}

#[test]
fn what_a_command_leaves_behind_lives_on_and_is_not_waited_for() {
    let ran = simply("sleep 1000 & echo $!");
    assert_eq!(ran.exit, Ok(Exit::Code(0)));
    let pid: u32 = ran.out.text().trim().parse().unwrap();
    let raw = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    assert!(gone(pid, LONG));
}

#[test]
fn a_command_is_alone_in_its_session_and_its_environment_is_small() {
    let ran = simply("cut -d' ' -f6 /proc/$$/stat; echo $$; pwd; env");
    let text = ran.out.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), lines.next());
    assert_eq!(lines.next(), Some("/"));
    let known = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "PWD", "_",
    ];
    for line in lines {
        let name = line.split('=').next().unwrap();
        assert!(
            known.contains(&name) || name.starts_with("LC_") || ["OLDPWD", "SHLVL"].contains(&name),
            "{line}"
        );
    }
}

#[test]
fn no_shell_reads_the_words() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("a $(program) 'of' ours");
    std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
    let line = Line::new([program.to_str().unwrap(), "*", "$HOME", "-n", ""]).unwrap();
    let ran = run(&line, Input::Nothing, &Patience::unbroken(LONG));
    assert_eq!(ran.out.text(), "*\n$HOME\n-n\n\n");
}

/// Runs in a process of its own; does nothing otherwise.
#[test]
fn panicker() {
    if std::env::var_os("CLUSTERCTL_TEST_PANICKER").is_some() {
        clusterctl::remote::panics_end_the_program(77);
        panic!("nobody catches this");
    }
}

#[test]
fn a_panic_ends_the_program_by_its_exit_code_and_not_by_a_signal() {
    let name = super::world::bench::this_test(module_path!(), "panicker");
    let told = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env("CLUSTERCTL_TEST_PANICKER", "1")
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&told.stderr);
    // A signal might have left a core file, with secrets in it.
    assert_eq!(told.status.code(), Some(77), "{err}");
    assert!(err.contains("nobody catches this"), "{err}");
}
