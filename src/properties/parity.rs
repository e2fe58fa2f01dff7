//! In which keys several files differ for the program that loads them.
//!
//! ```
//! use clusterctl::properties::{Parity, Properties};
//! let a = Properties::parse(b"port=7918\nname=x\n");
//! let b = Properties::parse(b"port=7919\nname=x\n");
//! let c = Properties::parse(b"name=x\nport=7918\n");
//! let parity = Parity::of(&[&a, &b, &c]).unwrap();
//! assert_eq!(parity.keys, 2);
//! assert_eq!(parity.differing[0].key, "port");
//! assert_eq!(parity.differing[0].group_of, [0, 1, 0]);
//! ```

use std::collections::{HashMap, HashSet};

use super::{JavaString, Properties, Unreadable};

/// What several files say of each key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    /// How many keys there are in all of them together.
    pub keys: usize,
    /// The keys on which they don't agree, in the order in which they turn up.
    pub differing: Vec<Differing>,
}

/// A key on which files don't agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The key.
    pub key: JavaString,
    /// The different values; `None` where the key is not defined.
    pub values: Vec<Option<JavaString>>,
    /// For each file, which of these values it has.
    pub group_of: Vec<usize>,
}

impl Parity {
    /// Compares what Java loads from these files; of one that it does not load, its place in the list and why.
    pub fn of(files: &[&Properties]) -> Result<Self, (usize, Unreadable)> {
        let mut loaded = Vec::with_capacity(files.len());
        for (at, file) in files.iter().enumerate() {
            file.check().map_err(|problem| (at, problem))?;
            let entries = file.entries().map(|entry| (entry.key, entry.value));
            loaded.push(entries.collect::<HashMap<_, _>>());
        }
        let mut seen = HashSet::new();
        let mut parity = Self::default();
        for key in files.iter().flat_map(|file| file.keys()) {
            if !seen.insert(key.clone()) {
                continue;
            }
            parity.keys += 1;
            let differing = Differing::of(key, &loaded);
            if differing.values.len() > 1 {
                parity.differing.push(differing);
            }
        }
        Ok(parity)
    }
}

impl Differing {
    fn of(key: JavaString, loaded: &[HashMap<JavaString, JavaString>]) -> Self {
        let mut values: Vec<Option<JavaString>> = Vec::new();
        let group_of = loaded
            .iter()
            .map(|file| {
                let value = file.get(&key);
                values
                    .iter()
                    .position(|known| known.as_ref() == value)
                    .unwrap_or_else(|| {
                        values.push(value.cloned());
                        values.len() - 1
                    })
            })
            .collect();
        Self {
            key,
            values,
            group_of,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parity(files: &[&str]) -> Parity {
        let files: Vec<_> = files
            .iter()
            .map(|text| Properties::parse(text.as_bytes()))
            .collect();
        Parity::of(&files.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_means_the_same_does_not_differ() {
        let same = parity(&["a=1\nb=2\n", "b : \\u0032\na=0\na=1\n"]);
        assert_eq!(
            same,
            Parity {
                keys: 2,
                differing: vec![]
            }
        );
        assert_eq!(parity(&[]), Parity::default());
        assert_eq!(parity(&["a=1"]).keys, 1);
    }

    #[test]
    fn a_missing_key_is_no_empty_one() {
        let parity = parity(&["a=\n", "", "a=\n"]);
        assert_eq!(parity.differing[0].values, [Some("".into()), None]);
        assert_eq!(parity.differing[0].group_of, [0, 1, 0]);
    }

    #[test]
    fn a_file_that_java_does_not_load_is_named() {
        let (good, bad) = (Properties::parse(b"a=1"), Properties::parse(b"a=\\uXXXX"));
        assert_eq!(Parity::of(&[&good, &bad]).unwrap_err().0, 1);
    }
}
