//! Completion in real shells.
