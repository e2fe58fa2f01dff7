//! What people and programs see of a run, event by event.

use std::io::{self, Write};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{InMemoryTerm, TermLike as _};
use proptest::prelude::*;

use super::*;
use crate::config::NodeName;
use crate::engine::{Amount, Direction, EVENT_FORMAT, Event, Fault, FaultKind, Happening, How};
use crate::plan::{Condition, Millis, Probe, Reading, Sha256, StepId};

/// A writer whose content can be looked at afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal in memory, as a writer.
struct Tube(InMemoryTerm);

impl Write for Tube {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_str(std::str::from_utf8(bytes).unwrap())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn event(second: i64, what: Happening) -> Event {
    Event {
        format: EVENT_FORMAT,
        at: jiff::Timestamp::from_second(1_769_824_000 + second).unwrap(),
        run: "20260131-014640-kqzf".parse().unwrap(),
        what,
    }
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn step(on: &str, slug: &str) -> StepId {
    StepId::new("restart", &node(on), slug)
}

fn started(on: &str, slug: &str, title: &str, direction: Direction) -> Happening {
    Happening::StepStarted {
        step: step(on, slug),
        node: node(on),
        title: title.to_owned(),
        direction,
    }
}

fn done(on: &str, slug: &str, how: How, direction: Direction, leaves: &str) -> Happening {
    Happening::StepDone {
        step: step(on, slug),
        direction,
        how,
        took: Millis(4_230),
        leaves: leaves.to_owned(),
    }
}

fn waiting(on: &str, slug: &str, found: &str, good: u32) -> Happening {
    let port = Probe::Port {
        host: on.to_owned(),
        port: 8080,
    };
    Happening::StepWaiting {
        step: step(on, slug),
        until: Condition::is(port, Reading::text("open")),
        found: Reading::text(found),
        good,
        wanted: 3,
    }
}

fn failed(on: &str, slug: &str, fault: Fault, unchanged: bool, direction: Direction) -> Happening {
    Happening::StepFailed {
        step: step(on, slug),
        direction,
        fault,
        unchanged,
    }
}

fn run_started(done: usize) -> Happening {
    Happening::RunStarted {
        verb: "restart".to_owned(),
        title: "Restart the servers, one after the other".to_owned(),
        digest: Sha256::of("plan"),
        steps: 8,
        done,
    }
}

fn stage() -> Happening {
    Happening::StageStarted {
        stage: "First half".to_owned(),
        nodes: vec![node("ucd1"), node("ucd2"), node("relay-ams")],
    }
}

fn ended(exit: u8) -> Happening {
    let stopped = exit != 0;
    Happening::RunEnded {
        exit,
        state: "ucd1 in the pool, running; ucd2 out of the pool, stopped".to_owned(),
        because: stopped.then(|| "Start the server failed on ucd2".to_owned()),
        next: if stopped {
            vec![
                "clusterctl resume 20260131-014640-kqzf".to_owned(),
                "clusterctl undo 20260131-014640-kqzf".to_owned(),
            ]
        } else {
            Vec::new()
        },
        done: 3,
        took: Millis(192_000),
    }
}

/// Every kind of event, in an order in which they might come.
#[expect(
    clippy::too_many_lines,
    reason = "a list, to be read from top to bottom"
)]
fn night() -> Vec<Event> {
    use Direction::{Do, Undo};
    let fault = Fault::new(
        FaultKind::Failed,
        "`systemctl start ucd` ended with exit code 5: Unit ucd.service not found",
    )
    .hint("systemctl list-unit-files 'ucd*' shows what the service is called");
    [
        (0, run_started(1)),
        (0, stage()),
        (1, started("ucd1", "stop", "Stop the server", Do)),
        (
            5,
            done(
                "ucd1",
                "stop",
                How::Performed,
                Do,
                "out of the pool, stopped",
            ),
        ),
        (
            5,
            started("ucd1", "answers", "Wait until the server answers", Do),
        ),
        (6, waiting("ucd1", "answers", "closed", 0)),
        (8, waiting("ucd1", "answers", "closed", 0)),
        (20, waiting("ucd1", "answers", "open", 1)),
        (22, waiting("ucd1", "answers", "open", 2)),
        (
            24,
            done(
                "ucd1",
                "answers",
                How::Performed,
                Do,
                "in the pool, running",
            ),
        ),
        (
            24,
            started("ucd2", "ask", "Take ucd2 out of the pool by hand", Do),
        ),
        (
            24,
            Happening::OperatorAsked {
                step: step("ucd2", "ask"),
                request: "Take ucd2 out of the pool `web`.\nThen say what the balancer shows."
                    .to_owned(),
            },
        ),
        (
            50,
            done("ucd2", "ask", How::Answered, Do, "out of the pool"),
        ),
        (
            50,
            done(
                "ucd2",
                "stop",
                How::FoundDone,
                Do,
                "out of the pool, stopped",
            ),
        ),
        (51, started("ucd2", "start", "Start the server", Do)),
        (
            52,
            Happening::HookRan {
                hook: "after_step".to_owned(),
                problem: None,
            },
        ),
        (
            53,
            Happening::HookRan {
                hook: "after_step".to_owned(),
                problem: Some("it ended with exit code 1".to_owned()),
            },
        ),
        (
            54,
            Happening::Warning {
                text: "The clock of ucd2 is 40s behind this machine's".to_owned(),
            },
        ),
        (55, Happening::Interrupted { times: 1 }),
        (56, Happening::Interrupted { times: 2 }),
        (57, Happening::Interrupted { times: 3 }),
        (60, failed("ucd2", "start", fault, false, Do)),
        (
            61,
            started("ucd2", "ask", "Take ucd2 out of the pool by hand", Undo),
        ),
        (62, done("ucd2", "ask", How::Performed, Undo, "in the pool")),
        (63, started("relay-ams", "stop", "Stop the relay", Undo)),
        (
            64,
            failed(
                "relay-ams",
                "stop",
                Fault::new(FaultKind::Unreachable, "connection refused"),
                true,
                Undo,
            ),
        ),
        (192, ended(40)),
    ]
    .into_iter()
    .map(|(second, what)| event(second, what))
    .collect()
}

