//! `git vsts init`
