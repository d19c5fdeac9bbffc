//! git's own tests of credential helpers, run against ours.
