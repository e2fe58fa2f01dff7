//! What is made smaller by zstd on its way.

use super::lab::{Trees, sh, text};
use crate::real::lab::Told;
use crate::ssh::wires::Wire;

/// Some millions of bytes, of which little is left by zstd.
const WORDS: &str = "mkdir src src/more; seq -f 'line %g of what is said over and over again' 95000 >src/words; seq 1000 >src/more/few";

/// So many bytes of which nothing becomes smaller.
const NOISE: &str = "mkdir src; head -c 4500000 /dev/urandom >src/noise";

/// How many bytes a second a slow line carries.
const PACE: u32 = 600_000;

/// A node on a slow line that gets a tree.
struct Slow {
    trees: Trees,
    wire: Wire,
}

impl Slow {
    fn with(tree: &str) -> Self {
        let trees = Trees::over_ssh();
        sh(&trees.path("."), tree);
        let wire = Wire::as_slow_as(PACE, trees.lab.servers().server("n1").address());
        trees.reach("n1", wire.address());
        Self { trees, wire }
    }

    /// How many bytes a call sends to the node.
    fn sends(&self, call: impl Fn(&Trees) -> Told) -> usize {
        let before = self.wire.sent();
        call(&self.trees).is(0);
        self.wire.sent() - before
    }
}

#[test]
fn what_becomes_smaller_is_made_so_for_a_slow_line() {
    let slow = Slow::with(WORDS);
    // What is sent at the most needs no measuring.
    let dry = ["--dry-run", "--limit-rate", "600k"];
    let foretold = slow.trees.push("dst", &dry).is(0);
    assert!(
        foretold.out.contains("about ") && foretold.out.contains("made smaller by zstd"),
        "{foretold:#?}"
    );
    let json = slow
        .trees
        .push("dst", &[&dry[..], &["--json"]].concat())
        .is(0);
    let json: serde_json::Value = serde_json::from_str(json.out.trim()).unwrap();
    let part = json["smaller_to"].as_f64().unwrap();
    assert!(part < 0.5, "{json}");
    let sent = slow.sends(|trees| trees.push("dst", &[]));
    assert!(sent < 3_000_000, "{sent}");
    slow.trees.judge("dst", &[]);
    let whole = slow.sends(|trees| trees.push("other", &["--compress=never"]));
    assert!(whole > 4_400_000, "{whole}");
    slow.trees.judge("other", &[]);
    // The same as it comes from another node, whose content this machine has never seen.
    let from = slow.sends(|trees| trees.push_from("n2", "n1", "third", &[]));
    assert!(from < 3_000_000, "{from}");
    slow.trees.judge("third", &[]);
    let limited = ["--limit-rate", "10M", "--in-place"];
    let limited = slow.sends(|trees| trees.push("fourth", &limited));
    assert!(limited < 3_000_000, "{limited}");
    slow.trees.judge("fourth", &[]);
}

#[test]
fn what_does_not_become_smaller_is_left_alone() {
    let slow = Slow::with(NOISE);
    let foretold = slow.trees.push("dst", &["--dry-run"]).is(0);
    assert!(!foretold.out.contains("zstd"), "{foretold:#?}");
    let sent = slow.sends(|trees| trees.push("dst", &[]));
    assert!(sent > 4_400_000, "{sent}");
    slow.trees.judge("dst", &[]);
    slow.trees.push("other", &["--compress"]).is(0);
    slow.trees.judge("other", &[]);
}

#[test]
fn it_is_done_where_it_was_asked_for_and_not_where_it_was_not_wanted() {
    let trees = Trees::with_tools(":");
    sh(&trees.path("."), WORDS);
    let used = trees.path("used");
    // Only what is more than a try counts.
    let zstd = format!(
        "t=$(mktemp '{0}.XXXXXX'); cat >\"$t\"; [ \"$(stat -c %s \"$t\")\" -lt 1000 ] || echo x >>'{0}'; exec /usr/bin/zstd \"$@\" <\"$t\"",
        text(&used)
    );
    let push = |to: &str, how: &str| {
        let programs = [("zstd", &*zstd)];
        trees.push_with_programs(&programs, to, &[how]).is(0);
        trees.judge(to, &[]);
    };
    push("dst", "--compress=never");
    assert!(!used.exists());
    push("other", "--compress=zstd");
    assert!(used.exists());
}

#[test]
fn every_tree_comes_whole_by_zstd_also_to_busybox() {
    for busybox in [false, true] {
        let trees = if busybox {
            Trees::on_busybox()
        } else {
            Trees::with_tools(":")
        };
        sh(&trees.path("."), WORDS);
        sh(
            &trees.path("src"),
            "ln -s words link; mkdir empty; ln words more/same; touch -d @1700000000 words more empty .",
        );
        for how in [&["--compress"][..], &["--compress=zstd", "--in-place"]] {
            let to = format!("dst{}", how.len());
            trees.push(&to, how).is(0);
            trees.judge(
                &to,
                if busybox {
                    &["--modify-window=1", "--omit-link-times"]
                } else {
                    &[]
                },
            );
        }
    }
}

#[test]
fn what_is_cut_short_on_its_way_through_zstd_never_lands() {
    for (tools, zstd) in [
        (":", "/usr/bin/zstd \"$@\"; exit 1"),
        (
            ":",
            "/usr/bin/zstd \"$@\" | head -c 1000000; cat >/dev/null",
        ),
        (super::lab::BUSYBOX, "/usr/bin/zstd \"$@\"; exit 1"),
    ] {
        let trees = Trees::with_tools(tools);
        sh(&trees.path("."), WORDS);
        sh(&trees.path("."), "mkdir dst; echo old >dst/words");
        let dst = trees.path("dst");
        let told = trees.push_with_programs(&[("zstd", zstd)], "dst", &["--compress"]);
        assert_ne!(told.code, 0, "{told:#?}");
        assert!(told.err.contains("can't be unpacked"), "{told:#?}");
        assert_eq!(std::fs::read_to_string(dst.join("words")).unwrap(), "old\n");
        trees.push("dst", &["--compress", "--delete"]).is(0);
        trees.judge(
            "dst",
            if tools == ":" {
                &[]
            } else {
                &["--modify-window=1", "--omit-link-times"]
            },
        );
    }
}

#[test]
fn a_node_without_zstd_gets_it_as_it_is_or_is_refused() {
    let trees = Trees::with_tools(":");
    sh(&trees.path("."), WORDS);
    let none = [("zstd", "exit 127")];
    let limited = ["--limit-rate", "50M"];
    let refused = [&limited[..], &["--compress"]].concat();
    let told = trees.push_with_programs(&none, "dst", &refused);
    assert_ne!(told.code, 0, "{told:#?}");
    assert!(told.err.contains("n1: there is no zstd"), "{told:#?}");
    assert!(!trees.path("dst").exists());
    trees.push_with_programs(&none, "dst", &limited).is(0);
    trees.judge("dst", &[]);
}