/// When an event happened, counted from the first.
fn since(event: &Event) -> Duration {
    Duration::try_from(event.at.duration_since(night()[0].at)).unwrap()
}

fn plain_look() -> Look {
    Look::Plain { colour: false }
}

fn terminal_look(width: u16, unicode: bool) -> Look {
    Look::Terminal {
        width,
        colour: false,
        unicode,
    }
}

fn log(events: &[Event]) -> String {
    events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap() + "\n")
        .collect()
}

fn replayed(events: &[Event], manner: &Manner) -> String {
    let out = Shared::default();
    let shown = replay(log(events).as_bytes(), manner, Box::new(out.clone())).unwrap();
    assert_eq!(shown, events.len());
    out.text()
}

fn watched(events: &[Event], manner: &Manner) -> String {
    let (tell, heard) = mpsc::channel();
    for event in events {
        tell.send(event.clone()).unwrap();
    }
    drop(tell);
    let out = Shared::default();
    watch(&heard, manner, Box::new(out.clone())).unwrap();
    out.text()
}

#[test]
fn every_event_as_plain_lines() {
    insta::assert_snapshot!(watched(&night(), &Manner::new(plain_look())));
}

#[test]
fn plain_lines_can_be_stamped() {
    let manner = Manner {
        stamped: true,
        ..Manner::new(plain_look())
    };
    insta::assert_snapshot!(replayed(&night()[..5], &manner));
}

#[test]
fn every_event_as_json() {
    let json = watched(&night(), &Manner::new(Look::Json));
    let read: Vec<Event> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, night());
    insta::assert_snapshot!(json);
}

