//! Which algorithms a file asks for: instead of the usual ones, after them, before them, or all but some of them.

use super::pattern::{self, Fit};

/// A list of algorithms as a file gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Algorithms {
    written: Option<String>,
}

impl Algorithms {
    pub(super) fn new(written: Option<&str>) -> Self {
        Self {
            written: written.map(str::to_owned),
        }
    }

    /// The list as it was written, if one was.
    pub fn as_written(&self) -> Option<&str> {
        self.written.as_deref()
    }

    /// The algorithms to offer, best first: `usual` are those that are offered when no file says anything, `all` those
    /// that can be. Empty when the file asks for none of them.
    pub fn choose(&self, usual: &[&str], all: &[&str]) -> Vec<String> {
        let Some(written) = &self.written else {
            return usual.iter().map(|&name| name.to_owned()).collect();
        };
        let named = |patterns: &str| -> Vec<String> {
            let fitting = |pattern| all.iter().filter(move |name| pattern::fits(name, pattern));
            let names = patterns.split(',').flat_map(fitting);
            names.map(|&name| name.to_owned()).collect()
        };
        let usual = || usual.iter().map(|&name| name.to_owned());
        let rest = written.get(1..).unwrap_or_default();
        let chosen: Vec<String> = match written.chars().next() {
            Some('+') => usual().chain(named(rest)).collect(),
            Some('^') => named(rest).into_iter().chain(usual()).collect(),
            Some('-') => usual()
                .filter(|name| pattern::fits_list(name, rest) != Fit::Yes)
                .collect(),
            _ => named(written),
        };
        let mut once = Vec::new();
        for name in chosen {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_ways_to_ask() {
        let (usual, all) = (["b", "c"], ["a1", "a2", "b", "c"]);
        for (written, expected) in [
            (None, "b c"),
            (Some("c,a*,c,x"), "c a1 a2"),
            (Some("+a*"), "b c a1 a2"),
            (Some("^c"), "c b"),
            (Some("-b"), "c"),
            (Some("x"), ""),
        ] {
            let chosen = Algorithms::new(written).choose(&usual, &all);
            assert_eq!(chosen.join(" "), expected, "{written:?}");
        }
    }
}
