//! Tables as described, and descriptions that grow.

use std::collections::BTreeMap;

use star_contract::{ColumnType, Description};

use totesys_warehouse::Begun;

use super::house::{House, club, column, connected, of, owners, shop, stage_as, star_batch};

async fn refusal(house: &mut House, stars: &[Description]) -> String {
    let error = house.warehouse.prepare(stars, &owners()).await.expect_err("it is not additive");
    assert!(error.hint().is_some());
    error.to_string()
}

#[tokio::test]
async fn tables_are_as_described() {
    let house = House::new().await;
    house
        .expect(
            "SELECT table_name, column_name, data_type, numeric_precision || ',' || numeric_scale, is_nullable
             FROM information_schema.columns WHERE table_schema = 'team' AND table_name IN ('fact_visit', 'dim_place')
             ORDER BY table_name, ordinal_position",
            &[
                "dim_place | place_id | integer | 32,0 | NO",
                "dim_place | town | character varying | - | NO",
                "dim_place | district | character varying | - | YES",
                "fact_visit | visit_record_id | integer | 32,0 | NO",
                "fact_visit | visit_id | integer | 32,0 | NO",
                "fact_visit | made_date | date | - | NO",
                "fact_visit | made_time | time without time zone | - | NO",
                "fact_visit | place_id | integer | 32,0 | NO",
                "fact_visit | kind_id | integer | 32,0 | YES",
                "fact_visit | amount | numeric | 10,2 | NO",
            ],
        )
        .await;
}

#[tokio::test]
async fn preparing_again_writes_nothing() {
    let mut house = House::lived_in().await;
    let written = "SELECT pg_current_xact_id_if_assigned(), count(*), max(xmin::text::bigint)
                   FROM pg_class WHERE relnamespace IN ('team'::regnamespace, 'team_totesys'::regnamespace)";
    let before = house.rows(written).await;
    house.warehouse.prepare(&[shop(), club()], &owners()).await.expect("nothing is to do");
    assert_eq!(house.rows(written).await, before);
}

#[tokio::test]
async fn every_column_type_has_its_sql_type_and_takes_a_null() {
    use ColumnType as T;
    let decimal = T::Decimal { precision: 12, scale: 3 };
    let mut free = column("free", decimal, true);
    free.extras = vec![("numeric".to_owned(), "unconstrained".to_owned())];
    let types = [
        ("a", T::Int16),
        ("b", T::Int64),
        ("c", T::Float64),
        ("d", decimal),
        ("e", T::Bool),
        ("f", T::Timestamp),
        ("g", T::Timestamptz),
        ("h", T::Uuid),
        ("i", T::Bytes),
        ("j", T::Json),
    ];
    let mut star = shop();
    star.outputs[1].columns.extend(types.map(|(name, of)| column(name, of, true)));
    star.outputs[1].columns.push(free);
    let mut house = House::new().await;
    house.warehouse.prepare(&[star, club()], &owners()).await.expect("new nullable columns");
    house
        .expect(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = 'team.dim_kind'::regclass AND attnum > 2 ORDER BY attnum",
            &[
                "a | smallint",
                "b | bigint",
                "c | double precision",
                "d | numeric(12,3)",
                "e | boolean",
                "f | timestamp without time zone",
                "g | timestamp with time zone",
                "h | uuid",
                "i | bytea",
                "j | jsonb",
                "free | numeric",
            ],
        )
        .await;
}

#[tokio::test]
async fn json_is_compared_by_what_it_says() {
    let mut house = House::lived_in().await;
    let mut star = shop();
    for output in &mut star.outputs[1..] {
        output.columns.push(column("details", ColumnType::Json, true));
    }
    house.warehouse.prepare(&[star.clone(), club()], &owners()).await.expect("a new nullable column");
    let visit = |json: &str| format!("7 | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00 | {json}");
    for (batch, json, changes) in [(2, r#"{"a":1,"b":2}"#, 1), (3, r#"{"b": 2, "a": 1}"#, 0), (4, r#"{"a":1}"#, 1)] {
        let Begun::Load(mut load) = house.warehouse.begin(star_batch("shop", batch)).await.expect("it is next") else {
            panic!("the batch is new");
        };
        let (kind, visit) = (format!("1 | walk-in | {json}"), visit(json));
        stage_as(&mut load, &star, &[("dim_kind", &[&kind]), ("fact_visit", &[&visit])]).await.expect("rows that fit");
        let report = load.commit().await.expect("a load");
        assert_eq!((of(&report, "dim_kind").updated, of(&report, "fact_visit").appended), (changes, changes), "{json}");
    }
}

#[tokio::test]
async fn a_new_nullable_column_is_added_and_the_views_grow_with_it() {
    let mut house = House::lived_in().await;
    house.database.execute("CREATE VIEW public.mine AS SELECT visit_id FROM team.fact_visit_history").await;
    let mut star = shop();
    star.outputs[2].columns.insert(1, column("remark", ColumnType::Text, true));
    house.warehouse.prepare(&[star, club()], &owners()).await.expect("a new nullable column");
    let Ok(Begun::Load(load)) = house.warehouse.begin(star_batch("shop", 2)).await else {
        panic!("batch 2 is next");
    };
    load.commit().await.expect("an empty batch");
    house.expect("SELECT visit_id, remark FROM team.fact_visit_current", &["99 | -"]).await;
    house.expect("SELECT visit_id, remark, is_current FROM team.fact_visit_history", &["99 | - | t"]).await;
    // The column is left when the description loses it again.
    house.warehouse.prepare(&[shop(), club()], &owners()).await.expect("a nullable column may stay");
    house.load("shop", 3, &[("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00"])]).await;
    house.expect("SELECT visit_id, remark FROM team.fact_visit_current ORDER BY 1", &["7 | -", "99 | -"]).await;
}

