//! Fingerprints of the files of a tree, found by one and asked for by others.
//!
//! There may be hundreds of thousands, mostly of files that stand near each other: they are kept in pages.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::bits::Bits;
use super::survey::HashKind;

/// The fingerprint of a file; of `b2sum` the first half, which is as strong as SHA-256.
pub(super) type Hash = [u8; 32];

/// How many have room on a page.
const PAGE: usize = 64;

/// Fingerprints by their kind and the number of the file.
#[derive(Debug, Default)]
pub(super) struct Prints {
    blake2: Pages,
    sha256: Pages,
}

#[derive(Debug, Default)]
struct Pages {
    pages: Vec<Option<Box<[Hash; PAGE]>>>,
    has: Bits,
}

impl Prints {
    fn of(&self, kind: HashKind) -> &Pages {
        match kind {
            HashKind::Blake2 => &self.blake2,
            HashKind::Sha256 => &self.sha256,
        }
    }

    fn of_mut(&mut self, kind: HashKind) -> &mut Pages {
        match kind {
            HashKind::Blake2 => &mut self.blake2,
            HashKind::Sha256 => &mut self.sha256,
        }
    }

    /// The fingerprint of a file, if that is known.
    pub(super) fn get(&self, kind: HashKind, file: usize) -> Option<Hash> {
        let of = self.of(kind);
        let page = of.pages.get(file / PAGE)?.as_ref();
        page.filter(|_| of.has.has(file))
            .map(|page| page[file % PAGE])
    }

    /// Notes the fingerprint of a file.
    pub(super) fn set(&mut self, kind: HashKind, file: usize, hash: Hash) {
        let of = self.of_mut(kind);
        let (page, line) = (file / PAGE, file % PAGE);
        if of.pages.len() <= page {
            of.pages.resize_with(page + 1, || None);
        }
        let page = of.pages[page].get_or_insert_with(|| Box::new([Hash::default(); PAGE]));
        page[line] = hash;
        of.has.add(file);
    }
}

/// Fingerprints that several find.
#[derive(Debug, Default)]
pub(super) struct Found(Mutex<Prints>);

impl Found {
    fn lock(&self) -> MutexGuard<'_, Prints> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fingerprint of a file, if that is known by now.
    pub(super) fn get(&self, kind: HashKind, file: usize) -> Option<Hash> {
        self.lock().get(kind, file)
    }

    /// Notes the fingerprint of a file; whether all found the same who have found one before.
    pub(super) fn agree(&self, kind: HashKind, file: usize, hash: Hash) -> bool {
        let mut prints = self.lock();
        let first = prints.get(kind, file);
        if first.is_none() {
            prints.set(kind, file, hash);
        }
        first.is_none_or(|first| first == hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_and_nothing_else() {
        let mut prints = Prints::default();
        for file in [0, 63, 64, 5_000] {
            prints.set(HashKind::Blake2, file, [7; 32]);
        }
        prints.set(HashKind::Sha256, 64, [8; 32]);
        assert_eq!(prints.get(HashKind::Blake2, 63), Some([7; 32]));
        assert_eq!(prints.get(HashKind::Blake2, 64), Some([7; 32]));
        assert_eq!(prints.get(HashKind::Sha256, 64), Some([8; 32]));
        for file in [1, 65, 4_999, 5_001, 100_000] {
            assert_eq!(prints.get(HashKind::Blake2, file), None);
        }
        assert_eq!(prints.get(HashKind::Sha256, 63), None);
    }

    #[test]
    fn all_have_to_find_the_same() {
        let found = Found::default();
        assert_eq!(found.get(HashKind::Sha256, 7), None);
        assert!(found.agree(HashKind::Sha256, 7, [1; 32]));
        assert_eq!(found.get(HashKind::Sha256, 7), Some([1; 32]));
        assert!(found.agree(HashKind::Sha256, 7, [1; 32]));
        assert!(found.agree(HashKind::Blake2, 7, [2; 32]));
        assert!(!found.agree(HashKind::Blake2, 7, [3; 32]));
    }
}
