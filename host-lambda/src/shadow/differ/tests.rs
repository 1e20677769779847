use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use star_contract::{Column, ColumnType, Output, Role};

use super::*;

const PRICE: ColumnType = ColumnType::Decimal { precision: 10, scale: 2 };

fn output(columns: &[(&str, ColumnType)]) -> Output {
    let column = |(name, column_type): &(&str, ColumnType)| Column {
        name: (*name).to_owned(),
        column_type: *column_type,
        nullable: *name != "id",
        extras: Vec::new(),
    };
    Output {
        table: "visit".to_owned(),
        role: Role::Dimension,
        columns: columns.iter().map(column).collect(),
        business_key: vec!["id".to_owned()],
        surrogate_key: None,
        references: Vec::new(),
        keyed_by: None,
        extras: Vec::new(),
    }
}

/// Visits have a number and a note.
fn visits() -> Output {
    output(&[("id", ColumnType::Int32), ("note", ColumnType::Text)])
}

fn batch(output: &Output, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(output.schema(), columns).unwrap()
}

fn ids(ids: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(ids))
}

fn noted(rows: &[(i32, Option<&str>)]) -> RecordBatch {
    let notes: StringArray = rows.iter().map(|(_, note)| *note).collect();
    batch(&visits(), vec![ids(rows.iter().map(|(id, _)| *id)), Arc::new(notes)])
}

/// Visits `ids`, each with a note of its own.
fn visit(ids: impl IntoIterator<Item = i32>) -> RecordBatch {
    let notes: Vec<(i32, String)> = ids.into_iter().map(|id| (id, format!("note {id}"))).collect();
    noted(&notes.iter().map(|(id, note)| (*id, Some(note.as_str()))).collect::<Vec<_>>())
}

fn pushed(pushes: &[(&[RecordBatch], &[RecordBatch])]) -> TableDifference {
    let mut differ = Differ::new(Some(&visits()), Some(&visits()));
    pushes.iter().for_each(|(old, new)| differ.push(old, new));
    differ.finish()
}

fn compared(old: &RecordBatch, new: &RecordBatch) -> TableDifference {
    pushed(&[(std::slice::from_ref(old), std::slice::from_ref(new))])
}

/// Equal, changed, gone and added.
fn counts(difference: &TableDifference) -> [u64; 4] {
    [difference.equal, difference.changed, difference.gone, difference.added]
}

fn columns(difference: &TableDifference) -> Vec<(&str, u64)> {
    difference.columns.iter().map(|(name, changed)| (name.as_str(), *changed)).collect()
}

fn key(id: i32) -> Vec<(String, String)> {
    vec![("id".to_owned(), id.to_string())]
}

fn texts<'a>(values: impl IntoIterator<Item = (&'a str, Option<&'a str>, Option<&'a str>)>) -> Vec<ValueTexts> {
    let owned = |value: Option<&str>| value.map(str::to_owned);
    values.into_iter().map(|(name, old, new)| (name.to_owned(), owned(old), owned(new))).collect()
}

type ValueTexts = (String, Option<String>, Option<String>);

#[test]
fn equal_rows_are_equal_however_they_are_cut_into_batches() {
    let whole = visit(0..1000);
    assert_eq!(counts(&compared(&whole, &whole)), [1000, 0, 0, 0]);
    let pieces = [whole.slice(0, 333), whole.slice(333, 0), whole.slice(333, 667)];
    let difference = pushed(&[(std::slice::from_ref(&whole), &pieces)]);
    let expected = TableDifference {
        table: "visit".to_owned(),
        old_rows: 1000,
        new_rows: 1000,
        equal: 1000,
        ..TableDifference::default()
    };
    assert_eq!(difference, expected);
}

