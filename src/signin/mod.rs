//! A person becomes a credential.

pub mod askpass;
pub mod pat;