#[tokio::test]
async fn what_is_not_additive_is_refused_by_name() {
    let mut house = House::lived_in().await;
    let mut with_required = shop();
    with_required.outputs[2].columns.push(column("remark", ColumnType::Text, false));
    let mut retyped = shop();
    retyped.outputs[2].columns[5].column_type = ColumnType::Float64;
    let mut without_town = shop();
    without_town.outputs[0].columns.remove(1);
    let mut rekeyed = shop();
    rekeyed.outputs[2].business_key = vec!["place_id".to_owned()];
    for (stars, expected) in [
        (
            vec![with_required],
            "column `remark` of `fact_visit` should be `character varying NOT NULL` and is `no such column, and the table has rows`",
        ),
        (
            vec![retyped],
            "column `amount` of `fact_visit` should be `double precision NOT NULL` and is `numeric(10,2) NOT NULL`",
        ),
        (
            vec![without_town],
            "column `town` of `dim_place` should be `no such column` and is `character varying NOT NULL`",
        ),
        (
            vec![rekeyed],
            "column `\"place_id\"` of `fact_visit` should be `PRIMARY KEY (\"place_id\")` and is `PRIMARY KEY (\"visit_id\")`",
        ),
    ] {
        assert_eq!(refusal(&mut house, &stars).await, expected);
    }
}

#[tokio::test]
async fn a_new_required_column_suits_an_empty_table() {
    let mut house = House::new().await;
    let mut star = shop();
    star.outputs[2].columns.push(column("remark", ColumnType::Text, false));
    house.warehouse.prepare(&[star, club()], &owners()).await.expect("the table is empty");
}

#[tokio::test]
async fn descriptions_that_do_not_fit_together_are_refused() {
    let mut house = House::new().await;
    let mut same_fact = club();
    same_fact.outputs[1].table = "fact_visit".to_owned();
    let mut other_place = club();
    other_place.outputs[0].columns[2].nullable = false;
    let mut history_name = shop();
    history_name.outputs[2].columns[5].name = "valid_to".to_owned();
    for (stars, expected) in [
        (vec![shop(), same_fact], "`fact_visit` of star `club` cannot be kept: another star writes this fact"),
        (
            vec![shop(), other_place],
            "`dim_place` of star `club` cannot be kept: another star describes this dimension differently",
        ),
        (
            vec![history_name],
            "`fact_visit.valid_to` of star `shop` cannot be kept: the history view has a column of this name",
        ),
    ] {
        assert_eq!(refusal(&mut house, &stars).await, expected);
    }
    let unowned =
        house.warehouse.prepare(&[shop(), club()], &BTreeMap::new()).await.expect_err("nobody owns dim_place");
    assert_eq!(
        unowned.to_string(),
        "`dim_place` of star `club` cannot be kept: several stars write this dimension and none of them owns it"
    );
}

#[tokio::test]
async fn a_foreign_key_comes_with_its_dimension() {
    let database = totesys_tests::TestDatabase::create().await;
    let mut warehouse = connected(&database).await;
    let mut early = shop();
    early.outputs.remove(1);
    let keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'";
    warehouse.prepare(&[early], &owners()).await.expect("the other dimension may come later");
    assert_eq!(super::house::rows(&database, keys).await, ["1"]);
    warehouse.prepare(&[shop()], &owners()).await.expect("both dimensions");
    assert_eq!(super::house::rows(&database, keys).await, ["2"]);
}
