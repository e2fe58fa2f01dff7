//! Balancers: what is said to them, and what their answers mean.
//!
//! HAProxy is spoken to by its runtime interface, the `stats socket` of its configuration: [`haproxy`] makes the lines
//! and reads the answers. Whoever has a connection to the machine on which it listens carries them there and back. This
//! room knows no plan, no node and no network.

pub mod haproxy;
