//! `props`: what becomes of files.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use clusterctl::exit::Exit;

use super::lab::Lab;

/// Files that editors and scripts spoil, and what one edit makes of them.
const FILES: [(&str, &[u8], &str, &[u8]); 8] = [
    ("dos", b"a=1\r\nb=2\r\n", "a=9", b"a=9\r\nb=2\r\n"),
    ("dos_new", b"a=1\r\n", "b=9", b"a=1\r\nb=9\r\n"),
    ("no_end", b"a=1\nb=2", "b=9", b"a=1\nb=9"),
    ("no_end_new", b"a=1", "b=9", b"a=1\nb=9\n"),
    (
        "latin1",
        b"# caf\xe9\na=\xe9\nb=2\n",
        "b=\u{e9}",
        b"# caf\xe9\na=\xe9\nb=\xe9\n",
    ),
    (
        "blanks",
        b"  a : 1  \n\tb   2\n",
        "a=9",
        b"  a : 9\n\tb   2\n",
    ),
    ("folded", b"a=1,\\\n  2\nb=2\n", "a=9", b"a=9\nb=2\n"),
    ("empty", b"", "a=9", b"a=9\n"),
];

#[test]
fn an_edit_leaves_every_other_byte_and_its_undo_every_byte() {
    for (name, before, pair, after) in FILES {
        let lab = Lab::new().file("f", before);
        let words = format!("props set -f f {pair}");

        let preview = lab.run(&format!("{words} --plan --detailed-exitcode"));
        let preview = preview.ends(Exit::Pending);
        assert_eq!(lab.bytes("f"), before, "{name}: a preview changes nothing");
        assert_eq!(
            lab.everything().len(),
            1,
            "{name}: a preview leaves nothing\n{preview}"
        );

        let said = lab.run(&words).ends(Exit::Done);
        let shown = String::from_utf8_lossy(after);
        assert_eq!(lab.bytes("f"), after, "{name}: should be {shown:?}\n{said}");

        let again = lab.run(&words).ends(Exit::Done).tells("Nothing to do");
        assert_eq!(
            lab.runs().len(),
            1,
            "{name}: nothing to do makes no run\n{again}"
        );

        let said = lab.run("undo latest").ends(Exit::Done);
        assert_eq!(lab.bytes("f"), before, "{name}: taken back\n{said}");
        let left = fs::read_dir(lab.path("")).unwrap().count();
        assert_eq!(left, 1, "{name}: nothing is left beside the file");
    }
}

#[test]
fn unset_takes_out_lines_and_undo_puts_them_back() {
    let before = b"a=1\nb=2,\\\n  3\n# c\nc=4\n";
    let lab = Lab::new().file("f", before);
    lab.run("props unset -f f b none b").ends(Exit::Done);
    assert_eq!(lab.bytes("f"), b"a=1\n# c\nc=4\n");
    lab.run("props unset -f f b")
        .ends(Exit::Done)
        .tells("Nothing to do");
    lab.run("undo latest").ends(Exit::Done);
    assert_eq!(lab.bytes("f"), before);
}

#[test]
fn one_of_several_definitions() {
    for (which, after) in [
        ("--which first", "k=9\nk=2\nk=3\n"),
        ("--which last", "k=1\nk=2\nk=9\n"),
        ("--which all", "k=9\nk=9\nk=9\n"),
        ("--line 2", "k=1\nk=9\nk=3\n"),
    ] {
        let lab = Lab::new().file("f", "k=1\nk=2\nk=3\n");
        lab.run(&format!("props set -f f k=9 {which}"))
            .ends(Exit::Done);
        assert_eq!(String::from_utf8(lab.bytes("f")).unwrap(), after, "{which}");
    }
}

#[test]
fn keys_and_values_are_taken_literally() {
    for pair in [
        "a b=1",
        "a=x=y",
        "a=",
        "a:b=c d ",
        "a\nb=c\nd",
        "a=\u{1b}[31m",
        "a=\\u0041",
        "a=$(id)",
        "#a=1",
        "!=!",
    ] {
        let lab = Lab::new().file("f", "z=0\n");
        let (key, value) = pair.split_once('=').unwrap();
        let set = lab
            .call("props set -f f --utf8")
            .arg(pair)
            .run()
            .ends(Exit::Done);
        assert!(!set.all().contains('\u{1b}'), "{set}");
        let got = lab
            .call("props get -f f --utf8 --json")
            .arg(key)
            .run()
            .ends(Exit::Done);
        assert_eq!(got.json()[0]["values"][key]["value"], value, "{got}");
        lab.run("undo latest").ends(Exit::Done);
        assert_eq!(lab.bytes("f"), b"z=0\n");
    }
}

