//! What is said of a server, a connection to it and a stream from it.

use std::time::Duration;

use arrow_schema::DataType;
use totesys_postgres::{CodecError, ConnectionError, ConnectionSettings, PostgresError, PostgresErrorKind};
use totesys_tests::TestDatabase;

use super::{Kinds as _, THEIRS, arrow, example, io, nobody_answers, pin, refused};

kinds! {
    PostgresErrorKind:
    InsufficientPrivilege, LockTimeout, Cancelled, Serialization, ConnectionLost, DataException, ConstraintViolation,
    Other,
}

kinds! {
    ConnectionError:
    BadSettings, Unreachable, TimedOut, PasswordMissing, WrongPassword, NoSuchDatabase, MissingRight, NotReady, Tls,
    Certificates, Refused,
}

kinds! {
    CodecError:
    Signature, Flags, FieldCount, FieldLength, Malformed, NotUtf8, Truncated, AfterEnd, TooManyColumns, ColumnCount,
    ColumnType, UnexpectedNull, RowNumbers, Arrow,
}

/// What the server itself says of a statement is in `connection.rs`, as far as it is shown.
#[tokio::test]
async fn every_kind_of_refused_statement_is_worded() {
    let database = TestDatabase::create().await;
    let session = database.connect().await;
    let mut errors: Vec<PostgresError> = Vec::new();
    for sqlstate in ["42501", "55P03", "57014", "40001", "57P01", "22P02", "23505", "42P01"] {
        errors.push(refused(&session, sqlstate).await);
    }
    // What is no report of the server: a lost connection, and what the driver does not understand.
    let ConnectionError::Unreachable { source: lost, .. } = nobody_answers().await else { panic!("nobody is there") };
    errors.push(lost);
    errors.push("nonsense".parse::<tokio_postgres::Config>().expect_err("that is no URL").into());
    let examples = errors.iter().map(|error| example(error.kind().kind_name(), error, error.hint()));
    pin::<PostgresErrorKind>("postgres_errors", examples);
}

#[tokio::test]
async fn every_reason_for_no_connection_is_worded() {
    let database = TestDatabase::create().await;
    let session = database.connect().await;
    let place = || "totesys@localhost:5432/totesys".to_owned();
    let errors = [
        ConnectionSettings::parse("mysql://localhost/totesys", &|_| None).expect_err("that is no URL of PostgreSQL"),
        nobody_answers().await,
        ConnectionError::TimedOut { place: place(), waited: Duration::from_secs(10) },
        ConnectionError::PasswordMissing { place: place() },
        ConnectionError::WrongPassword { place: place(), source: refused(&session, "28P01").await },
        ConnectionError::NoSuchDatabase { place: place(), source: refused(&session, "3D000").await },
        ConnectionError::MissingRight { place: place(), source: refused(&session, "42501").await },
        ConnectionError::NotReady { place: place(), source: refused(&session, "57P03").await },
        ConnectionError::Tls { place: place(), mode: "verify-full", source: THEIRS.into() },
        ConnectionError::Certificates { path: "certificates/root.pem".into(), source: Box::new(io()) },
        ConnectionError::Refused { place: place(), source: refused(&session, "57P01").await },
        ConnectionError::Refused { place: place(), source: refused(&session, "XX000").await },
    ];
    let examples = errors.iter().map(|error| example(error.kind_name(), error, error.hint()));
    pin::<ConnectionError>("connection_errors", examples);
}

#[test]
fn every_kind_of_unreadable_stream_is_worded() {
    let column = || "payment_amount".to_owned();
    let errors = [
        CodecError::Signature,
        CodecError::Flags { flags: 0x0002_0000 },
        CodecError::FieldCount { row: 4, expected: 11, found: 12 },
        CodecError::FieldLength { row: 4, column: column(), length: 3, expected: "integer".into() },
        CodecError::Malformed { row: 4, column: column(), problem: "no numeric" },
        CodecError::NotUtf8 { column: column(), source: arrow() },
        CodecError::Truncated { rows: 12 },
        CodecError::AfterEnd,
        CodecError::TooManyColumns { columns: 40_000 },
        CodecError::ColumnCount { expected: 11, found: 12 },
        CodecError::ColumnType {
            position: 6,
            column: column(),
            expected: DataType::Int32,
            found_name: "amount".into(),
            found: DataType::Utf8,
        },
        CodecError::UnexpectedNull { column: column() },
        CodecError::RowNumbers { first: 2_147_483_648 },
        CodecError::Arrow(arrow()),
    ];
    pin::<CodecError>("codec_errors", errors.iter().map(|error| example(error.kind_name(), error, error.hint())));
}
