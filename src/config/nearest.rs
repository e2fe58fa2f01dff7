//! What somebody most likely meant to type.

/// The candidate that looks most like `word`, if one does: about a third of
/// the letters may differ.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| {
            *candidate != word && candidate.len().abs_diff(word.len()) <= 4 * allowed
        })
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be inserted, deleted, replaced or swapped with their
/// neighbour to turn one word into the other. Case costs nothing.
fn distance(left: &str, right: &str) -> usize {
    let fold = |text: &str| {
        text.chars()
            .flat_map(char::to_lowercase)
            .take(64)
            .collect::<Vec<_>>()
    };
    let (left, right) = (fold(left), fold(right));
    let width = right.len() + 1;
    let mut table = vec![0; (left.len() + 1) * width];
    for row in 0..=left.len() {
        for column in 0..width {
            let at = |r: usize, c: usize| table[r * width + c];
            table[row * width + column] = if row == 0 || column == 0 {
                row + column
            } else {
                let (a, b) = (left[row - 1], right[column - 1]);
                let mut best = (at(row - 1, column) + 1)
                    .min(at(row, column - 1) + 1)
                    .min(at(row - 1, column - 1) + usize::from(a != b));
                if row > 1 && column > 1 && a == right[column - 2] && left[row - 2] == b {
                    best = best.min(at(row - 2, column - 2) + 1);
                }
                best
            };
        }
    }
    table[left.len() * width + right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("nodez", "nodes", 1),
            ("ndoes", "nodes", 1),
            ("Nodes", "nodes", 0),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_what_looks_alike() {
        let keys = ["name", "nodes", "secrets"];
        assert_eq!(nearest("nodez", keys), Some("nodes"));
        assert_eq!(nearest("secret", keys), Some("secrets"));
        assert_eq!(nearest("balancer", keys), None);
        assert_eq!(nearest("Nodes", keys), Some("nodes"));
    }
}
