//! Two small stars, `shop` and `club`, that share the dimension `dim_place`; rows and results as text.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, RecordBatch, StringArray, Time64MicrosecondArray,
};
use star_contract::{Column, ColumnType, Description, Output, Reference, Role};
use tokio_postgres::SimpleQueryMessage;
use totesys_tests::TestDatabase;
use totesys_warehouse::{
    Begun, LakeStamp, Load, LoadReport, Observed, StarBatch, SwapReport, TableReport, Warehouse, WarehouseError,
    WarehouseOptions,
};

/// 2024-06-01 12:00 UTC; batch n has its snapshot n days later.
const FIRST_NOON: i64 = 1_717_243_200_000_000;
const DAY: i64 = 86_400_000_000;

/// Rows for tables: `|` between values, `-` is NULL.
pub(super) type Rows<'a> = &'a [(&'a str, &'a [&'a str])];

/// What a batch of visits may bring.
#[derive(Default)]
pub(super) struct Observation<'a> {
    /// Rows of earlier batches, with their batch.
    pub(super) earlier: &'a [(u64, &'a str)],
    /// Keys that are still refused, with the batch that observed them.
    pub(super) refused: &'a [(u64, i32)],
    pub(super) rows: Rows<'a>,
    /// All keys of the source.
    pub(super) living: Option<&'a [i32]>,
}

pub(super) struct House {
    pub(super) database: TestDatabase,
    pub(super) warehouse: Warehouse,
}

impl House {
    /// An empty warehouse with both stars prepared; `shop` owns `dim_place`.
    pub(super) async fn new() -> Self {
        let database = TestDatabase::create().await;
        let warehouse = prepared(&database, &[shop(), club()]).await;
        Self { database, warehouse }
    }

    /// Loads batch 1 with a place, a kind and a visit that no other test row is about, so that what
    /// follows takes the way into a fact that is not empty.
    pub(super) async fn lived_in() -> Self {
        let mut house = Self::new().await;
        let rows: Rows = &[
            ("dim_place", &["1 | Leeds | -", "2 | York | -"]),
            ("dim_kind", &["1 | walk-in"]),
            ("fact_visit", &["99 | 2024-05-01 | 09:00:00.123 | 1 | 1 | 1.00"]),
        ];
        house.load("shop", 1, rows).await;
        house
    }

