//! The command line.

use std::ffi::OsString;
use std::io::Write as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::commands::{
    clone, completions, credential, init, login, logout, push, remote_add, setup, status,
};
use crate::context::{Context, Environment, SystemClock};
use crate::credential::looks_like_token;
use crate::error::{Error, Kind};
use crate::ui::{Color, Interrupt, Settings, Ui};

/// The part of the help that is not about arguments.
const ENVIRONMENT: &str = "\
Environment:
  GIT_VSTS_PAT                   A token to use instead of what is kept, never stored
  GIT_VSTS_ORG, GIT_VSTS_PROJECT The organization and the project where none is named
  GIT_VSTS_STORE                 Where credentials are kept: keychain, file or none
  CI, GIT_TERMINAL_PROMPT=0      Nothing is asked

`git vsts COMMAND --help` says more of a command, `man git-vsts-COMMAND` the most.";

/// Connect a repository to Azure DevOps
///
/// From any repository, `git vsts push` ends with the work in a repository of Azure DevOps: it
/// signs you in, makes the repository if need be, adds the remote, and pushes.
#[derive(Debug, Parser)]
#[command(name = "git-vsts", bin_name = "git vsts", version, arg_required_else_help = true)]
#[command(after_help = ENVIRONMENT)]
#[command(infer_long_args = false, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// What every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Global {
    /// Print no notes and no progress; the result, warnings and errors stay
    #[arg(short, long, global = true, help_heading = "On every command")]
    quiet: bool,
    /// Print more of what is done (can be repeated)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "On every command")]
    verbose: u8,
    /// Never ask; what is missing is an error
    ///
    /// Also when stdin or stderr is no terminal, and with `GIT_TERMINAL_PROMPT=0` or `CI` in the
    /// environment.
    #[arg(long, global = true, help_heading = "On every command")]
    no_input: bool,
    /// Whether to colour messages
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = When::Auto, help_heading = "On every command")]
    color: When,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Login(login::Login),
    Logout(logout::Logout),
    Status(status::Status),
    Init(init::Init),
    RemoteAdd(remote_add::RemoteAdd),
    Push(push::Push),
    Clone(clone::Clone),
    Setup(setup::Setup),
    Completions(completions::Completions),
    // Nobody types it.
    Credential(credential::Credential),
}

impl Command {
    fn run(&self, context: &Context) -> Result<(), Error> {
        match self {
            Self::Login(login) => login.run(context),
            Self::Logout(logout) => logout.run(context),
            Self::Status(status) => status.run(context),
            Self::Init(init) => init.run(context),
            Self::RemoteAdd(remote_add) => remote_add.run(context),
            Self::Push(push) => push.run(context),
            Self::Clone(clone) => clone.run(context),
            Self::Setup(setup) => setup.run(context),
            Self::Completions(completions) => completions.run(context),
            Self::Credential(credential) => credential.run(context),
        }
    }
}

/// The definition of the command line, of which the manual and the completions are made.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line of this process, and gives its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = Environment::process();
    if crate::completion::answer(command, &arguments, &environment) {
        return 0;
    }
    if let Some(status) = refuse_token(&arguments) {
        return status;
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        // clap repeats what it does not understand.
        Err(_) if holds_password(&arguments) => return refuse_password(),
        Err(error) => return usage(error, &arguments),
    };
    let ui = Ui::process(cli.global.settings(&environment));
    crate::context::keep_secrets_out_of_dumps();
    match cli.run(ui, environment) {
        Ok(()) => 0,
        Err(status) => status,
    }
}

impl Cli {
    fn run(&self, ui: Ui, environment: Environment) -> Result<(), u8> {
        let shown = ui.clone();
        let end = |error: Error| {
            error.print(&shown);
            end_by_signal(&error);
            error.kind().status()
        };
        Interrupt::install().map_err(|error| end(error.into()))?;
        let directory = std::env::current_dir().map_err(|error| {
            end(Error::new(Kind::Failed, error).context("the current directory is gone"))
        })?;
        let context =
            Context::new(ui, environment, Box::new(SystemClock), directory).map_err(end)?;
        self.command.run(&context).map_err(end)
    }
}

/// Ends by the signal that ended the work, so that the shell sees it.
fn end_by_signal(error: &Error) {
    if let (Kind::Interrupted(signal), Ok(interrupt)) = (error.kind(), Interrupt::install()) {
        interrupt.end(signal);
    }
}

