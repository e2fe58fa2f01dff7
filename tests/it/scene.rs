//! A simulated world, a journal, and the runner that begins, resumes and takes back runs there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use clusterctl::config::NodeName;
use clusterctl::engine::{
    Answer, Call, Cancel, Claim, ClaimError, Decoded, Desk, Direction, End, Engine, Epoch, Event,
    Fault, Holding, Interrupt, Look, NodeRecord, Progress, Record, Release, Reporter, Runner,
    Settings, World, decode, union,
};
use clusterctl::plan::{
    Action, Condition, Expect, Hook, Millis, Outputs, Plan, Probe, Reading, RunId, Sha256, Step,
    StepId, reverse,
};
use clusterctl::rehearse::{Instants, MemoryLog, SimState, SimWorld, Strike};

/// A world, a journal, and the runner that may die in it.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) plan: Arc<Plan>,
    pub(crate) digest: Sha256,
    pub(crate) run: RunId,
    pub(crate) state: SimState,
    pub(crate) journal: Vec<u8>,
    /// The run that this one takes back.
    pub(crate) undoes: Option<RunId>,
}

/// How one invocation goes.
#[derive(Default)]
pub(crate) struct How<'a> {
    pub(crate) die_at: Option<u64>,
    pub(crate) strikes: &'a [Strike],
    pub(crate) answers: BTreeMap<StepId, String>,
    pub(crate) person: Person,
    pub(crate) perform: Option<Perform<'a>>,
    pub(crate) keep: Option<Keep<'a>>,
    pub(crate) interrupt: Arc<Interrupt>,
    pub(crate) room: Option<usize>,
    pub(crate) no_operator: bool,
    pub(crate) what: What,
}

/// What is asked of the engine.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    #[default]
    Go,
    GiveBack,
    Abandon,
}

/// Who sits at the terminal.
#[derive(Default, Clone)]
pub(crate) struct Person {
    pub(crate) says: Says,
    /// The step that a hook forbids.
    pub(crate) vetoes: Option<StepId>,
    /// The hooks that ran: name and step.
    pub(crate) hooks: Arc<Mutex<Vec<(String, String)>>>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    #[default]
    Yes,
    No,
    Nothing,
}

impl Desk for Person {
    fn ask(&self, _: &Step, _: &str, _: &str) -> Answer {
        match self.says {
            Says::Yes => Answer::Done {
                evidence: "done".to_owned(),
            },
            Says::No => Answer::No,
            Says::Nothing => Answer::Nobody,
        }
    }

    fn hook(&self, _: &Hook, environment: &[(&str, String)]) -> Result<(), String> {
        let get = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let (hook, step) = (get("CLUSTERCTL_HOOK"), get("CLUSTERCTL_STEP"));
        let vetoed = self.vetoes.as_ref().is_some_and(|id| id.as_str() == step);
        self.hooks.lock().unwrap().push((hook.clone(), step));
        if vetoed && hook == "before_step" {
            return Err("not now".to_owned());
        }
        Ok(())
    }
}

/// What an invocation left.
pub(crate) struct Left {
    pub(crate) end: End,
    pub(crate) events: Vec<Event>,
    pub(crate) died: bool,
    pub(crate) instants: u64,
}

