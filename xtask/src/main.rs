//! tidy.
fn main() {}
