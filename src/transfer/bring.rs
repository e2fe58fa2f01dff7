//! Bringing what is sent to a stage and verifying it, by one connection or several at once.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use super::bits::Bits;
use super::land::Landing;
use super::list::List;
use super::pack::{Pack, Which};
use super::read::Findings;
use super::script::{self, LandError};
use super::split::{Share, folders_of, portions, split};
use super::survey::Archives;
use super::tee::{Blocks, Seat, Stream, alone};
use super::throttle::{Limit, RealClock, Throttle};
use super::zip::{Sending, Zip, Zipped};
use crate::remote::{
    Bulk, Exit, Host, Input, Line, Output, Patience, RemoteError, RemoteErrorKind, Streams,
};

/// Said where a node had zstd when the plan was made.
const NO_ZSTD: &str = "there is no zstd any more, which was to make large again what was made smaller: install it, or push \
     without --compress";

/// What came of bringing a tree.
#[derive(Default)]
pub(super) struct Brought {
    /// What was said of it.
    pub(super) said: String,
    /// What each reading found, once it has ended.
    pub(super) findings: Vec<Arc<Findings>>,
    /// To be kept for as long as that is waited for.
    pub(super) waits: Vec<Arc<()>>,
}

/// By what an archive goes.
#[derive(Clone, Copy)]
pub(super) struct By<'h> {
    /// Another connection than the usual one.
    other: Option<&'h dyn Host>,
    /// Whether it is made smaller on its way.
    zip: bool,
}

impl By<'_> {
    /// As everything goes.
    pub(super) fn usual() -> Self {
        Self {
            other: None,
            zip: false,
        }
    }
}

