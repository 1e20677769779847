//! Makes a Totesys database live: orders come in, payments are made at 07:55, and now and then something changes
//! that no timestamp shows. The same seed over the same database gives the same statements.

mod choice;
mod counts;
mod error;
mod fill;
mod late;
mod moment;
mod order;
mod plan;
mod random;
mod rates;
mod removal;
mod schema;
mod session;
mod silent;
mod simulator;

pub use counts::{Counts, Event, Kind};
pub use error::SimulateError;
pub use fill::{FillReport, fill};
pub use moment::Moment;
pub use random::Random;
pub use rates::Rates;
pub use schema::{SCHEMA, TABLES, prepare};
pub use simulator::{Simulator, Start};
