//! The double's git, spoken to by git.

mod common;

use common::{ask, git, git_must, repository_with};
use double::{Answer, Double, Organization, Rule, Token};

struct Shop {
    double: Double,
    contoso: Organization,
    token: String,
    folder: tempfile::TempDir,
}

impl Shop {
    /// contoso/shop/web is empty; the folder has one commit on main.
    fn new() -> Shop {
        Shop::with_content(b"content\n")
    }

    fn with_content(content: &[u8]) -> Shop {
        let double = Double::start();
        let contoso = double.organization("contoso");
        contoso.repository("shop", "web");
        let token = contoso.token(Token::new().scopes("vso.code_write"));
        let folder = tempfile::tempdir().expect("a folder");
        repository_with(folder.path(), content);
        Shop { double, contoso, token, folder }
    }

    fn url(&self) -> String {
        format!("{}/shop/_git/web", self.contoso.url())
    }

    fn push(&self, arguments: &[&str]) -> common::Said {
        let mut said = git(self.folder.path(), &self.token, &[&["push"], arguments].concat());
        said.stderr = said.stderr.replace(self.double.url(), "URL");
        said
    }

    fn must(&self, arguments: &[&str]) -> String {
        git_must(self.folder.path(), &self.token, arguments)
    }
}

#[test]
fn a_push_arrives_and_makes_the_default_branch() {
    let shop = Shop::new();
    assert_eq!(shop.contoso.default_branch("shop", "web"), None);
    let said = shop.push(&[&shop.url(), "HEAD:refs/heads/trunk", "HEAD:refs/heads/main"]);
    assert_eq!(
        said.stderr,
        "remote: Analyzing objects... (3/3) (5 ms)\n\
         remote: Storing packfile... done (62 ms)\n\
         remote: Storing index... done (53 ms)\n\
         To URL/contoso/shop/_git/web\n \
         * [new branch]      HEAD -> trunk\n \
         * [new branch]      HEAD -> main"
    );
    let first = Some("refs/heads/trunk".to_owned());
    assert_eq!(shop.contoso.default_branch("shop", "web"), first);
    let head = shop.must(&["ls-remote", "--symref", &shop.url(), "HEAD"]);
    assert!(head.starts_with("ref: refs/heads/trunk\tHEAD"), "{head}");
}

#[test]
fn a_clone_brings_it_back() {
    let shop = Shop::new();
    assert!(shop.push(&[&shop.url(), "main"]).success);
    for url in
        ["contoso/shop/_git/web", "CONTOSO/Shop/_git/_full/WEB", "contoso/shop/_git/_optimized/web"]
    {
        let target = tempfile::tempdir().expect("a folder");
        let url = format!("{}/{url}", shop.double.url());
        git_must(target.path(), &shop.token, &["clone", "--quiet", &url, "clone"]);
        let content = std::fs::read(target.path().join("clone/file")).expect("the file");
        assert_eq!(content, b"content\n");
    }
}

#[test]
fn a_repository_that_is_there_is_served_as_it_is() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    repository_with(folder.path(), b"content\n");
    let serve = || {
        let double = Double::start_in(root.path());
        let contoso = double.organization("contoso");
        let bare = contoso.repository("shop", "web");
        assert_eq!(bare, root.path().join("contoso/shop/web.git"));
        let (token, url) =
            (contoso.token(Token::new()), format!("{}/shop/_git/web", contoso.url()));
        (double, token, url)
    };
    let (_first, token, url) = serve();
    git_must(folder.path(), &token, &["push", "--quiet", &url, "main"]);
    let (_second, token, url) = serve();
    assert!(git_must(folder.path(), &token, &["ls-remote", &url]).ends_with("refs/heads/main"));
}

#[test]
fn a_project_may_be_left_out_where_its_repository_has_its_name() {
    let shop = Shop::new();
    shop.contoso.repository("a b", "a b");
    let url = format!("{}/_git/a%20b", shop.contoso.url());
    assert!(shop.push(&[&url, "main"]).success);
    assert!(shop.contoso.bare("a b", "a b").join("refs/heads/main").exists());
}

