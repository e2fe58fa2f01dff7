//! How patient a verb is that takes servers out of the balancer's pools.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::global::length;
use super::refusal::Refusal;
use crate::config::Balancer;
use crate::plan::Millis;
use crate::primitives::balance::Drain;

/// How patiently servers are taken out.
#[derive(Debug, Clone, Args)]
pub(super) struct Draining {
    /// For how long a server must have had no request, instead of `drain_grace`.
    #[arg(long, value_name = "TIME", value_parser = length)]
    grace: Option<Duration>,

    /// How long that may take, instead of `drain_timeout`.
    #[arg(long, value_name = "TIME", value_parser = length)]
    within: Option<Duration>,

    /// What becomes of a server that still has requests or work when the time is up.
    #[arg(long, value_name = "WHAT", value_enum, default_value = "abort")]
    on_drain_timeout: OnDrainTimeout,

    /// How many servers must serve in each pool meanwhile, instead of `min_in_service`.
    #[arg(long, value_name = "N")]
    min_in_service: Option<u32>,
}

/// What becomes of a server that still has requests or work when the time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnDrainTimeout {
    /// It stays, and goes back to where it was.
    Abort,
    /// It goes all the same, and what it was at may be lost.
    AcceptLoss,
}

impl Draining {
    /// Refuses a wait that would be in vain.
    pub(super) fn check(&self, balancer: Option<&Balancer>) -> Result<(), Refusal> {
        let drain = self.at(balancer);
        if balancer.is_none() || drain.within >= drain.grace + Duration::from_secs(2) {
            return Ok(());
        }
        let what = format!(
            "a server can hardly be seen to have had no request for {} within {}",
            Millis::from(drain.grace),
            Millis::from(drain.within)
        );
        Err(Refusal::usage(what)
            .hint("--within TIME   (longer than --grace by two seconds and more)"))
    }

    /// Whether what is left when the time is up may be lost.
    pub(super) fn accepts_loss(&self) -> bool {
        self.on_drain_timeout == OnDrainTimeout::AcceptLoss
    }

    /// The same for a balancer, whose own settings hold where nothing was given.
    pub(super) fn at(&self, balancer: Option<&Balancer>) -> Drain {
        let own = |get: fn(&Balancer) -> Duration| balancer.map(get).unwrap_or_default();
        Drain {
            grace: self.grace.unwrap_or_else(|| own(|it| it.drain_grace.get())),
            within: self
                .within
                .unwrap_or_else(|| own(|it| it.drain_timeout.get())),
            accepts_loss: self.accepts_loss(),
            others: self
                .min_in_service
                .unwrap_or_else(|| balancer.map_or(0, |it| it.min_in_service)),
        }
    }
}
