//! No secret in an argument, an output, a file or a child's environment
