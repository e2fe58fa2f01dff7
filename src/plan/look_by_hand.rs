//! How a person looks at what a probe looks at, with nothing but a shell.

use super::by_hand::{CREDENTIALS, Part, Place, ask, forget, told, with_credentials};
use super::haproxy_by_hand::InPool;
use super::markdown::{code, sentence};
use super::shell::{Slots, command, word};
use super::{Argv, Condition, Expect, Probe, Reading, RemotePath, Service, ServiceState, Value};

/// How a condition is looked at.
#[derive(Debug)]
pub(super) struct Look {
    /// What must be, as a sentence in Markdown.
    pub(super) must: String,
    /// What comes before the commands: values to be asked for.
    pub(super) before: Vec<Part>,
    /// A list of commands that succeeds when it is so, where a shell can tell.
    pub(super) test: Option<String>,
    /// What comes after the commands: the values are forgotten.
    pub(super) after: String,
    /// What to do where a shell can't tell.
    otherwise: Vec<Part>,
}

impl Look {
    /// The instructions.
    pub(super) fn parts(self) -> Vec<Part> {
        let mut parts = vec![Part::Say(format!("* {}", self.must))];
        match self.test {
            Some(test) => {
                parts.extend(self.before);
                parts.push(Part::Type(format!(
                    "if {test}; then echo ok; else echo STOP; fi{}",
                    self.after
                )));
            }
            None => parts.extend(self.otherwise),
        }
        parts
    }
}

/// How a person sees whether the condition holds.
pub(super) fn look(condition: &Condition, place: Place<'_>) -> Look {
    let Condition { probe, expect } = condition;
    let mut slots = Slots::default();
    let test = test(probe, expect, place, &mut slots);
    let mut before = ask(&slots, place);
    if let Probe::Rest {
        credentials: Some(_),
        ..
    } = probe
    {
        before.push(Part::Say(CREDENTIALS.to_owned()));
    }
    Look {
        must: format!("{}.", sentence(&condition.to_string())),
        before,
        test,
        after: forget(&slots),
        otherwise: by_eye(probe, place),
    }
}

/// How a person finds what later steps need to know.
pub(super) fn find(name: &str, probe: &Probe, place: Place<'_>) -> Vec<Part> {
    let mut parts = vec![Part::Say(format!(
        "* Write down {} as {}: ______________________",
        sentence(&probe.to_string()),
        code(name)
    ))];
    match probe {
        Probe::Command { argv } => {
            parts.push(Part::Type(format!("{}; echo $?", command(argv))));
        }
        Probe::FreeSpace { path } => {
            parts.push(Part::Type(format!("df -Pk {}", word(path.as_str()))));
        }
        Probe::Rest {
            url, credentials, ..
        } => parts.extend(answer(url, credentials.as_ref(), place)),
        _ => parts.extend(by_eye(probe, place)),
    }
    parts
}

/// A call whose answer a person reads.
fn answer(
    url: &str,
    credentials: Option<&crate::config::SecretRef>,
    place: Place<'_>,
) -> Vec<Part> {
    let mut slots = Slots::default();
    let call = Argv::new([
        "curl",
        "-sS",
        "-w",
        "\\n%{http_code}\\n",
        "--max-time",
        "30",
    ]);
    let call = with_credentials(call, url, credentials, &mut slots);
    let mut parts = ask(&slots, place);
    if credentials.is_some() {
        parts.push(Part::Say(CREDENTIALS.to_owned()));
    }
    parts.push(Part::Type(format!("{call}{}", forget(&slots))));
    parts
}

fn test(probe: &Probe, expect: &Expect, place: Place<'_>, slots: &mut Slots) -> Option<String> {
    if let (Probe::Balancer { of, .. }, Some(it)) = (probe, InPool::of_probe(probe)) {
        return it.test(*of, expect);
    }
    match expect {
        Expect::Is(reading) => finds(probe, reading, place, slots),
        Expect::IsNot(reading) => {
            finds(probe, reading, place, slots).map(|test| format!("! {{ {test}; }}"))
        }
        Expect::AtLeast(least) => at_least(probe, *least, slots),
        Expect::OneOf(readings) => {
            let tests: Option<Vec<String>> = readings
                .iter()
                .map(|reading| finds(probe, reading, place, slots))
                .map(|test| test.map(|test| format!("{{ {test}; }}")))
                .collect();
            tests.map(|tests| match tests.as_slice() {
                [] => NEVER.to_owned(),
                some => some.join(" || "),
            })
        }
    }
}

