//! `git vsts clone`.
