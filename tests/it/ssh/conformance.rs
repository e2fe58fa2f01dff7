//! What every way to a machine must do, case by case: the same cases for all of them.
//!
//! The first list is for any machine, this one included; the second needs a server.

use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clusterctl::remote::{
    BackEnd, Destination, DialSettings, Dialer, Exit, Host, HostKeys, Input, Line, Output,
    Patience, RemoteError, RemoteErrorKind, Streams, Surroundings,
};

use super::lab::Lab;
use crate::real::processes::{Fifo, PATIENCE, gone};

/// More than any buffer on the way.
const MUCH: usize = 100 << 20;

/// A dialer for the lab's user.
pub(super) fn dialer(lab: &Lab) -> Dialer {
    let mut settings = DialSettings::of(Surroundings::of_this_process());
    settings.ssh_config = Some(lab.ssh_config());
    settings.program = Some(env!("CARGO_BIN_EXE_clusterctl").into());
    Dialer::new(settings)
}

/// A server of the lab's, reached in one way.
pub(super) fn destination(name: &str, back_end: BackEnd) -> Destination {
    let mut destination = Destination::new(name);
    destination.back_end = Some(back_end);
    destination
}

/// What a command did.
#[derive(Debug)]
pub(super) struct Did {
    pub(super) exit: Exit,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

impl Did {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

pub(super) fn run(host: &dyn Host, line: &Line, mut input: Input<'_>) -> Result<Did, RemoteError> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams {
        input: input.lent(),
        out: &mut out,
        err: &mut err,
    };
    let exit = host.exec(line, streams, &Patience::unbroken(2 * PATIENCE))?;
    Ok(Did { exit, out, err })
}

pub(super) fn script(text: &str) -> Line {
    Line::script(text, "case", [""; 0]).unwrap()
}

pub(super) fn sh(host: &dyn Host, text: &str) -> Did {
    run(host, &script(text), Input::Nothing).unwrap()
}

/// A machine for the first list.
fn any(back_end: BackEnd) -> (Option<Lab>, Arc<dyn Host>) {
    let patience = Patience::unbroken(PATIENCE);
    let lab = Lab::new();
    if back_end == BackEnd::Local {
        let host = dialer(&lab).connect(&Destination::new("local"), &patience);
        return (None, host.unwrap());
    }
    let lab = lab.sshd("a", |s| s);
    let host = dialer(&lab).connect(&destination("a", back_end), &patience);
    let host = host.unwrap();
    assert_eq!(host.back_end(), back_end);
    (Some(lab), host)
}

fn exit_codes(host: &dyn Host) {
    for code in [0, 1, 7, 126, 127, 255] {
        assert_eq!(sh(host, &format!("exit {code}")).exit, Exit::Code(code));
    }
    let nowhere = Line::new(["/no/such/program"]).unwrap();
    let did = run(host, &nowhere, Input::Nothing).unwrap();
    assert_eq!(did.exit, Exit::Code(127), "{did:?}");
}

fn signals(host: &dyn Host) {
    for name in ["KILL", "TERM", "HUP", "SEGV"] {
        let did = sh(host, &format!("echo before; kill -s {name} $$; sleep 60"));
        assert_eq!(did.exit, Exit::Signal(name.to_owned()));
        assert_eq!(did.text(), "before\n");
        assert!(did.err.is_empty(), "{did:?}");
    }
    assert_eq!(sh(host, "kill -s KILL $$").exit.code(), 137);
}

fn streams_stay_apart(host: &dyn Host) {
    let text = "i=0; while [ $i -lt 200 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done";
    let did = sh(host, text);
    let expected = |name: &str| {
        let lines: Vec<_> = (0..200).map(|i| format!("{name}{i}\n")).collect();
        lines.concat()
    };
    assert_eq!(String::from_utf8_lossy(&did.out), expected("out"));
    assert_eq!(String::from_utf8_lossy(&did.err), expected("err"));
}

fn every_byte_comes_through(host: &dyn Host) {
    let all: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let did = run(host, &script("tee /dev/stderr"), Input::Bytes(&all)).unwrap();
    assert_eq!(did.exit, Exit::Code(0));
    assert!(did.out == all && did.err == all);
}

/// Counts what is written to it.
#[derive(Default)]
struct Count {
    bytes: usize,
    sum: u64,
}

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes += bytes.len();
        self.sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn much_out(host: &dyn Host) {
    let (mut out, mut err) = (Count::default(), Count::default());
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut err,
    };
    let half = MUCH / 2;
    let text = format!("head -c {half} /dev/zero >&2; head -c {half} /dev/zero");
    let exit = host.exec(&script(&text), streams, &Patience::unbroken(4 * PATIENCE));
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!((out.bytes, err.bytes), (half, half));
    assert_eq!(out.sum + err.sum, 0);
}