impl Global {
    fn settings(self, environment: &Environment) -> Settings {
        Settings {
            quiet: self.quiet,
            verbose: self.verbose,
            no_input: self.no_input || environment.is_unattended(),
            color: match self.color {
                When::Auto => Color::Auto,
                When::Always => Color::Always,
                When::Never => Color::Never,
            },
            no_color_env: environment.get("NO_COLOR").is_some(),
            dumb_terminal: environment.get("TERM") == Some("dumb"),
            width: None,
        }
    }
}

/// Prints clap's own words: help and version to stdout, the rest to stderr.
fn usage(error: clap::Error, arguments: &[OsString]) -> u8 {
    let command = command_of(arguments);
    if command == Some("login") && quotes_a_value(&error) {
        let _ = writeln!(
            std::io::stderr(),
            "error: `git vsts login` takes one organization; what else was given may be a token, and is not repeated\n\
             hint: if it is one, revoke it and make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`"
        );
        return Kind::Usage.status();
    }
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A closed pipe is no reason to complain.
        let _ = error.print();
        return 0;
    }
    let error = advised(error, command);
    // git takes `git vsts --help` for itself, and shows a manual page.
    let text = error.render().to_string().replace("try '--help'", "try `-h`");
    let _ = write!(std::io::stderr(), "{text}");
    Kind::Usage.status()
}

/// The command of a line that clap may not understand.
fn command_of(arguments: &[OsString]) -> Option<&str> {
    let is_option = |argument: &&OsString| argument.as_encoded_bytes().starts_with(b"-");
    arguments.iter().skip(1).find(|argument| !is_option(argument))?.to_str()
}

/// Replaces what clap advises where that misleads.
fn advised(mut error: clap::Error, command: Option<&str>) -> clap::Error {
    const BEHIND: &str = "TARGET comes before ` -- `, and options of `git clone` behind it: \
                          `git vsts clone contoso/shop/web -- --depth 1`";
    match (command, error.kind()) {
        (Some("clone"), ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument) => {
            let tip = ContextValue::StyledStrs(vec![BEHIND.into()]);
            error.insert(ContextKind::Suggested, tip);
        }
        // The names of shells resemble each other.
        (Some("completions"), ErrorKind::InvalidValue) => {
            error.remove(ContextKind::SuggestedValue);
        }
        _ => {}
    }
    error
}

/// Whether clap would repeat a value that it does not know what to do with.
fn quotes_a_value(error: &clap::Error) -> bool {
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(met))) => !met.starts_with('-'),
        (ErrorKind::TooManyValues, _) => true,
        _ => false,
    }
}

/// Refuses what looks like a token among the arguments, without repeating it: everybody on this
/// computer can read them, and a shell keeps them.
fn refuse_token(arguments: &[OsString]) -> Option<u8> {
    let is_token = |argument: &OsString| {
        argument.to_str().is_some_and(|text| holds_token(text) || text.starts_with("--pat="))
    };
    arguments.iter().any(is_token).then(|| {
        let _ = writeln!(
            std::io::stderr(),
            "error: a token is never an argument: everybody on this computer can read it there\n\
             hint: revoke it, make another, and paste it when `git vsts login ORG --pat` asks, or pipe it to `--pat-stdin`"
        );
        Kind::Usage.status()
    })
}

fn holds_password(arguments: &[OsString]) -> bool {
    let holds = |argument: &OsString| {
        let text = argument.to_string_lossy();
        text.contains("://") && crate::remote::holds_password(&text)
    };
    arguments.iter().any(holds)
}

fn refuse_password() -> u8 {
    let _ = writeln!(
        std::io::stderr(),
        "error: this command is not understood, and a URL in it holds a password\n\
         hint: whoever saw the URL has the password: revoke it where it was made, and leave it out of the URL"
    );
    Kind::Usage.status()
}

/// Whether a text holds what looks like a token, alone, behind `--option=` or within a URL. Nothing
/// else that an argument can be has its form.
fn holds_token(text: &str) -> bool {
    text.split(|character: char| !character.is_ascii_alphanumeric()).any(looks_like_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tokens_are_told_from_other_arguments() {
        let new = format!("{}JQQJ99AKACAAAAAAAAAAAAAASAZDO1a2b", "A".repeat(51));
        assert_eq!(new.len(), 84);
        for (text, is_token) in [
            (&*new, true),
            (&format!("--pat={new}"), true),
            (&format!("ada:{new}"), true),
            (&format!("https://ada:{new}@dev.azure.com/contoso"), true),
            (&format!("https://{new}@dev.azure.com/contoso"), true),
            (&"a2".repeat(26), true),
            (&"A".repeat(84), false),
            (&"0".repeat(40), false),
            (&"0".repeat(64), false),
            ("main", false),
        ] {
            assert_eq!(holds_token(text), is_token, "{text}");
        }
    }
}
