//! Bringing a tree to a node, up to where it waits for its places.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::kept::{Bytes, Kept};
use super::super::names::check_has_name;
use super::{ABSENT, Known, Trees, Work, rules, shown, stage_of, with_exec};
use crate::config::NodeName;
use crate::engine::{Amount, Fault, Teller};
use crate::plan::{Compression, RemotePath, Sha256, Tree, TreeSource};
use crate::remote::{Patience, RemoteError};
use crate::transfer::{
    self, Arrival, Delta, Lack, LandError, Landing, Names, Pull, Rules, Source, Standing, Wanted,
    Zip,
};

/// A tree that is to be brought.
pub(super) struct Bring<'a> {
    pub(super) tree: &'a Tree,
    pub(super) to: &'a RemotePath,
    pub(super) becomes: &'a Sha256,
    pub(super) company: &'a [NodeName],
    pub(super) in_place: bool,
}

impl Bring<'_> {
    /// What tells that files arrived as they were sent.
    fn arrival(&self, source: &Source) -> Arrival {
        // Another machine tells what it has read, and whether that changed, as fingerprints; and where two names are one
        // to a file system, only reading tells that one of the files took the place of the other.
        let is_trusted =
            self.in_place && !self.tree.checksum && !source.is_afar() && !source.has_alike_names();
        if is_trusted {
            Arrival::Trusted
        } else {
            Arrival::ReadBack
        }
    }
}

/// What was brought, and waits.
pub(super) struct Brought {
    pub(super) stage: String,
    /// What was there, as records say it.
    pub(super) was: String,
    /// What whoever takes the swap back has to know.
    pub(super) known: Known,
    pub(super) orders: Vec<u8>,
    pub(super) archives: transfer::Archives,
}

impl Brought {
    fn of(bring: &Bring<'_>, stage: String, survey: &transfer::Survey, delta: Delta) -> Self {
        let known = Known {
            was: Sha256::from_raw(&delta.was),
            becomes: bring.becomes.clone(),
            exclude: bring.tree.exclude.clone(),
        };
        let was = match survey.standing {
            Standing::Folder => known.was.as_str().to_owned(),
            _ => ABSENT.to_owned(),
        };
        Self {
            stage,
            was,
            known,
            archives: survey.archives,
            orders: delta.into_orders(),
        }
    }
}

/// Tells how far a tree has come, from time to time.
struct Told<'a> {
    teller: Teller<'a>,
    of: Amount,
    so_far: Mutex<(Amount, Instant)>,
}

/// How often that is told, at the most.
const TOLD: Duration = Duration::from_secs(1);

impl<'a> Told<'a> {
    fn new(teller: Teller<'a>, of: Amount) -> Self {
        let so_far = Mutex::new((Amount::default(), Instant::now()));
        Self { teller, of, so_far }
    }

    fn add(&self, bytes: u64, files: u64) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let (moved, told) = &mut *so_far;
        moved.bytes = moved.bytes.saturating_add(bytes);
        moved.files = moved.files.saturating_add(files);
        if told.elapsed() >= TOLD {
            *told = Instant::now();
            self.teller.tell(*moved, self.of);
        }
    }
}

