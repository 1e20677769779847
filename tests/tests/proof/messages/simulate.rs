//! What is said of a source that cannot be made live.

use totesys_simulate::{Rates, SimulateError};
use totesys_tests::TestDatabase;

use super::{Kinds as _, example, nobody_answers, pin, refused};

kinds! {
    SimulateError:
    Connection, Statement, Answer, PartOfSource, NotEmpty, NothingToReferTo, UnknownRate, BadRate, BadOrders,
}

#[tokio::test]
async fn every_kind_of_failed_simulation_is_worded() {
    let database = TestDatabase::create().await;
    let session = database.connect().await;
    let rate = |name: &str, rate: f64| Rates::default().set(name, rate).expect_err("it cannot be set");
    let errors = [
        SimulateError::Connection(nobody_answers().await),
        SimulateError::Statement { doing: "writing an order", source: refused(&session, "42501").await },
        SimulateError::Statement { doing: "writing an order", source: refused(&session, "23505").await },
        SimulateError::Answer { doing: "writing an order", missing: "payment_id" },
        SimulateError::PartOfSource { schema: "public".into(), present: "payment".into(), absent: "staff".into() },
        SimulateError::NotEmpty { schema: "public".into(), table: "payment".into() },
        SimulateError::NothingToReferTo { table: "payment_type" },
        rate("sale", 1.0),
        rate("sales", -1.0),
        rate("returning", 1.5),
        SimulateError::BadOrders { orders: 3_000_000_000, most: 1_000_000_000 },
    ];
    let examples = errors.iter().map(|error| example(error.kind_name(), error, error.hint()));
    pin::<SimulateError>("simulate_errors", examples);
}
