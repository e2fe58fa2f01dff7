//! The stand-ins of the practice cluster behave as the product does, as far as anybody outside its vendor knows.

mod farm;
mod mesh;
mod refusals;
mod rest;
mod work;
