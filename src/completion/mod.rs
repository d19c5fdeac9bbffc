//! What a shell is told when it asks how a line goes on.
//!
//! The scripts of `completions/` ask, through what clap_complete's engine prints for them to read
//! (`_GIT_VSTS_COMPLETE=bash git-vsts`). Commands, options and fixed values come from the definition of the
//! command line; which other names go where is told by the name of the value: an `ORG` is an
//! organization that is signed in, a `REMOTE` and a `REFSPEC` are of the repository here.
//!
//! An answer is all that is ever printed. Nobody is asked, nothing is unlocked, no server is called,
//! and what is not known in a second is left out.

mod line;
mod shells;

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::context::{Context, Environment, SystemClock};
use crate::error::Error;
use crate::repository::Repository;
use crate::text::visible;
use crate::ui::{Settings, Ui};
use line::Line;

/// What a shell names itself in. clap_complete's own `COMPLETE` may be set for another program, and would make this
/// one do nothing else.
const VARIABLE: &str = "_GIT_VSTS_COMPLETE";
/// A person has pressed a key and waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers a shell, if it is one that runs this process. `definition` is the command line's.
pub fn answer(
    definition: fn() -> clap::Command,
    arguments: &[OsString],
    environment: &Environment,
) -> bool {
    let Some(shell) = environment.raw(VARIABLE) else { return false };
    // Where the variable has leaked, a command is a command: git would take a script for an answer of the helper.
    let is_question = arguments.get(1).is_none_or(|argument| argument == "--");
    if !is_question || !shells::knows(Path::new(shell)) {
        return false;
    }
    // A message in the middle of a line that somebody types helps nobody.
    panic::set_hook(Box::new(|_| {}));
    let printed = panic::catch_unwind(|| print(definition, arguments, environment));
    drop(printed);
    true
}

fn print(
    definition: fn() -> clap::Command,
    arguments: &[OsString],
    environment: &Environment,
) -> Result<(), clap::Error> {
    let directory = std::env::current_dir()?;
    let mut arguments = arguments.to_vec();
    // `git-vsts -- WORD…` asks; without words it is asked what to ask.
    let words = arguments.get(2..).unwrap_or_default();
    let Some(line) = Line::read(words, &directory, environment.raw("HOME")) else { return Ok(()) };
    arguments.splice(2.min(arguments.len()).., line.words.iter().cloned());
    let here = Arc::new(Here {
        environment: environment.clone(),
        directory: line.directory.clone(),
        git_dir: line.git_dir(),
    });
    let number = |text: &str| text.parse().ok();
    let question = shells::Question {
        index: environment.get("_CLAP_COMPLETE_INDEX").and_then(number),
        left_out: line.left_out,
        separator: environment.raw("_CLAP_IFS").and_then(OsStr::to_str).map(str::to_owned),
    };
    shells::with(&question, |shells| {
        CompleteEnv::with_factory(|| named(definition(), &here))
            .var(VARIABLE)
            .bin("git-vsts")
            .shells(shells)
            .try_complete(arguments, Some(&directory))
            .map(drop)
    })?;
    // Nobody reads on, so nobody is told.
    let _ = std::io::stdout().flush();
    Ok(())
}

/// The definition, with what each named value can be.
fn named(definition: clap::Command, here: &Arc<Here>) -> clap::Command {
    let names: Vec<String> =
        definition.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(definition, |definition, name| {
        definition.mut_subcommand(name, |command| {
            command.mut_args(|argument| {
                let value = argument.get_value_names().and_then(|names| names.first());
                match value.and_then(|name| completer(name.as_str(), here)) {
                    Some(completer) => argument.add(completer),
                    None => argument,
                }
            })
        })
    })
}

fn completer(value: &str, here: &Arc<Here>) -> Option<ArgValueCompleter> {
    let complete: fn(&Here, &str) -> Vec<CompletionCandidate> = match value {
        "ORG" => organizations,
        "TARGET" => targets,
        "REMOTE" => remotes,
        "REFSPEC" => refspecs,
        _ => return None,
    };
    let here = Arc::clone(here);
    Some(ArgValueCompleter::new(move |current: &OsStr| {
        let Some(current) = current.to_str().map(str::to_owned) else { return Vec::new() };
        let here = Arc::clone(&here);
        in_time(move || complete(&here, &current))
    }))
}

