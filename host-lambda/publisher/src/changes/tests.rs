use star_contract::{ColumnType, Reference};

use super::*;

fn column(name: &str, column_type: ColumnType, nullable: bool) -> Column {
    Column { name: name.to_owned(), column_type, nullable, extras: Vec::new() }
}

fn star(change: impl Fn(&mut Description)) -> Description {
    let columns = vec![column("id", ColumnType::Int32, false), column("city", ColumnType::Text, true)];
    let mut description = Description {
        star: "visits".to_owned(),
        version: "1".to_owned(),
        inputs: vec![Input {
            table: "visit".to_owned(),
            columns: columns.clone(),
            key: vec!["id".to_owned()],
            delivery: Delivery::Changes,
            extras: Vec::new(),
        }],
        outputs: vec![Output {
            table: "fact_visit".to_owned(),
            role: Role::Fact,
            columns,
            business_key: vec!["id".to_owned()],
            surrogate_key: Some("record_id".to_owned()),
            references: Vec::new(),
            keyed_by: Some("visit".to_owned()),
            extras: Vec::new(),
        }],
        extras: Vec::new(),
    };
    change(&mut description);
    description
}

fn said(change: impl Fn(&mut Description)) -> Vec<String> {
    let (old, new) = (star(|_| {}), star(change));
    let text = |change: &Change| {
        let column = change.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        format!("{}: {}{column} {}", change.effect, change.table, change.what)
    };
    changes(Some(&old), &new).iter().map(text).collect()
}

#[test]
fn every_difference_is_named_with_what_it_means() {
    assert_eq!(said(|_| {}), Vec::<String>::new());
    assert_eq!(
        said(|star| star.inputs[0].columns.push(column("name", ColumnType::Text, true))),
        ["widening: visit.name is newly read as text"]
    );
    assert_eq!(
        said(|star| {
            star.inputs[0].columns[1].column_type = ColumnType::Int64;
            star.inputs[0].delivery = Delivery::Snapshot;
        }),
        [
            "widening: visit is wanted as a snapshot instead of changes",
            "widening: visit.city is read as int64 instead of text"
        ]
    );
    assert_eq!(
        said(|star| {
            star.inputs[0].columns.truncate(1);
            star.outputs[0].columns.truncate(1);
        }),
        ["narrowing: visit.city is read no more", "narrowing: fact_visit.city is written no more: NULL from now on"]
    );
    assert_eq!(
        said(|star| {
            star.outputs[0].columns.push(column("a", ColumnType::Date, true));
            star.outputs[0].columns.push(column("b", ColumnType::Date, false));
        }),
        [
            "additive: fact_visit.a is new, date, filled from now on",
            "refused: fact_visit.b is new, date NOT NULL: rows there are have no value for it"
        ]
    );
    assert_eq!(
        said(|star| {
            star.outputs[0].role = Role::Dimension;
            star.outputs[0].business_key = vec!["city".to_owned()];
            star.outputs[0].surrogate_key = None;
            star.outputs[0].keyed_by = None;
            star.outputs[0].columns[0].column_type = ColumnType::Int64;
            star.outputs[0].columns[1].nullable = false;
            star.outputs[0].set_created(&["city".to_owned()]);
            let (column, table, target) = ("city".to_owned(), "dim_city".to_owned(), "id".to_owned());
            star.outputs[0].references.push(Reference { column, table, target });
        }),
        [
            "refused: fact_visit is a dimension instead of a fact",
            "refused: fact_visit has the key city instead of id",
            "refused: fact_visit has another record id column",
            "additive: fact_visit is keyed by another input",
            "additive: fact_visit says otherwise when its first versions began",
            "refused: fact_visit.id is int64 instead of int32",
            "refused: fact_visit.city may not be NULL any more; the warehouse has NULLs",
            "additive: fact_visit refers newly by city to dim_city.id"
        ]
    );
    let new = star(|star| star.outputs[0].table = "fact_other".to_owned());
    let effects: Vec<_> = changes(Some(&star(|_| {})), &new).into_iter().map(|c| (c.table, c.effect)).collect();
    assert_eq!(effects, [("fact_other".to_owned(), Effect::Additive), ("fact_visit".to_owned(), Effect::Narrowing)]);
    assert_eq!(changes(None, &new).len(), 2);
}
