//! `completions/`, `git vsts completions`, and what a shell is told when it asks.
