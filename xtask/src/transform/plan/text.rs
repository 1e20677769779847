//! A plan, for a person.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host_lambda::{Example, ExampleKind, Rehearsal, Side, TableDifference};

use super::super::short;
use super::{StarPlan, Verdict, WholePlan};

/// The whole plan.
pub(super) fn of(plan: &WholePlan) -> String {
    let mut text: String = plan.stars.iter().map(star).collect();
    if let Some(refused) = &plan.refused {
        text += &format!("warehouse   CANNOT FOLLOW: {refused}\n");
        text += &plan.hint.iter().map(|hint| format!("hint: {hint}\n")).collect::<String>();
    } else if plan.warehouse.is_empty() {
        text += "warehouse   its tables stay as they are\n";
    } else {
        text += "warehouse   the next load would first do\n";
        text += &plan.warehouse.iter().map(|step| format!("  {step}\n")).collect::<String>();
    }
    text += match plan.verdict {
        Verdict::Nothing => "verdict     nothing would change\n",
        Verdict::Changes => "verdict     something would change\n",
        Verdict::Inconclusive => "verdict     NOTHING CAN BE CONCLUDED: not every input has rows to try\n",
        Verdict::Refused => "verdict     these components cannot go live\n",
    };
    text
}

fn star(star: &StarPlan) -> String {
    let mut text = format!("star        {} {} {}\n", star.star, star.version, short(&star.digest));
    match &star.live {
        None => text += "live        nothing: the star is new\n",
        Some(live) if live.digest == star.digest => {
            text += &format!("live        the same component, in catalog record {}\n", live.record);
        }
        Some(live) => {
            text +=
                &format!("live        {} {} in catalog record {}\n", live.version, short(&live.digest), live.record);
        }
    }
    let before = star.live.as_ref().filter(|live| live.contract != star.contract);
    let before = before.map(|live| format!(" instead of {}", live.contract)).unwrap_or_default();
    let imports = if star.imports.is_empty() { "nothing".to_owned() } else { star.imports.join(", ") };
    text += &format!("contract    totesys:star {}{before}; imports {imports}\n", star.contract);
    for change in &star.changes {
        let column = change.column.as_ref().map(|column| format!(".{column}")).unwrap_or_default();
        text += &format!("{:<11} {}{column} {}\n", change.effect.to_string(), change.table, change.what);
    }
    let limits: Vec<String> = star.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    text += &format!("limits      {}\n", limits.join(", "));
    if let Some(failed) = &star.live_failed {
        text += &format!("live FAILS  {failed}\n");
    }
    if let Some(failed) = &star.failed {
        text += &format!("FAILS       {failed}\n");
    }
    let Some(shadow) = &star.shadow else {
        if star.failed.is_none() {
            text += "rows        none: nothing was ever extracted into this lake\n";
        }
        return text;
    };
    text += "over the current state of every input\n";
    text += &rehearsal(&shadow.state);
    for table in &shadow.uncovered {
        text += &format!("  NO ROWS of {table}: of what is made of it nothing can be said\n");
    }
    let different = shadow.batches.iter().filter(|batch| !batch.rehearsal.is_same());
    text += &format!("over the newest {} batches with changes\n", shadow.batches.len());
    let mut shown = 0;
    for batch in different {
        text += &format!(" batch {}\n{}", batch.batch, rehearsal(&batch.rehearsal));
        shown += 1;
    }
    if shown == 0 && !shadow.batches.is_empty() {
        let rows: u64 = shadow.batches.iter().flat_map(|batch| batch.rehearsal.rows.values()).sum();
        text += &format!("  {rows} rows: no difference\n");
    }
    text
}

fn rehearsal(run: &Rehearsal) -> String {
    let covered: Vec<String> = run.rows.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    let mut text = format!("  rows        {}\n", covered.join(", "));
    if run.too_large > 0 {
        text += &format!("  {} rows are larger than a push can carry\n", run.too_large);
    }
    if let Some(failed) = run.old.as_ref().and_then(|old| old.failed.as_ref()) {
        text += &format!("  the live component FAILS on these rows: {failed}\n");
    }
    if run.differences.is_empty() {
        for (table, rows) in &run.new.rows {
            text += &format!("  {table:<24} {rows} rows\n");
        }
    } else {
        let _ = writeln!(
            text,
            "  {:<24} {:>10} {:>10} {:>10} {:>8} {:>8} {:>8}",
            "table", "rows live", "rows new", "equal", "added", "gone", "changed"
        );
    }
    text += &run.differences.iter().map(difference).collect::<String>();
    text += &refusals(run.old.as_ref(), &run.new);
    text += &cost(run.old.as_ref(), &run.new);
    text
}

fn difference(table: &TableDifference) -> String {
    let TableDifference { old_rows, new_rows, equal, added, gone, changed, .. } = table;
    let name = &table.table;
    let mut text =
        format!("  {name:<24} {old_rows:>10} {new_rows:>10} {equal:>10} {added:>8} {gone:>8} {changed:>8}\n");
    for (column, rows) in &table.columns {
        let what = if table.added_columns.contains(column) {
            "is new, with a value"
        } else if table.removed_columns.contains(column) {
            "is gone, and had a value"
        } else if table.retyped_columns.contains(column) {
            "is of another type, and differs"
        } else {
            "differs"
        };
        text += &format!("    {column} {what} in {rows} rows\n");
    }
    text + &table.examples.iter().map(example).collect::<String>()
}

fn example(example: &Example) -> String {
    let kind = match example.kind {
        ExampleKind::Changed => "changed",
        ExampleKind::Gone => "gone",
        ExampleKind::Added => "added",
    };
    let key: Vec<String> = example.key.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "NULL".to_owned());
    let columns: Vec<String> = example
        .columns
        .iter()
        .map(|(name, old, new)| match example.kind {
            ExampleKind::Changed => format!("{name} {} -> {}", show(old), show(new)),
            ExampleKind::Gone => format!("{name} {}", show(old)),
            ExampleKind::Added => format!("{name} {}", show(new)),
        })
        .collect();
    format!("    {kind:<7} {}: {}\n", key.join(", "), columns.join(", "))
}

fn refusals(old: Option<&Side>, new: &Side) -> String {
    let mut codes: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (code, rows) in old.into_iter().flat_map(|old| &old.refused) {
        codes.entry(code).or_default().0 = *rows;
    }
    for (code, rows) in &new.refused {
        codes.entry(code).or_default().1 = *rows;
    }
    let line = |(code, (before, after)): (&&str, &(u64, u64))| match old {
        Some(_) => format!("  refused     {code}: {after} rows, {before} by the live component\n"),
        None => format!("  refused     {code}: {after} rows\n"),
    };
    codes.iter().map(line).collect()
}

fn cost(old: Option<&Side>, new: &Side) -> String {
    let of = |side: &Side| {
        let fuel = side.fuel.map(|fuel| format!(", fuel {fuel}")).unwrap_or_default();
        format!("{} ms{fuel}, memory {} bytes, output {} bytes", side.milliseconds, side.memory_bytes, side.bytes)
    };
    let live = old.map(|old| format!("  cost live   {}\n", of(old))).unwrap_or_default();
    format!("{live}  cost new    {}\n", of(new))
}
