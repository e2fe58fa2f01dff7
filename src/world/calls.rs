//! Calls of REST interfaces. This machine makes them.
//!
//! While one that changes something is made, the fence of the step's node waits for word of what came of it: nobody else
//! can take the node meanwhile, and the node remembers the outcome like that of every other effect. A runner that dies
//! gives no word: whoever comes next waits until the time of the step is up, and looks what came of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::effect::Effect;
use super::effect_record::not_remembered;
use super::hold;
use super::job::Job;
use super::node::{Node, nonsense};
use super::scripts;
use super::trouble::said;
use super::vault::Vault;
use super::watch::Watch;
use crate::config::{RestTrust, Secret, SecretRef};
use crate::engine::{Call, Cancel, Fault, FaultKind};
use crate::plan::{Action, Item, Merge, Method, Millis, Outputs, Probe, Reading, Value, as_part};
use crate::rest::{self, Answer, Client, RestError, RestErrorKind};

/// How much longer than the call the fence waits for word of it.
const GRACE: Duration = Duration::from_secs(5);

/// How long the fence may take to end once it was given word, and how often that is looked at.
const HEARING: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(5);

/// How long giving word may take.
const TELLING: Millis = Millis::secs(30);

/// What makes calls, for all nodes.
pub(super) struct Calls(Client);

/// A step of a run on a node, and where else the node is reached while the fence waits.
pub(super) struct At<'a> {
    pub(super) node: Node<'a>,
    pub(super) beside: Node<'a>,
    pub(super) call: &'a Call<'a>,
}

/// Whether the fence waits for word.
enum Waits {
    Yes,
    No,
    NotKnown(Fault),
}

/// What a call came to.
enum Outcome {
    Done,
    /// It had no effect, as far as the server's answer or the missing of one tells.
    Failed(Fault),
    /// It may have had its effect.
    Unknown(Fault),
}

impl Outcome {
    /// What is told to the fence.
    fn word(&self, name: &str) -> String {
        match self {
            Self::Done => format!("{name} done\n"),
            Self::Failed(fault) => format!("{name} failed\n{}\n", fault.what),
            Self::Unknown(fault) => format!("{name} unknown\n{}\n", fault.what),
        }
    }
}

impl Calls {
    pub(super) fn new(trust: RestTrust) -> Self {
        Self(Client::new(trust))
    }

    /// What a probe finds; `None` where it asks no REST interface.
    pub(super) fn observe(
        &self,
        vault: &Vault,
        probe: &Probe,
        watch: &Watch<'_>,
    ) -> Result<Option<Reading>, Fault> {
        let Probe::Rest {
            url,
            credentials,
            item,
            pointer,
            counts,
        } = probe
        else {
            return Ok(None);
        };
        let secret = secret(vault, credentials.as_ref())?;
        let call = rest::Call {
            method: rest::Method::Get,
            url,
            credentials: secret.as_deref(),
            body: None,
            acts: false,
        };
        let broken_off = || watch.is_broken_off();
        let answer = match self.0.call(&call, &watch.patience(&broken_off)) {
            Ok(answer) => answer,
            Err(error) if error.kind == RestErrorKind::Refused => return Ok(Some(Reading::Absent)),
            Err(error) => return Err(of_look(error)),
        };
        let status = answer.status();
        let pointer = match pointer {
            None if !counts && item.is_none() => return Ok(Some(Reading::Number(status.into()))),
            None => "",
            Some(pointer) => pointer,
        };
        match status {
            200..=299 => {}
            401 | 403 => {
                let what = format!("{} answered {status}", shown(Method::Get, url));
                return Err(Fault::new(FaultKind::Denied, what).hint(
                    "see whether the credentials are the right ones, and what their user may do",
                ));
            }
            404 | 410 => return Ok(Some(Reading::Absent)),
            _ => {
                let what = format!("{} answered {status}", shown(Method::Get, url));
                return Err(Fault::new(FaultKind::Failed, what)
                    .hint("see what the server's log says, and whether it has started"));
            }
        }
        let json = answer.json().map_err(of_look)?;
        let json = match item {
            None => json,
            Some(item) => match json {
                serde_json::Value::Array(all) => {
                    match all.into_iter().find(|it| is_meant(it, item)) {
                        Some(found) => found,
                        None => return Ok(Some(Reading::Absent)),
                    }
                }
                _ => return Ok(Some(Reading::text("no list"))),
            },
        };
        Ok(Some(match json.pointer(pointer) {
            None | Some(serde_json::Value::Null) => Reading::Absent,
            Some(serde_json::Value::Array(items)) if *counts => {
                Reading::Number(i64::try_from(items.len()).unwrap_or(i64::MAX))
            }
            Some(_) if *counts => Reading::text("no list"),
            Some(serde_json::Value::String(text)) => Reading::text(text),
            Some(other) => Reading::text(other.to_string()),
        }))
    }

