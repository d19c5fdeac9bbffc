use clap::Args;

use super::names;
use super::place::{self, Made, Place, Wanted};
use super::push::{self, Options};
use super::remote_add::{self, Wish};
use super::report::Report;
use super::{commit, report};
use crate::azure::Lookup;
use crate::context::{Context, SignIn};
use crate::error::{Error, Kind};
use crate::remote::{self, Protocol};
use crate::repository::{Head, Refspecs, Repository};

const ORIGIN: &str = "origin";

/// Make a repository here and at Azure DevOps, and connect them
///
/// Makes what is missing of: a git repository here, a repository at the service, and the remote.
/// Run twice, the second run changes nothing and succeeds.
#[derive(Args, Clone, Debug)]
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
    #[arg(long, value_name = "NAME", default_value = ORIGIN)]
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

/// What a run made so far, for whoever has to tell what there is after an error.
#[derive(Debug, Default)]
struct Done {
    repository_here: bool,
    commit: bool,
    service: Made,
    remote: bool,
}

impl Done {
    fn things(&self, place: &Place) -> Vec<String> {
        let Place { organization, project, .. } = place;
        let project = format!("the project {organization}/{project}");
        let all = [
            (self.repository_here, "a git repository here".to_owned()),
            (self.commit, "a commit of all that is here".to_owned()),
            (self.service.project, project),
            (self.service.repository, format!("the repository {place}")),
            (self.remote, "the remote".to_owned()),
        ];
        all.into_iter().filter(|(is_made, _)| *is_made).map(|(_, thing)| thing).collect()
    }
}

