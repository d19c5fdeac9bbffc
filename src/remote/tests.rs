//! Every form of a URL, and every refusal.

use std::collections::HashSet;
use std::process::Command;

use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "hunter2";

fn hosted() -> Service {
    Service::hosted()
}

fn loopback() -> Service {
    Service::at("http://127.0.0.1:8080").unwrap()
}

fn server() -> Service {
    hosted().with_collection("https://tfs.example.com:8443/tfs/Main").unwrap()
}

/// The two columns of a table's row.
fn columns(row: &str) -> (&str, &str) {
    row.split_once(" => ").unwrap()
}

/// A URL in the fewest words: how it travels and what it names.
fn read(service: &Service, url: &str) -> String {
    match service.remote(url) {
        Ok(remote) => {
            let RemoteUrl { organization, project, repository, protocol, user } = remote;
            format!(
                "{protocol} {organization} {project} {repository} {}",
                user.unwrap_or("-".to_owned())
            )
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_form_of_a_hosted_url_is_read() {
    for row in [
        "https://dev.azure.com/contoso/shop/_git/web => https contoso shop web -",
        "https://contoso@dev.azure.com/contoso/shop/_git/web => https contoso shop web contoso",
        "https://ada%40contoso.com@dev.azure.com/contoso/shop/_git/web => https contoso shop web ada@contoso.com",
        "https://contoso:@dev.azure.com/contoso/shop/_git/web => https contoso shop web contoso",
        "https://DEV.Azure.COM:443/Contoso/Shop/_git/Web/ => https Contoso Shop Web -",
        "HTTPS://dev.azure.com/contoso/_git/web => https contoso web web -",
        "https://dev.azure.com/contoso/shop/_git/_full/web => https contoso shop web -",
        "https://dev.azure.com/contoso/_git/_optimized/web => https contoso web web -",
        "https://dev.azure.com/contoso/my%20shop/_git/my%20web => https contoso my shop my web -",
        "https://dev.azure.com/contoso/my shop/_git/Gr\u{fc}n => https contoso my shop Grün -",
        "https://dev.azure.com/contoso/shop/_git/web.git => https contoso shop web.git -",
        "https://dev.azure.com/contoso/shop/_git/100%25 => https contoso shop 100% -",
        "https://contoso.visualstudio.com/shop/_git/web => https contoso shop web -",
        "https://Contoso.VisualStudio.com/DefaultCollection/shop/_git/web => https Contoso shop web -",
        "https://contoso.visualstudio.com/_git/web => https contoso web web -",
        "https://contoso.visualstudio.com/DefaultCollection/_git/web => https contoso web web -",
        "https://contoso.visualstudio.com/shop/team/_git/web => https contoso shop web -",
        "https://contoso.visualstudio.com/shop/team/_git/_full/web => https contoso shop web -",
        "git@ssh.dev.azure.com:v3/contoso/shop/web => ssh contoso shop web git",
        "ssh.dev.azure.com:v3/contoso/shop/web => ssh contoso shop web -",
        "git@ssh.dev.azure.com:v3/contoso/my%20shop/web => ssh contoso my shop web git",
        "git@ssh.dev.azure.com:v3/contoso/shop/_full/web => ssh contoso shop web git",
        "git@ssh.dev.azure.com:v3/contoso/shop/team/web => ssh contoso shop web git",
        "ssh://git@ssh.dev.azure.com/v3/contoso/shop/web => ssh contoso shop web git",
        "ssh://git@ssh.dev.azure.com:22/v3/contoso/shop/team/_optimized/web => ssh contoso shop web git",
        "contoso@vs-ssh.visualstudio.com:v3/contoso/shop/web => ssh contoso shop web contoso",
        "git@vs-ssh.visualstudio.com:v3/contoso/shop/web => ssh contoso shop web git",
        "ssh://contoso@vs-ssh.visualstudio.com:22/shop/_ssh/web => ssh contoso shop web contoso",
        "ssh://contoso@vs-ssh.visualstudio.com/DefaultCollection/shop/_ssh/web => ssh contoso shop web contoso",
        "ssh://contoso@vs-ssh.visualstudio.com/_ssh/web => ssh contoso web web contoso",
        "ssh://contoso@contoso.visualstudio.com:22/shop/_git/web => ssh contoso shop web contoso",
    ] {
        let (url, expected) = columns(row);
        assert_eq!(read(&hosted(), url), expected, "{url}");
    }
}

#[test]
fn what_is_not_exactly_a_url_of_the_service_is_refused_by_name() {
    for row in [
        " => nothing is named",
        "https://github.com/ada/web => github.com is not a host of Azure DevOps",
        "git@github.com:ada/web.git => github.com is not a host of Azure DevOps",
        "https://evil.example/dev.azure.com/_git/x => evil.example is not a host of Azure DevOps",
        "https://evil.example/?https://dev.azure.com/a/b/_git/c => evil.example is not a host of Azure DevOps",
        "https://tfs.example.com:8443/tfs/Main/shop/_git/web => tfs.example.com is not a host of Azure DevOps",
        "https://test.dev.azure.com/a/b/_git/c => test.dev.azure.com resembles a host of Azure DevOps, and is none",
        "https://evil-dev.azure.com/a/b/_git/c => evil-dev.azure.com resembles a host of Azure DevOps, and is none",
        "https://dev.azure.com.evil.example/a/b/_git/c => dev.azure.com.evil.example resembles a host of Azure DevOps, and is none",
        "https://dev.azure.com./a/b/_git/c => dev.azure.com. resembles a host of Azure DevOps, and is none",
        "https://visualstudio.com/a/_git/c => visualstudio.com resembles a host of Azure DevOps, and is none",
        "https://.visualstudio.com/a/_git/c => .visualstudio.com resembles a host of Azure DevOps, and is none",
        "https://a.b.visualstudio.com/a/_git/c => a.b.visualstudio.com resembles a host of Azure DevOps, and is none",
        "https://contoso.visualstudio.com.evil.example/a/_git/c => contoso.visualstudio.com.evil.example resembles a host of Azure DevOps, and is none",
        "https://dev.\u{430}zure.com/a/b/_git/c => dev.\u{430}zure.com resembles a host of Azure DevOps, and is none",
        "https://dev.xn--zure-43d.com/a/b/_git/c => dev.xn--zure-43d.com resembles a host of Azure DevOps, and is none",
        "https://dev\u{3002}azure\u{3002}com/a/b/_git/c => dev\u{3002}azure\u{3002}com resembles a host of Azure DevOps, and is none",
        "https://dev.azure.com@evil.example/a/b/_git/c => evil.example resembles a host of Azure DevOps, and is none",
        "https://dev.azure.com\\@evil.example/a/b/_git/c => evil.example resembles a host of Azure DevOps, and is none",
        "https://evil.example\\.dev.azure.com/a/b/_git/c => `evil.example\\.dev.azure.com` can't be a host's name",
        "https://dev.azure.com%0d%0ahost=evil/a/b/_git/c => `dev.azure.com%0d%0ahost=evil` can't be a host's name",
        "https://dev.azure.com\r\nhost=evil/a/b/_git/c => `dev.azure.com\\r\\nhost=evil` can't be a host's name",
        "https://dev%2eazure.com/a/b/_git/c => dev%2eazure.com is not a host of Azure DevOps",
        "https://evil.example\\@dev.azure.com/a/b/_git/c => `https://dev.azure.com/a/b/_git/c` has a backslash in it",
        "https://a@b@dev.azure.com/a/b/_git/c => the user part of the URL for dev.azure.com is malformed",
        "https://a%0ab@dev.azure.com/a/b/_git/c => the user part of the URL for dev.azure.com is malformed",
        "https://a%2fb@dev.azure.com/a/b/_git/c => the user part of the URL for dev.azure.com is malformed",
        "https://\u{1b}]0;x@dev.azure.com/a/b/_git/c => `https://dev.azure.com/a/b/_git/c` has a control character in it",
        "https://dev.azure.com:444/a/b/_git/c => the URL for dev.azure.com names another port than the service has",
        "https://dev.azure.com:/a/b/_git/c => the URL for dev.azure.com names another port than the service has",
        "https://dev.azure.com:0443/a/b/_git/c => the URL for dev.azure.com names another port than the service has",
        "ssh://git@ssh.dev.azure.com:2222/v3/a/b/c => the URL for ssh.dev.azure.com names another port than the service has",
        "http://dev.azure.com/a/b/_git/c => the URL for dev.azure.com is plain http",
        "http://contoso.visualstudio.com/b/_git/c => the URL for contoso.visualstudio.com is plain http",
        "git://dev.azure.com/a/b/_git/c => the URL for dev.azure.com has the scheme git, where https or ssh is read",
        "ssh://dev.azure.com/a/b/_git/c => the URL for dev.azure.com has the scheme ssh, where https or ssh is read",
        "https://ssh.dev.azure.com/v3/a/b/c => the URL for ssh.dev.azure.com has the scheme https, where https or ssh is read",
        "https://vs-ssh.visualstudio.com/a/_git/c => the URL for vs-ssh.visualstudio.com has the scheme https, where https or ssh is read",
        "ext::sh -c id => `ext::` names a program for git to run, not a URL",
        "file::/etc => `file::` names a program for git to run, not a URL",
        "https::https://dev.azure.com/a/b/_git/c => `https::` names a program for git to run, not a URL",
        "file:///srv/web => `file:///srv/web` is a path on this computer, not a URL of Azure DevOps",
        "../web => `../web` is a path on this computer, not a URL of Azure DevOps",
        "C:\\web => `C:\\web` is a path on this computer, not a URL of Azure DevOps",
        "-x => `-x` starts with a dash",
        "--upload-pack=x => `--upload-pack=x` starts with a dash",
        "ssh://-oProxyCommand=x/a => `-oProxyCommand=x` starts with a dash",
        "ssh://-oProxyCommand=x@ssh.dev.azure.com/v3/a/b/c => the user part of the URL for ssh.dev.azure.com is malformed",
        "-oProxyCommand=x:v3/a => `-oProxyCommand=x:v3/a` starts with a dash",
        "https://dev.azure.com/a/b%2Fc/_git/d => `b%2Fc` has an escaped slash in it",
        "https://dev.azure.com/a/b/_git/c%5cd => `c%5cd` has a backslash in it",
        "https://dev.azure.com/a/b/_git/c\\d => `https://dev.azure.com/a/b/_git/c\\d` has a backslash in it",
        "https://dev.azure.com/a/b/_git/c\r => `https://dev.azure.com/a/b/_git/c\\r` has a control character in it",
        "https://dev.azure.com/a/b/_git/c%0d%0ahost=evil => `c%0d%0ahost=evil` has a control character in it",
        "https://dev.azure.com/a/b/_git/c%00 => `c%00` has a control character in it",
        "https://dev.azure.com/a/b/_git/%c2%9b => `%c2%9b` has a control character in it",
        "https://dev.azure.com/a/b/_git/%ff => `%ff` has a percent-escape that can't be decoded",
        "https://dev.azure.com/a/b/_git/c%2 => `c%2` has a percent-escape that can't be decoded",
        "https://dev.azure.com/a/b/_git/c%zz => `c%zz` has a percent-escape that can't be decoded",
        "https://dev.azure.com/a//b/_git/c => `https://dev.azure.com/a//b/_git/c` has an empty part in its path",
        "https://dev.azure.com//a/b/_git/c => `https://dev.azure.com//a/b/_git/c` has an empty part in its path",
        "https://dev.azure.com/a/b/_git/c// => `https://dev.azure.com/a/b/_git/c//` has an empty part in its path",
        "https://dev.azure.com/a/../b/_git/c => `https://dev.azure.com/a/../b/_git/c` has `.` or `..` in its path",
        "https://dev.azure.com/a/b/_git/%2E%2e => `https://dev.azure.com/a/b/_git/%2E%2e` has `.` or `..` in its path",
        "https://dev.azure.com/a/./b/_git/c => `https://dev.azure.com/a/./b/_git/c` has `.` or `..` in its path",
        "https://dev.azure.com/a/b/_git/%2e%2e%2f => `%2e%2e%2f` has an escaped slash in it",
        "https://dev.azure.com/a/b/_git/c?x => `https://dev.azure.com/a/b/_git/c?x` has a query or a fragment, which no remote has",
        "https://dev.azure.com/a/b/_git/c#x => `https://dev.azure.com/a/b/_git/c#x` has a query or a fragment, which no remote has",
        "https://dev.azure.com/a/b/team/_git/c => `https://dev.azure.com/a/b/team/_git/c` is not the URL of a repository",
        "https://dev.azure.com/a/b/_git/c/commit/1 => `https://dev.azure.com/a/b/_git/c/commit/1` is not the URL of a repository",
        "https://dev.azure.com/a/b/_git => `https://dev.azure.com/a/b/_git` is not the URL of a repository",
        "https://dev.azure.com/a/b/_ssh/c => `https://dev.azure.com/a/b/_ssh/c` is not the URL of a repository",
        "https://dev.azure.com/a/b/c => `https://dev.azure.com/a/b/c` is not the URL of a repository",
        "https://dev.azure.com/ => `https://dev.azure.com/` names no organization",
        "https://dev.azure.com/_git/c => `https://dev.azure.com/_git/c` names no organization",
        "https://dev.azure.com/..a/b/_git/c => organization name `..a` has `.` in it",
        "https://dev.azure.com/a/-b/_git/c => project name `-b` starts with `-`",
        "https://dev.azure.com/a/_x/_git/c => project name `_x` starts with `_`",
        "https://dev.azure.com/a/b/_git/_git => repository name `_git` is reserved",
        "https://dev.azure.com/a/b/_git/%20 => repository name ` ` is empty",
        "git@ssh.dev.azure.com:v2/a/b/c => `ssh.dev.azure.com:v2/a/b/c` is not the URL of a repository",
        "git@ssh.dev.azure.com:v3/a/b => `ssh.dev.azure.com:v3/a/b` is not the URL of a repository",
        "git@ssh.dev.azure.com:v3/a/b/c/d/e => `ssh.dev.azure.com:v3/a/b/c/d/e` is not the URL of a repository",
        "git@ssh.dev.azure.com:v3/a/b/_git/c => `ssh.dev.azure.com:v3/a/b/_git/c` is not the URL of a repository",
        "ssh://vs-ssh.visualstudio.com/b/_ssh/c => `ssh://vs-ssh.visualstudio.com/b/_ssh/c` names no organization",
    ] {
        let (url, expected) = columns(row);
        assert_eq!(read(&hosted(), url), expected, "{url:?}");
    }
}

#[test]
fn a_password_in_a_url_goes_before_all_else_and_is_never_held() {
    let old_token = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";
    let new_token = format!("{}AZDO1234", "a".repeat(76));
    for (url, host, azure) in [
        (format!("https://ada:{PASSWORD}@dev.azure.com/a/b/_git/c"), "dev.azure.com", true),
        (format!("https://:{PASSWORD}@dev.azure.com/a/../_git/c?x"), "dev.azure.com", true),
        (format!("http://ada:{PASSWORD}@dev.azure.com:81/a/b/_git/c\r"), "dev.azure.com", true),
        (format!("https://ada%3A{PASSWORD}@dev.azure.com/a/b/_git/c"), "dev.azure.com", true),
        (format!("https://ada:x/{PASSWORD}@dev.azure.com/a/b/_git/c"), "dev.azure.com", false),
        (format!("https://ada:x@{PASSWORD}@dev.azure.com/a/b/_git/c"), "dev.azure.com", true),
        (format!("https://{old_token}@dev.azure.com/a/b/_git/c"), "dev.azure.com", true),
        (
            format!("https://{new_token}@contoso.visualstudio.com/b/_git/c"),
            "contoso.visualstudio.com",
            true,
        ),
        (format!("ssh://git:{PASSWORD}@ssh.dev.azure.com/v3/a/b/c"), "ssh.dev.azure.com", true),
        (format!("git:{PASSWORD}@ssh.dev.azure.com:v3/a/b/c"), "ssh.dev.azure.com", false),
        (format!("https://ada:{PASSWORD}@github.com/ada/web"), "github.com", false),
        (format!("https://dev.azure.com:{PASSWORD}@evil.example/a"), "evil.example", false),
        (format!("ext::https://ada:{PASSWORD}@dev.azure.com/a"), "dev.azure.com", false),
        (format!("-https://ada:{PASSWORD}@dev.azure.com/a"), "dev.azure.com", false),
    ] {
        let expected = Error::PasswordInUrl { host: host.to_owned(), azure };
        assert_eq!(hosted().remote(&url), Err(expected.clone()), "{url}");
        assert_eq!(hosted().target(&url).unwrap_err(), expected, "{url}");
        assert_eq!(hosted().organization(&url).unwrap_err(), expected, "{url}");
        let shown = without_user(&url);
        for secret in [PASSWORD, old_token, "AZDO"] {
            assert!(!shown.contains(secret), "{shown}");
            assert!(!format!("{expected:?}").contains(secret), "{url}");
        }
    }
    let base = format!("https://ada:{PASSWORD}@tfs.example.com/tfs/Main");
    let expected = Error::PasswordInUrl { host: "tfs.example.com".to_owned(), azure: false };
    assert_eq!(Service::at(&base).unwrap_err(), expected);
    assert_eq!(hosted().with_collection(&base).unwrap_err(), expected);
}

#[test]
fn what_is_foreign_is_told_from_what_is_wrong() {
    for (url, foreign) in [
        ("https://github.com/ada/web", true),
        ("https://ada:pw@github.com/ada/web", true),
        ("/srv/web", true),
        ("ext::x", true),
        ("https://ada:pw@dev.azure.com/a/b/_git/c", false),
        ("https://test.dev.azure.com/a/b/_git/c", false),
        ("https://dev.azure.com/a", false),
    ] {
        assert_eq!(hosted().remote(url).unwrap_err().is_foreign(), foreign, "{url}");
    }
}

#[test]
fn a_base_stands_instead_of_the_hosted_service() {
    let service = loopback();
    for (url, expected) in [
        ("http://127.0.0.1:8080/contoso/shop/_git/web", "https contoso shop web -"),
        ("http://contoso@127.0.0.1:8080/contoso/_git/web", "https contoso web web contoso"),
        ("git@127.0.0.1:v3/contoso/shop/web", "ssh contoso shop web git"),
        ("https://127.0.0.1:8080/contoso/shop/_git/web", "127.0.0.1 is not a host of Azure DevOps"),
        ("http://127.0.0.1/contoso/shop/_git/web", "127.0.0.1 is not a host of Azure DevOps"),
        ("http://127.0.0.1:8081/contoso/shop/_git/web", "127.0.0.1 is not a host of Azure DevOps"),
        ("http://localhost:8080/contoso/shop/_git/web", "localhost is not a host of Azure DevOps"),
        (
            "https://dev.azure.com/contoso/shop/_git/web",
            "dev.azure.com is not a host of Azure DevOps",
        ),
        (
            "https://contoso.visualstudio.com/shop/_git/web",
            "contoso.visualstudio.com is not a host of Azure DevOps",
        ),
        (
            "git@ssh.dev.azure.com:v3/contoso/shop/web",
            "ssh.dev.azure.com is not a host of Azure DevOps",
        ),
        (
            "http://127.0.0.1:8080/contoso/%2e%2e/_git/web",
            "`http://127.0.0.1:8080/contoso/%2e%2e/_git/web` has `.` or `..` in its path",
        ),
    ] {
        assert_eq!(read(&service, url), expected, "{url}");
    }
    let organization = service.organization("contoso").unwrap();
    assert_eq!(organization.url(), "http://127.0.0.1:8080/contoso");
    assert_eq!(organization.host(), "127.0.0.1:8080");
    assert!(organization.is_hosted());
    assert_eq!(organization.own_host_url(), None);

    let service = Service::at("https://proxy.example/azure/").unwrap();
    assert_eq!(
        read(&service, "https://proxy.example/azure/contoso/shop/_git/web"),
        "https contoso shop web -"
    );
    assert_eq!(
        read(&service, "https://proxy.example/azurex/contoso/_git/web"),
        "proxy.example is not a host of Azure DevOps"
    );
    assert_eq!(
        service.organization("contoso").unwrap().url(),
        "https://proxy.example/azure/contoso"
    );
    let service = Service::at("http://[::1]:8080").unwrap();
    let remote = service.remote("http://[::1]:8080/contoso/shop/_git/web").unwrap();
    assert_eq!(remote.ssh(), "git@[::1]:v3/contoso/shop/web");
    assert_eq!(service.remote(&remote.ssh()).unwrap().https(), remote.https());
    let service = Service::at("https://DEV.azure.com:443/").unwrap();
    assert_eq!(
        read(&service, "git@ssh.dev.azure.com:v3/contoso/shop/web"),
        "ssh contoso shop web git"
    );
}

#[test]
fn a_base_is_https_or_loopback_and_nothing_else() {
    for base in [
        "http://127.0.0.1",
        "http://127.8.8.8:1/x",
        "http://localhost:80",
        "http://[::1]",
        "https://any.example:1",
    ] {
        assert!(Service::at(base).is_ok(), "{base}");
    }
    for (base, fault) in [
        ("http://evil.example", BaseFault::Http),
        ("http://127.0.0.1.evil.example", BaseFault::Http),
        ("http://localhost.evil.example", BaseFault::Http),
        ("http://128.0.0.1", BaseFault::Http),
        ("http://[::2]", BaseFault::Http),
        ("http://localhost.", BaseFault::NotAUrl),
        ("ftp://127.0.0.1", BaseFault::Scheme),
        ("ssh://127.0.0.1", BaseFault::Scheme),
        ("https://ada@any.example", BaseFault::Decorated),
        ("https://any.example/?x", BaseFault::Decorated),
        ("https://any.example#x", BaseFault::Decorated),
        ("https://any.example\\x", BaseFault::NotAUrl),
        ("https://any.example/ x", BaseFault::NotAUrl),
        ("https://any.example\n", BaseFault::NotAUrl),
        ("https://any.example/a/../b", BaseFault::NotAUrl),
        ("https://any%2eexample", BaseFault::NotAUrl),
        ("https://\u{430}zure.example", BaseFault::NotAUrl),
        ("any.example", BaseFault::NotAUrl),
        ("-x", BaseFault::NotAUrl),
        ("https://", BaseFault::NotAUrl),
    ] {
        let error = Service::at(base).unwrap_err();
        assert!(
            matches!(error, Error::Base { fault: found, .. } if found == fault),
            "{base:?}: {error:?}"
        );
    }
    for (collection, fault) in [
        ("https://tfs.example.com", BaseFault::NoCollection),
        ("http://tfs.example.com/tfs/Main", BaseFault::Http),
        ("https://dev.azure.com/contoso", BaseFault::Hosted),
        ("https://contoso.visualstudio.com/x", BaseFault::Hosted),
    ] {
        let error = hosted().with_collection(collection).unwrap_err();
        assert!(
            matches!(error, Error::Base { fault: found, .. } if found == fault),
            "{collection}: {error:?}"
        );
    }
}

#[test]
fn a_server_is_read_only_below_a_collection_that_was_named() {
    let service = server();
    let main = "https://tfs.example.com:8443/tfs/Main";
    for (url, expected) in [
        (format!("{main}/shop/_git/web"), format!("https {main} shop web -")),
        (
            "https://TFS.example.com:8443/TFS/main/_git/web".to_owned(),
            format!("https {main} web web -"),
        ),
        (format!("{main}/shop/team/_git/web"), format!("https {main} shop web -")),
        (
            "ssh://git@tfs.example.com:22/tfs/Main/shop/_ssh/web".to_owned(),
            format!("ssh {main} shop web git"),
        ),
        (
            format!("{main}x/shop/_git/web"),
            format!("`{main}x/shop/_git/web` is below no known collection of Azure DevOps Server"),
        ),
        (
            "https://tfs.example.com/tfs/Main/shop/_git/web".to_owned(),
            "tfs.example.com is not a host of Azure DevOps".to_owned(),
        ),
        (
            "http://tfs.example.com:8443/tfs/Main/shop/_git/web".to_owned(),
            "tfs.example.com is not a host of Azure DevOps".to_owned(),
        ),
        ("https://dev.azure.com/contoso/_git/web".to_owned(), "https contoso web web -".to_owned()),
    ] {
        assert_eq!(read(&service, &url), expected, "{url}");
    }
    let organization = service.organization(&format!("{main}/shop/_settings")).unwrap();
    assert_eq!(organization.url(), main);
    assert_eq!(organization.name(), "Main");
    assert_eq!(organization.to_string(), main);
    assert_eq!(organization.key(), main.to_lowercase());
    assert_eq!(organization.host(), "tfs.example.com:8443");
    assert!(!organization.is_hosted());
    let remote = service.remote(&format!("{main}/shop/_git/my%20web")).unwrap();
    assert_eq!(remote.ssh(), "ssh://tfs.example.com:22/tfs/Main/shop/_ssh/my%20web");
    assert!(service.remote(&remote.ssh()).unwrap().same_repository(&remote));
}

#[test]
fn any_address_of_an_organization_names_it() {
    for (text, expected) in [
        ("contoso", "https://dev.azure.com/contoso"),
        (" Contoso ", "https://dev.azure.com/Contoso"),
        ("https://dev.azure.com/contoso", "https://dev.azure.com/contoso"),
        ("https://dev.azure.com/contoso/", "https://dev.azure.com/contoso"),
        (
            "https://dev.azure.com/contoso/shop/_settings/repositories?_a=permissions#x",
            "https://dev.azure.com/contoso",
        ),
        (
            "https://dev.azure.com/contoso/shop/_wiki/wikis/shop.wiki/1/a%2Fb",
            "https://dev.azure.com/contoso",
        ),
        ("dev.azure.com/contoso/shop", "https://dev.azure.com/contoso"),
        ("https://contoso.visualstudio.com", "https://dev.azure.com/contoso"),
        (
            "https://contoso.visualstudio.com/DefaultCollection/shop",
            "https://dev.azure.com/contoso",
        ),
        ("contoso.visualstudio.com", "https://dev.azure.com/contoso"),
        ("https://ada@dev.azure.com/contoso/shop/_git/web", "https://dev.azure.com/contoso"),
        ("git@ssh.dev.azure.com:v3/contoso/shop/web", "https://dev.azure.com/contoso"),
        ("ssh://contoso@vs-ssh.visualstudio.com/shop/_ssh/web", "https://dev.azure.com/contoso"),
    ] {
        assert_eq!(
            hosted().organization(text).map(|organization| organization.url()),
            Ok(expected.to_owned()),
            "{text}"
        );
    }
    for (text, expected) in [
        ("", "organization name `` is empty"),
        ("-x", "organization name `-x` starts with `-`"),
        ("x-", "organization name `x-` ends with `-`"),
        ("..", "organization name `..` has `.` in it"),
        ("a b", "organization name `a b` has a blank in it"),
        ("a/b", "organization name `a/b` has `/` in it"),
        ("cont\u{f6}so", "organization name `cont\u{f6}so` has `\u{f6}` in it"),
        ("a\u{1b}b", "organization name `a\\x1bb` has a control character in it"),
        ("contoso\r", "organization name `contoso\\r` has a control character in it"),
        ("a\u{202e}b", "organization name `a\\u{202e}b` has a control character in it"),
        ("vs-ssh", "organization name `vs-ssh` is reserved"),
        ("https://dev.azure.com", "`https://dev.azure.com` names no organization"),
        (
            "https://dev.azure.com/_signin?x",
            "`https://dev.azure.com/_signin?x` names no organization",
        ),
        (
            "https://dev.azure.com/contoso/../fabrikam",
            "`https://dev.azure.com/contoso/../fabrikam` has `.` or `..` in its path",
        ),
        ("https://tfs.example.com/tfs", "tfs.example.com is not a host of Azure DevOps"),
        ("http://dev.azure.com/contoso", "the URL for dev.azure.com is plain http"),
    ] {
        assert_eq!(hosted().organization(text).unwrap_err().to_string(), expected, "{text:?}");
    }
    let long = "a".repeat(51);
    assert_eq!(
        hosted().organization(&long).unwrap_err(),
        Error::Name { noun: Noun::Organization, name: long, fault: NameFault::TooLong(50) }
    );
}

#[test]
fn an_organization_is_one_whatever_its_spelling() {
    let spellings =
        ["contoso", "CONTOSO", "https://dev.azure.com/Contoso", "https://contoso.visualstudio.com"];
    let set: HashSet<_> =
        spellings.iter().map(|text| hosted().organization(text).unwrap()).collect();
    assert_eq!(set.len(), 1);
    let organization = hosted().organization("https://Contoso.visualstudio.com/shop").unwrap();
    assert_eq!(organization.key(), "https://dev.azure.com/contoso");
    assert_eq!(organization.name(), "Contoso");
    assert_eq!(organization.to_string(), "Contoso");
    assert_eq!(organization.host(), "dev.azure.com");
    assert_eq!(organization.own_host_url().as_deref(), Some("https://contoso.visualstudio.com"));
    assert_eq!(organization.tokens_page(), "https://dev.azure.com/Contoso/_usersSettings/tokens");
    assert!(organization < hosted().organization("contosp").unwrap());
}

#[test]
fn a_target_is_names_or_any_page_of_a_repository() {
    let name = |text: &str| match hosted().target(text) {
        Ok(Target { organization, project, repository }) => {
            let organization =
                organization.map_or("-".to_owned(), |organization| organization.to_string());
            let project = project.map_or("-".to_owned(), |project| project.to_string());
            format!("{organization} {project} {repository}")
        }
        Err(error) => error.to_string(),
    };
    for row in [
        "web => - - web",
        "shop/web => - shop web",
        "contoso/shop/web => contoso shop web",
        "contoso/my shop/web.git => contoso my shop web.git",
        "contoso/shop/_git/web => contoso shop web",
        "shop/_git/web => - shop web",
        "my.project/web => - my.project web",
        "https://dev.azure.com/contoso/shop/web => contoso shop web",
        "https://contoso.visualstudio.com/shop/web => contoso shop web",
        "dev.azure.com/contoso/shop/_git/web => contoso shop web",
        "contoso.visualstudio.com/shop/_git/web => contoso shop web",
        "https://contoso@dev.azure.com/contoso/shop/_git/web => contoso shop web",
        "https://dev.azure.com/contoso/shop/_git/web?path=/a%2Fb&version=GBmain => contoso shop web",
        "https://dev.azure.com/contoso/shop/_git/web/pullrequest/7?_a=files => contoso shop web",
        "https://dev.azure.com/contoso/_git/web/commit/0123abc#x => contoso web web",
        "git@ssh.dev.azure.com:v3/contoso/shop/web => contoso shop web",
        "https://dev.azure.com/contoso/shop => `https://dev.azure.com/contoso/shop` names no repository",
        "https://dev.azure.com/contoso/shop/_settings => `https://dev.azure.com/contoso/shop/_settings` names no repository",
        "https://dev.azure.com/contoso => `https://dev.azure.com/contoso` names no repository",
        "https://github.com/ada/web => github.com is not a host of Azure DevOps",
        " => nothing is named",
        "-x => `-x` starts with a dash",
        "shop/-x => repository name `-x` starts with `-`",
        "../web => `../web` has `.` or `..` in its path",
        "../../x/web => `../../x/web` has `.` or `..` in its path",
        "/srv/web => `/srv/web` is a path on this computer, not a URL of Azure DevOps",
        "shop//web => `shop//web` has an empty part in its path",
        "a/b/c/d => `a/b/c/d` has more parts than ORG/PROJECT/REPO",
        "shop\\web => `shop\\web` has a backslash in it",
        "web\n => `web\\n` has a control character in it",
        "a.b/shop/web => organization name `a.b` has `.` in it",
    ] {
        let (text, expected) = columns(row);
        assert_eq!(name(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_written_is_escaped_once() {
    let remote = hosted()
        .remote("https://ada@contoso.visualstudio.com/my%20shop/_git/a+b%26c%25(%C3%BC)")
        .unwrap();
    assert_eq!(
        remote.https(),
        "https://dev.azure.com/contoso/my%20shop/_git/a%2Bb%26c%25%28%C3%BC%29"
    );
    assert_eq!(remote.ssh(), "git@ssh.dev.azure.com:v3/contoso/my%20shop/a%2Bb%26c%25%28%C3%BC%29");
    assert_eq!(remote.url(Protocol::Https), remote.https());
    assert_eq!(remote.url(Protocol::Ssh), remote.ssh());
    let remote = hosted().remote("git@ssh.dev.azure.com:v3/contoso/shop/web").unwrap();
    assert_eq!(remote.web(), "https://dev.azure.com/contoso/shop/_git/web");
    assert_eq!(
        remote.web_branch("refs/heads/ada/x&y"),
        "https://dev.azure.com/contoso/shop/_git/web?version=GBada%2Fx%26y"
    );
    assert_eq!(
        remote.pull_request_create("ada/x", Some("refs/heads/main")),
        "https://dev.azure.com/contoso/shop/_git/web/pullrequestcreate?sourceRef=ada%2Fx&targetRef=main"
    );
    assert_eq!(
        remote.pull_request_create("x", None),
        "https://dev.azure.com/contoso/shop/_git/web/pullrequestcreate?sourceRef=x"
    );
}

#[test]
fn a_repository_is_the_same_without_case_and_not_without_its_suffix() {
    let remote = |url| hosted().remote(url).unwrap();
    let web = remote("https://dev.azure.com/contoso/shop/_git/web");
    assert!(web.same_repository(&remote("https://CONTOSO.visualstudio.com/SHOP/team/_git/WEB")));
    assert!(web.same_repository(&remote("git@ssh.dev.azure.com:v3/contoso/shop/Web")));
    assert!(!web.same_repository(&remote("https://dev.azure.com/contoso/shop/_git/web.git")));
    assert!(!web.same_repository(&remote("https://dev.azure.com/contoso/shop2/_git/web")));
    assert!(!web.same_repository(&remote("https://dev.azure.com/fabrikam/shop/_git/web")));
}

#[test]
fn a_request_goes_to_exactly_the_service() {
    let answers = |service: &Service, url: &str| service.serves(&Url::parse(url).unwrap());
    for (url, expected) in [
        ("https://dev.azure.com/contoso", true),
        ("https://DEV.azure.com:443", true),
        ("https://contoso.visualstudio.com/x", true),
        ("https://vs-ssh.visualstudio.com/x", false),
        ("https://ssh.dev.azure.com/", false),
        ("https://app.vssps.visualstudio.com/", false),
        ("http://dev.azure.com/", false),
        ("https://dev.azure.com:444/", false),
        ("https://dev.azure.com./", false),
        ("https://ada@dev.azure.com/", false),
        ("https://dev.azure.com@evil.example/", false),
        ("https://visualstudio.com/", false),
        ("ssh://dev.azure.com/", false),
        ("https://tfs.example.com:8443/tfs/Main/x", false),
    ] {
        assert_eq!(answers(&hosted(), url), expected, "{url}");
    }
    assert!(answers(&server(), "https://tfs.example.com:8443/tfs/main/x"));
    assert!(!answers(&server(), "https://tfs.example.com:8443/tfs/Mainx"));
    assert!(!answers(&server(), "https://tfs.example.com/tfs/Main"));
    assert!(answers(&loopback(), "http://127.0.0.1:8080/contoso"));
    assert!(!answers(&loopback(), "https://127.0.0.1:8080/contoso"));
    assert!(!answers(&loopback(), "http://127.0.0.1:8081/contoso"));
    assert!(!answers(&loopback(), "https://dev.azure.com/contoso"));
}

#[test]
fn the_credential_protocol_is_answered_for_exact_hosts() {
    let asked = |service: &Service, protocol: &str, host: &str, path: Option<&str>| match service
        .asked(protocol, host, path)
    {
        Asked::Elsewhere => "elsewhere".to_owned(),
        Asked::Azure(organization) => {
            organization.map_or("azure".to_owned(), |organization| organization.to_string())
        }
    };
    for (protocol, host, path, expected) in [
        ("https", "dev.azure.com", None, "azure"),
        ("https", "DEV.AZURE.COM", Some("contoso/my shop/_git/100%25"), "contoso"),
        ("https", "dev.azure.com:443", Some("contoso"), "contoso"),
        ("https", "dev.azure.com", Some("../contoso"), "azure"),
        ("https", "contoso.visualstudio.com", Some("shop/_git/web"), "contoso"),
        ("https", "contoso.visualstudio.com", None, "contoso"),
        ("http", "dev.azure.com", None, "elsewhere"),
        ("ssh", "ssh.dev.azure.com", None, "elsewhere"),
        ("https", "github.com", None, "elsewhere"),
        ("https", "dev.azure.com.evil.example", None, "elsewhere"),
        ("https", "evil-dev.azure.com", None, "elsewhere"),
        ("https", "dev.azure.com@evil.example", None, "elsewhere"),
        ("https", "x@dev.azure.com", None, "elsewhere"),
        ("https", "dev.azure.com:444", None, "elsewhere"),
        ("https", "dev.azure.com.", None, "elsewhere"),
        ("https", "dev.\u{430}zure.com", None, "elsewhere"),
        ("https", "dev.azure.com/x", None, "elsewhere"),
        ("https", "dev.azure.com\n", None, "elsewhere"),
        ("https", "vs-ssh.visualstudio.com", None, "elsewhere"),
        ("https", "visualstudio.com", None, "elsewhere"),
        ("https", "", None, "elsewhere"),
        ("", "dev.azure.com", None, "elsewhere"),
    ] {
        assert_eq!(
            asked(&hosted(), protocol, host, path),
            expected,
            "{protocol} {host:?} {path:?}"
        );
    }
    assert_eq!(
        asked(&loopback(), "http", "127.0.0.1:8080", Some("contoso/shop/_git/web")),
        "contoso"
    );
    assert_eq!(asked(&loopback(), "http", "127.0.0.1:8080", None), "azure");
    assert_eq!(asked(&loopback(), "http", "127.0.0.1", None), "elsewhere");
    assert_eq!(asked(&loopback(), "https", "dev.azure.com", None), "elsewhere");
    let below = Service::at("http://127.0.0.1:8080/azure").unwrap();
    assert_eq!(asked(&below, "http", "127.0.0.1:8080", Some("azure/contoso/_git/web")), "contoso");
    assert_eq!(asked(&below, "http", "127.0.0.1:8080", Some("azurex/contoso")), "elsewhere");
    let both = below.with_collection("http://127.0.0.1:8080/tfs/Main").unwrap();
    assert_eq!(asked(&both, "http", "127.0.0.1:8080", Some("azure/contoso/_git/web")), "contoso");
    assert_eq!(
        asked(&both, "http", "127.0.0.1:8080", Some("tfs/Main/_git/web")),
        "http://127.0.0.1:8080/tfs/Main"
    );
    assert_eq!(
        read(&both, "http://127.0.0.1:8080/azure/contoso/_git/web"),
        "https contoso web web -"
    );
    let main = "https://tfs.example.com:8443/tfs/Main";
    assert_eq!(
        asked(&server(), "https", "tfs.example.com:8443", Some("tfs/main/shop/_git/web")),
        main
    );
    assert_eq!(asked(&server(), "https", "tfs.example.com:8443", Some("tfs/Mainx")), "elsewhere");
    assert_eq!(asked(&server(), "https", "tfs.example.com:8443", None), "azure");
    assert_eq!(asked(&server(), "https", "tfs.example.com", Some("tfs/main")), "elsewhere");
}

#[test]
fn a_new_name_keeps_the_rules_of_the_service() {
    let project = |name: &str| name.parse::<ProjectName>().and_then(|name| name.check_new());
    for name in [
        "shop",
        "Mein Projekt",
        "Grün",
        "a.b",
        "a-b",
        "x_",
        "Kom1",
        "COM11",
        "!^`",
        &"a".repeat(64),
    ] {
        assert_eq!(project(name), Ok(()), "{name}");
    }
    for (name, expected) in [
        ("", "project name `` is empty"),
        ("  ", "project name `  ` is empty"),
        ("_x", "project name `_x` starts with `_`"),
        (".x", "project name `.x` starts with `.`"),
        (" x", "project name ` x` starts with ` `"),
        ("-x", "project name `-x` starts with `-`"),
        ("x.", "project name `x.` ends with `.`"),
        ("x ", "project name `x ` ends with ` `"),
        ("a..b", "project name `a..b` has `..` in it or is `.`"),
        ("a:b", "project name `a:b` has `:` in it"),
        ("a/b", "project name `a/b` has `/` in it"),
        ("a\\b", "project name `a\\b` has `\\` in it"),
        ("a\"]\n[core]", "project name `a\"]\\n[core]` has a control character in it"),
        ("a\u{202e}b", "project name `a\\u{202e}b` has a control character in it"),
        (
            "\u{1f389}",
            "project name `\u{1f389}` has `\u{1f389}` in it, which is a surrogate pair in UTF-16",
        ),
        ("nul", "project name `nul` is reserved"),
        ("Com10", "project name `Com10` is reserved"),
        ("web", "project name `web` is reserved"),
        ("defaultcollection", "project name `defaultcollection` is reserved"),
        ("..", "project name `..` has `..` in it or is `.`"),
    ] {
        assert_eq!(project(name).unwrap_err().to_string(), expected, "{name:?}");
    }
    for forbidden in r#"/:\~&%;@'"?<>|#$*}{,+=[]"#.chars() {
        let name = format!("a{forbidden}b");
        assert!(project(&name).is_err(), "{name}");
    }
    let long = "ü".repeat(65);
    assert_eq!(
        project(&long),
        Err(Error::Name { noun: Noun::Project, name: long, fault: NameFault::TooLong(64) })
    );
    for name in ["web", "bin", "web.git"] {
        assert_eq!(
            name.parse::<RepositoryName>().and_then(|name| name.check_new()),
            Ok(()),
            "{name}"
        );
    }
    assert_eq!(
        "_web".parse::<RepositoryName>().unwrap().check_new().unwrap_err().to_string(),
        "repository name `_web` starts with `_`"
    );
}

#[test]
fn an_odd_name_is_shown_visibly_and_kept_as_it_is() {
    let name: RepositoryName = "a\u{202e}b".parse().unwrap();
    assert_eq!(name.to_string(), "a\\u{202e}b");
    assert_eq!(name.as_str(), "a\u{202e}b");
    assert_eq!(name.as_ref(), "a\u{202e}b");
}

#[test]
fn a_folder_that_is_no_name_has_one_close_to_it() {
    let suggested = |folder: &str| RepositoryName::suggest(folder).map(|name| name.to_string());
    for (folder, expected) in [
        ("web", Some("web")),
        ("web--", Some("web--")),
        (".dotfiles", Some("dotfiles")),
        ("__init__", Some("init__")),
        ("c++ & more", Some("c- - more")),
        ("a:::b", Some("a-b")),
        ("my..site.", Some("my.site")),
        ("-x", Some("x")),
        ("party\u{1f389}", Some("party")),
        ("a\u{1b}[2Jb", Some("a-2Jb")),
        ("???", None),
        ("_git", Some("git")),
        ("", None),
        ("...", None),
    ] {
        assert_eq!(suggested(folder).as_deref(), expected, "{folder:?}");
    }
    assert_eq!(suggested(&"x".repeat(80)), Some("x".repeat(64)));
}

#[test]
fn a_url_is_shown_without_its_user() {
    for (url, expected) in [
        ("https://dev.azure.com/a/b/_git/c", "https://dev.azure.com/a/b/_git/c"),
        ("https://ada@dev.azure.com/a", "https://dev.azure.com/a"),
        ("https://ada:pw@github.com/a", "https://github.com/a"),
        ("https://ada:p@w@github.com/a", "https://github.com/a"),
        ("https://ada:p/w@github.com/a", "https://github.com/a"),
        ("https://ada:p#w@github.com/a", "https://github.com/a"),
        ("https://ada:12/w@github.com/a", "https://github.com/a"),
        ("https://ada:12?w@github.com/a", "https://github.com/a"),
        ("https://github.com:8080/a@b", "https://github.com:8080/a@b"),
        ("https://github.com/a@b?c=d@e", "https://github.com/a@b?c=d@e"),
        ("http://ada:pw@[::1]:80/a", "http://[::1]:80/a"),
        ("ssh://git@github.com/a", "ssh://github.com/a"),
        ("git@github.com:a/b.git", "github.com:a/b.git"),
        ("git:pw@github.com:a/b.git", "github.com:a/b.git"),
        ("git@github.com:a@b", "github.com:a@b"),
        ("ext::https://ada:pw@github.com/a", "ext::https://github.com/a"),
        ("/srv/a@b", "/srv/a@b"),
        ("//ada:pw@github.com/a", "//github.com/a"),
        ("https:/ada:pw@github.com/a", "https:/github.com/a"),
        ("https:ada:pw@github.com/a", "https:github.com/a"),
        ("https:\\\\ada:pw@github.com/a", "https:\\\\github.com/a"),
        ("", ""),
        ("https://\u{1b}]0;x\u{7}@github.com/\u{202e}\r", "https://github.com/\\u{202e}\\r"),
    ] {
        assert_eq!(without_user(url), expected, "{url:?}");
    }
}

#[test]
fn a_remote_has_a_name_that_git_and_we_take() {
    for name in ["origin", "azure", "a/b", "Ü", "a.b", "a@b", "x-", "a;b"] {
        assert_eq!(remote_name(name), Ok(()), "{name}");
        assert!(git_takes(name), "{name}");
    }
    for (name, expected) in [
        ("", "remote name `` is empty"),
        ("-x", "remote name `-x` starts with `-`"),
        ("--upload-pack=x", "remote name `--upload-pack=x` starts with `-`"),
        ("a\"]\n[core]\nfsmonitor=x", "remote name `a\"]\\n[core]\\nfsmonitor=x` has `\"` in it"),
        ("a]", "remote name `a]` has `]` in it"),
        ("a'b", "remote name `a'b` has `'` in it"),
        ("a\r", "remote name `a\\r` has a control character in it"),
        ("a\u{202e}", "remote name `a\\u{202e}` has a control character in it"),
        ("a b", "remote name `a b` has a blank in it"),
        ("a..b", "remote name `a..b` has `..` in it or is `.`"),
        (".a", "remote name `.a` starts with `.`"),
        ("a/.b", "remote name `a/.b` starts with `.`"),
        ("a//b", "remote name `a//b` is not allowed by git"),
        ("/a", "remote name `/a` starts with `/`"),
        ("a/", "remote name `a/` ends with `/`"),
        ("a.lock", "remote name `a.lock` is not allowed by git"),
        ("a@{b", "remote name `a@{b` has `{` in it"),
        ("a:b", "remote name `a:b` has `:` in it"),
    ] {
        assert_eq!(remote_name(name).unwrap_err().to_string(), expected, "{name:?}");
    }
}

fn git_takes(name: &str) -> bool {
    let reference = format!("refs/remotes/{name}/x");
    Command::new("git").args(["check-ref-format", &reference]).status().unwrap().success()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_label_before_within_or_after_a_host_makes_another_host_ours(
        host in prop::sample::select(vec!["dev.azure.com", "ssh.dev.azure.com", "contoso.visualstudio.com", "visualstudio.com"]),
        added in "[a-zA-Z0-9.-]{1,6}|%2e|\\.|-|\u{430}|\u{3002}|@|:|\\\\|\u{200b}",
        at in any::<prop::sample::Index>(),
        form in 0usize..3,
    ) {
        let mut changed = host.to_owned();
        changed.insert_str(at.index(host.len() + 1), &added);
        let url = match form {
            0 => format!("https://{changed}/contoso/shop/_git/web"),
            1 => format!("ssh://git@{changed}/v3/contoso/shop/web"),
            _ => format!("git@{changed}:v3/contoso/shop/web"),
        };
        let listed = |host: &str| {
            let host = host.to_ascii_lowercase();
            let labels: Vec<&str> = host.split('.').collect();
            matches!(labels[..], ["dev", "azure", "com"] | ["ssh", "dev", "azure", "com"])
                || matches!(labels[..], [label, "visualstudio", "com"]
                    if !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        };
        // A user part or an empty path before the host changes no host.
        let effective = changed.rsplit_once('@').map_or(changed.as_str(), |(_, host)| host);
        if !listed(effective) {
            prop_assert!(hosted().remote(&url).is_err(), "{}", url);
            prop_assert!(hosted().organization(&url).is_err(), "{}", url);
            prop_assert_eq!(hosted().asked("https", &changed, None), Asked::Elsewhere);
        }
    }

    #[test]
    fn what_is_written_reads_as_the_same(
        organization in "[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?",
        project in "\\PC{1,12}",
        repository in "\\PC{1,12}",
    ) {
        let (Ok(project), Ok(repository)) = (project.parse(), repository.parse()) else { return Ok(()) };
        for service in [hosted(), loopback(), Service::at("https://proxy.example:1/a%20b").unwrap()] {
            let organization = service.organization(&organization).unwrap();
            let url = RemoteUrl::new(&organization, &project, &repository);
            let https = service.remote(&url.https()).unwrap();
            prop_assert_eq!(&https, &url);
            prop_assert_eq!(https.https(), url.https());
            prop_assert!(service.serves(&Url::parse(&url.https()).unwrap()));
            let ssh = service.remote(&url.ssh()).unwrap();
            prop_assert!(ssh.same_repository(&url));
            prop_assert_eq!(ssh.protocol, Protocol::Ssh);
            prop_assert_eq!(ssh.https(), url.https());
            prop_assert_eq!(ssh.ssh(), url.ssh());
        }
    }

    #[test]
    fn no_text_panics_and_none_leaks_a_password(
        text in "(https://|ssh://|http://|ext::|git@|-)?[\\PCa-z@:/.%?#\\[\\]\\\\]{0,24}(dev\\.azure\\.com)?[\\PC/@:%_git]{0,16}",
        any in any::<String>(),
    ) {
        for text in [text, any] {
            for service in [hosted(), loopback(), server()] {
                drop((service.remote(&text), service.organization(&text), service.target(&text)));
                drop(service.asked("https", &text, Some(&text)));
                drop(service.clone().with_collection(&text));
            }
            drop((Service::at(&text), remote_name(&text), RepositoryName::suggest(&text), without_user(&text)));
        }
    }

    #[test]
    fn no_error_repeats_a_user_part(
        scheme in prop::sample::select(vec!["https", "http", "ssh", "git", "x"]),
        user in "[a-z%.-]{0,4}",
        host in prop::sample::select(vec!["dev.azure.com", "github.com", "dev.azure.com:81", "dev.azure.com.", "ssh.dev.azure.com"]),
        path in "[a-z_/%.?#@-]{0,12}",
    ) {
        let url = format!("{scheme}://{user}:SECRET@{host}/{path}");
        for error in [hosted().remote(&url).err(), hosted().target(&url).err(), hosted().organization(&url).err()] {
            let error = error.unwrap();
            prop_assert!(matches!(error, Error::PasswordInUrl { .. }), "{:?}", error);
            let shown = format!("{error:?} {error}");
            prop_assert!(!shown.contains("SECRET"), "{}", shown);
        }
        prop_assert!(!without_user(&url).contains("SECRET"));
    }

    #[test]
    fn what_is_suggested_may_be_made(folder in any::<String>()) {
        if let Some(name) = RepositoryName::suggest(&folder) {
            prop_assert_eq!(name.check_new(), Ok(()));
        }
    }

    #[test]
    fn git_takes_every_remote_name_that_we_take(name in "[a-z.@{}/~^: -]{1,6}") {
        prop_assert!(remote_name(&name).is_err() || git_takes(&name), "{}", name);
    }
}