/// A test for what can't be.
const NEVER: &str = "false";

/// A test that succeeds when the probe finds this reading; nothing where a shell can't tell.
fn finds(probe: &Probe, reading: &Reading, place: Place<'_>, slots: &mut Slots) -> Option<String> {
    match probe {
        Probe::Path { path } => Some(stands(path, reading)),
        Probe::File { path, masked } => match reading {
            Reading::Absent => Some(no_file(path)),
            Reading::Digest(_) if !masked.is_empty() => None,
            Reading::Digest(digest) => Some(format!(
                "test \"$(sha256sum < {} | cut -c 1-64)\" = {}",
                word(path.as_str()),
                word(digest.as_str())
            )),
            _ => Some(NEVER.to_owned()),
        },
        Probe::FileIs { path, content } => {
            let same = format!(
                "{} | cmp -s - {}",
                slots.print(content),
                word(path.as_str())
            );
            Some(compared(reading, no_file(path), &has_file(path), same))
        }
        Probe::Property { path, key } => match reading {
            Reading::Absent => defined(path, key).map(|grep| format!("{grep}; test $? -eq 1")),
            Reading::Text(value) => has_value(path, key, value),
            _ => Some(NEVER.to_owned()),
        },
        Probe::PropertyIs {
            path, key, value, ..
        } => {
            let Value::Text(value) = value else {
                return None;
            };
            let there = defined(path, key)?;
            let absent = format!("{there}; test $? -eq 1");
            let same = has_value(path, key, value)?;
            Some(compared(reading, absent, &there, same))
        }
        Probe::Tree { path } | Probe::Contents { path, .. } => match reading {
            Reading::Absent => Some(no_file(path)),
            Reading::Digest(_) => None,
            _ => Some(NEVER.to_owned()),
        },
        Probe::Backup { backup } => {
            let kept = RemotePath::new(place.kept(backup)?);
            match reading {
                Reading::Absent => Some(no_file(&kept)),
                Reading::Digest(_) => None,
                _ => Some(NEVER.to_owned()),
            }
        }
        Probe::AsKept { path, backup } => {
            let kept = word(&place.kept(backup)?);
            let same = format!("diff -r {kept} {} >/dev/null", word(path.as_str()));
            Some(compared(reading, no_file(path), &has_file(path), same))
        }
        Probe::Service { service } => Some(serves(service, reading)),
        Probe::Command { argv } => Some(match reading {
            Reading::Number(exit) => format!("{}; test $? -eq {exit}", command(argv)),
            _ => NEVER.to_owned(),
        }),
        Probe::Port { host, port } => {
            let open = command(&Argv::new(["nc", "-z", "-w", "5", host, &port.to_string()]));
            Some(match reading {
                Reading::Text(state) if state == "open" => open,
                Reading::Text(state) if state == "closed" => format!("! {open}"),
                _ => NEVER.to_owned(),
            })
        }
        Probe::FreeSpace { .. } => Some(NEVER.to_owned()),
        Probe::Rest {
            url,
            credentials,
            item: None,
            pointer: None,
            counts: false,
        } => {
            Some(match reading {
                // By this code it says that nobody listens there. Other troubles tell nothing.
                Reading::Absent => {
                    let quiet = ["-s", "-o", "/dev/null"];
                    let call = call(&quiet, url, credentials.as_ref(), slots);
                    format!("{call}; test $? -eq 7")
                }
                Reading::Number(wanted) => {
                    let status = status(url, credentials.as_ref(), slots);
                    format!("test \"{status}\" -eq {wanted}")
                }
                _ => NEVER.to_owned(),
            })
        }
        Probe::Rest { .. }
        | Probe::XmlIs { .. }
        | Probe::Staged { .. }
        | Probe::Stamp { .. }
        | Probe::Process { .. }
        | Probe::Balancer { .. }
        | Probe::Product { .. } => None,
    }
}

