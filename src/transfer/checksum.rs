//! Whether files are the same, told by their content: both sides compute strong fingerprints at the same time.

use std::thread;

use super::bits::Bits;
use super::manifest::{Kind, Manifest};
use super::read::Hash;
use super::script::{Exec, LandError};
use super::source::Source;
use super::sums::sums;
use super::survey::Survey;
use crate::remote::Patience;

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
    let kind = source.hash_with(survey.hash);
    let program = survey.program(kind);
    let mut there: Vec<(usize, Hash)> = Vec::new();
    let (here, said) = thread::scope(|scope| {
        let here = scope.spawn(|| source.fingerprints(kind, &which));
        let mut heard = |at, hash| there.push((at, hash));
        let files = (&source.manifest, &which);
        let said = sums(
            exec,
            patience,
            survey,
            program,
            &survey.tree,
            files,
            &mut heard,
        );
        (here.join(), said)
    });
    said?;
    let Ok(here) = here else {
        let what = "the files of the source could not be read".to_owned();
        return Err(LandError::Broken(what));
    };
    let here = here?;
    let mut same = Bits::default();
    for (at, hash) in there {
        if here.get(&(kind, at)) == Some(&hash) {
            same.add(at);
        }
    }
    Ok(SameContent(same))
}

/// The files that may be the same on both sides.
fn alike(source: &Manifest, live: &Manifest) -> Bits {
    let mut which = Bits::default();
    for (at, entry) in source.iter() {
        if entry.kind != Kind::File || entry.size == 0 || source.first(entry).is_some() {
            continue;
        }
        let there = live.find(source.path(entry)).and_then(|at| live.get(at));
        if there.is_some_and(|it| it.kind == Kind::File && it.size == entry.size) {
            which.add(at);
        }
    }
    which
}
