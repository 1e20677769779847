//! Orders, each with its transaction and payment in one database transaction.

use crate::choice::one_of;
use crate::moment::is_working_day;
use crate::random::Random;
use crate::{Kind, Moment, SimulateError, Simulator};

/// Days after which an order is paid, and after which a sale is delivered, at most.
const PAYMENT_DAYS: f64 = 6.0;
const DELIVERY_DAYS: f64 = 7.0;

/// The two tables of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderTable {
    Sales,
    Purchases,
}

impl OrderTable {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sales => "sales_order",
            Self::Purchases => "purchase_order",
        }
    }

    /// Its column with how many were ordered.
    pub(crate) fn quantity(self) -> &'static str {
        match self {
            Self::Sales => "units_sold",
            Self::Purchases => "item_quantity",
        }
    }

    fn transaction_type(self) -> &'static str {
        match self {
            Self::Sales => "SALE",
            Self::Purchases => "PURCHASE",
        }
    }
}

/// An order as it is written.
struct Order {
    statement: String,
    /// The same with another quantity, for a savepoint that is rolled back.
    decoy: String,
    payment_date: Moment,
}

impl Simulator {
    /// Writes an order, now or in a transaction that commits late.
    pub(crate) async fn order(&mut self, at: Moment, table: OrderTable) -> Result<(), SimulateError> {
        let order = self.draft(at, table);
        let late = self.takes_late(true);
        let script = self.in_transaction(&order.statement, &order.decoy, late);
        let session = self.session_for(late).await?;
        let rows = session.run("writing an order", &script).await?;
        let keys = rows.last().map(Vec::as_slice);
        let number = |column: usize| keys.and_then(|keys| keys.get(column)?.as_ref()?.parse::<i32>().ok());
        let (Some(payment), Some(key)) = (number(0), number(1)) else {
            return Err(SimulateError::Answer { doing: "writing an order", missing: "payment_id" });
        };
        let due = order.payment_date.day();
        let is_due = (is_working_day(due) && due > at.day()).then_some((due, payment));
        let kind = if table == OrderTable::Sales { Kind::Sale } else { Kind::Purchase };
        self.record(at, kind, Some(key), 1);
        if late {
            self.begin_late(at, None, is_due);
            return Ok(());
        }
        self.due.extend(is_due);
        self.later_stamped(at).await
    }

    /// A design, as the studio adds one a day.
    pub(crate) async fn design(&mut self, at: Moment) -> Result<(), SimulateError> {
        let material = *self.random.pick(MATERIALS).unwrap_or(&"Steel");
        let folder = self.folder();
        let file = format!(
            "{}-{}-{}.json",
            material.to_lowercase(),
            at.plus_days(-self.random.fraction() * 700.0).date().replace('-', ""),
            letters(4, &mut self.random).to_lowercase(),
        );
        let statement = format!(
            "INSERT INTO design (created_at, last_updated, design_name, file_location, file_name)
             VALUES ('{at}', '{at}', '{material}', '{folder}', '{file}') RETURNING design_id"
        );
        let key = self.session.numbers("writing a design", &statement).await?.first().copied();
        self.references.designs.extend(key);
        self.record(at, Kind::Design, key, 1);
        Ok(())
    }

    /// Where a design's file may lie.
    pub(crate) fn folder(&mut self) -> String {
        const FOLDERS: &[&str] = &["/lib", "/etc/periodic", "/System", "/usr/local/src", "/opt/sbin", "/media", "/net"];
        let folder = *self.random.pick(FOLDERS).unwrap_or(&"/lib");
        format!("{folder}/{}", self.random.between(1, 999))
    }

    fn draft(&mut self, at: Moment, table: OrderTable) -> Order {
        let (random, references) = (&mut self.random, &self.references);
        let (staff, counterparty) = (one_of(&references.staff, random), one_of(&references.counterparties, random));
        let (currency, location) = (one_of(&references.currencies, random), one_of(&references.addresses, random));
        let payment_date = at.plus_days(random.fraction() * PAYMENT_DAYS);
        let delivery_date = at.plus_days(random.fraction() * DELIVERY_DAYS).date();
        let (own_columns, own_values, quantity, cents, payment_type) = match table {
            OrderTable::Sales => {
                let design = one_of(&references.designs, random);
                let (units, cents) = (random.between(1001, 99_999), random.between(200, 499));
                ("design_id, unit_price", format!("{design}, {}", money(cents)), units, cents, references.receipt)
            }
            OrderTable::Purchases => {
                let item = letters(7, random);
                let (items, cents) = (random.between(2, 999), random.between(300, 99_999));
                let values = format!("'{item}', {}", money(cents));
                ("item_code, item_unit_price", values, items, cents, references.purchase_payment)
            }
        };
        let accounts = (random.between(10_000_000, 99_999_999), random.between(10_000_000, 99_999_999));
        let (name, quantity_column) = (table.name(), table.quantity());
        let statement = |quantity: i64| {
            format!(
                "WITH o AS (
                     INSERT INTO {name} (created_at, last_updated, staff_id, counterparty_id, currency_id,
                         agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id,
                         {quantity_column}, {own_columns})
                     VALUES ('{at}', '{at}', {staff}, {counterparty}, {currency}, '{delivery_date}', '{due}',
                         {location}, {quantity}, {own_values})
                     RETURNING {name}_id
                 ), t AS (
                     INSERT INTO transaction (transaction_type, {name}_id, created_at, last_updated)
                     SELECT '{kind}'::\"TransactionType\", {name}_id, '{at}'::timestamp, '{at}'::timestamp FROM o
                     RETURNING transaction_id
                 )
                 INSERT INTO payment (created_at, last_updated, transaction_id, counterparty_id, payment_amount,
                     currency_id, payment_type_id, paid, payment_date, company_ac_number, counterparty_ac_number)
                 SELECT '{at}'::timestamp, '{at}'::timestamp, transaction_id, {counterparty}, {amount}, {currency},
                     {payment_type}, false, '{due}', {company}, {other} FROM t
                 RETURNING payment_id, (SELECT {name}_id FROM o)",
                due = payment_date.date(),
                kind = table.transaction_type(),
                amount = money(quantity * cents),
                company = accounts.0,
                other = accounts.1,
            )
        };
        Order { statement: statement(quantity), decoy: statement(1), payment_date }
    }
}

const MATERIALS: &[&str] = &["Steel", "Granite", "Wooden", "Fresh", "Rubber", "Concrete", "Bronze", "Cotton", "Frozen"];

/// Cents as the amount they are.
pub(crate) fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Letters and digits, as in a code.
pub(crate) fn letters(length: usize, random: &mut Random) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..length).map(|_| char::from(random.pick(LETTERS).copied().unwrap_or(b'A'))).collect()
}