impl Scene {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            plan: Arc::new(plan.clone()),
            digest: plan.digest(),
            run: "run-1".parse().unwrap(),
            state: SimState::fitting(plan),
            journal: Vec::new(),
            undoes: None,
        }
    }

    pub(crate) fn decoded(&self) -> Decoded {
        decode(&self.journal).expect("the journal is only ever torn at its end")
    }

    /// What the nodes' copies of the journal say together.
    pub(crate) fn copies(&self) -> Vec<u8> {
        let nodes = self.state.nodes.values();
        let copies = nodes.filter_map(|node| node.journals.get(&self.run));
        let records = copies.map(|copy| decode(copy).expect("a copy is in order").records);
        union(records).iter().flat_map(Record::line).collect()
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress::of(&self.decoded().records, &self.plan)
    }

    /// Begins or resumes, with the runner dying at this instant.
    pub(crate) fn go(&mut self, die_at: Option<u64>) -> Left {
        self.act(&How {
            die_at,
            ..How::default()
        })
    }

    pub(crate) fn act(&mut self, how: &How<'_>) -> Left {
        let instants = Arc::new(how.die_at.map_or_else(Instants::default, Instants::die_at));
        let world = SimWorld::new(&self.plan, self.state.clone(), Arc::clone(&instants))
            .with_keyboard(Arc::clone(&how.interrupt));
        let world = if how.strikes.is_empty() {
            world
        } else {
            world.with_strikes(how.strikes).unwrap()
        };
        let decoded = self.decoded();
        let whole = self.journal[..decoded.whole].to_vec();
        let log = MemoryLog::new(whole, Arc::clone(&instants));
        let log = match how.room {
            Some(room) => log.with_room(room),
            None => log,
        };
        let seen = Meddled {
            world: &world,
            perform: how.perform,
            keep: how.keep,
        };
        let (end, events) = self.with_engine(&seen, how, |engine| {
            let (log, records) = (Box::new(log.clone()), &decoded.records);
            match how.what {
                What::Go if records.is_empty() => engine.start(log, self.undoes.as_ref()),
                What::Go => engine.resume(log, records, &how.answers),
                What::GiveBack => engine.give_back(log, records),
                What::Abandon => engine.abandon(log, records, "it is enough"),
            }
        });
        self.state = world.save();
        self.journal = log.bytes();
        Left {
            end,
            events,
            died: instants.alive().is_err(),
            instants: instants.count(),
        }
    }

    /// Works with an engine over this world, and collects its events.
    pub(crate) fn with_engine<T>(
        &self,
        world: &dyn World,
        how: &How<'_>,
        work: impl FnOnce(&Engine<'_>) -> T,
    ) -> (T, Vec<Event>) {
        let (tell, hear) = mpsc::channel();
        std::thread::scope(|scope| {
            let collector = scope.spawn(move || hear.into_iter().collect::<Vec<_>>());
            let engine = Engine {
                plan: &self.plan,
                digest: self.digest.clone(),
                run: self.run.clone(),
                world,
                desk: &how.person,
                interrupt: &how.interrupt,
                reporter: Reporter::new(self.run.clone(), tell),
                settings: settings(how.no_operator),
            };
            let result = work(&engine);
            drop(engine);
            (result, collector.join().unwrap())
        })
    }

    /// The steps that are done, once every doubt is cleared by looking.
    pub(crate) fn effects(&self) -> Result<BTreeMap<StepId, Outputs>, Vec<(StepId, String)>> {
        let world = SimWorld::new(&self.plan, self.state.clone(), Arc::default());
        let records = self.decoded().records;
        self.with_engine(&world, &How::default(), |engine| engine.effects(&records))
            .0
    }

    /// The scene of the run that takes this one back, as far as it went.
    pub(crate) fn back(&self) -> Self {
        let done = self
            .effects()
            .unwrap_or_else(|doubts| panic!("doubts that looking does not clear: {doubts:?}"));
        let now = jiff::Timestamp::UNIX_EPOCH;
        let plan = reverse(&self.plan, &self.run, &done, &[], now).unwrap();
        Self {
            digest: plan.digest(),
            plan: Arc::new(plan),
            run: "run-2".parse().unwrap(),
            state: self.state.clone(),
            journal: Vec::new(),
            undoes: Some(self.run.clone()),
        }
    }

    /// Somebody puts right what the fault `stale` changed.
    pub(crate) fn mend(&mut self, id: &StepId) {
        let (node, step) = self.plan.step(id).unwrap();
        let Some(Condition { probe, expect }) = step.guards.first() else {
            return;
        };
        let key = serde_json::to_string(probe).unwrap();
        let readings = &mut self.state.nodes.get_mut(node).unwrap().readings;
        let tampered = Reading::text("changed by somebody else");
        if let Some(found) = readings.get_mut(&key).filter(|found| **found == tampered) {
            let Expect::Is(wanted) = expect else {
                panic!("{id} is not guarded by one reading");
            };
            *found = wanted.clone();
        }
    }
}

fn settings(no_operator: bool) -> Settings {
    Settings {
        runner: Runner {
            owner: "tester@here".to_owned(),
            boot: "simulated".to_owned(),
            pid: 1,
            started: 1,
        },
        tool: "clusterctl test".to_owned(),
        lease: Millis::secs(60),
        heartbeat: Millis::secs(20),
        lock_wait: Millis(0),
        look: Millis::secs(10),
        no_operator,
        approved_by: None,
    }
}

