//! HCL/IBM UrbanCode Deploy.
//!
//! | file | what is in it |
//! |---|---|
//! | [`vendor`] | paths, keys, calls and titles of pages, each once |
//! | [`cluster`] | the servers as the cluster file has them |
//! | [`facts`] | what is asked of them, and what was found |
//! | [`cycle`] | a server out of service and back: the steps that every verb shares |
//! | [`restart`] | `restart`, `start`, `stop` |
//! | [`status`] | `status` |

pub mod cluster;
pub mod cycle;
pub mod facts;
pub mod restart;
pub mod status;
pub mod vendor;
