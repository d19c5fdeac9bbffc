use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::place::{self, Place, Wanted};
use super::{helper, remote_add, wire};
use crate::azure::Lookup;
use crate::context::{Context, SignIn, Source, Store};
use crate::error::{Error, Kind};
use crate::remote::RemoteUrl;
use crate::repository::{self, GitError};

/// Clone a repository of Azure DevOps
///
/// git does it, and asks `git vsts` for the credential. The remote has the service's own spelling, so
/// plain git works in the clone at once.
#[derive(Args, Debug)]
pub struct Clone {
    /// The repository: [ORG/]PROJECT/REPO, an address of it, or REPO where the rest is known
    #[arg(value_name = "TARGET")]
    target: String,
    /// The folder to clone into [default: the repository's name]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Options of `git clone`, such as `-- --depth 1`
    #[arg(value_name = "GIT-OPTIONS", last = true)]
    options: Vec<OsString>,
}

impl Clone {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        self.check()?;
        let git = context.git()?;
        let place = remote_add::find(context, Some(&self.target), None)?;
        let sign_in = place::signed_in(context, &place.organization)?;
        let url = find(context, &place, &sign_in)?;
        let organization = &url.organization;
        let helper = helper::of(context, organization.url(), organization, &sign_in)?;
        let directory = self.directory.clone().unwrap_or_else(|| self.folder_of(&url));
        let clone = repository::Clone {
            url: &url.https(),
            directory: &directory,
            options: &self.options,
            quiet: context.ui.is_quiet(),
            helper: &helper,
        };
        let cloned = git.clone_repository(context.directory(), &clone);
        // git ends by the same signal, and that is what there is to tell.
        context.ui.check()?;
        cloned.map_err(told_by_git)?;
        if let Err(error) = tell_whether_git_asks(context, &url, &sign_in) {
            error.context("plain git may not ask `git vsts` in the clone").warn(&context.ui);
        }
        Ok(())
    }

    /// git takes the first word that is no option for what is to be cloned, wherever it stands.
    fn check(&self) -> Result<(), Error> {
        let Some(first) = self.options.first() else { return Ok(()) };
        if first.as_encoded_bytes().starts_with(b"-") {
            return Ok(());
        }
        let first = crate::text::visible(&first.to_string_lossy());
        let message = format!("`{first}` is no option of `git clone`");
        Err(Error::message(Kind::Usage, message).hint(
            "the folder comes before ` -- `, and options of `git clone` behind it: \
             `git vsts clone contoso/shop/web site -- --depth 1`",
        ))
    }

    /// The folder that git would choose, where it would leave the name's blanks as they are in a URL.
    fn folder_of(&self, url: &RemoteUrl) -> PathBuf {
        let name = url.repository.as_str();
        let name = name.strip_suffix(".git").unwrap_or(name);
        // git takes an option by any beginning that no other has.
        let is_bare = self.options.iter().filter_map(|option| option.to_str()).any(|option| {
            ["--ba", "--bar", "--bare"].contains(&option)
                || (option.starts_with("--m") && "--mirror".starts_with(option))
        });
        if is_bare { format!("{name}.git").into() } else { name.into() }
    }
}

/// git has said why it did not do it; whoever was killed has not.
fn told_by_git(error: GitError) -> Error {
    match error {
        GitError::Failed { status, .. } if status.code().is_some() => Error::printed(Kind::Failed),
        error => error.into(),
    }
}

/// Where the repository is, in the service's own spelling.
fn find(context: &Context, place: &Place, sign_in: &SignIn) -> Result<RemoteUrl, Error> {
    let found = place::look(context, place, sign_in)?;
    let missing = place::may_make(place, &found, Wanted::default());
    match found {
        Lookup::Found(found) => Ok(found.url),
        Lookup::NoRepository => Err(place::no_repository(place).without_hints().hint(format!(
            "check its spelling; `git vsts init {}` makes one",
            crate::text::quoted(&place.to_string())
        ))),
        Lookup::NoProject => Err(missing.expect_err("a project that is missing is not made")),
    }
}

/// Whoever has chosen that git's configuration stays as it is hears what that means here. A container
/// with a token in its environment often has no such file, and nothing to be told of it.
fn tell_whether_git_asks(
    context: &Context,
    url: &RemoteUrl,
    sign_in: &SignIn,
) -> Result<(), Error> {
    let organization = &url.organization;
    let is_of_environment = matches!(sign_in.source, Source::Environment(_));
    if is_of_environment && !context.global_file().is_ok_and(|file| file.read().is_ok()) {
        return Ok(());
    }
    if !wire::cover(context, organization)? {
        let setup = match sign_in.source {
            Source::Store(Store::Keychain | Store::File) => "git vsts setup",
            _ => "git vsts setup --all-organizations",
        };
        context.ui.status(format_args!(
            "Plain git does not ask `git vsts` for {organization}; `{setup}` makes it"
        ));
    }
    Ok(())
}
