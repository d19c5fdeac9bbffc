//! A person becomes a credential.

pub mod pat;
