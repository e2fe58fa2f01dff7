//! Secrets are fetched from where their references say, once, and shown nowhere.

use clusterctl::config::{
    Argv, GivenSecrets, HumanDuration, Secret, SecretError, SecretRef, SecretStore,
};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CANARY: &str = "canary-5f3a";

fn shell(script: &str) -> SecretRef {
    let words = ["sh", "-c", script].map(str::to_owned).to_vec();
    SecretRef::Cmd(Argv::new(words).unwrap())
}

fn file(folder: &Path, content: &[u8], mode: u32) -> (PathBuf, SecretRef) {
    let path = folder.join(format!("secret-{mode:o}-{}", content.len()));
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    (path.clone(), SecretRef::File(path))
}

fn value(store: &SecretStore, reference: &SecretRef) -> String {
    store
        .resolve(reference)
        .unwrap_or_else(|error| panic!("{error}"))
        .expose()
        .to_owned()
}

/// The error's text, after a look that the secret is neither in it nor in its
/// `Debug`.
fn refusal(store: &SecretStore, reference: &SecretRef) -> String {
    let error = store.resolve(reference).unwrap_err();
    let text = error.to_string();
    assert!(!format!("{text}{error:?}").contains(CANARY), "{text}");
    text
}

#[test]
fn a_variable() {
    let store = SecretStore::new([]).with_environment(|name| match name {
        "DB" => Some(CANARY.into()),
        "EMPTY" => Some(OsString::new()),
        "BYTES" => Some(std::os::unix::ffi::OsStringExt::from_vec(
            [CANARY.as_bytes(), b"\xff"].concat(),
        )),
        _ => None,
    });
    assert_eq!(value(&store, &SecretRef::Env("DB".into())), CANARY);
    let missing = refusal(&store, &SecretRef::Env("UCD_DB".into()));
    assert!(
        missing
            .contains("`UCD_DB` is not set\nhint: set it for this command: UCD_DB=… clusterctl …"),
        "{missing}"
    );
    assert!(refusal(&store, &SecretRef::Env("EMPTY".into())).contains("is empty"));
    assert!(refusal(&store, &SecretRef::Env("BYTES".into())).contains("not text"));
    // The real environment is the default.
    assert_eq!(
        value(&SecretStore::new([]), &SecretRef::Env("PATH".into())),
        std::env::var("PATH").unwrap()
    );
}

#[test]
fn a_file_without_its_final_newline() {
    let folder = tempfile::tempdir().unwrap();
    let store = SecretStore::new([]);
    for (content, expected) in [
        ("a", "a"),
        ("ab\n", "ab"),
        ("abc\n\n", "abc\n"),
        ("ab\r\n", "ab"),
        (" a b ", " a b "),
    ] {
        let (_, reference) = file(folder.path(), content.as_bytes(), 0o600);
        assert_eq!(
            value(&SecretStore::new([]), &reference),
            expected,
            "{content:?}"
        );
    }
    for (content, mode, reason) in [
        (
            CANARY.as_bytes(),
            0o644,
            "is open to every user of this machine (mode 0644)\nhint: chmod 600 ",
        ),
        (CANARY.as_bytes(), 0o602, "is open to every user"),
        (b"\n", 0o600, "is empty"),
        (b"\xff\xfe", 0o600, "not text"),
        (&vec![b'a'; 300_000], 0o600, "larger than"),
    ] {
        let (_, reference) = file(folder.path(), content, mode);
        let error = refusal(&store, &reference);
        assert!(error.contains(reason), "{error}");
    }
    let (_, group) = file(folder.path(), CANARY.as_bytes(), 0o640);
    assert_eq!(
        value(&store, &group),
        CANARY,
        "a group of one's choice may read it"
    );
    assert!(
        refusal(&store, &SecretRef::File(folder.path().to_owned())).contains("no regular file")
    );
    assert!(
        refusal(&store, &SecretRef::File(folder.path().join("none"))).contains("can't be read")
    );
}

#[test]
fn a_pipe_that_nobody_fills_does_not_hang() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    assert!(refusal(&SecretStore::new([]), &SecretRef::File(pipe)).contains("no regular file"));
}

