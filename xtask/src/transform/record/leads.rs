//! Which rows of a snapshot the rows taken so far lead to.

use std::collections::BTreeSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, BooleanArray, RecordBatch};
use star_contract::Input;

/// Rows of an input.
pub(super) type Taken<'a> = (&'a Input, RecordBatch);

/// Says of each row of a snapshot whether a row taken so far leads to it: every column of its key has a value that
/// occurs in a column that leads there.
pub(super) fn led_to(snapshot: &Input, rows: &RecordBatch, taken: &[Taken<'_>], inputs: &[Input]) -> BooleanArray {
    let mut led = vec![true; rows.num_rows()];
    for key in &snapshot.key {
        let wanted: BTreeSet<String> = taken
            .iter()
            .flat_map(|(input, rows)| input.columns.iter().map(move |column| (rows, column.name.as_str())))
            .filter(|(_, column)| leads(column, key, inputs))
            .flat_map(|(rows, column)| values(rows, column).into_iter().flatten())
            .collect();
        let values = values(rows, key);
        for (led, value) in led.iter_mut().zip(values) {
            *led &= value.is_some_and(|value| wanted.contains(&value));
        }
    }
    BooleanArray::from(led)
}

/// Whether a column leads to rows with this key: its name is the key's, or ends so as `legal_address_id` does. One
/// that ends like no key, as `agreed_delivery_location_id` does, may lead anywhere.
fn leads(column: &str, key: &str, inputs: &[Input]) -> bool {
    let fits = |key: &str| column.strip_suffix(key).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    fits(key) || (column.ends_with("_id") && !inputs.iter().flat_map(|input| &input.key).any(|key| fits(key)))
}

/// The values of a column that can be a key, as text; every row has one, NULL or not.
fn values(rows: &RecordBatch, column: &str) -> Vec<Option<String>> {
    let Some(array) = rows.column_by_name(column) else { return vec![None; rows.num_rows()] };
    if let Some(numbers) = array.as_primitive_opt::<Int16Type>() {
        numbers.iter().map(|value| Some(value?.to_string())).collect()
    } else if let Some(numbers) = array.as_primitive_opt::<Int32Type>() {
        numbers.iter().map(|value| Some(value?.to_string())).collect()
    } else if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
        numbers.iter().map(|value| Some(value?.to_string())).collect()
    } else if let Some(texts) = array.as_string_opt::<i32>() {
        texts.iter().map(|value| value.map(str::to_owned)).collect()
    } else {
        vec![None; array.len()]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array};
    use star_contract::{Column, ColumnType, Delivery};

    use super::*;

    fn input(table: &str, columns: &[&str]) -> Input {
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            column_type: ColumnType::Int32,
            nullable: false,
            extras: Vec::new(),
        };
        Input {
            table: table.to_owned(),
            columns: columns.iter().map(column).collect(),
            key: vec![columns[0].to_owned()],
            delivery: Delivery::Snapshot,
            extras: Vec::new(),
        }
    }

    fn rows(input: &Input, columns: &[&[i32]]) -> RecordBatch {
        let array = |values: &&[i32]| -> ArrayRef { Arc::new(Int32Array::from(values.to_vec())) };
        RecordBatch::try_new(input.schema(), columns.iter().map(array).collect()).unwrap()
    }

    #[test]
    fn names_say_where_a_column_leads() {
        let order = input("sales_order", &["sales_order_id", "staff_id", "agreed_delivery_location_id", "units_sold"]);
        let firm = input("counterparty", &["counterparty_id", "legal_address_id"]);
        let (staff, address) = (input("staff", &["staff_id"]), input("address", &["address_id"]));
        let inputs = [order.clone(), firm.clone(), staff.clone(), address.clone()];
        let orders = (&order, rows(&order, &[&[3], &[7], &[5], &[2]]));
        let firms = (&firm, rows(&firm, &[&[1], &[4]]));
        let led = |snapshot: &Input, keys: &[i32], taken: &[Taken<'_>]| -> Vec<i32> {
            let led = led_to(snapshot, &rows(snapshot, &[keys]), taken, &inputs);
            keys.iter().zip(led.iter()).filter(|(_, led)| *led == Some(true)).map(|(key, _)| *key).collect()
        };
        let all = [1, 2, 3, 4, 5, 6, 7];
        assert_eq!(led(&address, &all, std::slice::from_ref(&orders)), [5]);
        assert_eq!(led(&staff, &all, std::slice::from_ref(&orders)), [5, 7]);
        assert_eq!(led(&address, &all, &[orders, firms]), [4, 5]);
    }
}
