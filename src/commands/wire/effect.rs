//! What git makes of the sections that were written: what stands after them, in whatever file, can undo them.

use url::Url;

use crate::configuration::{Configuration, Helper};
use crate::context::Context;
use crate::error::Error;
use crate::remote;
use crate::text::{visible, visible_within};
use crate::wiring::{self, GlobalFile, Section};

/// What git would do otherwise than the sections mean it.
pub(super) struct Effect {
    unasked: Vec<Unasked>,
    followers: Vec<Follower>,
}

/// A URL for which git does not ask us.
struct Unasked {
    url: Url,
    why: Why,
}

#[derive(PartialEq, Eq)]
enum Why {
    /// An empty helper that stands there ends the list that ours was in.
    Ended { place: String },
    /// git does not read the file that the section is in.
    Unread { file: String },
}

/// A helper that git would hand on to what it got from ours.
struct Follower {
    /// What it would get the credential for.
    url: Url,
    text: String,
    place: String,
}

impl Effect {
    /// Asks git. Where there is none, none does otherwise.
    pub(super) fn read(
        context: &Context,
        file: &GlobalFile,
        sections: &[Section],
        helper: &[u8],
    ) -> Result<Self, Error> {
        let mut effect = Self { unasked: Vec::new(), followers: Vec::new() };
        if context.git_if_any().is_none() {
            return Ok(effect);
        }
        let configuration = context.configuration_now()?;
        let ours = String::from_utf8_lossy(helper);
        for section in sections {
            // A pattern with a star stands for any host of its kind.
            let url = section.url.replace('*', "organization");
            let Ok(url) = Url::parse(&url) else { continue };
            let helpers = configuration.credential_helpers(&url);
            match helpers.asked.iter().rposition(|helper| helper.text == ours) {
                Some(at) => effect.add_followers(context, &url, &helpers.asked[at + 1..]),
                None => {
                    let why =
                        match helpers.ended_by.filter(|_| holds(&configuration, section, &ours)) {
                            Some(empty) => Why::Ended { place: place_of(context, &empty) },
                            None => Why::Unread { file: file.to_string() },
                        };
                    effect.add_unasked(url, why);
                }
            }
        }
        Ok(effect)
    }

    /// Whether git asks us, and hands what it got to nobody else.
    pub(super) fn is_as_meant(&self) -> bool {
        self.is_asked() && self.followers.is_empty()
    }

    /// Whether git asks us for every section.
    pub(super) fn is_asked(&self) -> bool {
        self.unasked.is_empty()
    }

    /// Says what git does otherwise, and what helps.
    pub(super) fn warn(&self, context: &Context) {
        for Unasked { url, why } in &self.unasked {
            let url = remote::without_user(url.as_str());
            let (why, hint) = match why {
                Why::Ended { place } => (
                    format!("an empty helper, set in {place}, ends its list of helpers"),
                    "take that setting out, then run `git vsts setup`",
                ),
                Why::Unread { file } => (
                    format!("it does not read {file}"),
                    "`git config --list --show-origin` says what it reads",
                ),
            };
            context.ui.warning(format_args!("git does not ask `git vsts` for {url}: {why}"));
            context.ui.hint(format_args!("{hint}"));
        }
        for Follower { url, text, place } in &self.followers {
            context.ui.warning(format_args!(
                "git hands the credential for {} on to another helper, `{text}`, set in {place}",
                remote::without_user(url.as_str()),
            ));
            context.ui.hint(format_args!(
                "take that setting out, unless that helper is to keep the credential too"
            ));
        }
    }

    /// One setting is told once, be it for ever so many URLs.
    fn add_followers(&mut self, context: &Context, url: &Url, helpers: &[Helper<'_>]) {
        for helper in helpers {
            let place = place_of(context, helper);
            if !self.followers.iter().any(|met| met.place == place) {
                let text = visible_within(helper.text, 60);
                self.followers.push(Follower { url: url.clone(), text, place });
            }
        }
    }

    fn add_unasked(&mut self, url: Url, why: Why) {
        if !self.unasked.iter().any(|met| met.why == why) {
            self.unasked.push(Unasked { url, why });
        }
    }
}

/// Whether git has read the section.
fn holds(configuration: &Configuration, section: &Section, helper: &str) -> bool {
    configuration.all(&format!("credential.{}.helper", section.url)).contains(&helper)
}

/// Where a setting stands, with its line where that is in a file.
fn place_of(context: &Context, helper: &Helper<'_>) -> String {
    let Some(origin) = helper.origin else { return format!("the {} scope", helper.scope) };
    let Some(path) = origin.strip_prefix("file:") else {
        return format!("the {} scope", helper.scope);
    };
    let path = context.directory().join(path);
    let shown = visible(&path.display().to_string());
    let line =
        std::fs::read(&path).ok().and_then(|text| wiring::line_of(&text, "helper", helper.nth));
    match line {
        Some(line) => format!("{shown}, line {line}"),
        None => shown,
    }
}
