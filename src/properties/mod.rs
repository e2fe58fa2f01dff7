//! A lossless tree of a Java `.properties` file: parse, look up, edit, diff.
