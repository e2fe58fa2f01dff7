//! What a person sees of a plan on a terminal.

use clusterctl::plan::text::{Style, Verbosity, render};

use crate::sample;

fn style(width: usize, verbosity: Verbosity) -> Style {
    Style {
        width,
        colour: false,
        verbosity,
    }
}

#[test]
fn the_sample_at_each_verbosity_and_width() {
    let plan = sample::convert();
    assert_eq!(plan.problems(), []);
    for (name, style) in [
        ("terse_100", style(100, Verbosity::Terse)),
        ("normal_100", style(100, Verbosity::Normal)),
        ("normal_60", style(60, Verbosity::Normal)),
        ("verbose_100", style(100, Verbosity::Verbose)),
        ("verbose_60", style(60, Verbosity::Verbose)),
    ] {
        let shown = render(&plan, &style);
        assert!(!shown.contains('\u{1b}'), "{name} has no colour");
        insta::with_settings!({ filters => vec![(plan.digest().as_str(), "<digest>")] }, {
            insta::assert_snapshot!(name, shown);
        });
    }
}

#[test]
fn the_sample_in_colour() {
    let plan = sample::convert();
    let style = Style {
        colour: true,
        ..style(100, Verbosity::Normal)
    };
    let shown = render(&plan, &style).replace('\u{1b}', "^");
    insta::with_settings!({ filters => vec![(plan.digest().as_str(), "<digest>")] }, {
        insta::assert_snapshot!("colour_100", shown);
    });
}

#[test]
fn colours_change_nothing_else() {
    let plan = sample::convert();
    for width in [0, 1, 40, 60, 100] {
        let bare_style = style(width, Verbosity::Verbose);
        let coloured = Style {
            colour: true,
            ..bare_style
        };
        let mut bare = String::new();
        for part in render(&plan, &coloured).split('\u{1b}') {
            let code = part.starts_with('[').then(|| part.find('m')).flatten();
            bare.push_str(code.map_or(part, |end| &part[end + 1..]));
        }
        assert_eq!(bare, render(&plan, &bare_style));
    }
}

#[test]
fn nothing_to_do_says_why() {
    insta::assert_snapshot!(render(&sample::nothing(), &Style::default()), @r"
    Make ucd1 the first node of the cluster
    Nothing to do: ucd1 is the first node of the cluster ucd-prod already.
    ");
}

#[test]
fn lines_keep_to_the_width_but_for_long_words_and_diffs() {
    let plan = sample::convert();
    for row in render(&plan, &style(60, Verbosity::Verbose)).lines() {
        let longest = row.split(' ').map(|word| word.chars().count()).max();
        let diff = row.starts_with("        ");
        assert!(
            row.chars().count() <= 60 || diff || longest > Some(30),
            "{row}"
        );
    }
}

#[test]
fn what_a_plan_says_can_not_drive_the_terminal() {
    let evil = "x\u{1b}[2J\u{202e}\r\u{9b}1m\u{7}\n  1. ucd9: fake";
    let mut plan = sample::convert();
    plan.title = evil.to_owned();
    plan.made_by = evil.to_owned();
    plan.starts_as = evil.to_owned();
    for target in plan.nodes.values_mut() {
        target.address = evil.to_owned();
    }
    for stage in &mut plan.stages {
        stage.name = evil.to_owned();
        for step in stage.lanes.iter_mut().flat_map(|lane| &mut lane.steps) {
            step.title = evil.to_owned();
            step.leaves = evil.to_owned();
            step.why.says = evil.to_owned();
            step.why.page = Some(evil.to_owned());
            step.preview = Some(format!("+{evil}"));
            step.action = clusterctl::plan::Action::AskOperator {
                request: evil.to_owned(),
                evidence: evil.to_owned(),
            };
        }
    }
    for verbosity in [Verbosity::Terse, Verbosity::Normal, Verbosity::Verbose] {
        let shown = render(&plan, &style(80, verbosity));
        let bad = shown
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{shown}");
        let fakes = shown.lines().filter(|l| l.starts_with("  1. ucd9")).count();
        assert_eq!(fakes, 0, "{shown}");
    }
}
