//! The `glassloop` command. All of it is in the library: see [`glassloop::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    glassloop::cli::main()
}
