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
//!              world: this machine      rehearse: simulated
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
//! | [`engine`] | running a plan: journal, holds, judging, events; the trait [`engine::World`] | `config`, `exit`, `plan` |
//! | [`store`] | the runner's folder of runs | `plan`, and `engine` for its trait [`engine::Log`] |
//! | [`world`] | the real world: actions and probes on this machine | `config`, `engine`, `plan`, `properties` |
//! | [`rehearse`] | the simulated world, faults to order | `config`, `engine`, `plan` |
//! | [`view`] | what people and programs see | `config`, `engine`, `plan` |
//! | [`cli`] | the command line; wires the rooms together | all |
//!
//! Arrows only point down this list of dependencies; a test reads the sources and
//! keeps it so. Planners do no I/O and read no clock. The engine reaches a node
//! only through [`engine::World`], a person only through [`engine::Desk`], its
//! disk only through [`engine::Log`].
//!
//! # Where new things go
//!
//! * **A verb**: a file in `cli/` (of a group: in `cli/GROUP/`), whose doc comment is its
//!   help; a variant of the `Verb` in that folder's `mod.rs`, and its arm in `run`. A
//!   verb that only looks calls what it needs (model: `cli/props/check.rs`). A verb that
//!   changes something asks a planner, a pure function that gives a [`plan::Plan`], and
//!   hands the plan to `cli/decide.rs` (model: `cli/props/set.rs` and
//!   [`primitives::edit_properties`]). Planners live in `primitives/`, those of a vendor in
//!   a folder of the product. The planner's error gets its exit code in `cli/refusal.rs`.
//!   Help, manual and completions follow by themselves.
//! * **A kind of action**: a variant of [`plan::Action`]. The compiler asks for its
//!   kind (`plan/action.rs`), its sentence (`plan/in_words.rs`), its instructions for a
//!   person (`plan/by_hand.rs`), its paths (`plan/rules.rs`) and what performs it
//!   (`world/mod.rs`). Look also at the matches there that have a default: whether it
//!   changes anything, its commands, its secrets, what it looks at. In `rehearse/`, an
//!   action makes its proof true by itself; only what outlives its runner is named in
//!   `goes_on_alone`. Then the tests ask for it in `tests/it/every_kind.rs` and
//!   `tests/it/generate.rs`, and its real effect belongs into `tests/it/local_world/`.
//! * **A kind of probe**: a variant of [`plan::Probe`], whose sentence and subject stand
//!   beside it; its check by hand in `plan/look_by_hand.rs`, its real answer in
//!   `world/observe.rs`; the same tests.
//! * **A change of a format** that older programs can't read, such as a new kind,
//!   raises [`plan::FORMAT`], [`engine::JOURNAL_FORMAT`] or [`engine::EVENT_FORMAT`].
//! * **An exit code**: a variant in `exit.rs` with its meaning and its place in `ALL`;
//!   the README's table. Who returns it: `engine/` for runs, `cli/refusal.rs` for the rest.
//! * **A world**: an implementation of [`engine::World`] in `world/`. A run has one world
//!   for all its nodes; `cli/conduct.rs` makes it.
//! * **A room**: a line in the table above and in `tests/it/rooms.rs`.
//! * **A promise**: a test that can fail, in `tests/it/`.

pub mod cli;
pub mod config;
pub mod engine;
pub mod exit;
pub mod plan;
pub mod primitives;
pub mod properties;
pub mod rehearse;
pub mod store;
pub mod view;
pub mod world;
