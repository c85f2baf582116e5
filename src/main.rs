//! The one binary. What it does stands in [`everfold::cli`].

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Queries allocate in many threads at once, which mimalloc serves without a common lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

unsafe extern "C" {
    /// mimalloc's own setting, <https://microsoft.github.io/mimalloc/group__options.html>.
    fn mi_option_set(option: c_int, value: c_long);
}

/// Number of `mi_option_purge_delay` in mimalloc.h.
const PURGE_DELAY: c_int = 15;
/// Milliseconds that freed memory is kept before it is given back. COPY frees and takes hundreds of megabytes a second, and what grows takes
/// twice what it has and frees the half of it, a few seconds apart; given back meanwhile (mimalloc keeps it one second), the kernel would zero
/// it again each time: a fifth of COPY's cost, and with a table of ten million keys up to two fifths of a backfill's.
const PURGE_DELAY_MS: c_long = 10_000;

fn main() -> ExitCode {
    // SAFETY: it stores a number, and no other thread runs yet.
    unsafe { mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    everfold::cli::main()
}
