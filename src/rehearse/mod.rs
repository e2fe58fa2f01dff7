//! Rehearsals: the real engine over a simulated world, with faults to order.
//!
//! A [`SimWorld`] is a saved map of what every probe would find. Performing an
//! action makes its proof true; a [`Strike`] makes something go wrong instead.
//! [`rehearse`] runs a plan there and tells where the run would stop, in which
//! state, and whether `resume` and `undo` would lead out of it. The engine's own
//! tests let the runner die at every instant with [`Instants`] and [`MemoryLog`].
//!
//! This room knows the engine and plans. It never touches a node, a file or a
//! clock that matters.

mod instants;
mod memory_log;
mod sim_state;
mod sim_world;
mod strike;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;

pub use instants::Instants;
pub use memory_log::MemoryLog;
pub use sim_state::{SimNode, SimState};
pub use sim_world::SimWorld;
pub use strike::{Strike, StrikeKind};

use crate::engine::{
    Answer, Desk, End, Engine, Event, Interrupt, Reporter, Runner, Settings, decode,
};
use crate::plan::{Hook, Millis, Plan, RunId, Step, reverse};

/// What a rehearsal showed.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// Everything that happened.
    pub events: Vec<Event>,
    /// How the run ended.
    pub end: End,
    /// How `resume` would end from there, where the run is unfinished.
    pub resumed: Option<End>,
    /// How `undo` would end from there, or why it would be refused, where anything was done.
    pub undone: Option<Result<End, String>>,
}

/// Runs a plan in a world in which it fits, but for these faults.
pub fn rehearse(plan: &Plan, strikes: &[Strike]) -> Result<Rehearsal, String> {
    let state = SimState::fitting(plan);
    let instants = Arc::new(Instants::default());
    let interrupt = Arc::new(Interrupt::default());
    let world = SimWorld::new(plan, state, Arc::clone(&instants))
        .with_strikes(strikes)?
        .with_keyboard(Arc::clone(&interrupt));
    let log = MemoryLog::new(Vec::new(), instants);
    let run = RunId::new(jiff::Timestamp::now(), 0);
    let (end, events) = collected(plan, &run, &world, &interrupt, |engine| {
        engine.start(Box::new(log.clone()), None)
    });
    let (saved, journal) = (world.save(), log.bytes());
    let resumed = (!end.over).then(|| resumed(plan, &run, saved.clone(), &journal));
    let undone = end.began.then(|| undone(plan, &run, saved, &journal));
    Ok(Rehearsal {
        events,
        end,
        resumed,
        undone,
    })
}

fn resumed(plan: &Plan, run: &RunId, state: SimState, journal: &[u8]) -> End {
    let world = SimWorld::new(plan, state, Arc::default());
    let interrupt = Interrupt::default();
    collected(plan, run, &world, &interrupt, |engine| {
        // What the simulated runner wrote is whole but for its last line.
        let decoded = decode(journal).unwrap_or_default();
        let whole = journal.get(..decoded.whole).unwrap_or_default().to_vec();
        let log = MemoryLog::new(whole, Arc::default());
        if decoded.records.is_empty() {
            engine.start(Box::new(log), None)
        } else {
            engine.resume(Box::new(log), &decoded.records, &BTreeMap::new())
        }
    })
    .0
}

fn undone(plan: &Plan, run: &RunId, state: SimState, journal: &[u8]) -> Result<End, String> {
    let world = SimWorld::new(plan, state.clone(), Arc::default());
    let interrupt = Interrupt::default();
    let records = decode(journal).unwrap_or_default().records;
    let (effects, _) = collected(plan, run, &world, &interrupt, |engine| {
        engine.effects(&records)
    });
    let done = effects.map_err(|doubts| {
        let texts: Vec<_> = doubts
            .into_iter()
            .map(|(step, why)| format!("{step}: {why}"))
            .collect();
        texts.join("; ")
    })?;
    let now = jiff::Timestamp::now();
    let back = reverse(plan, run, &done, &[], now).map_err(|error| error.to_string())?;
    let world = SimWorld::new(&back, state, Arc::default());
    let undo_run = RunId::new(now, 1);
    let log = MemoryLog::default();
    Ok(collected(&back, &undo_run, &world, &interrupt, |engine| {
        engine.start(Box::new(log), Some(run))
    })
    .0)
}

/// Works with an engine over this world, and collects its events.
pub fn collected<T>(
    plan: &Plan,
    run: &RunId,
    world: &SimWorld,
    interrupt: &Interrupt,
    work: impl FnOnce(&Engine<'_>) -> T,
) -> (T, Vec<Event>) {
    let (tell, hear) = mpsc::channel();
    std::thread::scope(|scope| {
        let collector = scope.spawn(move || hear.into_iter().collect::<Vec<_>>());
        let engine = Engine {
            plan,
            digest: plan.digest(),
            run: run.clone(),
            world,
            desk: &SimDesk,
            interrupt,
            reporter: Reporter::new(run.clone(), tell),
            settings: settings(),
        };
        let result = work(&engine);
        drop(engine);
        (result, collector.join().unwrap_or_default())
    })
}

fn settings() -> Settings {
    Settings {
        runner: Runner {
            owner: "rehearsal".to_owned(),
            boot: "simulated".to_owned(),
            pid: 1,
            started: 1,
        },
        tool: concat!("clusterctl ", env!("CARGO_PKG_VERSION")).to_owned(),
        lease: Millis::secs(60),
        heartbeat: Millis::secs(20),
        lock_wait: Millis(0),
        look: Millis::secs(10),
        no_operator: false,
        approved_by: None,
    }
}

/// In a rehearsal every person says yes, and no hook is run.
struct SimDesk;

impl Desk for SimDesk {
    fn ask(&self, _: &Step, _: &str, _: &str) -> Answer {
        Answer::Done {
            evidence: "rehearsed".to_owned(),
        }
    }

    fn hook(&self, _: &Hook, _: &[(&str, String)]) -> Result<(), String> {
        Ok(())
    }
}