fn at_least(probe: &Probe, least: i64, slots: &mut Slots) -> Option<String> {
    match probe {
        Probe::Command { argv } => Some(format!("{}; test $? -ge {least}", command(argv))),
        Probe::Rest {
            url,
            credentials,
            item: None,
            pointer: None,
            counts: false,
        } => {
            let status = status(url, credentials.as_ref(), slots);
            Some(format!("test \"{status}\" -ge {least}"))
        }
        Probe::FreeSpace { path } => {
            let blocks = least.max(0).unsigned_abs().div_ceil(1024);
            Some(format!(
                "test \"$(df -Pk {} | awk 'NR == 2 {{ print $4 }}')\" -ge {blocks}",
                word(path.as_str())
            ))
        }
        Probe::Product { .. } | Probe::Rest { .. } => None,
        _ => Some(NEVER.to_owned()),
    }
}

fn no_file(path: &RemotePath) -> String {
    let path = word(path.as_str());
    format!("test ! -e {path} && test ! -h {path}")
}

fn has_file(path: &RemotePath) -> String {
    format!("test -e {}", word(path.as_str()))
}

/// What stands at a path, links not followed.
fn stands(path: &RemotePath, reading: &Reading) -> String {
    let quoted = word(path.as_str());
    let Reading::Text(what) = reading else {
        return match reading {
            Reading::Absent => no_file(path),
            _ => NEVER.to_owned(),
        };
    };
    match what.as_str() {
        "file" => format!("test -f {quoted} && test ! -h {quoted}"),
        "folder" => format!("test -d {quoted} && test ! -h {quoted}"),
        "other" => format!(
            "test -e {quoted} && test ! -f {quoted} && test ! -d {quoted} && test ! -h {quoted}"
        ),
        link => match link.strip_prefix("link ") {
            Some(target) => format!("test \"$(readlink {quoted})\" = {}", word(target)),
            None => NEVER.to_owned(),
        },
    }
}

/// The test for a probe that compares.
fn compared(reading: &Reading, absent: String, there: &str, same: String) -> String {
    match reading {
        Reading::Absent => absent,
        Reading::Same => same,
        Reading::Different => format!("{there} && ! {{ {same}; }}"),
        _ => NEVER.to_owned(),
    }
}

fn serves(service: &Service, reading: &Reading) -> String {
    let status = command(&service.status);
    match reading {
        Reading::Service(ServiceState::Running) => format!("{status}; test $? -eq 0"),
        Reading::Service(ServiceState::Stopped) => format!("{status}; test $? -eq 3"),
        Reading::Text(_) => format!("{status}; case $? in 0|3) false;; esac"),
        _ => NEVER.to_owned(),
    }
}

/// A substitution that gives the status of an answer, 000 when there is none.
fn status(url: &str, credentials: Option<&crate::config::SecretRef>, slots: &mut Slots) -> String {
    let options = ["-s", "-o", "/dev/null", "-w", "%{http_code}"];
    format!("$({})", call(&options, url, credentials, slots))
}

/// A call that takes no longer than a person waits.
fn call(
    options: &[&str],
    url: &str,
    credentials: Option<&crate::config::SecretRef>,
    slots: &mut Slots,
) -> String {
    let words = ["curl"].iter().chain(options).chain(&["--max-time", "30"]);
    with_credentials(Argv::new(words.copied()), url, credentials, slots)
}

/// A search for definitions of the key; nothing where the key is spelled in several ways.
fn defined(path: &RemotePath, key: &str) -> Option<String> {
    let start = start_of(key)?;
    let regex = word(&format!("{start}([[:space:]=:]|$)"));
    Some(format!("grep -Eq {regex} {}", word(path.as_str())))
}

/// A test of the last definition of a key.
fn has_value(path: &RemotePath, key: &str, value: &str) -> Option<String> {
    let start = start_of(key)?;
    let all = word(&format!("{start}([[:space:]=:]|$)"));
    let value = regex_of(value)?;
    let wanted = word(&format!("{start}[[:space:]]*[=:]?[[:space:]]*{value}$"));
    Some(format!(
        "grep -E {all} {} | tail -n 1 | grep -Eq {wanted}",
        word(path.as_str())
    ))
}

