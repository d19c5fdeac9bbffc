//! `git vsts logout`