    /// The same with a second batch of `shop` and a first one of `club`.
    pub(super) async fn busy() -> Self {
        let mut house = Self::lived_in().await;
        house.load("shop", 2, &[("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | 1 | 5.00"])]).await;
        house.load("club", 1, &[("dim_place", &["1 | Leeds | -"]), ("fact_entry", &["1 | 1"])]).await;
        house
    }

    /// The shadow of a rebuild of `shop`, empty.
    pub(super) async fn shadow(&self, generation: u64) -> Warehouse {
        let options = self.warehouse.shadow_options().await.unwrap_or_else(|error| panic!("{error:?}"));
        let shadow = Warehouse::connect(&self.database.settings(), &options, &stamp()).await;
        let mut shadow = shadow.unwrap_or_else(|error| panic!("{error:?}"));
        shadow.prepare(&[shop(), club()], &owners()).await.unwrap_or_else(|error| panic!("{error:?}"));
        shadow.set_generation("shop", generation).await.unwrap_or_else(|error| panic!("{error:?}"));
        shadow
    }

    /// A shadow that has caught up with a [`busy`](Self::busy) house: visits cost ten times as much, and one more is
    /// known.
    pub(super) async fn rebuilt(&self, generation: u64) {
        let mut shadow = self.shadow(generation).await;
        let first: Rows = &[
            ("dim_place", &["1 | Leeds | -", "2 | York | -"]),
            ("dim_kind", &["1 | walk-in"]),
            (
                "fact_visit",
                &["99 | 2024-05-01 | 09:00:00.123 | 1 | 1 | 10.00", "98 | 2024-05-01 | 09:30:00 | 2 | - | 1.00"],
            ),
        ];
        let second: Rows = &[("fact_visit", &["7 | 2024-05-02 | 10:00:00 | 1 | 1 | 50.00"])];
        let entries: Rows = &[("dim_place", &["1 | Leeds | -"]), ("fact_entry", &["1 | 1"])];
        load_into(&mut shadow, (&shop(), generation), 1, first).await;
        load_into(&mut shadow, (&shop(), generation), 2, second).await;
        load_into(&mut shadow, (&club(), 0), 1, entries).await;
    }

    /// Swaps a rebuild of `shop` in.
    pub(super) async fn swap_in(&mut self, generation: u64) -> Result<SwapReport, WarehouseError> {
        self.warehouse.swap_in(&[shop(), club()], &owners(), "shop", generation).await
    }

    pub(super) async fn try_load(
        &mut self,
        star: &str,
        batch: u64,
        rows: Rows<'_>,
    ) -> Result<LoadReport, WarehouseError> {
        match self.warehouse.begin(star_batch(star, batch)).await? {
            Begun::Load(mut load) => {
                stage(&mut load, star, rows).await?;
                load.commit().await
            }
            Begun::AlreadyLoaded(_) => panic!("batch {batch} of {star} was loaded before"),
        }
    }

    /// Loads a batch of visits, what earlier batches observed of them, what is refused, and the keys that live.
    pub(super) async fn observe(&mut self, batch: u64, observed: Observation<'_>) -> TableReport {
        let Begun::Load(mut load) = self.warehouse.begin(star_batch("shop", batch)).await.expect("a batch") else {
            panic!("batch {batch} was loaded before");
        };
        let visits = shop().output("fact_visit").cloned().expect("visits");
        for (earlier, line) in observed.earlier {
            let when = Observed { batch: *earlier, snapshot_micros: star_batch("shop", *earlier).snapshot_micros };
            load.stage_observed("fact_visit", &record_batch(&visits, &[line]), when).await.expect("earlier rows");
        }
        for (earlier, id) in observed.refused {
            load.stage_refused_keys("fact_visit", &keys(&[*id]), *earlier).await.expect("refused keys");
        }
        stage(&mut load, "shop", observed.rows).await.expect("rows");
        if let Some(living) = observed.living {
            load.stage_living_keys("fact_visit", &keys(living)).await.expect("keys");
        }
        of(&load.commit().await.expect("a load"), "fact_visit")
    }

    pub(super) async fn load(&mut self, star: &str, batch: u64, rows: Rows<'_>) -> LoadReport {
        self.try_load(star, batch, rows).await.unwrap_or_else(|error| panic!("batch {batch} of {star}: {error:?}"))
    }

    /// Loads visits alone, one batch of `shop` for each list, the first being batch 2.
    pub(super) async fn visits(&mut self, batches: &[&[&str]]) -> Vec<TableReport> {
        let mut reports = Vec::new();
        for (batch, rows) in (2..).zip(batches) {
            let report = self.load("shop", batch, &[("fact_visit", rows)]).await;
            reports.push(of(&report, "fact_visit"));
        }
        reports
    }

    /// What a query gives, in the notation of [`Rows`].
    pub(super) async fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.database, sql).await
    }

    pub(super) async fn expect(&self, sql: &str, expected: &[&str]) {
        assert_eq!(self.rows(sql).await, expected, "{sql}");
    }
}

pub(super) async fn rows(database: &TestDatabase, sql: &str) -> Vec<String> {
    let connection = database.connect().await;
    connection.batch_execute("SET TimeZone = 'UTC'").await.expect("a session setting");
    let messages = connection.simple_query(sql).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    let text = |message: SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let values: Vec<&str> = (0..row.len()).map(|column| row.get(column).unwrap_or("-")).collect();
            Some(values.join(" | "))
        }
        _ => None,
    };
    messages.into_iter().filter_map(text).collect()
}

pub(super) fn of(report: &LoadReport, table: &str) -> TableReport {
    report.tables.iter().find(|entry| entry.table == table).cloned().expect("the table is reported")
}

pub(super) fn star_batch(star: &str, batch: u64) -> StarBatch {
    StarBatch {
        star: star.to_owned(),
        generation: 0,
        batch,
        snapshot_micros: FIRST_NOON + i64::try_from(batch).unwrap_or(0) * DAY,
        component_digest: format!("digest of {star}"),
        attempt: "test".to_owned(),
    }
}

