//! What would change, said before it does: two components over the folded current state and over real batches.

use host_lambda::{ExampleKind, Subject};
use picky::{LENIENT, PANICS, STRICT};
use totesys_sandbox::Metering;
use totesys_tests::{Data, Totesys, picky, rebuilt, test_publisher};

/// A component as `plan` runs it: with fuel counted.
fn subject(totesys: &Totesys, component: Vec<u8>) -> Subject {
    let candidate = test_publisher().candidate(component).unwrap();
    let component = test_publisher().load(&candidate, totesys.pipeline.sandbox(), Metering::Fuel).unwrap();
    Subject { component, description: candidate.description.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_row_by_row_what_another_component_would_make() {
    let totesys = Totesys::start_with(Data::Sample, &[picky(STRICT)]).await;
    totesys.run().await;
    for change in [
        "UPDATE sales_order SET units_sold = 11, agreed_delivery_date = 'soon' WHERE sales_order_id = 5",
        "DELETE FROM sales_order WHERE sales_order_id = 3",
        "UPDATE sales_order SET units_sold = 12 WHERE sales_order_id IN (5, 6)",
    ] {
        totesys.source.execute(change).await;
        totesys.run().await;
    }
    let orders = totesys.source_rows("SELECT count(*) FROM sales_order").await[0][0].as_ref().unwrap().parse().unwrap();
    let (strict, lenient) = (subject(&totesys, picky(STRICT)), subject(&totesys, picky(LENIENT)));

    // The same in other bytes: nothing would change, at the same cost.
    let again = subject(&totesys, rebuilt(&picky(STRICT), "again"));
    let run = Box::pin(totesys.pipeline.shadow(Some(&strict), &again, 20)).await.unwrap();
    assert!(run.uncovered.is_empty() && run.state.is_same());
    assert!(run.batches.iter().all(|batch| batch.rehearsal.is_same()));
    assert_eq!(run.batches.iter().map(|batch| batch.batch).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let old = run.state.old.as_ref().unwrap();
    assert!(old.fuel.unwrap() > 100_000 && old.fuel == run.state.new.fuel, "{old:?}");
    assert!(old.memory_bytes > 0 && old.bytes > 0);

    // The current state is what the source holds: the newest version of each order, and none that is gone.
    let run = Box::pin(totesys.pipeline.shadow(Some(&strict), &lenient, 2)).await.unwrap();
    assert_eq!(run.state.rows["sales_order"], orders);
    assert_eq!(run.batches.iter().map(|batch| batch.batch).collect::<Vec<_>>(), [3, 4]);
    let of = |table: &str| run.state.differences.iter().find(|difference| difference.table == table).unwrap().clone();
    let fact = of("fact_order");
    assert_eq!((fact.old_rows, fact.new_rows, fact.equal), (orders - 1, orders, orders - 1));
    assert_eq!((fact.added, fact.gone, fact.changed), (1, 0, 0));
    assert_eq!((fact.examples.len(), fact.examples[0].kind), (1, ExampleKind::Added));
    assert_eq!(fact.examples[0].key, [("sales_order_id".to_owned(), "5".to_owned())]);
    let units = fact.examples[0].columns.iter().find(|(name, ..)| name == "units_sold").unwrap();
    assert_eq!(units.2.as_deref(), Some("12"), "it is the newest version");
    assert_eq!(of("dim_promise").added, 1);
    let (old, new) = (run.state.old.as_ref().unwrap(), &run.state.new);
    assert_eq!((old.refused_rows(), old.refused["malformed-date"], new.refused_rows()), (1, 1, 0));

    // One that fails says so; one beside a live component that fails is judged alone.
    assert!(Box::pin(totesys.pipeline.shadow(Some(&strict), &subject(&totesys, picky(PANICS)), 2)).await.is_err());
    let run = Box::pin(totesys.pipeline.shadow(Some(&subject(&totesys, picky(PANICS))), &lenient, 2)).await.unwrap();
    assert!(run.state.old.unwrap().failed.is_some() && !run.batches.is_empty());
    // Nothing was written by any of it.
    let objects = totesys.objects().await;
    Box::pin(totesys.pipeline.shadow(None, &lenient, 20)).await.unwrap();
    assert_eq!(totesys.objects().await, objects);
}
