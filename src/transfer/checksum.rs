//! Whether files are the same, told by their content: both sides compute strong fingerprints at the same time.

use std::thread;

use super::bits::Bits;
use super::listing::Listing;
use super::manifest::{Kind, Manifest};
use super::script::{Exec, LandError};
use super::source::Source;
use super::sums::sums;
use super::survey::Survey;
use crate::remote::{Patience, RemoteError, RemoteErrorKind};

/// The files of a source whose content a node has under the same name.
#[derive(Debug, Clone, Default)]
pub struct SameContent(Bits);

impl SameContent {
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.has(at)
    }
}

/// Compares the contents of all files that have the same size on both sides.
pub fn same_content(
    exec: &Exec<'_>,
    source: &Source,
    survey: &Survey,
    patience: &Patience<'_>,
) -> Result<SameContent, LandError> {
    let which = alike(&source.manifest, &survey.live);
    if which.is_none() {
        return Ok(SameContent::default());
    }
    let kind = source.hash_with(survey);
    let mut same = Bits::default();
    let found = source.found();
    // What is heard before this side knows it. The connection by which it comes has to be served: nobody waits there.
    let mut early = Vec::new();
    thread::scope(|scope| {
        let compute = || source.compute(kind, &which);
        let computing = thread::Builder::new().name("fingerprints".to_owned());
        let computing = computing.spawn_scoped(scope, compute);
        let computing = computing.map_err(|error| {
            let what = format!("a thread can't be started: {error}");
            LandError::from(RemoteError::new(RemoteErrorKind::Here, what))
        })?;
        let mut heard = |at, hash| match found.get(kind, at) {
            Some(own) if own == hash => same.add(at),
            Some(_) => {}
            None => early.push((at, hash)),
        };
        let files = (&*source.manifest, &which);
        let said = sums(
            exec,
            patience,
            survey,
            kind,
            &survey.tree,
            files,
            &mut heard,
        );
        let computed = computing.join().unwrap_or_else(|_| {
            let what = "the files of the source could not be read".to_owned();
            Err(LandError::Broken(what))
        });
        said.and(computed)
    })?;
    for (at, hash) in early {
        if found.get(kind, at) == Some(hash) {
            same.add(at);
        }
    }
    Ok(SameContent(same))
}

/// The files that may be the same on both sides.
fn alike(source: &Manifest, live: &Listing) -> Bits {
    let mut which = Bits::default();
    for (at, entry) in source.iter() {
        if entry.kind != Kind::File || entry.size == 0 || source.first(entry).is_some() {
            continue;
        }
        let there = live.find(source.path(entry));
        if there.is_some_and(|it| it.kind == Kind::File && it.size == entry.size) {
            which.add(at);
        }
    }
    which
}
