//! The `pre-push` hook
