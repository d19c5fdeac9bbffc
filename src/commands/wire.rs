//! That git asks this program for the credential of an organization.

mod effect;

use std::path::Path;

use super::names;
use crate::context::Context;
use crate::error::Error;
use crate::remote::Organization;
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

/// The sections that make git ask for an organization: by the address of it that is given, by those
/// that remotes here have, since git compares paths with case, and by its older host.
///
/// # Errors
/// The repository here can't be read.
pub fn sections(context: &Context, organization: &Organization) -> Result<Vec<Section>, Error> {
    let mut urls = vec![organization.url()];
    if let Some(repository) = context.repository()? {
        let remotes = names::azure_remotes(context, &repository)?.into_iter();
        let here = remotes.map(|remote| remote.url.organization);
        urls.extend(here.filter(|it| it == organization).map(|it| it.url()));
    }
    urls.extend(organization.own_host_url());
    let mut sections: Vec<Section> = Vec::new();
    for url in urls {
        let section = Section { url, reach: Reach::Organization };
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    Ok(sections)
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
    let mut changed = edit(context, &file, sections, &helper, put)?;
    let mut effect = Effect::read(context, &file, sections, &helper)?;
    if !effect.is_as_meant() {
        // What stands after ours in the same file no longer does when ours is put at the end again.
        let renew = |text: &mut Text| {
            for section in sections.iter().filter(|it| !text.is_last(&it.url)).collect::<Vec<_>>() {
                text.renew(section, &helper);
            }
        };
        if edit(context, &file, sections, &helper, renew)? {
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

/// [`make_git_ask`], for who only says what is new: the file, if git asks since that was changed.
///
/// # Errors
/// As [`make_git_ask`].
pub fn wire(context: &Context, sections: &[Section]) -> Result<Option<GlobalFile>, Error> {
    Ok(match make_git_ask(context, sections)? {
        Wired::Now(file) => Some(file),
        Wired::Already | Wired::InVain => None,
    })
}

/// Makes git ask for an organization in the spelling of a URL that was written here, where it asks for it in another:
/// git compares paths with case. Says whether it was ever told to ask for it.
///
/// # Errors
/// As [`wire`].
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
    wire(context, &[Section { url, reach: Reach::Organization }])?;
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
    Ok(edit(context, &file, &[], &[], take_out)?.then_some(file))
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

/// What [`wire`] would put at the end of the file, in git's own form; empty if nothing.
///
/// # Errors
/// As [`wire`].
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
    warn_of_spot(context, &program);
    Ok((file, String::from_utf8_lossy(&new.into_bytes()).into_owned()))
}

fn edit(
    context: &Context,
    file: &GlobalFile,
    sections: &[Section],
    helper: &[u8],
    change: impl Fn(&mut Text),
) -> Result<bool, Error> {
    let pause = |time| context.clock.sleep(time);
    let check = |written: &Path| is_read_as_meant(context, written, sections, helper);
    context.whole(|| Ok(file.edit(&pause, &change, check)?))
}

/// Whether git reads what was written, and in it the helpers of the sections: an empty one and ours.
fn is_read_as_meant(
    context: &Context,
    written: &Path,
    sections: &[Section],
    helper: &[u8],
) -> bool {
    let Some(git) = context.git_if_any() else { return true };
    let directory = context.directory();
    sections.iter().all(|section| {
        let key = format!("credential.{}.helper", section.url);
        let values = git.values_in(directory, written, &key).unwrap_or_default();
        values.windows(2).any(|pair| pair[0].is_empty() && pair[1] == helper)
    })
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