/// What is found within [`PATIENCE`]. A thread that hangs ends with the process.
fn in_time(
    find: impl FnOnce() -> Vec<CompletionCandidate> + Send + 'static,
) -> Vec<CompletionCandidate> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(find()));
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

/// Where the line would be run.
struct Here {
    environment: Environment,
    directory: PathBuf,
    git_dir: Option<PathBuf>,
}

impl Here {
    fn context(&self) -> Result<Context, Error> {
        let ui = Ui::process(Settings { quiet: true, no_input: true, ..Settings::default() });
        let clock = Box::new(SystemClock);
        let context = Context::new(ui, self.environment.clone(), clock, self.directory.clone())?;
        // As for git: nothing is unlocked, and nothing is warned of.
        context.answer_git();
        Ok(context)
    }

    fn repository(&self, context: &Context) -> Result<Option<Repository>, Error> {
        match &self.git_dir {
            Some(git_dir) => Ok(Repository::find(git_dir)?),
            None => context.repository(),
        }
    }
}

fn organizations(here: &Here, current: &str) -> Vec<CompletionCandidate> {
    let find = || {
        let context = here.context()?;
        let accounts = context.keychain()?.accounts()?;
        let organization = |key: &String| context.service.organization(key).ok();
        Ok(accounts.iter().filter_map(organization).map(|it| it.to_string()).collect())
    };
    candidates(find().unwrap_or_else(|_: Error| Vec::new()), current)
}

/// The organizations of a target; projects and repositories would have to be asked for.
fn targets(here: &Here, current: &str) -> Vec<CompletionCandidate> {
    let organizations = organizations(here, "").into_iter();
    let names =
        organizations.filter_map(|it| it.get_value().to_str().map(|name| format!("{name}/")));
    // A Server's is an address, behind which comes another form.
    candidates(names.filter(|name| !name.contains(':')).collect(), current)
}

/// The remotes that are at Azure DevOps, with where each is: there is nothing to push to others.
fn remotes(here: &Here, current: &str) -> Vec<CompletionCandidate> {
    let find = || {
        let context = here.context()?;
        let Some(repository) = here.repository(&context)? else { return Ok(Vec::new()) };
        let read = |remote: &crate::repository::Remote| {
            let url = context.service.remote(&remote.push_url).ok()?;
            is_typeable(&remote.name).then(|| {
                let at = format!("{}/{}/{}", url.organization, url.project, url.repository);
                CompletionCandidate::new(&remote.name).help(Some(visible(&at).into()))
            })
        };
        // git would have to be started for its own view, and somebody waits.
        let remotes = repository.remotes(&repository.own_configuration()?);
        Ok(remotes.iter().filter_map(read).collect())
    };
    let mut found: Vec<CompletionCandidate> = find().unwrap_or_else(|_: Error| Vec::new());
    found.retain(|it| it.get_value().as_encoded_bytes().starts_with(current.as_bytes()));
    found
}

/// The branches here, on either side of the colon.
fn refspecs(here: &Here, current: &str) -> Vec<CompletionCandidate> {
    let typed = match current.rfind(':') {
        Some(colon) => &current[..=colon],
        None if current.starts_with('+') => "+",
        None => "",
    };
    let find = || {
        let context = here.context()?;
        let Some(repository) = here.repository(&context)? else { return Ok(Vec::new()) };
        Ok(repository.branch_names(&current[typed.len()..])?)
    };
    let names = find().unwrap_or_else(|_: Error| Vec::new());
    let names = names.into_iter().filter(|name| is_typeable(name));
    candidates(names.map(|name| format!("{typed}{name}")).collect(), current)
}

fn candidates(names: Vec<String>, current: &str) -> Vec<CompletionCandidate> {
    let names = names.into_iter().filter(|name| name.starts_with(current));
    names.filter(|name| visible(name) == *name).map(CompletionCandidate::new).collect()
}

/// Whether a name that others chose would be read as that name: not as an option, nor as a refspec
/// that forces. What a shell would do with it is the shell's ([`shells`]).
fn is_typeable(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['-', '+']) && visible(name) == name
}
