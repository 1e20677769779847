//! What is deleted, and what comes back under its key.

use totesys_postgres::quote_literal;

use crate::choice::existing;
use crate::order::OrderTable;
use crate::plan::Planned;
use crate::{Kind, Moment, SimulateError, Simulator};

/// Rows that were deleted together, in the order in which they can be written again.
#[derive(Debug, Clone)]
pub(crate) struct Grave {
    rows: Vec<(&'static str, String)>,
}

/// An order with what depends on it; there may be no transaction or payment any more.
struct Family {
    transaction: Option<String>,
    payment: Option<String>,
}

impl Simulator {
    /// Something is deleted, of one of four kinds.
    pub(crate) async fn delete(&mut self, at: Moment) -> Result<(), SimulateError> {
        let grave = match self.random.between(0, 3) {
            0 => self.delete_payment(at, false).await?,
            1 => self.delete_payment(at, true).await?,
            lot => self.delete_order(at, lot == 2).await?,
        };
        if let Some(grave) = grave.filter(|_| self.random.chance(self.rates.returning)) {
            let when = Moment(at.0 + self.random.between(3_600_000, 10 * 86_400_000));
            self.agenda.enter(when, Planned::Return(grave));
        }
        Ok(())
    }

    /// What was deleted comes back, as it was or changed.
    pub(crate) async fn come_back(&mut self, at: Moment, grave: Grave) -> Result<(), SimulateError> {
        let mut script = vec!["BEGIN".to_owned()];
        for (table, row) in &grave.rows {
            let row = quote_literal(row);
            script.push(match *table {
                // Its order may be gone by now, as if the foreign key had been there all along.
                "transaction" => format!(
                    "INSERT INTO transaction (transaction_id, transaction_type, sales_order_id, purchase_order_id,
                         created_at, last_updated)
                     SELECT transaction_id, transaction_type,
                         (SELECT o.sales_order_id FROM sales_order o WHERE o.sales_order_id = r.sales_order_id),
                         (SELECT o.purchase_order_id FROM purchase_order o
                          WHERE o.purchase_order_id = r.purchase_order_id), created_at, last_updated
                     FROM jsonb_populate_record(NULL::transaction, {row}::jsonb) r"
                ),
                table => {
                    format!("INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, {row}::jsonb)")
                }
            });
        }
        if self.random.chance(0.5) {
            let changed = match grave.rows.first().map(|(table, _)| *table) {
                Some("sales_order") => Some(("sales_order", format!("units_sold = {}", self.random.between(1, 1000)))),
                Some("purchase_order") => {
                    Some(("purchase_order", format!("item_quantity = {}", self.random.between(1, 1000))))
                }
                Some("payment") => Some(("payment", "paid = NOT paid".to_owned())),
                _ => None,
            };
            if let Some((table, change)) = changed
                && let Some((_, row)) = grave.rows.first()
            {
                script.push(format!(
                    "UPDATE {table} SET {change}, last_updated = '{at}'
                     WHERE {table}_id = ({}::jsonb ->> '{table}_id')::integer",
                    quote_literal(row)
                ));
            }
        }
        script.push("COMMIT".to_owned());
        self.session.run("bringing back what was deleted", &script.join("; ")).await?;
        self.record(at, Kind::Returned, None, 1);
        Ok(())
    }

    async fn delete_payment(&mut self, at: Moment, with_transaction: bool) -> Result<Option<Grave>, SimulateError> {
        let Some(key) = existing(&self.session, "payment", &[], &mut self.random).await? else { return Ok(None) };
        let doing = "deleting a payment";
        if !with_transaction {
            let rows = self.session.run(doing, &deletion("payment", &key.to_string())).await?;
            self.record(at, Kind::PaymentDeleted, Some(key), 1);
            return Ok(grave(&["payment"], rows));
        }
        let transaction = format!("SELECT transaction_id FROM payment WHERE payment_id = {key}");
        let Some(transaction) = self.session.number(doing, &transaction).await? else { return Ok(None) };
        let script = format!(
            "BEGIN; {}; {}; COMMIT",
            deletion("payment", &key.to_string()),
            deletion("transaction", &transaction.to_string())
        );
        let rows = self.session.run(doing, &script).await?;
        self.record(at, Kind::TransactionDeleted, Some(key), 1);
        Ok(grave(&["transaction", "payment"], rows.into_iter().rev().collect()))
    }

    async fn delete_order(&mut self, at: Moment, whole: bool) -> Result<Option<Grave>, SimulateError> {
        let table = if self.random.chance(0.7) { OrderTable::Sales } else { OrderTable::Purchases };
        let (name, held) = (table.name(), self.held(table.name()));
        let Some(key) = existing(&self.session, name, &held, &mut self.random).await? else { return Ok(None) };
        let family = self.family(name, key).await?;
        let doing = "deleting an order";
        let order = deletion(name, &key.to_string());
        if let (true, Some(transaction), Some(payment)) = (whole, &family.transaction, &family.payment) {
            let (payment, transaction) = (deletion("payment", payment), deletion("transaction", transaction));
            let rows = self.session.run(doing, &format!("BEGIN; {payment}; {transaction}; {order}; COMMIT")).await?;
            self.record(at, Kind::AllDeleted, Some(key), 1);
            let tables = [name, "transaction", "payment"];
            return Ok(grave(&tables, rows.into_iter().rev().collect()));
        }
        let rows = self.session.run(doing, &order).await?;
        self.record(at, Kind::OrderDeleted, Some(key), 1);
        if family.transaction.is_some() {
            self.record(at, Kind::LinkNulled, None, 1);
        }
        Ok(grave(&[name], rows))
    }

    async fn family(&self, name: &str, key: i32) -> Result<Family, SimulateError> {
        let query = format!(
            "SELECT t.transaction_id, p.payment_id FROM transaction t LEFT JOIN payment p USING (transaction_id)
             WHERE t.{name}_id = {key}"
        );
        let mut cells = self.session.run("reading what depends on an order", &query).await?.into_iter().flatten();
        let (transaction, payment) = (cells.next().flatten(), cells.next().flatten());
        Ok(Family { transaction, payment })
    }
}

fn deletion(table: &str, key: &str) -> String {
    format!("DELETE FROM {table} WHERE {table}_id = {key} RETURNING to_jsonb({table})::text")
}

/// The deleted rows with their tables, if every one of them was there.
fn grave(tables: &[&'static str], rows: Vec<Vec<Option<String>>>) -> Option<Grave> {
    let rows: Vec<_> = tables.iter().copied().zip(rows.into_iter().flatten().flatten()).collect();
    (rows.len() == tables.len()).then_some(Grave { rows })
}
