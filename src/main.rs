//! The `glassloop` command.
fn main() {}
