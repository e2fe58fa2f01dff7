//! Work on a node's files, for the fence: what is read there first, and what the script is told.
//!
//! Contents are edited here, and put there by `files.sh`, which looks again under the node's lock whether
//! everything is still as it was read.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::attributes::{Attributes, Extended};
use super::backup::Backup;
use super::edit;
use super::files::{kept_in, look, script, tree};
use super::job::Job;
use super::kept::{Bytes, Kept};
use super::names::{beside, check_has_name, with_ending};
use super::node::Node;
use super::parts::{Parts, path_word, word};
use super::survey::{self, Survey, Surveyed, touch_time};
use super::watch::Watch;
use crate::engine::{Call, Fault, FaultKind};
use crate::plan::{Action, BackupRef, PropertyEdit, RemotePath, Sha256, Value, XmlEdit};

/// What has its place taken by nothing.
const NOTHING: &str = "-";

/// The work that an action is; `None` where it is no work on files.
pub(super) fn job(
    node: &Node<'_>,
    call: &Call<'_>,
    action: &Action,
    watch: &Watch<'_>,
) -> Result<Option<Job>, Fault> {
    let own = Backup::at(node.folder.backup(call.run, call.step), call.direction);
    let work = Work {
        node,
        call,
        watch,
        backup: own.folder(),
    };
    let order = match action {
        Action::EditProperties { path, edits, utf8 } => {
            work.edit_properties(path.local(), edits, *utf8)?
        }
        Action::EditXml { path, edits } => work.edit_xml(path.local(), edits)?,
        Action::WriteFile {
            path,
            content,
            mode,
        } => work.write(path.local(), content, *mode)?,
        Action::CopyTree { from, to, source } => {
            work.copy_tree(from.local(), to.local(), source)?
        }
        Action::MoveTree { from, to } => move_tree(from, to)?,
        Action::Link { path, target } => work.link(path.local(), target)?,
        Action::Remove { path } => work.remove(path.local())?,
        Action::BackUp { path } => work.back_up(path.local())?,
        Action::Restore { path, backup } => work.restore(path.local(), backup)?,
        Action::Service { .. }
        | Action::StageTree { .. }
        | Action::ReplaceFiles { .. }
        | Action::SwapTree { .. }
        | Action::SwapBack { .. }
        | Action::Run { .. }
        | Action::Rest { .. }
        | Action::Balancer { .. }
        | Action::WaitUntil { .. }
        | Action::AskOperator { .. }
        | Action::Check { .. } => return Ok(None),
    };
    let script = script();
    let mut job = Job::files(
        action.kind(),
        script.text,
        script.name,
        order.arguments,
        order.input,
    );
    job.beside = order.beside;
    job.secrets = action.secrets();
    Ok(Some(job))
}

/// What the script is told to do.
struct Order {
    arguments: Vec<String>,
    input: Zeroizing<Vec<u8>>,
    beside: Option<PathBuf>,
}

impl Order {
    fn new<const N: usize>(arguments: [&str; N]) -> Self {
        Self {
            arguments: arguments.map(str::to_owned).to_vec(),
            input: Zeroizing::default(),
            beside: None,
        }
    }

    /// With the record of what is kept.
    fn keeping(mut self, kept: Kept, path: &Path) -> Self {
        let mut input = kept.record(path);
        input.push(b'\n');
        self.input = Zeroizing::new(input);
        self
    }

    /// With what it makes beside its place.
    fn beside(mut self, path: PathBuf) -> Self {
        self.beside = Some(path);
        self
    }
}

/// How a file comes to be what it shall be.
struct Put<'a> {
    path: &'a Path,
    real: &'a Path,
    found: Option<&'a Surveyed>,
    /// Where what is replaced is kept.
    backup: &'a Path,
    /// Whether an earlier attempt kept a file with these attributes there.
    as_kept: bool,
    content: Content<'a>,
    mode: u32,
    given: Option<&'a Attributes>,
}

/// What a file gets as content.
enum Content<'a> {
    /// These bytes.
    New(&'a [u8]),
    /// What was kept in this file.
    Kept(PathBuf),
}

