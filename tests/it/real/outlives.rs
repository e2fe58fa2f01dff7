//! A command that outlives its runner: whoever resumes waits for it and believes its outcome.

use super::lab::Lab;
use super::processes::Fifo;
use super::sketch::{node, plan, run_with, stage, step, text, write};

/// A plan with a command that waits in the middle and ends with this code, and a file after it.
struct Outliving {
    lab: Lab,
    there: Fifo,
    go: Fifo,
    plan: String,
}

impl Outliving {
    fn new(code: i32, input: &str) -> Self {
        let lab = Lab::new();
        let (there, go) = (Fifo::new(lab.path("there")), Fifo::new(lab.path("go")));
        let n1 = node("n1");
        let script = format!(
            r#"echo $$ >"$1"; read -r _ <"$2"; echo "ran $(wc -c)" >>"$3"; echo said >&2; exit {code}"#
        );
        let log = lab.path("var/log");
        let words = [
            "sh",
            "-c",
            &script,
            "work",
            there.path(),
            go.path(),
            text(&log),
        ];
        let steps = vec![
            step(&n1, "work", run_with(words, vec![input.into()])),
            write(&n1, "after", &lab.path("tree/after")),
        ];
        let plan = lab.save(&plan(
            &lab.path("nodes"),
            vec![stage("go", 1, vec![(&n1, steps)])],
        ));
        Self {
            lab,
            there,
            go,
            plan,
        }
    }

    /// Kills the runner in the middle of the command, and resumes while that still runs.
    fn kill_and_resume(&mut self, code: i32) -> super::lab::Told {
        let mut killed = self.lab.start(&["apply", &self.plan]);
        self.there.hear();
        assert!(killed.kill_after(std::time::Duration::ZERO));
        let resumed = self.lab.start(&["resume", "latest"]);
        // Nothing proves that it waits, but nothing may happen before the command is let go.
        assert_eq!(
            self.there
                .hear_within(std::time::Duration::from_millis(500)),
            None
        );
        assert!(!self.lab.path("var/log").exists());
        assert!(!self.lab.path("tree/after").exists());
        self.go.tell();
        resumed.end().is(code)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.lab.path("var/log")).unwrap()
    }
}

#[test]
fn a_command_that_succeeds_without_its_runner_is_done_once() {
    let mut outliving = Outliving::new(0, "");
    outliving.kill_and_resume(0);
    assert_eq!(outliving.log(), "ran 0\n");
    assert!(outliving.lab.path("tree/after").exists());
}

#[test]
fn a_command_that_fails_without_its_runner_has_failed_and_is_told() {
    let mut outliving = Outliving::new(3, "");
    // That attempt failed; nothing tells that the next one would, so it is made, and it fails as well.
    let mut killed = outliving.lab.start(&["apply", &outliving.plan]);
    outliving.there.hear();
    assert!(killed.kill_after(std::time::Duration::ZERO));
    outliving.go.tell();
    let resumed = outliving.lab.start(&["resume", "latest"]);
    outliving.there.hear();
    outliving.go.tell();
    let told = resumed.end();
    assert_ne!(told.code, 0);
    assert!(
        told.err.contains("exit code 3") && told.err.contains("said"),
        "{told:#?}"
    );
    assert!(!outliving.lab.path("tree/after").exists());
    assert_eq!(outliving.log(), "ran 0\nran 0\n");
}

#[test]
fn a_command_reads_all_of_its_input_without_its_runner() {
    let input = "x".repeat(300_000);
    let mut outliving = Outliving::new(0, &input);
    outliving.kill_and_resume(0);
    assert_eq!(outliving.log(), "ran 300000\n");
}