impl Init {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        self.check()?;
        let before = context.repository()?;
        if self.commit.is_some() {
            let directory = before.as_ref().map_or(context.directory(), Repository::directory);
            commit::check_folder(context, directory)?;
        }
        let place = remote_add::find(context, self.target.as_deref(), before.as_ref())?;
        match &before {
            Some(repository) => self.check_here(context, repository, &place)?,
            None if self.push && self.commit.is_none() => return Err(self.no_commit(&place)),
            None => {}
        }
        let sign_in = place::signed_in(context, &place.organization)?;
        let found = place::look(context, &place, &sign_in)?;
        place::may_make(&place, &found, self.wanted())?;
        let is_empty = !matches!(&found, Lookup::Found(found) if !found.is_empty);
        let mut done = Done::default();
        let made = self.make(context, before, &place, found, &sign_in, &mut done);
        let (repository, report) = made.map_err(|error| self.how_to_go_on(error, &place, &done))?;
        if !self.push {
            if is_empty {
                let git = if self.ssh { "git" } else { "git vsts" };
                context
                    .ui
                    .status(format_args!("Nothing is there yet: `{git} push` sends what is here"));
            }
            return report.print(context, self.json);
        }
        let pushed = self.push(context, &repository, &place)?;
        let end = report::tell(context, &place, &self.remote, &pushed);
        end.and(report.with_references(&pushed).print(context, self.json))
    }

    /// Makes what is missing: all that can fail here goes before what is made at the service.
    fn make(
        &self,
        context: &Context,
        before: Option<Repository>,
        place: &Place,
        found: Lookup,
        sign_in: &SignIn,
        done: &mut Done,
    ) -> Result<(Repository, Report), Error> {
        let is_new = before.is_none();
        let repository = self.repository(context, before)?;
        done.repository_here = is_new;
        done.commit = self.commit(context, &repository)?;
        self.check_push(&repository, place)?;
        let made = &mut done.service;
        let found = place::make_noting(context, place, found, sign_in, self.wanted(), made)?;
        let url = remote_add::add(context, &repository, &self.remote, &found.url, self.wish())?;
        done.remote = true;
        Ok((repository, Report::new(&found.url, Some(&self.remote), url, found.made)))
    }

    /// Says what is there now, and the command that goes on from there.
    fn how_to_go_on(&self, error: Error, place: &Place, done: &Done) -> Error {
        let things = done.things(place);
        match things.is_empty() {
            true => error,
            false => error.hint(format!(
                "made so far: {}; once this is settled, `{}` goes on",
                listed(&things),
                self.again(place)
            )),
        }
    }

    /// This very command, with its names in full.
    fn again(&self, place: &Place) -> String {
        let quoted = crate::text::quoted;
        let mut words = vec!["git vsts init".to_owned(), quoted(&place.to_string())];
        if self.create_project {
            words.push("--create-project".to_owned());
        }
        let valued = [
            ("--description", self.description.as_deref()),
            ("--remote", Some(&*self.remote).filter(|name| *name != ORIGIN)),
            ("--branch", self.branch.as_deref()),
            ("--commit", self.commit.as_deref()),
        ];
        for (flag, value) in valued {
            words.extend(value.map(|value| format!("{flag} {}", quoted(value))));
        }
        let flags = [(self.push, "--push"), (self.ssh, "--ssh"), (self.json, "--json")];
        let given = flags.iter().filter(|(is_given, _)| *is_given);
        words.extend(given.map(|(_, flag)| (*flag).to_owned()));
        words.join(" ")
    }

    /// What can be told from the arguments alone.
    fn check(&self) -> Result<(), Error> {
        remote::remote_name(&self.remote)?;
        if self.push && self.ssh {
            return Err(self.git_pushes());
        }
        if self.commit.as_deref().is_some_and(|message| message.trim().is_empty()) {
            return Err(Error::message(Kind::Usage, "the message of the commit is empty"));
        }
        match &self.branch {
            Some(branch) if !crate::repository::is_branch_name(branch) => {
                let branch = match remote::holds_password(branch) {
                    true => remote::without_user(branch),
                    false => crate::text::visible(branch),
                };
                Err(Error::message(Kind::Usage, format!("`{branch}` can't be a branch's name")))
            }
            _ => Ok(()),
        }
    }

    fn no_commit(&self, place: &Place) -> Error {
        let with_commit = Self { commit: Some("MESSAGE".to_owned()), ..self.clone() };
        Error::message(Kind::Failed, "there is no commit to push")
            .hint(format!("`{}` commits all that is here first", with_commit.again(place)))
    }

    fn git_pushes(&self) -> Error {
        let remote = crate::text::quoted(&self.remote);
        Error::message(Kind::Failed, "git itself pushes over SSH").hint(format!(
            "leave `--push` out, and end with `git push --set-upstream {remote} HEAD`"
        ))
    }

    /// What can be told from the repository that is here already.
    fn check_here(
        &self,
        context: &Context,
        repository: &Repository,
        place: &Place,
    ) -> Result<(), Error> {
        let hint = || {
            let free =
                names::free_remote(context, repository).unwrap_or_else(|_| "NAME".to_owned());
            format!("give the new one another name: `--remote {free}`")
        };
        remote_add::check_name(context, repository, &self.remote, place, self.wish(), hint)?;
        let remotes = names::remotes(context, repository)?;
        let pushes_by_ssh = remotes.get(&self.remote).is_some_and(|remote| {
            let url = context.service.remote(&remote.push_url);
            url.is_ok_and(|url| url.protocol == Protocol::Ssh)
        });
        if self.push && pushes_by_ssh {
            return Err(self.git_pushes());
        }
        self.check_branch(repository)
    }

    /// A branch can be named as long as it has no commit.
    fn check_branch(&self, repository: &Repository) -> Result<(), Error> {
        let Some(branch) = &self.branch else { return Ok(()) };
        match repository.head()? {
            Head::Branch { name } if name != *branch => Err(Error::message(
                Kind::Failed,
                format!("the branch here is {}, and has commits", crate::text::visible(&name)),
            )
            .hint(format!(
                "`git switch --create {}` begins another from it",
                crate::text::quoted(branch)
            ))),
            Head::Detached => {
                Err(Error::message(Kind::Failed, "no branch is checked out: HEAD is detached")
                    .hint(format!(
                        "`git switch --create {}` begins one here",
                        crate::text::quoted(branch)
                    )))
            }
            Head::Branch { .. } | Head::Unborn { .. } => Ok(()),
        }
    }

    fn wish(&self) -> Wish {
        Wish { protocol: self.ssh.then_some(Protocol::Ssh), replace: false }
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

    /// Commits what there is to commit, and says whether that was anything.
    fn commit(&self, context: &Context, repository: &Repository) -> Result<bool, Error> {
        let Some(message) = &self.commit else { return Ok(false) };
        let changes = commit::prepare(context, repository)?;
        if changes.is_empty() {
            context.ui.status(format_args!("Nothing to commit"));
            return Ok(false);
        }
        commit::show(context, &changes);
        // What was asked for is done, but for what nobody may have thought of.
        let suspicious = changes.iter().any(|change| change.looks_secret);
        if suspicious
            && context.ui.can_ask()
            && !context.ui.confirm("Commit them all the same?", false, "--commit")?
        {
            return Err(Error::message(Kind::Failed, "nothing was committed")
                .hint("name in .gitignore what is to be left out"));
        }
        commit::commit(context, repository, message)?;
        Ok(true)
    }

    /// Checks that there will be something to push.
    fn check_push(&self, repository: &Repository, place: &Place) -> Result<(), Error> {
        if !self.push {
            return Ok(());
        }
        match repository.head()? {
            Head::Unborn { .. } if self.commit.is_some() => {
                Err(commit::nothing(repository.directory()))
            }
            Head::Unborn { .. } => Err(self.no_commit(place)),
            _ => Ok(repository.check_sources(&Refspecs::default(), Some(&self.remote))?),
        }
    }

    fn push(
        &self,
        context: &Context,
        repository: &Repository,
        place: &Place,
    ) -> Result<Vec<crate::repository::Pushed>, Error> {
        let remote = names::written_remote(context, repository, &self.remote)?;
        push::push(context, repository, &remote, &Refspecs::default(), &Options::default())
            .map(|pushed| pushed.references)
            .map_err(|error| {
                error.hint(format!(
                    "{place} is there and the remote is set; `git vsts push {}` does the rest",
                    crate::text::quoted(&self.remote)
                ))
            })
    }
}

/// Makes a repository in the current folder.
pub(super) fn make_here(context: &Context, branch: Option<&str>) -> Result<Repository, Error> {
    let default = context.configuration()?.get("init.defaultBranch").map(str::to_owned);
    let branch = branch.map(str::to_owned).or(default);
    let repository = Repository::init(context.directory(), branch.as_deref())?;
    let directory = crate::text::visible(&context.directory().display().to_string());
    context.ui.status(format_args!("Made a git repository in {directory}"));
    Ok(repository)
}

/// `one, another and a third`
fn listed(things: &[String]) -> String {
    match things {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        things => things.concat(),
    }
}
