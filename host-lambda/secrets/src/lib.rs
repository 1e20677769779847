//! Secrets: the addresses of the databases, kept in AWS Secrets Manager. Nothing else of the host knows that service.
//!
//! A secret's value is a PostgreSQL URL, or the JSON that Amazon RDS writes when it rotates a password. No error and no
//! `Debug` shows any of it.

mod client;
mod error;
mod value;

pub use client::Secrets;
pub use error::SecretError;
pub use value::DatabaseUrl;
