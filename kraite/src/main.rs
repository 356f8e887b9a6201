//! The `kraite` command.

fn main() {}