#[test]
fn no_more_is_advertised_than_the_service_does() {
    let shop = Shop::new();
    shop.contoso.push_capability("shop", "web", "atomic");
    assert!(shop.push(&[&shop.url(), "main"]).success);
    for (service, expected) in [
        ("git-receive-pack", "\0 report-status delete-refs side-band-64k atomic\n"),
        (
            "git-upload-pack",
            "\0 multi_ack thin-pack side-band side-band-64k no-progress multi_ack_detailed no-done \
             shallow allow-tip-sha1-in-want filter symref=HEAD:refs/heads/main\n",
        ),
    ] {
        let reply = ask("GET", &format!("/contoso/shop/_git/web/info/refs?service={service}"))
            .token(&shop.token)
            .header("Git-Protocol", "version=2")
            .send(shop.double.url());
        assert!(reply.text().contains(expected), "{service}: {}", reply.text());
    }
}

#[test]
fn a_refused_ref_is_refused_inside_a_200_and_others_go_through() {
    let shop = Shop::new();
    let reason = "TF402455: Pushes to this branch are not permitted; you must use a pull request to \
                  update this branch.";
    shop.contoso.policy("shop", "web", "refs/heads/main", reason);
    let said = shop.push(&[&shop.url(), "main", "main:side"]);
    assert!(!said.success);
    assert_eq!(
        said.stderr,
        format!(
            "remote: Analyzing objects... (3/3) (5 ms)\n\
             remote: Storing packfile... done (62 ms)\n\
             remote: Storing index... done (53 ms)\n\
             To URL/contoso/shop/_git/web\n \
             * [new branch]      main -> side\n \
             ! [remote rejected] main -> main ({reason})\n\
             error: failed to push some refs to 'URL/contoso/shop/_git/web'"
        )
    );
    let bare = shop.contoso.bare("shop", "web");
    assert!(bare.join("refs/heads/side").exists() && !bare.join("refs/heads/main").exists());
    assert!(shop.double.requests().iter().all(|request| request.status == 200));
}

#[test]
fn a_push_of_nothing_but_refused_refs_and_deletions_is_taken() {
    let shop = Shop::new();
    assert!(shop.push(&[&shop.url(), "main", "main:side", "main:old"]).success);
    shop.contoso.policy("shop", "web", "refs/heads/ma*", "no");
    shop.must(&["commit", "--quiet", "--allow-empty", "--message", "second"]);
    let said = shop.push(&["--porcelain", &shop.url(), "main", ":side", ":old"]);
    assert_eq!(
        said.stdout.replace(shop.double.url(), "URL"),
        "To URL/contoso/shop/_git/web\n\
         -\t:refs/heads/old\t[deleted]\n\
         -\t:refs/heads/side\t[deleted]\n\
         !\trefs/heads/main:refs/heads/main\t[remote rejected] (no)\n\
         Done"
    );
}

#[test]
fn a_rewind_needs_its_permission() {
    let shop = Shop::new();
    shop.must(&["commit", "--quiet", "--allow-empty", "--message", "second"]);
    assert!(shop.push(&[&shop.url(), "main"]).success);
    shop.contoso.forbid_force("shop", "web");
    let said = shop.push(&["--force", &shop.url(), "main~1:main"]);
    let reason = "main~1 -> main (TF401027: You need the Git 'ForcePush' permission to perform this action.)";
    assert!(!said.success && said.stderr.contains(reason), "{}", said.stderr);
    shop.contoso.permit("shop", "web");
    assert!(shop.push(&["--force", &shop.url(), "main~1:main"]).success);
}

#[test]
fn an_atomic_push_falls_as_a_whole() {
    let shop = Shop::new();
    shop.contoso.push_capability("shop", "web", "atomic");
    shop.contoso.policy("shop", "web", "refs/heads/main", "no");
    let said = shop.push(&["--atomic", &shop.url(), "main", "main:side"]);
    assert!(!said.success);
    assert!(said.stderr.contains("main -> side (atomic push failure)"), "{}", said.stderr);
    assert!(!shop.contoso.bare("shop", "web").join("refs/heads/side").exists());
}

