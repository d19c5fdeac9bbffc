use clap::Args;

use super::{names, wire};
use crate::context::Context;
use crate::error::Error;
use crate::text::visible;
use crate::wiring::Section;

/// Make git ask `git vsts` for the organizations that are signed in
///
/// Writes into git's global configuration, for each organization, that `git vsts` is its credential
/// helper; what serves other organizations goes on doing so. `git vsts login` does it by itself.
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
        match self.undo {
            true => self.take_back(context),
            false => self.set_up(context),
        }
    }

    fn set_up(&self, context: &Context) -> Result<(), Error> {
        let organizations = names::signed_in(context)?;
        let mut sections = Vec::new();
        for organization in &organizations {
            sections.extend(wire::sections(context, organization)?);
        }
        if self.all_organizations {
            sections.extend(wire::host_sections(context));
        }
        if sections.is_empty() {
            context.ui.status(format_args!(
                "Nobody is signed in, so there is nothing for git to ask for; `git vsts login ORG` signs in and sets git up"
            ));
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
        let said = match wire::wire(context, &sections)? {
            Some(file) => format!("git asks `git vsts` for {asked}: set in {file}"),
            None => format!("git asks `git vsts` for {asked} already"),
        };
        context.ui.status(format_args!("{said}"));
        Ok(())
    }

    fn take_back(&self, context: &Context) -> Result<(), Error> {
        if self.dry_run {
            let file = context.global_file()?;
            let sections = file.read()?.sections();
            if !sections.is_empty() {
                context.ui.status(format_args!("Would be taken out of {file}:"));
            }
            for section in sections {
                context.ui.out(format_args!("[credential \"{}\"]", visible(&section.url)))?;
            }
            return Ok(());
        }
        match wire::unwire(context, |_| true)? {
            Some(file) => context
                .ui
                .status(format_args!("git no longer asks `git vsts`: taken out of {file}")),
            None => context.ui.status(format_args!("git's configuration has nothing of ours")),
        }
        Ok(())
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
