//! `git vsts setup`: git's global configuration, and what `login` and `logout` do to it.