#[test]
fn what_stays_on_a_terminal_at_100_columns() {
    insta::assert_snapshot!(
        replayed(&night(), &Manner::new(terminal_look(100, true))).replace('\r', "")
    );
}

#[test]
fn what_stays_on_a_terminal_at_60_columns_in_ascii() {
    let text = replayed(&night(), &Manner::new(terminal_look(60, false)));
    assert!(text.is_ascii());
    insta::assert_snapshot!(text.replace('\r', ""));
}

#[test]
fn how_runs_end() {
    let manner = Manner::new(terminal_look(80, true));
    let text: String = [0, 20, 21, 30, 40, 41, 42, 50, 130, 1]
        .map(|exit| {
            replayed(
                &[event(0, run_started(0)), event(192, ended(exit))],
                &manner,
            )
        })
        .join("")
        .replace('\r', "");
    insta::assert_snapshot!(text);
}

/// A live view on a terminal in memory.
struct Live {
    term: InMemoryTerm,
    painter: Terminal,
}

impl Live {
    fn new(rows: u16, columns: u16) -> Self {
        let term = InMemoryTerm::new(rows, columns);
        let screen = Screen::new(Box::new(Tube(term.clone())), columns, None);
        Self {
            term,
            painter: Terminal::new(screen, false, true, true),
        }
    }

    fn show(&mut self, events: &[Event]) {
        for event in events {
            self.painter.show(event, since(event));
        }
    }

    fn at(&mut self, second: u64) -> String {
        self.painter.tick(Duration::from_secs(second));
        self.term.contents()
    }
}

#[test]
fn bars_say_what_goes_on_and_why_it_waits() {
    let mut seen = Vec::new();
    for columns in [60, 100] {
        let mut live = Live::new(30, columns);
        live.show(&night()[..3]);
        seen.push(live.at(3));
        live.show(&night()[3..8]);
        live.show(&[event(
            21,
            started(
                "relay-ams",
                "stop",
                "Stop the relay that all agents in Amsterdam use",
                Direction::Do,
            ),
        )]);
        seen.push(live.at(95));
        live.show(&night()[8..12]);
        seen.push(live.at(100));
    }
    insta::assert_snapshot!(seen.join("\n================\n"));
}

#[test]
fn nothing_of_the_bars_is_left_at_the_end() {
    let mut live = Live::new(60, 100);
    for event in night() {
        live.painter.show(&event, since(&event));
        live.at(0);
    }
    live.painter.end().unwrap();
    let stays = replayed(&night(), &Manner::new(terminal_look(100, true)));
    let stays: Vec<_> = stays.lines().map(str::trim_end).collect();
    // Ctrl-C is a matter of live runs only.
    let tell = |line: &&str| !line.contains("Ctrl-C") && !line.contains("interrupt");
    let left = live.term.contents();
    assert_eq!(
        left.lines().filter(tell).collect::<Vec<_>>(),
        stays.into_iter().filter(tell).collect::<Vec<_>>()
    );
}

#[test]
fn many_nodes_do_not_flood_a_small_terminal() {
    let mut live = Live::new(10, 60);
    live.show(&[event(0, run_started(0))]);
    for n in 0..40 {
        let name = format!("node{n}");
        live.show(&[event(
            0,
            started(&name, "stop", "Stop the server", Direction::Do),
        )]);
    }
    let text = live.at(2);
    assert!(text.lines().count() <= 10, "{text}");
    assert!(text.contains("more in flight"), "{text}");
}

#[test]
fn an_interrupt_changes_the_bar_of_the_run() {
    let mut live = Live::new(30, 100);
    live.show(&night()[..3]);
    live.show(&[event(2, Happening::Interrupted { times: 1 })]);
    insta::assert_snapshot!(live.at(3));
}

