//! What the proofs across crates share.

mod components;
mod database;
mod lake;
mod totesys;

pub use components::{STARS, component, publisher, trusted};
pub use database::TestDatabase;
pub use lake::LocalLake;
pub use totesys::{Data, Rows, Totesys, snapshot_folder};