struct Work<'a> {
    node: &'a Node<'a>,
    call: &'a Call<'a>,
    watch: &'a Watch<'a>,
    /// Where the step keeps what it changes.
    backup: &'a Path,
}

impl Work<'_> {
    fn survey(&self, path: &Path, backup: &Path, what: &str) -> Result<Survey, Fault> {
        let arguments = ["survey", &path_word(path), &path_word(backup), what].map(str::to_owned);
        Survey::read(&look(self.node, &arguments, self.watch)?, backup)
    }

    fn edit_properties(
        &self,
        path: &Path,
        edits: &[PropertyEdit],
        utf8: bool,
    ) -> Result<Order, Fault> {
        let edits = edit::resolve(edits, self.node.vault)?;
        self.edit(path, |found| {
            edit::properties_edited(path, found, &edits, utf8)
        })
    }

    fn edit_xml(&self, path: &Path, edits: &[XmlEdit]) -> Result<Order, Fault> {
        let edits = edit::resolve_xml(edits, self.node.vault)?;
        self.edit(path, |found| edit::xml_edited(path, found, &edits))
    }

    fn edit(
        &self,
        path: &Path,
        edited: impl FnOnce(&[u8]) -> Result<Zeroizing<Vec<u8>>, Fault>,
    ) -> Result<Order, Fault> {
        let survey = self.survey(path, self.backup, "content")?;
        let Some(found) = &survey.file else {
            return Err(edit::no_file(path));
        };
        let fresh = edited(&found.content)?;
        Ok(self.put(&Put {
            path,
            real: &found.real,
            found: Some(found),
            backup: self.backup,
            as_kept: is_kept(&survey),
            content: Content::New(&fresh),
            mode: found.attributes.mode,
            given: None,
        }))
    }

    fn write(&self, path: &Path, content: &[Value], mode: Option<u32>) -> Result<Order, Fault> {
        check_has_name(path)?;
        let content = self.node.vault.joined(content)?;
        let survey = self.survey(path, self.backup, "")?;
        let found = survey.file.as_ref();
        let old = found.map_or(edit::PRIVATE, |found| found.attributes.mode);
        Ok(self.put(&Put {
            path,
            real: found.map_or(path, |found| &found.real),
            found,
            backup: self.backup,
            as_kept: is_kept(&survey),
            content: Content::New(&content),
            mode: mode.unwrap_or(old),
            given: None,
        }))
    }

    fn put(&self, put: &Put<'_>) -> Order {
        let found = put.found;
        let now = found.map(|found| &found.attributes);
        let fresh = match found {
            Some(found) if found.must_stay => with_ending(put.backup, ".fresh"),
            _ => beside(put.real, self.call.run),
        };
        let as_is = match (now, put.given) {
            (Some(now), Some(given)) => now.unread() == given.unread(),
            (Some(now), None) => now.mode == put.mode,
            (None, _) => false,
        };
        let changes = put.given.map_or(String::new(), |given| changes(now, given));
        let content = match &put.content {
            Content::New(_) => NOTHING.to_owned(),
            Content::Kept(path) => path_word(path),
        };
        let owner = put.given.or(now).map_or(NOTHING.to_owned(), |attributes| {
            format!("{}:{}", attributes.uid, attributes.gid)
        });
        let times = put.given.map_or(NOTHING.to_owned(), |given| {
            format!(
                "{} {}",
                touch_time(given.read_at),
                touch_time(given.changed_at)
            )
        });
        let kept = found.map_or(Kept::Nothing, Surveyed::kept);
        let mut order = Order::new([
            "put",
            &path_word(put.path),
            &word(put.real),
            &word(&fresh),
            found.map_or(NOTHING, |found| &found.identity),
            &path_word(put.backup),
            yes(put.as_kept),
            &content,
            &format!("{:o}", put.mode),
            &owner,
            &times,
            yes(as_is),
            if changes.is_empty() { NOTHING } else { "yes" },
        ])
        .keeping(kept, put.path)
        .beside(fresh);
        order.input = joined(&order.input, changes.as_bytes(), &put.content);
        order
    }

    fn copy_tree(&self, from: &Path, to: &Path, source: &Sha256) -> Result<Order, Fault> {
        check_has_name(to)?;
        let Some(found) = tree(self.node, from, self.watch)? else {
            let what = format!("there is nothing at {}", from.display());
            return Err(Fault::new(FaultKind::Stale, what));
        };
        if found.digest != *source {
            let what = format!("{} changed since the plan was made", from.display());
            return Err(Fault::new(FaultKind::Stale, what));
        }
        let stage = beside(to, self.call.run);
        let words = [from, to, &stage].map(path_word);
        let [from, to, by] = &words;
        Ok(Order::new(["copy-tree", from, to, by, found.mark.as_str()]).beside(stage))
    }

    fn link(&self, path: &Path, target: &str) -> Result<Order, Fault> {
        check_has_name(path)?;
        let stage = beside(path, self.call.run);
        let aside = self.aside(path, &stage)?;
        let already = aside.target.as_deref() == Some(Path::new(target));
        let kept = match &aside.target {
            None => Kept::Nothing,
            Some(target) => Kept::Link {
                target: Bytes::of(target),
            },
        };
        let mut was = std::ffi::OsString::from(NOTHING);
        if let Some(target) = &aside.target {
            was = "+".into();
            was.push(target);
        }
        Ok(Order::new([
            "link",
            &path_word(path),
            &word(target),
            &path_word(&stage),
            &word(was),
            &path_word(self.backup),
            yes(!(already && aside.kept.is_some())),
        ])
        .keeping(kept, path)
        .beside(stage))
    }

    fn remove(&self, path: &Path) -> Result<Order, Fault> {
        check_has_name(path)?;
        let aside = self.aside(path, &beside(path, self.call.run))?;
        let earlier = match &aside.kept {
            Some(Kept::Aside { at }) => word(at.path()),
            _ => NOTHING.to_owned(),
        };
        let kept = Kept::Aside {
            at: Bytes::of(&aside.free),
        };
        let order = Order::new([
            "remove",
            &path_word(path),
            &word(&aside.free),
            &path_word(self.backup),
            &earlier,
        ]);
        Ok(order.keeping(kept, path))
    }

    fn aside(&self, path: &Path, stage: &Path) -> Result<Aside, Fault> {
        let words = [path, stage, self.backup].map(path_word);
        let [path, stage, backup] = &words;
        let arguments = ["aside", path, stage, backup].map(str::to_owned);
        let answer = look(self.node, &arguments, self.watch)?;
        let mut parts = Parts::of(&answer);
        let is_link = parts.next()? == b"link";
        let target = parts.path()?;
        Ok(Aside {
            target: is_link.then_some(target),
            kept: survey::kept(parts.next()?, self.backup)?,
            free: parts.path()?,
        })
    }

    fn back_up(&self, path: &Path) -> Result<Order, Fault> {
        let survey = self.survey(path, self.backup, "any")?;
        let words = [path, self.backup].map(path_word);
        let [at, backup] = &words;
        if survey.folder.is_some() {
            return Ok(Order::new(["keep-tree", at, backup]).keeping(Kept::Tree, path));
        }
        let Some(found) = &survey.file else {
            let what = format!("there is nothing at {} to keep", path.display());
            return Err(Fault::new(FaultKind::Stale, what));
        };
        let order = Order::new([
            "keep-file",
            at,
            &word(&found.real),
            &found.identity,
            backup,
            yes(is_kept(&survey)),
        ]);
        Ok(order.keeping(found.kept(), path))
    }

    fn restore(&self, path: &Path, backup: &BackupRef) -> Result<Order, Fault> {
        let from = Backup::of(self.node.folder, self.call.run, backup);
        let from = from.folder();
        let Some(kept) = kept_in(self.node, from, self.watch)? else {
            let what = format!(
                "there is no backup of {}: nothing was kept in {}",
                path.display(),
                from.display()
            );
            return Err(Fault::new(FaultKind::Stale, what));
        };
        match kept {
            Kept::Nothing => self.take_away(path),
            Kept::File { real, attributes } => {
                self.restore_file(path, &real.path(), &attributes, from)
            }
            Kept::Link { target } => {
                let stage = beside(path, self.call.run);
                let order = Order::new([
                    "point",
                    &path_word(path),
                    &word(target.path()),
                    &path_word(&stage),
                ]);
                Ok(order.beside(stage))
            }
            Kept::Tree => self.restore_tree(path, from),
            Kept::Aside { at } => Ok(Order::new([
                "restore-aside",
                &path_word(path),
                &word(at.path()),
            ])),
        }
    }

    fn take_away(&self, path: &Path) -> Result<Order, Fault> {
        let survey = self.survey(path, self.backup, "here")?;
        let found = survey.file.as_ref();
        let order = Order::new([
            "take-away",
            &path_word(path),
            &word(found.map_or(path, |found| &found.real)),
            found.map_or(NOTHING, |found| &found.identity),
            &path_word(self.backup),
            yes(is_kept(&survey)),
        ]);
        Ok(order.keeping(found.map_or(Kept::Nothing, Surveyed::kept), path))
    }

    fn restore_file(
        &self,
        path: &Path,
        real: &Path,
        attributes: &Attributes,
        from: &Path,
    ) -> Result<Order, Fault> {
        let survey = self.survey(path, self.backup, "")?;
        let found = survey.file.as_ref();
        Ok(self.put(&Put {
            path,
            real: found.map_or(real, |found| &found.real),
            found,
            backup: self.backup,
            as_kept: is_kept(&survey),
            content: Content::Kept(from.join("content")),
            mode: attributes.mode,
            given: Some(attributes),
        }))
    }

    fn restore_tree(&self, path: &Path, from: &Path) -> Result<Order, Fault> {
        let survey = self.survey(path, from, "any")?;
        let real = survey.folder.as_deref().unwrap_or(path);
        let stage = beside(real, self.call.run);
        let order = Order::new([
            "restore-tree",
            &path_word(path),
            &word(real),
            &word(&stage),
            &path_word(from),
        ]);
        Ok(order.beside(stage))
    }
}