#[test]
fn a_sign_of_life_comes_when_nothing_was_said_for_a_while() {
    let out = Shared::default();
    let mut plain = Plain::new(out.clone(), false, false, Duration::from_secs(30));
    let said = |from: usize| out.text()[from..].to_owned();
    plain.tick(Duration::from_secs(100));
    assert_eq!(said(0), "", "no run, no sign of life");

    for event in &night()[..3] {
        plain.show(event, since(event));
    }
    let before = out.text().len();
    plain.tick(Duration::from_secs(30));
    assert_eq!(said(before), "", "29 seconds are not a while");
    plain.tick(Duration::from_secs(31));
    plain.tick(Duration::from_secs(32));
    assert_eq!(said(before), "ucd1: running for 30s: Stop the server\n");

    for event in &night()[3..8] {
        plain.show(event, since(event));
    }
    let before = out.text().len();
    plain.tick(Duration::from_secs(95));
    assert_eq!(
        said(before),
        "ucd1: running for 1m30s: Wait until the server answers; 1 of 3 good answers; port 8080 of ucd1 is `open`\n"
    );

    plain.show(&night()[9], Duration::from_secs(96));
    let before = out.text().len();
    plain.tick(Duration::from_secs(126));
    assert_eq!(
        said(before),
        "still going on after 2m06s: no step is running\n"
    );
    plain.show(&event(200, ended(0)), Duration::from_secs(200));
    let before = out.text().len();
    plain.tick(Duration::from_mins(5));
    assert_eq!(said(before), "", "an ended run gives no sign of life");
}

#[test]
fn whoever_holds_the_terminal_has_it_alone() {
    let manner = Manner {
        heartbeat: Duration::ZERO,
        ..Manner::new(plain_look())
    };
    let (tell, heard) = mpsc::channel();
    let out = Shared::default();
    let suspend = manner.suspend.clone();
    let thread = std::thread::spawn({
        let out = out.clone();
        move || watch(&heard, &manner, Box::new(out))
    });
    let night = night();
    for event in &night[..12] {
        tell.send(event.clone()).unwrap();
    }
    // Only a view that has shown something is sure to be at work.
    while out.text().is_empty() {
        std::thread::yield_now();
    }
    let held = suspend.hold();
    let before = out.text();
    assert!(before.contains("please: Take ucd2 out"), "{before}");
    tell.send(night[12].clone()).unwrap();
    tell.send(event(50, Happening::Interrupted { times: 1 }))
        .unwrap();
    while !out.text()[before.len()..].contains("\nStopping after") {
        std::thread::yield_now();
    }
    assert!(
        !out.text().contains("a person says so"),
        "not while it is held"
    );
    drop(held);
    drop(tell);
    thread.join().unwrap().unwrap();
    let after = &out.text()[before.len()..];
    let shown = after.find("\nStopping after").unwrap();
    assert!(after.find("a person says so").unwrap() > shown, "{after}");
}

#[test]
fn without_a_view_the_terminal_is_had_at_once() {
    let suspend = Suspend::default();
    drop(suspend.hold());
    drop(suspend.hold());
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_watching() {
    for look in [plain_look(), terminal_look(80, true), Look::Json] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (tell, heard) = mpsc::channel();
        for event in night() {
            tell.send(event).unwrap();
        }
        drop(tell);
        watch(&heard, &Manner::new(look), Box::new(writer)).unwrap();
        assert!(heard.try_recv().is_err(), "every event was taken");
    }
}

