//! Running a plan: everything between a verb that has one and the engine.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Context as _, Result};

use super::context::{Context, TOOL, UNDO};
use super::decide::Known;
use super::global::Running;
use super::reach::Reach;
use super::refusal::Refusal;
use super::signals::Listening;
use super::terminal_desk::TerminalDesk;
use crate::config::{Cluster, GivenSecrets, NodeName, SecretRef, SecretStore};
use crate::engine::{
    Claim, ClaimError, End, Engine, Event, FaultKind, Happening, Holding, Interrupt, JournalError,
    Log as _, Progress, Record, Release, Reporter, Settings, World, decode, highest, union,
};
use crate::exit::Exit;
use crate::plan::{Millis, Plan, RunId, StepId, Target, Undo};
use crate::store::{RunFolder, RunStore};
use crate::view::{Look, Manner, Suspend};
use crate::world::{Nodes, this_runner};

/// How long a look at a node may take.
const LOOK: Millis = Millis::secs(30);

/// The file of a run in which its events are kept, for looking at them again.
pub(super) const EVENTS: &str = "events.jsonl";

/// What runs plans for a verb.
pub(super) struct Conductor<'a> {
    context: &'a Context,
    cluster: &'a Cluster,
    running: &'a Running,
    store: RunStore,
    /// Who approved the plan.
    pub(super) approved_by: Option<String>,
}

/// A run that is there already.
pub(super) struct Existing {
    pub(super) run: RunId,
    pub(super) plan: Plan,
    pub(super) records: Vec<Record>,
    pub(super) progress: Progress,
    /// The run that it takes back.
    undoes: Option<RunId>,
    folder: RunFolder,
    /// How many bytes of the runner's own journal are whole.
    whole: u64,
    /// The last record that the runner's own journal has.
    last_seq: u64,
}

/// What is to be done with a run that is there already.
pub(super) enum Further {
    /// Everything that is not done yet.
    Resume(BTreeMap<StepId, String>),
    /// Giving back temporary changes.
    GiveBack,
    /// Leaving things as they are.
    Abandon(String),
}

impl<'a> Conductor<'a> {
    pub(super) fn new(
        context: &'a Context,
        cluster: &'a Cluster,
        running: &'a Running,
    ) -> Result<Self> {
        Ok(Self {
            context,
            cluster,
            running,
            store: context.runs()?,
            approved_by: None,
        })
    }

    /// The world of a plan's nodes.
    pub(super) fn world(&self, plan: &Plan, given: GivenSecrets) -> (Nodes, Arc<SecretStore>) {
        let references = references(plan);
        let own = self.cluster.secrets().map(|(_, reference)| reference);
        let secrets = SecretStore::new(own.chain(&references))
            .relative_to(self.cluster.folder())
            .with_given(given)
            .with_terminal();
        let secrets = Arc::new(secrets);
        (nodes(plan, &secrets, self.cluster), secrets)
    }

    /// Runs a new plan.
    pub(super) fn begin(&self, plan: &Plan, known: Known, undoes: Option<&RunId>) -> Result<Exit> {
        let secrets = known.store;
        let world = nodes(plan, &secrets, self.cluster).with_connections(known.hosts);
        fetch(plan, &secrets, |_| true)?;
        world.read_ahead(plan.steps().map(|(_, step)| &step.action), known.source);
        let run = self.new_name()?;
        let folder = self.store.create(&run, &plan.to_json(), undoes)?;
        let log = folder.journal(0)?;
        let end = self.with_engine(plan, &run, &world, secrets, folder.path(), |engine| {
            engine.start(Box::new(log), undoes)
        });
        if !end.began {
            folder.discard();
        }
        if let Some(undone) = undoes {
            self.free_after(&end, &world, plan, &run, undone)?;
        }
        Ok(end.exit)
    }

    /// A name for a new run, which comes after those of all runs of the last minute.
    ///
    /// Names tell time by the second; of several within one, the last must still be the latest.
    fn new_name(&self) -> Result<RunId> {
        let latest = self.store.list()?.pop();
        let mut at = jiff::Timestamp::now();
        // A clock that was set back is no reason to name a time that is far away.
        let far = at + std::time::Duration::from_mins(1);
        loop {
            let run = RunId::new(at, chance());
            if at > far || latest.as_ref().is_none_or(|latest| run > *latest) {
                return Ok(run);
            }
            at += std::time::Duration::from_secs(1);
        }
    }