/// Loads one batch of a star as described, of a generation, into any warehouse.
pub(super) async fn load_into(
    warehouse: &mut Warehouse,
    (description, generation): (&Description, u64),
    batch: u64,
    rows: Rows<'_>,
) {
    let next = StarBatch { generation, ..star_batch(&description.star, batch) };
    match warehouse.begin(next).await.unwrap_or_else(|error| panic!("batch {batch}: {error:?}")) {
        Begun::Load(mut load) => {
            stage_as(&mut load, description, rows).await.expect("rows that fit");
            load.commit().await.unwrap_or_else(|error| panic!("batch {batch}: {error:?}"));
        }
        Begun::AlreadyLoaded(_) => panic!("batch {batch} was loaded before"),
    }
}

/// Stages each row as a record batch of its own, so that order across calls counts.
pub(super) async fn stage(load: &mut Load<'_>, star: &str, rows: Rows<'_>) -> Result<(), WarehouseError> {
    stage_as(load, &if star == "shop" { shop() } else { club() }, rows).await
}

pub(super) async fn stage_as(
    load: &mut Load<'_>,
    description: &Description,
    rows: Rows<'_>,
) -> Result<(), WarehouseError> {
    for (table, lines) in rows {
        let output = description.output(table).expect("a described table");
        for line in *lines {
            load.stage(table, &record_batch(output, &[line])).await?;
        }
    }
    Ok(())
}

pub(super) fn options() -> WarehouseOptions {
    WarehouseOptions {
        schema: "team".to_owned(),
        side_schema: None,
        statement_timeout: Duration::from_secs(60),
        lock_timeout: Duration::from_secs(10),
    }
}

pub(super) fn stamp() -> LakeStamp {
    LakeStamp { lake_id: "lake-1".to_owned(), system_identifier: "7001".to_owned(), database: "source".to_owned() }
}

pub(super) fn owners() -> BTreeMap<String, String> {
    BTreeMap::from([("dim_place".to_owned(), "shop".to_owned())])
}

/// A connection on behalf of a lake.
pub(super) async fn connected_as(database: &TestDatabase, stamp: &LakeStamp) -> Result<Warehouse, WarehouseError> {
    Warehouse::connect(&database.settings(), &options(), stamp).await
}

pub(super) async fn connected(database: &TestDatabase) -> Warehouse {
    Warehouse::connect(&database.settings(), &options(), &stamp()).await.unwrap_or_else(|error| panic!("{error:?}"))
}

pub(super) async fn prepared(database: &TestDatabase, stars: &[Description]) -> Warehouse {
    let mut warehouse = connected(database).await;
    warehouse.prepare(stars, &owners()).await.unwrap_or_else(|error| panic!("{error:?}"));
    warehouse
}

const MONEY: ColumnType = ColumnType::Decimal { precision: 10, scale: 2 };

pub(super) fn column(name: &str, column_type: ColumnType, nullable: bool) -> Column {
    Column { name: name.to_owned(), column_type, nullable, extras: Vec::new() }
}

fn dimension(table: &str, columns: Vec<Column>) -> Output {
    Output {
        table: table.to_owned(),
        role: Role::Dimension,
        business_key: vec![columns[0].name.clone()],
        columns,
        surrogate_key: None,
        references: Vec::new(),
        keyed_by: None,
        extras: Vec::new(),
    }
}

fn fact(table: &str, surrogate: &str, columns: Vec<Column>, references: &[(&str, &str)]) -> Output {
    let reference = |(column, table): &(&str, &str)| Reference {
        column: (*column).to_owned(),
        table: (*table).to_owned(),
        target: (*column).to_owned(),
    };
    Output {
        role: Role::Fact,
        surrogate_key: Some(surrogate.to_owned()),
        references: references.iter().map(reference).collect(),
        ..dimension(table, columns)
    }
}

fn star(name: &str, outputs: Vec<Output>) -> Description {
    Description { star: name.to_owned(), version: "1".to_owned(), inputs: Vec::new(), outputs, extras: Vec::new() }
}

fn places() -> Output {
    dimension(
        "dim_place",
        vec![
            column("place_id", ColumnType::Int32, false),
            column("town", ColumnType::Text, false),
            column("district", ColumnType::Text, true),
        ],
    )
}