impl Work<'_> {
    pub(super) fn bring(&self, bring: &Bring<'_>, trees: &Trees) -> Result<Brought, Fault> {
        let Bring { tree, to, .. } = *bring;
        check_has_name(to.local())?;
        let rules = rules(&tree.exclude)?;
        let key = format!("{} {} {}", self.call.run, tree.from, tree.digest);
        // Taken first: the others need not wait for one that fails from here on.
        let seat = trees.meetings.expect(&key, bring.company.len());
        let source = trees.source(tree, &rules, self.watch)?;
        let is_near = trees.is_near(tree, self.node.name);
        let names = self.names(to)?;
        let broken_off = || self.watch.is_broken_off();
        let bulk = |load| {
            let patience = self.watch.patience(&broken_off);
            self.node.connections.bulk(self.node.name, load, &patience)
        };
        with_exec(self.node, self.watch, |exec, patience| {
            if !rules.are_none() && !bring.in_place {
                transfer::note(exec, to.as_str(), &shown(self.own), patience)?;
            }
            let owner = tree.owner.as_deref();
            let like = Some(&*source);
            let mut survey =
                transfer::survey(exec, to.as_str(), Some(&names), owner, like, patience)?;
            if !bring.in_place {
                check_swaps(&survey, to)?;
            }
            let same = if tree.checksum {
                Some(transfer::same_content(exec, &source, &survey, patience)?)
            } else {
                None
            };
            let wanted = Wanted {
                delete: tree.delete,
                in_place: bring.in_place,
                link_unchanged: tree.link_unchanged,
                same: same.as_ref(),
                arrival: bring.arrival(&source),
            };
            let mut delta = Delta::between(&source.manifest, &survey, &rules, wanted);
            let is_as_planned = |delta: &Delta| Sha256::from_raw(&delta.becomes) == *bring.becomes;
            // One that was cut short may have left folders open for itself.
            if !is_as_planned(&delta)
                && bring.in_place
                && transfer::close_again(exec, to.as_str(), &shown(self.own), patience)?
            {
                drop(survey);
                survey = transfer::survey(exec, to.as_str(), Some(&names), owner, like, patience)?;
                delta = Delta::between(&source.manifest, &survey, &rules, wanted);
            }
            if !is_as_planned(&delta) {
                let what = format!("{to} is not as it was when the plan was made");
                return Err(LandError::Changed(what));
            }
            check_loses_nothing(&source, &delta, &survey, bring, &rules)?;
            let pull = match delta.bytes {
                0 => None,
                _ => self.pull(tree, is_near, trees, patience)?,
            };
            survey.forget_entries();
            let of = Amount {
                bytes: delta.bytes,
                files: delta.files,
            };
            let progress = Told::new(self.call.teller, of);
            let stage = survey.beside(&names.own);
            let kept = Kept::Aside {
                at: Bytes::of(&stage),
            };
            let record = kept.record(Path::new(&stage));
            let landing = Landing {
                exec,
                bulk: &bulk,
                moved: &|bytes, files| progress.add(bytes, files),
                patience,
                source: &source,
                survey: &survey,
                delta: &delta,
                rules: &rules,
                stage: &names.own,
                record: (&shown(self.own), &String::from_utf8_lossy(&record)),
                is_near,
                pull: pull.as_ref(),
                zip: (self.zip(tree, trees), bring.company.len()),
                rate: tree.rate,
                link_unchanged: tree.link_unchanged,
            };
            let landed = if bring.in_place {
                landing.bring_in_place(seat)
            } else {
                landing.stage(seat)
            };
            landed.map_err(|error| {
                let rest = || {
                    let names = Some(&names);
                    let survey =
                        transfer::survey(exec, to.as_str(), names, owner, like, patience).ok()?;
                    Delta::between(&source.manifest, &survey, &rules, wanted).lack(&survey)
                };
                no_room(error, bring, rest)
            })?;
            Ok(Brought::of(bring, stage, &survey, delta))
        })
    }

    /// Whether what is sent is made smaller on its way.
    fn zip(&self, tree: &Tree, trees: &Trees) -> Zip {
        match tree.compress {
            // Nothing goes over a line.
            _ if trees.is_here(self.node.name) => Zip::Never,
            Compression::Auto => Zip::Auto,
            Compression::Never => Zip::Never,
            Compression::Zstd => Zip::Always,
        }
    }

    /// How the stage is called, and those of other runs.
    fn names(&self, to: &RemotePath) -> Result<Names, Fault> {
        let stage = stage_of(&self.place(to)?, self.call.run);
        let own = shown(stage.file_name().unwrap_or_default().as_ref());
        let hidden = own.rsplit_once(self.call.run.as_str());
        Ok(Names {
            hidden: hidden.map_or(own.clone(), |(before, _)| before.to_owned()),
            own,
        })
    }

    /// How the node gets content by itself from the one that has it, where it shall and does not have it itself.
    fn pull(
        &self,
        tree: &Tree,
        is_near: bool,
        trees: &Trees,
        patience: &Patience<'_>,
    ) -> Result<Option<Pull>, RemoteError> {
        match &tree.from {
            TreeSource::Node { node, .. } if tree.direct && !is_near => {
                let pull = trees.connector.pull(self.node.name, node, patience);
                pull.map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// Says where things stand when the disk was full; `lack` finds what is missing for the rest.
fn no_room(error: LandError, bring: &Bring<'_>, lack: impl FnOnce() -> Option<Lack>) -> LandError {
    let Some(said) = error.says_full() else {
        return error;
    };
    let rest = match lack() {
        Some(lack) => format!("; for the rest, {lack}"),
        None => String::new(),
    };
    let to = bring.to;
    let stands = if bring.in_place {
        format!("every file of {to} is the old one or the new one")
    } else {
        format!("{to} is as it was")
    };
    LandError::NoRoom(format!(
        "{said}; {stands}, and what arrived stays for the next push{rest}"
    ))
}

/// Refuses to stage what could not be swapped.
fn check_swaps(survey: &transfer::Survey, to: &RemotePath) -> Result<(), LandError> {
    if let Some(at) = &survey.holds_mount {
        let what = format!("something is mounted at {at} by now, so {to} can't be swapped");
        return Err(LandError::Changed(what));
    }
    if survey.stages_inside() && !survey.mounted {
        let what = format!("this user may not put anything beside {to} any more");
        return Err(LandError::Changed(what));
    }
    Ok(())
}

/// Refuses what would take away something that shall stay, and came only after the plan was made: no fingerprint counts
/// what is left out.
fn check_loses_nothing(
    source: &Source,
    delta: &Delta,
    survey: &transfer::Survey,
    bring: &Bring<'_>,
    rules: &Rules,
) -> Result<(), LandError> {
    let Bring { tree, to, .. } = *bring;
    let mount = survey.endangered(&source.manifest, rules, tree.delete);
    let what = if let Some(at) = mount.filter(|_| bring.in_place) {
        format!("something is mounted at {at} by now, where the source has nothing like it")
    } else if let Some(path) = &delta.not_own {
        let path = String::from_utf8_lossy(path);
        format!(
            "{to}/{path} belongs to another user by now, so nobody could give it its time and mode"
        )
    } else if let Some(lost) = delta.lost.first() {
        let lost = String::from_utf8_lossy(lost);
        format!(
            "{to}/{lost} came by now, is excluded and would be lost: the source has something else there or where its \
             folder is"
        )
    } else if let Some(odd) = survey.stays(rules, tree.delete).filter(|_| !bring.in_place) {
        let odd = String::from_utf8_lossy(odd);
        format!("{to}/{odd} came by now, a socket or a device, which can't be carried over")
    } else {
        return Ok(());
    };
    Err(LandError::Changed(what))
}
