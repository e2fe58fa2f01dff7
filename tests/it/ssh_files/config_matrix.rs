//! What we read in generated configurations against what `ssh -G` reads in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use clusterctl::remote::{
    AddressFamily, Algorithms, HostConfig, IdentityAgent, SshConfig, StrictHostKeyChecking,
};

use super::{VARIABLES, config_draw, surroundings};
use crate::generate::Draw;
use crate::scale;

const SEED: u64 = 0x0D1F_F55F_C0DE_0001;

/// Files in a sample and in a full run, and hosts asked for in each.
const FILES: (u64, u64) = (100, 5_000);
const HOSTS: usize = 3;

type Answer = BTreeMap<String, Vec<String>>;

#[test]
fn generated_configurations_matrix() {
    let files = if scale::full() { FILES.1 } else { FILES.0 };
    println!("seed {SEED:#x}, {files} files, {HOSTS} hosts in each");
    let start = Instant::now();
    let mut counts = [0_usize; 4];
    for number in 0..files {
        let mut draw = Draw::new(SEED ^ number.wrapping_mul(0x1_0000_0001));
        compare(&mut draw, &format!("file {number}"), &mut counts);
    }
    let [same, refused, left, unequal] = counts;
    println!(
        "{same} alike, {refused} refused by both, {left} left to ssh by `Match exec`, in {:.1?}",
        start.elapsed()
    );
    assert_eq!(unequal, 0);
    assert!(same > usize::try_from(files).unwrap(), "too few were valid");
    assert!(refused > 0, "no mistake was drawn");
}

fn compare(draw: &mut Draw, what: &str, counts: &mut [usize; 4]) {
    let folder = tempfile::tempdir().unwrap();
    let files = config_draw::files(draw, folder.path());
    for (name, text) in &files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join("config");
    let config = SshConfig::only(&path, surroundings());
    for _ in 0..HOSTS {
        let host = *draw.pick(&config_draw::HOSTS);
        let user = draw.chance(20).then(|| *draw.pick(&["deploy", "root"]));
        let port = draw.chance(10).then_some(2200);
        let theirs = ssh(&path, host, user, port);
        let ours = match &config {
            Ok(config) => config.resolve(host, user, port),
            Err(error) => Err(error.clone()),
        };
        let fault = match (&ours, &theirs) {
            (Err(_), Err(_)) => {
                counts[1] += 1;
                continue;
            }
            (_, Err(said)) if said.contains("jumphost loop") => continue,
            (Ok(ours), _)
                if ours
                    .beyond_ssh2()
                    .is_some_and(|why| why.contains("`Match exec`")) =>
            {
                counts[2] += 1;
                continue;
            }
            (Ok(ours), Ok(theirs)) => differences(ours, theirs),
            (Ok(_), Err(said)) => vec![format!("only ssh refuses it: {said}")],
            (Err(error), Ok(_)) => vec![format!("only we refuse it: {error}")],
        };
        if fault.is_empty() {
            counts[0] += 1;
            continue;
        }
        counts[3] += 1;
        println!(
            "--- {what}, {host} as {user:?} at {port:?}:\n{}",
            fault.join("\n")
        );
        for (name, text) in &files {
            println!("{name}: {text:?}");
        }
        assert!(counts[3] < 5, "enough");
    }
}

/// What `ssh -G` says, or what it complains of.
fn ssh(path: &Path, host: &str, user: Option<&str>, port: Option<u16>) -> Result<Answer, String> {
    let mut command = Command::new("ssh");
    command
        .env_clear()
        .envs(VARIABLES)
        .arg("-G")
        .arg("-F")
        .arg(path);
    if let Some(user) = user {
        command.args(["-l", user]);
    }
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    let output = command
        .arg("--")
        .arg(host)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "`ssh` could not be started ({error}); on Debian, `apt-get install openssh-client`"
            )
        });
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut answer = Answer::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (keyword, value) = line.split_once(' ').unwrap_or((line, ""));
        answer
            .entry(keyword.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    Ok(answer)
}

fn differences(ours: &HostConfig, theirs: &Answer) -> Vec<String> {
    let mut faults = Vec::new();
    for (keyword, values) in as_printed(ours, theirs) {
        let printed = theirs.get(keyword).cloned().unwrap_or_default();
        let printed: Vec<_> = printed.iter().map(|value| usual(keyword, value)).collect();
        if printed != values {
            faults.push(format!(
                "{keyword}: ssh says {printed:?}, we say {values:?}"
            ));
        }
    }
    faults
}

