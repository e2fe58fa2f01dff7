//! How much smaller a tree becomes by zstd, as far as a few looks into it tell.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::PoisonError;
use std::time::Duration;

use rustix::fs::OFlags;

use super::delta::word;
use super::manifest::{Entry, Kind, Manifest};
use super::origin::Afar;
use super::script::{self, Exec};
use super::source::{Sampled, Source};
use crate::remote::{Input, Output, Patience};

/// How many looks are taken, and of how many bytes: of what follows each other in an archive.
const LOOKS: u64 = 64;
const LOOK: u64 = 16 << 10;

/// Fewer are taken on another machine, where each piece takes a process.
const LOOKS_THERE: u64 = 24;

/// How long taking them may take.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// What stands in an archive besides the content of a file, and what part is left of that.
const HEAD: f64 = 1024.0;
const OF_HEAD: f64 = 0.1;

/// A piece of a file: at so many times [`LOOK`], and no longer than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    entry: usize,
    at: u64,
    length: u64,
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
    // Whoever comes while it is found out waits for it.
    let mut known = source.sample.lock().unwrap_or_else(PoisonError::into_inner);
    if let Sampled::NotYet = *known {
        *known = match of_content(source, patience) {
            Some(part) => Sampled::To(part),
            None if patience.check("").is_ok() => Sampled::Unknown,
            None => Sampled::NotYet,
        };
    }
    let Sampled::To(of_content) = *known else {
        return None;
    };
    drop(known);
    let (content, heads) = (bytes as f64, files as f64 * HEAD);
    Some((content * of_content + heads * OF_HEAD) / (content + heads))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "it is far smaller than what would be inexact"
)]
fn of_content(source: &Source, patience: &Patience<'_>) -> Option<f64> {
    let sample = match &source.afar {
        None => here(source, &pieces(&source.manifest, LOOKS)),
        Some(afar) => there(source, afar, patience)?,
    };
    let small = zstd::bulk::compress(&sample, super::zip::LEVEL).ok()?;
    (!sample.is_empty()).then(|| small.len() as f64 / sample.len() as f64)
}

/// Pieces of the tree's content from so many places that are equally far from each other.
fn pieces(manifest: &Manifest, looks: u64) -> Vec<Piece> {
    // Of holes nothing is sent.
    let has_content = |(_, entry): &(usize, &Entry)| {
        entry.kind == Kind::File
            && entry.size > 0
            && !entry.sparse
            && manifest.first(entry).is_none()
    };
    let files = || manifest.iter().filter(has_content);
    let whole: u128 = files().map(|(_, entry)| u128::from(entry.size)).sum();
    let place = |look: u64| whole * u128::from(look * 2 + 1) / u128::from(looks * 2);
    let (mut pieces, mut before, mut look) = (Vec::new(), 0, 0);
    // What the look still wants.
    let mut wants = 0;
    for (entry, found) in files() {
        let end = before + u128::from(found.size);
        let mut reached = 0;
        loop {
            let at = if wants > 0 {
                reached
            } else if look < looks && place(look) < end {
                look += 1;
                wants = LOOK;
                let at = u64::try_from(place(look - 1).saturating_sub(before)).unwrap_or_default();
                at / LOOK * LOOK
            } else {
                break;
            };
            if at < reached {
                // It was seen already.
                wants = 0;
                continue;
            }
            let length = (found.size - at).min(LOOK);
            pieces.push(Piece { entry, at, length });
            wants = wants.saturating_sub(length);
            reached = at.saturating_add(LOOK);
            if reached >= found.size {
                break;
            }
        }
        // A place that was passed over while a look wanted more was seen.
        before = end;
        while look < looks && place(look) < before {
            look += 1;
        }
    }
    pieces
}

/// These pieces of a tree on this machine, as far as they can be read.
fn here(source: &Source, pieces: &[Piece]) -> Vec<u8> {
    let mut sample = Vec::new();
    let mut room = vec![0; usize::try_from(LOOK).unwrap_or_default()];
    for piece in pieces {
        let Some(entry) = source.manifest.get(piece.entry) else {
            continue;
        };
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::options()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(source.place(source.manifest.path(entry)));
        let length = usize::try_from(piece.length).unwrap_or(room.len());
        let much = file.and_then(|file| file.read_at(&mut room[..length], piece.at));
        sample.extend_from_slice(&room[..much.unwrap_or_default()]);
    }
    sample
}

/// Pieces of a tree on another machine, as far as they can be read.
fn there(source: &Source, afar: &Afar, patience: &Patience<'_>) -> Option<Vec<u8>> {
    let pieces = pieces(&source.manifest, LOOKS_THERE);
    let mut orders = Vec::new();
    for piece in &pieces {
        let entry = source.manifest.get(piece.entry)?;
        word(source.manifest.path(entry), &mut orders);
        orders.extend_from_slice((piece.at / LOOK).to_string().as_bytes());
        orders.push(0);
    }
    if orders.is_empty() {
        return None;
    }
    let root = source.root.to_string_lossy();
    let look = LOOK.to_string();
    let most = usize::try_from(LOOK).unwrap_or_default();
    let mut out = Output::at_most(pieces.len().saturating_mul(most));
    let exec: &Exec<'_> = &&*afar.origin.exec;
    let is_over = || patience.check("").is_err();
    let patience = Patience::new(LONGEST.min(patience.left()), &is_over);
    script::run(
        exec,
        script::sample(),
        &[&*root, &look],
        Input::Bytes(&orders),
        &mut out,
        &patience,
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
        let large = pieces(&tree(&[0, 1 << 30, 10, 1 << 30]), 64);
        assert_eq!(large.len(), 64);
        let in_first = large.iter().filter(|piece| piece.entry == 1).count();
        assert_eq!(in_first, 32);
        let apart = large
            .windows(2)
            .all(|two| two[0].entry != two[1].entry || two[1].at - two[0].at >= LOOK);
        assert!(apart, "{large:?}");
        // Of small files as many as make a look: each byte counts as much as any other.
        let small = pieces(&tree(&vec![1000; 100_000]), 64);
        let seen: u64 = small.iter().map(|piece| piece.length).sum();
        assert!((64 * LOOK..64 * (LOOK + 1000)).contains(&seen), "{seen}");
        assert!(
            small
                .iter()
                .all(|piece| piece.at == 0 && piece.length == 1000)
        );
        let mixed: Vec<u64> = (0..3000)
            .map(|at| if at % 3 == 0 { 3000 } else { 6000 })
            .collect();
        let mixed = pieces(&tree(&mixed), 64);
        let of = |length| mixed.iter().filter(|it| it.length == length).count();
        assert!(of(6000) > of(3000) * 3 / 2, "{mixed:?}");
        // What is small altogether is seen once.
        let one = pieces(&tree(&[100]), 64);
        let whole = Piece {
            entry: 0,
            at: 0,
            length: 100,
        };
        assert_eq!(one, [whole]);
        let little = pieces(&tree(&[100_000, 5]), 64);
        let seen: u64 = little.iter().map(|piece| piece.length).sum();
        assert_eq!(seen, 100_005, "{little:?}");
        assert!(pieces(&tree(&[0, 0]), 64).is_empty());
        assert_eq!(pieces(&tree(&[u64::MAX, u64::MAX]), 64).len(), 64);
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
