//! That git asks this program for the credential of an organization.

use std::path::Path;

use url::Url;

use super::names;
use crate::configuration::Helper;
use crate::context::Context;
use crate::error::Error;
use crate::remote::{self, Organization};
use crate::text::visible_within;
use crate::wiring::{self, GlobalFile, Reach, Section, Spot, Text};

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

/// Makes git ask this program, says what it may do unawares, and gives the file if that was changed.
///
/// # Errors
/// git's global configuration can't be changed, or this program is not one to run from there.
pub fn wire(context: &Context, sections: &[Section]) -> Result<Option<GlobalFile>, Error> {
    let program = context.program()?;
    program.check()?;
    let helper = program.helper()?;
    let file = context.global_file()?;
    let put = |text: &mut Text| sections.iter().for_each(|section| text.add(section, &helper));
    let mut changed = edit(context, &file, sections, &helper, put)?;
    let mut after = followers(context, sections, &helper)?;
    if !after.is_empty() {
        // One that stands after ours in the same file no longer does when ours is put at the end again.
        let renew = |text: &mut Text| {
            for section in sections.iter().filter(|it| !text.is_last(&it.url)).collect::<Vec<_>>() {
                text.renew(section, &helper);
            }
        };
        if edit(context, &file, sections, &helper, renew)? {
            changed = true;
            after = followers(context, sections, &helper)?;
        }
        warn_of(context, &after);
    }
    if changed {
        warn_of_spot(context, &program);
    }
    Ok(changed.then_some(file))
}

/// Makes git ask for an organization in the spelling of a URL that was written here, where it asks for it in another:
/// git compares paths with case. Says whether it asks.
///
/// # Errors
/// As [`wire`].
pub fn cover(context: &Context, organization: &Organization) -> Result<bool, Error> {
    let there = context.global_file()?.read()?.sections();
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
    let file = context.global_file()?;
    let take_out = |text: &mut Text| {
        text.remove(&chosen);
    };
    Ok(edit(context, &file, &[], &[], take_out)?.then_some(file))
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

/// A helper that git would hand on to what it got from ours.
struct Follower {
    /// What it would get the credential for.
    url: Url,
    text: String,
    place: String,
}

fn followers(
    context: &Context,
    sections: &[Section],
    helper: &[u8],
) -> Result<Vec<Follower>, Error> {
    let configuration = context.configuration_now()?;
    let ours = String::from_utf8_lossy(helper);
    let mut all: Vec<Follower> = Vec::new();
    for url in urls(sections) {
        let helpers = configuration.credential_helpers(&url);
        let Some(at) = helpers.iter().rposition(|helper| helper.text == ours) else { continue };
        for helper in &helpers[at + 1..] {
            let place = place_of(context, helper);
            if !all.iter().any(|met| met.place == place) {
                let text = visible_within(helper.text, 60);
                all.push(Follower { url: url.clone(), text, place });
            }
        }
    }
    Ok(all)
}

fn warn_of(context: &Context, followers: &[Follower]) {
    for Follower { url, text, place } in followers {
        context.ui.warning(format_args!(
            "git hands the credential for {} on to another helper, `{text}`, set in {place}",
            remote::without_user(url.as_str()),
        ));
        context.ui.hint(format_args!(
            "take that setting out, unless that helper is to keep the credential too"
        ));
    }
}

fn urls(sections: &[Section]) -> impl Iterator<Item = Url> {
    // A pattern with a star stands for any host of its kind.
    sections.iter().filter_map(|section| Url::parse(&section.url.replace('*', "organization")).ok())
}

/// Where a setting stands, with its line where that is in a file.
fn place_of(context: &Context, helper: &Helper<'_>) -> String {
    let Some(origin) = helper.origin else { return format!("the {} scope", helper.scope) };
    let Some(path) = origin.strip_prefix("file:") else {
        return format!("the {} scope", helper.scope);
    };
    let path = context.directory().join(path);
    let shown = crate::text::visible(&path.display().to_string());
    let line =
        std::fs::read(&path).ok().and_then(|text| wiring::line_of(&text, "helper", helper.nth));
    match line {
        Some(line) => format!("{shown}, line {line}"),
        None => shown,
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