/// Words that mean the same in one spelling.
fn usual(keyword: &str, value: &str) -> String {
    let choice = [
        "stricthostkeychecking",
        "verifyhostkeydns",
        "canonicalizehostname",
        "pubkeyauthentication",
    ];
    match value {
        "true" | "unbound" | "host-bound" if choice.contains(&keyword) => "yes".to_owned(),
        "false" if choice.contains(&keyword) => "no".to_owned(),
        other => other.to_owned(),
    }
}

type Printed = Vec<(&'static str, Vec<String>)>;

fn as_printed(ours: &HostConfig, theirs: &Answer) -> Printed {
    let printed = [
        switches(ours),
        numbers(ours),
        texts(ours),
        several(ours, theirs),
        files(ours, theirs),
        lists(ours),
    ];
    printed.concat()
}

fn switches(ours: &HostConfig) -> Printed {
    let local = ours.no_host_authentication_for_localhost;
    [
        ("batchmode", ours.batch_mode),
        ("checkhostip", ours.check_host_ip),
        ("compression", ours.compression),
        ("gssapiauthentication", ours.gssapi_authentication),
        ("hashknownhosts", ours.hash_known_hosts),
        ("hostbasedauthentication", ours.hostbased_authentication),
        ("identitiesonly", ours.identities_only),
        (
            "kbdinteractiveauthentication",
            ours.kbd_interactive_authentication,
        ),
        ("nohostauthenticationforlocalhost", local),
        ("passwordauthentication", ours.password_authentication),
        ("proxyusefdpass", ours.proxy_use_fdpass),
        ("pubkeyauthentication", ours.pubkey_authentication),
        ("tcpkeepalive", ours.tcp_keep_alive),
    ]
    .map(|(keyword, value)| (keyword, vec![if value { "yes" } else { "no" }.to_owned()]))
    .to_vec()
}

fn numbers(ours: &HostConfig) -> Printed {
    [
        ("port", ours.port.into()),
        ("connectionattempts", ours.connection_attempts.into()),
        (
            "numberofpasswordprompts",
            ours.number_of_password_prompts.into(),
        ),
        ("serveralivecountmax", ours.server_alive_count_max.into()),
        ("serveraliveinterval", ours.server_alive_interval.as_secs()),
        ("requiredrsasize", ours.required_rsa_size.into()),
    ]
    .map(|(keyword, value)| (keyword, vec![value.to_string()]))
    .to_vec()
}

/// What is printed on one line, or not at all.
fn texts(ours: &HostConfig) -> Printed {
    let some = |text: &str| Some(text.to_owned());
    let timeout = ours.connect_timeout.map(|time| time.as_secs().to_string());
    let ways = ours.preferred_authentications.as_ref();
    let revoked = ours.revoked_host_keys.as_ref();
    [
        ("host", some(&ours.host)),
        ("user", some(&ours.user)),
        ("hostname", some(&ours.host_name)),
        ("addressfamily", some(family(ours.address_family))),
        ("canonicalizehostname", some(&ours.canonicalize_hostname)),
        (
            "stricthostkeychecking",
            some(strict(ours.strict_host_key_checking)),
        ),
        ("verifyhostkeydns", some(&ours.verify_host_key_dns)),
        ("connecttimeout", timeout.or(some("none"))),
        ("bindaddress", ours.bind_address.clone()),
        ("bindinterface", ours.bind_interface.clone()),
        ("hostkeyalias", ours.host_key_alias.clone()),
        ("pkcs11provider", ours.pkcs11_provider.clone()),
        ("securitykeyprovider", ours.security_key_provider.clone()),
        ("preferredauthentications", ways.map(|ways| ways.join(","))),
        (
            "revokedhostkeys",
            revoked.map(|path| path.display().to_string()),
        ),
        ("knownhostscommand", ours.known_hosts_command.clone()),
        ("proxycommand", ours.proxy_command.clone()),
        ("proxyjump", ours.proxy_jump.clone()),
    ]
    .map(|(keyword, value)| (keyword, value.into_iter().collect()))
    .to_vec()
}

/// What is printed on as many lines as there are values.
fn several(ours: &HostConfig, theirs: &Answer) -> Printed {
    let identities = ours.identity_files.iter().map(|file| file.written.clone());
    let set = ours
        .set_env
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    vec![
        ("identityfile", with_none(identities.collect(), theirs)),
        ("identityagent", agent(&ours.identity_agent, theirs)),
        ("sendenv", ours.send_env.clone()),
        ("setenv", set.collect()),
    ]
}

fn files(ours: &HostConfig, theirs: &Answer) -> Printed {
    let names = |paths: &[PathBuf]| -> Vec<String> {
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    };
    let line = |paths: &[PathBuf]| {
        let names = names(paths);
        vec![if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(" ")
        }]
    };
    // What `ssh -G` leaves as it was written is expanded later.
    let home = surroundings().home.display().to_string();
    let certificates = theirs.get("certificatefile").cloned().unwrap_or_default();
    let expanded = |file: &String| {
        file.strip_prefix('~')
            .map_or(file.clone(), |rest| format!("{home}{rest}"))
    };
    let certificates: Vec<_> = certificates.iter().map(expanded).collect();
    assert_eq!(names(&ours.certificate_files), certificates);
    let mut printed = vec![("userknownhostsfile", line(&ours.user_known_hosts))];
    let global = theirs
        .get("globalknownhostsfile")
        .cloned()
        .unwrap_or_default();
    if !global.iter().any(|line| line.contains('~')) {
        printed.push(("globalknownhostsfile", line(&ours.global_known_hosts)));
    }
    printed
}

