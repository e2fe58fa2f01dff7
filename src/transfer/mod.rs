//! Trees: copied to many nodes from one reading, staged beside their place, verified, and swapped.
//!
//! ```text
//!  source ─► Manifest ─┐
//!                      ├─► Delta ─► stage: prepare · carry · unpack · verify ─► seal ─► swap ─► (back)
//!  survey ─► Manifest ─┘                             ▲
//!                        one Reading ─► blocks ─► Pack, one a target
//! ```
//!
//! [`Source`] is the tree, on this machine or on an [`Origin`]; [`survey`] asks a node in one command what stands where
//! it shall land, [`Delta`] compares the two, and [`Landing`] does what they differ in.
//! With a [`Pull`] a node gets content from the origin by itself. A [`Zip`] says whether what is sent is made smaller.
//! A [`Meetings`] lets those that want the same tree share one reading of it.
//!
//! Everything on a node is done by scripts for a POSIX shell, through
//! [`Host`](crate::remote::Host): nothing is installed there. What must not happen
//! without the right to it ([`seal`], [`swap`], [`back`], [`replace`]) is given to the caller as
//! a script, to be run under whatever lock it holds. Where files are replaced where they are
//! ([`Landing::bring_in_place`]), what was sent waits in a hidden folder, and [`replace`] gives it its places. This room knows machines and
//! files; it knows no plan, no run, no lock.
//!
//! ```
//! use clusterctl::transfer::Rules;
//!
//! let rules = Rules::new(&["*.log".to_owned(), "!keep.log".to_owned()]).unwrap();
//! assert!(rules.leave_out(b"logs/a.log", false));
//! assert!(!rules.leave_out(b"keep.log", false));
//! ```

mod afar;
mod attributes;
mod bits;
mod bring;
mod checksum;
mod delta;
#[cfg(test)]
mod followers;
mod hidden;
mod in_place;
mod land;
mod likeness;
mod list;
mod listing;
mod manifest;
mod modes;
mod origin;
mod own;
mod pace;
mod pack;
mod prints;
mod pull;
mod read;
mod room;
mod rules;
mod sample;
mod script;
mod source;
mod split;
mod sums;
mod survey;
mod tar;
mod tee;
mod throttle;
mod turn;
mod untar;
mod zip;

pub use attributes::{Attributes, losses};
pub use checksum::{SameContent, same_content};
pub use delta::{Arrival, Delta, Wanted};
pub use land::{Contents, Landing, Names, Place, close_again, contents, note, place, survey};
pub use listing::Listing;
pub use manifest::{Entry, Kind, Known, Manifest, Mark, Precision, Time, TooMuch, fingerprint};
pub use origin::{Far, Origin};
pub use pace::{WORTH_IT, pace};
pub use pull::Pull;
pub use room::{Lack, Room};
pub use rules::{BadRule, Rules};
pub use script::{Exec, LandError, Script, back, replace, seal, swap};
pub use source::{Source, SourceError};
pub use survey::{Archives, HashKind, Standing, Survey};
pub use tee::{Meetings, Seat};
pub use zip::{AT_ONCE, Sending, Zip};