#[test]
fn a_column_that_differs_in_some_rows() {
    let changed = |id: i32| id % 7 == 3;
    let notes: Vec<(i32, String)> =
        (0..100).map(|id| (id, if changed(id) { "other".to_owned() } else { format!("note {id}") })).collect();
    let new = noted(&notes.iter().map(|(id, note)| (*id, Some(note.as_str()))).collect::<Vec<_>>());
    let difference = compared(&visit(0..100), &new);
    assert_eq!(counts(&difference), [86, 14, 0, 0]);
    assert_eq!(columns(&difference), [("note", 14)]);
    assert_eq!(difference.examples.len(), 5);
    let first =
        Example { kind: ExampleKind::Changed, key: key(3), columns: texts([("note", Some("note 3"), Some("other"))]) };
    assert_eq!(difference.examples[0], first);
    assert_eq!(serde_json::to_value(&difference.examples[0]).unwrap()["kind"], "changed");
}

#[test]
fn null_is_the_same_as_null_and_nothing_else() {
    let old = noted(&[(1, None), (2, None), (3, Some("")), (4, Some("a"))]);
    let new = noted(&[(1, None), (2, Some("")), (3, None), (4, Some("a"))]);
    let difference = compared(&old, &new);
    assert_eq!(counts(&difference), [2, 2, 0, 0]);
    assert_eq!(difference.examples[0].columns, texts([("note", None, Some(""))]));
    assert_eq!(difference.examples[1].columns, texts([("note", Some(""), None)]));
}

#[test]
fn the_order_of_rows_is_no_difference() {
    assert_eq!(counts(&compared(&visit(0..500), &visit((0..500).rev()))), [500, 0, 0, 0]);
    let mixed = visit((0..500).map(|id| id * 167 % 500));
    assert_eq!(counts(&compared(&visit(0..500), &mixed)), [500, 0, 0, 0]);
}

#[test]
fn rows_only_one_side_gives() {
    let difference = compared(&visit((0..100).filter(|id| id % 10 != 0)), &visit((0..100).filter(|id| id % 10 != 5)));
    assert_eq!(counts(&difference), [80, 0, 10, 10]);
    assert!(difference.columns.is_empty());
    let kinds: Vec<_> = difference.examples.iter().map(|example| (example.kind, example.key[0].1.as_str())).collect();
    let gone = ["5", "15", "25", "35", "45"].map(|id| (ExampleKind::Gone, id));
    let added = ["0", "10", "20", "30", "40"].map(|id| (ExampleKind::Added, id));
    let expected = [gone, added].concat();
    assert_eq!(kinds, expected);
    assert_eq!(difference.examples[0].columns, texts([("note", Some("note 5"), None)]));
    assert_eq!(difference.examples[5].columns, texts([("note", None, Some("note 0"))]));

    // More than a look ahead finds.
    let difference = compared(&visit(0..1000), &visit(300..1100));
    assert_eq!(counts(&difference), [700, 0, 300, 100]);
}

#[test]
fn a_partner_may_come_in_another_push() {
    let (first, second) = ([visit(0..50)], [visit(50..100)]);
    assert_eq!(counts(&pushed(&[(&first, &[]), (&second, &first), (&[], &second)])), [100, 0, 0, 0]);
    assert_eq!(counts(&pushed(&[(&[], &first), (&[], &second), (&second, &[])])), [50, 0, 0, 50]);
    let changed = [noted(&[(49, Some("other")), (50, None)])];
    let difference = pushed(&[(&first, &[]), (&[], &changed)]);
    assert_eq!(counts(&difference), [0, 1, 49, 1]);
    assert_eq!(columns(&difference), [("note", 1)]);
}

#[test]
fn rows_of_one_key_pair_up_in_their_order() {
    let old = [noted(&[(1, Some("a")), (1, Some("b")), (1, Some("c"))])];
    let later = [noted(&[(1, Some("a")), (1, Some("b")), (2, None), (1, Some("x"))])];
    let difference = pushed(&[(&old, &[]), (&[], &later)]);
    assert_eq!(counts(&difference), [2, 1, 0, 1]);
    assert_eq!(difference.examples[0].columns, texts([("note", Some("c"), Some("x"))]));
    let once = [noted(&[(1, Some("a"))])];
    let difference = pushed(&[(&once, &old)]);
    assert_eq!(counts(&difference), [1, 0, 0, 2]);
    assert_eq!(difference.examples[1].columns, texts([("note", None, Some("c"))]));
}