/// No effect happened twice in one direction without being taken back between.
pub(crate) fn assert_no_effect_twice(state: &SimState) {
    assert_no_effect_twice_but(state, &[]);
}

/// The same, but for steps that leave nothing to take back and may be repeated.
pub(crate) fn assert_no_effect_twice_but(state: &SimState, repeatable: &[&str]) {
    for (name, node) in &state.nodes {
        let mut there = BTreeSet::new();
        for (run, step, direction) in &node.effects {
            if repeatable.contains(&step.slug()) {
                continue;
            }
            let fresh = match direction {
                Direction::Do => there.insert((run, step)),
                Direction::Undo => there.remove(&(run, step)),
            };
            assert!(fresh, "{name}: {step} {direction:?} twice in {run}");
        }
    }
}

/// What the nodes are like; backups and staged trees stay until they are cleaned up.
pub(crate) fn readings(state: &SimState) -> Vec<(String, Vec<String>)> {
    let shown = |(probe, found): (&String, &Reading)| {
        let stays = [r#""look":"backup""#, r#""look":"staged""#]
            .iter()
            .any(|look| probe.contains(look));
        let counts = *found != Reading::Absent && !stays;
        counts.then(|| format!("{probe} -> {found}"))
    };
    state
        .nodes
        .iter()
        .map(|(node, sim)| {
            let lines = sim.readings.iter().filter_map(shown).collect();
            (node.to_string(), lines)
        })
        .collect()
}

/// What comes of an effect instead, if it is meddled with.
pub(crate) type Perform<'a> =
    &'a (dyn Fn(&SimWorld, &Call<'_>, &Action) -> Option<Result<(), Fault>> + Sync);
/// What keeps a node from keeping a line.
pub(crate) type Keep<'a> = &'a (dyn Fn(&NodeName, &[u8]) -> Option<Fault> + Sync);

/// Passes every call on, but for what a test does to effects and to the nodes' copies of the journal.
struct Meddled<'w> {
    world: &'w SimWorld,
    perform: Option<Perform<'w>>,
    keep: Option<Keep<'w>>,
}

impl World for Meddled<'_> {
    fn refuses(&self, node: &NodeName, action: &Action) -> Option<String> {
        self.world.refuses(node, action)
    }

    fn observe(&self, look: &Look<'_>, probe: &Probe) -> Result<Reading, Fault> {
        self.world.observe(look, probe)
    }

    fn perform(&self, call: &Call<'_>, action: &Action) -> Result<(), Fault> {
        self.perform
            .and_then(|meddle| meddle(self.world, call, action))
            .unwrap_or_else(|| self.world.perform(call, action))
    }

    fn settle(&self, call: &Call<'_>) -> Result<Option<Result<(), Fault>>, Fault> {
        self.world.settle(call)
    }

    fn claim(&self, node: &NodeName, claim: &Claim) -> Result<Epoch, ClaimError> {
        self.world.claim(node, claim)
    }

    fn renew(&self, node: &NodeName, holding: &Holding) -> Result<(), Fault> {
        self.world.renew(node, holding)
    }

    fn release(&self, node: &NodeName, holding: &Holding, release: &Release) -> Result<(), Fault> {
        self.world.release(node, holding, release)
    }

    fn holder(&self, node: &NodeName) -> Result<NodeRecord, Fault> {
        self.world.holder(node)
    }

    fn keep(&self, node: &NodeName, holding: &Holding, line: &[u8]) -> Result<(), Fault> {
        match self.keep.and_then(|meddle| meddle(node, line)) {
            Some(fault) => Err(fault),
            None => self.world.keep(node, holding, line),
        }
    }

    fn keep_anew(&self, node: &NodeName, holding: &Holding, lines: &[u8]) -> Result<(), Fault> {
        self.world.keep_anew(node, holding, lines)
    }

    fn kept(&self, node: &NodeName, run: &RunId) -> Result<Vec<u8>, Fault> {
        self.world.kept(node, run)
    }

    fn pause(&self, length: Duration, cancel: &Cancel) -> bool {
        self.world.pause(length, cancel)
    }
}
