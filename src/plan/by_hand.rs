//! How a person does what an action says, with nothing but a shell.
//!
//! Every kind of action has its instructions here, as [`Part`]s that a page is
//! made of. Commands are exact and safe to paste: each part of a block either
//! does the whole thing or leaves things as they were, and no secret ever
//! stands on a command line. How a person looks at what a probe looks at is told by
//! [`look_by_hand`](super::look_by_hand).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::haproxy_by_hand::InPool;
use super::look_by_hand::look;
use super::markdown::{code, sentence, text};
use super::printable::list;
use super::shell::{self, Slots, command, word};
use super::{
    Action, Argv, BackupRef, Condition, Merge, Method, Millis, OnTimeout, Plan, PropertyEdit,
    RemotePath, ServiceState, Step, StepId, Tree, Value, XmlEdit,
};

/// A piece of the instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A sentence or two, in Markdown.
    Say(String),
    /// Commands to type on the node.
    Type(String),
    /// Text to look at, of this language.
    Show(&'static str, String),
}

/// Where an action stands: in which plan, and for which of its steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The plan.
    pub(super) plan: &'a Plan,
    /// The number of each step.
    pub(super) numbers: &'a BTreeMap<&'a StepId, usize>,
    /// The step.
    pub(super) step: &'a Step,
    /// Whether the step is taken back.
    pub(super) undoing: bool,
}

impl Place<'_> {
    /// What tells apart the copies that different steps keep.
    fn label(&self) -> String {
        let undo = if self.undoing { "undo-" } else { "" };
        format!("{undo}{}", label(&self.step.id))
    }

    /// Where a step that is done by hand keeps what it keeps.
    pub(super) fn kept(&self, backup: &BackupRef) -> Option<String> {
        if backup.run.is_some() {
            return None;
        }
        let (_, step) = self.plan.step(&backup.step)?;
        copied(&step.action).map(|path| kept_at(path, &label(&backup.step)))
    }

    /// Whether what the step keeps is a file for certain, and neither a folder nor a link.
    fn keeps_a_file(&self, backup: &BackupRef) -> bool {
        self.plan.step(&backup.step).is_some_and(|(_, step)| {
            matches!(
                step.action,
                Action::EditProperties { .. } | Action::EditXml { .. } | Action::WriteFile { .. }
            )
        })
    }

    /// `step 3`, or the step's name where the plan does not have it.
    pub(super) fn number(&self, id: &StepId) -> String {
        match self.numbers.get(id) {
            Some(number) => format!("step {number}"),
            None => code(id.as_str()),
        }
    }
}

/// What of a step's name goes into the names of files.
fn label(id: &StepId) -> String {
    let verb = id.as_str().split('/').next().unwrap_or("");
    format!("{verb}-{}", id.slug())
}

fn kept_at(path: &RemotePath, label: &str) -> String {
    format!("{path}.before-{label}")
}

/// The file or folder of which the action keeps a copy.
fn copied(action: &Action) -> Option<&RemotePath> {
    match action {
        Action::EditProperties { path, .. }
        | Action::EditXml { path, .. }
        | Action::WriteFile { path, .. }
        | Action::Link { path, .. }
        | Action::Remove { path }
        | Action::SwapTree { to: path, .. }
        | Action::BackUp { path } => Some(path),
        _ => None,
    }
}

/// Where the step's copy is kept when the step is done by hand.
pub(super) fn copy_of(step: &Step) -> Option<String> {
    copied(&step.action).map(|path| kept_at(path, &label(&step.id)))
}

