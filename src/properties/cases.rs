//! The format by example: what people meet in real files.

use super::{
    ByteDiff, EditError, Encoding, JavaString, LineEnd, LineKind, MeaningDiff, Properties, Which,
};

/// The file after an edit.
#[track_caller]
fn set(file: &str, key: &str, value: &str) -> String {
    let mut file = Properties::parse(file.as_bytes());
    file.set(key, value, Which::Only).unwrap();
    String::from_utf8(file.bytes().to_vec()).unwrap()
}

fn set_bytes(file: &[u8], encoding: Encoding, key: &str, value: &str) -> Vec<u8> {
    let mut file = Properties::parse_as(file, encoding);
    file.set(key, value, Which::Only).unwrap();
    file.bytes().to_vec()
}

fn entries(file: &[u8]) -> Vec<(String, String, usize)> {
    let file = Properties::parse(file);
    file.entries()
        .map(|entry| (entry.key.to_lossy(), entry.value.to_lossy(), entry.line))
        .collect()
}

fn entry(key: &str, value: &str, line: usize) -> (String, String, usize) {
    (key.into(), value.into(), line)
}

#[test]
fn escaped_spaces_and_slashes_in_keys() {
    let file = b"#Tue Jan 07 10:00:00 UTC 2025\nIBM\\ UrbanCode\\ Deploy/java.home=/opt/java\n";
    let expected = entry("IBM UrbanCode Deploy/java.home", "/opt/java", 2);
    assert_eq!(entries(file), [expected]);
}

#[test]
fn separators() {
    let file = b"a=1\nb : 2\nc 3\nd\t=\t4\ne\\=f\\:g\\ h = i = j\nk\n=l\n";
    let expected = [
        entry("a", "1", 1),
        entry("b", "2", 2),
        entry("c", "3", 3),
        entry("d", "4", 4),
        entry("e=f:g h", "i = j", 5),
        entry("k", "", 6),
        entry("", "l", 7),
    ];
    assert_eq!(entries(file), expected);
}

#[test]
fn continuations_and_their_odd_ends() {
    assert_eq!(entries(b"a=1\\\n  2\\\r\n3\n"), [entry("a", "123", 1)]);
    assert_eq!(entries(b"a=1\\\n#2\n"), [entry("a", "1#2", 1)]);
    assert_eq!(
        entries(b"a=1\\\n\nb=2\n"),
        [entry("a", "1", 1), entry("b", "2", 3)]
    );
    assert_eq!(entries(b"a=1\\"), [entry("a", "1", 1)]);
    assert_eq!(entries(b"a=1\\\\\\"), [entry("a", "1\\", 1)]);
    assert_eq!(entries(b"\\"), [entry("", "", 1)]);
    assert_eq!(entries(b"\\\n"), [entry("", "", 1)]);
    assert_eq!(entries(b"\\\r\n"), []);
    assert_eq!(entries(b"\\\n#a\nb"), [entry("b", "", 3)]);
}

#[test]
fn lone_surrogates_survive() {
    let file = Properties::parse(b"a=\\ud83d!");
    let value = file.get("a").unwrap();
    assert_eq!(value, JavaString::from(vec![0xD83D, 0x21]));
    assert_eq!(value.to_exact(), None);
    assert_eq!(format!("{value:?}"), "\"\\u{d83d}!\"");
}

