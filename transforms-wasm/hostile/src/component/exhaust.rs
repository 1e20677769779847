//! Never coming back, and taking all there is. Nothing here may be optimised out.

use std::hint::black_box;

/// Runs until it is stopped.
pub(super) fn spin() -> ! {
    loop {
        black_box(());
    }
}

/// Fills the memory, and traps when there is none left.
pub(super) fn allocate() -> ! {
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        held.push(vec![1; 1 << 20]);
        black_box(&held);
    }
}

/// Grows the memory without touching it, and traps when that is refused.
pub(super) fn grow_memory() -> ! {
    while core::arch::wasm32::memory_grow::<0>(black_box(64)) != usize::MAX {}
    core::arch::wasm32::unreachable()
}

/// Asks once for all the memory there can be, and goes on without.
pub(super) fn grow_memory_in_vain() {
    black_box(core::arch::wasm32::memory_grow::<0>(black_box(65_535)));
}

/// Recurses until the host's stack for it is used up: its frames need nothing of the stack in the memory.
pub(super) fn recurse() -> u64 {
    #[inline(never)]
    fn deeper(depth: u64) -> u64 {
        if depth == 0 {
            return 1;
        }
        // The rotation keeps the call from becoming a loop.
        deeper(depth - 1).rotate_left(7) ^ depth
    }
    black_box(deeper(black_box(u64::MAX)))
}

/// Recurses until the stack in the memory is used up: its frames are wide.
pub(super) fn recurse_wide(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let frame = [bytes.len() as u64; 64];
    black_box(&frame);
    frame[bytes.len() % 64] + recurse_wide(black_box(bytes))
}
