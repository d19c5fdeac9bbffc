//! `_apis/connectionData`: who the credential belongs to.

use axum::response::Response;

use super::{Call, json};
use crate::json::Object;
use crate::names::stable_id;
use crate::state::Person;

/// Whom the service takes everybody for who is not signed in.
const ANONYMOUS: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";

pub(super) fn get(call: &Call<'_>) -> Response {
    let state = call.shared.lock();
    let organization = call.state(&state);
    let user = match &call.caller {
        Some(caller) => identity(&caller.person, organization.tenant.as_deref()),
        None => anonymous(),
    };
    let location = Object::new()
        .text("serviceOwner", "00025394-6065-48ca-87d9-7f5672854ef7")
        .text("defaultAccessMappingMoniker", "PublicAccessMapping")
        .number("lastChangeId", 424_239_147)
        .number("lastChangeId64", 424_239_147);
    let data = Object::new()
        .object("authenticatedUser", user.clone())
        .object("authorizedUser", user)
        .text("instanceId", &organization.instance_id)
        .text("deploymentId", stable_id(&["deployment"]))
        .text("deploymentType", "hosted")
        .object("locationServiceData", location);
    json(200, &data)
}

/// How the service names a person across its parts; personal accounts have another prefix.
pub(super) fn subject(person: &Person, tenant: Option<&str>) -> String {
    let prefix = if tenant.is_some() { "aad" } else { "msa" };
    format!("{prefix}.{}", person.id.replace('-', ""))
}

fn identity(person: &Person, tenant: Option<&str>) -> Object {
    let claims = "Microsoft.IdentityModel.Claims.ClaimsIdentity";
    let domain = tenant.unwrap_or("Windows Live ID");
    let account = Object::new().text("$type", "System.String").text("$value", &person.account);
    Object::new()
        .text("id", &person.id)
        .text("descriptor", format!("{claims};{domain}\\{}", person.account))
        .text("subjectDescriptor", subject(person, tenant))
        .text("providerDisplayName", &person.display_name)
        .text("customDisplayName", &person.display_name)
        .flag("isActive", true)
        .object("properties", Object::new().object("Account", account))
        .number("resourceVersion", 2)
        .number("metaTypeId", 0)
}

fn anonymous() -> Object {
    Object::new()
        .text("id", ANONYMOUS)
        .text("descriptor", format!("System:PublicAccess;{ANONYMOUS}"))
        .text("subjectDescriptor", format!("pa.{ANONYMOUS}"))
        .text("providerDisplayName", "Anonymous")
        .flag("isActive", true)
        .object("properties", Object::new())
        .number("resourceVersion", 2)
        .number("metaTypeId", 0)
}
