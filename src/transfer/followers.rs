//! Whoever follows orders for a tree, perl, python3 or the shell, follows them alike.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const TOOLS: &str = include_str!("land/tools.sh");
const OBEY: &str = include_str!("land/obey.sh");

/// Who follows them, and the shell that calls it.
const FOLLOWERS: [(&str, &[&str]); 6] = [
    ("perl", &["dash"]),
    ("python3", &["dash"]),
    ("sh", &["dash"]),
    ("sh", &["bash"]),
    ("sh", &["ksh"]),
    ("sh", &["busybox", "sh"]),
];

/// Has orders followed in the folder `tree` for what stands in `stage`; as a user who is not root, if that is wanted.
fn follow(folder: &Path, who: (&str, &[&str]), orders: &[[&str; 3]], as_user: bool) -> Output {
    let (follower, shell) = who;
    let mut text = format!("{TOOLS}\n{OBEY}\ncd tree || exit\nobey \"$PWD/../stage\"\n");
    for other in ["perl", "python3"] {
        if other != follower {
            text = text.replace(&format!("command -v {other} "), "false ");
        }
    }
    text = text.replace(
        "/bin/sh -c \"$by_shell\"",
        &format!("{} -c \"$by_shell\"", shell.join(" ")),
    );
    let mut words: Vec<&str> = Vec::new();
    if as_user && rustix::process::geteuid().is_root() {
        let owned = Command::new("chown")
            .args(["-R", "4321:4321"])
            .arg(folder)
            .status();
        assert!(owned.unwrap().success());
        words.extend([
            "setpriv",
            "--reuid",
            "4321",
            "--regid",
            "4321",
            "--clear-groups",
        ]);
    }
    words.extend(shell);
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .args(["-c", &text])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = Vec::new();
    for [order, path, one] in orders {
        for word in [order, path, one, "-", "-"] {
            input.extend_from_slice(word.as_bytes());
            input.push(0);
        }
    }
    child.stdin.take().unwrap().write_all(&input).unwrap();
    child.wait_with_output().unwrap()
}

/// A folder with a `tree` and a `stage` that commands make something in.
fn made(commands: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("sh")
        .args(["-ec", &format!("chmod 755 .; mkdir tree stage; {commands}")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    folder
}

#[track_caller]
fn holds(folder: &Path, test: &str, about: &dyn std::fmt::Debug) {
    let told = Command::new("sh")
        .args(["-ec", test])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(told.status.success(), "{about:?}: {test}: {told:?}");
}

#[test]
fn no_name_of_a_file_is_in_their_way() {
    for who in FOLLOWERS {
        let folder = made(
            "cd stage; for name in .probe .name .old .old-1 .name-1 .copied-1 -n '  ' plain; do printf %s \"$name\" >\"$name\"; done; \
             mkdir ../tree/.old ../tree/plain; echo x >../tree/.old/x; echo first >../tree/first",
        );
        let orders = [
            ["X", "./plain", "-"],
            ["X", "./.old", "-"],
            ["R", "./.probe", "-"],
            ["L", "./link", "./first"],
            ["R", "./.name", "-"],
            ["R", "./.old-1", "-"],
            ["R", "./.name-1", "-"],
            ["R", "./.copied-1", "-"],
            ["R", "./-n", "-"],
            ["R", "./  ", "-"],
        ];
        let told = follow(folder.path(), who, &orders, false);
        assert!(told.status.success(), "{who:?}: {told:?}");
        holds(
            &folder.path().join("tree"),
            "for name in .probe .name .old .old-1 .name-1 .copied-1 -n '  ' plain; do [ \"$(cat \"./$name\")\" = \"$name\" ]; done; \
             [ first -ef link ]",
            &who,
        );
    }
}

#[test]
fn long_paths_are_no_obstacle() {
    let part = "p".repeat(240);
    let deep = vec![&*part; 15].join("/");
    for who in FOLLOWERS {
        for busybox in [false, true] {
            let folder = made(&format!(
                "mkdir bin; ln -s \"$(command -v busybox)\" bin/xargs; mkdir -p 'stage/{deep}' 'tree/{deep}'; \
                 cd 'stage/{deep}'; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i >$i; done"
            ));
            if !busybox {
                fs::remove_file(folder.path().join("bin/xargs")).unwrap();
            }
            let paths: Vec<String> = (1..=12).map(|at| format!("./{deep}/{at}")).collect();
            let links: Vec<String> = (1..=12).map(|at| format!("./{deep}/l{at}")).collect();
            let placed = paths.iter().map(|path| ["R", path, "-"]);
            let linked = links
                .iter()
                .zip(&paths)
                .map(|(link, path)| ["L", &**link, &**path]);
            let orders: Vec<_> = placed.chain(linked).collect();
            let told = follow(folder.path(), who, &orders, false);
            assert!(told.status.success(), "{who:?} {busybox}: {told:?}");
            holds(
                &folder.path().join("tree").join(&deep),
                "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do [ \"$(cat l$i)\" = $i ]; done",
                &who,
            );
        }
    }
}

#[test]
fn a_closed_folder_takes_the_place_of_a_file_and_stays_closed() {
    for who in FOLLOWERS {
        let folder = made(
            "mkdir stage/c stage/new stage/swap tree/swap; echo 1 >stage/c/f; echo old >tree/c; echo 2 >stage/swap/f; \
             echo 0 >tree/swap/g; chmod 555 stage/c stage/new stage/swap tree/swap",
        );
        let orders = [["X", "./c", "-"], ["R", "./new", "-"], ["X", "./swap", "-"]];
        let told = follow(folder.path(), who, &orders, true);
        assert!(told.status.success(), "{who:?}: {told:?}");
        holds(
            &folder.path().join("tree"),
            "[ \"$(stat -c %a c new swap | tr '\\n' ' ')\" = '555 555 555 ' ] && [ \"$(cat c/f swap/f)\" = \"$(printf '1\\n2')\" ] && ! [ -e swap/g ]",
            &who,
        );
    }
}

#[test]
fn a_folder_whose_name_ends_with_a_line_is_a_folder() {
    for who in FOLLOWERS {
        let folder = made("mkdir 'stage/a\n' 'tree/a\n'; echo 1 >'stage/a\n/f'");
        let told = follow(folder.path(), who, &[["R", "./a\n/f", "-"]], false);
        assert!(told.status.success(), "{who:?}: {told:?}");
        holds(&folder.path().join("tree"), "[ -f 'a\n/f' ]", &who);
    }
}

#[test]
fn nothing_is_done_through_a_link() {
    for who in FOLLOWERS {
        let folder = made("echo 1 >stage/f; ln -s /etc tree/link");
        let told = follow(folder.path(), who, &[["R", "./link/f", "-"]], false);
        assert!(!told.status.success(), "{who:?}: {told:?}");
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(said.contains("no folder any more"), "{who:?}: {said}");
    }
}
