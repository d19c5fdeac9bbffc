//! What a whole command costs, with all that it starts.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// The first argument of the process that measures.
pub const ARGUMENT: &str = "--stopwatch";

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From its start to its end.
    pub wall: Duration,
    /// Of the processor, in user mode and in the kernel, by it and by all that it waited for.
    pub cpu: Duration,
    /// The most bytes that it, or one of those, had in memory at once.
    pub memory: u64,
}

/// Runs a command in a process that measures nothing else, whose child counts from zero: what is
/// exec'd inherits the peak of who forked it, and this process holds the server.
///
/// # Errors
/// It failed, or can't be started.
pub fn measure(command: &mut Command) -> Result<Cost, Box<dyn Error>> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).output()?;
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match (output.status.success(), numbers.as_slice()) {
        (true, [wall, cpu, memory]) => Ok(Cost {
            wall: Duration::from_micros(*wall),
            cpu: Duration::from_micros(*cpu),
            memory: *memory,
        }),
        _ => Err(format!("it ended with {}", output.status).into()),
    }
}

/// What the process does that [`measure`] starts: the arguments are the command's.
///
/// # Errors
/// It can't be started.
pub fn run(arguments: &[OsString]) -> Result<ExitCode, Box<dyn Error>> {
    let (program, rest) = arguments.split_first().ok_or("there is no command to measure")?;
    let start = Instant::now();
    // Standard output is for the figures alone.
    let status = Command::new(program).args(rest).stdout(io::stderr()).status()?;
    let wall = start.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{} {cpu} {}", wall.as_micros(), usage.max_rss() * KIB);
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The unit of `ru_maxrss`, in bytes (getrusage(2)).
const KIB: i64 = if cfg!(target_os = "macos") { 1 } else { 1024 };
