use clap::Args;

use super::names;
use super::wire::{self, Wired};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::installation::{self, Group, Outcome, What};
use crate::text::visible;
use crate::wiring::Section;

/// Make git, `man` and the shell know `git vsts`
///
/// Writes into git's global configuration, for each organization that is signed in, that `git vsts`
/// is its credential helper; what serves other organizations goes on doing so. `git vsts login` does
/// that part by itself. Then it puts the manual beside this program, where `man` and so
/// `git vsts --help` find it, and the completions where bash and fish look, and says what to tell zsh.
#[derive(Args, Debug)]
pub struct Setup {
    /// Take exactly that back
    #[arg(long, conflicts_with = "all_organizations")]
    undo: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Make git ask for every organization, signed in or not
    ///
    /// For tools that ask for the whole host and name no organization.
    #[arg(long)]
    all_organizations: bool,
}

impl Setup {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        // Neither half needs the other, so what stops one is no reason to leave the other undone.
        let (files, git) = match self.undo {
            true => (self.take_files_back(context), self.take_back(context)),
            false => (self.put_files(context), self.make_git_ask(context)),
        };
        match (files, git) {
            (Err(first), Err(second)) => {
                first.print(&context.ui);
                Err(second)
            }
            (files, git) => files.and(git),
        }
    }

    fn put_files(&self, context: &Context) -> Result<(), Error> {
        let places = context.places()?;
        tell(context, installation::put(&places, self.dry_run)?, self.dry_run);
        if places.manual.is_none() && !cfg!(windows) {
            let program = context.program()?;
            let folder = program.path().parent().unwrap_or(program.path());
            context.ui.status(format_args!(
                "No pages for `man`: they go beside a folder such as ~/.local/bin, and this program is in {}",
                visible(&folder.display().to_string())
            ));
        }
        if context.has_shell("zsh") {
            let lines = places.zsh_lines().join("\n");
            context.ui.status(format_args!(
                "For zsh, put these lines into ~/.zshrc, before any that call compinit:\n{lines}"
            ));
        }
        Ok(())
    }

    fn take_files_back(&self, context: &Context) -> Result<(), Error> {
        let outcomes = installation::take_back(&context.data_directory()?, self.dry_run)?;
        let is_of_zsh = |it: &Outcome| it.group == Group::Zsh && matches!(it.what, What::Removed);
        let was_in_zsh = outcomes.iter().any(is_of_zsh);
        tell(context, outcomes, self.dry_run);
        if was_in_zsh && !self.dry_run && context.has_shell("zsh") {
            let lines = context.places()?.zsh_lines().join("\n");
            context.ui.status(format_args!(
                "These lines of ~/.zshrc were for it; the second may serve other completions:\n{lines}"
            ));
        }
        Ok(())
    }

    fn make_git_ask(&self, context: &Context) -> Result<(), Error> {
        let organizations = names::signed_in(context)?;
        let mut sections = Vec::new();
        for organization in &organizations {
            sections.extend(wire::sections(context, organization)?);
        }
        if self.all_organizations {
            sections.extend(wire::host_sections(context));
        }
        if sections.is_empty() {
            context
                .ui
                .status(format_args!("Nobody is signed in: `git vsts login ORG` sets git up"));
            return Ok(());
        }
        let asked: Vec<String> = match self.all_organizations {
            true => vec!["every organization".to_owned()],
            false => organizations.iter().map(ToString::to_string).collect(),
        };
        let asked = asked.join(", ");
        if self.dry_run {
            return preview(context, &sections);
        }
        let said = match wire::make_git_ask(context, &sections)? {
            Wired::Now(file) => format!("git asks `git vsts` for {asked}: set in {file}"),
            Wired::Already => format!("git asks `git vsts` for {asked} already"),
            Wired::InVain => return Err(Error::printed(Kind::Failed)),
        };
        context.ui.status(format_args!("{said}"));
        if organizations.is_empty() && context.environment.token().is_ok_and(|it| it.is_none()) {
            context.ui.warning(format_args!("nobody is signed in, so git gets nothing there"));
            context
                .ui
                .hint(format_args!("sign in with `git vsts login ORG`, or set `GIT_VSTS_PAT`"));
        }
        Ok(())
    }

    fn take_back(&self, context: &Context) -> Result<(), Error> {
        if self.dry_run {
            return preview_undo(context);
        }
        match wire::unwire(context, |_| true)? {
            Some(file) => context
                .ui
                .status(format_args!("git no longer asks `git vsts`: taken out of {file}")),
            None => context.ui.status(format_args!("git's configuration has nothing of ours")),
        }
        warn_of_lines(context)
    }
}

