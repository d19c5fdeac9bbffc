//! `git vsts remote-add`
