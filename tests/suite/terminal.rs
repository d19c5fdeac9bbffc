//! Questions on a real terminal
