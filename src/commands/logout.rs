use clap::Args;

use super::{login, names, wire};
use crate::context::Context;
use crate::credential::{Credential, Kept, Pat};
use crate::error::Error;
use crate::remote::Organization;
use crate::text::visible;
use crate::ui::Interrupt;
use crate::wiring::{Reach, Section};

/// Forget the sign-in to an organization
///
/// What is kept on this computer is forgotten, and git no longer asks for it. A token goes on being valid at the service until it
/// expires or is revoked there.
#[derive(Args, Debug)]
pub struct Logout {
    /// The organization: its name, or any address of it from a browser
    #[arg(value_name = "ORG", conflicts_with = "all")]
    organization: Option<String>,
    /// Forget every organization
    #[arg(long)]
    all: bool,
    /// Revoke a token that `git vsts` made at the service too, signing in for it
    ///
    /// A token that you pasted is yours to revoke.
    #[arg(long)]
    revoke: bool,
}

impl Logout {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let organizations = match (self.all, &self.organization) {
            (true, _) => names::signed_in(context)?,
            (false, Some(given)) => vec![context.service.organization(given)?],
            // To ask which one would be vain where there is none to forget, or none can be.
            (false, None) if names::signed_in(context)?.is_empty() => Vec::new(),
            (false, None) => vec![names::one_signed_in(context, "ORG")?],
        };
        if organizations.is_empty() && context.keychain()?.accounts()?.is_empty() {
            context.ui.status(format_args!("Nobody is signed in anywhere"));
        }
        let mut to_revoke = Vec::new();
        for organization in &organizations {
            to_revoke.extend(self.forget(context, organization)?);
        }
        if self.all {
            forget_the_rest(context)?;
        }
        stop_git_asking(context, |section| {
            let is_forgotten = |it| wire::is_for(context, section, it);
            match self.all {
                true => section.reach == Reach::Organization,
                false => organizations.iter().any(is_forgotten),
            }
        });
        if self.all {
            tell_of_whole_hosts(context);
        }
        for variable in set_tokens(context) {
            context.ui.warning(format_args!("{variable} is set, and is used as long as it is"));
        }
        // Last, since somebody has to sign in: all else is done by then, whatever comes of it.
        revoke(context, &to_revoke)
    }

    /// Forgets a sign-in, and gives what is to be revoked of it.
    fn forget<'o>(
        &self,
        context: &Context,
        organization: &'o Organization,
    ) -> Result<Option<Made<'o>>, Error> {
        // A record that can't be read is to be forgotten all the same.
        let kept = context.keychain()?.read(&organization.key()).ok().flatten();
        let kept = kept.and_then(|record| Kept::from_record(&record).ok());
        if !context.keychain()?.delete(&organization.key())? {
            context.ui.status(format_args!("Not signed in to {organization}"));
            return Ok(None);
        }
        let account = kept.as_ref().map(|kept| &*kept.account).unwrap_or_default();
        let who = match account {
            "" => String::new(),
            account => format!(" as {account}"),
        };
        context.ui.status(format_args!("Forgot the sign-in to {organization}{who}"));
        match kept.as_ref().map(|kept| &kept.credential) {
            Some(Credential::Entra(_)) => {
                context.ui.status(format_args!(
                    "What Microsoft gave ends by itself; end it everywhere at https://myaccount.microsoft.com"
                ));
                Ok(None)
            }
            Some(Credential::Pat(Pat { id: Some(id), .. })) if self.revoke => {
                Ok(Some(Made { organization, account: account.to_owned(), id: id.clone() }))
            }
            _ => {
                context.ui.status(format_args!(
                    "The token is valid until it expires; revoke it at {}",
                    organization.tokens_page()
                ));
                Ok(None)
            }
        }
    }
}

/// A token that was made here, and is kept no more.
struct Made<'o> {
    organization: &'o Organization,
    account: String,
    id: String,
}

/// Revokes tokens, one after the other. Whoever ends that is told where to revoke those that are left, since nothing
/// here knows them any more.
fn revoke(context: &Context, made: &[Made<'_>]) -> Result<(), Error> {
    let mut errors = Vec::new();
    for (at, Made { organization, account, id }) in made.iter().enumerate() {
        let last_words = Interrupt::install()?.last_words(&not_yet(&made[at..]));
        let revoked = login::revoke(context, organization, account, id);
        drop(last_words);
        match revoked {
            Ok(()) => context.ui.status(format_args!("Revoked the token for {organization}")),
            Err(error) => errors.push(
                error
                    .without_hints()
                    .context(format!("the token for {organization} was not revoked"))
                    .hint(format!("revoke it at {}", organization.tokens_page())),
            ),
        }
    }
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| error.print(&context.ui));
    Err(first)
}

fn not_yet(left: &[Made<'_>]) -> String {
    let pages: Vec<_> = left.iter().map(|made| made.organization.tokens_page()).collect();
    let (what, which) = match left.len() {
        1 => ("the token was", "it"),
        _ => ("all tokens were", "those that are left"),
    };
    format!("interrupted before {what} revoked; revoke {which} at {}", pages.join(", "))
}

/// What is forgotten is so without it, so nothing that goes wrong here is more than a warning.
fn stop_git_asking(context: &Context, chosen: impl Fn(&Section) -> bool) {
    match wire::unwire(context, chosen) {
        Ok(None) => {}
        Ok(Some(file)) => {
            context.ui.status(format_args!("git no longer uses it: taken out of {file}"));
        }
        Err(error) => {
            error.context("git goes on asking `git vsts`").warn(&context.ui);
        }
    }
}

/// Nobody has said that what `setup --all-organizations` wrote should end when a person signs out.
fn tell_of_whole_hosts(context: &Context) {
    let is_whole = |section: &Section| section.reach == Reach::Host;
    // What can't be read was warned of.
    let Ok(Some((_, text))) = wire::global_text(context) else { return };
    if text.sections().iter().any(is_whole) {
        context.ui.status(format_args!(
            "git goes on asking `git vsts` for every organization; `git vsts setup --undo` ends that"
        ));
    }
}

/// What was kept for organizations of another service, while another `GIT_VSTS_AZURE_URL` was in
/// force.
fn forget_the_rest(context: &Context) -> Result<(), Error> {
    for account in context.keychain()?.accounts()? {
        context.keychain()?.delete(&account)?;
        context.ui.status(format_args!(
            "Forgot the sign-in to {}\nThe token is valid until it expires or is revoked there",
            visible(&account)
        ));
    }
    Ok(())
}

fn set_tokens(context: &Context) -> Vec<&'static str> {
    let is_set = |name: &&str| context.environment.get(name).is_some();
    crate::context::TOKENS.into_iter().filter(is_set).collect()
}
