//! The service's answers, as far as they are read. Unknown fields and values are normal.

use serde::Deserialize;

use crate::remote::RemoteUrl;
use crate::text::visible_within;

/// The most characters of a name or a reason that are shown.
const SHOWN: usize = 200;

/// Who a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// How the organization names the account: an address where it has one, else a name.
    pub name: String,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its name, in its own spelling; it may hold anything.
    pub name: String,
}

/// A repository.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Where it is.
    pub url: RemoteUrl,
    /// Whether nothing was ever pushed to it.
    pub is_empty: bool,
    /// The full name of its default branch.
    pub default_branch: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct List<T> {
    pub value: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConnectionData {
    pub authenticated_user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub id: String,
    #[serde(default)]
    provider_display_name: Option<String>,
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(rename = "Account", default)]
    account: Option<Property>,
}

#[derive(Deserialize)]
struct Property {
    #[serde(rename = "$value", default)]
    value: Option<String>,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let address = user.properties.account.and_then(|property| property.value);
        let name = address.filter(|it| !it.trim().is_empty()).or(user.provider_display_name);
        Self { name: visible_within(&name.unwrap_or(user.id), SHOWN) }
    }
}

#[derive(Deserialize)]
pub(super) struct ProjectAnswer {
    pub name: String,
    #[serde(default)]
    pub state: String,
}

impl From<ProjectAnswer> for Project {
    fn from(answer: ProjectAnswer) -> Self {
        Self { name: answer.name }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    pub id: String,
    #[serde(default)]
    pub is_default: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub id: String,
    pub status: String,
    #[serde(default)]
    result_message: Option<String>,
    #[serde(default)]
    detailed_message: Option<String>,
}

impl Operation {
    /// Why it failed, in the service's words.
    pub fn reason(&self) -> Option<String> {
        let message = self.detailed_message.as_ref().or(self.result_message.as_ref())?;
        Some(visible_within(message.trim().trim_end_matches('.'), SHOWN))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepositoryAnswer {
    pub name: String,
    pub remote_url: String,
    #[serde(default)]
    pub is_disabled: bool,
    #[serde(default)]
    pub default_branch: Option<String>,
}