#[test]
fn lines_cover_the_file() {
    let file = Properties::parse(b"\n \n# c\r\na=\\\n b\rd");
    let kinds: Vec<_> = file
        .lines()
        .iter()
        .map(|line| (line.numbers(), line.line_end()))
        .collect();
    let expected = [
        (1..=2, Some(LineEnd::Lf)),
        (3..=3, Some(LineEnd::CrLf)),
        (4..=5, Some(LineEnd::Cr)),
        (6..=6, None),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(file.lines()[0].kind(), &LineKind::Blank);
    assert_eq!(file.lines()[1].kind(), &LineKind::Comment);
    assert_eq!(file.lines()[2].content(), 8..14);
}

#[test]
fn a_value_follows_the_escapes_of_its_line_or_file() {
    assert_eq!(
        set("u=https\\://a\\:1\nv=x:y=z:\n", "u", "https://b:2"),
        "u=https\\://b\\:2\nv=x:y=z:\n"
    );
    assert_eq!(
        set("u=https://a\nv=x\\:y\\:z\n", "u", "https://b:2"),
        "u=https://b:2\nv=x\\:y\\:z\n"
    );
    assert_eq!(
        set("u=none\nv=x\\:y\n", "u", "https://b:2"),
        "u=https\\://b\\:2\nv=x\\:y\n"
    );
    assert_eq!(set("u=none\n", "u", "a:b=c#d!"), "u=a:b=c#d!\n");
    assert_eq!(set("u none\n", "u", "=:"), "u \\=:\n");
    assert_eq!(set("u=x\n", "u", "  a\tb\\"), "u=\\  a\\tb\\\\\n");
    let old = "p=failover\\:(ah3\\://s1.example.com\\:7918)?randomize=false\n";
    let value = "failover:(ah3://s1.example.com:7918,ah3://s2.example.com:7918)?randomize=false";
    assert!(set(old, "p", value).starts_with("p=failover\\:(ah3\\://s1.example.com\\:7918,ah3"));
}

#[test]
fn letters_beyond_ascii() {
    let latin1 = Encoding::Latin1;
    assert_eq!(
        set_bytes(b"a=x\n", latin1, "a", "\u{E4}\u{20AC}"),
        b"a=\\u00E4\\u20AC\n"
    );
    assert_eq!(
        set_bytes(b"a=\\u00e4\n", latin1, "a", "\u{FC}"),
        b"a=\\u00fc\n"
    );
    // A file that shows plain Latin-1 letters gets more of them, but not what
    // Latin-1 lacks.
    assert_eq!(
        set_bytes(b"a=\xE4\n", latin1, "a", "\u{FC}\u{20AC}\u{85}"),
        b"a=\xFC\\u20AC\\u0085\n"
    );
    // It may be UTF-8 for all we know.
    assert_eq!(
        set_bytes("a=\u{E4}\n".as_bytes(), latin1, "a", "\u{FC}"),
        b"a=\\u00FC\n"
    );
    assert_eq!(
        set_bytes(
            "a=\u{E4}\n".as_bytes(),
            Encoding::Utf8,
            "a",
            "\u{FC}\u{2028}"
        ),
        "a=\u{FC}\\u2028\n".as_bytes()
    );
    assert_eq!(
        set_bytes(b"a=x\n", Encoding::Utf8, "a", "\u{FC}"),
        b"a=\\u00FC\n"
    );
}

#[test]
fn a_line_keeps_its_layout() {
    assert_eq!(set("  a  :\t1\r\nb=2", "a", "9"), "  a  :\t9\r\nb=2");
    assert_eq!(
        set("a = 1\\\n    2\\\n    3\nb=2\n", "a", "9"),
        "a = 9\nb=2\n"
    );
    assert_eq!(set("a=\\\n  1\n", "a", ""), "a=\n");
    assert_eq!(set("a\\\n  = 1\n", "a", "2"), "a\\\n  = 2\n");
    assert_eq!(set("a\nb : 1\n", "a", "2"), "a : 2\nb : 1\n");
    assert_eq!(set("a=1\\", "a", "2"), "a=2");
    assert_eq!(set("a=1\\\n", "a", "2"), "a=2\n");
    assert_eq!(set("a = 1\n\\", "", "2"), "a = 1\n= 2");
    assert_eq!(set("a=\\u0031\n", "a", "1"), "a=\\u0031\n");
}

#[test]
fn a_new_key_goes_to_the_end() {
    assert_eq!(set("", "a", "1"), "a=1\n");
    assert_eq!(
        set("a : 1\r\nb : 2", "c", "3"),
        "a : 1\r\nb : 2\r\nc : 3\r\n"
    );
    assert_eq!(set("a=1\n# end", "c", "3"), "a=1\n# end\nc=3\n");
    assert_eq!(set("a=1\n# end\\", "c", "3"), "a=1\n# end\\\nc=3\n");
    assert_eq!(set("a=1\\", "c", "3"), "a=1\\\n\nc=3\n");
    assert_eq!(set("a=1\\\n", "c", "3"), "a=1\\\n\nc=3\n");
    assert_eq!(set("a=1\\\n  ", "c", "3"), "a=1\\\n  \nc=3\n");
    assert_eq!(set("b=\\\r\\\r\\\n", "c", "3"), "b=\\\r\\\r\\\n\nc=3\r");
    assert_eq!(set("\\", "c", "3"), "\\\n=\nc=3\n");
    assert_eq!(set("", "#a b=c:d\\", ""), "\\#a\\ b\\=c\\:d\\\\=\n");
    assert_eq!(set("a 1\n", "", "2"), "a 1\n=2\n");
}

#[test]
fn duplicates() {
    let text = b"a=1\nb=2\na=3\n";
    let file = Properties::parse(text);
    assert_eq!(file.get("a").unwrap(), "3");
    assert_eq!(file.keys(), ["a", "b"]);
    let after = |which| {
        let mut file = file.clone();
        file.set("a", "9", which).map(|_| file.bytes().to_vec())
    };
    let error = after(Which::Only).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The key `a` is defined 2 times, on lines 1 and 3. Java uses the last one. The file was \
         not changed. Say which definition you mean, or remove the others first."
    );
    assert_eq!(after(Which::First).unwrap(), b"a=9\nb=2\na=3\n");
    assert_eq!(after(Which::Last).unwrap(), b"a=1\nb=2\na=9\n");
    assert_eq!(after(Which::Line(3)).unwrap(), b"a=1\nb=2\na=9\n");
    assert_eq!(after(Which::All).unwrap(), b"a=9\nb=2\na=9\n");
    assert_eq!(
        after(Which::Line(2)).unwrap_err().to_string(),
        "Line 2 does not define the key `a`; lines 1 and 3 do. The file was not changed. Name a \
         line that defines the key."
    );
    let mut many = Properties::parse(&b"a=1\n".repeat(1_000));
    let error = many.unset("a", Which::Only).unwrap_err().to_string();
    assert!(
        error.contains("on lines 1, 2, 3, 4, 5, 6, 7, 8 and 992 more."),
        "{error}"
    );
}

