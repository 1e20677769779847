//! A candidate is tried on a real batch before it goes live; nothing of that is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_lambda::{HostError, Subject};
use picky::{LENIENT, PANICS, STRICT};
use totesys_publisher::{PublishError, Publisher};
use totesys_sandbox::{Metering, Sandbox, SandboxError};
use totesys_tests::{Data, Totesys, picky, rebuilt, test_publisher};

fn subject(
    publisher: &Publisher<'_>,
    sandbox: &Sandbox,
    build: Vec<u8>,
    metering: Metering,
) -> Result<Subject, PublishError> {
    let candidate = publisher.candidate(build)?;
    let component = publisher.load(&candidate, sandbox, metering)?;
    Ok(Subject { component, description: Arc::new(candidate.description) })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_says_what_a_candidate_would_make_of_a_real_batch_and_keeps_nothing() {
    let totesys = Totesys::start(Data::Sample).await;
    let publisher = test_publisher();
    let of = |build: Vec<u8>| subject(&publisher, totesys.pipeline.sandbox(), build, Metering::Epochs).unwrap();
    let strict = of(picky(STRICT));
    let none = Box::pin(totesys.pipeline.canary(None, &strict)).await.unwrap();
    assert!(none.is_none(), "there is no batch yet");

    totesys.publish(&[picky(STRICT)], "picky").await;
    totesys.source.execute("UPDATE sales_order SET agreed_delivery_date = 'soon' WHERE sales_order_id < 4").await;
    totesys.run().await;
    // A batch with nothing for the star proves nothing: the one before is taken.
    totesys.source.execute("UPDATE staff SET first_name = 'Ida' WHERE staff_id = 1").await;
    totesys.run().await;
    let before = (totesys.objects().await, totesys.warehouse_contents().await);
    let orders: u64 =
        totesys.source_rows("SELECT count(*) FROM sales_order").await[0][0].as_ref().unwrap().parse().unwrap();
    let refusal = BTreeMap::from([("malformed-date".to_owned(), 3)]);

    let rows = BTreeMap::from(["dim_promise", "fact_order"].map(|table| (table.to_owned(), orders - 3)));
    let same = of(rebuilt(&picky(STRICT), "same"));
    for (old, new) in [(Some(&strict), &strict), (Some(&strict), &same), (None, &strict)] {
        let canary = Box::pin(totesys.pipeline.canary(old, new)).await.unwrap().unwrap();
        let rehearsal = canary.rehearsal;
        assert_eq!((canary.batch, rehearsal.rows["sales_order"], rehearsal.rows["currency"]), (1, orders, 3));
        assert_eq!((&rehearsal.new.refused, rehearsal.new.refused_rows()), (&refusal, 3));
        assert_eq!(rehearsal.new.rows, rows);
        assert!(rehearsal.is_same() && rehearsal.too_large == 0, "{rehearsal:?}");
        assert_eq!(rehearsal.old.is_some(), old.is_some());
        assert!(rehearsal.new.memory_bytes > 0 && rehearsal.new.bytes > 0 && rehearsal.new.fuel.is_none());
    }

    // One that takes more: the caller sees what it would add.
    let lenient = of(picky(LENIENT));
    let canary = Box::pin(totesys.pipeline.canary(Some(&strict), &lenient)).await.unwrap().unwrap();
    let rehearsal = canary.rehearsal;
    assert!(!rehearsal.is_same());
    assert_eq!(rehearsal.old.as_ref().map(|old| &old.refused), Some(&refusal));
    assert!(rehearsal.new.refused.is_empty(), "{rehearsal:?}");
    assert_eq!(rehearsal.differences.len(), 2);
    for difference in &rehearsal.differences {
        let counts = [difference.equal, difference.added, difference.gone, difference.changed];
        assert_eq!(counts, [orders - 3, 3, 0, 0], "{difference:?}");
    }

    // One that fails, fails here: as the candidate it is an error, as the live one it is left out.
    let panics = of(picky(PANICS));
    let failed = Box::pin(totesys.pipeline.canary(Some(&strict), &panics)).await;
    assert!(matches!(&failed, Err(HostError::Sandbox(SandboxError::Trapped { .. }))), "{failed:?}");
    let rehearsal = Box::pin(totesys.pipeline.canary(Some(&panics), &strict)).await.unwrap().unwrap().rehearsal;
    assert!(rehearsal.old.as_ref().is_some_and(|old| old.failed.is_some()) && !rehearsal.is_same(), "{rehearsal:?}");

    // Counted in fuel it is the same each time.
    let counted = subject(&publisher, totesys.pipeline.sandbox(), picky(STRICT), Metering::Fuel).unwrap();
    let mut fuel = Vec::new();
    for _ in 0..2 {
        fuel.push(Box::pin(totesys.pipeline.canary(None, &counted)).await.unwrap().unwrap().rehearsal.new.fuel);
    }
    assert!(fuel[0].is_some_and(|fuel| fuel > 1000) && fuel[0] == fuel[1], "{fuel:?}");
    assert_eq!((totesys.objects().await, totesys.warehouse_contents().await), before);
}
