//! That git asks this program for the credential of an organization.

mod effect;

use std::path::Path;

use super::names;
use crate::context::Context;
use crate::error::Error;
use crate::remote::Organization;
use crate::repository::GitError;
use crate::wiring::{self, GlobalFile, Reach, Section, Spot, Text};

use effect::Effect;

/// What became of making git ask this program.
pub enum Wired {
    /// It asks, as it did.
    Already,
    /// It asks, since this file was changed.
    Now(GlobalFile),
    /// It does not ask for all that it should, as was warned of.
    InVain,
}

/// In how many spellings an organization is written into the user's file. People use one or two; whoever made the
/// repository here could use a hundred.
const MOST_SPELLINGS: usize = 4;

/// The sections that make git ask for an organization: by the address of it that is given, by those
/// that remotes here have, since git compares paths with case, and by its older host.
///
/// Names come decoded, as git compares them, so each way of writing one down is one section.
///
/// # Errors
/// The remotes of the repository here can't be read.
pub fn sections(context: &Context, organization: &Organization) -> Result<Vec<Section>, Error> {
    let mut spellings = vec![organization.url()];
    // One that is somebody else's has no say, and is no hindrance.
    if let Ok(Some(repository)) = context.repository() {
        let remotes = names::azure_remotes(context, &repository)?.into_iter();
        let here = remotes.map(|remote| remote.url.organization);
        for url in here.filter(|it| it == organization).map(|it| it.url()) {
            if !spellings.contains(&url) {
                spellings.push(url);
            }
        }
    }
    spellings.truncate(MOST_SPELLINGS);
    let urls = spellings.into_iter().chain(organization.own_host_url());
    Ok(urls.map(|url| Section { url, reach: Reach::Organization }).collect())
}

/// The sections that make git ask for every organization of the service.
pub fn host_sections(context: &Context) -> Vec<Section> {
    let patterns = context.service.host_patterns().into_iter();
    patterns.map(|url| Section { url, reach: Reach::Host }).collect()
}

/// Makes git ask this program, and warns of what it does otherwise.
///
/// # Errors
/// git's global configuration can't be changed, or this program is not one to run from there.
pub fn make_git_ask(context: &Context, sections: &[Section]) -> Result<Wired, Error> {
    let program = context.program()?;
    program.check()?;
    let helper = program.helper()?;
    let file = context.global_file()?;
    let put = |text: &mut Text| sections.iter().for_each(|section| text.add(section, &helper));
    let wish = Wish { context, file: &file, sections, helper: &helper };
    let mut changed = wish.edit(put)?;
    let mut effect = Effect::read(context, &file, sections, &helper)?;
    if !effect.is_as_meant() {
        // What stands after ours in the same file no longer does when ours is put at the end again.
        let renew = |text: &mut Text| {
            for section in sections.iter().filter(|it| !text.is_last(&it.url)).collect::<Vec<_>>() {
                text.renew(section, &helper);
            }
        };
        if wish.edit(renew)? {
            changed = true;
            effect = Effect::read(context, &file, sections, &helper)?;
        }
        effect.warn(context);
    }
    if changed {
        warn_of_spot(context, &program);
    }
    Ok(match (effect.is_asked(), changed) {
        (false, _) => Wired::InVain,
        (true, false) => Wired::Already,
        (true, true) => Wired::Now(file),
    })
}

/// Makes git ask for an organization in the spelling of a URL that was written here, where it asks for it in another:
/// git compares paths with case. Says whether it was ever told to ask for it.
///
/// # Errors
/// As [`make_git_ask`].
pub fn cover(context: &Context, organization: &Organization) -> Result<bool, Error> {
    let Some((_, text)) = global_text(context)? else { return Ok(false) };
    let there = text.sections();
    let url = organization.url();
    if there.iter().any(|section| section.reach == Reach::Host || section.url == url) {
        return Ok(true);
    }
    if !there.iter().any(|section| is_for(context, section, organization)) {
        return Ok(false);
    }
    make_git_ask(context, &[Section { url, reach: Reach::Organization }])?;
    Ok(true)
}

