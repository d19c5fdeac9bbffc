//! Which refspecs a push is about: those of the command line, the remote's, or what `push.default`
//! says (`builtin/push.c` of git).

use super::super::refspec::{Direction, Form, Refspec, lead};
use super::super::remotes::Remote;
use super::{Error, Head, Refspecs, Repository, Settings, short};
use crate::text::visible;

impl Repository {
    /// The refspecs that are asked for, spelled out or not.
    pub(super) fn asked(
        &self,
        refspecs: &Refspecs,
        remote: Option<&str>,
    ) -> Result<Vec<Refspec>, Error> {
        let settings = &refspecs.settings;
        let known = remote.and_then(|name| settings.remotes.get(name));
        if let Some(mirror) = known.filter(|remote| remote.mirror) {
            return Err(Error::Mirror(visible(&mirror.name)));
        }
        let default = Default::of(settings)?;
        let set = known.map_or(Ok(Vec::new()), set)?;
        if refspecs.all {
            return Ok(vec![Refspec::all("refs/heads/*")]);
        }
        let mut asked = Vec::new();
        if refspecs.tags {
            asked.push(Refspec::all("refs/tags/*"));
        }
        let mut words = refspecs.named.iter();
        while let Some(word) = words.next() {
            asked.push(match (word.as_str(), refspecs.delete) {
                ("tag", delete) => {
                    let name = words.next().ok_or_else(|| malformed(word))?;
                    let tag = format!("refs/tags/{name}");
                    parse(&if delete { format!(":{tag}") } else { tag })?
                }
                (name, true) if name.contains(':') || name.is_empty() => {
                    return Err(malformed(name));
                }
                (name, true) => parse(&format!(":{name}"))?,
                (text, false) => match self.led(text, &set, default, settings) {
                    Some(refspec) => refspec,
                    None => parse(text)?,
                },
            });
        }
        if !asked.is_empty() {
            return Ok(asked);
        }
        match set.is_empty() {
            true => Ok(vec![self.by_default(settings, default, remote)?]),
            false => Ok(set),
        }
    }

    /// Where a reference that is named alone goes by the remote's refspecs or by what it follows:
    /// not always to its own name.
    fn led(
        &self,
        text: &str,
        set: &[Refspec],
        default: Default,
        settings: &Settings,
    ) -> Option<Refspec> {
        let full = match text.contains(':') {
            true => None,
            false => self.here(text).ok().flatten(),
        }?;
        if let Some((destination, force)) = lead(set, &full) {
            return Some(Refspec { force, ..Refspec::single(&full, &destination) });
        }
        let branch = full.strip_prefix("refs/heads/")?;
        match (default, settings.remotes.merges(branch)) {
            (Default::Upstream, [upstream]) => Some(Refspec::single(text, upstream)),
            _ => None,
        }
    }

    /// What `push.default` names (git-config(1)).
    fn by_default(
        &self,
        settings: &Settings,
        default: Default,
        remote: Option<&str>,
    ) -> Result<Refspec, Error> {
        match default {
            Default::Matching => return Ok(Refspec { form: Form::Matching, force: false }),
            Default::Nothing => return Err(Error::NothingByDefault),
            _ => {}
        }
        let name = match self.head().map_err(|error| Error::Unreadable(error.to_string()))? {
            Head::Branch { name } => name,
            Head::Unborn { name } => return Err(Error::Unborn(visible(&name))),
            Head::Detached => return Err(Error::Detached),
        };
        let full = format!("refs/heads/{name}");
        let remote = remote.unwrap_or_default();
        let is_followed = settings.remotes.followed(&name, remote) == remote;
        let upstream = match settings.remotes.merges(&name) {
            _ if !is_followed => None,
            [] => None,
            [upstream] => Some(upstream),
            _ if default == Default::Current => None,
            _ => return Err(Error::SeveralUpstreams(visible(&name))),
        };
        let destination = match (default, upstream) {
            (Default::Upstream, Some(upstream)) => upstream,
            (Default::Upstream, None) if is_followed && settings.auto_setup_remote => &full,
            (Default::Upstream, None) => return Err(Error::NoUpstream(visible(&name))),
            (Default::Simple, Some(upstream)) if *upstream != full => {
                let upstream = visible(short(upstream));
                return Err(Error::OtherName { branch: visible(&name), upstream });
            }
            // Where it follows nothing yet, git would only push it with `--set-upstream`. That is
            // what we do.
            _ => &full,
        };
        Ok(Refspec::single(&full, destination))
    }
}

/// `push.default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Default {
    Nothing,
    Matching,
    Simple,
    Upstream,
    Current,
}

impl Default {
    fn of(settings: &Settings) -> Result<Self, Error> {
        Ok(match settings.default.as_deref() {
            None | Some("simple") => Self::Simple,
            Some("nothing") => Self::Nothing,
            Some("matching") => Self::Matching,
            // The older name of it.
            Some("upstream" | "tracking") => Self::Upstream,
            Some("current") => Self::Current,
            Some(other) => return Err(Error::NoDefault(format!("{:?}", visible(other)))),
        })
    }
}

/// The refspecs of a remote, `remote.<name>.push`.
fn set(remote: &Remote) -> Result<Vec<Refspec>, Error> {
    let parse = |text: &String| {
        Refspec::parse(text, Direction::Push).ok_or_else(|| Error::MalformedSetting {
            key: format!("remote.{}.push", visible(&remote.name)),
            value: shown(text),
        })
    };
    remote.push.iter().map(parse).collect()
}

fn parse(text: &str) -> Result<Refspec, Error> {
    match Refspec::parse(text, Direction::Push) {
        // Its parts would be repeated in what is said of them.
        Some(_) if crate::remote::holds_password(text) => Err(malformed(text)),
        // It was meant as an option, or will be taken for one elsewhere.
        Some(_) if text.split(':').any(|part| part.starts_with('-')) => Err(malformed(text)),
        Some(refspec) => Ok(refspec),
        // git takes none of these either, and this is why.
        None if is_expression(text) => Err(Error::NoName(visible(text))),
        None => Err(malformed(text)),
    }
}

/// Whether it may be an object's name in a form that no reference has (gitrevisions(7)).
fn is_expression(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let has_sign = text.contains(['~', '^']) || text.contains("@{");
    has_sign && !text.starts_with('^') && !text.contains([':', '*', ' '])
}

fn malformed(text: &str) -> Error {
    Error::Malformed(shown(text))
}

/// A text that is no refspec may be a URL with a password, which is not repeated.
fn shown(text: &str) -> String {
    match crate::remote::holds_password(text) {
        true => crate::remote::without_user(text),
        false => visible(text),
    }
}
