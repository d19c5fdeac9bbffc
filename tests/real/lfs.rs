//! Git LFS, with `git vsts` as git's credential helper.