/// What a person does instead of the action.
pub(super) fn instructions(action: &Action, place: Place<'_>) -> Vec<Part> {
    match action {
        Action::EditProperties { path, edits, utf8 } => {
            let mut parts = before_an_edit(path, place);
            for edit in edits {
                property(edit, *utf8, place, &mut parts);
            }
            diff(place, &mut parts);
            parts
        }
        Action::EditXml { path, edits } => {
            let mut parts = before_an_edit(path, place);
            for edit in edits {
                attribute(edit, place, &mut parts);
            }
            diff(place, &mut parts);
            parts
        }
        Action::WriteFile {
            path,
            content,
            mode,
        } => write_file(path, content, *mode, place),
        Action::CopyTree { from, to, .. } => copy_tree(from, to),
        Action::StageTree { tree, to, .. } => stage_tree(tree, to, place),
        Action::ReplaceFiles { tree, to, .. } => vec![
            Part::Say(
                "On the machine that has the tree, with the node's address for `NODE`:".to_owned(),
            ),
            Part::Show(
                "sh",
                command(&rsync(tree, &format!("NODE:{to}/"), tree.delete)),
            ),
        ],
        Action::SwapTree { to, .. } => swap_tree(to, place),
        Action::SwapBack { to, swap, .. } => swap_back(to, swap, place),
        Action::MoveTree { from, to } => vec![Part::Type(format!(
            "{} && mv {} {}",
            nothing_at(to.as_str()),
            word(from.as_str()),
            word(to.as_str())
        ))],
        Action::Link { path, target } => {
            let aside = word(&kept_at(path, &place.label()));
            let (path, target) = (word(path.as_str()), word(target));
            vec![Part::Type(format!(
                "if test -h {path}; then mv {path} {aside}; fi\nln -s {target} {path}"
            ))]
        }
        Action::Remove { path } => {
            let aside = kept_at(path, &place.label());
            vec![
                Part::Say("It is only moved aside; delete it when all is well.".to_owned()),
                Part::Type(format!(
                    "{} && mv {} {}",
                    nothing_at(&aside),
                    word(path.as_str()),
                    word(&aside)
                )),
            ]
        }
        Action::Service { service, to } => {
            let argv = match to {
                ServiceState::Running => &service.start,
                ServiceState::Stopped => &service.stop,
            };
            vec![Part::Type(command(argv))]
        }
        Action::Run {
            argv,
            dir,
            stdin,
            success,
        } => run(argv, dir.as_ref(), stdin, success, place),
        Action::Rest { .. } => rest(action, place),
        Action::Balancer { to, .. } => {
            InPool::of_action(action).map_or_else(Vec::new, |it| it.order(*to))
        }
        Action::WaitUntil {
            until,
            every,
            good,
            within,
            on_timeout,
        } => wait(until, (*every, *within), *good, *on_timeout, place),
        Action::BackUp { path } => back_up(path, place),
        Action::Restore { path, backup } => restore(path, backup, place),
        Action::AskOperator { request, evidence } => vec![
            Part::Say(text(request)),
            Part::Say(format!(
                "Write down as evidence ({}): ______________________",
                text(evidence)
            )),
        ],
        Action::Check { that } => that.iter().flat_map(|c| look(c, place).parts()).collect(),
    }
}

/// A test that succeeds when nothing stands at the path.
fn nothing_at(path: &str) -> String {
    let path = word(path);
    format!("test ! -e {path} && test ! -h {path}")
}

/// Asks for the values that commands need, each in a block of its own: what is
/// pasted after a `read` would be taken for the answer.
pub(super) fn ask(slots: &Slots, place: Place<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    for (variable, value) in slots.each() {
        match value {
            Value::Secret(reference) => {
                parts.push(Part::Say(format!(
                    "Get the secret {} from where it is kept. Type this line, then the secret; it is \
                     not shown, and it must never stand on a command line.",
                    code(&reference.to_string())
                )));
                parts.push(Part::Type(format!(
                    "stty -echo; IFS= read -r {variable}; stty echo"
                )));
            }
            Value::FromStep { step, output } => {
                parts.push(Part::Say(format!(
                    "Type this line, then the {} that {} gave.",
                    code(output),
                    place.number(step)
                )));
                parts.push(Part::Type(format!("IFS= read -r {variable}")));
            }
            Value::Text(_) => {}
        }
    }
    parts
}

/// A command that forgets the values that were asked for; nothing when there were none.
pub(super) fn forget(slots: &Slots) -> String {
    let variables: Vec<_> = slots.each().map(|(variable, _)| variable).collect();
    if variables.is_empty() {
        String::new()
    } else {
        format!("\nunset {}", variables.join(" "))
    }
}

/// A value in a sentence.
pub(super) fn told(value: &Value, place: Place<'_>) -> String {
    match value {
        Value::Text(value) => code(value),
        Value::Secret(reference) => format!("the secret {}", code(&reference.to_string())),
        Value::FromStep { step, output } => {
            format!("the {} that {} gave", code(output), place.number(step))
        }
    }
}