/// `none` among the keys is printed, and means nothing.
fn with_none(mut ours: Vec<String>, theirs: &Answer) -> Vec<String> {
    let theirs = theirs.get("identityfile").cloned().unwrap_or_default();
    for (at, name) in theirs.iter().enumerate() {
        if name.eq_ignore_ascii_case("none") && at <= ours.len() {
            ours.insert(at, name.clone());
        }
    }
    ours
}

fn agent(ours: &IdentityAgent, theirs: &Answer) -> Vec<String> {
    let printed = theirs
        .get("identityagent")
        .and_then(|values| values.first());
    match (ours, printed.map(String::as_str)) {
        (IdentityAgent::Environment, None | Some("SSH_AUTH_SOCK"))
        | (IdentityAgent::Nobody, Some("none" | "$NOT_THERE")) => {
            printed.into_iter().cloned().collect()
        }
        // The name of a variable is printed as it is.
        (IdentityAgent::Socket(path), Some("$A_FOLDER")) if path == Path::new("/srv/a b") => {
            vec!["$A_FOLDER".to_owned()]
        }
        (other, _) => match other {
            IdentityAgent::Socket(path) => vec![path.display().to_string()],
            other => vec![format!("{other:?}")],
        },
    }
}

fn family(family: AddressFamily) -> &'static str {
    match family {
        AddressFamily::Any => "any",
        AddressFamily::Inet => "inet",
        AddressFamily::Inet6 => "inet6",
    }
}

fn strict(strict: StrictHostKeyChecking) -> &'static str {
    match strict {
        StrictHostKeyChecking::Yes => "yes",
        StrictHostKeyChecking::Ask => "ask",
        StrictHostKeyChecking::AcceptNew => "accept-new",
        StrictHostKeyChecking::No => "no",
    }
}

/// Algorithms that OpenSSH can do, by the name of what `ssh -Q` asks, and those it offers when no file says anything.
fn lists(ours: &HostConfig) -> Printed {
    let one = |keyword: &'static str, query: &str, chosen: &Algorithms| {
        let usual = &defaults()[keyword];
        let usual: Vec<&str> = usual[0].split(',').collect();
        let all = all(query);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        (keyword, vec![chosen.choose(&usual, &all).join(",")])
    };
    vec![
        one("ciphers", "cipher", &ours.ciphers),
        one("macs", "mac", &ours.macs),
        one("kexalgorithms", "kex", &ours.kex_algorithms),
        one(
            "hostkeyalgorithms",
            "HostKeyAlgorithms",
            &ours.host_key_algorithms,
        ),
        one(
            "pubkeyacceptedalgorithms",
            "PubkeyAcceptedAlgorithms",
            &ours.pubkey_accepted_algorithms,
        ),
    ]
}

fn defaults() -> &'static Answer {
    static DEFAULTS: OnceLock<Answer> = OnceLock::new();
    DEFAULTS.get_or_init(|| ssh(Path::new("none"), "x", None, None).unwrap())
}

fn all(query: &str) -> Vec<String> {
    static ALL: OnceLock<BTreeMap<String, Vec<String>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let queries = [
            "cipher",
            "mac",
            "kex",
            "HostKeyAlgorithms",
            "PubkeyAcceptedAlgorithms",
        ];
        let ask = |query: &str| {
            let output = Command::new("ssh").args(["-Q", query]).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            (query.to_owned(), text.lines().map(str::to_owned).collect())
        };
        queries.into_iter().map(ask).collect()
    });
    all[query].clone()
}