    /// What is read first, with the members of the body in place of its own.
    fn merged(
        &self,
        merge: &Merge,
        body: &serde_json::Value,
        secret: Option<&Secret>,
        watch: &Watch<'_>,
    ) -> Result<serde_json::Value, Fault> {
        let call = rest::Call {
            method: rest::Method::Get,
            url: &merge.from,
            credentials: secret,
            body: None,
            acts: false,
        };
        let broken_off = || watch.is_broken_off();
        let failed = |what: String| {
            Fault::new(FaultKind::Failed, what)
                .hint("see what the server's log says, and what the credentials' user may read")
        };
        let answer = self
            .0
            .call(&call, &watch.patience(&broken_off))
            .map_err(|error| {
                let mut fault = of_look(error);
                // Nothing was sent that could have changed anything.
                if fault.kind == FaultKind::TimedOut {
                    fault.kind = FaultKind::Failed;
                }
                fault
            })?;
        let from = shown(Method::Get, &merge.from);
        let status = answer.status();
        if !(200..300).contains(&status) {
            return Err(failed(format!(
                "{from} answered {status}, and nothing was changed"
            )));
        }
        let serde_json::Value::Object(mut members) = answer.json().map_err(of_look)? else {
            return Err(failed(format!(
                "{from} answered with no JSON object, and nothing was changed"
            )));
        };
        for name in &merge.without {
            members.remove(name);
        }
        for (name, value) in body.as_object().into_iter().flatten() {
            members.insert(name.clone(), value.clone());
        }
        Ok(serde_json::Value::Object(members))
    }

    /// Makes the call of a step.
    pub(super) fn perform(
        &self,
        at: &At<'_>,
        action: &Action,
        watch: &Watch<'_>,
    ) -> Result<(), Fault> {
        let Action::Rest {
            method,
            url,
            under,
            credentials,
            body,
            merge,
            success,
        } = action
        else {
            return Err(Fault::new(FaultKind::Failed, "it is no REST call"));
        };
        let url = &match under {
            None => url.clone(),
            Some(Value::Text(last)) => format!("{url}/{}", as_part(last)),
            Some(_) => {
                let what = "what stands at the end of the address is not known";
                return Err(Fault::new(FaultKind::Failed, what));
            }
        };
        let secret = secret(at.node.vault, credentials.as_ref())?;
        let call = rest::Call {
            method: match method {
                Method::Get => rest::Method::Get,
                Method::Post => rest::Method::Post,
                Method::Put => rest::Method::Put,
                Method::Delete => rest::Method::Delete,
            },
            url,
            credentials: secret.as_deref(),
            body: body.as_ref(),
            acts: true,
        };
        self.0.check(&call).map_err(fault_of)?;
        let merged = match (merge, body) {
            (Some(merge), Some(body)) => {
                Some(self.merged(merge, body, secret.as_deref(), watch)?)
            }
            _ => None,
        };
        let call = rest::Call {
            body: merged.as_ref().or(body.as_ref()),
            ..call
        };
        let what = shown(*method, url);
        while_fenced(at, &what, watch, || {
            let broken_off = || watch.is_broken_off();
            match self.0.call(&call, &watch.patience(&broken_off)) {
                Ok(answer) if success.contains(&answer.status()) => Outcome::Done,
                Ok(answer) => {
                    let fault = refused(&what, &answer, success, secret.as_deref());
                    if fault.kind == FaultKind::Failed {
                        Outcome::Failed(fault)
                    } else {
                        Outcome::Unknown(fault)
                    }
                }
                Err(error) if error.kind.nothing_sent() => Outcome::Failed(fault_of(error)),
                Err(error) => Outcome::Unknown(fault_of(error)),
            }
        })
    }
}