/// `dim_place` (shared), `dim_kind`, `fact_visit` with a nullable reference to `dim_kind`.
pub(super) fn shop() -> Description {
    let kinds = dimension(
        "dim_kind",
        vec![column("kind_id", ColumnType::Int32, false), column("label", ColumnType::Text, false)],
    );
    let mut visits = fact(
        "fact_visit",
        "visit_record_id",
        vec![
            column("visit_id", ColumnType::Int32, false),
            column("made_date", ColumnType::Date, false),
            column("made_time", ColumnType::Time, false),
            column("place_id", ColumnType::Int32, false),
            column("kind_id", ColumnType::Int32, true),
            column("amount", MONEY, false),
        ],
        &[("place_id", "dim_place"), ("kind_id", "dim_kind")],
    );
    visits.extras = vec![("created".to_owned(), "made_date,made_time".to_owned())];
    star("shop", vec![places(), kinds, visits])
}

/// `dim_place` (shared) and `fact_entry`.
pub(super) fn club() -> Description {
    let entries = fact(
        "fact_entry",
        "entry_record_id",
        vec![column("entry_id", ColumnType::Int32, false), column("place_id", ColumnType::Int32, false)],
        &[("place_id", "dim_place")],
    );
    star("club", vec![places(), entries])
}

/// Rows in the notation of [`Rows`] as Arrow.
pub(super) fn record_batch(output: &Output, lines: &[&str]) -> RecordBatch {
    let cells: Vec<Vec<Option<&str>>> = lines
        .iter()
        .map(|line| line.split('|').map(str::trim).map(|cell| (cell != "-").then_some(cell)).collect())
        .collect();
    let array = |position: usize, column: &Column| -> ArrayRef {
        let cells = cells.iter().map(|row| row[position]);
        match column.column_type {
            ColumnType::Int32 => Arc::new(cells.map(|cell| cell.map(int)).collect::<Int32Array>()),
            ColumnType::Text | ColumnType::Json => Arc::new(cells.collect::<StringArray>()),
            ColumnType::Date => Arc::new(cells.map(|cell| cell.map(days)).collect::<Date32Array>()),
            ColumnType::Time => Arc::new(cells.map(|cell| cell.map(micros)).collect::<Time64MicrosecondArray>()),
            ColumnType::Decimal { precision, scale } => {
                let digits = |cell: &str| i128::from(int(&cell.replace('.', "")));
                let values: Decimal128Array = cells.map(|cell| cell.map(digits)).collect();
                Arc::new(values.with_precision_and_scale(precision, scale.cast_signed()).expect("a decimal"))
            }
            other => panic!("these stars have no {other}"),
        }
    };
    let columns = output.columns.iter().enumerate().map(|(position, column)| array(position, column)).collect();
    RecordBatch::try_new(output.schema(), columns).expect("rows that fit their table")
}

fn int(cell: &str) -> i32 {
    cell.parse().unwrap_or_else(|_| panic!("`{cell}` is no integer"))
}

/// Days since 1970 of a date from 1970 on, by counting.
fn days(cell: &str) -> i32 {
    let [year, month, day] = [0, 5, 8].map(|start| int(cell[start..].split('-').next().unwrap_or_default()));
    let leap = |year: i32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let before_year: i32 = (1970..year).map(|year| 365 + i32::from(leap(year))).sum();
    let lengths = [31, 28 + i32::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months = usize::try_from(month - 1).unwrap_or_default();
    before_year + lengths[..months].iter().sum::<i32>() + day - 1
}

/// Microseconds of a time such as `09:00:00.123`.
fn micros(cell: &str) -> i64 {
    let [hours, minutes] = [0, 3].map(|start| i64::from(int(&cell[start..start + 2])));
    let seconds: f64 = cell[6..].parse().unwrap_or_else(|_| panic!("`{cell}` is no time"));
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and less than a minute")]
    let seconds = (seconds * 1e6).round() as i64;
    (hours * 60 + minutes) * 60_000_000 + seconds
}

/// Keys of visits as the source table has them, under another name.
pub(super) fn keys(ids: &[i32]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int32Array::from(ids.to_vec()));
    RecordBatch::try_from_iter([("id", ids)]).expect("keys")
}
