//! `push`: trees brought to nodes, judged by a program that is not ours.

mod from;
mod kills;
mod lab;
mod landing;
mod lines;
mod many;
mod random;
mod stays;
