#![no_main]
#[path = "../../targets/ipc.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
