//! The files, read once: blocks of options, and the files that they include.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::criteria::Criterion;
use super::error::{Place, SshConfigProblem};
use super::file_glob;
use super::keyword::{self, Keyword, Shape};
use super::line::{self, Line};
use super::permissions;
use super::surroundings::Surroundings;
use super::value::{self, Value};
use crate::config::nearest;

/// How deeply files may include files.
const DEEPEST: usize = 16;
/// How many files may be read in all, the same file counting as often as it is included.
const MOST_FILES: usize = 4096;
/// How many bytes may be read in all.
const MOST_BYTES: u64 = 8 << 20;
/// How many problems are kept.
const MOST_PROBLEMS: usize = 100;

/// A file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) blocks: Vec<Block>,
    /// Whether some keyword in it, or in what it includes, is not known.
    pub(super) has_unknown: bool,
}

/// Some lines that apply together.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) place: Place,
    pub(super) condition: Condition,
    pub(super) items: Vec<Item>,
    pub(super) has_unknown: bool,
}

/// When a block applies.
#[derive(Debug)]
pub(super) enum Condition {
    /// As the place does from which the file is included.
    Beginning,
    /// To hosts that fit one of these and none with a `!`.
    Host(Vec<HostPattern>),
    /// To hosts that meet all of these.
    Match(Vec<Criterion>),
}

/// A pattern of hosts.
#[derive(Debug)]
pub(super) struct HostPattern {
    /// Whether it has a `!`.
    pub(super) excludes: bool,
    pub(super) text: String,
    /// Whether only one name fits: then a file with a block for each of a thousand hosts is gone through quickly.
    pub(super) is_name: bool,
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Item {
    Option(Setting),
    Include(Vec<File>),
    Unknown(Place, String),
}

/// An option with its value.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) place: Place,
    pub(super) keyword: Keyword,
    /// Its usual spelling.
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// Whether the line had bytes that are no UTF-8.
    pub(super) garbled: bool,
}

/// Whose file it is: that says where relative names begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    User,
    System,
}

