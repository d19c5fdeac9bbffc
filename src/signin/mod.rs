//! A person becomes a credential.

pub mod askpass;
pub mod loopback;
pub mod microsoft;
pub mod pat;