#[test]
fn a_full_disk_is_told_at_the_end() {
    #[derive(Debug)]
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for look in [plain_look(), terminal_look(80, true), Look::Json] {
        let (tell, heard) = mpsc::channel();
        tell.send(night()[0].clone()).unwrap();
        drop(tell);
        let told = watch(&heard, &Manner::new(look), Box::new(Full));
        assert_eq!(told.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
fn a_log_that_was_cut_short_is_shown_up_to_there() {
    let whole = log(&night()[..3]);
    for cut in [1, 2, 40] {
        let torn = &whole[..whole.len() - cut];
        let out = Shared::default();
        let shown = replay(torn.as_bytes(), &Manner::new(plain_look()), Box::new(out));
        // Without its line break alone, the last event is whole.
        assert_eq!(shown.unwrap(), if cut == 1 { 3 } else { 2 });
    }
}

#[test]
fn a_log_that_cannot_be_read_says_why() {
    let told = |log: &str| {
        let manner = Manner::new(plain_look());
        let error = replay(log.as_bytes(), &manner, Box::new(io::sink())).unwrap_err();
        error.to_string()
    };
    let good = log(&night()[..1]);
    let newer = good.replace("\"format\":2", "\"format\":3");
    assert_eq!(
        told(&(good.clone() + &newer)),
        "line 2 of the log has event format 3, and this clusterctl knows formats up to 2\nhint: show it with the clusterctl that recorded it, or with a newer one"
    );
    assert_eq!(
        told(&format!("{good}{{\"format\":1}}\n{good}")),
        "line 2 of the log is not an event"
    );
}

/// What two nodes get, second by second: one has half of it after ten.
fn moves() -> Vec<Event> {
    let stage = |on: &str| started(on, "stage", "Stage the tree", Direction::Do);
    let mut events = vec![
        event(0, run_started(0)),
        event(0, stage("ucd1")),
        event(0, stage("ucd2")),
    ];
    for second in 1..=12_u32 {
        for (on, rate) in [("ucd1", 50_000_000), ("ucd2", 25_000_000)] {
            let amount = |bytes| Amount {
                bytes,
                files: bytes / 1_000_000,
            };
            let what = Happening::StepMoved {
                step: step(on, "stage"),
                moved: amount(u64::from(second) * rate),
                of: amount(1_000_000_000),
            };
            events.push(event(second.into(), what));
        }
    }
    events
}

#[test]
fn what_comes_is_told_in_one_line_every_few_seconds() {
    let text = replayed(&moves(), &Manner::new(plain_look()));
    let told: Vec<_> = text.lines().filter(|line| line.contains("MB/s")).collect();
    assert_eq!(
        told,
        [
            "ucd1: 5 %: 50.0 MB of 1.0 GB, 50 of 1000 files, 50.0 MB/s, 19s left",
            "2 nodes: 21 %, 425.0 MB of 2.0 GB, 425 of 2000 files, 75.0 MB/s, 35s left",
            "2 nodes: 40 %, 800.0 MB of 2.0 GB, 800 of 2000 files, 75.0 MB/s, 30s left",
        ],
        "{text}"
    );
}

#[test]
fn a_terminal_shows_what_comes_for_each_node_and_for_all() {
    let mut live = Live::new(24, 100);
    for event in moves() {
        let now = Duration::try_from(event.at.duration_since(moves()[0].at)).unwrap();
        live.painter.show(&event, now);
        live.painter.tick(now);
    }
    let shown = live.term.contents();
    for row in [
        "600.0 MB of 1.0 GB, 600 of 1000 files, 50.0 MB/s, 8s left",
        "300.0 MB of 1.0 GB, 300 of 1000 files, 25.0 MB/s, 28s left",
        "2 nodes: 45 %, 900.0 MB of 2.0 GB, 900 of 2000 files, 75.0 MB/s, 28s left",
    ] {
        assert!(shown.contains(row), "{shown}");
    }
}

/// Text such as a hostile server would send.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = prop::sample::select(vec![
        "\u{1b}[2J",
        "\u{1b}]0;owned\u{7}",
        "\u{9b}31m",
        "\r",
        "\n",
        "\t",
        "\u{202e}",
        "\u{2066}",
        "\u{200b}",
        "\u{7f}",
        "\0",
        "\u{2028}",
        "\u{feff}",
        "plain words",
        " ",
        "日本",
        "é",
    ]);
    prop::collection::vec(nasty, 0..12).prop_map(|parts| parts.concat())
}

