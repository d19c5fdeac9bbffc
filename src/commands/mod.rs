//! The commands, one file each, and what several of them do: find the names ([`names`]), make the
//! repository at the service ([`place`]), commit ([`commit`]), report ([`report`]), make git ask us
//! ([`wire`], for one run [`helper`]).

pub mod clone;
pub mod completions;
pub mod credential;
pub mod init;
pub mod login;
pub mod logout;
pub mod push;
pub mod remote_add;
pub mod setup;
pub mod status;

mod commit;
mod helper;
mod names;
mod place;
mod report;
mod wire;
