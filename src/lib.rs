//! `git vsts` connects a repository to Azure DevOps.
//!
//! The story, in the order of the modules. A person types a command ([`cli`]); each command is a
//! file of `commands` that reads like the steps a person would name. A command gets the world as
//! an argument, the [`context`], and talks through its [`ui`]. To sign in ([`signin`]) makes a
//! [`credential`], which the [`keychain`] keeps. The [`azure`] service says what exists, a
//! [`remote`] names it, and the [`repository`] here is pushed to it; both go over one HTTP client
//! ([`http`]). What goes wrong is a fact below and becomes advice in [`error`] alone. What a shell is
//! told when it asks how a line goes on (`completion`) and the files that it reads for that
//! ([`installation`]) stand beside.
//!
//! A module uses only what stands below it: commands → (signin, azure, repository, keychain) →
//! (credential, remote, configuration, http) → text.

#![warn(missing_docs)]
#![deny(unsafe_code)]

pub mod azure;
pub mod cli;
mod commands;
mod completion;
pub mod configuration;
pub mod context;
pub mod credential;
pub mod error;
pub mod http;
pub mod installation;
pub mod keychain;
pub mod remote;
pub mod repository;
pub mod signin;
pub mod text;
pub mod ui;
pub mod wiring;

// For tests/fuzz, which speaks to the command as git does.
#[cfg(fuzzing)]
pub use commands::credential::Credential;
