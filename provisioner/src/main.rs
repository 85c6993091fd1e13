//! The command line of `prov`.

fn main() {}
