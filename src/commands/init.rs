use clap::Args;

use super::names;
use super::place::{self, Place, Wanted};
use super::push::{self, Options};
use super::remote_add;
use super::report::Report;
use super::{commit, report};
use crate::context::Context;
use crate::error::{Error, Kind};
use crate::remote::{self, Protocol};
use crate::repository::{Head, Refspecs, Repository};

/// Make a repository here and at Azure DevOps, and connect them
///
/// Makes what is missing of: a git repository here, a repository at the service, and the remote.
/// Run twice, the second run changes nothing and succeeds.
#[derive(Args, Debug)]
pub struct Init {
    /// The repository: [ORG/]PROJECT/REPO, an address of it, or REPO where the rest is known
    ///
    /// REPO is the folder's name where it is not given.
    #[arg(value_name = "TARGET")]
    target: Option<String>,
    /// Make the project too, if it is missing
    #[arg(long)]
    create_project: bool,
    /// What a new project is about
    #[arg(long, value_name = "TEXT", requires = "create_project")]
    description: Option<String>,
    /// The remote's name
    #[arg(long, value_name = "NAME", default_value = "origin")]
    remote: String,
    /// The first branch of a new repository
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// Commit everything here first
    ///
    /// What would be committed is shown. It goes through `git commit`, so hooks and signing are
    /// git's. With nothing to commit, nothing is committed.
    #[arg(long, value_name = "MESSAGE")]
    commit: Option<String>,
    /// Push the branch at the end
    #[arg(long)]
    push: bool,
    /// Add the URL for SSH
    #[arg(long)]
    ssh: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Init {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        self.check()?;
        let before = context.repository()?;
        let place = remote_add::find(context, self.target.as_deref(), before.as_ref())?;
        if let Some(repository) = &before {
            remote_add::check_name(context, repository, &self.remote, &place, false)?;
            self.check_branch(repository)?;
        }
        let sign_in = place::signed_in(context, &place.organization)?;
        let found = place::look(context, &place, &sign_in.credential)?;
        place::may_make(&place, &found, self.wanted())?;
        let repository = self.repository(context, before)?;
        self.commit(context, &repository)?;
        let found = place::make(context, &place, found, &sign_in.credential, self.wanted())?;
        let url = found.url.url(names::protocol(self.ssh));
        remote_add::add(context, &repository, &self.remote, &url)
            .map_err(|error| exists(error, &place, found.made))?;
        let report = Report::new(&found.url, Some(&self.remote), url, found.made);
        if !self.push {
            return report.print(context, self.json);
        }
        let pushed = self.push(context, &repository, &place)?;
        let end = report::tell(context, &place, &self.remote, &pushed);
        report.with_references(&pushed).print(context, self.json)?;
        end
    }

    /// What can be told from the arguments alone.
    fn check(&self) -> Result<(), Error> {
        remote::remote_name(&self.remote)?;
        if self.push && names::protocol(self.ssh) == Protocol::Ssh {
            let command = format!("git push --set-upstream {} HEAD", self.remote);
            return Err(Error::message(Kind::Failed, "git itself pushes over SSH")
                .hint(format!("leave `--push` out, and end with `{command}`")));
        }
        if self.commit.as_deref().is_some_and(|message| message.trim().is_empty()) {
            return Err(Error::message(Kind::Usage, "the message of the commit is empty"));
        }
        match &self.branch {
            Some(branch) if !crate::repository::is_branch_name(branch) => {
                let branch = crate::text::visible(branch);
                Err(Error::message(Kind::Usage, format!("`{branch}` can't be a branch's name")))
            }
            _ => Ok(()),
        }
    }

    /// A branch can be named as long as it has no commit.
    fn check_branch(&self, repository: &Repository) -> Result<(), Error> {
        let Some(branch) = &self.branch else { return Ok(()) };
        match repository.head()? {
            Head::Branch { name } if name != *branch => Err(Error::message(
                Kind::Failed,
                format!("the branch here is {}, and has commits", crate::text::visible(&name)),
            )
            .hint(format!("`git switch --create {branch}` begins another from it"))),
            Head::Detached => Err(Error::message(Kind::Failed, "HEAD is at no branch")
                .hint(format!("`git switch --create {branch}` begins one here"))),
            Head::Branch { .. } | Head::Unborn { .. } => Ok(()),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            create: true,
            create_project: self.create_project,
            description: self.description.as_deref(),
        }
    }

    /// The repository here, made if there is none.
    fn repository(
        &self,
        context: &Context,
        before: Option<Repository>,
    ) -> Result<Repository, Error> {
        if let Some(repository) = before {
            if let (Some(branch), Head::Unborn { name }) = (&self.branch, repository.head()?)
                && name != *branch
            {
                repository.name_unborn_branch(branch)?;
            }
            return Ok(repository);
        }
        make_here(context, self.branch.as_deref())
    }

    fn commit(&self, context: &Context, repository: &Repository) -> Result<(), Error> {
        let changes = match &self.commit {
            Some(_) => commit::prepare(context, repository)?,
            None => Vec::new(),
        };
        if let (Some(message), false) = (&self.commit, changes.is_empty()) {
            commit::show(context, &changes);
            commit::commit(context, repository, message)?;
        }
        if !self.push {
            return Ok(());
        }
        // Before anything is made at the service.
        match repository.head()? {
            Head::Unborn { .. } if self.commit.is_some() => {
                Err(commit::nothing(repository.directory()))
            }
            _ => Ok(repository.check_sources(&Refspecs::default(), Some(&self.remote))?),
        }
    }

    fn push(
        &self,
        context: &Context,
        repository: &Repository,
        place: &Place,
    ) -> Result<Vec<crate::repository::Pushed>, Error> {
        let remote = repository.remote(&self.remote)?.ok_or_else(|| {
            Error::message(Kind::Failed, format!("the remote {} is gone", self.remote))
        })?;
        push::push(context, repository, &remote, &Refspecs::default(), Options::default())
            .map(|pushed| pushed.references)
            .map_err(|error| {
                error.hint(format!(
                    "{place} is there and the remote is set; `git vsts push` does the rest"
                ))
            })
    }
}

/// Makes a repository in the current folder.
pub(super) fn make_here(context: &Context, branch: Option<&str>) -> Result<Repository, Error> {
    let default = context.configuration()?.get("init.defaultBranch").map(str::to_owned);
    let branch = branch.map(str::to_owned).or(default);
    let repository = Repository::init(context.directory(), branch.as_deref())?;
    let directory = crate::text::visible(&repository.directory().display().to_string());
    context.ui.status(format_args!("Made a git repository in {directory}"));
    Ok(repository)
}

/// Says what stands at the service when something here went wrong afterwards.
fn exists(error: Error, place: &Place, made: bool) -> Error {
    match made {
        true => {
            error.hint(format!("{place} exists now; the same command again goes on from there"))
        }
        false => error,
    }
}
