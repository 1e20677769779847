//! Arrow in, star schema out: the loader of the warehouse.
//!
//! It knows descriptions and PostgreSQL, and no table by name. One batch of one star is one
//! transaction: dimensions, then facts, then the ledger row, so that a batch is either loaded or
//! has left no trace. [`Warehouse::prepare`] brings the schema in line with the descriptions,
//! [`Warehouse::begin`] opens a batch, [`Load::stage`] streams rows and [`Load::commit`] resolves
//! them: dimension rows are kept up to date, fact rows are appended when they differ from the
//! current version of their key, and facts that refer to a missing dimension row wait.
//!
//! A star that is computed anew is loaded into a shadow warehouse in schemas of its own, which
//! [`Warehouse::swap_in`] puts in the place of the main one; [`Warehouse::foresee`] tells what
//! preparing would do, and [`Warehouse::explain_fact`] where a row comes from.

mod apply;
mod batch;
mod bulk;
mod copying;
mod deletion;
mod dimension;
mod error;
mod evolve;
mod explain;
mod fact;
mod foresee;
mod found;
mod generation;
mod history;
mod judge;
mod ledger;
mod load;
mod place;
mod rebuild;
mod shape;
mod side;
mod stamp;
mod star;
mod summary;
mod views;
mod waiting;
mod warehouse;

pub use batch::{Begun, LoadReport, Observed, StarBatch, TableReport};
pub use error::WarehouseError;
pub use explain::{DimensionOrigin, ExplainedVersion};
pub use foresee::ForeseenStep;
pub use history::TextRows;
pub use ledger::LedgerRow;
pub use load::Load;
pub use place::WarehouseOptions;
pub use rebuild::{FormerTable, FormerTables, RebuildPlaces, SwapReport};
pub use stamp::LakeStamp;
pub use summary::{TableSummary, WarehouseSummary};
pub use waiting::WaitingFact;
pub use warehouse::Warehouse;