fn much_in(host: &dyn Host) {
    let mut much = std::io::repeat(b'x').take(MUCH as u64);
    let did = run(host, &script("wc -c"), Input::Reader(&mut much)).unwrap();
    assert_eq!(did.text().trim(), MUCH.to_string());
}

/// Gives a word now and then, and says in between that it has none yet.
struct NowAndThen(u32);

impl std::io::Read for NowAndThen {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0 += 1;
        match self.0 {
            12.. => Ok(0),
            odd if odd % 2 == 1 => Err(std::io::ErrorKind::WouldBlock.into()),
            _ => {
                into[..2].copy_from_slice(b"a\n");
                Ok(2)
            }
        }
    }
}

fn what_comes_now_and_then_comes_whole(host: &dyn Host) {
    let did = run(
        host,
        &script("cat; echo end"),
        Input::Reader(&mut NowAndThen(0)),
    )
    .unwrap();
    assert_eq!(did.text(), "a\na\na\na\na\nend\n");
}

fn much_there_and_back(host: &dyn Host) {
    let mut much = std::io::repeat(b'x').take(MUCH as u64);
    let (mut out, mut err) = (Count::default(), Count::default());
    let streams = Streams {
        input: Input::Reader(&mut much),
        out: &mut out,
        err: &mut err,
    };
    let exit = host.exec(&script("cat"), streams, &Patience::unbroken(4 * PATIENCE));
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!(out.bytes, MUCH);
    assert_eq!(out.sum, MUCH as u64 * u64::from(b'x'));
}

fn the_end_of_the_input_is_told(host: &dyn Host) {
    assert_eq!(sh(host, "cat; echo end").text(), "end\n");
    let did = run(host, &script("cat; echo end"), Input::Bytes(b"in\n")).unwrap();
    assert_eq!(did.text(), "in\nend\n");
    let did = run(host, &script("cat; echo end"), Input::Bytes(b"")).unwrap();
    assert_eq!(did.text(), "end\n");
}

fn input_that_nobody_reads_is_no_trouble(host: &dyn Host) {
    let much = vec![b'x'; 8 << 20];
    for text in [
        "exit 3",
        "exec <&-; exec sleep 0.1",
        "head -c 10 >/dev/null",
    ] {
        let did = run(host, &script(text), Input::Bytes(&much)).unwrap();
        assert!(matches!(did.exit, Exit::Code(0 | 3)), "{did:?}");
    }
}

fn nasty_words_stay_words(host: &dyn Host) {
    let nasty = [
        "",
        " ",
        "a b",
        "'",
        "\"",
        "\\",
        "\\'",
        "!",
        "!!",
        "$HOME",
        "`id`",
        "$(id)",
        "*",
        "?",
        "[a]",
        "~",
        "~root",
        "#",
        ";",
        "&",
        "|",
        "<",
        ">",
        "(",
        ")",
        "{a,b}",
        "^",
        "%",
        "=",
        "a=b",
        "-n",
        "--",
        "\t",
        "a\nb",
        "\n",
        "a\n",
        "\r",
        "é",
        "日本",
        "\u{1}\u{7f}",
        "\u{a0}",
        "@",
        "%1",
        "\\n",
        "a'b\"c\\d!e\nf",
        "!$",
        "$$",
        "$?",
        "\u{1b}[31m",
    ];
    let words = ["printf", "[%s]"].iter().chain(&nasty).copied();
    let did = run(host, &Line::new(words).unwrap(), Input::Nothing).unwrap();
    let expected: Vec<_> = nasty.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(did.text(), expected.concat());
    assert!(did.err.is_empty(), "{did:?}");
    for word in nasty {
        let line = Line::new(["printf", "%s", word]).unwrap();
        let did = run(host, &line, Input::Nothing).unwrap();
        assert_eq!(did.text(), word);
    }
}

fn a_deadline_ends_the_command(host: &dyn Host) {
    let folder = tempfile::tempdir().unwrap();
    let mut there = Fifo::new(folder.path().join("there"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut err,
    };
    let line = script(&format!(
        "echo $$ > {}; echo first; sleep 1000",
        there.path()
    ));
    let ended = host.exec(&line, streams, &Patience::unbroken(Duration::from_secs(3)));
    let error = ended.unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::TimedOut, "{error:?}");
    assert_eq!(out, b"first\n");
    assert!(gone(there.hear().parse().unwrap(), PATIENCE), "it goes on");
    assert_eq!(sh(host, "echo again").text(), "again\n");
}

