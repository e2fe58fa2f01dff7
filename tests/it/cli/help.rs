//! What the program says of itself.

use std::fmt::Write as _;

use clusterctl::exit::Exit;

use super::lab::Lab;

/// Every verb, as it is typed.
const VERBS: [&str; 38] = [
    "status",
    "convert",
    "connect",
    "restart",
    "start",
    "stop",
    "props",
    "props get",
    "props set",
    "props unset",
    "props diff",
    "props check",
    "push",
    "exec",
    "check",
    "lock",
    "lock status",
    "lock break",
    "lb",
    "lb check",
    "lb drain",
    "lb enable",
    "show",
    "apply",
    "rehearse",
    "runs",
    "runs list",
    "runs show",
    "runs log",
    "runs fetch",
    "runs release",
    "runs abandon",
    "resume",
    "undo",
    "cleanup",
    "schema",
    "completions",
    "man",
];

#[test]
fn the_reference() {
    let lab = Lab::new();
    let mut text = lab.run("--help").ends(Exit::Done).out();
    for verb in VERBS {
        let help = lab.run(&format!("{verb} --help")).ends(Exit::Done).out();
        // They are the same everywhere.
        let (own, rest) = help.split_once("\nGlobal options:\n").unwrap();
        let examples = rest.find("\nExamples:\n").map_or("", |at| &rest[at..]);
        write!(text, "\n======== clusterctl {verb}\n\n{own}{examples}").unwrap();
    }
    lab.snapshot("reference", &text);
}

#[test]
fn without_a_verb_it_says_which_there_are() {
    let lab = Lab::new();
    for words in ["", "props", "runs"] {
        let said = lab.run(words).ends(Exit::Usage).says("");
        assert!(said.err.contains("\nCommands:\n"), "{said}");
    }
}

#[test]
fn no_verb_is_forgotten_in_the_reference() {
    fn listed(lab: &Lab, verb: &str) -> Vec<String> {
        let help = lab.run(&format!("{verb} --help")).out();
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names = commands.take_while(|line| line.starts_with("  "));
        names
            .filter(|line| !line.starts_with("   "))
            .map(|line| line.split_whitespace().next().unwrap())
            .filter(|name| *name != "help")
            .map(|name| format!("{verb} {name}").trim_start().to_owned())
            .collect()
    }
    let lab = Lab::new();
    let mut all = Vec::new();
    for verb in listed(&lab, "") {
        let below = listed(&lab, &verb);
        all.push(verb);
        all.extend(below);
    }
    assert_eq!(all, VERBS);
}

#[test]
fn the_manual_has_every_exit_code_with_its_meaning() {
    let lab = Lab::new();
    let page = lab.run("man").ends(Exit::Done).out();
    let (_, codes) = page.split_once(".SH \"EXIT STATUS\"").unwrap();
    lab.snapshot("man_exit_status", codes);
    for exit in Exit::ALL {
        let code = exit.code();
        assert!(codes.contains(&format!("\\fB{code}\\fR\n")), "{exit}");
    }
    let help = lab.run("--help").out().replace('\n', " ");
    for exit in Exit::ALL
        .into_iter()
        .filter(|exit| *exit != Exit::Unexpected)
    {
        let code = format!(" {} ", exit.code());
        assert!(help.contains(&code), "the help has{code}");
    }
}

#[test]
fn the_readme_has_every_exit_code_with_its_meaning() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    for exit in Exit::ALL {
        let row = format!("\n| {} | {} |\n", exit.code(), exit.meaning());
        assert!(readme.contains(&row), "the README should have{row}");
    }
}

#[test]
fn pages_of_all_verbs_are_written_into_a_folder() {
    let lab = Lab::new();
    lab.run("man --dir pages").ends(Exit::Done).says("");
    for verb in VERBS {
        let page = format!("pages/clusterctl-{}.1", verb.replace(' ', "-"));
        assert!(lab.path(&page).is_file(), "{page}");
    }
}

#[test]
fn completions_for_every_shell() {
    let lab = Lab::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = lab
            .run(&format!("completions {shell}"))
            .ends(Exit::Done)
            .out();
        assert!(
            script.contains("clusterctl") && script.contains("rehearse"),
            "{shell}"
        );
    }
}

#[test]
fn schemas_are_json() {
    let lab = Lab::new();
    for of in [
        "config", "plan", "events", "journal", "exec", "reach", "parity",
    ] {
        let text = lab.run(&format!("schema {of}")).ends(Exit::Done).out();
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(schema.get("$schema").is_some(), "{of}");
    }
}
