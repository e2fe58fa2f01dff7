//! By which fingerprints contents are compared, and when.

use std::fs;

use super::lab::{Trees, sh, text};

/// Whether the processor computes SHA-256 by instructions of its own.
fn is_quick() -> bool {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap();
    told.split_whitespace()
        .any(|word| ["sha_ni", "sha2"].contains(&word))
}

/// Programs that compute fingerprints, and tell of which of them was given files.
struct Told {
    used: std::path::PathBuf,
    scripts: [(&'static str, String); 3],
}

impl Told {
    fn new(trees: &Trees) -> Self {
        let used = trees.path("used");
        // A try is of another file.
        let script = |name: &'static str| {
            let text = format!(
                "case \"$*\" in */proc/version) ;; *) if [ \"$*\" != \"${{*#*./}}\" ] || [ -f /dev/stdin ]; then echo {name} >>'{}'; fi ;; esac; exec /usr/bin/{name} \"$@\"",
                text(&used)
            );
            (name, text)
        };
        let scripts = [script("openssl"), script("b2sum"), script("sha256sum")];
        Self { used, scripts }
    }

    /// Pushes by them; which were given files.
    fn push(&self, trees: &Trees, to: &str, more: &[&str]) -> Vec<String> {
        let programs = self.scripts.each_ref().map(|(name, text)| (*name, &**text));
        trees.push_with_programs(&programs, to, more).is(0);
        trees.judge(to, &[]);
        let used = fs::read_to_string(&self.used).unwrap_or_default();
        let _ = fs::remove_file(&self.used);
        let mut used: Vec<String> = used.lines().map(str::to_owned).collect();
        used.dedup();
        used
    }
}

const TREE: &str =
    "mkdir src src/more; seq 50000 >src/numbers; echo few >src/more/few; printf x >'src/a\nb'";

#[test]
fn what_is_staged_is_read_back_by_what_is_fastest() {
    let trees = Trees::with_tools(":");
    sh(&trees.path("."), TREE);
    let told = Told::new(&trees);
    let fastest = if is_quick() { "openssl" } else { "b2sum" };
    // Of odd names only GNU's programs tell which they mean.
    let odd = if is_quick() { "sha256sum" } else { "b2sum" };
    let mut both = vec![fastest, odd];
    both.dedup();
    assert_eq!(told.push(&trees, "dst", &[]), both);
    // Without lines in names, several names go to one program.
    sh(&trees.path("src"), "rm a*; echo other >more/few");
    assert_eq!(told.push(&trees, "dst", &["--delete"]), [fastest]);
    let same = ["--checksum", "--delete"];
    sh(&trees.path("src"), "echo third >more/few");
    assert_eq!(told.push(&trees, "dst", &same), [fastest]);
}

#[test]
fn one_that_does_not_compute_it_right_is_not_used() {
    let trees = Trees::with_tools(":");
    sh(&trees.path("."), TREE);
    for openssl in [
        "exit 1",
        "echo 'openssl:Error: dgst is an invalid command'",
        "echo 0000000000000000000000000000000000000000000000000000000000000000 '*stdin'",
    ] {
        let used = trees.path("used");
        let b2sum = format!("echo b2sum >>'{}'; exec /usr/bin/b2sum \"$@\"", text(&used));
        let programs = [("openssl", openssl), ("b2sum", &*b2sum)];
        sh(&trees.path("."), "rm -rf dst used");
        trees.push_with_programs(&programs, "dst", &[]).is(0);
        trees.judge("dst", &[]);
        assert!(used.exists(), "{openssl}");
    }
}

#[test]
fn files_that_are_replaced_one_by_one_are_read_back_where_contents_are_compared() {
    let trees = Trees::with_tools(":");
    sh(&trees.path("."), TREE);
    let told = Told::new(&trees);
    assert_eq!(told.push(&trees, "dst", &["--in-place"]), [""; 0]);
    sh(&trees.path("src"), "echo other >more/few");
    assert_eq!(told.push(&trees, "dst", &["--in-place"]), [""; 0]);
    // There is nothing yet whose content could be compared before.
    let compared = ["--in-place", "--checksum"];
    assert_ne!(told.push(&trees, "other", &compared), [""; 0]);
    // Not every file system knows these apart.
    sh(&trees.path("src"), "echo one >README; echo other >readme");
    assert_ne!(told.push(&trees, "third", &["--in-place"]), [""; 0]);
}

#[test]
fn what_an_earlier_push_left_is_read_back() {
    let trees = Trees::with_tools(":");
    sh(&trees.path("."), TREE);
    sh(&trees.path("."), "mkdir dst; echo old >dst/numbers");
    let cut_short = [(
        "tar",
        "/usr/bin/tar \"$@\" && case \"$*\" in *--extract*) exit 1 ;; esac",
    )];
    let told = trees.push_with_programs(&cut_short, "dst", &["--in-place"]);
    assert_ne!(told.code, 0, "{told:#?}");
    // A power cut may have left other bytes than those that came.
    sh(
        &trees.path("."),
        "at=$(find . -path '*.stage/numbers'); [ -n \"$at\" ] || exit 1
        touch -r \"$at\" time; printf 9 | dd of=\"$at\" conv=notrunc status=none; touch -r time \"$at\"",
    );
    trees.push("dst", &["--in-place"]).is(0);
    trees.judge("dst", &[]);
}