#[test]
fn found_secrets_are_an_unpack_error_and_a_refusal_of_each_ref() {
    let shop = Shop::new();
    shop.contoso.secret_scanning("shop", "web");
    let said = shop.push(&[&shop.url(), "main", "main:side"]);
    let commit = shop.must(&["rev-parse", "main"]);
    let error = "error: remote unpack failed: error VS403654: The push was rejected because it \
                 contains one or more secrets.";
    assert!(!said.success && said.stderr.contains(error), "{}", said.stderr);
    assert!(said.stderr.contains(&format!("commit: {commit}")), "{}", said.stderr);
    for reference in ["main -> main", "main -> side"] {
        let line = format!(" ! [remote rejected] {reference} (VS403654: The push was rejected");
        assert!(said.stderr.contains(&line), "{}", said.stderr);
    }
    shop.contoso.permit("shop", "web");
    assert!(shop.push(&[&shop.url(), "main", "main:side"]).success);
}

#[test]
fn who_may_only_read_is_told_so_in_packets() {
    let shop = Shop::new();
    shop.contoso.read_only("shop", "web");
    let reply = ask("GET", "/contoso/shop/_git/web/info/refs?service=git-receive-pack")
        .token(&shop.token)
        .send(shop.double.url());
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (403, Some("text/plain; charset=utf-8"))
    );
    let text = reply.text();
    let start = "001f# service=git-receive-pack\n0000000000aaTF401027: You need the Git \
                 'GenericContribute' permission to perform this action. Details: identity 'Build\\";
    assert!(text.starts_with(start), "{text}");
    let said = shop.push(&[&shop.url(), "main"]);
    let lines =
        ["remote: 001f# service=git-receive-pack", "remote: 0000000000aaTF401027: You need"];
    assert!(lines.iter().all(|line| said.stderr.contains(line)), "{}", said.stderr);
    shop.must(&["ls-remote", &shop.url()]);
}

#[test]
fn what_is_not_there_or_disabled_is_not_found() {
    let shop = Shop::new();
    shop.contoso.repository("shop", "old");
    shop.contoso.disable("shop", "old");
    shop.contoso.project("secret").hide("secret");
    for path in ["shop/_git/web.git", "shop/_git/old", "secret/_git/secret", "none/_git/web"] {
        let url = format!("{}/{path}", shop.contoso.url());
        let said = git(shop.folder.path(), &shop.token, &["ls-remote", &url]);
        let name = path.rsplit('/').next().unwrap_or_default();
        let expected = format!(
            "remote: TF401019: The Git repository with name or identifier {name} does not exist or \
             you do not have permissions for the operation you are attempting.\n\
             fatal: repository '{url}/' not found"
        );
        assert_eq!(said.stderr, expected);
    }
}

#[test]
fn a_credential_that_is_not_taken_is_asked_for_again() {
    let shop = Shop::new();
    let read_only = shop.contoso.token(Token::new().scopes("vso.code"));
    let expired = shop.contoso.token(Token::new().expires_in_past());
    let revoked = shop.contoso.token(Token::new());
    shop.contoso.revoke(&revoked);
    let foreign = shop.double.organization("fabrikam").token(Token::new());
    let path = "/contoso/shop/_git/web/info/refs?service=git-receive-pack";
    for token in ["", "unknown", &read_only, &expired, &revoked, &foreign] {
        let request = ask("GET", path);
        let request = if token.is_empty() { request } else { request.token(token) };
        let reply = request.send(shop.double.url());
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (401, Some("text/html; charset=utf-8"))
        );
    }
    shop.must(&["-c", "http.version=HTTP/1.1", "ls-remote", &shop.url()]);
    assert!(git(shop.folder.path(), &read_only, &["ls-remote", &shop.url()]).success);
}

#[test]
fn an_entra_token_is_taken_either_way() {
    let shop = Shop::new();
    let bearer = shop.contoso.bearer(Token::new());
    let path = "/contoso/shop/_git/web/info/refs?service=git-upload-pack";
    let statuses =
        [ask("GET", path).bearer(&bearer), ask("GET", path).token(&bearer)].map(|request| {
            let reply = request.send(shop.double.url());
            reply.status
        });
    assert_eq!(statuses, [200, 200]);
}

