//! The warehouse's rules, through a real server and two made-up stars.

mod altered;
mod deletions;
mod dimensions;
mod evolution;
mod explain;
mod facts;
mod foresee;
mod generations;
mod history;
mod house;
mod ledger;
mod placement;
mod rebuild;
mod shadow;
mod undo;
mod waiting;
