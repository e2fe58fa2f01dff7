//! Commands with the rights of others: a real `sudo`, with users and rules that go away.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clusterctl::config::Secret;
use clusterctl::remote::{
    BackEnd, Exit, Host, Input, Line, Patience, RemoteErrorKind, Streams, Sudo, SudoPassword,
};

use super::conformance::{destination, dialer, run, script, sh};
use super::lab::Lab;
use crate::real::processes::{Fifo, PATIENCE, gone};

const PASSWORD: &str = "canary pass'word\\n $HOME";
const RULES: &str = "/etc/sudoers.d";

/// A rule that goes away.
struct Rule(PathBuf);

impl Rule {
    fn new(user: &str, text: &str) -> Self {
        assert!(
            Path::new("/usr/bin/sudo").exists(),
            "sudo is missing: .ci/install installs it"
        );
        sweep();
        let path = Path::new(RULES).join(user);
        let fresh = Path::new(RULES).join(format!("{user}.new"));
        fs::write(&fresh, text.replace("USER", user)).unwrap();
        fs::set_permissions(&fresh, PermissionsExt::from_mode(0o440)).unwrap();
        fs::rename(fresh, &path).unwrap();
        Self(path)
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Rules whose test was killed.
fn sweep() {
    for entry in fs::read_dir(RULES).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix("cctl-").and_then(|n| n.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A user with a password and this rule, logged in. `None`, said loudly, without root.
fn user(rule: &str) -> Option<(Rule, Lab, Arc<dyn Host>)> {
    let lab = Lab::new().sshd("a", |s| s.password(PASSWORD));
    let Some(user) = lab.server("a").user() else {
        println!("NOT TESTED: sudo, for only root can write rules for it");
        return None;
    };
    let rule = Rule::new(&user, rule);
    let host = dialer(&lab).connect(
        &destination("a", BackEnd::Ssh2),
        &Patience::unbroken(PATIENCE),
    );
    Some((rule, lab, host.unwrap()))
}

fn password(text: &str) -> SudoPassword {
    SudoPassword::Password(Arc::new(Secret::new(text.to_owned())))
}

fn both_passwords() -> [SudoPassword; 2] {
    [SudoPassword::Passwordless, password(PASSWORD)]
}

/// What every kind of sudo does.
fn works(sudo: &Sudo, who: &str) {
    assert_eq!(sh(sudo, "id -un").text(), format!("{who}\n"));
    let all: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let did = run(
        sudo,
        &script("cat; echo err >&2; exit 7"),
        Input::Bytes(&all),
    )
    .unwrap();
    assert_eq!(did.exit, Exit::Code(7));
    assert!(did.out == all);
    assert_eq!(String::from_utf8_lossy(&did.err), "err\n");
    assert_eq!(sh(sudo, "cat; echo end").text(), "end\n");
    let line = Line::new(["printf", "[%s]", "it's", "$HOME", "", "a\nb", "-n"]).unwrap();
    let did = run(sudo, &line, Input::Nothing).unwrap();
    assert_eq!(did.text(), "[it's][$HOME][][a\nb][-n]");
    let nowhere = Line::new(["/no/such/program"]).unwrap();
    assert_eq!(
        run(sudo, &nowhere, Input::Nothing).unwrap().exit,
        Exit::Code(127)
    );
    let seen = sh(
        sudo,
        "tr '\\0' '\\n' </proc/$$/environ; tr '\\0' ' ' </proc/$PPID/cmdline",
    );
    assert!(!seen.text().contains("canary"), "{}", seen.text());
}

#[test]
fn without_a_password_where_none_is_wanted() {
    let Some((_rule, _lab, host)) = user("USER ALL=(ALL) NOPASSWD: ALL\n") else {
        return;
    };
    // A password that nobody wants reaches nobody.
    for given in both_passwords() {
        works(&Sudo::new(Arc::clone(&host), given.clone(), None), "root");
        works(
            &Sudo::new(Arc::clone(&host), given, Some("daemon".to_owned())),
            "daemon",
        );
    }
}

#[test]
fn with_a_password_where_one_is_wanted() {
    let rule = "Defaults:USER lecture=always, timestamp_timeout=0\nUSER ALL=(ALL) ALL\n";
    let Some((_rule, _lab, host)) = user(rule) else {
        return;
    };
    works(
        &Sudo::new(Arc::clone(&host), password(PASSWORD), None),
        "root",
    );
    works(
        &Sudo::new(host, password(PASSWORD), Some("daemon".to_owned())),
        "daemon",
    );
}

#[track_caller]
fn says(sudo: &Sudo, words: &[&str]) {
    let much = b"a line that is no password\n".repeat(1000);
    let error = run(sudo, &script("touch /begun; cat"), Input::Bytes(&much)).unwrap_err();
    println!("{error}\nhint: {:?}", error.hint);
    assert_eq!(error.kind, RemoteErrorKind::Sudo, "{error}");
    for word in words {
        assert!(error.what.contains(word), "{word}: {error}");
    }
    assert!(error.hint.is_some() && !error.what.contains("canary"));
    assert!(!Path::new("/begun").exists());
}

#[test]
fn what_sudo_says_is_understood() {
    let Some((rule, lab, host)) = user("USER ALL=(ALL) ALL\n") else {
        return;
    };
    let sudo =
        |given, who: Option<&str>| Sudo::new(Arc::clone(&host), given, who.map(str::to_owned));
    says(
        &sudo(SudoPassword::Passwordless, None),
        &["wants a password"],
    );
    says(
        &sudo(password("canary wrong"), None),
        &["did not take the password", "1 incorrect password attempt"],
    );
    says(
        &sudo(password(PASSWORD), Some("no-such-user")),
        &["knows no user"],
    );
    let user = lab.server("a").user().unwrap();
    drop(rule);
    says(&sudo(password(PASSWORD), None), &["does not let"]);
    let rule = Rule::new(&user, "USER ALL=(daemon) NOPASSWD: ALL\n");
    says(&sudo(SudoPassword::Passwordless, None), &[]);
    drop(rule);
    let _rule = Rule::new(
        &user,
        "Defaults:USER requiretty\nUSER ALL=(ALL) NOPASSWD: ALL\n",
    );
    for given in both_passwords() {
        says(&sudo(given, None), &["without a terminal"]);
    }
}

#[test]
fn a_machine_without_sudo_is_told() {
    let lab = Lab::new().sshd("a", |s| s.home_file(".bashrc", "PATH=$HOME/bin"));
    let programs = lab.server("a").home().join("bin");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink("/usr/bin/base64", programs.join("base64")).unwrap();
    let host = dialer(&lab)
        .connect(
            &destination("a", BackEnd::Ssh2),
            &Patience::unbroken(PATIENCE),
        )
        .unwrap();
    for given in both_passwords() {
        says(
            &Sudo::new(Arc::clone(&host), given, None),
            &["there is no `sudo`"],
        );
    }
}

#[test]
fn what_runs_as_somebody_else_is_ended_too() {
    let Some((_rule, lab, host)) = user("USER ALL=(ALL) NOPASSWD: ALL\n") else {
        return;
    };
    for given in both_passwords() {
        let sudo = Sudo::new(Arc::clone(&host), given, None);
        let mut there = Fifo::new(lab.path("there"));
        let line = script(&format!("echo $$ > {}; sleep 1000", there.path()));
        let streams = Streams {
            input: Input::Nothing,
            out: &mut std::io::sink(),
            err: &mut std::io::sink(),
        };
        let ended = sudo.exec(&line, streams, &Patience::unbroken(Duration::from_secs(3)));
        assert_eq!(ended.unwrap_err().kind, RemoteErrorKind::TimedOut);
        assert!(gone(there.hear().parse().unwrap(), PATIENCE), "it goes on");
        fs::remove_file(lab.path("there")).unwrap();
    }
}

/// The program itself: a file that only root may read, edited and put back by a user who has to say a password.
#[test]
fn plans_are_run_with_the_rights_of_root() {
    let Some((_rule, lab, _)) = user("USER ALL=(ALL) ALL\n") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let file = path("root.properties");
    fs::write(&file, "a=1\n").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let server = lab.server("a");
    let text = format!(
        "name = \"lab\"\n[secrets]\nlogin = {{ env = \"LOGIN\" }}\n[nodes.a]\naddress = \"{}\"\nport = {}\nuser = \"{}\"\n\
         state_dir = \"{}\"\nssh.password = \"login\"\nsudo.use = true\nsudo.password = \"login\"\n",
        server.address().ip(),
        server.address().port(),
        server.user().unwrap(),
        path("state"),
    );
    fs::write(path("cluster.toml"), text).unwrap();
    let call = |words: &[&str]| {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_clusterctl"))
            .args(["-c", &path("cluster.toml"), "--state-dir", &path("runner")])
            .args(words)
            .env("LOGIN", PASSWORD)
            .env("CLUSTERCTL_SSH_CONFIG", lab.ssh_config())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(out.status.success(), "{words:?}: {said}");
        assert!(!said.contains("canary"), "{said}");
        said
    };
    assert!(call(&["exec", "--on", "a", "--", "id", "-un"]).contains("a | root\n"));
    assert!(call(&["check", "--reach"]).contains("\troot\t"));
    call(&["props", "set", "--on", "a", "--file", &file, "a=2"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "a=2\n");
    call(&["undo", "latest"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "a=1\n");
    let log = server.log();
    assert!(!log.contains("canary"), "{log}");
}
