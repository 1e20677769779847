//! Readers of the views while tables change places.

use std::time::Duration;

use crate::warehouse::house::{House, club, owners, prepared, shop};

#[tokio::test]
async fn who_reads_first_is_never_interrupted() {
    let mut house = House::busy().await;
    house.rebuilt(1).await;
    for first in ["team.fact_entry_current", "team.fact_visit_history", "team.fact_visit"] {
        let reader = house.database.connect().await;
        reader.batch_execute(&format!("BEGIN; SELECT count(*) FROM {first}")).await.expect("a reader");
        let mut swapping = prepared(&house.database, &[shop(), club()]).await;
        let swap = tokio::spawn(async move { swapping.swap_in(&[shop(), club()], &owners(), "shop", 1).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Whatever the swap has locked by now, it gives way.
        for next in ["team.fact_visit_current", "team.fact_entry_history", "team_totesys.loads"] {
            reader.batch_execute(&format!("SELECT count(*) FROM {next}")).await.expect("no deadlock");
        }
        let error = swap.await.expect("no panic").expect_err("somebody reads");
        assert!(error.is_transient(), "{error:?}");
        reader.batch_execute("COMMIT").await.expect("a reader");
    }
    house.swap_in(1).await.expect("nobody reads");
    house.expect("SELECT count(*) FROM team.fact_visit_current", &["3"]).await;
}
