use clap::{Args, ValueEnum};

use crate::context::Context;
use crate::error::Error;
use crate::installation::{self, completion};

/// Print the completion script of a shell
///
/// With it the shell completes commands, options, the organizations that are signed in, and the
/// remotes and branches of the repository here, for `git vsts` as for `git-vsts`. `git vsts setup`
/// puts the scripts where bash and fish look for them.
#[derive(Args, Debug)]
pub struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Completions {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let shell = match self.shell {
            Shell::Bash => installation::Shell::Bash,
            Shell::Zsh => installation::Shell::Zsh,
            Shell::Fish => installation::Shell::Fish,
            Shell::Powershell => installation::Shell::Powershell,
        };
        Ok(context.ui.out_bytes(completion(shell).as_bytes())?)
    }
}
