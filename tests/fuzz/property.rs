//! What holds of every answer to `get`, whatever stands on standard input, where a token is there for
//! all of the hosted service. It reads both sides by itself and shares no code with the program.

/// The attributes of git's protocol that have one value (git-credential(1)).
const SINGLE: [&str; 12] = [
    "protocol",
    "host",
    "path",
    "username",
    "password",
    "authtype",
    "credential",
    "ephemeral",
    "password_expiry_utc",
    "oauth_refresh_token",
    "continue",
    "quit",
];

/// What is wrong with an answer; `None` if all holds.
pub fn fault(stdin: &[u8], answer: &str) -> Option<&'static str> {
    if answer.is_empty() {
        return None;
    }
    let asked: Vec<&[u8]> = lines(stdin).collect();
    let values = |key: &str| -> Vec<&[u8]> {
        let key = format!("{key}=");
        asked.iter().filter_map(|line| line.strip_prefix(key.as_bytes())).collect()
    };
    if SINGLE.iter().any(|key| values(key).len() > 1) {
        return Some("what is given twice is answered");
    }
    if asked.iter().any(|line| line.iter().any(u8::is_ascii_control)) {
        return Some("a control character is answered");
    }
    if !values("protocol").first().is_some_and(|it| it.eq_ignore_ascii_case(b"https")) {
        return Some("another protocol than https is answered");
    }
    if !values("host").first().is_some_and(|host| is_ours(host)) {
        return Some("a host that is not ours is answered");
    }
    let Some(answer) = answer.strip_suffix('\n') else { return Some("the last line has no end") };
    if answer.chars().any(|character| character.is_control() && character != '\n') {
        return Some("a control character is in the answer");
    }
    let mut keys = Vec::new();
    for line in answer.split('\n') {
        let Some((key, value)) = line.split_once('=') else { return Some("a line has no `=`") };
        match (key, value) {
            ("capability[]", "state") | ("password", "token") => {}
            ("username", username) if !username.is_empty() => {}
            ("state[]", state) if state.starts_with("git-vsts:") => {}
            _ => return Some("a line is none that can be"),
        }
        if keys.contains(&key) {
            return Some("a key has two lines");
        }
        keys.push(key);
    }
    let is_whole = ["username", "password"].iter().all(|key| keys.contains(key));
    (!is_whole).then_some("git would drop the answer")
}

/// The lines up to an empty one: each ends at LF, with one CR before it or none.
fn lines(stdin: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = |line: &[u8]| -> usize { line.len() - usize::from(line.ends_with(b"\r")) };
    stdin
        .split(|byte| *byte == b'\n')
        .map(move |text| &text[..line(text)])
        .take_while(|it| !it.is_empty())
}

/// `dev.azure.com`, and `LABEL.visualstudio.com` with exactly one label.
fn is_ours(host: &[u8]) -> bool {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(b":443").unwrap_or(&host);
    let labels: Vec<&[u8]> = host.split(|byte| *byte == b'.').collect();
    match labels[..] {
        [b"dev", b"azure", b"com"] => true,
        [label, b"visualstudio", b"com"] => {
            !label.is_empty() && label.iter().all(|it| it.is_ascii_alphanumeric() || *it == b'-')
        }
        _ => false,
    }
}