#[test]
fn columns_that_come_go_or_change_their_type() {
    let old = output(&[("id", ColumnType::Int32), ("note", ColumnType::Text), ("size", ColumnType::Int32)]);
    let new = output(&[("id", ColumnType::Int64), ("size", ColumnType::Text), ("price", PRICE)]);
    let notes: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, None, None]));
    let sizes: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None, Some(4)]));
    let old_rows = batch(&old, vec![ids([1, 2, 3, 4]), notes, sizes]);
    let sizes: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), Some("two"), None, Some("4")]));
    let prices = Decimal128Array::from(vec![None, None, Some(150), None]).with_precision_and_scale(10, 2).unwrap();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let new_rows = batch(&new, vec![keys, sizes, Arc::new(prices)]);
    let compared = |new_rows: &RecordBatch| {
        let mut differ = Differ::new(Some(&old), Some(&new));
        differ.push(std::slice::from_ref(&old_rows), std::slice::from_ref(new_rows));
        differ.finish()
    };
    let difference = compared(&new_rows);
    assert_eq!(counts(&difference), [1, 3, 0, 0]);
    assert_eq!(columns(&difference), [("id", 0), ("note", 1), ("price", 1), ("size", 1)]);
    assert_eq!(difference.added_columns, ["price"]);
    assert_eq!(difference.removed_columns, ["note"]);
    assert_eq!(difference.retyped_columns, ["id", "size"]);
    let examples: Vec<_> = difference.examples.into_iter().flat_map(|example| example.columns).collect();
    let expected = [("note", Some("a"), None), ("size", Some("2"), Some("two")), ("price", None, Some("1.50"))];
    assert_eq!(examples, texts(expected));
    // A key of another type is found by its text as well.
    let order = arrow_array::UInt32Array::from(vec![3, 2, 1, 0]);
    let reversed = arrow_select::take::take_record_batch(&new_rows, &order).unwrap();
    assert_eq!(counts(&compared(&reversed)), [1, 3, 0, 0]);
}

#[test]
fn numbers_are_the_same_in_whatever_digits() {
    let wider = ColumnType::Decimal { precision: 38, scale: 4 };
    let (old, new) =
        (output(&[("id", ColumnType::Int32), ("a", PRICE)]), output(&[("id", ColumnType::Int32), ("a", wider)]));
    let decimals = |output: &Output, values: Vec<Option<i128>>, (precision, scale)| {
        let values = Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap();
        batch(output, vec![ids(0..4), Arc::new(values)])
    };
    let mut differ = Differ::new(Some(&old), Some(&new));
    let old_rows = decimals(&old, vec![Some(150), Some(-5), None, Some(7)], (10, 2));
    let new_rows = decimals(&new, vec![Some(15_000), Some(-500), None, Some(i128::MAX / 2)], (38, 4));
    differ.push(&[old_rows], &[new_rows]);
    let difference = differ.finish();
    assert_eq!(counts(&difference), [3, 1, 0, 0]);
    assert_eq!(columns(&difference), [("a", 1)]);

    let floats = output(&[("id", ColumnType::Int32), ("a", ColumnType::Float64)]);
    let rows = |values: Vec<f64>| batch(&floats, vec![ids(0..3), Arc::new(Float64Array::from(values))]);
    let mut differ = Differ::new(Some(&floats), Some(&floats));
    differ.push(&[rows(vec![0.0, f64::NAN, 1.0])], &[rows(vec![-0.0, -f64::NAN, 1.5])]);
    assert_eq!(counts(&differ.finish()), [2, 1, 0, 0]);
}