fn before_an_edit(path: &RemotePath, place: Place<'_>) -> Vec<Part> {
    let kept = kept_at(path, &place.label());
    vec![
        Part::Say("Keep a copy:".to_owned()),
        Part::Type(format!("cp -p {} {}", word(path.as_str()), word(&kept))),
        Part::Say(format!(
            "Open {} in an editor and change these lines and no others:",
            code(path.as_str())
        )),
    ]
}

fn diff(place: Place<'_>, parts: &mut Vec<Part>) {
    if let (Some(preview), false) = (&place.step.preview, place.undoing) {
        parts.push(Part::Say(
            "When the plan was made, the difference was this (secrets are masked):".to_owned(),
        ));
        parts.push(Part::Show("diff", preview.clone()));
    }
}

fn property(edit: &PropertyEdit, utf8: bool, place: Place<'_>, parts: &mut Vec<Part>) {
    let (PropertyEdit::Set { key, line, .. } | PropertyEdit::Unset { key, line }) = edit;
    let which = match line {
        Some(line) => format!(" (line {line}; leave its other definitions alone)"),
        None => String::new(),
    };
    match edit {
        PropertyEdit::Unset { .. } => parts.push(Part::Say(format!(
            "* Take out the definition of {}{which}.",
            code(key)
        ))),
        PropertyEdit::Set { value, .. } => {
            let key_in_file = escaped(key, true, utf8);
            let (value_in_file, whole) = match value {
                Value::Text(value) => (escaped(value, false, utf8), true),
                Value::Secret(_) | Value::FromStep { .. } => (String::new(), false),
            };
            let then = if whole {
                "becomes this line; where there is none, add it at the end".to_owned()
            } else {
                format!(
                    "becomes this line with {} behind it; where there is none, add it at the end",
                    told(value, place)
                )
            };
            parts.push(Part::Say(format!(
                "* The definition of {}{which} {then}:",
                code(key)
            )));
            parts.push(Part::Show(
                "properties",
                format!("{key_in_file}={value_in_file}"),
            ));
        }
    }
}

/// A key or a value as a `.properties` file spells it.
fn escaped(text: &str, key: bool, utf8: bool) -> String {
    let mut out = String::new();
    for (at, c) in text.char_indices() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' ' if key || at == 0 => out.push_str("\\ "),
            ':' | '=' if key => out.extend(['\\', c]),
            '#' | '!' if key && at == 0 => out.extend(['\\', c]),
            c if super::printable::shows(c) && (utf8 || c.is_ascii()) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

fn attribute(edit: &XmlEdit, place: Place<'_>, parts: &mut Vec<Part>) {
    let XmlEdit {
        element,
        attribute,
        value,
    } = edit;
    parts.push(Part::Say(format!(
        "* In the element {}, the attribute {} becomes {}.",
        code(&element.join(" › ")),
        code(attribute),
        told(value, place)
    )));
    if let Value::Text(value) = value {
        let value = value
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
            .replace('\n', "&#10;");
        parts.push(Part::Show("xml", format!("{attribute}=\"{value}\"")));
    }
}

fn write_file(
    path: &RemotePath,
    content: &[Value],
    mode: Option<u32>,
    place: Place<'_>,
) -> Vec<Part> {
    let label = place.label();
    let kept = word(&kept_at(path, &label));
    let new = word(&format!("{path}.new-{label}"));
    let path = word(path.as_str());
    let mut slots = Slots::default();
    let whole: Option<String> = content
        .iter()
        .map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::Secret(_) | Value::FromStep { .. } => None,
        })
        .collect();
    let fill = match whole.as_deref().and_then(shell::here) {
        Some(here) => match here.split_once('\n') {
            Some((operator, rest)) => format!("cat {operator} > {new}\n{rest}"),
            None => here,
        },
        None => format!("{} > {new}", slots.print(content)),
    };
    let chmod = match mode {
        Some(mode) => format!("chmod {mode:04o} {new}\n"),
        None => String::new(),
    };
    let mut parts = ask(&slots, place);
    parts.push(Part::Say(
        "An old file is kept; the new one is made beside it and takes its place at once."
            .to_owned(),
    ));
    parts.push(Part::Type(format!(
        "(umask 077; : > {new})\n\
         if test -e {path}; then cp -p {path} {kept}; cp -p {path} {new}; fi\n\
         {fill}\n{chmod}mv -f {new} {path}{}",
        forget(&slots)
    )));
    parts
}

