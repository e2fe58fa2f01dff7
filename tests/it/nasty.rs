//! Seeded generator of properties files that are hard to read and to edit.

use clusterctl::properties::{JavaString, Properties, Which};

/// Pieces that mean something to the format, the hard ones more than once.
const PIECES: &[&[u8]] = &[
    b"\\",
    b"\\",
    b"\\",
    b"\\\\",
    b"\n",
    b"\n",
    b"\r",
    b"\r",
    b"\r\n",
    b"\\\n",
    b"\\\r",
    b"\\\r\n",
    b" ",
    b" ",
    b"\t",
    b"\x0C",
    b"#",
    b"!",
    b"=",
    b"=",
    b":",
    b"\\=",
    b"\\:",
    b"\\ ",
    b"\\#",
    b"\\t",
    b"\\n",
    b"\\r",
    b"\\f",
    b"\\u",
    b"\\u00",
    b"\\u0041",
    b"\\u00e4",
    b"\\uD83D",
    b"\\uDE00",
    b"\\U0041",
    b"\\u\\\n0041",
    b"u",
    b"0",
    b"\0",
    b"\x1A",
    b"\x7F",
    b"\x85",
    b"\xA0",
    b"\xC3",
    b"\xC3\xA4",
    b"\xE2\x82",
    b"\xE2\x82\xAC",
    b"\xED\xA0\x80",
    b"\xEF\xBB\xBF",
    b"\xF0\x9F\x98\x80",
    b"\xF0\x9F\x98",
    b"\xF4\x90\x80\x80",
    b"\xFF",
    b"a",
    b"a",
    b"b",
    b"a=",
    b"b:",
    b"a=b\n",
    b"key",
    b"#Tue Jan 07 10:00:00 UTC 2025\n",
    b"IBM\\ UrbanCode\\ Deploy/java.home=/opt/java\n",
    b"url=failover\\:(ah3\\://s1\\:7918,ah3\\://s2\\:7918)?randomize=false\n",
    b"list=a,\\\n    b,\\\n    c\n",
];

/// Units of keys and values to set, the hard ones first.
const UNITS: &[u16] = &[
    0x5C, 0x20, 0x20, 0x09, 0x0A, 0x0D, 0x0C, 0x3D, 0x3A, 0x23, 0x21, 0x75, 0x6E, 0x30, 0x61, 0x61,
    0x62, 0, 0x1B, 0x7E, 0x7F, 0x80, 0xE4, 0xFF, 0x100, 0x2028, 0xD83D, 0xDE00, 0xFEFF, 0xFFFD,
];

/// A small random number generator (`SplitMix64`), the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below the limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A file: pieces, and sometimes bytes changed, cut or repeated after that.
    pub(crate) fn file(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.below(32) == 0 {
            // The JDK reads 8 KiB at a time: let something hard cross the edge.
            bytes.resize(8192 - self.below(24), b'#');
            bytes.push(b'\n');
        }
        for _ in 0..self.below(20) {
            let piece: &[u8] = self.pick::<&[u8]>(PIECES);
            bytes.extend_from_slice(piece);
        }
        for _ in 0..self.below(4).saturating_sub(1) {
            self.mutate(&mut bytes);
        }
        bytes
    }

    /// Changes a few bytes somewhere.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(self.below(256)).unwrap()),
            2 if at < bytes.len() => bytes[at] = self.pick::<&[u8]>(PIECES)[0],
            3 if at < bytes.len() => drop(bytes.remove(at)),
            _ => {}
        }
    }

    /// A key or a value.
    pub(crate) fn text(&mut self) -> JavaString {
        let units: Vec<_> = (0..self.below(6)).map(|_| *self.pick(UNITS)).collect();
        units.into()
    }

    /// A key, more often than not one of the file.
    pub(crate) fn key(&mut self, file: &Properties) -> JavaString {
        let keys = file.keys();
        if keys.is_empty() || self.below(3) == 0 {
            self.text()
        } else {
            self.pick(&keys).clone()
        }
    }

    pub(crate) fn which(&mut self) -> Which {
        let line = Which::Line(1 + self.below(5));
        *self.pick(&[Which::Only, Which::First, Which::Last, Which::All, line])
    }
}

/// Every definition of a file, in order.
pub(crate) fn definitions(file: &Properties) -> Vec<(JavaString, JavaString)> {
    file.entries()
        .map(|entry| (entry.key, entry.value))
        .collect()
}

/// Which of the definitions an edit of this key means.
pub(crate) fn chosen(file: &Properties, key: &JavaString, which: Which) -> Vec<usize> {
    let entries: Vec<_> = file.entries().collect();
    let mut places = (0..entries.len()).filter(|&place| entries[place].key == *key);
    match which {
        Which::Only | Which::All => places.collect(),
        Which::First => places.take(1).collect(),
        Which::Last => places.next_back().into_iter().collect(),
        Which::Line(number) => {
            let line = file
                .lines()
                .iter()
                .find(|line| line.numbers().contains(&number))
                .map(|line| *line.numbers().start());
            places
                .filter(|&place| Some(entries[place].line) == line)
                .collect()
        }
    }
}
