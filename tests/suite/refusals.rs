//! What the service answers, and what a person then reads