#[test]
fn a_command() {
    let store = SecretStore::new([]);
    assert_eq!(value(&store, &shell("echo canary-5f3a")), CANARY);
    assert_eq!(
        value(&store, &shell("cat; echo x")),
        "x",
        "it is given no input"
    );
    let failed = refusal(
        &store,
        &shell("echo canary-$((1+1)); echo no canary-2 here, sorry >&2; exit 3"),
    );
    assert!(
        failed.contains("exit status: 3; it said:\n  | no **** here, sorry"),
        "{failed}"
    );
    assert!(refusal(&store, &shell("true")).contains("is empty"));
    assert!(
        refusal(&store, &shell("head -c 300000 /dev/zero | tr '\\0' a")).contains("larger than")
    );
    let missing = SecretRef::Cmd(Argv::new(vec!["/nonexistent/x".into()]).unwrap());
    assert!(refusal(&store, &missing).contains("can't be started"));
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let deadline: HumanDuration = "200ms".parse().unwrap();
    for script in [
        "echo canary-5''f3a; echo waiting >&2; sleep 60",
        // The command ends, and what it started keeps the pipe open.
        "sleep 60 & echo waiting >&2",
        "trap '' TERM; echo waiting >&2; sleep 60; sleep 60",
    ] {
        let begin = Instant::now();
        let store = SecretStore::new([]).with_command_deadline(deadline);
        let error = refusal(&store, &shell(script));
        assert!(
            error.contains("did not end within 200ms; it said:\n  | waiting"),
            "{error}"
        );
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_command_does_not_inherit_secrets() {
    let path = SecretRef::Env("CARGO_PKG_NAME".into());
    let shows = shell("echo \"[$CARGO_PKG_NAME][$CARGO_PKG_VERSION]\"");
    let version = env!("CARGO_PKG_VERSION");
    if std::env::var_os("CARGO_PKG_NAME").is_some() {
        assert_eq!(
            value(&SecretStore::new([]), &shows),
            format!("[clusterctl][{version}]")
        );
        assert_eq!(
            value(&SecretStore::new([&path]), &shows),
            format!("[][{version}]")
        );
    }
}

#[test]
fn a_question() {
    let store = SecretStore::new([]).with_prompt(|label| Ok(Secret::new(format!("{label}!"))));
    assert_eq!(value(&store, &SecretRef::Prompt("DB".into())), "DB!");
    let nobody = SecretStore::new([]);
    let error = nobody.resolve(&SecretRef::Prompt("DB".into())).unwrap_err();
    assert!(matches!(error, SecretError::NoTerminal { .. }));
    assert!(
        error
            .to_string()
            .contains("there is no terminal\nhint: use an `env:`"),
        "{error}"
    );
    let closed =
        SecretStore::new([]).with_prompt(|_| Err(std::io::ErrorKind::UnexpectedEof.into()));
    assert!(refusal(&closed, &SecretRef::Prompt("DB".into())).contains("was not entered"));
}

#[test]
fn what_was_given() {
    let given = GivenSecrets::from([("db".to_owned(), Secret::new(CANARY.into()))]);
    let store = SecretStore::new([]).with_given(given);
    assert_eq!(value(&store, &SecretRef::Given("db".into())), CANARY);
    assert!(refusal(&store, &SecretRef::Given("other".into())).contains("give it again"));
    assert!(!format!("{store:?}").contains(CANARY), "{store:?}");
}

#[test]
fn many_threads_ask_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let open = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::new(AtomicUsize::new(0));
    let store = SecretStore::new([]).with_prompt({
        let (asked, open) = (Arc::clone(&asked), Arc::clone(&open));
        let arrived = Arc::clone(&arrived);
        move |_| {
            assert_eq!(
                open.fetch_add(1, Ordering::SeqCst),
                0,
                "two questions at once"
            );
            // Whoever else wants to ask has come by then.
            while arrived.load(Ordering::SeqCst) < 16 {
                std::thread::yield_now();
            }
            open.fetch_sub(1, Ordering::SeqCst);
            asked.fetch_add(1, Ordering::SeqCst);
            Ok(Secret::new(CANARY.to_owned()))
        }
    });
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (store, arrived) = (&store, &arrived);
            scope.spawn(move || {
                arrived.fetch_add(1, Ordering::SeqCst);
                store
                    .resolve(&SecretRef::Prompt((number % 2).to_string()))
                    .map(drop)
            });
        }
    });
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_failure_is_tried_again() {
    let tries = AtomicUsize::new(0);
    let store =
        SecretStore::new([]).with_prompt(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Err(std::io::ErrorKind::Interrupted.into()),
            _ => Ok(Secret::new("typed".to_owned())),
        });
    let reference = SecretRef::Prompt("DB".into());
    assert!(store.resolve(&reference).is_err());
    assert_eq!(value(&store, &reference), "typed");
}