    /// Opens a run that is there already, for going on with it.
    pub(super) fn open(&self, run: RunId) -> Result<Existing> {
        let folder = self.store.take(&run)?;
        let stored = self.store.read(&run)?;
        let plan = Plan::from_json(&stored.plan)
            .with_context(|| format!("the plan of run {run} can't be used"))?;
        let decoded = decode(&stored.journal).with_context(|| {
            let what = format!("the journal of run {run} can't be used");
            let nodes = plan.nodes.iter();
            nodes.fold(Refusal::usage(what), |refusal, (node, target)| {
                let folder = &target.state_dir;
                refusal.hint(format!(
                    "{node} has its own copy, and the old files, in {folder}/runs/{run}"
                ))
            })
        })?;
        let last_seq = decoded.records.last().map_or(0, |record| record.seq);
        let (world, _) = self.world(&plan, GivenSecrets::new());
        let mut journals = vec![decoded.records];
        for node in plan.changed() {
            journals.extend(self.copy(&world, node, &run, last_seq)?);
        }
        let records = union(journals);
        let progress = Progress::of(&records, &plan);
        let whole = u64::try_from(decoded.whole).unwrap_or(u64::MAX);
        Ok(Existing {
            run,
            plan,
            records,
            progress,
            undoes: stored.undoes,
            folder,
            whole,
            last_seq,
        })
    }

    /// What a node's copy of a run's journal says, where that is known and needed.
    ///
    /// `last_seq` is the last record of the runner's own journal. A run that was fetched has none yet: then the nodes alone
    /// know what was done.
    fn copy(
        &self,
        world: &Nodes,
        node: &NodeName,
        run: &RunId,
        last_seq: u64,
    ) -> Result<Option<Vec<Record>>> {
        let bytes = match world.kept(node, run) {
            Ok(bytes) => bytes,
            // A node that can't be asked has nothing to add that matters before it can.
            Err(_) if last_seq > 0 => return Ok(None),
            Err(fault) => {
                let exit = match fault.kind {
                    FaultKind::Unreachable => Exit::Unreachable,
                    _ => Exit::Forbidden,
                };
                let what = format!(
                    "{node}: its copy of the journal of run {run} can't be read, and this machine has no journal of that run: \
                     what was done on {node} is not known"
                );
                let refusal = Refusal::new(exit, what)
                    .state("Nothing has been changed.")
                    .hint("clusterctl check --reach   (shows which nodes can be reached)")
                    .hint(format!(
                        "clusterctl resume {run}   (once {node} can be reached)"
                    ));
                return Err(anyhow::Error::from(fault).context(refusal));
            }
        };
        match decode(&bytes) {
            Ok(kept) => Ok(Some(kept.records)),
            Err(error @ JournalError::Damaged { .. }) if highest(&bytes) <= last_seq => {
                self.context.io.err.print(&format!(
                    "warning: {node}: its copy of the journal of run {run} is not used, as this machine's own is whole: {error}\n"
                ));
                Ok(None)
            }
            Err(error) => Err(anyhow::Error::from(error).context(format!(
                "{node}: the node's journal of run {run} can't be used"
            ))),
        }
    }

    /// Whether a run is over and yet holds some node, because its runner was killed before it could let go.
    pub(super) fn is_held_after_its_end(&self, existing: &Existing) -> bool {
        let (world, _) = self.world(&existing.plan, GivenSecrets::new());
        let held = |node: &NodeName| {
            let record = world.holder(node);
            record.is_ok_and(|record| record.holder.is_some_and(|h| h.run == existing.run))
        };
        existing.progress.ended.is_some() && existing.plan.changed().into_iter().any(held)
    }

    /// Goes on with a run that is there already.
    pub(super) fn go_on(
        &self,
        existing: Existing,
        given: GivenSecrets,
        further: &Further,
    ) -> Result<Exit> {
        let Existing {
            run,
            plan,
            records,
            progress,
            undoes,
            folder,
            whole,
            last_seq,
        } = existing;
        let started = progress.start.as_ref();
        let undoes = started.and_then(|start| start.undoes.clone()).or(undoes);
        let (world, secrets) = self.world(&plan, given);
        if matches!(further, Further::Resume(_)) {
            fetch(&plan, &secrets, |step| !progress.is_done(step))?;
        }
        let mut log = folder.journal(whole)?;
        let lacking = records.iter().filter(|record| record.seq > last_seq);
        let lines: Vec<u8> = lacking.flat_map(Record::line).collect();
        if !lines.is_empty() {
            // All at once: what is there must not look like the whole of it before it is.
            log.append(&lines)
                .context("the journal could not be completed")?;
        }
        let log = Box::new(log);
        let end =
            self.with_engine(
                &plan,
                &run,
                &world,
                secrets,
                folder.path(),
                |engine| match further {
                    _ if records.is_empty() => engine.start(log, undoes.as_ref()),
                    Further::Resume(answers) => engine.resume(log, &records, answers),
                    Further::GiveBack => engine.give_back(log, &records),
                    Further::Abandon(reason) => engine.abandon(log, &records, reason),
                },
            );
        if let Some(undone) = &undoes {
            self.free_after(&end, &world, &plan, &run, undone)?;
        }
        Ok(end.exit)
    }

