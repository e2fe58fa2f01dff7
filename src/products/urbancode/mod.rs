//! HCL/IBM UrbanCode Deploy.
//!
//! | file | what is in it |
//! |---|---|
//! | [`vendor`] | paths, keys, calls and titles of pages, each once |
//! | [`cluster`] | the servers as the cluster file has them |
//! | [`facts`] | what is asked of them, and what was found |
//! | [`cycle`] | a server out of service and back: the steps that every verb shares |
//! | `turn` | servers one after the other, at themselves and at their balancers |
//! | [`rules`] | what the vendor does not allow |
//! | [`restart`] | `restart`, `start`, `stop` |
//! | [`convert`] | `convert` |
//! | [`connections`] | the cluster connections, as they were found |
//! | [`connect`] | `connect` |
//! | [`status`] | `status` |

pub mod cluster;
pub mod connect;
pub mod connections;
pub mod convert;
pub mod cycle;
pub mod facts;
pub mod restart;
pub mod rules;
pub mod status;
mod turn;
pub mod vendor;