/// Whether it is the item that is meant.
fn is_meant(json: &serde_json::Value, item: &Item) -> bool {
    match json.get(&item.member) {
        None => false,
        Some(serde_json::Value::String(text)) => *text == item.is,
        Some(other) => {
            let text = other.to_string();
            text == item.is
        }
    }
}

/// Does something elsewhere while the fence of the node waits for word of it.
fn while_fenced(
    at: &At<'_>,
    what: &str,
    watch: &Watch<'_>,
    make: impl FnOnce() -> Outcome,
) -> Result<(), Fault> {
    // Where the node can't be reached beside the fence, nothing is begun.
    hold::guard(&at.beside, at.call.run, at.call.epoch)?;
    let name = new_name();
    let record = at
        .node
        .folder
        .effect(at.call.run, at.call.step, at.call.direction);
    let word = record.with_extension("word");
    let job = waiting(&word, &name, what);
    // Of its own: the fence hears by a word that the call was broken off, and not before.
    let stop = Cancel::default();
    let patience = Millis(u64::try_from((watch.left() + GRACE).as_millis()).unwrap_or(u64::MAX));
    thread::scope(|scope| {
        let fence = || Effect::of(at.node, at.call).perform(&job, &Watch::new(patience, &stop));
        let fence = thread::Builder::new()
            .name("fence".to_owned())
            .spawn_scoped(scope, fence);
        let fence = fence.map_err(|error| {
            let what = format!("a thread can't be started: {error}");
            Fault::new(FaultKind::Failed, what)
        })?;
        let waits = loop {
            match is_awaited(at, &word, &name, watch) {
                Ok(false) if fence.is_finished() => break Waits::No,
                Ok(false) => {}
                Ok(true) => break Waits::Yes,
                Err(fault) => break Waits::NotKnown(fault),
            }
        };
        // Nothing was called yet where nobody waits.
        match waits {
            Waits::Yes => {}
            Waits::No => {
                let what = format!("nobody waited for {what}");
                return end(fence, &what).and(Err(Fault::new(FaultKind::Failed, what)));
            }
            Waits::NotKnown(fault) => {
                stop.cancel();
                let fenced = end(fence, what).err();
                let fenced = fenced.filter(|fault| fault.kind == FaultKind::Fenced);
                return Err(fenced.unwrap_or(fault));
            }
        }
        let outcome = make();
        let told = tell(at, &word, &outcome.word(&name));
        let since = Instant::now();
        while told.is_ok() && !fence.is_finished() && since.elapsed() < HEARING {
            thread::sleep(GLANCE);
        }
        if !fence.is_finished() {
            stop.cancel();
        }
        let kept = end(fence, what);
        match outcome {
            Outcome::Failed(fault) | Outcome::Unknown(fault) => Err(fault),
            Outcome::Done => told
                .and(kept.map(|_| ()))
                .map_err(|fault| not_remembered(&fault)),
        }
    })
}

/// What the fence came to.
fn end(fence: ScopedJoinHandle<'_, Result<Outputs, Fault>>, what: &str) -> Result<Outputs, Fault> {
    fence.join().unwrap_or_else(|_| {
        let what = format!("{what} came to no end here");
        Err(Fault::new(FaultKind::LostOutcome, what))
    })
}

