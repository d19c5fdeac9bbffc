//! Plain git, with `git vsts` as its credential helper.