fn happening() -> impl Strategy<Value = Happening> {
    let direction = prop::sample::select(vec![Direction::Do, Direction::Undo]);
    let any = (
        hostile(),
        hostile(),
        hostile(),
        direction,
        any::<u64>(),
        0..5_u32,
    );
    any.prop_flat_map(|(a, b, c, direction, number, few)| {
        let at = step("ucd1", "stop");
        let fault = Fault::new(FaultKind::Failed, a.clone()).hint(b.clone());
        let path = Probe::Property {
            path: crate::plan::RemotePath::new(a.as_str()),
            key: b.clone(),
        };
        let wanted = Condition::is(path, Reading::text(c.clone()));
        prop::sample::select(vec![
            Happening::RunStarted {
                verb: a.clone(),
                title: b.clone(),
                digest: Sha256::of(""),
                steps: few as usize,
                done: 1,
            },
            Happening::StageStarted {
                stage: a.clone(),
                nodes: vec![node("ucd1")],
            },
            Happening::StepStarted {
                step: at.clone(),
                node: node("ucd1"),
                title: a.clone(),
                direction,
            },
            Happening::StepWaiting {
                step: at.clone(),
                until: wanted,
                found: Reading::text(a.clone()),
                good: few,
                wanted: 3,
            },
            Happening::StepMoved {
                step: at.clone(),
                moved: Amount {
                    bytes: number / 2,
                    files: few.into(),
                },
                of: Amount {
                    bytes: number,
                    files: 7,
                },
            },
            Happening::StepDone {
                step: at.clone(),
                direction,
                how: How::Performed,
                took: Millis(number),
                leaves: a.clone(),
            },
            Happening::StepFailed {
                step: at.clone(),
                direction,
                fault,
                unchanged: number % 2 == 0,
            },
            Happening::OperatorAsked {
                step: at,
                request: a.clone(),
            },
            Happening::HookRan {
                hook: a.clone(),
                problem: Some(b.clone()),
            },
            Happening::Warning { text: a.clone() },
            Happening::Interrupted { times: few },
            Happening::RunEnded {
                exit: u8::try_from(number % 256).unwrap(),
                state: a,
                because: Some(b),
                next: vec![c],
                done: 1,
                took: Millis(number),
            },
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through(
        happenings in prop::collection::vec(happening(), 1..20)
    ) {
        let events: Vec<_> = happenings.into_iter().map(|what| event(0, what)).collect();
        let harmless = |c: char| c == '\n' || crate::plan::printable::shows(c);
        for look in [plain_look(), Look::Json] {
            let text = watched(&events, &Manner::new(look));
            prop_assert!(text.chars().all(harmless), "{text:?}");
        }
        let text = replayed(&events, &Manner::new(terminal_look(60, true)));
        prop_assert!(text.replace("\r\n", "\n").chars().all(harmless), "{text:?}");
        let json = watched(&events, &Manner::new(Look::Json));
        let read: Vec<Event> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        prop_assert_eq!(read, events);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bars_never_touch_what_stays(
        happenings in prop::collection::vec(happening(), 1..20),
        columns in 30_u16..100,
    ) {
        // Its words are others in a recording than under a keyboard.
        let same = |what: &Happening| !matches!(what, Happening::Interrupted { .. });
        let manner = Manner::new(terminal_look(columns, true));
        let mut live = Live::new(600, columns);
        let mut so_far = Vec::new();
        for (second, what) in (0_u32..).zip(happenings.into_iter().filter(same)) {
            let now = Duration::from_secs(u64::from(second));
            let event = event(i64::from(second), what);
            live.painter.show(&event, now);
            live.painter.tick(now + Duration::from_millis(500));
            so_far.push(event);
            let stays = InMemoryTerm::new(600, columns);
            stays.write_str(&replayed(&so_far, &manner)).unwrap();
            let (stays, shown) = (stays.contents(), live.term.contents());
            prop_assert!(shown.starts_with(&stays), "{stays}\n=====\n{shown}");
            let bars = shown[stays.len()..].matches(" steps  ").count();
            prop_assert!(bars <= 1, "{shown}");
        }
        live.painter.end().unwrap();
        prop_assert!(!live.term.contents().contains('░'));
    }
}
