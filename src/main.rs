//! Lends the real process to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(git_vsts::cli::run(std::env::args_os()))
}
