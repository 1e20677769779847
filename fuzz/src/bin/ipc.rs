#![no_main]
#[path = "../../targets/ipc.rs"]
mod target;

// A panic within the reader is caught where it is called; one that gets out still ends the fuzzer, which catches it
// and aborts. Its own hook would abort at the first kind too.
libfuzzer_sys::fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |data: &[u8]| target::run(data));
