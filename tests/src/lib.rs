//! What the proofs across crates share.

mod child;
mod components;
mod database;
mod lake;
pub mod planted;
mod portion;
mod totesys;
pub mod truth;

pub use child::{ChildLake, ChildRun};
pub use components::{STARS, component, picky, publisher, rebuilt, test_publisher, trusted, trusted_bytes};
pub use database::{Rows, TestDatabase};
pub use lake::{LocalLake, resealed};
pub use portion::read_portion;
pub use totesys::{Data, Totesys, filled_source, snapshot_folder};
