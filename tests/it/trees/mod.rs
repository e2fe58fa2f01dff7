//! `push`: trees brought to nodes, judged by a program that is not ours.

mod in_place;
mod kills;
mod lab;
mod landing;
mod many;
mod mounts;
mod options;
mod random;
mod stays;