fn copy_tree(from: &RemotePath, to: &RemotePath) -> Vec<Part> {
    let partial = word(&format!("{to}.partial"));
    let (source, target) = (word(from.as_str()), word(to.as_str()));
    vec![
        Part::Say(format!(
            "Nothing may stand at {} yet. If the copy breaks off, delete {} and begin again.",
            code(to.as_str()),
            code(&format!("{to}.partial"))
        )),
        Part::Type(format!(
            "{} && {} && cp -RPp {source} {partial} && mv {partial} {target}",
            nothing_at(to.as_str()),
            nothing_at(&format!("{to}.partial")),
        )),
        Part::Say("The two must not differ:".to_owned()),
        Part::Type(format!("diff -r {source} {target} && echo ok")),
    ]
}

fn stage_tree(tree: &Tree, to: &RemotePath, place: Place<'_>) -> Vec<Part> {
    let has_it = tree.from.node();
    let is_near = has_it.is_some_and(|node| node.as_str() == place.step.id.node());
    let at = if is_near { "" } else { "NODE:" };
    let rsync = rsync(tree, &format!("{at}{to}.staged/"), false);
    let mut parts = vec![Part::Say(format!(
        "What is in {} and shall stay is copied first{}. Nothing may stand at {} yet.",
        code(to.as_str()),
        if tree.delete {
            ", which is only what is excluded: delete the rest from the copy"
        } else {
            ""
        },
        code(&format!("{to}.staged"))
    ))];
    let (place, staged) = (word(to.as_str()), word(&format!("{to}.staged")));
    parts.push(Part::Type(format!(
        "{} && if test -d {place}; then cp -RPp {place} {staged}; else mkdir {staged}; fi",
        nothing_at(&format!("{to}.staged")),
    )));
    if is_near {
        parts.push(Part::Say("Then the tree itself:".to_owned()));
        parts.push(Part::Type(command(&rsync)));
        return parts;
    }
    let machine = match has_it {
        Some(node) => format!("on {node}"),
        None => "on the machine that has it".to_owned(),
    };
    parts.push(Part::Say(format!(
        "Then the tree itself, {machine}, with the node's address for `NODE`:"
    )));
    parts.push(Part::Show("sh", command(&rsync)));
    parts
}

/// The command that copies a tree.
fn rsync(tree: &Tree, to: &str, delete: bool) -> Argv {
    let mut words = ["rsync", "-aHAX", "--checksum"].map(str::to_owned).to_vec();
    if delete {
        words.push("--delete".to_owned());
    }
    words.extend(tree.owner.iter().map(|owner| format!("--chown={owner}")));
    words.extend(tree.exclude.iter().map(|rule| format!("--exclude={rule}")));
    words.extend([format!("{}/", tree.from.path()), to.to_owned()]);
    Argv::new(words)
}

fn swap_tree(to: &RemotePath, place: Place<'_>) -> Vec<Part> {
    let kept = kept_at(to, &place.label());
    let (there, staged) = (word(to.as_str()), word(&format!("{to}.staged")));
    vec![Part::Type(format!(
        "test -d {staged} && {} &&\n\
         if test -e {there}; then mv {there} {}; fi &&\n\
         mv {staged} {there}",
        nothing_at(&kept),
        word(&kept)
    ))]
}

fn swap_back(to: &RemotePath, swap: &BackupRef, place: Place<'_>) -> Vec<Part> {
    let Some(kept) = place.kept(swap) else {
        return vec![Part::Say(format!(
            "Put back {} from where run {} kept it.",
            code(to.as_str()),
            code(swap.run.as_ref().map_or("", |run| run.as_str()))
        ))];
    };
    let aside = word(&kept_at(to, &place.label()));
    let (there, kept) = (word(to.as_str()), word(&kept));
    vec![
        Part::Say("Where there was nothing before, nothing is put back.".to_owned()),
        Part::Type(format!(
            "if test -e {there}; then mv {there} {aside}; fi &&\n\
             if test -e {kept}; then mv {kept} {there}; fi"
        )),
    ]
}

