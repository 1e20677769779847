//! Rows in quarantine, for a person to read.

use std::collections::BTreeMap;

use host_lambda::{Held, QuarantineEntry, QuarantinedRow};
use serde::Serialize;
use totesys_lake::Micros;

/// Rows that are held for one reason.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Group {
    held: Held,
    star: Option<String>,
    table: String,
    code: String,
    rows: u64,
    /// The batch that observed the first of them.
    since: u64,
}

fn word(held: Held) -> &'static str {
    match held {
        Held::Refused => "refused",
        Held::Unreadable => "unreadable",
        Held::Waiting => "waiting",
        Held::Stopped => "stopped",
    }
}

/// One line per row.
pub(crate) fn list(entries: &[QuarantineEntry]) -> String {
    if entries.is_empty() {
        return "nothing is in quarantine\n".to_owned();
    }
    let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or_default();
    let reasons = entries.iter().map(|entry| entry.code.len()).max().unwrap_or_default().max(6);
    let mut text = format!("{:<width$}  {:<reasons$}  {:>5}  observed\n", "id", "reason", "batch");
    for entry in entries {
        let overtaken = if entry.overtaken { ", overtaken" } else { "" };
        let observed = Micros(entry.observed_at);
        text += &format!("{:<width$}  {:<reasons$}  {:>5}  {observed}{overtaken}\n", entry.id, entry.code, entry.batch);
    }
    text
}

/// The same by reason.
pub(crate) fn groups(entries: &[QuarantineEntry]) -> Vec<Group> {
    let mut groups: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for entry in entries {
        let key = (entry.held, entry.star.clone(), entry.table.clone(), entry.code.clone());
        let (rows, since) = groups.entry(key).or_insert((0, entry.batch));
        (*rows, *since) = (*rows + 1, entry.batch.min(*since));
    }
    let group = |((held, star, table, code), (rows, since))| Group { held, star, table, code, rows, since };
    groups.into_iter().map(group).collect()
}

/// One line per reason.
pub(crate) fn grouped(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "nothing is in quarantine\n".to_owned();
    }
    let mut text =
        format!("{:<11} {:<12} {:<22} {:<28} {:>9}  since batch\n", "held", "star", "table", "reason", "rows");
    for Group { held, star, table, code, rows, since } in groups {
        let (held, star) = (word(*held), star.as_deref().unwrap_or("-"));
        text += &format!("{held:<11} {star:<12} {table:<22} {code:<28} {rows:>9}  {since}\n");
    }
    text
}

/// A row with everything that is known of it.
pub(crate) fn whole(row: &QuarantinedRow) -> String {
    let QuarantinedRow { entry, component, column, text, row } = row;
    let what = match entry.held {
        Held::Refused if entry.overtaken => "refused by its star; a newer version of its key was delivered since",
        Held::Refused => "refused by its star, which is offered it again",
        Held::Unreadable => "unreadable: the codec cannot hold a value of it",
        Held::Waiting => "waiting for a dimension row",
        Held::Stopped => "refused together with too many others: the batch waits",
    };
    let mut said = format!("id         {}\nheld       {what}\n", entry.id);
    let mut say = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            said += &format!("{name:<10} {value}\n");
        }
    };
    say("star", entry.star.as_deref());
    say("table", Some(&entry.table));
    say("reason", Some(&entry.code));
    say("column", column.as_deref());
    say("text", text.as_deref());
    say("batch", Some(&entry.batch.to_string()));
    say("observed", Some(&Micros(entry.observed_at).to_string()));
    say("component", component.as_deref());
    let width = row.keys().map(String::len).max().unwrap_or_default();
    said += "row\n";
    for (column, value) in row {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        said += &format!("  {column:<width$}  {value}\n");
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(id: &str, held: Held, star: Option<&str>, table: &str, code: &str) -> QuarantineEntry {
        QuarantineEntry {
            id: id.to_owned(),
            held,
            star: star.map(str::to_owned),
            table: table.to_owned(),
            code: code.to_owned(),
            batch: 3,
            observed_at: 1_724_313_600_123_000,
            overtaken: held == Held::Refused,
        }
    }

    fn entries() -> Vec<QuarantineEntry> {
        let (sales, orders) = (Some("sales"), "sales_order");
        vec![
            entry("refused/sales/3/0/sales_order", Held::Refused, sales, orders, "malformed-date"),
            QuarantineEntry {
                batch: 2,
                overtaken: false,
                ..entry("refused/sales/2/0/sales_order", Held::Refused, sales, orders, "malformed-date")
            },
            entry("unreadable/3/1/sales_order", Held::Unreadable, None, orders, "numeric-not-finite"),
            entry("stopped/sales/3/7", Held::Stopped, sales, orders, "null-value"),
            entry("waiting/3/5/fact_payment", Held::Waiting, Some("payments"), "fact_payment", "missing dim_currency"),
        ]
    }

    #[test]
    fn rows_are_listed_one_by_one_and_by_reason() {
        insta::assert_snapshot!(format!("{}\n{}", list(&entries()), grouped(&groups(&entries()))));
        assert_eq!(list(&[]), grouped(&[]));
    }

    #[test]
    fn a_row_is_shown_whole() {
        let values = json!({ "sales_order_id": "7", "agreed_delivery_date": "soon", "location": null, "paid": true });
        let row = |number: usize| QuarantinedRow {
            entry: entries().swap_remove(number),
            component: (number < 2).then(|| "ab".repeat(32)),
            column: (number < 3).then(|| "agreed_delivery_date".to_owned()),
            text: (number < 2).then(|| "`soon` is no YYYY-MM-DD date".to_owned()),
            row: values.as_object().cloned().unwrap_or_default(),
        };
        let shown: Vec<String> = (0..5).map(|number| whole(&row(number))).collect();
        insta::assert_snapshot!(shown.join("\n"));
    }
}