#[test]
fn unset_takes_the_whole_logical_line() {
    let mut file = Properties::parse(b"a=1\nb=2\\\n  3\nc=4");
    assert_eq!(file.unset("b", Which::Only), Ok(true));
    assert_eq!(file.unset("b", Which::Only), Ok(false));
    assert_eq!(file.bytes(), b"a=1\nc=4");
    // What is left must not become a line of its own.
    let mut file = Properties::parse(b"x=1\n\\\na=1");
    file.unset("a", Which::Only).unwrap();
    assert_eq!(file.bytes(), b"x=1\n");
}

#[test]
fn what_java_refuses_is_not_edited() {
    let mut file = Properties::parse(b"a=1\nhome=C:\\users\\\n \\unix\nb\\u00=2\n");
    let places: Vec<_> = file.problems().iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(2, 8), (3, 2), (4, 2)]);
    let error = file.set("a", "2", Which::Only).unwrap_err();
    assert!(matches!(error, EditError::Unreadable(_)));
    assert_eq!(
        error.to_string(),
        "The file was not changed. Java refuses to load this file. Line 2, column 8: four \
         hexadecimal digits must follow `\\u`. There are 2 more such places, the next on line 3. \
         Correct the file by hand first: write four hexadecimal digits behind `\\u`, or `\\\\u` \
         for a backslash and a u."
    );
    assert_eq!(file.get("a").unwrap(), "1");
    assert_eq!(file.get("home"), None);
    assert!(MeaningDiff::between(&file, &file).is_err());
}

#[test]
fn columns_count_characters() {
    let file = "a=\u{E4}\u{E4}\\u".as_bytes();
    assert_eq!(
        Properties::parse_as(file, Encoding::Utf8).problems()[0].column,
        5
    );
    assert_eq!(Properties::parse(file).problems()[0].column, 7);
}

