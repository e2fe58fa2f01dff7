//! `push`: trees brought to nodes, judged by a program that is not ours.

mod attributes;
mod between;
mod closed;
mod direct;
mod from;
mod in_place;
mod kills;
mod lab;
mod landing;
mod lines;
mod many;
mod meanwhile;
mod mounts;
mod options;
mod paces;
mod random;
mod room;
mod stays;
mod sums;
mod undone;
mod zips;
