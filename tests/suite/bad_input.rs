//! Bad input: a clear error, nothing sent, nothing stored