    fn free_after(
        &self,
        end: &End,
        world: &Nodes,
        plan: &Plan,
        undo: &RunId,
        undone: &RunId,
    ) -> Result<()> {
        if end.over && end.exit == Exit::Done {
            self.free(world, plan, undo, undone).map_err(|error| {
                error.context(
                    Refusal::new(
                        Exit::Stopped,
                        format!("run {undone} is taken back, but not all of its nodes are free"),
                    )
                    .state("Everything is as it was before the run.")
                    .hint(format!("clusterctl undo {undone}   (frees them)")),
                )
            })?;
        }
        Ok(())
    }

    /// Frees the nodes that a run still holds although another took it back: those on which it had done nothing.
    pub(super) fn free(
        &self,
        world: &Nodes,
        plan: &Plan,
        undo: &RunId,
        undone: &RunId,
    ) -> Result<Vec<NodeName>> {
        let mut freed = Vec::new();
        for node in plan.nodes.keys() {
            let holder = world.holder(node)?.holder;
            if holder.is_none_or(|holder| holder.run != *undone) {
                continue;
            }
            let claim = Claim {
                run: undo.clone(),
                instead_of: Some(undone.clone()),
                by_force: false,
                verb: UNDO.to_owned(),
                runner: this_runner(),
                reason: plan.title.clone(),
                lease: Millis::from(self.cluster.run().lease.get()),
                wait: Millis::from(self.running.lock_wait),
            };
            let epoch = world.claim(node, &claim).map_err(|error| match error {
                ClaimError::Held(holder) => {
                    anyhow::anyhow!("{node}: run {} holds it", holder.run)
                }
                ClaimError::EffectRuns(how) => {
                    anyhow::anyhow!("{node}: a command of the run still runs on it\nhint: {how}")
                }
                ClaimError::Fault(fault) => anyhow::Error::from(fault).context(node.to_string()),
            })?;
            let holding = Holding {
                run: undo.clone(),
                epoch,
                lease: claim.lease,
            };
            world.release(node, &holding, &Release::Undid(undone.clone()))?;
            freed.push(node.clone());
        }
        Ok(freed)
    }

    /// The steps of a run that are done, once every doubt is cleared by looking.
    pub(super) fn effects(
        &self,
        existing: &Existing,
    ) -> Result<BTreeMap<StepId, crate::plan::Outputs>> {
        let (world, secrets) = self.world(&existing.plan, GivenSecrets::new());
        let (tell, _) = mpsc::channel();
        let interrupt = Interrupt::default();
        let desk = self.desk(secrets, &Suspend::default());
        let engine = self.engine(
            &existing.plan,
            &existing.run,
            &world,
            &desk,
            &interrupt,
            tell,
        );
        engine.effects(&existing.records).map_err(|doubts| {
            let texts: Vec<_> = doubts.iter().map(|(_, why)| why.as_str()).collect();
            let mut refusal = Refusal::new(
                Exit::Unsafe,
                format!("run {} can't be taken back yet: {}", existing.run, texts.join("; ")),
            );
            for (step, _) in &doubts {
                refusal = refusal.hint(format!(
                    "clusterctl resume {} --answer {step} --evidence TEXT   (when you have seen that it is done)",
                    existing.run
                ));
            }
            refusal.into()
        })
    }

