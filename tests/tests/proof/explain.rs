//! Where a row of the warehouse and a file of the lake come from.

use host_lambda::{HostError, Origin};
use totesys_lake::Bucket;
use totesys_tests::{Data, Totesys, component, publisher, rebuilt};

fn key(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn assert_whole(origin: &Origin, digest: &str, catalog: u64) {
    let component = &origin.component;
    assert_eq!((component.digest.as_str(), component.catalog, component.stored), (digest, catalog, true));
    assert_eq!(component.signed_by, Some(publisher().0.public().to_string()));
    assert!(!origin.inputs.is_empty() && origin.inputs.iter().all(|input| !input.files.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_and_file_is_explained_by_the_component_and_batch_that_made_it() {
    let totesys = Totesys::start(Data::Sample).await;
    totesys.run().await;
    let second = rebuilt(&component("sales"), "second");
    let digests = [component("sales"), second.clone()].map(|bytes| totesys_lake::sha256_hex(&bytes));
    totesys.publish(&[second], "the second build").await;
    totesys.source.execute("UPDATE sales_order SET units_sold = 4321 WHERE sales_order_id = 5").await;
    totesys.run().await;
    totesys.source.execute("DELETE FROM sales_order WHERE sales_order_id = 3").await;
    totesys.run().await;

    let versions = totesys.pipeline.explain_row("fact_sales_order", &key(&["5"])).await.unwrap();
    assert_eq!(versions.len(), 2);
    for (version, (batch, catalog)) in versions.iter().zip([(1, 1), (2, 2)]) {
        let origin = version.made_by.as_ref().unwrap();
        assert_eq!((version.observed_in, origin.batch, version.is_current), (batch, batch, batch == 2));
        assert_whole(origin, &digests[usize::try_from(batch).unwrap() - 1], catalog);
    }
    let gone = totesys.pipeline.explain_row("fact_sales_order", &key(&["3"])).await.unwrap();
    assert_eq!((gone.len(), gone[0].is_current, gone[0].deleted_in), (1, false, Some(3)));
    // A dimension that several stars write, and one of a star's own.
    for (table, star) in [("dim_staff", "sales"), ("dim_design", "sales"), ("dim_payment_type", "payments")] {
        let rows = totesys.pipeline.explain_row(table, &key(&["2"])).await.unwrap();
        assert_eq!((rows.len(), rows[0].made_by.as_ref().unwrap().star.as_str()), (1, star), "{table}");
    }
    assert!(totesys.pipeline.explain_row("dim_staff", &key(&["999999"])).await.unwrap().is_empty());
    assert!(totesys.pipeline.explain_row("fact_sales_order", &key(&["999999"])).await.unwrap().is_empty());
    let error = totesys.pipeline.explain_row("nothing", &key(&["1"])).await.unwrap_err();
    assert!(matches!(error, HostError::Warehouse(_)) && error.hint().is_some(), "{error}");

    let (mut transformed, mut ingested) = (0, 0);
    for (bucket, prefix) in [(Bucket::TransformedData, "parquets/"), (Bucket::Ingestion, "data/")] {
        for object in totesys.lake.list(bucket, prefix, None).await.unwrap() {
            let bytes = totesys.pipeline.stored_file(&object.key).await.unwrap();
            let file = totesys.pipeline.explain_file("some name", bytes).await.unwrap();
            assert!(object.key.contains(&format!("/{}/", file.table)), "{} is of {}", object.key, file.table);
            match (file.made_by, file.ingested_in) {
                (Some(origin), None) => {
                    // Two stars may have written the same rows of a dimension they share: the bytes are those of one.
                    assert!(file.key.contains(&format!("-{}-{}", origin.star, &origin.component.digest[..16])));
                    transformed += 1;
                }
                (None, Some(batch)) => {
                    assert!(object.key.contains(&format!("batch={:020}", batch.batch)), "{}", object.key);
                    ingested += 1;
                }
                (made_by, ingested_in) => panic!("{}: {made_by:?}, {ingested_in:?}", object.key),
            }
        }
    }
    assert!(transformed > 10 && ingested > 10, "{transformed} and {ingested}");
    // A byte more, and it is no file of this lake; nor is what is no Parquet.
    let listed = totesys.lake.list(Bucket::TransformedData, "parquets/fact_sales_order/", Some(1)).await.unwrap();
    let mut altered = totesys.pipeline.stored_file(&listed[0].key).await.unwrap().to_vec();
    altered[10] ^= 1;
    for bytes in [altered, b"no parquet".to_vec()] {
        let error = totesys.pipeline.explain_file("some name", bytes.into()).await.unwrap_err();
        assert!(matches!(error, HostError::Unlisted { .. }) && error.hint().is_some(), "{error}");
    }
}
