//! Refspecs as git reads them (git-push(1), git-fetch(1), "`<refspec>`").

/// A refspec that git would take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refspec {
    /// What it says.
    pub form: Form,
    /// Whether history may be lost by it (`+`).
    pub force: bool,
}

/// What a refspec says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `:`, every branch that both sides have.
    Matching,
    /// `^PATTERN`, what is left out of all that the others name.
    Negative(String),
    /// Every reference of a pattern, each side with one `*`. Where nothing is said of the other
    /// side, it is the same.
    Pattern { source: String, destination: Option<String> },
    /// One reference or object; none deletes.
    Single { source: Option<String>, destination: Option<String> },
}

/// What a refspec is for: the two are not read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Push,
    Fetch,
}

impl Refspec {
    /// A refspec of a push or a fetch; none for what git would not take as one (`parse_refspec` of
    /// git's `refspec.c`).
    pub fn parse(text: &str, direction: Direction) -> Option<Self> {
        let is_fetch = direction == Direction::Fetch;
        let (force, rest) = match text.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(pattern) = text.strip_prefix('^') {
            let is_one = is_name(pattern) && !is_object_id(pattern);
            return is_one.then(|| Self { form: Form::Negative(pattern.to_owned()), force: false });
        }
        if rest == ":" && !is_fetch {
            return Some(Self { form: Form::Matching, force });
        }
        // The last one, so that a source may have one of its own, `HEAD:FILE`.
        let (source, destination) = match rest.rsplit_once(':') {
            Some((source, destination)) => (source, Some(destination)),
            None => (rest, None),
        };
        let source = if source == "@" { "HEAD" } else { source };
        let is_pattern = match destination {
            Some(name) if source.contains('*') != name.contains('*') => return None,
            None if source.contains('*') && is_fetch => return None,
            _ => source.contains('*'),
        };
        let is_right = match (destination, is_fetch) {
            // Nowhere to keep it: such a one is for a fetch alone.
            (None | Some(""), true) => source.is_empty() || is_name(source),
            (None, false) => is_name(source),
            (Some(name), false) => is_name(name) && (!is_pattern || is_name(source)),
            (Some(name), true) => is_name(name) && (source.is_empty() || is_name(source)),
        };
        if !is_right {
            return None;
        }
        let source = source.to_owned();
        let destination = destination.filter(|name| !name.is_empty()).map(str::to_owned);
        let form = match is_pattern {
            true => Form::Pattern { source, destination },
            false => {
                let source = Some(source).filter(|source| !source.is_empty());
                Form::Single { source, destination }
            }
        };
        Some(Self { form, force })
    }

    /// Every reference of a pattern, under its own name.
    pub fn all(pattern: &str) -> Self {
        Self { form: Form::Pattern { source: pattern.to_owned(), destination: None }, force: false }
    }

    /// One reference or object, and where it goes.
    pub fn single(source: &str, destination: &str) -> Self {
        let form = Form::Single {
            source: Some(source.to_owned()),
            destination: Some(destination.to_owned()),
        };
        Self { form, force: false }
    }

    /// Whether it is for branches of both sides.
    pub fn is_matching(&self) -> bool {
        self.form == Form::Matching
    }

    /// Whether it leaves a reference out.
    pub fn omits(&self, name: &str) -> bool {
        let Form::Negative(pattern) = &self.form else { return false };
        pattern == name || matched(pattern, name).is_some()
    }
}

/// Where refspecs lead a reference, and whether by force (git's `query_refspecs`): the first that
/// names both sides, unless it is left out.
pub(super) fn lead(refspecs: &[Refspec], name: &str) -> Option<(String, bool)> {
    if is_left_out(refspecs, name) {
        return None;
    }
    refspecs.iter().find_map(|refspec| {
        let led = match &refspec.form {
            Form::Pattern { source, destination: Some(destination) } => {
                matched(source, name).map(|middle| destination.replacen('*', middle, 1))
            }
            Form::Single { source: Some(source), destination: Some(destination) } => {
                (source == name).then(|| destination.clone())
            }
            _ => None,
        };
        led.map(|led| (led, refspec.force))
    })
}

/// git's `query_matches_negative_refspec`: it takes the name for one of the other side, leads it
/// back, and asks whether what it comes from is left out.
fn is_left_out(refspecs: &[Refspec], name: &str) -> bool {
    let back = |refspec: &Refspec| match &refspec.form {
        Form::Pattern { source, destination } => {
            let other = destination.as_deref().unwrap_or(source);
            matched(other, name).map(|middle| source.replacen('*', middle, 1))
        }
        Form::Matching => Some(name.to_owned()),
        Form::Single { source: Some(source), .. } if source == name => Some(name.to_owned()),
        _ => None,
    };
    let mut from = refspecs.iter().filter_map(back);
    from.any(|from| refspecs.iter().any(|refspec| refspec.omits(&from)))
}

