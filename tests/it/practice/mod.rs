//! The stand-ins of the practice cluster behave as the product does, as far as anybody outside its vendor knows.

mod agents;
pub(crate) mod farm;
mod mesh;
mod refusals;
mod rest;
mod work;
