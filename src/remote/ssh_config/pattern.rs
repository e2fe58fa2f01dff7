//! Patterns of `ssh_config` and `known_hosts`: `*`, `?`, lists with commas, and `!`.

/// The longest pattern in a list that OpenSSH looks at; with a longer one the whole list fits nothing.
const LONGEST: usize = 1022;

/// Whether the text fits the pattern, byte for byte. The time is bounded by the product of the lengths.
pub(in crate::remote) fn fits(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                t += 1;
                p += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    t = from + 1;
                    p = after_star;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

/// How a text stands to a list of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::remote) enum Fit {
    /// One of them fits, and none with `!` does.
    Yes,
    /// One with `!` fits.
    Excluded,
    /// None fits.
    No,
}

/// How a text stands to patterns with commas between them.
pub(in crate::remote) fn fits_list(text: &str, list: &str) -> Fit {
    let mut fit = Fit::No;
    if list.is_empty() {
        return Fit::No;
    }
    // Between commas an empty pattern counts; after the last one it does not.
    let list = list.strip_suffix(',').unwrap_or(list);
    for pattern in list.split(',') {
        let (excludes, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        if pattern.len() > LONGEST {
            return Fit::No;
        }
        if fits(text, pattern) {
            if excludes {
                return Fit::Excluded;
            }
            fit = Fit::Yes;
        }
    }
    fit
}

/// The same, in small letters on both sides, as names of hosts are compared.
pub(in crate::remote) fn fits_host_list(host: &str, list: &str) -> Fit {
    fits_list(&host.to_ascii_lowercase(), &list.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "*", true),
            ("", "?", false),
            ("a", "**", true),
            ("abc", "a*c", true),
            ("abc", "a*b", false),
            ("abcbc", "a*bc", true),
            ("web1", "web?", true),
            ("web", "web?", false),
            ("web1.x", "*.x", true),
            ("Web", "web", false),
        ] {
            assert_eq!(fits(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_their_lengths() {
        let text = "a".repeat(4096);
        let pattern = "*a".repeat(1024) + "b";
        assert!(!fits(&text, &pattern));
    }

    #[test]
    fn lists() {
        assert_eq!(fits_list("a", "a,!a"), Fit::Excluded);
        assert_eq!(fits_list("b", "!a"), Fit::No);
        assert_eq!(fits_list("b", "!a,*"), Fit::Yes);
        assert_eq!(fits_list("", ""), Fit::No);
        assert_eq!(fits_host_list("WEB", "w*"), Fit::Yes);
        let long = format!("a,{}", "*".repeat(1023));
        assert_eq!(fits_list("a", &long), Fit::No);
    }
}
