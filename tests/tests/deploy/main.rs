//! The whole of it on an emulator of AWS: deployed by `cargo xtask`, started by its schedule, changed, broken, removed.

mod asker;
mod checks;
mod emulator;
mod environment;
mod lifecycle;
mod package;
mod roles;
mod tools;