/// What the `*` of a pattern stands for in a name that it matches.
pub(super) fn matched<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    let (before, after) = pattern.split_once('*')?;
    name.strip_prefix(before)?.strip_suffix(after)
}

/// Whether git takes a text for a reference's name, in full or not, or for a pattern of some
/// (git-check-ref-format(1), with `--allow-onelevel` and `--refspec-pattern`).
pub(super) fn is_name(name: &str) -> bool {
    let is_component = |component: &str| {
        !component.is_empty() && !component.starts_with('.') && !component.ends_with(".lock")
    };
    let is_forbidden = |character: char| {
        character.is_ascii_control()
            || matches!(character, ' ' | '~' | '^' | ':' | '?' | '[' | '\\')
    };
    name != "@"
        && name.split('/').all(is_component)
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(is_forbidden)
        && name.matches('*').count() <= 1
}

/// An object's whole name.
fn is_object_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_takes_for_a_refspec_is_one() {
        // The text, and whether git takes it for a push and for a fetch (t5511-refspec.sh).
        let table = [
            ("", false, true),
            (":", true, true),
            ("::", false, false),
            ("+:", true, true),
            ("refs/heads/*:refs/remotes/frotz/*", true, true),
            ("refs/heads/*:refs/remotes/frotz", false, false),
            ("refs/heads:refs/remotes/frotz/*", false, false),
            ("refs/heads/main:refs/remotes/frotz/xyzzy", true, true),
            ("refs/heads/main::refs/remotes/frotz/xyzzy", true, false),
            ("refs/heads/maste :refs/remotes/frotz/xyzzy", true, false),
            ("main~1:refs/remotes/frotz/backup", true, false),
            ("HEAD~4:refs/remotes/frotz/new", true, false),
            ("HEAD", true, true),
            ("@", true, true),
            ("refs/heads/ nitfol", false, false),
            ("HEAD:", false, true),
            ("refs/heads/ nitfol:", false, false),
            (":refs/remotes/frotz/deleteme", true, true),
            (":refs/remotes/frotz/HEAD to me", false, false),
            ("refs/heads/*/for-linus:refs/remotes/mine/*-blah", true, true),
            ("refs/heads*/for-linus:refs/remotes/mine/*", true, true),
            ("refs/heads/*/*/for-linus:refs/remotes/mine/*", false, false),
            ("refs/heads/*", true, false),
            ("refs/heads/*:", false, false),
            (":refs/heads/*", false, false),
            ("^refs/heads/*", true, true),
            ("^refs/heads/main", true, true),
            ("^main", true, true),
            ("^", false, false),
            ("+^refs/heads/main", false, false),
            ("^refs/heads/main:refs/heads/x", false, false),
            ("^1111111111111111111111111111111111111111", false, false),
            ("main:@", false, false),
            ("main:a..b", false, false),
            ("main:a.lock", false, false),
            ("main:/a", false, false),
            ("main:a\u{7f}", false, false),
            ("-x", true, true),
        ];
        for (text, push, fetch) in table {
            assert_eq!(Refspec::parse(text, Direction::Push).is_some(), push, "push {text:?}");
            assert_eq!(Refspec::parse(text, Direction::Fetch).is_some(), fetch, "fetch {text:?}");
        }
    }

    #[test]
    fn a_reference_is_led_by_the_first_that_names_both_sides() {
        let table: [(&[&str], &str, Option<&str>); 9] = [
            (&["refs/heads/*:refs/remotes/a/*"], "refs/heads/x/y", Some("refs/remotes/a/x/y")),
            (&["refs/heads/*:refs/remotes/a/*"], "refs/tags/x", None),
            (&["refs/heads/x:refs/a", "refs/heads/*:refs/b/*"], "refs/heads/x", Some("refs/a")),
            (&["refs/heads/*", "refs/heads/x:refs/a"], "refs/heads/x", Some("refs/a")),
            (&["refs/heads/*:refs/heads/*", "^refs/heads/x"], "refs/heads/x", None),
            (&["refs/heads/*:refs/heads/*", "^refs/heads/x*"], "refs/heads/xy", None),
            (&["refs/heads/a*b:refs/a/*"], "refs/heads/ab", Some("refs/a/")),
            (&["refs/heads/ab*b:refs/a/*"], "refs/heads/ab", None),
            (&[":", "x:y"], "x", Some("y")),
        ];
        for (texts, name, expected) in table {
            let refspecs: Vec<Refspec> =
                texts.iter().map(|text| Refspec::parse(text, Direction::Push).unwrap()).collect();
            let led = lead(&refspecs, name).map(|(led, _)| led);
            assert_eq!(led.as_deref(), expected, "{texts:?} {name}");
        }
    }
}
