//! The balancer: a real HAProxy, with servers behind it and users before it.

mod check;
mod drain;
pub(crate) mod haproxy;
mod runbook;
mod troubles;
mod ways;