/// The work of the fence meanwhile.
fn waiting(word: &Path, name: &str, what: &str) -> Job {
    let script = scripts::word_wait();
    let arguments = [text(word), name.to_owned()];
    Job::files(
        what,
        script.text,
        script.name,
        arguments,
        Zeroizing::default(),
    )
}

/// Whether the fence waits for word, which it soon may.
fn is_awaited(at: &At<'_>, word: &Path, name: &str, watch: &Watch<'_>) -> Result<bool, Fault> {
    watch.check("waiting for the node")?;
    let script = scripts::word_awaited();
    let arguments = [text(word), name.to_owned()];
    let answer = at.beside.look(script, &arguments, &[], 0, watch)?;
    match answer.code {
        0 => Ok(true),
        76 => Ok(false),
        _ => Err(nonsense(script, &answer)),
    }
}

/// Gives word of what came of it, whoever broke it off.
fn tell(at: &At<'_>, word: &Path, what: &str) -> Result<(), Fault> {
    let script = scripts::word_give();
    let watch = Watch::unbroken(TELLING);
    let answer = at
        .beside
        .look(script, &[text(word)], what.as_bytes(), 0, &watch)?;
    match answer.code {
        0 => Ok(()),
        73 => Err(said(&answer.err, "written", at.node.folder.path())),
        _ => Err(nonsense(script, &answer)),
    }
}

fn secret(vault: &Vault, reference: Option<&SecretRef>) -> Result<Option<Arc<Secret>>, Fault> {
    reference.map(|it| vault.secret(it)).transpose()
}

/// A server that answered, and not as it should. It has changed nothing only for whoever asked for what is not there, or
/// may not. What comes with a success may be a secret that nobody knows yet.
fn refused(what: &str, answer: &Answer, success: &[u16], secret: Option<&Secret>) -> Fault {
    let wanted: Vec<String> = success.iter().map(ToString::to_string).collect();
    let status = answer.status();
    let mut text = format!(
        "{what} answered {status} (expected: {})",
        wanted.join(" or ")
    );
    let secrets: Vec<&Secret> = secret.into_iter().collect();
    let said = rest::excerpt(answer.text(), &secrets);
    if !said.is_empty() && status >= 300 {
        text.push_str(": ");
        text.push_str(&said);
    }
    match status {
        401 | 403 => Fault::new(FaultKind::Failed, text)
            .hint("see whether the credentials are the right ones, and what their user may do"),
        400..=407 | 409..=499 => Fault::new(FaultKind::Failed, text),
        _ => Fault::new(FaultKind::LostOutcome, text)
            .hint("see on the server whether it has done what it was asked for"),
    }
}

/// A look that found nothing: that nobody answers is no answer.
fn of_look(error: RestError) -> Fault {
    let away = matches!(
        error.kind,
        RestErrorKind::Silent | RestErrorKind::Cut | RestErrorKind::Proxy
    );
    let mut fault = fault_of(error);
    if away {
        fault.kind = FaultKind::Unreachable;
    } else if fault.kind == FaultKind::LostOutcome {
        fault.kind = FaultKind::Failed;
    }
    fault
}

fn fault_of(error: RestError) -> Fault {
    let kind = match error.kind {
        RestErrorKind::TimedOut => FaultKind::TimedOut,
        RestErrorKind::Cancelled => FaultKind::Cancelled,
        RestErrorKind::BadCredentials => FaultKind::Secret,
        kind if kind.nothing_sent() => FaultKind::Failed,
        _ => FaultKind::LostOutcome,
    };
    let fault = Fault::new(kind, error.what);
    match error.hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// A call for people, without what may follow a question mark.
fn shown(method: Method, url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    match url.rsplit_once('@') {
        Some((_, host)) => format!("{method} {host}"),
        None => format!("{method} {url}"),
    }
}

/// A name that no other attempt has.
fn new_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = jiff::Timestamp::now().as_nanosecond();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{now}-{}-{count}", std::process::id())
}

fn text(path: &Path) -> String {
    PathBuf::from(path).display().to_string()
}