/// Reads files.
pub(super) struct Reader<'a> {
    pub(super) here: &'a Surroundings,
    /// Where relative names in files of the system begin.
    pub(super) system_folder: &'a Path,
    pub(super) problems: Vec<SshConfigProblem>,
    /// Whether some line asks that the files be read a second time.
    pub(super) later_pass: bool,
    files: usize,
    bytes: u64,
    overfull: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(here: &'a Surroundings, system_folder: &'a Path) -> Self {
        Self {
            here,
            system_folder,
            problems: Vec::new(),
            later_pass: false,
            files: 0,
            bytes: 0,
            overfull: false,
        }
    }

    /// A file with everything it includes; an error of the system if it can't be opened.
    pub(super) fn file(
        &mut self,
        path: &Path,
        owner: Owner,
        guarded: bool,
        depth: usize,
    ) -> io::Result<File> {
        let name: Arc<str> = path.to_string_lossy().into();
        let text = self.bytes(path, guarded, depth)?;
        let mut blocks = vec![Block::new(
            Place {
                file: name.clone(),
                line: 1,
            },
            Condition::Beginning,
        )];
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        for (number, bytes) in lines.into_iter().enumerate() {
            let text = String::from_utf8_lossy(bytes);
            let garbled = matches!(text, std::borrow::Cow::Owned(_));
            let place = Place {
                file: name.clone(),
                line: number + 1,
            };
            let mut reading = Reading {
                reader: self,
                owner,
                depth,
                blocks: &mut blocks,
            };
            if let Err(problem) = reading.line(&text, &place, garbled) {
                self.problem(problem.at(&place));
            }
            if self.overfull {
                break;
            }
        }
        let has_unknown = blocks.iter().any(|block| block.has_unknown);
        Ok(File {
            blocks,
            has_unknown,
        })
    }

    fn bytes(&mut self, path: &Path, guarded: bool, depth: usize) -> io::Result<Vec<u8>> {
        // What is named on the command line may come by a pipe; what a file includes would be waited for for ever.
        if depth > 0 && is_waited_for(path) {
            let name = path.display();
            let problem = SshConfigProblem::new(format!("{name}: this is a pipe or a device"));
            self.problem(problem.hint("include a file"));
            return Ok(Vec::new());
        }
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        if guarded && let Err(what) = permissions::check(&metadata, self.here) {
            let name = path.display();
            let problem = SshConfigProblem::new(format!("{name}: {what}"));
            self.problem(problem.hint(format!(
                "`ls -l {name}` shows it; `chmod go-w {name}` takes the right away"
            )));
            return Ok(Vec::new());
        }
        self.files += 1;
        let mut text = Vec::new();
        if metadata.is_dir() {
            return Ok(text);
        }
        let left = MOST_BYTES.saturating_sub(self.bytes);
        file.take(left + 1).read_to_end(&mut text)?;
        self.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        if self.bytes > MOST_BYTES || self.files > MOST_FILES {
            self.overfull = true;
            self.problem(SshConfigProblem::new(format!(
                "{}: the configuration is too large: more than {} MiB or {MOST_FILES} files were read, each as often as it is included",
                path.display(),
                MOST_BYTES >> 20
            )));
            return Ok(Vec::new());
        }
        Ok(text)
    }

    pub(super) fn problem(&mut self, problem: SshConfigProblem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Whether what stands there may keep a reader waiting: a pipe, a socket, a terminal.
pub(in crate::remote) fn is_waited_for(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else {
        return false;
    };
    !metadata.is_file() && !metadata.is_dir() && path != Path::new("/dev/null")
}

impl Block {
    fn new(place: Place, condition: Condition) -> Self {
        Self {
            place,
            condition,
            items: Vec::new(),
            has_unknown: false,
        }
    }
}

/// A file while it is read.
struct Reading<'r, 'a> {
    reader: &'r mut Reader<'a>,
    owner: Owner,
    depth: usize,
    blocks: &'r mut Vec<Block>,
}

impl Reading<'_, '_> {
    fn line(&mut self, text: &str, place: &Place, garbled: bool) -> Result<(), SshConfigProblem> {
        let Some(Line { keyword, rest }) = Line::split(text) else {
            return Ok(());
        };
        if rest.is_empty() {
            return Err(SshConfigProblem::new(format!("`{keyword}` has no value")));
        }
        let Some((name, shape, kept)) = keyword::known(&keyword) else {
            let words = line::words(&rest).map(|_| ());
            words.ok_or_else(|| wrong(&keyword, "a quote has no end"))?;
            self.push(Item::Unknown(place.clone(), keyword), true);
            return Ok(());
        };
        match shape {
            Shape::Host => self.host(&rest, place).map_err(|what| wrong(name, &what)),
            Shape::Match => self
                .matches(&rest, place)
                .map_err(|what| wrong(name, &what)),
            Shape::Include => self.include(&rest),
            _ => {
                let value = value::read(shape, &rest, self.reader.here);
                let value = value.map_err(|what| wrong(name, &what))?;
                if let (Some(keyword), false) = (kept, value == Value::Unset) {
                    let setting = Setting {
                        place: place.clone(),
                        keyword,
                        name,
                        value,
                        garbled,
                    };
                    self.push(Item::Option(setting), false);
                }
                Ok(())
            }
        }
    }

    fn push(&mut self, item: Item, unknown: bool) {
        if let Some(block) = self.blocks.last_mut() {
            block.items.push(item);
            block.has_unknown |= unknown;
        }
    }

    fn host(&mut self, rest: &str, place: &Place) -> Result<(), String> {
        let patterns = line::words(rest).ok_or("a quote has no end")?;
        if patterns.iter().any(String::is_empty) {
            return Err("a pattern is empty".to_owned());
        }
        let pattern = |word: String| {
            let rest = word.strip_prefix('!');
            HostPattern {
                excludes: rest.is_some(),
                is_name: !word.contains(['*', '?']),
                text: rest.unwrap_or(&word).to_owned(),
            }
        };
        let condition = Condition::Host(patterns.into_iter().map(pattern).collect());
        self.blocks.push(Block::new(place.clone(), condition));
        Ok(())
    }

    fn matches(&mut self, rest: &str, place: &Place) -> Result<(), String> {
        line::words(rest).ok_or("a quote has no end")?;
        let criteria = Criterion::read_all(rest)?;
        self.reader.later_pass |= criteria.iter().any(Criterion::asks_for_later_pass);
        let condition = Condition::Match(criteria);
        self.blocks.push(Block::new(place.clone(), condition));
        Ok(())
    }

    fn include(&mut self, rest: &str) -> Result<(), SshConfigProblem> {
        let names = line::words(rest).ok_or_else(|| wrong("Include", "a quote has no end"))?;
        let mut files = Vec::new();
        for name in names {
            let pattern = self
                .anchored(&name)
                .map_err(|what| wrong("Include", &what))?;
            for path in file_glob::matches(&pattern, MOST_FILES) {
                if self.reader.overfull {
                    return Ok(());
                }
                if self.depth == DEEPEST {
                    let what = format!("files include each other more than {DEEPEST} deep");
                    return Err(SshConfigProblem::new(what)
                        .hint("a file that includes itself, or that is included by what it includes, is the usual cause"));
                }
                let file = self.reader.file(&path, self.owner, true, self.depth + 1);
                files.push(file.map_err(|error| {
                    wrong(
                        "Include",
                        &format!("{} can't be read: {error}", path.display()),
                    )
                })?);
            }
        }
        let unknown = files.iter().any(|file: &File| file.has_unknown);
        self.push(Item::Include(files), unknown);
        Ok(())
    }

    /// The pattern of an included file with the folder where it begins.
    fn anchored(&self, name: &str) -> Result<String, String> {
        if name.is_empty() {
            return Err("a file's name is empty".to_owned());
        }
        let here = self.reader.here;
        let folder = match self.owner {
            Owner::User => here.home.join(".ssh"),
            Owner::System => self.reader.system_folder.to_owned(),
        };
        match (name.strip_prefix('~'), self.owner) {
            (Some(_), Owner::System) => Err(format!(
                "`{name}` begins in somebody's home, which files of the system can't use"
            )),
            (Some(rest), Owner::User) => Ok(home(rest, here).unwrap_or_else(|| name.to_owned())),
            (None, _) if name.starts_with('/') => Ok(name.to_owned()),
            (None, _) => Ok(format!(
                "{}/{name}",
                file_glob::escaped(&folder.to_string_lossy())
            )),
        }
    }
}

/// What stands after `~` in the home of whom it names.
fn home(rest: &str, here: &Surroundings) -> Option<String> {
    let (user, path) = rest.split_once('/').unwrap_or((rest, ""));
    let home = match user {
        "" => &here.home,
        name => here.home_of(name)?,
    };
    Some(format!(
        "{}/{path}",
        file_glob::escaped(&home.to_string_lossy())
    ))
}

fn wrong(name: &str, what: &str) -> SshConfigProblem {
    SshConfigProblem::new(format!("`{name}`: {what}"))
}

/// That a keyword is not known, and which one may be meant.
pub(super) fn unknown(place: &Place, keyword: &str) -> SshConfigProblem {
    let problem =
        SshConfigProblem::new(format!("`{keyword}` is no keyword that OpenSSH knows")).at(place);
    match nearest(keyword, keyword::names()) {
        Some(name) => problem.hint(format!("`{name}` is one")),
        None => problem.hint(format!(
            "`IgnoreUnknown {keyword}` in a line above makes it and OpenSSH skip it"
        )),
    }
}
