//! Two runners with folders of their own, one node: one proceeds, the other says who has it.

use super::lab::{Lab, Told};
use super::processes::Fifo;
use super::sketch::{node, plan, run, stage, step, text};
use crate::scale::full;

#[test]
fn of_two_runners_one_proceeds() {
    race(Lab::new, if full() { 100 } else { 10 });
}

#[test]
fn of_two_runners_one_proceeds_elsewhere() {
    race(Lab::over_ssh, if full() { 100 } else { 3 });
}

fn race(make: fn() -> Lab, tries: u32) {
    let mut first = 0;
    for attempt in 0..tries {
        let lab = make();
        let (mut there, mut go) = (Fifo::new(lab.path("there")), Fifo::new(lab.path("go")));
        let n1 = node("n1");
        let script = r#"echo "$1" >>"$2"; echo here >"$3"; read -r _ <"$4""#;
        let log = lab.path("var/log");
        let call = |who: &str| {
            let words = [
                "sh",
                "-c",
                script,
                "work",
                who,
                text(&log),
                there.path(),
                go.path(),
            ];
            let steps = vec![step(&n1, "work", run(words))];
            lab.save(&plan(
                &lab.path("nodes"),
                vec![stage("go", 1, vec![(&n1, steps)])],
            ))
        };
        let plans = [call("one"), call("two")];
        let one = lab.start_as("one", &["apply", &plans[0]]);
        let two = lab.start_as("two", &["apply", &plans[1]]);
        there.hear();
        // One is in its step and stays there until it is let go, so the other must end by itself.
        let proceeded = std::fs::read_to_string(&log).unwrap();
        let (winner, loser) = match proceeded.as_str() {
            "one\n" => (one, two),
            "two\n" => (two, one),
            other => panic!("attempt {attempt}: {other}"),
        };
        let refused: Told = loser.end().is(20);
        let winners_state = lab.path(proceeded.trim_end()).join("runs");
        let run = std::fs::read_dir(winners_state)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .file_name();
        let name = run.to_str().unwrap();
        assert!(
            refused.err.contains(name),
            "attempt {attempt}: {refused:#?}"
        );
        go.tell();
        winner.end().is(0);
        assert_eq!(
            std::fs::read_to_string(&log).unwrap(),
            proceeded,
            "attempt {attempt}"
        );
        first += u32::from(proceeded == "one\n");
    }
    println!("{tries} tries: the one that was started first had it {first} times");
}