#[test]
fn a_table_only_one_side_writes() {
    for (old, new) in [(Some(visits()), None), (None, Some(visits()))] {
        let mut differ = Differ::new(old.as_ref(), new.as_ref());
        let rows = [visit(0..9)];
        let none: &[RecordBatch] = &[];
        differ.push(if old.is_some() { &rows } else { none }, if new.is_some() { &rows } else { none });
        let difference = differ.finish();
        assert_eq!(counts(&difference), if old.is_some() { [0, 0, 9, 0] } else { [0, 0, 0, 9] });
        assert!(difference.columns.is_empty() && difference.added_columns.is_empty());
        assert_eq!((difference.table.as_str(), difference.examples.len()), ("visit", 5));
        assert_eq!(difference.examples[0].key, key(0));
    }
}

#[test]
fn a_key_that_one_side_does_not_know_pairs_no_rows() {
    let mut other = output(&[("code", ColumnType::Text)]);
    other.business_key = vec!["code".to_owned()];
    let codes = batch(&other, vec![Arc::new(StringArray::from(vec!["a", "b"]))]);
    let mut differ = Differ::new(Some(&visits()), Some(&other));
    differ.push(&[visit(0..3)], &[codes]);
    let difference = differ.finish();
    assert_eq!(counts(&difference), [0, 0, 3, 2]);
    assert_eq!(difference.examples[3].key, [("code".to_owned(), "a".to_owned())]);

    // A key that both still know does.
    let mut rekeyed = visits();
    rekeyed.business_key = vec!["note".to_owned()];
    rekeyed.columns[1].nullable = false;
    let mut differ = Differ::new(Some(&visits()), Some(&rekeyed));
    differ.push(&[visit(0..3)], &[visit((0..3).rev())]);
    assert_eq!(counts(&differ.finish()), [3, 0, 0, 0]);
}

#[test]
fn a_million_rows() {
    const PUSH: i32 = 65_536;
    // Making the rows takes longer than comparing them, and much longer unoptimised.
    const PUSHES: i32 = if cfg!(debug_assertions) { 2 } else { 16 };
    let wide = output(&[
        ("id", ColumnType::Int32),
        ("note", ColumnType::Text),
        ("price", PRICE),
        ("at", ColumnType::Timestamp),
        ("size", ColumnType::Int64),
    ]);
    let rows = |push: i32, order: &dyn Fn(i32) -> i32, shift: i64| {
        let numbers: Vec<i32> = (0..PUSH).map(order).map(|row| push * PUSH + row).collect();
        let notes = StringArray::from_iter_values(numbers.iter().map(|id| format!("note {id}")));
        let prices = Decimal128Array::from_iter_values(numbers.iter().map(|id| i128::from(*id)));
        let times = TimestampMicrosecondArray::from_iter_values(numbers.iter().map(|id| i64::from(*id)));
        let sizes = Int64Array::from_iter(numbers.iter().map(|id| (id % 4 > 0).then_some(i64::from(*id) + shift)));
        let prices = prices.with_precision_and_scale(10, 2).unwrap();
        let columns = vec![ids(numbers), Arc::new(notes), Arc::new(prices), Arc::new(times), Arc::new(sizes)];
        batch(&wide, columns)
    };
    let all = u64::from((PUSHES * PUSH).unsigned_abs());
    let (same, turned) = (|row: i32| row, |row: i32| PUSH - 1 - row);
    for (order, shift, expected) in [
        (&same as &dyn Fn(i32) -> i32, 0, [all, 0, 0, 0]),
        (&same, 1, [all / 4, all / 4 * 3, 0, 0]),
        (&turned, 0, [all, 0, 0, 0]),
    ] {
        let mut differ = Differ::new(Some(&wide), Some(&wide));
        (0..PUSHES).for_each(|push| differ.push(&[rows(push, &same, 0)], &[rows(push, order, shift)]));
        assert_eq!(counts(&differ.finish()), expected);
    }
}