impl Landing<'_> {
    /// Has everything that is sent unpacked in the stage.
    pub(super) fn bring(
        &self,
        stage: &str,
        seat: Seat<'_>,
        bulk: &Bulk,
    ) -> Result<Brought, LandError> {
        let (delta, hash) = (self.delta, self.hash());
        let other = match bulk {
            Bulk::Instead(host) => Some(&**host),
            _ => None,
        };
        let zip = self.is_zipped(other)?;
        let further = match bulk {
            Bulk::Further(hosts) if self.comes_in_parts() => hosts,
            _ => {
                let wanted = (delta.send.clone(), delta.verify.clone());
                let Stream {
                    blocks,
                    findings,
                    waits,
                } = seat.join(self.source, wanted.0, wanted.1, hash);
                let by = By { other, zip };
                let unpacked = self.unpack(stage, &delta.send, blocks, by);
                return Ok(Brought {
                    said: self.explained(unpacked, std::slice::from_ref(&findings))?,
                    findings: vec![findings],
                    waits: vec![waits],
                });
            }
        };
        // The others need not wait for one that reads for itself.
        drop(seat);
        self.make_folders(stage)?;
        let shares = split(
            &self.source.manifest,
            &delta.send,
            &delta.verify,
            further.len() + 1,
        );
        // Together they may be as fast as one alone.
        let limit = self.limit();
        let limit = limit.as_ref();
        let streams = shares.into_iter().map(|Share { send, verify, .. }| {
            (send.clone(), alone(self.source, send, verify, hash))
        });
        let mut streams = streams.collect::<Vec<_>>().into_iter();
        let Some((send, first)) = streams.next() else {
            return Ok(Brought::default());
        };
        let (mut all, mut waits) = (vec![first.findings], vec![first.waits]);
        let (at_work, others) = channel();
        let said = thread::scope(|scope| {
            let mut threads = Vec::new();
            for ((send, stream), host) in streams.zip(further) {
                all.push(stream.findings);
                waits.push(stream.waits);
                let (blocks, at_work) = (stream.blocks, at_work.clone());
                let work = move || {
                    let pack = self.pack(send, &delta.fresh, blocks, Which::Part);
                    let by = By {
                        other: Some(&**host),
                        zip,
                    };
                    let unpacked = self.unpack_one(stage, pack, limit, by);
                    drop(at_work);
                    unpacked
                };
                let thread = thread::Builder::new().name("stream".to_owned());
                let thread = thread.spawn_scoped(scope, work);
                threads.push(thread.map_err(|error| no_thread(&error)));
            }
            drop(at_work);
            let pack = self.pack(send, &delta.fresh, first.blocks, Which::All);
            let by = By { other: None, zip };
            let mut said = self.unpack_one(stage, pack.after(others), limit, by);
            for thread in threads {
                let other =
                    thread.and_then(|thread| thread.join().unwrap_or_else(|_| Err(cut_short())));
                said = match (said, other) {
                    (Ok(mut said), Ok(other)) => {
                        said.push_str(&other);
                        Ok(said)
                    }
                    (Err(error), _) | (Ok(_), Err(error)) => Err(error),
                };
            }
            said
        });
        let said = self.explained(said, &all)?;
        Ok(Brought {
            said,
            findings: all,
            waits,
        })
    }

    /// Whether what is sent is made smaller on its way, by another connection than the usual one, where one is given.
    fn is_zipped(&self, other: Option<&dyn Host>) -> Result<bool, LandError> {
        let (wish, machines) = self.zip;
        let delta = self.delta;
        match wish {
            _ if delta.bytes == 0 => Ok(false),
            Zip::Never => Ok(false),
            Zip::Auto if !self.survey.zstd => Ok(false),
            Zip::Auto => {
                let sending = Sending {
                    source: self.source,
                    bytes: delta.bytes,
                    files: delta.files,
                    machines,
                    limit: self.rate,
                };
                Ok(sending.is_worth_it(&self.by(other), self.patience))
            }
            Zip::Always if self.survey.zstd => Ok(true),
            Zip::Always => Err(LandError::Said {
                code: script::FAILED,
                said: NO_ZSTD.to_owned(),
            }),
        }
    }

    /// Makes the folders of what is sent: several archives that make the same one get into each other's way.
    fn make_folders(&self, stage: &str) -> Result<(), LandError> {
        let manifest = &self.source.manifest;
        let folders = folders_of(manifest, &self.delta.send);
        if folders.is_none() {
            return Ok(());
        }
        let mut list = List::new(manifest, &folders, &[]);
        self.run(script::folders(), &[stage], Input::Reader(&mut list))
            .map(|_| ())
    }

    /// Whether what is sent can come in parts: what makes links last of all can't do so, and another machine reads for all
    /// at once.
    pub(super) fn comes_in_parts(&self) -> bool {
        self.survey.archives == Archives::Gnu && self.source.afar.is_none()
    }

    /// What came of unpacking: why nothing more came explains better why nothing more could be unpacked.
    fn explained(
        &self,
        unpacked: Result<String, LandError>,
        findings: &[Arc<Findings>],
    ) -> Result<String, LandError> {
        if unpacked.is_err() {
            for findings in findings {
                findings.check()?;
            }
            self.patience.check("what was sent")?;
        }
        unpacked
    }

    /// Runs commands by another connection than the usual one, where one is given.
    pub(super) fn by<'h>(
        &'h self,
        by: Option<&'h dyn Host>,
    ) -> impl Fn(&Line, Streams<'_>, &Patience<'_>) -> Result<Exit, RemoteError> + Sync + 'h {
        move |line, streams, patience| match by {
            Some(host) => host.exec(line, streams, patience),
            None => (self.exec)(line, streams, patience),
        }
    }

    /// The archive of these entries, and of the attributes of these folders.
    pub(super) fn pack(
        &self,
        send: Bits,
        folders: &Bits,
        blocks: Blocks,
        which: Which,
    ) -> Pack<'_> {
        Pack::new(
            self.source,
            (send, folders.clone()),
            &self.delta.headers,
            (self.survey.archives, self.survey.owner),
            blocks,
            which,
            self.moved,
        )
        .within(self.patience)
    }

    /// How fast all that goes out to the node at the same time may be together.
    fn limit(&self) -> Option<Limit> {
        self.rate.map(|rate| Limit::new(rate, RealClock::default()))
    }

    /// Has one of several archives unpacked, by the usual connection or another one.
    fn unpack_one(
        &self,
        stage: &str,
        pack: Pack<'_>,
        limit: Option<&Limit>,
        by: By<'_>,
    ) -> Result<String, LandError> {
        let zipped = Zipped::new(pack, by.zip).map_err(|error| {
            let what = format!("zstd can't be begun: {error}");
            RemoteError::new(RemoteErrorKind::Here, what)
        })?;
        let mut pack = Throttle::new(zipped, limit);
        let how = match self.survey.archives {
            Archives::Gnu => "gnu",
            Archives::Busybox => "busybox",
        };
        let mut out = Output::at_most(1 << 20);
        let exec = self.by(by.other);
        let zip = if by.zip { "zstd" } else { "-" };
        script::run(
            &exec,
            script::unpack(),
            &[stage, how, zip],
            Input::Reader(&mut pack),
            &mut out,
            self.patience,
        )
    }

    pub(super) fn unpack(
        &self,
        stage: &str,
        send: &Bits,
        blocks: Blocks,
        by: By<'_>,
    ) -> Result<String, LandError> {
        // busybox makes links last of all, which changes the times of folders.
        let which = match self.survey.archives {
            Archives::Gnu => Which::All,
            Archives::Busybox => Which::NoFolders,
        };
        let fresh = &self.delta.fresh;
        let first = self.pack(send.clone(), fresh, blocks, which);
        let said = self.unpack_one(stage, first, self.limit().as_ref(), by)?;
        if which == Which::All {
            return Ok(said);
        }
        let folders = self.pack(Bits::default(), fresh, Blocks::none(), Which::Folders);
        let said = self.unpack_one(stage, folders, self.limit().as_ref(), By::usual())?;
        if !self.survey.superuser {
            self.set_modes(stage, send)?;
        }
        Ok(said)
    }

    /// Brings files once more of which the stage has other bytes: a power cut may have taken what had arrived.
    fn mend(&self, stage: &str, wrong: &Bits) -> Result<(), LandError> {
        let manifest = &self.source.manifest;
        let mut list = List::new(manifest, wrong, &[]);
        self.run(script::discard(), &[stage], Input::Reader(&mut list))?;
        // Other names of these files go with them, and come again.
        let mut again = wrong.clone();
        for (at, entry) in manifest.iter() {
            let first = manifest.first(entry).map(|first| manifest.path(first));
            let first = first.and_then(|path| manifest.find(path));
            if first.is_some_and(|first| wrong.has(first)) {
                again.add(at);
            }
        }
        let Stream {
            blocks,
            findings,
            waits,
        } = alone(self.source, again.clone(), wrong.clone(), self.hash());
        let unpacked = self.unpack(stage, &again, blocks, By::usual());
        let findings = [findings];
        self.explained(unpacked, &findings)?;
        self.ended(&findings)?;
        drop(waits);
        let still = self.verify(stage, wrong, &findings, None)?;
        let Some((_, entry)) = manifest.iter().find(|(at, _)| still.has(*at)) else {
            return Ok(());
        };
        let path = String::from_utf8_lossy(manifest.path(entry));
        let what = format!(
            "{path} is not what was sent, twice: its fingerprint in {stage} is another than {}",
            self.source.whereabouts()
        );
        Err(LandError::Broken(what))
    }

    /// Verifies what is in these files, and where the stage is a whole tree, all that can be seen of it; what was said while
    /// it was unpacked is given then. Where there are several connections, at the same time.
    pub(super) fn check(
        &self,
        stage: &str,
        which: &Bits,
        findings: &[Arc<Findings>],
        bulk: &Bulk,
        whole: Option<&str>,
    ) -> Result<(), LandError> {
        let further: Vec<&dyn Host> = match bulk {
            Bulk::Same => Vec::new(),
            Bulk::Instead(host) => vec![&**host],
            Bulk::Further(hosts) => hosts.iter().map(|host| &**host).collect(),
        };
        let manifest = &self.source.manifest;
        let portions = portions(manifest, which, further.len() + 1);
        thread::scope(|scope| {
            let (own, others) = portions.split_first().unzip();
            let others = others.unwrap_or_default().iter().zip(further);
            let threads: Vec<_> = others
                .map(|(which, host)| {
                    let work = move || self.verify(stage, which, findings, Some(host));
                    let thread = thread::Builder::new().name("verify".to_owned());
                    thread
                        .spawn_scoped(scope, work)
                        .map_err(|error| no_thread(&error))
                })
                .collect();
            let compare = || whole.map_or(Ok(()), |said| self.compare(stage, said));
            let compared = compare();
            let mut wrong = own.map_or(Ok(Bits::default()), |which| {
                self.verify(stage, which, findings, None)
            });
            for thread in threads {
                let other =
                    thread.and_then(|thread| thread.join().unwrap_or_else(|_| Err(cut_short())));
                wrong = match (wrong, other) {
                    (Ok(mut wrong), Ok(other)) => {
                        wrong.join(&other);
                        Ok(wrong)
                    }
                    (Err(error), _) | (Ok(_), Err(error)) => Err(error),
                };
            }
            let wrong = wrong?;
            if wrong.is_none() {
                return compared;
            }
            self.mend(stage, &wrong)?;
            compare()
        })
    }
}

fn no_thread(error: &io::Error) -> LandError {
    let what = format!("a thread can't be started: {error}");
    RemoteError::new(RemoteErrorKind::Here, what).into()
}

fn cut_short() -> LandError {
    LandError::Broken("a stream was cut short".to_owned())
}