/// Takes the sections of ours that are chosen out again, and gives the file if that was changed.
///
/// # Errors
/// git's global configuration can't be changed.
pub fn unwire(
    context: &Context,
    chosen: impl Fn(&Section) -> bool,
) -> Result<Option<GlobalFile>, Error> {
    let Some((file, _)) = global_text(context)? else { return Ok(None) };
    let take_out = |text: &mut Text| {
        text.remove(&chosen);
    };
    // What git makes of the rest of the file is as it was.
    let changed = edit(context, &file, take_out, |_| Ok(()), undo_advice)?;
    Ok(changed.then_some(file))
}

/// git's global file and what is in it; none where the environment has git read none.
///
/// # Errors
/// It can't be read.
pub fn global_text(context: &Context) -> Result<Option<(GlobalFile, Text)>, Error> {
    match context.global_file().and_then(|file| file.read().map(|text| (file, text))) {
        Err(wiring::Error::SwitchedOff | wiring::Error::NamedNoFile { .. }) => Ok(None),
        read => Ok(Some(read?)),
    }
}

/// Whether a section is one for an organization, by whatever address of it.
pub fn is_for(context: &Context, section: &Section, organization: &Organization) -> bool {
    section.reach == Reach::Organization
        && context.service.organization(&section.url).is_ok_and(|it| it == *organization)
}

/// What [`make_git_ask`] would put at the end of the file, in git's own form; empty if nothing.
///
/// # Errors
/// As [`make_git_ask`].
pub fn preview(context: &Context, sections: &[Section]) -> Result<(GlobalFile, String), Error> {
    let program = context.program()?;
    program.check()?;
    let helper = program.helper()?;
    let file = context.global_file()?;
    let before = file.read()?;
    let mut new = Text::new(b"");
    for section in sections {
        let mut after = before.clone();
        after.add(section, &helper);
        if after != before {
            new.add(section, &helper);
        }
    }
    let new = new.into_bytes();
    if !new.is_empty() {
        warn_of_spot(context, &program);
    }
    Ok((file, String::from_utf8_lossy(&new).into_owned()))
}

fn edit(
    context: &Context,
    file: &GlobalFile,
    change: impl Fn(&mut Text),
    check: impl FnOnce(&Path) -> Result<(), wiring::Error>,
    advise: impl Fn(wiring::Error) -> Error,
) -> Result<bool, Error> {
    let pause = |time| context.clock.sleep(time);
    context.whole(|| file.edit(&pause, &change, check).map_err(advise))
}

/// The sections of [`make_git_ask`], changed in the file.
struct Wish<'w> {
    context: &'w Context,
    file: &'w GlobalFile,
    sections: &'w [Section],
    helper: &'w [u8],
}

impl Wish<'_> {
    fn edit(&self, change: impl Fn(&mut Text)) -> Result<bool, Error> {
        edit(self.context, self.file, change, |written| self.check(written), Error::from)
    }

    /// Whether git reads what was written, and in it the helpers of the sections: an empty one and ours.
    fn check(&self, written: &Path) -> Result<(), wiring::Error> {
        let Some(git) = self.context.git_if_any() else { return Ok(()) };
        let directory = self.context.directory();
        let is_as_meant = |section: &Section| {
            let key = format!("credential.{}.helper", section.url);
            let values = git.values_in(directory, written, &key).unwrap_or_default();
            values.windows(2).any(|pair| pair[0].is_empty() && pair[1] == self.helper)
        };
        if self.sections.iter().all(is_as_meant) {
            return Ok(());
        }
        let path = self.file.to_string();
        // What stands in the file's place is still what was there before.
        Err(match git.configuration(directory) {
            Err(GitError::Failed { said, .. }) => wiring::Error::Malformed { path, said },
            _ => wiring::Error::Unfinished { path },
        })
    }
}

/// What helps where something is to be taken out.
fn undo_advice(error: wiring::Error) -> Error {
    let is_read_only = matches!(error, wiring::Error::ReadOnly { .. });
    let error = Error::from(error);
    match is_read_only {
        true => error.without_hints().hint(
            "take the sections out in another way: `git vsts setup --undo --dry-run` names them",
        ),
        false => error,
    }
}

fn warn_of_spot(context: &Context, program: &wiring::Program) {
    let place = match program.spot(&Context::temporary_directories()) {
        None => return,
        Some(Spot::Temporary) => "a folder for temporary files",
        Some(Spot::BuildTree) => "the output of a build",
    };
    let path = crate::text::visible(&program.path().display().to_string());
    context.ui.warning(format_args!(
        "git will run {path}, which is in {place}: once git vsts is installed elsewhere, run `git vsts setup` there"
    ));
}