fn run(
    argv: &Argv,
    dir: Option<&RemotePath>,
    stdin: &[Value],
    success: &[i64],
    place: Place<'_>,
) -> Vec<Part> {
    let mut slots = Slots::default();
    let mut typed = command(argv);
    if let Some(dir) = dir {
        typed = format!("(cd {} && {typed})", word(dir.as_str()));
    }
    typed = if stdin.is_empty() {
        format!("{typed} </dev/null")
    } else {
        format!("{} | {typed}", slots.print(stdin))
    };
    let mut parts = ask(&slots, place);
    parts.push(Part::Type(format!(
        "{typed}; echo \"exit code $?\"{}",
        forget(&slots)
    )));
    parts.push(Part::Say(format!(
        "It must say {}.",
        or(success
            .iter()
            .map(|exit| code(&format!("exit code {exit}"))))
    )));
    parts
}

/// `a`, `a or b`, `a, b or c`.
fn or(items: impl IntoIterator<Item = String>) -> String {
    let all: Vec<String> = items.into_iter().collect();
    match all.split_last() {
        None => "nothing that would be a success".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

fn rest(action: &Action, place: Place<'_>) -> Vec<Part> {
    let Action::Rest {
        method,
        url,
        under,
        credentials,
        body,
        merge,
        success,
    } = action
    else {
        return Vec::new();
    };
    let mut slots = Slots::default();
    let mut before = Vec::new();
    let url = match under {
        None => url.clone(),
        Some(Value::Text(last)) => format!("{url}/{last}"),
        Some(last) => {
            before.push(Part::Say(format!(
                "In the address, write {} in place of {}.",
                told(last, place),
                code("ID")
            )));
            format!("{url}/ID")
        }
    };
    let mut call = Argv::new(["curl", "-sS", "-w", "\\n%{http_code}\\n"]);
    if *method != Method::Get {
        call = call.arg("-X").arg(method.to_string());
    }
    if let Some(body) = body {
        call = call.arg("-H").arg("Content-Type: application/json");
        call = match merge {
            None => call.arg("--data-raw").arg(body.to_string()),
            Some(merge) => {
                before.extend(read_first(merge, body, credentials.as_ref(), &mut slots));
                call.arg("--data-binary").arg(format!("@{READ_FIRST}"))
            }
        };
    }
    let call = with_credentials(call, &url, credentials.as_ref(), &mut slots);
    let mut parts = ask(&slots, place);
    if credentials.is_some() {
        parts.push(Part::Say(CREDENTIALS.to_owned()));
    }
    parts.extend(before);
    parts.push(Part::Type(format!("{call}{}", forget(&slots))));
    parts.push(Part::Say(format!(
        "The last line must be {}.",
        or(success.iter().map(|status| code(&status.to_string())))
    )));
    parts
}

/// The file that a person changes between reading and writing.
const READ_FIRST: &str = "read-first.json";

/// How what is there is read, and what of it is changed before it is sent.
fn read_first(
    merge: &Merge,
    body: &serde_json::Value,
    credentials: Option<&crate::config::SecretRef>,
    slots: &mut Slots,
) -> Vec<Part> {
    let call = Argv::new(["curl", "-sS", "-f", "-o", READ_FIRST]);
    let call = with_credentials(call, &merge.from, credentials, slots);
    let members = body.as_object().into_iter().flatten();
    let members: Vec<String> = members
        .map(|(name, value)| code(&format!("\"{name}\": {value}")))
        .collect();
    let mut change = format!(
        "In the file {}, write {}",
        code(READ_FIRST),
        members.join(", ")
    );
    if !merge.without.is_empty() {
        let without: Vec<String> = merge.without.iter().map(|name| code(name)).collect();
        let _ = write!(change, ", and take out {}", without.join(", "));
    }
    vec![
        Part::Type(call),
        Part::Say(format!("{change}. Leave everything else in it as it is.")),
    ]
}

/// What a person must know of credentials that go to `curl` on its standard input.
pub(super) const CREDENTIALS: &str = "The secret is either `user:password` or a token. For a token, write \
     `header = \"Authorization: Bearer %s\"` instead of `user = \"%s\"`. A `\"` or `\\` in the secret needs a `\\` before it.";

/// The call, its credentials on standard input, where no list of processes shows them.
pub(super) fn with_credentials(
    call: Argv,
    url: &str,
    credentials: Option<&crate::config::SecretRef>,
    slots: &mut Slots,
) -> String {
    match credentials {
        None => command(&call.arg("--url").arg(url)),
        Some(reference) => {
            let mut secret = slots.print(&[Value::Secret(reference.clone())]);
            secret = secret.replacen("'%s'", "'user = \"%s\"\\n'", 1);
            let call = command(&call.arg("-K").arg("-").arg("--url").arg(url));
            format!("{secret} | {call}")
        }
    }
}

fn wait(
    until: &Condition,
    (every, within): (Millis, Millis),
    good: u32,
    on_timeout: OnTimeout,
    place: Place<'_>,
) -> Vec<Part> {
    let looked = look(until, place);
    let times = if good > 1 {
        format!(", {good} times in a row")
    } else {
        String::new()
    };
    let mut parts = vec![Part::Say(format!(
        "Look every {every} until {}{times}, for at most {within}.",
        sentence(&until.to_string())
    ))];
    let seconds = |length: Millis| length.0.div_ceil(1000);
    match &looked.test {
        Some(test) => {
            parts.extend(looked.before.clone());
            let (every, within) = (seconds(every), seconds(within));
            parts.push(Part::Type(format!(
                "good=0; end=$(($(date +%s) + {within}))\n\
                 while test $good -lt {good}; do\n  \
                   if {test}; then good=$((good + 1)); else good=0; fi\n  \
                   if test $good -ge {good}; then break; fi\n  \
                   if test \"$(date +%s)\" -ge $end; then echo STOP: the time is up; break; fi\n  \
                   sleep {every}\n\
                 done; if test $good -ge {good}; then echo ok; fi{}",
                looked.after
            )));
        }
        None => parts.extend(looked.parts()),
    }
    parts.push(Part::Say(match on_timeout {
        OnTimeout::Fail => "If the time is up first, the step has failed.".to_owned(),
        OnTimeout::GoOn => "If the time is up first, note it and go on.".to_owned(),
        OnTimeout::GiveBack => "If the time is up first, the step has failed: take back, from the last to the first, each step that changed something for a time only.".to_owned(),
    }));
    parts
}

fn back_up(path: &RemotePath, place: Place<'_>) -> Vec<Part> {
    let kept = kept_at(path, &place.label());
    vec![Part::Type(format!(
        "{} && cp -RPp {} {}",
        nothing_at(&kept),
        word(path.as_str()),
        word(&kept)
    ))]
}

fn restore(path: &RemotePath, backup: &BackupRef, place: Place<'_>) -> Vec<Part> {
    let Some(kept) = place.kept(backup) else {
        let run = match &backup.run {
            Some(run) => format!(" in run {}", code(run.as_str())),
            None => String::new(),
        };
        return vec![Part::Say(format!(
            "Put back {} from what {} kept{run}; look for it under the node's folder of runs.",
            code(path.as_str()),
            code(backup.step.as_str())
        ))];
    };
    let there = word(path.as_str());
    if place.keeps_a_file(backup) {
        return vec![Part::Type(format!("cp -p {} {there}", word(&kept)))];
    }
    let aside = word(&kept_at(path, &place.label()));
    let back = word(&format!("{path}.back-{}", place.label()));
    let kept = word(&kept);
    vec![Part::Type(format!(
        "cp -RPp {kept} {back} &&\n\
         if test -e {there} || test -h {there}; then mv {there} {aside}; fi &&\n\
         mv {back} {there}"
    ))]
}

/// What a person needs of tools, besides the shell and the commands that every Linux has.
pub(super) fn tools(pages: &str) -> String {
    let known = ["curl", "nc", "sha256sum", "awk", "cmp", "diff"];
    let begins = |at: usize| !pages[..at].ends_with(|c: char| c.is_alphanumeric());
    let used = known.into_iter().filter(|tool| {
        pages
            .match_indices(&format!("{tool} "))
            .any(|(at, _)| begins(at))
    });
    list(used.map(code))
}
