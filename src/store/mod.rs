//! Where runs are kept on the runner: a folder a run, with its plan and its journal.
//!
//! ```text
//! <state folder>/runs/20260131-020455-kqzf/plan.json
//!                                          journal.jsonl
//!                                          lock           (held while a runner works on the run)
//! ```
//!
//! This room knows folders, files and locks; what a plan or a journal says is
//! other rooms' business. Folders are 0700 and files 0600.
//!
//! ```
//! # let temp = tempfile::tempdir().unwrap();
//! use clusterctl::engine::Log;
//! use clusterctl::store::RunStore;
//!
//! let store = RunStore::new(temp.path());
//! let run = "20260131-020455-kqzf".parse().unwrap();
//! let folder = store.create(&run, "{}", None)?;
//! folder.journal(0)?.append(b"first\n").unwrap();
//! assert_eq!(store.read(&run)?.journal, b"first\n");
//! # Ok::<(), clusterctl::store::StoreError>(())
//! ```

mod file_log;
mod run_folder;
mod run_store;
mod store_error;

pub use file_log::FileLog;
pub use run_folder::RunFolder;
pub use run_store::{RunStore, StoredRun};
pub use store_error::StoreError;
