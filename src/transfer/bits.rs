//! A set of entries, by their numbers.

/// A set of numbers below some limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number.
    pub(crate) fn add(&mut self, number: usize) {
        let (word, bit) = (number / 64, number % 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }

    /// Whether a number is in it.
    pub(crate) fn has(&self, number: usize) -> bool {
        let word = self.0.get(number / 64).copied().unwrap_or_default();
        word & (1 << (number % 64)) != 0
    }

    /// Whether nothing is in it.
    pub(crate) fn is_none(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many are in it.
    pub(crate) fn count(&self) -> usize {
        let ones = self.0.iter().map(|word| word.count_ones());
        usize::try_from(ones.map(u64::from).sum::<u64>()).unwrap_or(usize::MAX)
    }

    /// Takes the numbers of another set away.
    pub(crate) fn take_away(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own &= !other;
        }
    }

    /// Keeps only the numbers that another set has, too.
    pub(crate) fn keep_common(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own &= other;
        }
    }

    /// Adds all numbers of another set.
    pub(crate) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own |= other;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn numbers_are_in_the_sets_that_they_were_added_to() {
        let (mut a, mut b) = (Bits::default(), Bits::default());
        a.add(3);
        b.add(200);
        assert!(a.has(3) && !a.has(200) && !a.has(4));
        a.join(&b);
        assert_eq!((a.count(), b.count()), (2, 1));
        assert!(a.has(3) && a.has(200) && !a.has(199) && !a.has(100_000));
        let mut c = a.clone();
        c.take_away(&b);
        assert!(c.has(3) && !c.has(200));
        a.keep_common(&b);
        assert!(!a.has(3) && a.has(200));
    }
}