fn a_command_can_be_broken_off(host: &dyn Host) {
    let folder = tempfile::tempdir().unwrap();
    let mut there = Fifo::new(folder.path().join("there"));
    let line = script(&format!("echo $$ > {}; sleep 1000", there.path()));
    let stop = AtomicBool::new(false);
    let cancelled = || stop.load(Ordering::SeqCst);
    let patience = Patience::new(2 * PATIENCE, &cancelled);
    let (ended, pid, took) = thread::scope(|scope| {
        let going = scope.spawn(|| {
            let streams = Streams {
                input: Input::Nothing,
                out: &mut std::io::sink(),
                err: &mut std::io::sink(),
            };
            host.exec(&line, streams, &patience)
        });
        let pid: u32 = there.hear().parse().unwrap();
        stop.store(true, Ordering::SeqCst);
        let begin = Instant::now();
        (going.join().unwrap(), pid, begin.elapsed())
    });
    assert_eq!(ended.unwrap_err().kind, RemoteErrorKind::Cancelled);
    assert!(took < PATIENCE, "{took:?}");
    assert!(gone(pid, PATIENCE), "it goes on");
    assert_eq!(sh(host, "echo again").text(), "again\n");
}

fn too_much_is_refused(host: &dyn Host) {
    let mut out = Output::at_most(1000);
    let streams = Streams {
        input: Input::Nothing,
        out: &mut out,
        err: &mut std::io::sink(),
    };
    let line = script("yes");
    let ended = host.exec(&line, streams, &Patience::unbroken(PATIENCE));
    assert_eq!(ended.unwrap_err().kind, RemoteErrorKind::TooMuch);
    assert!(out.overflowed());
    assert_eq!(sh(host, "echo again").text(), "again\n");
}

fn several_threads_ask_at_once(host: &dyn Host) {
    thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let did = sh(host, &format!("echo {number}"));
                assert_eq!(did.text(), format!("{number}\n"));
            });
        }
    });
}

fn what_a_command_leaves_behind_goes_on(host: &dyn Host) {
    let much = vec![b'x'; 1 << 20];
    for code in [0, 7] {
        for (input, quiet) in [
            (Input::Nothing, true),
            (Input::Bytes(&much), true),
            (Input::Bytes(&much), false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let until = Fifo::new(folder.path().join("until"));
            // One says nothing, the other never stops.
            let goes_on = if quiet {
                format!("read -r end < {}", until.path())
            } else {
                "while echo y; do :; done".to_owned()
            };
            let line = script(&format!(
                "{{ exec sh -c '{goes_on}'; }} & echo $! > {}/pid; \
                 head -c 3000000 /dev/zero; head -c 100000 /dev/zero >&2; exit {code}",
                folder.path().display()
            ));
            let begin = Instant::now();
            let did = run(host, &line, input).unwrap();
            assert!(begin.elapsed() < PATIENCE / 2, "{:?}", begin.elapsed());
            let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
            let pid: i32 = pid.trim().parse().unwrap();
            assert_eq!(did.exit, Exit::Code(code));
            let zeros = |bytes: &[u8]| memchr::memchr_iter(0, bytes).count();
            assert_eq!((zeros(&did.out), zeros(&did.err)), (3_000_000, 100_000));
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            if quiet {
                assert_eq!((did.out.len(), did.err.len()), (3_000_000, 100_000));
                assert_eq!(
                    rustix::process::test_kill_process(pid),
                    Ok(()),
                    "it is gone"
                );
            }
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            assert!(gone(pid.as_raw_nonzero().get().cast_unsigned(), PATIENCE));
        }
    }
    assert_eq!(sh(host, "echo again").text(), "again\n");
}

fn the_last_words_of_those_left_behind_are_passed_on(host: &dyn Host) {
    let folder = tempfile::tempdir().unwrap();
    let mut end = Fifo::new(folder.path().join("end"));
    // It speaks when the command is gone.
    let did = sh(
        host,
        &format!(
            "(p=$$; while kill -s 0 $p 2>/dev/null && ! grep -qs '^State:.Z' /proc/$p/status; do sleep 0.01; done; \
             echo late; echo late >&2; read -r end < {}) & echo early; exit 3",
            end.path()
        ),
    );
    assert_eq!(
        (did.exit.clone(), did.text()),
        (Exit::Code(3), "early\nlate\n".to_owned())
    );
    assert_eq!(did.err, b"late\n");
    end.tell();
}

/// A command of exactly these words that writes what stands in its environment and its mask.
fn odd_surroundings(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| {
        s.env("LANG", "tr_TR.ISO-8859-9")
            .env("LC_ALL", "C")
            .env("BASH_ENV", "/no/such/file")
            .env("SHELLOPTS", "")
            .option("Banner /etc/hostname")
            .home_file(
                ".bashrc",
                "umask 000; set -x; echo noise; echo noise >&2; printf 'no line end'; cd /; alias exec=false",
            )
    });
    let host = dialer(&lab)
        .connect(&destination("a", back_end), &Patience::unbroken(PATIENCE))
        .unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    let did = run(&*host, &script("cat; echo $LANG >&2"), Input::Bytes(&bytes)).unwrap();
    assert_eq!(did.out, bytes);
    assert_eq!(String::from_utf8_lossy(&did.err), "tr_TR.ISO-8859-9\n");
}