/// What was found at a path that gets another name.
struct Aside {
    /// The target of the link that is there.
    target: Option<PathBuf>,
    kept: Option<Kept>,
    /// A name beside it that nothing has.
    free: PathBuf,
}

fn move_tree(from: &RemotePath, to: &RemotePath) -> Result<Order, Fault> {
    check_has_name(from.local())?;
    check_has_name(to.local())?;
    let words = [from.local(), to.local()].map(path_word);
    let [from, to] = &words;
    Ok(Order::new(["move", from, to]))
}

/// Whether what is there has the attributes of what was kept.
fn is_kept(survey: &Survey) -> bool {
    let now = survey.file.as_ref().map_or(Kept::Nothing, Surveyed::kept);
    survey
        .kept
        .as_ref()
        .is_some_and(|kept| kept.is_same_as(&now))
}

/// The extended attributes that a file has to get or to lose, a line each; an empty line ends them.
fn changes(now: Option<&Attributes>, given: &Attributes) -> String {
    use std::fmt::Write as _;
    let none = Extended::new();
    let now = now.map_or(&none, |now| &now.extended);
    let mut lines = String::new();
    for name in now
        .keys()
        .filter(|name| !given.extended.contains_key(*name))
    {
        let _ = writeln!(lines, "drop {name}");
    }
    for (name, value) in given
        .extended
        .iter()
        .filter(|(name, value)| now.get(*name) != Some(value))
    {
        let digits = value.iter().fold(String::from("0x"), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        let _ = writeln!(lines, "set {name} {digits}");
    }
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines
}

/// All that the script reads, in a buffer that never grew and left no copies behind.
fn joined(record: &[u8], changes: &[u8], content: &Content<'_>) -> Zeroizing<Vec<u8>> {
    let content = match content {
        Content::New(bytes) => *bytes,
        Content::Kept(_) => b"",
    };
    let length = record.len() + changes.len() + content.len();
    let mut all = Zeroizing::new(Vec::with_capacity(length));
    for part in [record, changes, content] {
        all.extend_from_slice(part);
    }
    all
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