#[test]
fn a_long_push_comes_in_chunks_and_a_fetch_of_many_haves_comes_packed() {
    // Content that does not compress, three times what git holds in memory before it streams.
    let mut content = vec![0_u8; 3 << 20];
    let mut seed = 1_u32;
    for byte in &mut content {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (seed >> 24) as u8;
    }
    let shop = Shop::with_content(&content);
    assert!(shop.push(&[&shop.url(), "main"]).success);
    let requests = shop.double.requests();
    let pushed = requests.last().expect("a request");
    assert!(pushed.chunked && pushed.content_length.is_none(), "{pushed}");
    assert!(pushed.body_bytes > 3 << 20, "{}", pushed.body_bytes);
    assert_eq!(requests[1].body, b"0000", "git asks first whether it may");

    shop.double.clear_requests();
    for number in 0..60 {
        let message = format!("mine {number}");
        shop.must(&["commit", "--quiet", "--allow-empty", "--message", &message]);
    }
    let other = tempfile::tempdir().expect("a folder");
    git_must(other.path(), &shop.token, &["clone", "--quiet", &shop.url(), "."]);
    git_must(other.path(), "", &["commit", "--quiet", "--allow-empty", "--message", "theirs"]);
    git_must(other.path(), &shop.token, &["push", "--quiet", "origin", "main"]);
    shop.must(&["fetch", "--quiet", &shop.url(), "main"]);
    let requests = shop.double.requests();
    let packed = requests.iter().any(|request| request.header("content-encoding") == Some("gzip"));
    assert!(packed, "{requests:#?}");
    assert_eq!(shop.must(&["log", "-1", "--format=%s", "FETCH_HEAD"]), "theirs");
}

#[test]
fn a_client_without_multi_ack_is_turned_away() {
    let shop = Shop::new();
    assert!(shop.push(&[&shop.url(), "main"]).success);
    let commit = shop.must(&["rev-parse", "main"]);
    let reply = ask("POST", "/contoso/shop/_git/web/git-upload-pack")
        .token(&shop.token)
        .header("Content-Type", "application/x-git-upload-pack-request")
        .bytes(format!("0032want {commit}\n00000009done\n").into_bytes())
        .send(shop.double.url());
    let message =
        "TF401041: The Git protocol sent is not as expected (Clients must support multi-ack.)";
    assert_eq!((reply.status, reply.text().as_str()), (400, message));
}

#[test]
fn everybody_reads_a_public_project_and_nobody_pushes_to_it_unasked() {
    let shop = Shop::new();
    shop.contoso.public_project("open");
    let url = format!("{}/open/_git/open", shop.contoso.url());
    git_must(shop.folder.path(), "", &["ls-remote", &url]);
    let path = "/contoso/open/_git/open/info/refs?service=git-receive-pack";
    assert_eq!(ask("GET", path).send(shop.double.url()).status, 401);
}

#[test]
fn without_a_side_band_there_is_only_the_report() {
    let shop = Shop::new();
    shop.contoso.no_side_band("shop", "web");
    let said = shop.push(&[&shop.url(), "main"]);
    assert_eq!(said.stderr, "To URL/contoso/shop/_git/web\n * [new branch]      main -> main");
}

#[test]
fn a_push_can_go_through_and_its_report_be_lost() {
    let shop = Shop::new();
    let rule = || Rule::new("POST", "…/git-receive-pack");
    shop.double.answer(rule().times(1), Answer::reset().after_serving());
    assert!(!shop.push(&[&shop.url(), "main"]).success);
    assert!(shop.contoso.bare("shop", "web").join("refs/heads/main").exists());
    // git's HTTP library may try once more by itself when a connection that it used before dies.
    let requests = shop.double.requests();
    let lost = requests.iter().filter(|request| request.status == 0).count();
    assert_eq!(lost, 1, "{requests:#?}");
    shop.double.clear_answers();

    shop.double
        .answer(rule().times(1), Answer::push_report(&["unpack ok", "ng refs/heads/side no"]));
    let said = shop.push(&[&shop.url(), "main:side"]);
    assert!(said.stderr.contains("! [remote rejected] main -> side (no)"), "{}", said.stderr);
}
