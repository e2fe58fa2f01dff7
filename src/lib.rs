//! clusterctl turns a vendor's manual page for a server cluster into a plan
//! that can be read, approved, applied exactly, interrupted, resumed, undone
//! and proved.
//!
//! # The one idea: a plan is data
//!
//! ```text
//!  cluster.toml ─► config ─┐
//!                          ├─► a planner ─► Plan ─► text · JSON · runbook   (plan)
//!  what is there ──────────┘   (pure)        │
//!                                            ▼
//!                              engine: guard → intent → act → proof → outcome
//!                                            │                      │
//!                 World { perform(&Action), observe(&Probe) }     events ─► view
//!                        │                     │
//!              world: nodes             rehearse: simulated
//!                        │
//!              remote: commands on this machine, and on others over SSH · transfer: trees
//! ```
//!
//! Dry run, difference, approval, resume, undo, runbook and rehearsal all read the
//! same [`plan::Plan`], so they can't disagree with what really runs.
//!
//! # The rooms
//!
//! | room | owns | may know |
//! |---|---|---|
//! | [`properties`] | Java `.properties` files, losslessly | nothing |
//! | [`config`] | `cluster.toml`, names of nodes, secrets and where they are found | nothing |
//! | [`exit`] | exit codes | nothing |
//! | [`plan`] | plans: types, rules, digest, file, way back, renderings | `config` |
//! | [`primitives`] | planners of everyday verbs | `config`, `plan`, `properties` |
//! | [`products`] | what is particular to vendors: what is asked of servers, and planners | `config`, `plan`, `primitives`, `properties` |
//! | [`engine`] | running a plan: journal, holds, judging, events; the trait [`engine::World`] | `config`, `exit`, `plan` |
//! | [`store`] | the runner's folder of runs | `plan`, and `engine` for its trait [`engine::Log`] |
//! | [`remote`] | machines that commands run on: this one, and others over SSH | `config` |
//! | [`transfer`] | trees: compared, read once for many nodes, staged, verified, swapped | `remote` |
//! | [`balancer`] | what is said to balancers, and what they answer | nothing |
//! | [`rest`] | calls of REST interfaces: whom to trust, and every way of getting no answer | `config`, and `remote` for its [`remote::Patience`] |
//! | [`fleet`] | one errand on many machines at once | `config`, `remote` |
//! | [`world`] | the real world: actions and probes on nodes | `config`, `engine`, `plan`, `properties`, `remote`, `rest`, `transfer`, `balancer` |
//! | [`rehearse`] | the simulated world, faults to order | `config`, `engine`, `plan` |
//! | [`view`] | what people and programs see | `config`, `engine`, `fleet`, `plan` |
//! | [`cli`] | the command line; wires the rooms together | all |
//!
//! A room knows no other than these; a test reads the sources and keeps it so. Planners do no I/O and read no clock. The engine reaches a node
//! only through [`engine::World`], a person only through [`engine::Desk`], its
//! disk only through [`engine::Log`].
//!
//! # Where new things go
//!
//! * **A verb**: a file in `cli/` (of a group: in `cli/GROUP/`), whose doc comment is its
//!   help; a variant of the `Verb` in that folder's `mod.rs`, and its arm in `run`. A
//!   verb that only looks calls what it needs (model: `cli/props/check.rs`). A verb that
//!   changes something says so in `untouched` (of a group: `changes`) beside the arm; it asks
//!   a planner, a pure function that gives a [`plan::Plan`], and hands the plan to
//!   `cli/decide.rs` (models: `cli/undo.rs`, and `edit` in `cli/props/place.rs` with
//!   [`primitives::edit_properties`]). Planners live in `primitives/`, those of a vendor in
//!   a folder of the product. The planner's error gets its exit code in `cli/refusal.rs`.
//!   Help, manual and completions follow by themselves; the list of verbs and the snapshot
//!   in `tests/it/cli/help.rs`, and the README's table, do not.
//! * **A kind of action**: a variant of [`plan::Action`]. The compiler asks for its
//!   kind and its values (`plan/action.rs`), its sentence (`plan/in_words.rs`), its
//!   instructions for a person (`plan/by_hand.rs`), its paths (`plan/rules.rs`) and what
//!   performs it (`world/file_jobs.rs`, or beside it in `world/nodes.rs`). Matches with a default that it does not ask
//!   for: `secrets` in `plan/action.rs`; `changes`, `subjects`, `looks`, `commands` and
//!   `judge_action` in `plan/rules.rs`; `copied` and `keeps_a_file` in `plan/by_hand.rs`;
//!   `settled` in `plan/reverse.rs`; `of` in `world/refusal.rs`. In `rehearse/sim_world.rs` an
//!   action makes its proof true by itself; `goes_on_alone` names what outlives its runner.
//!   Then the tests ask for it in `tests/it/every_kind.rs` and `tests/it/generate.rs` (whose
//!   kinds `plan_file.rs` counts); its real effect belongs into `tests/it/world/`.
//! * **A kind of probe**: a variant of [`plan::Probe`], whose sentence and subject stand
//!   beside it, and whose `values_mut` and `secrets` have a default; its path in
//!   `plan/rules.rs`, its check by hand in `plan/look_by_hand.rs`, its real answer in
//!   `world/file_probes.rs` or `world/nodes.rs`; in `tests/it/generate.rs` and `tests/it/world/probes.rs`.
//! * **A change of a format** that older programs can't read, such as a new kind,
//!   raises [`plan::FORMAT`], [`engine::JOURNAL_FORMAT`] or [`engine::EVENT_FORMAT`]; what
//!   was saved with an older one is still read.
//! * **An exit code**: a variant in `exit.rs` with its meaning and its place in `ALL`;
//!   the README's table. Who returns it: `engine/` for runs, `cli/refusal.rs` for the rest.
//! * **What a node does**: a script in `world/` and what reads its answer beside it. It runs
//!   by [`remote::Host`], on this machine as elsewhere; what changes something is a job of
//!   the fence. A run has one world for all its nodes, [`world::Nodes`]; `cli/conduct.rs` makes it.
//! * **What a tree is read by on a node**: a script in `transfer/from/`, which writes nothing there.
//! * **What lands a tree**: a script in `transfer/land/`, behind `tools.sh`; what changes a
//!   place is handed to the world, which runs it as a job of the fence (`world/trees.rs`).
//! * **A way to a machine**: an implementation of [`remote::Host`] in `remote/`; `remote/dialer.rs`
//!   chooses it; `tests/it/ssh/conformance.rs` judges it.
//! * **A room**: a line in the table above and in `tests/it/rooms.rs`.
//! * **A promise**: a test that can fail, in `tests/it/`.

pub mod balancer;
pub mod cli;
pub mod config;
pub mod engine;
pub mod exit;
pub mod fleet;
pub mod plan;
pub mod primitives;
pub mod products;
pub mod properties;
pub mod rehearse;
pub mod remote;
pub mod rest;
pub mod store;
pub mod transfer;
pub mod view;
pub mod world;
