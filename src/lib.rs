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
//! * **A verb**: a file in `cli/`, whose doc comment is its help, and a variant of
//!   its enum of verbs. What it decides is a planner: a pure function that gives a
//!   [`plan::Plan`], in `primitives/`, or in a folder of its product.
//! * **A kind of action**: a variant of [`plan::Action`]. The compiler then names
//!   every place that must know it: its sentence (`plan/in_words.rs`), its
//!   instructions for a person (`plan/by_hand.rs`), its rules (`plan/rules.rs`), and
//!   the world that performs it (`world/mod.rs`). The simulated world needs nothing:
//!   performing an action makes its proof true. Add it to the plans of every kind
//!   that the tests run (`tests/it/every_kind.rs`).
//! * **A kind of probe**: a variant of [`plan::Probe`], in the same way; its check by
//!   hand is in `plan/look_by_hand.rs`, its real answer in `world/observe.rs`.
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
