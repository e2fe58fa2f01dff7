//! New hosts are written so that OpenSSH finds them, whole, and by nobody twice.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::thread;

use clusterctl::remote::{KeyStanding, KnownHosts};

use super::hosts_draw;

fn finds(path: &Path, name: &str) -> usize {
    let mut keygen = Command::new("ssh-keygen");
    let output = keygen
        .arg("-l")
        .arg("-F")
        .arg(name)
        .arg("-f")
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.starts_with('#')).count()
}

#[test]
fn openssh_finds_a_host_that_was_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/known_hosts");
    let keys = hosts_draw::keys();
    let hosts = KnownHosts::default();
    for (hashed, host, port, name) in [
        (false, "web1", 22, "web1"),
        (false, "Web2", 2222, "[web2]:2222"),
        (true, "web3", 22, "web3"),
        (true, "::1", 2200, "[::1]:2200"),
    ] {
        hosts.remember(&path, host, port, &keys[0], hashed).unwrap();
        assert_eq!(finds(&path, name), 1, "{name}");
        assert!(matches!(
            hosts.check(host, port, &keys[0]),
            KeyStanding::Known(_)
        ));
        assert!(matches!(
            hosts.check(host, port, &keys[1]),
            KeyStanding::Changed(_)
        ));
        let again = KnownHosts::read([&path]);
        assert!(matches!(
            again.check(&host.to_lowercase(), port, &keys[0]),
            KeyStanding::Known(_)
        ));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("web3"), "{text}");
}

#[test]
fn a_list_without_an_end_of_line_is_continued_on_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    fs::write(&path, "# written by hand").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let keys = hosts_draw::keys();
    KnownHosts::default()
        .remember(&path, "web1", 22, &keys[0], false)
        .unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with("# written by hand\nweb1 ssh-ed25519 AAAA"),
        "{text}"
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
}

#[test]
fn many_connections_at_once_leave_whole_lines_and_one_for_each_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    let keys = hosts_draw::keys();
    let hosts = KnownHosts::default();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..20 {
                    hosts
                        .remember(&path, &format!("web{number}"), 22, &keys[0], false)
                        .unwrap();
                }
            });
        }
        // Another clusterctl, which knows nothing of this one.
        scope.spawn(|| {
            let others = KnownHosts::default();
            for number in 0..20 {
                others
                    .remember(&path, &format!("db{number}"), 22, &keys[7], false)
                    .unwrap();
            }
        });
    });
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 40);
    for number in 0..20 {
        assert_eq!(finds(&path, &format!("web{number}")), 1);
        assert_eq!(finds(&path, &format!("db{number}")), 1);
    }
}

#[test]
fn a_name_that_would_mean_something_else_in_a_list_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    let keys = hosts_draw::keys();
    for name in [
        "*", "a,b", "a b", "@revoked", "#x", "|1|x", "a\nb", "!a", "",
    ] {
        let result = KnownHosts::default().remember(&path, name, 22, &keys[0], false);
        assert!(result.is_err(), "{name:?}");
    }
    assert!(!path.exists());
}

#[test]
fn a_list_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = [folder.path().join("none"), folder.path().to_owned()];
    let hosts = KnownHosts::read(&files);
    assert_eq!(hosts.unreadable().len(), 1);
    assert_eq!(hosts.unreadable()[0].0, folder.path());
}