    fn engine<'e>(
        &self,
        plan: &'e Plan,
        run: &RunId,
        world: &'e dyn World,
        desk: &'e TerminalDesk,
        interrupt: &'e Interrupt,
        tell: mpsc::Sender<Event>,
    ) -> Engine<'e> {
        let run_settings = self.cluster.run();
        Engine {
            plan,
            digest: plan.digest(),
            run: run.clone(),
            world,
            desk,
            interrupt,
            reporter: Reporter::new(run.clone(), tell),
            settings: Settings {
                runner: this_runner(),
                tool: TOOL.to_owned(),
                lease: Millis::from(run_settings.lease.get()),
                heartbeat: Millis::from(run_settings.heartbeat.get()),
                lock_wait: Millis::from(self.running.lock_wait),
                look: LOOK,
                no_operator: self.running.no_operator,
                approved_by: self.approved_by.clone(),
            },
        }
    }

    fn desk(&self, secrets: Arc<SecretStore>, suspend: &Suspend) -> TerminalDesk {
        TerminalDesk {
            err: self.context.io.err.clone(),
            suspend: suspend.clone(),
            interactive: self.context.io.interactive,
            told: self.context.err_look() != Look::Json,
            secrets,
        }
    }

    /// Works with an engine while its events are recorded and shown, and signals are heard.
    fn with_engine(
        &self,
        plan: &Plan,
        run: &RunId,
        world: &dyn World,
        secrets: Arc<SecretStore>,
        folder: &Path,
        work: impl FnOnce(&Engine<'_>) -> End,
    ) -> End {
        let (tell, hear) = mpsc::channel();
        let (show, shown) = mpsc::channel();
        let look = self.context.err_look();
        let manner = Manner {
            measure: Some(crate::view::size_of_stderr),
            ..Manner::new(look)
        };
        let to = match look {
            Look::Json => self.context.io.out.clone(),
            Look::Terminal { .. } | Look::Plain { .. } => self.context.io.err.clone(),
        };
        let desk = self.desk(secrets, &manner.suspend);
        let interrupt = Arc::new(Interrupt::default());
        thread::scope(|scope| {
            scope.spawn(move || record(hear, folder, &show_on(show)));
            let manner = &manner;
            let view = scope.spawn(move || crate::view::watch(&shown, manner, Box::new(to)));
            let engine = self.engine(plan, run, world, &desk, &interrupt, tell);
            let reporter = engine.reporter.clone();
            let listening = Listening::begin(Arc::clone(&interrupt), move |times| {
                reporter.say(Happening::Interrupted { times });
            });
            let end = work(&engine);
            drop(listening);
            drop(engine);
            // What could not be shown does not change how the run ended.
            let _ = view.join();
            end
        })
    }
}

/// Passes events on as long as somebody shows them.
fn show_on(to: mpsc::Sender<Event>) -> impl Fn(Event) {
    move |event| {
        let _ = to.send(event);
    }
}

/// Keeps events in the run's folder, for looking at them again, and passes them on.
fn record(events: mpsc::Receiver<Event>, folder: &Path, pass_on: &impl Fn(Event)) {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.join(EVENTS));
    let mut file = file.ok();
    for event in events {
        let written = file.as_mut().map(|file| {
            let mut line = serde_json::to_vec(&event)?;
            line.push(b'\n');
            file.write_all(&line)
        });
        // The journal is what counts; a recording with a gap would only mislead.
        if written.is_some_and(|written| written.is_err()) {
            file = None;
        }
        pass_on(event);
    }
}

/// Where a plan's secrets are found: in what it does and looks at, forwards and back.
fn references(plan: &Plan) -> Vec<SecretRef> {
    let mut all: Vec<_> = plan.nodes.values().flat_map(Target::secrets).collect();
    for (_, step) in plan.steps() {
        all.extend(needed(step));
        if let Undo::By { action, proof } = &step.undo {
            all.extend(action.secrets());
            all.extend(proof.conditions().iter().flat_map(|c| c.probe.secrets()));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The world of a plan's nodes.
fn nodes(plan: &Plan, secrets: &Arc<SecretStore>, cluster: &Cluster) -> Nodes {
    let reach = Reach::to(cluster, plan.nodes.clone(), Arc::clone(secrets));
    Nodes::new(&plan.nodes, Arc::clone(secrets), Arc::new(reach)).trusting(cluster.rest_trust())
}

/// Where the secrets are found that doing a step needs.
fn needed(step: &crate::plan::Step) -> Vec<SecretRef> {
    let conditions = step.guards.iter().chain(step.proof.conditions());
    let probes = conditions
        .map(|condition| &condition.probe)
        .chain(step.outputs.values());
    step.action
        .secrets()
        .into_iter()
        .chain(probes.flat_map(crate::plan::Probe::secrets))
        .collect()
}

/// Fetches the secrets of steps before anything is changed.
fn fetch(plan: &Plan, secrets: &SecretStore, wanted: impl Fn(&StepId) -> bool) -> Result<()> {
    for (_, step) in plan.steps().filter(|(_, step)| wanted(&step.id)) {
        for reference in needed(step) {
            if let Err(error) = secrets.resolve(&reference) {
                let what = format!("{} needs a secret that can't be had", step.id);
                let mut refusal = Refusal::usage(what);
                if let SecretRef::Given(label) = &reference {
                    refusal = refusal.hint(format!(
                        "--value-file {label}=FILE   (or {label}=- for standard input)"
                    ));
                }
                return Err(anyhow::Error::from(error).context(refusal));
            }
        }
    }
    Ok(())
}

/// A number that nobody else has.
fn chance() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
