//! A tree in parts that take about equally long, for several connections to one target.

use std::cmp::Reverse;

use super::bits::Bits;
use super::manifest::{Entry, Kind, Manifest};

/// What an entry takes besides its content.
const HEAD: u64 = 1024;

/// What one connection brings over.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// What it sends.
    pub(super) send: Bits,
    /// Whose fingerprints are found on the way.
    pub(super) verify: Bits,
    weight: u64,
}

/// Shares of what is sent. The first one has all further names of files, which can only come when the files are there,
/// and what is verified without being sent.
pub(super) fn split(manifest: &Manifest, send: &Bits, verify: &Bits, count: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    shares.resize_with(count.max(1), Share::default);
    let mut queue = Vec::new();
    for (at, entry) in manifest.iter() {
        let weight = match (entry.kind, manifest.first(entry)) {
            (Kind::File, None) => entry.size,
            _ => 0,
        };
        if !send.has(at) {
            if verify.has(at) {
                shares[0].verify.add(at);
                shares[0].weight += weight;
            }
        } else if manifest.first(entry).is_some() {
            shares[0].send.add(at);
            shares[0].weight += HEAD;
        } else {
            queue.push((Reverse(weight + HEAD), at));
        }
    }
    // The largest first, each to whom has the least.
    queue.sort_unstable();
    for (Reverse(weight), at) in queue {
        let Some(share) = shares.iter_mut().min_by_key(|share| share.weight) else {
            continue;
        };
        share.send.add(at);
        share.weight += weight;
        if verify.has(at) {
            share.verify.add(at);
        }
    }
    shares
}

/// The folders that some entries are in; the tree itself may be one of them.
pub(super) fn folders_of(manifest: &Manifest, which: &Bits) -> Bits {
    let mut folders = Bits::default();
    let mut last: &[u8] = b"";
    for (_, entry) in manifest.iter().filter(|(at, _)| which.has(*at)) {
        let path = manifest.path(entry);
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let folder = &path[..end];
        if folder != last {
            last = folder;
            if let Some(at) = manifest.find(folder) {
                folders.add(at);
            }
        }
    }
    folders
}

/// Parts of some entries, in their order, whose content is about equally long; at the least one.
pub(super) fn portions(manifest: &Manifest, which: &Bits, count: usize) -> Vec<Bits> {
    let count = count.max(1);
    let mut portions = Vec::new();
    portions.resize_with(count, Bits::default);
    let chosen = || manifest.iter().filter(|(at, _)| which.has(*at));
    let weight = |entry: &Entry| u128::from(entry.size + HEAD);
    let whole: u128 = chosen().map(|(_, entry)| weight(entry)).sum();
    let mut before = 0;
    for (at, entry) in chosen() {
        let part = before * count as u128 / whole.max(1);
        let part = usize::try_from(part).unwrap_or(usize::MAX);
        portions[part.min(count - 1)].add(at);
        before += weight(entry);
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Known, Time};
    use super::*;

    fn known(kind: Kind, size: u64, shared: Option<(u64, u64)>) -> Known {
        Known {
            kind,
            mode: 0o644,
            owner: (0, 0),
            changed: Time {
                seconds: 1,
                nanos: 0,
            },
            size,
            sparse: false,
            taken: 0,
            shared,
        }
    }

    #[test]
    fn folders_are_those_that_something_is_in() {
        let mut tree = Manifest::default();
        for folder in ["", "a", "a/b", "a/b/c", "d", "e"] {
            let known = known(Kind::Folder, 0, None);
            tree.add(folder.as_bytes(), b"", &known).unwrap();
        }
        for file in ["a/1", "a/b/c/2", "a/b/c/3", "d/4", "5"] {
            let known = known(Kind::File, 1, None);
            tree.add(file.as_bytes(), b"", &known).unwrap();
        }
        tree.settle();
        let mut send = Bits::default();
        for file in ["a/1", "a/b/c/2", "a/b/c/3", "5"] {
            send.add(tree.find(file.as_bytes()).unwrap());
        }
        let folders = folders_of(&tree, &send);
        let named = tree.iter().filter(|(at, _)| folders.has(*at));
        let named: Vec<_> = named.map(|(_, entry)| tree.path(entry)).collect();
        assert_eq!(named, [&b"a"[..], b"a/b/c"]);
    }

    #[test]
    fn every_entry_has_one_share_and_all_are_about_as_large() {
        let mut tree = Manifest::default();
        let (mut send, mut verify) = (Bits::default(), Bits::default());
        for number in 0..1000_u64 {
            // The last two are one file.
            let known = known(Kind::File, number * 100, (number >= 998).then_some((1, 1)));
            tree.add(format!("{number:04}").as_bytes(), b"", &known)
                .unwrap();
        }
        tree.settle();
        for at in 0..1000 {
            verify.add(at);
            if at >= 10 {
                send.add(at);
            }
        }
        let shares = split(&tree, &send, &verify, 4);
        for at in 0..1000 {
            let in_it = shares.iter().filter(|share| share.send.has(at)).count();
            let verified = shares.iter().filter(|share| share.verify.has(at)).count();
            assert_eq!(in_it, usize::from(at >= 10), "{at}");
            assert!(verified == 1 || (at == 999 && verified == 0), "{at}");
        }
        assert!(shares[0].send.has(999) && shares[0].verify.has(5));
        let weights: Vec<_> = shares.iter().map(|share| share.weight).collect();
        let (least, most) = (weights.iter().min(), weights.iter().max());
        assert!(most.unwrap() - least.unwrap() < 100_000, "{weights:?}");
        let portions = portions(&tree, &send, 3);
        for at in 0..1000 {
            let in_it = portions.iter().filter(|portion| portion.has(at)).count();
            assert_eq!(in_it, usize::from(at >= 10), "{at}");
        }
        assert!(portions[0].has(10) && portions[1].has(700) && portions[2].has(999));
    }
}
