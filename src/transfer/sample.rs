//! How much smaller a tree becomes by zstd, as far as a few looks into it tell.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::time::Duration;

use rustix::fs::OFlags;

use super::bits::Bits;
use super::list::List;
use super::manifest::{Entry, Kind, Manifest};
use super::origin::Afar;
use super::script::{self, Exec};
use super::source::Source;
use crate::remote::{Input, Output, Patience};

/// How many looks are taken, and at how much.
const LOOKS: u64 = 64;
const PIECE: usize = 16 << 10;

/// How long taking them may take.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// What stands in an archive besides the content of a file, and what part is left of that.
const HEAD: f64 = 1024.0;
const OF_HEAD: f64 = 0.1;

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    entry: usize,
    at: u64,
}

/// What part is left of so many bytes in so many files of a tree when it is made smaller; nothing where that can't be
/// told.
#[expect(
    clippy::cast_precision_loss,
    reason = "it is an estimate of what is not known exactly"
)]
pub(super) fn shrinks_to(
    source: &Source,
    (bytes, files): (u64, u64),
    patience: &Patience<'_>,
) -> Option<f64> {
    let of_content = *source.sample.get_or_init(|| of_content(source, patience));
    let (content, heads) = (bytes as f64, files as f64 * HEAD);
    Some((content * of_content? + heads * OF_HEAD) / (content + heads))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is far smaller than what would be inexact"
)]
fn of_content(source: &Source, patience: &Patience<'_>) -> Option<f64> {
    let pieces = pieces(&source.manifest);
    let sample = match &source.afar {
        None => here(source, &pieces),
        Some(afar) => there(source, afar, &pieces, patience)?,
    };
    let small = zstd::bulk::compress(&sample, super::zip::LEVEL).ok()?;
    (!sample.is_empty()).then(|| small.len() as f64 / sample.len() as f64)
}

/// Pieces of the tree's content that are equally far from each other.
fn pieces(manifest: &Manifest) -> Vec<Piece> {
    // Of holes nothing is sent.
    let has_content = |(_, entry): &(usize, &Entry)| {
        entry.kind == Kind::File && !entry.sparse && manifest.first(entry).is_none()
    };
    let files = || manifest.iter().filter(has_content);
    let whole: u128 = files().map(|(_, entry)| u128::from(entry.size)).sum();
    let place = |look: u64| whole * u128::from(look * 2 + 1) / u128::from(LOOKS * 2);
    let (mut pieces, mut before, mut look) = (Vec::new(), 0, 0);
    for (entry, found) in files() {
        let end = before + u128::from(found.size);
        let mut reached = 0;
        while look < LOOKS && place(look) < end {
            // From the start where it is small; where it is large, not the same twice.
            let at = u64::try_from(place(look) - before).unwrap_or_default();
            let piece = u64::try_from(PIECE).unwrap_or(u64::MAX);
            let at = at.min(found.size.saturating_sub(piece));
            if at >= reached {
                pieces.push(Piece { entry, at });
                reached = at + piece;
            }
            look += 1;
        }
        before = end;
    }
    pieces
}

/// These pieces of a tree on this machine, as far as they can be read.
fn here(source: &Source, pieces: &[Piece]) -> Vec<u8> {
    let mut sample = Vec::new();
    let mut room = vec![0; PIECE];
    for piece in pieces {
        let Some(entry) = source.manifest.get(piece.entry) else {
            continue;
        };
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(source.place(source.manifest.path(entry)));
        let much = file.and_then(|file| file.read_at(&mut room, piece.at));
        sample.extend_from_slice(&room[..much.unwrap_or_default()]);
    }
    sample
}

/// The starts of these files of a tree on another machine, as far as they can be read.
fn there(
    source: &Source,
    afar: &Afar,
    pieces: &[Piece],
    patience: &Patience<'_>,
) -> Option<Vec<u8>> {
    let mut which = Bits::default();
    for piece in pieces {
        which.add(piece.entry);
    }
    if which.is_none() {
        return None;
    }
    let root = source.root.to_string_lossy();
    let piece = PIECE.to_string();
    let mut list = List::new(&source.manifest, &which, &[]);
    let mut out = Output::at_most(pieces.len() * PIECE);
    let exec: &Exec<'_> = &&*afar.origin.exec;
    let arguments = [&*root, &piece];
    let input = Input::Reader(&mut list);
    script::run(
        exec,
        script::sample(),
        &arguments,
        input,
        &mut out,
        patience,
    )
    .ok()?;
    Some(out.bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::manifest::{Known, Time};
    use super::super::rules::Rules;
    use super::*;

    fn tree(sizes: &[u64]) -> Manifest {
        let mut tree = Manifest::default();
        for (at, size) in sizes.iter().enumerate() {
            let known = Known {
                kind: Kind::File,
                mode: 0o644,
                owner: (0, 0),
                changed: Time {
                    seconds: 1,
                    nanos: 0,
                },
                size: *size,
                sparse: false,
                taken: 0,
                shared: None,
            };
            let name = format!("{at:04}");
            tree.add(name.as_bytes(), b"", &known).unwrap();
        }
        tree.settle();
        tree
    }

    #[test]
    fn the_looks_are_spread_over_what_is_there() {
        let large = tree(&[0, 1 << 30, 10, 1 << 30]);
        let pieces = pieces(&large);
        assert_eq!(pieces.len(), 64);
        let in_first = pieces.iter().filter(|piece| piece.entry == 1).count();
        assert_eq!(in_first, 32);
        let apart = pieces
            .windows(2)
            .all(|two| two[0].entry != two[1].entry || two[1].at - two[0].at >= 16 << 10);
        assert!(apart, "{pieces:?}");
        // What is small is looked at from its start, and once.
        let small: Vec<_> = super::pieces(&tree(&[100; 1000]));
        assert_eq!(small.len(), 64);
        assert!(small.iter().all(|piece| piece.at == 0));
        let one = super::pieces(&tree(&[100]));
        assert_eq!(one, [Piece { entry: 0, at: 0 }]);
        assert!(super::pieces(&tree(&[0, 0])).is_empty());
        assert_eq!(super::pieces(&tree(&[u64::MAX, u64::MAX])).len(), 64);
    }

    #[test]
    fn a_look_tells_what_becomes_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let source = |content: &[u8]| {
            fs::write(folder.path().join("file"), content).unwrap();
            Source::read(folder.path(), &Rules::new(&[]).unwrap()).unwrap()
        };
        let patience = Patience::unbroken(LONGEST);
        let of = |source: &Source, sent| shrinks_to(source, sent, &patience).unwrap();
        let words = source(&b"one and the same line\n".repeat(100_000));
        assert!(of(&words, (2_200_000, 1)) < 0.1);
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(2_000_000)
        .collect();
        let noise = source(&noise);
        assert!(of(&noise, (2_000_000, 1)) > 0.9);
        // Of many small files more than half is what stands before each.
        assert!(of(&noise, (500_000, 1_000)) < 0.5);
        // What is gone meanwhile tells nothing.
        let gone = source(b"x");
        fs::remove_file(folder.path().join("file")).unwrap();
        assert_eq!(shrinks_to(&gone, (1, 1), &patience), None);
    }
}
