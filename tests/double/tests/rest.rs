//! The double's REST API, spoken to over a plain connection.

mod common;

use common::{Ask, Reply, ask};
use double::{Double, Organization, SignedOut, Token};
use serde_json::{Value, json};

struct Contoso {
    double: Double,
    contoso: Organization,
    token: String,
}

impl Contoso {
    fn new() -> Contoso {
        let double = Double::start();
        let contoso = double.organization("contoso").person("ada@contoso.com", "Ada Lovelace");
        let token = contoso.token(Token::new());
        Contoso { double, contoso, token }
    }

    fn send(&self, request: Ask) -> Reply {
        request.suppress().send(self.double.url())
    }

    fn get(&self, path: &str) -> Reply {
        self.send(ask("GET", &format!("/contoso{path}")).token(&self.token))
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.with_body("POST", path, body)
    }

    fn with_body(&self, method: &str, path: &str, body: &Value) -> Reply {
        let path = format!("/contoso{path}?api-version=7.1");
        self.send(ask(method, &path).token(&self.token).json(body))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let list = self.get(path).json();
        let list = list["value"].as_array().expect("a list").clone();
        list.iter().map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[test]
fn every_answer_bears_the_marks_of_the_service() {
    let here = Contoso::new();
    let reply = here.get("/_apis/connectionData?api-version=7.1-preview");
    for name in ["activityid", "x-tfs-processid", "x-tfs-session", "x-vss-e2eid"] {
        assert!(reply.header(name).is_some(), "{name}");
    }
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    let kind = "application/json; charset=utf-8; api-version=7.1-preview";
    assert_eq!(reply.header("content-type"), Some(kind));
    let data = reply.json();
    assert_eq!(data["authenticatedUser"]["properties"]["Account"]["$value"], "ada@contoso.com");
    assert_eq!(data["instanceId"], here.contoso.id());
}

#[test]
fn a_version_is_needed_that_there_is() {
    let here = Contoso::new();
    let projects = "/contoso/_apis/projects";
    let connection = "/contoso/_apis/ConnectionData";
    for (method, path, version, expected) in [
        ("GET", connection, "7.1", "400 VssInvalidPreviewVersionException -"),
        ("GET", connection, "9.0", "400 VssVersionOutOfRangeException -"),
        ("GET", connection, "7.3-preview", "400 VssVersionOutOfRangeException -"),
        ("GET", projects, "7.2", "400 VssInvalidPreviewVersionException -"),
        ("GET", projects, "new", "400 VssInvalidApiVersionException -"),
        ("POST", projects, "", "400 VssVersionNotSpecifiedException -"),
    ] {
        let accept = format!("application/json;api-version={version}");
        let accept = if version.is_empty() { "application/json" } else { &accept };
        let request = ask(method, path).token(&here.token).header("Accept", accept);
        let reply = here.send(request.json(&json!({})));
        assert_eq!(reply.refusal(), expected, "{method} {path} {version}");
    }
    let future = here.get("/_apis/projects?api-version=9.0").json();
    let message = future["message"].as_str().expect("a message").to_owned();
    assert!(message.ends_with("supports is 7.2."), "{message}");
    assert_eq!(here.get("/_apis/projects").status, 200);
    assert_eq!(here.get("/_apis/projects?api-version=7.2-preview.4").status, 200);
    here.contoso.newest_api_version(6, 0);
    let older = here.get("/_apis/projects?api-version=7.1").json();
    assert!(older["message"].as_str().is_some_and(|text| text.ends_with("is 6.0.")), "{older}");
}

#[test]
fn who_is_not_signed_in_is_redirected_unless_that_is_suppressed() {
    let here = Contoso::new();
    let path = "/contoso/_apis/connectionData";
    let ask_openly = || ask("GET", path).send(here.double.url());

    let moved = ask_openly();
    assert_eq!(moved.status, 302);
    let location = moved.header("location").expect("a location");
    assert!(
        location.contains("/_signin?realm=dev.azure.com&reply_to=http%3A%2F%2F127.0.0.1"),
        "{location}"
    );
    assert!(location.starts_with("http://localhost:"), "{location}");
    assert_eq!(ask("GET", "/_signin?x=y").send(here.double.url()).status, 200);

    here.contoso.signed_out(SignedOut::NonAuthoritative);
    let page = ask_openly();
    assert_eq!((page.status, page.header("content-type")), (203, Some("text/html; charset=utf-8")));
    here.contoso.signed_out(SignedOut::Unauthorized);
    assert_eq!(ask_openly().status, 401);
    here.contoso.signed_out(SignedOut::Redirect).tenant("72f988bf-86f1-41af-91ab-2d7cd011db47");

    let mut orders = Vec::new();
    for _ in 0..3 {
        let refused = here.send(ask("GET", path));
        assert_eq!(refused.status, 401);
        let tenant = refused.header("x-vss-resourcetenant");
        assert_eq!(tenant, Some("72f988bf-86f1-41af-91ab-2d7cd011db47"));
        let error = refused.header("x-tfs-serviceerror").expect("a reason");
        assert!(error.starts_with("TF400813%3A%20Resource%20not%20available"), "{error}");
        orders.push(refused.all("www-authenticate").join(" | "));
    }
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 3, "{orders:?}");
    let bearer = "Bearer authorization_uri=https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47";
    assert!(orders.iter().all(|order| order.contains(bearer)), "{orders:?}");

    here.contoso.personal_accounts().joined_challenges();
    let refused = here.send(ask("HEAD", "/contoso"));
    let zeros = "00000000-0000-0000-0000-000000000000";
    assert_eq!(refused.header("x-vss-resourcetenant"), Some(zeros));
    let challenges = refused.all("www-authenticate");
    assert_eq!(challenges.len(), 1, "{challenges:?}");
    let bare = challenges[0].split(", ").any(|challenge| challenge == "Bearer");
    assert!(bare, "{challenges:?}");
}

#[test]
fn a_credential_is_refused_in_its_own_way() {
    let here = Contoso::new();
    let fabrikam = here.double.organization("fabrikam");
    let expired = here.contoso.bearer(Token::new().expires_in_past());
    let stranger = here.contoso.bearer(Token::new().account("eve@fabrikam.com"));
    let narrow = here.contoso.token(Token::new().scopes("vso.code"));
    let get = |path: &str| ask("GET", path);
    let connection = "/contoso/_apis/connectionData";
    let tell = |reply: Reply| match reply.text() {
        text if text.is_empty() => format!("{} empty", reply.status),
        text if text.starts_with('<') => format!("{} page", reply.status),
        _ => reply.refusal(),
    };
    for (request, expected) in [
        (get(connection).token("mistyped"), "401 empty"),
        (get(connection).token(&expired), "401 empty"),
        (get(connection).bearer(&expired), "401 UnauthorizedRequestException TF400813"),
        (get(connection).bearer(&stranger), "401 UnauthorizedRequestException TF400813"),
        (
            get(connection).token(&fabrikam.token(Token::new())),
            "401 UnauthorizedRequestException TF400813",
        ),
        (get("/contoso/_apis/projects").token(&narrow), "401 empty"),
    ] {
        assert_eq!(tell(here.send(request)), expected);
    }
    assert_eq!(here.send(get(connection).token(&narrow)).status, 200);
    assert_eq!(get("/contoso/_apis/projects").token(&narrow).send(here.double.url()).status, 203);
    assert_eq!(here.send(get("/nobody/_apis/projects").token(&narrow)).status, 404);
}

#[test]
fn scopes_hold_the_lower_ones_and_no_others() {
    let here = Contoso::new();
    here.contoso.project("shop");
    for (scopes, projects, repositories, processes) in [
        ("vso.code", 401, 200, 401),
        ("vso.code_manage", 401, 200, 401),
        ("vso.profile", 200, 401, 401),
        ("vso.project_manage vso.work", 200, 401, 200),
        ("vso.coder vso.work_write", 401, 401, 200),
        ("user_impersonation", 200, 200, 200),
    ] {
        let token = here.contoso.token(Token::new().scopes(scopes));
        let paths = ["projects", "git/repositories", "process/processes"];
        let statuses = paths.map(|path| {
            here.send(ask("GET", &format!("/contoso/_apis/{path}")).token(&token)).status
        });
        assert_eq!(statuses, [projects, repositories, processes], "{scopes}");
    }
    let reading = here.contoso.token(Token::new().scopes("vso.code_write vso.project"));
    let create = |path: &str| {
        let request = ask("POST", &format!("/contoso/{path}?api-version=7.1")).token(&reading);
        here.send(request.json(&json!({"name": "new"}))).status
    };
    assert_eq!([create("_apis/projects"), create("shop/_apis/git/repositories")], [401, 401]);
}

#[test]
fn an_entra_token_is_redirected_at_an_organization_of_personal_accounts() {
    let here = Contoso::new();
    here.contoso.personal_accounts();
    let bearer = here.contoso.bearer(Token::new());
    let request = ask("GET", "/contoso/_apis/connectionData").bearer(&bearer);
    assert_eq!(request.clone().send(here.double.url()).status, 302);
    let passed = request.header("X-VSS-ForceMsaPassThrough", "true").send(here.double.url());
    assert_eq!(passed.status, 200);
}

#[test]
fn a_public_project_makes_everybody_somebody() {
    let here = Contoso::new();
    here.contoso.public_project("open");
    let data = here.send(ask("GET", "/contoso/_apis/connectionData")).json();
    assert_eq!(data["authenticatedUser"]["id"], "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa");
}

#[test]
fn the_identity_host_takes_no_token_of_one_organization() {
    let here = Contoso::new();
    let me = "/_apis/profile/profiles/me?api-version=7.1";
    assert_eq!(here.get(me).json()["emailAddress"], "ada@contoso.com");
    let refused = here.send(ask("GET", me).token(&here.token));
    assert_eq!((refused.status, refused.text().as_str()), (401, ""));
    let bearer = here.contoso.bearer(Token::new());
    let profile = here.send(ask("GET", me).bearer(&bearer)).json();
    here.double.organization("fabrikam").person("ada@contoso.com", "Ada Lovelace");
    here.double.organization("adatum");
    let member = profile["id"].as_str().expect("an id");
    let path = format!("/_apis/accounts?memberId={member}&api-version=7.1");
    let everywhere = here.contoso.token(Token::new().everywhere());
    let accounts = here.send(ask("GET", &path).token(&everywhere)).json();
    let names: Vec<_> = accounts["value"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["accountName"])
        .collect();
    assert_eq!(names, ["contoso", "fabrikam"]);
}

#[test]
fn a_project_comes_in_its_own_time_and_with_a_repository() {
    let here = Contoso::new();
    here.contoso.operation_polls(1);
    let body = json!({"name": "Web Shop", "description": "All of it",
        "capabilities": {"versioncontrol": {"sourceControlType": "Git"}}});
    let started = here.post("/_apis/projects", &body);
    assert_eq!((started.status, &started.json()["status"]), (202, &json!("notSet")));
    let operation = format!("/_apis/operations/{}", started.json()["id"].as_str().expect("an id"));
    assert_eq!(
        here.post("/_apis/projects", &body).refusal(),
        "400 ProjectAlreadyExistsException TF200019"
    );
    assert_eq!(here.get(&operation).json()["status"], "inProgress");
    let early = here.get("/_apis/projects/Web%20Shop");
    assert_eq!(early.refusal(), "404 ProjectDoesNotExistWithNameException TF200016");
    assert_eq!(here.get(&operation).json()["status"], "succeeded");
    let project = here.get("/_apis/projects/web%20SHOP?includeCapabilities=true").json();
    assert_eq!(project["name"], "Web Shop");
    assert_eq!(project["capabilities"]["versioncontrol"]["gitEnabled"], "True");
    assert_eq!(here.names("/Web%20Shop/_apis/git/repositories"), Vec::<String>::new());
    let own = here.get("/Web%20Shop/_apis/git/repositories/Web%20Shop").json();
    let remote = format!("{}/contoso/Web%20Shop/_git/Web%20Shop", here.double.url());
    assert_eq!(own["webUrl"], remote);
    assert_eq!(own["remoteUrl"], remote.replacen("//", "//contoso@", 1));
    assert_eq!(own.get("defaultBranch"), None);
    assert_eq!(here.names("/Web%20Shop/_apis/git/repositories"), ["Web Shop"]);

    let id = project["id"].as_str().expect("an id");
    let by_name = here.with_body("DELETE", "/_apis/projects/Web%20Shop", &Value::Null);
    assert_eq!(by_name.refusal(), "400 ProjectDoesNotExistException VS800075");
    let ended = here.with_body("DELETE", &format!("/_apis/projects/{id}"), &Value::Null);
    let operation = format!("/_apis/operations/{}", ended.json()["id"].as_str().expect("an id"));
    let statuses =
        [here.get(&operation), here.get(&operation)].map(|reply| reply.json()["status"].clone());
    assert_eq!(statuses, ["inProgress", "succeeded"]);
    assert_eq!(here.names("/_apis/projects"), Vec::<String>::new());
}

#[test]
fn a_project_can_be_refused_at_once_or_only_in_the_end() {
    let here = Contoso::new();
    here.contoso.project("shop").project("secret").hide("secret").operation_polls(0);
    for (name, expected) in [
        ("SHOP", "400 ProjectAlreadyExistsException TF200019"),
        ("secret", "400 ProjectAlreadyExistsException TF200019"),
        ("a:b", "400 InvalidProjectNameException -"),
        ("_a", "400 InvalidProjectNameException -"),
        ("a.", "400 InvalidProjectNameException -"),
        ("com7", "400 InvalidProjectNameException -"),
        ("Web", "400 InvalidProjectNameException -"),
    ] {
        assert_eq!(
            here.post("/_apis/projects", &json!({"name": name})).refusal(),
            expected,
            "{name}"
        );
    }
    let template =
        json!({"name": "x", "capabilities": {"processTemplate": {"templateTypeId": "none"}}});
    let end = |started: Reply| {
        let id = started.json()["id"].as_str().expect("an id").to_owned();
        here.get(&format!("/_apis/operations/{id}")).json()
    };
    let ended = end(here.post("/_apis/projects", &template));
    assert_eq!((&ended["status"], ended["resultMessage"].is_string()), (&json!("failed"), true));
    here.contoso.project_creation_fails("out of room");
    assert_eq!(
        end(here.post("/_apis/projects", &json!({"name": "y"})))["resultMessage"],
        "out of room"
    );
    here.contoso.forbid_projects();
    let refused = here.post("/_apis/projects", &json!({"name": "z"}));
    assert_eq!(refused.refusal(), "403 AccessCheckException TF50309");
}

#[test]
fn a_long_list_of_projects_comes_in_pages() {
    let here = Contoso::new();
    for number in 0..101 {
        here.contoso.project(&format!("p{number}"));
    }
    let first = here.get("/_apis/projects");
    assert_eq!(first.json()["count"], 100);
    assert_eq!(first.header("x-ms-continuationtoken"), Some("100"));
    let second = here.get("/_apis/projects?continuationToken=100");
    assert_eq!(
        (&second.json()["count"], second.header("x-ms-continuationtoken")),
        (&json!(1), None)
    );
    assert_eq!(here.names("/_apis/projects?$top=2&$skip=3"), ["p3", "p4"]);
    here.contoso.page_size(7);
    assert_eq!(here.get("/_apis/projects?$top=50").json()["count"], 7);
    assert_eq!(here.names("/_apis/projects?stateFilter=deleted"), Vec::<String>::new());
}

#[test]
fn a_missing_project_is_told_in_several_ways() {
    let here = Contoso::new();
    let id = "b810b0b0-a954-403b-9795-f0c9d0c9cfe9";
    here.contoso.project("secret").hide("secret");
    let missing = "ProjectDoesNotExistException VS800075";
    for (reply, expected) in [
        (
            here.get("/_apis/projects/none"),
            "404 ProjectDoesNotExistWithNameException TF200016".to_owned(),
        ),
        (
            here.get("/_apis/projects/secret"),
            "404 ProjectDoesNotExistWithNameException TF200016".to_owned(),
        ),
        (here.get(&format!("/_apis/projects/{id}")), format!("404 {missing}")),
        (here.get("/none/_apis/git/repositories"), format!("404 {missing}")),
        (here.get("/none/_apis/git/repositories/x"), format!("404 {missing}")),
        (
            here.post("/none/_apis/git/repositories", &json!({"name": "x"})),
            format!("400 {missing}"),
        ),
    ] {
        assert_eq!(reply.refusal(), expected);
    }
}

#[test]
fn repositories_come_and_go() {
    let here = Contoso::new();
    here.contoso.project("shop");
    let list = "/shop/_apis/git/repositories";
    let made = here.post(list, &json!({"name": "Web"}));
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!((made.get("defaultBranch"), &made["size"]), (None, &json!(0)));
    assert_eq!(
        here.post(list, &json!({"name": "wEB"})).refusal(),
        "409 GitRepositoryNameAlreadyExistsException TF400948"
    );
    assert_eq!(
        here.post(list, &json!({"name": "a/b"})).refusal(),
        "400 InvalidGitRepositoryNameException TF401025"
    );
    let without_type = ask("POST", "/contoso/shop/_apis/git/repositories?api-version=7.1");
    assert_eq!(here.send(without_type.token(&here.token).bytes(b"{}".to_vec())).status, 415);

    let missing = "404 GitRepositoryNotFoundException TF401019";
    assert_eq!(here.get(&format!("{list}/web.git")).refusal(), missing);
    assert_eq!(
        here.get("/_apis/git/repositories/Web").refusal(),
        missing,
        "a name needs its project"
    );
    let id = made["id"].as_str().expect("an id");
    let by_id = here.get(&format!("/_apis/git/repositories/{id}")).json();
    assert_eq!(by_id["_links"]["self"]["href"], made["url"]);

    let one = format!("{list}/{id}");
    let renamed =
        here.with_body("PATCH", &one, &json!({"name": "site", "isDisabled": true})).json();
    assert_eq!((&renamed["name"], &renamed["isDisabled"]), (&json!("site"), &json!(true)));
    assert_eq!(here.get(&one).refusal(), missing);
    assert_eq!(here.names(list), ["shop", "site"], "a disabled one is listed");
    let enabled = here.with_body(
        "PATCH",
        &one,
        &json!({"isDisabled": false, "defaultBranch": "refs/heads/x"}),
    );
    assert_eq!(enabled.json()["defaultBranch"], "refs/heads/x");
    assert!(here.contoso.bare("shop", "site").ends_with("contoso/shop/site.git"));

    assert_eq!(here.with_body("DELETE", &format!("{list}/site"), &Value::Null).refusal(), missing);
    let gone = here.with_body("DELETE", &one, &Value::Null);
    assert_eq!((gone.status, gone.text().as_str()), (204, ""));
    assert_eq!(here.names(list), ["shop"]);
    here.contoso.forbid_repositories("shop");
    assert_eq!(
        here.post(list, &json!({"name": "new"})).refusal(),
        "403 GitNeedsPermissionException TF401027"
    );
}