#[test]
fn a_replaced_file_keeps_what_is_not_its_content() {
    let lab = Lab::new().file("f", "a=1\n");
    let path = lab.path("f");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(4321), Some(1234)).unwrap();
    }
    let flags = rustix::fs::XattrFlags::empty();
    let marked = rustix::fs::setxattr(&path, "user.lab", b"kept", flags).is_ok();
    for words in ["props set -f f a=2", "undo latest"] {
        lab.run(words).ends(Exit::Done);
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o7777, 0o664, "{words}");
        if root {
            assert_eq!((found.uid(), found.gid()), (4321, 1234), "{words}");
        }
        if marked {
            let mut value = [0_u8; 4];
            rustix::fs::getxattr(&path, "user.lab", &mut value).unwrap();
            assert_eq!(&value, b"kept", "{words}");
        }
    }
}

#[test]
fn links_stay_links() {
    let lab = Lab::new().file("real", "a=1\n");
    symlink("real", lab.path("soft")).unwrap();
    fs::hard_link(lab.path("real"), lab.path("hard")).unwrap();
    lab.run("props set -f soft a=2").ends(Exit::Done);
    lab.run("props set -f hard a=3").ends(Exit::Done);
    assert_eq!(
        fs::read_link(lab.path("soft")).unwrap().to_str(),
        Some("real")
    );
    for name in ["real", "soft", "hard"] {
        assert_eq!(lab.bytes(name), b"a=3\n", "{name}");
    }
    let inode = |name: &str| fs::metadata(lab.path(name)).unwrap().ino();
    assert_eq!(inode("real"), inode("hard"));
}

#[test]
fn several_nodes_one_after_the_other() {
    let lab = Lab::new().file("f", "a=1\n");
    let state = |node: &str| lab.node().join(node).to_str().unwrap().to_owned();
    let cluster = format!(
        "format = 1\nname = \"lab\"\n[nodes]\n\
         n1 = {{ address = \"local\", state_dir = \"{}\" }}\n\
         n2 = {{ address = \"local\", state_dir = \"{}\", tags = [\"second\"] }}\n",
        state("n1"),
        state("n2")
    );
    fs::write(lab.path("cluster.toml"), cluster).unwrap();
    lab.run("props set -f f a=2 --on @second").ends(Exit::Done);
    assert!(!lab.node().join("n1").exists(), "only n2 is meant");
    // Both nodes are this machine: the second finds what the first did to the same file.
    let stopped = lab.run("props set -f f a=3 --on n1,n2").ends(Exit::Stopped);
    lab.snapshot("a_run_that_stopped_between_nodes", &stopped.to_string());
    lab.run("props set -f f a=4 --on n2")
        .ends(Exit::Held)
        .tells("is unfinished on n2");
    // What is taken back holds no node any more, not even those where nothing was done.
    lab.run("undo latest").ends(Exit::Done);
    assert_eq!(lab.bytes("f"), b"a=2\n");
    lab.run("props set -f f a=4 --on n2").ends(Exit::Done);
    lab.run("props set -f f a=5 --on n1").ends(Exit::Done);
}

#[test]
fn what_is_there_is_read_and_compared() {
    let lab = Lab::new()
        .file("f", "a=1\nb.password=secret\ntwice=1\ntwice=2\n")
        .file("g", "a=2\nb.password=other\nnew=1\n");
    let mut text = String::new();
    for (words, exit) in [
        ("props get -f f", Exit::Done),
        ("props get -f f twice", Exit::Done),
        ("props get -f f a twice none --lines", Exit::Differs),
        ("props get -f f --show-secrets", Exit::Done),
        ("props check -f f", Exit::Differs),
        ("props check -f g", Exit::Done),
        ("props diff -f f g", Exit::Differs),
        ("props diff -f f g --meaning", Exit::Differs),
        ("props diff -f f f", Exit::Done),
    ] {
        let said = lab.run(words).ends(exit);
        writeln!(text, "{said}").unwrap();
    }
    lab.snapshot("what_is_there", &text);
}
