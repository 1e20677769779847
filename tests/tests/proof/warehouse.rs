//! The warehouse's rules, through a real server and two made-up stars.

mod altered;
mod deletions;
mod dimensions;
mod evolution;
mod facts;
mod history;
mod house;
mod ledger;
mod placement;
mod waiting;
