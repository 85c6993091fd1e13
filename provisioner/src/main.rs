//! The command `prov`.

use std::process::ExitCode;

fn main() -> ExitCode {
    prov::cli::main()
}