/// Says what would be written, in git's own form, so that it can be put there in another way.
fn preview(context: &Context, sections: &[Section]) -> Result<(), Error> {
    let (file, lines) = wire::preview(context, sections)?;
    if lines.is_empty() {
        context.ui.status(format_args!("Nothing would be changed in {file}"));
        return Ok(());
    }
    context.ui.status(format_args!("Would be put at the end of {file}:"));
    context.ui.out(format_args!("{}", lines.trim_end()))?;
    Ok(())
}

/// Names what goes on running this program, since somebody wrote it by hand.
fn warn_of_lines(context: &Context) -> Result<(), Error> {
    let Some((file, text)) = wire::global_text(context)? else { return Ok(()) };
    for line in text.written_by_others() {
        context.ui.warning(format_args!(
            "{file}, line {line} runs `git vsts` and was written by hand: left as it is"
        ));
    }
    Ok(())
}

/// Says which sections would be taken out.
fn preview_undo(context: &Context) -> Result<(), Error> {
    let there = wire::global_text(context)?.map(|(file, text)| (file, text.sections()));
    let Some((file, sections)) = there.filter(|(_, sections)| !sections.is_empty()) else {
        context.ui.status(format_args!("git's configuration has nothing of ours"));
        return warn_of_lines(context);
    };
    context.ui.status(format_args!("Would be taken out of {file}:"));
    for section in sections {
        context.ui.out(format_args!("[credential \"{}\"]", visible(&section.url)))?;
    }
    warn_of_lines(context)
}

/// Files of one kind in one folder, of which there is the same to say.
struct Told {
    group: Group,
    folder: String,
    said: Said,
    number: usize,
}

#[derive(PartialEq, Eq)]
enum Said {
    Put,
    Removed,
    Refused(String),
}

/// What became of the files, in a line for those of one kind.
fn tell(context: &Context, outcomes: Vec<Outcome>, is_dry: bool) {
    let mut told: Vec<Told> = Vec::new();
    for Outcome { group, path, what } in outcomes {
        let shown = visible(&path.display().to_string());
        let said = match what {
            What::Put | What::Replaced => Said::Put,
            What::Removed => Said::Removed,
            What::Refused(error) => Said::Refused(error.to_string()),
            What::AsItShouldBe | What::SomebodyElsesSame => {
                context.ui.detail(format_args!("{shown} is as it should be"));
                continue;
            }
            What::Gone => continue,
            What::SomebodyElses => {
                context.ui.warning(format_args!("{shown} is another program's: left as it is"));
                continue;
            }
            What::Changed => {
                context.ui.warning(format_args!("{shown} was changed since: left as it is"));
                continue;
            }
        };
        let folder = path.parent().map(|it| visible(&it.display().to_string())).unwrap_or_default();
        let same = |met: &&mut Told| met.group == group && met.folder == folder && met.said == said;
        match told.iter_mut().find(same) {
            Some(met) => met.number += 1,
            None => told.push(Told { group, folder, said, number: 1 }),
        }
    }
    for Told { group, folder, said, number } in told {
        let what = match group {
            Group::Manual if number == 1 => "1 page for `man`".to_owned(),
            Group::Manual => format!("{number} pages for `man`"),
            Group::Bash => "the completion for bash".to_owned(),
            Group::Fish => "the completion for fish".to_owned(),
            Group::Zsh => "the completion for zsh".to_owned(),
        };
        let line = match (said, is_dry) {
            (Said::Put, false) => format!("Put {what} into {folder}"),
            (Said::Put, true) => format!("Would put {what} into {folder}"),
            (Said::Removed, false) => format!("Removed {what} from {folder}"),
            (Said::Removed, true) => format!("Would remove {what} from {folder}"),
            (Said::Refused(reason), _) => {
                context.ui.warning(format_args!("can't change {what} in {folder}: {reason}"));
                continue;
            }
        };
        context.ui.status(format_args!("{line}"));
    }
}
