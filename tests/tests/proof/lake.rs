//! The lake on its local server: puts, listings, records, damage and Parquet.

mod damage;
mod local_server;
mod objects;
mod packages;
mod parquet;
mod records;
mod untrusted;
