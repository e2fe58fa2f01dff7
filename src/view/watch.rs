//! Watching a run, and looking at one again.

use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Json, Look, Measure, Painter, Plain, ReplayError, Screen, Suspend, Terminal};
use crate::engine::{EVENT_FORMAT, Event, Happening};

/// How a run is shown.
#[derive(Debug, Clone)]
pub struct Manner {
    /// For whom.
    pub look: Look,
    /// How long plain lines may be silent while a run goes on.
    pub heartbeat: Duration,
    /// Whether plain lines begin with the time of their event.
    pub stamped: bool,
    /// How large the terminal is at the moment, where that can be asked.
    pub measure: Option<Measure>,
    /// For whoever needs the terminal while the run is shown.
    pub suspend: Suspend,
}

impl Manner {
    /// The usual manner for this look.
    pub fn new(look: Look) -> Self {
        Self {
            look,
            heartbeat: Duration::from_secs(30),
            stamped: false,
            measure: None,
            suspend: Suspend::default(),
        }
    }

    fn painter(&self, out: Box<dyn Write + Send>, live: bool) -> Box<dyn Painter> {
        match self.look {
            Look::Terminal {
                width,
                colour,
                unicode,
            } => {
                let screen = Screen::new(out, width, self.measure);
                Box::new(Terminal::new(screen, colour, unicode, live))
            }
            Look::Plain { colour } => {
                Box::new(Plain::new(out, colour, self.stamped, self.heartbeat))
            }
            Look::Json => Box::new(Json::new(out)),
        }
    }
}

/// How often bars move and signs of life are thought of.
const TICK: Duration = Duration::from_millis(100);

/// Shows a run until its last event has come and nobody can send more.
///
/// A run never waits for its view except when the output itself is stuck, and
/// never fails with it: a reader that goes away is no error, and any other
/// failure of the output is told at the end.
pub fn watch(
    events: &Receiver<Event>,
    manner: &Manner,
    out: Box<dyn Write + Send>,
) -> io::Result<()> {
    let mut painter = manner.painter(out, true);
    if manner.look == Look::Json {
        for event in events {
            painter.show(&event, Duration::ZERO);
        }
        return painter.end();
    }
    Watch {
        events,
        suspend: &manner.suspend,
        painter: &mut *painter,
        start: Instant::now(),
        held_back: VecDeque::new(),
    }
    .run();
    painter.end()
}

struct Watch<'a> {
    events: &'a Receiver<Event>,
    suspend: &'a Suspend,
    painter: &'a mut dyn Painter,
    start: Instant,
    /// What happened while somebody else had the terminal.
    held_back: VecDeque<(Event, Duration)>,
}

impl Watch<'_> {
    fn run(&mut self) {
        let _watching = self.suspend.watch();
        let mut aside = false;
        loop {
            match self.events.recv_timeout(TICK) {
                Ok(event) if aside => self.hold_back(event),
                Ok(event) => self.painter.show(&event, self.start.elapsed()),
                Err(RecvTimeoutError::Timeout) if aside => {}
                Err(RecvTimeoutError::Timeout) => self.painter.tick(self.start.elapsed()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if aside {
                aside = !self.suspend.take_back();
                if !aside {
                    self.catch_up();
                }
            } else if self.suspend.is_wanted() {
                self.step_aside();
                aside = true;
            }
        }
        self.catch_up();
    }

    /// Shows what was told before the terminal was asked for, and gives it away.
    fn step_aside(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.painter.show(&event, self.start.elapsed());
        }
        self.painter.hide();
        self.suspend.step_aside();
    }

    /// Keeps an event for later. An interrupt is shown at once, on a line of its own.
    fn hold_back(&mut self, event: Event) {
        let now = self.start.elapsed();
        if matches!(event.what, Happening::Interrupted { .. }) {
            self.painter.break_line();
            self.painter.show(&event, now);
            self.painter.hide();
        } else {
            self.held_back.push_back((event, now));
        }
    }

    fn catch_up(&mut self) {
        for (event, at) in std::mem::take(&mut self.held_back) {
            self.painter.show(&event, at);
        }
    }
}

/// Shows a recorded run, one event of JSON a line.
///
/// A last line that was cut short is left out: the program was killed while it
/// wrote it. Gives how many events there were.
pub fn replay(
    mut log: impl BufRead,
    manner: &Manner,
    out: Box<dyn Write + Send>,
) -> Result<usize, ReplayError> {
    let mut painter = manner.painter(out, false);
    let mut start = None;
    let mut shown = 0;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if log
            .read_until(b'\n', &mut line)
            .map_err(ReplayError::Read)?
            == 0
        {
            break;
        }
        let torn = line.last() != Some(&b'\n');
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let event = match parse(text, number) {
            Err(ReplayError::Broken { .. }) if torn => break,
            parsed => parsed?,
        };
        let at = event.at.duration_since(*start.get_or_insert(event.at));
        painter.show(&event, Duration::try_from(at).unwrap_or_default());
        shown += 1;
    }
    painter.end().map_err(ReplayError::Write)?;
    Ok(shown)
}

/// The one thing that is read of an event before it is known that this program understands it.
#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}

fn parse(text: &[u8], line: usize) -> Result<Event, ReplayError> {
    let broken = |problem| ReplayError::Broken { line, problem };
    let Version { format } = serde_json::from_slice(text).map_err(broken)?;
    if format > EVENT_FORMAT {
        return Err(ReplayError::Newer { line, format });
    }
    serde_json::from_slice(text).map_err(broken)
}
