//! `git vsts status`
