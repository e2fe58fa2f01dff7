//! The real world, behind [`World`](crate::engine::World): [`Nodes`].
//!
//! Nothing of ours is installed on a node. Everything that happens there is a
//! script for its `/bin/sh`, run through [`remote::Host`](crate::remote::Host):
//! so it is on this machine, too. A node has a folder of its own (`state_dir`),
//! which holds its lock, the copies of journals, what effects left behind, and
//! backups:
//!
//! ```text
//! lock.json                     who holds the node, and with which epoch
//! lock                          the same in a line that a shell can read
//! claim.lock                    locked while these two are changed
//! effect.lock                   locked while an effect runs
//! history                       the runs that changed the node
//! runs/RUN/journal.jsonl        the node's copy of the journal
//! runs/RUN/effects/STEP.*       how far an effect came, what it wrote, how it ended
//! runs/RUN/effects/STEP.word*  what came of a call that this machine makes, while the fence waits for it
//! runs/RUN/backups/STEP/        what a step kept
//! ```
//!
//! Whatever changes something, work on files or somebody's command, is a job of
//! the fence (`fence.sh`), which outlives its runner and its connection. It holds
//! `effect.lock`, and does nothing unless the run holds the node then.
//!
//! This room knows plans, the engine's contract, and files. It knows no vendor,
//! no network but for calls of REST interfaces and the question whether a port is
//! open, and no terminal.

mod attributes;
mod backup;
mod calls;
mod connections;
mod content;
mod edit;
mod effect;
mod effect_record;
mod ending;
mod errno;
mod file_here;
mod file_jobs;
mod file_probes;
mod files;
mod hold;
mod hold_record;
mod job;
mod kept;
mod leftovers;
mod listing;
mod manifest;
mod names;
mod node;
mod node_folder;
mod nodes;
mod parts;
mod pools;
mod probes;
mod refusal;
mod runner;
mod scripts;
mod sections;
mod survey;
mod trees;
mod trouble;
mod turns;
mod vault;
mod watch;
mod xml;

pub use connections::Connect;
pub use file_here::read_file_bounded;
pub use leftovers::Leftovers;
pub use nodes::Nodes;
pub use runner::this_runner;