#[test]
fn a_diff_hides_all_of_a_secret() {
    let old = b"# top\nuser=ann\n#password=first\npassword=one\\\n  two\nend=1\n";
    let new = b"# top\nuser=bob\n#password=first\npassword=one\\\n  three\nend=1";
    let [old, new] = [Properties::parse(old), Properties::parse(new)];
    let diff = ByteDiff::between(&old, &new, |key| *key == "password");
    insta::assert_snapshot!(diff.unified("a/x.properties", "b/x.properties"), @r"
    --- a/x.properties
    +++ b/x.properties
    @@ -1,6 +1,6 @@
     # top
    -user=ann
    +user=bob
     #password=****
    -password=****
    -****
    -end=1
    +password=****
    +****
    +end=1
    \ No newline at end of file
    ");
}

#[test]
fn a_diff_does_not_tell_that_a_secret_is_empty() {
    let [old, new] = [b"a=1\npassword\n", b"a=2\npassword\n"].map(|file| Properties::parse(file));
    let diff = ByteDiff::between(&old, &new, |key| *key == "password");
    let last = diff.hunks()[0].lines.last().unwrap();
    assert_eq!(last.text, "password=****");
}

#[test]
fn a_diff_shows_what_cannot_be_seen() {
    let old = Properties::parse(b"a=1\r\nb=\x1B[2J\r\n");
    let new = Properties::parse(b"a=1\nb=\xE4\x85\r\nc=\t\x7F\r\n");
    let diff = ByteDiff::between(&old, &new, |_| false);
    insta::assert_snapshot!(diff.unified("old", "new"), @r"
    --- old
    +++ new
    @@ -1,2 +1,3 @@
    -a=1^M
    -b=^[[2J^M
    +a=1
    +b=ä\u{85}^M
    +c=	^?^M
    ");
    let appended = Properties::parse(b"a=1\r\nb=\x1B[2J\r\nc=3\r\n");
    let diff = ByteDiff::between(&old, &appended, |_| false);
    insta::assert_snapshot!(diff.unified("old", "new"), @r"
    --- old
    +++ new
    @@ -1,2 +1,3 @@
     a=1
     b=^[[2J
    +c=3
    ");
    let gone = ByteDiff::between(&old, &Properties::parse(b""), |_| false);
    insta::assert_snapshot!(gone.unified("old", "new"), @r"
    --- old
    +++ new
    @@ -1,2 +0,0 @@
    -a=1
    -b=^[[2J
    ");
}

#[test]
fn masked_bytes_tell_nothing_of_the_secret() {
    let hidden = |key: &JavaString| *key == "pw";
    let expected = b"a=1\n pw=****\nb=2\n";
    for secret in [
        "pw",
        "pw=",
        "pw : x",
        "pw\\\n  =\\\n x\\\n y",
        "\\u0070w x\\:y",
    ] {
        let file = format!("a=1\n {secret}\nb=2\n");
        let masked = Properties::parse(file.as_bytes()).masked_bytes(hidden);
        if secret.starts_with('p') {
            assert_eq!(masked, expected, "{secret}");
        }
        assert!(!masked.contains(&b'x'), "{secret}");
    }
    let last = |text: &[u8]| Properties::parse(text).masked_bytes(hidden);
    assert_eq!(last(b"pw=x\\\n"), last(b"pw=x\n"));
    assert_eq!(last(b"pw\\u00=x"), b"pw\\u00=****");
    assert_eq!(
        last(b"#pw=x\\\n#x\\\n#x\n#x\n"),
        b"#pw=****\n#****\n#****\n#x\n"
    );
    assert_eq!(last(b"#pw=x\\\nx=y\\\nz\nu=v\n"), b"#pw=****\n****\nu=v\n");
    assert_eq!(last(b"# pw\n# pw is x\n"), b"# pw\n# pw=****\n");
}

#[test]
fn meaning_is_not_layout() {
    let old = Properties::parse(b"a=1\nb=2\nc=3\n");
    let same = Properties::parse(b"b: 2\n\nc=0\nc=3\na 1");
    let diff = MeaningDiff::between(&old, &same).unwrap();
    assert!(diff.is_layout_only());
    assert_eq!(
        diff.to_string(),
        "the same keys and values, written differently"
    );
    let diff = MeaningDiff::between(&old, &Properties::parse(b"d=1\na=2\nc=3\n")).unwrap();
    assert_eq!(
        diff.to_string(),
        "1 key added (d), 1 key removed (b), 1 key changed (a)"
    );
    let diff = MeaningDiff::between(&old, &old).unwrap();
    assert_eq!(diff.to_string(), "no difference");
}

#[test]
fn debug_output_shows_no_value() {
    let file = Properties::parse(b"password=hunter2\n");
    assert!(!format!("{file:?}").contains("hunter2"));
}
