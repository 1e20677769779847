//! PostgreSQL as both ends of the pipeline see it: connections with libpq's conventions, errors
//! that never show a row, and the binary COPY format to and from Arrow columns.

mod bulk;
mod connection;
mod connection_error;
mod copy;
mod identifier;
mod passfile;
mod postgres_error;
mod settings;
mod tls;
mod url;

pub use bulk::{BulkConnection, CopiedOut, CopyOutError};
pub use connection::{CancelToken, Connection};
pub use connection_error::ConnectionError;
pub use copy::{
    BatchLimits, CodecError, CopyDecoder, CopyEncoder, DecodeSummary, MAX_OBSERVED_XIDS, RefusedValue, RowNumber,
    XidWindow, xid_is_at_or_after,
};
pub use identifier::{qualified, quote_identifier, quote_literal};
pub use postgres_error::{PostgresError, PostgresErrorKind, classify};
pub use settings::ConnectionSettings;
