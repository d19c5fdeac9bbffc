//! Of the configuration, most of them against git itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;

fn parsed(records: &[(&str, &str)]) -> Configuration {
    let output: String =
        records.iter().map(|(scope, record)| format!("{scope}\0file:f\0{record}\0")).collect();
    Configuration::parse(output.as_bytes()).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// git with no configuration but the one file.
fn git(home: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut git = Command::new("git");
    git.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", home.join("config"))
        .env("GIT_CEILING_DIRECTORIES", home)
        .current_dir(home);
    git.args(arguments).output().unwrap().stdout
}

fn read_with_git(home: &Path) -> Configuration {
    Configuration::parse(&git(home, &["config", "--list", "-z", "--show-scope", "--show-origin"]))
        .unwrap()
}

#[test]
fn the_last_word_wins_and_a_repository_is_told_apart() {
    let configuration = parsed(&[
        ("system", "vsts.store\ncache"),
        ("global", "vsts.store\nkeychain"),
        ("local", "vsts.store\nnone"),
        ("local", "alias.x\nline one\nline two"),
        ("worktree", "core.bare"),
        ("command", "http.https://A.example/X.proxy\nP"),
        ("submodule", "vsts.tenant\nevil"),
    ]);
    assert_eq!(configuration.get("VSTS.Store"), Some("none"));
    assert_eq!(configuration.trusted("vsts.store"), Some("keychain"));
    assert_eq!(configuration.all("vsts.store"), ["cache", "keychain", "none"]);
    assert_eq!(configuration.get("alias.x"), Some("line one\nline two"));
    assert_eq!(configuration.get("core.bare"), Some(""));
    assert_eq!(configuration.get("HTTP.https://A.example/X.Proxy"), Some("P"));
    assert_eq!(configuration.get("http.https://a.example/X.proxy"), None);
    assert_eq!(configuration.get("vsts.tenant"), Some("evil"));
    assert_eq!(configuration.trusted("vsts.tenant"), None);
    assert_eq!(configuration.get("vsts.identity"), None);
}

#[test]
fn an_output_cut_short_is_no_configuration() {
    for output in [
        "global\0file:f\0user.name\nada",
        "global\0file:f\0",
        "global\0",
        "\0",
        "global\0file:f\0user.name\nada\0global\0",
        "global\0file:f\0odd\0",
    ] {
        assert_eq!(
            Configuration::parse(output.as_bytes()).err(),
            Some(Error::Malformed),
            "{output:?}"
        );
    }
    assert_eq!(Configuration::parse(b"").unwrap().entries.len(), 0);
    assert_eq!(
        Configuration::parse(b"global\0file:f\0a.b\n\xff\0").unwrap().get("a.b"),
        Some("\u{fffd}")
    );
}

#[test]
fn booleans_are_what_git_takes_for_booleans() {
    let home = tempfile::tempdir().unwrap();
    let values = [
        "true", "YES", "on", "1", "2", "-1", "1k", "false", "No", "off", "0", "", "maybe", "1x",
        "truee", "0k", "+1",
    ];
    let mut file = String::from("[a]\n\tnovalue\n");
    for (index, value) in values.iter().enumerate() {
        file.push_str(&format!("\tv{index} = {value}\n"));
    }
    fs::write(home.path().join("config"), file).unwrap();
    let configuration = read_with_git(home.path());
    assert_eq!(configuration.boolean("a.novalue", Trust::Everyone), Ok(Some(true)));
    assert_eq!(configuration.boolean("a.absent", Trust::Everyone), Ok(None));
    for (index, value) in values.iter().enumerate() {
        let key = format!("a.v{index}");
        let expected = match git(home.path(), &["config", "--bool", &key]).as_slice() {
            b"true\n" => Ok(Some(true)),
            b"false\n" => Ok(Some(false)),
            _ => Err(Error::Boolean { key: key.clone() }),
        };
        assert_eq!(configuration.boolean(&key, Trust::TrustedOnly), expected, "{value:?}");
    }
}

const PATTERNS: [&str; 46] = [
    "https://dev.azure.com",
    "https://dev.azure.com/",
    "https://DEV.azure.com/contoso",
    "https://dev.azure.com/contoso/",
    "https://dev.azure.com/Contoso",
    "https://dev.azure.com/contoso/shop",
    "https://dev.azure.com/contos",
    "https://dev.azure.com:443/contoso",
    "https://dev.azure.com:0443",
    "https://dev.azure.com:8443",
    "https://dev.azure.com:/contoso",
    "https://contoso@dev.azure.com",
    "https://contoso@dev.azure.com/contoso",
    "https://contoso:secret@dev.azure.com/contoso",
    "https://@dev.azure.com",
    "https://fabrikam@dev.azure.com",
    "http://dev.azure.com",
    "HTTPS://dev.azure.com/contoso/a/../shop",
    "https://dev.azure.com/contoso/./shop",
    "https://dev.azure.com/../contoso",
    "https://dev.azure.com/contoso/..",
    "https://dev.azure.com/contoso/.",
    "https://dev.azure.com/contoso//shop",
    "https://dev.azure.com/contoso/my%20shop",
    "https://dev.azure.com/contoso/my shop",
    "https://dev.azure.com/contoso/%73hop",
    "https://dev.azure.com/contoso%2Fshop",
    "https://dev.azure.com/contoso%2fshop",
    "https://dev.azure.com/%zz",
    "https://*.azure.com",
    "https://dev.*.com/contoso",
    "https://*.*.com",
    "https://*.com",
    "https://*",
    "https://d*.azure.com",
    "https://*.visualstudio.com",
    "https://dev.azure.com.",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:8080/contoso",
    "http://[::1]:8080",
    "https://dev.azure.com?x",
    "https://dev.azure.com/contoso?x=1",
    "https://",
    "dev.azure.com",
    "https://dev.azure.com:99999",
    "https://dev.azure.com:0",
];

const URLS: [&str; 34] = [
    "https://dev.azure.com",
    "https://dev.azure.com/",
    "https://dev.azure.com/contoso",
    "https://dev.azure.com/contoso/",
    "https://dev.azure.com/Contoso/shop",
    "https://dev.azure.com/contoso/shop/_git/web",
    "https://dev.azure.com/contosox/shop",
    "https://dev.azure.com:443/contoso/shop",
    "https://dev.azure.com:8443/contoso/shop",
    "https://contoso@dev.azure.com/contoso/shop",
    "https://contoso:pw@dev.azure.com/contoso/shop",
    "https://CONTOSO@dev.azure.com/contoso/shop",
    "https://@dev.azure.com/contoso",
    "https://ada%40contoso.com@dev.azure.com/contoso",
    "http://dev.azure.com/contoso",
    "https://DEV.AZURE.COM/contoso/a/../shop",
    "https://dev.azure.com/contoso/a/b/../../shop/./x",
    "https://dev.azure.com/./contoso",
    "https://dev.azure.com/contoso/..",
    "https://dev.azure.com/contoso/../shop",
    "https://dev.azure.com/contoso/%2e%2e/shop",
    "https://dev.azure.com/contoso//shop",
    "https://dev.azure.com/contoso/my%20shop/_git/web",
    "https://dev.azure.com/contoso/my shop",
    "https://dev.azure.com/contoso%2fshop",
    "https://dev.azure.com/contoso?x=1",
    "https://dev.azure.com/contoso/shop?x=%2f#y",
    "https://contoso.visualstudio.com/shop",
    "https://a.b.visualstudio.com/shop",
    "https://dev.azure.com.evil.example/contoso",
    "https://dev.azure.com./contoso",
    "http://127.0.0.1:8080/contoso/shop",
    "http://[::1]:8080/contoso",
    "https://github.com/x",
];

#[test]
fn a_pattern_is_for_the_urls_that_git_says_it_is_for() {
    let home = tempfile::tempdir().unwrap();
    // Each pattern has a variable of its own, so that one question to git tells all that match.
    let file: String = PATTERNS
        .iter()
        .enumerate()
        .map(|(index, pattern)| format!("[http \"{pattern}\"]\n\tv{index} = yes\n"))
        .collect();
    fs::write(home.path().join("config"), file).unwrap();
    let configuration = read_with_git(home.path());
    let mut matches = 0;
    for url in URLS {
        let answer =
            String::from_utf8(git(home.path(), &["config", "--get-urlmatch", "http", url]))
                .unwrap();
        for (index, pattern) in PATTERNS.iter().enumerate() {
            let expected = answer.lines().any(|line| line == format!("http.v{index} yes"));
            let found =
                configuration.matching("http", &format!("v{index}"), url, Trust::Everyone).len()
                    == 1;
            assert_eq!(found, expected, "pattern {pattern} for {url}");
            matches += usize::from(expected);
        }
    }
    assert!(matches > 100, "the table says too little: {matches}");
}

#[test]
fn of_several_patterns_the_one_that_git_prefers_wins() {
    let home = tempfile::tempdir().unwrap();
    // Several orders, since of equals the later one wins.
    for step in [1, 5, 17, 45] {
        let mut file = String::from("[http]\n\tproxy = plain\n");
        for turn in 0..PATTERNS.len() {
            let pattern = PATTERNS[turn * step % PATTERNS.len()];
            file.push_str(&format!("[http \"{pattern}\"]\n\tproxy = {turn}\n"));
        }
        file.push_str("[http]\n\tproxy = last\n");
        fs::write(home.path().join("config"), file).unwrap();
        let configuration = read_with_git(home.path());
        for url in URLS {
            let answer = git(home.path(), &["config", "--get-urlmatch", "http.proxy", url]);
            let found = configuration.matching("http", "proxy", url, Trust::Everyone);
            let found = found.last().map_or(String::new(), |entry| format!("{}\n", entry.text()));
            assert_eq!(found, String::from_utf8_lossy(&answer), "step {step}, {url}");
        }
    }
}

#[test]
fn what_is_asked_for_a_url_can_be_the_trusted_word_alone() {
    let configuration = parsed(&[
        ("global", "http.proxy\nhttp://ours"),
        ("local", "http.https://dev.azure.com.proxy\nhttp://theirs"),
        ("global", "http.sslverify\ntrue"),
        ("local", "http.https://dev.azure.com.sslverify\nfalse"),
        ("local", "http.sslcainfo\n/evil.pem"),
        ("global", "http.https://dev.azure.com.sslcainfo\n/ours.pem"),
    ]);
    let azure = url("https://dev.azure.com/contoso/shop/_git/web");
    assert_eq!(
        configuration.for_url("http", "proxy", &azure, Trust::Everyone),
        Some("http://theirs")
    );
    assert_eq!(
        configuration.for_url("http", "proxy", &azure, Trust::TrustedOnly),
        Some("http://ours")
    );
    assert_eq!(
        configuration.for_url("http", "Proxy", &url("https://github.com"), Trust::Everyone),
        Some("http://ours")
    );
    assert_eq!(
        configuration.boolean_for_url("http", "sslVerify", &azure, Trust::Everyone),
        Ok(Some(true))
    );
    assert_eq!(
        configuration.for_url("http", "sslCAInfo", &azure, Trust::Everyone),
        Some("/ours.pem")
    );
    assert_eq!(
        configuration.for_url("http", "sslCAInfo", &url("https://github.com"), Trust::Everyone),
        None
    );
    assert_eq!(configuration.for_url("http", "userAgent", &azure, Trust::Everyone), None);
}

#[test]
fn several_values_gather_until_an_empty_one() {
    let azure = url("https://dev.azure.com/contoso/shop");
    let all = |records: &[(&str, &str)], trust| {
        parsed(records).all_for_url("http", "extraHeader", &azure, trust).join(",")
    };
    let general = ("global", "http.extraheader\nA");
    let specific = ("local", "http.https://dev.azure.com.extraheader\nB");
    let closest = ("global", "http.https://dev.azure.com/contoso.extraheader\nC");
    let reset = ("command", "http.https://dev.azure.com/contoso.extraheader\n");
    assert_eq!(all(&[general, specific, closest], Trust::Everyone), "A,B,C");
    assert_eq!(all(&[general, specific, closest], Trust::TrustedOnly), "A,C");
    assert_eq!(all(&[specific, general], Trust::Everyone), "B");
    assert_eq!(all(&[general, general, specific], Trust::Everyone), "A,A,B");
    assert_eq!(all(&[general, specific, reset, closest], Trust::Everyone), "C");
    assert_eq!(all(&[closest, reset], Trust::Everyone), "");
}

#[test]
fn a_repository_chooses_a_bare_organization_and_a_project_and_no_more() {
    let configuration = parsed(&[
        ("global", "vsts.organization\nhttps://tfs.example.com/tfs/main"),
        ("global", "vsts.store\nfile"),
        ("local", "vsts.organization\nhttps://evil.example/x"),
        ("local", "vsts.project\nshop"),
        ("local", "vsts.store\nnone"),
        ("local", "vsts.store\nfile"),
        ("worktree", "vsts.clientid\nevil"),
        ("local", "vsts.https://a.example.tenant\nevil"),
        ("local", "http.sslverify\nfalse"),
        ("local", "http.https://ada:secret@dev.azure.com.sslcapath\n/x"),
        ("local", "http.proxy\nhttp://p"),
        ("command", "http.sslcert\n/c"),
        ("unknown", "http.sslcert\n/c"),
    ]);
    assert_eq!(configuration.organization(), Some("https://tfs.example.com/tfs/main"));
    assert_eq!(configuration.project(), Some("shop"));
    let ignored: Vec<String> = configuration
        .ignored_here()
        .into_iter()
        .map(|ignored| format!("{} {}", ignored.scope, ignored.key))
        .collect();
    assert_eq!(
        ignored,
        [
            "local vsts.organization",
            "local vsts.store",
            "worktree vsts.clientid",
            "local vsts.https://a.example.tenant",
            "local http.sslverify",
            "local http.https://dev.azure.com.sslcapath",
            "unknown http.sslcert",
        ]
    );
    let configuration = parsed(&[
        ("global", "vsts.organization\nfabrikam"),
        ("local", "vsts.organization\ncontoso"),
    ]);
    assert_eq!(configuration.organization(), Some("contoso"));
    assert_eq!(configuration.ignored_here(), []);
    for refused in ["-x", "..", "a/b", "x.example", "https://dev.azure.com/contoso", ""] {
        let record = format!("vsts.organization\n{refused}");
        assert_eq!(parsed(&[("local", &record)]).organization(), None, "{refused}");
    }
    assert_eq!(parsed(&[("local", "vsts.project\n../x")]).project(), None);
}

#[test]
fn debug_shows_no_value_and_no_password() {
    let configuration = parsed(&[
        ("global", "http.extraheader\nAuthorization: Basic c2VjcmV0"),
        ("global", "http.https://ada:hunter2@dev.azure.com.proxy\nhttp://u:hunter2@p"),
    ]);
    assert_eq!(
        format!("{configuration:?}"),
        "[(Global, \"http.extraheader\"), (Global, \"http.https://dev.azure.com.proxy\")]"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_output_and_no_pattern_panics(output in any::<Vec<u8>>(), pattern in "(https?://)?[a-z@:/.%*\\[\\]?#é0-9-]{0,24}") {
        drop(Configuration::parse(&output));
        let configuration = Configuration::from_entries([(Scope::Local, format!("http.{pattern}.proxy"), None)]);
        configuration.matching("http", "proxy", &pattern, Trust::Everyone);
        drop(format!("{:?}", configuration.ignored_here()));
    }
}

/// What git itself asks for a URL, by the letters that stand for helpers.
fn asked_by_git(home: &Path, url: &str) -> String {
    let log = home.join("log");
    let _ = fs::remove_file(&log);
    let mut git = Command::new("git");
    git.env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", home.join("config"))
        .env("GIT_TERMINAL_PROMPT", "0")
        .current_dir(home)
        .args(["credential", "fill"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = git.spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), format!("url={url}\n\n").as_bytes())
        .unwrap();
    child.wait().unwrap();
    fs::read_to_string(log).unwrap_or_default()
}

#[test]
fn the_helpers_of_a_url_are_those_that_git_asks() {
    const URL: &str = "https://dev.azure.com/contoso";
    let home = tempfile::tempdir().unwrap();
    for (patterns, expected) in [
        (&["a", "https://dev.azure.com b", "https://dev.azure.com/contoso c"][..], "abc"),
        (&["a", "https://dev.azure.com/contoso ", "https://dev.azure.com/contoso c"], "c"),
        (&["https://dev.azure.com/contoso c", "https://*.azure.com b", "a"], "cba"),
        (&["https://dev.azure.com/contoso c", " "], ""),
        (&["https://dev.azure.com/Contoso a", "https://dev.azure.com/contosox b"], ""),
        (&["https://DEV.azure.com:443/contoso/ a", "http://dev.azure.com b"], "a"),
        (&["dev.azure.com a", "https:// b", "visualstudio.com c"], "ab"),
        (&["https://contoso.visualstudio.com a", "https://dev.azure.com:444 b"], ""),
    ] {
        let mut file = String::new();
        for pattern in patterns {
            let (subsection, name) = pattern.rsplit_once(' ').unwrap_or(("", pattern));
            let header = match subsection {
                "" => "[credential]".to_owned(),
                subsection => format!("[credential \"{subsection}\"]"),
            };
            let helper = match name {
                "" => String::new(),
                name => format!("\"!printf {name} >>'{}'; :\"", home.path().join("log").display()),
            };
            file.push_str(&format!("{header}\n\thelper = {helper}\n"));
        }
        fs::write(home.path().join("config"), file).unwrap();
        let configuration = read_with_git(home.path());
        let helpers = configuration.credential_helpers(&url(URL)).asked;
        let names: String = helpers.iter().map(|it| &it.text["!printf ".len()..][..1]).collect();
        assert_eq!(names, expected, "{patterns:?}");
        assert_eq!(names, asked_by_git(home.path(), URL), "{patterns:?}");
    }
}

#[test]
fn a_helper_for_a_part_of_a_url_is_told_too() {
    let configuration = parsed(&[
        ("system", "credential.helper\nstore"),
        ("global", "credential.https://dev.azure.com/contoso.helper\n"),
        ("global", "credential.https://dev.azure.com/contoso.helper\nours"),
        ("global", "sendemail.helper\nno"),
        ("global", "credential.https://dev.azure.com/contoso/shop.helper\n"),
        ("local", "credential.https://dev.azure.com/contoso/shop.helper\npart"),
        ("local", "credential.https://ada@dev.azure.com.helper\nada's"),
        ("command", "credential.dev.azure.com/contoso.helper\npath"),
        ("command", "credential.https://dev.azure.com/fabrikam.helper\nno"),
    ]);
    let helpers = configuration.credential_helpers(&url("https://dev.azure.com/contoso"));
    let told: Vec<_> = helpers.asked.iter().map(|it| (it.text, it.scope, it.nth)).collect();
    assert_eq!(
        told,
        [
            ("ours", Scope::Global, 2),
            ("part", Scope::Local, 5),
            ("ada's", Scope::Local, 6),
            ("path", Scope::Command, 7)
        ]
    );
    assert_eq!(helpers.asked[0].origin, Some("file:f"));
    // The one for a part ends the list for that part alone.
    let ended_by = helpers.ended_by.unwrap();
    assert_eq!((ended_by.scope, ended_by.nth), (Scope::Global, 1));
}
