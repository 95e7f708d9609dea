//! A process of its own, with little memory and little time: this test binary again, for one test. What asks for more memory
//! than there is ends it, and so does what never ends.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

const INSIDE: &str = "INTERVAULT_BATTERY_CONFINED";

/// Most address space, in KiB, with program, stacks and libraries. One chunk of 60 MB, which is allowed, needs more than 256 MiB
/// while it is decoded and hashed.
pub const SPACE: u32 = 320 << 10;

/// How the process ended in which the test `name` (with its module) was run alone with the limits, `seconds` of processor time
/// among them; and what it said.
fn ended(name: &str, seconds: u32) -> (ExitStatus, String) {
    let program = std::env::current_exe().unwrap();
    // One arena: each further one would take 64 MiB of addresses and use none of it.
    let command = format!(
        "ulimit -v {SPACE}; ulimit -t {seconds}; exec '{}' --exact '{name}' --nocapture --test-threads 1",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .env(INSIDE, "1")
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_MIN_STACK", "2097152")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs `body` with the limits, `seconds` of processor time among them, and fails if it does not come to its end there. Called
/// by the test `name` (with its module) alone, which `body` must not return to.
pub fn confined(name: &str, seconds: u32, body: impl FnOnce()) {
    if is_inside() {
        return body();
    }
    let (status, said) = ended(name, seconds);
    let end: String = said.chars().rev().take(2_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(status.success() && said.contains("1 passed"), "{name}: {status}: {end}");
}

/// Where the limit of memory does not hold, the allocation succeeds, and the process ends well: that is what fails outside.
#[test]
fn what_takes_more_memory_than_there_is_is_ended_here() {
    if is_inside() {
        let room: Vec<u8> = vec![1; 300 << 20];
        assert_eq!(room.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 300 << 20);
        return;
    }
    let (status, said) = ended("confined::what_takes_more_memory_than_there_is_is_ended_here", 20);
    assert_eq!(status.signal(), Some(SIGABRT), "300 MiB were there to take: {status}: {said}");
    assert!(said.contains("memory allocation of 314572800 bytes failed"), "{said}");
}

/// Where the limit of time does not hold, the work ends by itself after two minutes, with a status of its own.
#[test]
fn what_never_ends_is_ended_here() {
    const UNLIMITED: i32 = 77;
    if is_inside() {
        let (mut number, began) = (1u64, Instant::now());
        while std::hint::black_box(number) != 0 && began.elapsed() < Duration::from_secs(120) {
            number = number.wrapping_mul(3) | 1;
        }
        std::process::exit(UNLIMITED);
    }
    let (status, said) = ended("confined::what_never_ends_is_ended_here", 1);
    // The soft limit and the hard one are the same: the system takes the first for a warning or, at once, the other for good.
    let ended = status.signal().is_some_and(|signal| signal == SIGXCPU || signal == SIGKILL);
    assert!(ended, "a second of work was not the end of it: {status}: {said}");
}