fn login_shells(back_end: BackEnd) {
    for shell in [
        "/bin/dash",
        "/usr/bin/zsh",
        "/usr/bin/fish",
        "/bin/csh",
        "/bin/tcsh",
        "/bin/ksh",
    ] {
        let lab = Lab::new().sshd("a", |s| {
            s.login_shell(shell)
                .home_file(".zshenv", "echo noise; echo noise >&2")
                .home_file(".config/fish/config.fish", "echo noise; echo noise >&2")
                .home_file(".cshrc", "echo noise")
                .home_file(".tcshrc", "echo noise")
        });
        if lab.server("a").user().is_none() {
            return;
        }
        println!("{shell}");
        let host = dialer(&lab)
            .connect(&destination("a", back_end), &Patience::unbroken(PATIENCE))
            .unwrap();
        nasty_words_stay_words(&*host);
        exit_codes(&*host);
        let did = run(&*host, &script("cat; cat >&2; exit 5"), Input::Bytes(b"in")).unwrap();
        assert_eq!(
            (did.exit, did.out, did.err),
            (Exit::Code(5), b"in".to_vec(), vec![])
        );
    }
}

fn a_shell_that_runs_nothing(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s.option("ForceCommand echo only this"));
    let host = dialer(&lab)
        .connect(&destination("a", back_end), &Patience::unbroken(PATIENCE))
        .unwrap();
    let error = run(&*host, &script("true"), Input::Nothing).unwrap_err();
    assert_eq!(error.kind, RemoteErrorKind::Shell);
    assert!(error.what.contains("only this"), "{error}");
}

fn accept_new(back_end: BackEnd) {
    let lab = Lab::new().sshd("a", |s| s);
    std::fs::write(lab.known_hosts(), "").unwrap();
    let mut destination = destination("a", back_end);
    destination.host_keys = HostKeys::AcceptNew;
    for _ in 0..2 {
        let host = dialer(&lab).connect(&destination, &Patience::unbroken(PATIENCE));
        assert!(host.is_ok());
        destination.host_keys = HostKeys::Strict;
    }
}

macro_rules! cases {
    ($back_end:ident: $($case:ident),*) => { $(
        #[test]
        fn $case() {
            let (_lab, host) = super::any(clusterctl::remote::BackEnd::$back_end);
            super::$case(&*host);
        }
    )* };
}

macro_rules! over_ssh {
    ($back_end:ident: $($case:ident),*) => { $(
        #[test]
        fn $case() {
            super::$case(clusterctl::remote::BackEnd::$back_end);
        }
    )* };
}

macro_rules! everywhere {
    ($($module:ident $back_end:ident),*) => { $(
        mod $module {
            cases! { $back_end: exit_codes, signals, streams_stay_apart, every_byte_comes_through, much_out, much_in,
                what_comes_now_and_then_comes_whole, much_there_and_back, the_end_of_the_input_is_told, input_that_nobody_reads_is_no_trouble,
                nasty_words_stay_words, a_deadline_ends_the_command, a_command_can_be_broken_off,
                too_much_is_refused, several_threads_ask_at_once, what_a_command_leaves_behind_goes_on,
                the_last_words_of_those_left_behind_are_passed_on }
        }
    )* };
}

everywhere! { local Local, ssh2 Ssh2, system System }

mod ssh2_only {
    over_ssh! { Ssh2: odd_surroundings, login_shells, a_shell_that_runs_nothing, accept_new }
}

mod system_only {
    over_ssh! { System: odd_surroundings, login_shells, a_shell_that_runs_nothing, accept_new }
}