fn start_of(key: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if key.is_empty() || !key.chars().all(plain) {
        return None;
    }
    Some(format!("^[[:space:]]*{}", key.replace('.', "\\.")))
}

/// The value as an extended regular expression, with the escapes that a `.properties` file may have.
fn regex_of(value: &str) -> Option<String> {
    let mut regex = String::new();
    for c in value.chars() {
        match c {
            '\\' => regex.push_str("\\\\\\\\"),
            ':' | '=' | '#' | '!' | ' ' => regex.extend(['\\', '\\', '?', c]),
            '.' | '[' | ']' | '*' | '^' | '$' | '(' | ')' | '+' | '?' | '{' | '}' | '|' => {
                regex.extend(['\\', c]);
            }
            c if c.is_ascii_graphic() => regex.push(c),
            _ => return None,
        }
    }
    Some(regex)
}

/// How to look where a shell can't tell.
fn by_eye(probe: &Probe, place: Place<'_>) -> Vec<Part> {
    let say = |text: String| vec![Part::Say(text)];
    match probe {
        Probe::File { path, .. } => say(format!(
            "Compare {} with what the plan shows of it, apart from secrets. Where nobody changed it \
             since the plan was made, it is as it should be:",
            code(path.as_str())
        ))
        .into_iter()
        .chain([Part::Type(format!("ls -l {}", word(path.as_str())))])
        .collect(),
        Probe::Property { path, key } => say(format!(
            "Open {} and read the value of {}.",
            code(path.as_str()),
            code(key)
        )),
        Probe::PropertyIs {
            path, key, value, ..
        } => say(format!(
            "Open {} and compare the value of {} with {}; do not print it.",
            code(path.as_str()),
            code(key),
            told(value, place)
        )),
        Probe::XmlIs {
            path,
            element,
            attribute,
            value,
        } => say(format!(
            "Open {}; compare the attribute {} of the element {} with {}.",
            code(path.as_str()),
            code(attribute),
            code(&element.join(" › ")),
            told(value, place)
        )),
        Probe::Staged { to, .. } => say(format!(
            "Compare {} with the tree that was copied.",
            code(&format!("{to}.staged"))
        ))
        .into_iter()
        .chain([Part::Type(format!("ls -l {}", word(&format!("{to}.staged"))))])
        .collect(),
        Probe::Tree { path } | Probe::Contents { path, .. } => say(format!(
            "Compare {} with the folder that it was copied from; nobody may have changed it since.",
            code(path.as_str())
        ))
        .into_iter()
        .chain([Part::Type(format!("ls -l {}", word(path.as_str())))])
        .collect(),
        Probe::Backup { backup } => say(match place.kept(backup) {
            Some(kept) => format!("The copy must be there: {}.", code(&kept)),
            None => format!(
                "The copy that {} kept must be there.",
                place.number(&backup.step)
            ),
        }),
        Probe::AsKept { path, backup } => say(format!(
            "Compare {} with {}.",
            code(path.as_str()),
            place.kept(backup).map_or_else(
                || format!("the copy that {} kept", place.number(&backup.step)),
                |kept| code(&kept)
            )
        )),
        Probe::Stamp { step } => say(format!(
            "See on this page whether {} is ticked.",
            place.number(step)
        )),
        Probe::Balancer { .. } => InPool::of_probe(probe).map_or_else(Vec::new, |it| it.see()),
        Probe::Process { words } => {
            let shown: Vec<String> = words.iter().map(|word| code(word)).collect();
            vec![
                Part::Say(format!(
                    "See which process has {} in its command line, and when it was started.",
                    shown.join(" and ")
                )),
                Part::Type("ps -eo pid,lstart,args".to_owned()),
            ]
        }
        Probe::Product { name, args } => say(format!(
            "See in the product itself: {}.",
            code(format!("{name} {}", args.join(" ")).trim())
        )),
        Probe::Path { .. }
        | Probe::FileIs { .. }
        | Probe::Service { .. }
        | Probe::Command { .. }
        | Probe::Port { .. }
        | Probe::FreeSpace { .. } => Vec::new(),
        Probe::Rest {
            url, credentials, ..
        } => answer(url, credentials.as_ref(), place),
    }
}
