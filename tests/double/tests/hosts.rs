//! The real hosts, as the double plays them.

mod common;

use common::{git, repository_with};
use double::{Double, Token};

#[test]
fn a_repository_is_the_same_on_both_hosts_of_its_organization() {
    let double = Double::start();
    let contoso = double.organization("contoso");
    contoso.repository("shop", "web");
    let token = contoso.token(Token::new());
    let hosts = double.hosts();
    let folder = tempfile::tempdir().expect("a folder");
    repository_with(folder.path(), b"content\n");
    let proxy = format!("http.proxy={}", hosts.proxy);
    let authority = format!("http.sslCAInfo={}", hosts.authority.display());
    let settings = ["-c", &proxy, "-c", &authority];
    let run = |token: &str, arguments: &[&str]| {
        git(folder.path(), token, &[&settings[..], arguments].concat())
    };

    let url = "https://dev.azure.com/contoso/shop/_git/web";
    assert!(run(&token, &["push", "--quiet", url, "main"]).success);
    for url in [
        url,
        "https://contoso.visualstudio.com/shop/_git/web",
        "https://contoso.visualstudio.com/DefaultCollection/shop/_git/web",
    ] {
        let said = run(&token, &["ls-remote", url]);
        assert!(said.stdout.ends_with("\trefs/heads/main"), "{}", said.stderr);
        assert!(!run("", &["ls-remote", url]).success, "{url}");
    }
    let requests = double.requests();
    let asked: Vec<_> = requests
        .iter()
        .map(|request| (request.header("host").unwrap_or_default(), request.path.as_str()))
        .collect();
    let path = "/contoso/shop/_git/web/info/refs";
    assert!(asked.contains(&("dev.azure.com", path)), "{asked:?}");
    assert!(asked.contains(&("contoso.visualstudio.com", path)), "{asked:?}");

    for url in ["https://github.com/contoso/web", "https://a.b.visualstudio.com/shop/_git/web"] {
        let said = run(&token, &["ls-remote", url]);
        assert!(!said.success && said.stderr.contains("403"), "{}", said.stderr);
    }
    // Whoever was not told of the authority does not believe it.
    let said = git(folder.path(), &token, &["-c", &proxy, "ls-remote", url]);
    assert!(!said.success && said.stderr.contains("certificate"), "{}", said.stderr);
    assert_eq!(double.requests().len(), requests.len());
}

#[test]
fn the_hosts_where_a_person_signs_in_have_no_organization_in_front() {
    let double = Double::start();
    double.expect_unserved();
    let hosts = double.hosts();
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = format!("http.proxy={}", hosts.proxy);
    let authority = format!("http.sslCAInfo={}", hosts.authority.display());
    for host in ["login.microsoftonline.com", "app.vssps.visualstudio.com", "vssps.dev.azure.com"] {
        double.clear_requests();
        let url = format!("https://{host}/somewhere");
        git(folder.path(), "", &["-c", &proxy, "-c", &authority, "ls-remote", &url]);
        let requests = double.requests();
        let asked = requests.first().map(|one| (one.header("host"), one.path.as_str()));
        assert_eq!(asked, Some((Some(host), "/somewhere/info/refs")));
    }
}
