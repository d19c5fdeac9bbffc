//! Who may be believed: a repository's own configuration is another person's words
