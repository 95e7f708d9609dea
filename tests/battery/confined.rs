//! A process of its own, with little memory and little time: this test binary again, for one test. What asks for more memory
//! than there is ends it, and so does what never ends.

use std::process::Command;

const INSIDE: &str = "INTERVAULT_BATTERY_CONFINED";

/// Most address space, in KiB, with program, stacks and libraries. One chunk of 60 MB, which is allowed, needs more than 256 MiB
/// while it is decoded and hashed.
pub const SPACE: u32 = 320 << 10;

/// Runs `body` with the limits, `seconds` of processor time among them, and fails if it does not come to its end there. Called
/// by the test `name` (with its module) alone, which `body` must not return to.
pub fn confined(name: &str, seconds: u32, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
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
    let said = String::from_utf8_lossy(&said).into_owned();
    let end: String = said.chars().rev().take(2_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(output.status.success() && said.contains("1 passed"), "{name}: {}: {end}", output.status);
}

#[test]
fn what_takes_more_memory_than_there_is_fails_here() {
    let greedy = || {
        let room: Vec<u8> = vec![1; 300 << 20];
        assert_eq!(room.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 300 << 20);
    };
    let failed = std::panic::catch_unwind(|| {
        confined("confined::what_takes_more_memory_than_there_is_fails_here", 20, greedy);
    });
    // Inside, the allocation ends the process; outside, that is what is wanted.
    assert!(failed.is_err(), "300 MiB were there to take");
}

#[test]
fn what_never_ends_fails_here() {
    let endless = || {
        let mut number = 1u64;
        while std::hint::black_box(number) != 0 {
            number = number.wrapping_mul(3) | 1;
        }
    };
    let failed = std::panic::catch_unwind(|| confined("confined::what_never_ends_fails_here", 1, endless));
    assert!(failed.is_err(), "it came to an end");
}
