//! This program as the credential helper of a git that runs for us.

use secrecy::SecretString;

use crate::context::{ANSWERS_ONLY, Context, HANDED_TO, HANDED_TOKEN, SignIn, Source, Store};
use crate::error::Error;
use crate::remote::Organization;
use crate::repository::Helper;

/// The only helper of a git for what lies at or below a URL of an organization.
///
/// # Errors
/// This program can't be named in a setting of git.
pub fn of(
    context: &Context,
    url: String,
    organization: &Organization,
    sign_in: &SignIn,
) -> Result<Helper, Error> {
    let helper = context.program()?.setting()?;
    Ok(Helper { url, helper, variables: not_kept(organization, sign_in) })
}

/// The same for a push, which settles itself what the service says of the credential.
///
/// # Errors
/// As [`of`].
pub fn that_answers_only(
    context: &Context,
    url: String,
    organization: &Organization,
    sign_in: &SignIn,
) -> Result<Helper, Error> {
    let mut helper = of(context, url, organization, sign_in)?;
    helper.variables.push((ANSWERS_ONLY, "1".into()));
    Ok(helper)
}

/// The variables that let the helper find what it can't find by itself, and that let it be no freer
/// with it than this run is: a hook and a submodule of another organization can ask it too.
fn not_kept(organization: &Organization, sign_in: &SignIn) -> Vec<(&'static str, SecretString)> {
    let Some((secret, _)) = sign_in.credential.signing_secret() else { return Vec::new() };
    let for_this_one =
        || vec![(HANDED_TO, organization.key().into()), (HANDED_TOKEN, secret.clone())];
    match sign_in.source {
        Source::Store(Store::Keychain | Store::File) => Vec::new(),
        Source::Store(Store::None) | Source::Environment(HANDED_TOKEN) => for_this_one(),
        // The helper has the rules of each variable.
        Source::Environment(variable) => vec![(variable, secret.clone())],
    }
}
