//! Any bytes on the standard input of `git vsts credential get`: no input makes it answer for a host
//! that is not ours, print two lines for one key, or panic. The tests beside the command say the same
//! of what proptest thinks of; this one goes on for as long as it is let, and learns which input leads
//! on:
//!
//! ```text
//! cargo install cargo-fuzz
//! mkdir -p tests/fuzz/corpus/protocol
//! cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none protocol \
//!   tests/fuzz/corpus/protocol tests/fuzz/seeds -- \
//!   -dict=tests/fuzz/dictionary -max_len=4096 -max_total_time=300
//! ```
//!
//! A stable compiler does: sanitizers, which need a nightly one, are for what is not safe Rust.

#![no_main]

mod property;

use std::path::PathBuf;
use std::time::Duration;

use git_vsts::Credential;
use git_vsts::context::{Clock, Context, Environment};
use git_vsts::ui::{Answer, Settings, Ui};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) {
        panic!("a helper waits for nothing")
    }
}

fuzz_target!(|stdin: &[u8]| {
    let ui = Ui::captured(Settings::default(), vec![Answer::stdin(stdin)]);
    let environment = Environment::from_pairs([("GIT_VSTS_PAT", "token")]);
    let context = Context::new(ui.clone(), environment, Box::new(Stopped), PathBuf::from("/"));
    let context = context.expect("nothing of the environment can be wrong");
    Credential { action: "get".into() }.run(&context).expect("it always ends with success");
    if let Some(fault) = property::fault(stdin, &ui.captured_stdout()) {
        panic!("{fault}:\n{}", ui.captured_stdout());
    }
});
