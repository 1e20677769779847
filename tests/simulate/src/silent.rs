//! Changes of one column of one row, most of them silent: `last_updated` stays as it was.

use totesys_postgres::quote_literal;

use crate::choice::{existing, one_of};
use crate::order::{OrderTable, letters};
use crate::plan::Planned;
use crate::{Kind, Moment, SimulateError, Simulator};

/// One column of one row, from one value to another.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    table: OrderTable,
    column: &'static str,
    key: i32,
    from: String,
    to: String,
}

/// What is changed silently in the real source.
const SALES: &[&str] = &["agreed_delivery_date", "staff_id", "agreed_delivery_location_id", "design_id"];
const PURCHASES: &[&str] = &["agreed_delivery_date", "staff_id", "agreed_delivery_location_id", "item_code"];

impl Simulator {
    /// An order changes silently, now or in a transaction that commits late.
    pub(crate) async fn silent(&mut self, at: Moment, table: OrderTable) -> Result<(), SimulateError> {
        let Some(change) = self.choose(at, table).await? else { return Ok(()) };
        let late = self.takes_late(false);
        let (name, quantity) = (table.name(), table.quantity());
        let decoy = format!("UPDATE {name} SET {quantity} = 0 WHERE {name}_id = {}", change.key);
        let script = self.in_transaction(&change.statement(), &decoy, late);
        self.session_for(late).await?.run("changing an order silently", &script).await?;
        let kind = if table == OrderTable::Sales { Kind::SilentSale } else { Kind::SilentPurchase };
        self.record(at, kind, Some(change.key), 1);
        if late {
            self.begin_late(at, Some((table.name(), change.key)), None);
        }
        Ok(())
    }

    /// An order changes silently and will be what it was, some hours or days later.
    pub(crate) async fn there(&mut self, at: Moment) -> Result<(), SimulateError> {
        let table = if self.random.chance(0.7) { OrderTable::Sales } else { OrderTable::Purchases };
        let Some(change) = self.choose(at, table).await? else { return Ok(()) };
        self.session.run("changing an order for a while", &change.statement()).await?;
        self.record(at, Kind::There, Some(change.key), 1);
        let back = Change { from: change.to.clone(), to: change.from.clone(), ..change };
        let when = Moment(at.0 + self.random.between(3_600_000, 4 * 86_400_000));
        self.agenda.enter(when, Planned::Back(back));
        Ok(())
    }

    /// The order is what it was, unless it is gone or has changed again meanwhile.
    pub(crate) async fn back(&mut self, at: Moment, change: Change) -> Result<(), SimulateError> {
        if self.held(change.table.name()).contains(&change.key) {
            self.agenda.enter(Moment(at.0 + 3_600_000), Planned::Back(change));
            return Ok(());
        }
        let statement =
            format!("{} AND {}::text = {} RETURNING 1", change.statement(), change.column, quote_literal(&change.from));
        if !self.session.run("changing an order back", &statement).await?.is_empty() {
            self.record(at, Kind::Back, Some(change.key), 1);
        }
        Ok(())
    }

    /// A design's file moves silently.
    pub(crate) async fn silent_design(&mut self, at: Moment) -> Result<(), SimulateError> {
        let key = one_of(&self.references.designs, &mut self.random);
        let folder = self.folder();
        let statement = format!("UPDATE design SET file_location = '{folder}' WHERE design_id = {key}");
        self.session.run("moving a design's file", &statement).await?;
        self.record(at, Kind::SilentDesign, Some(key), 1);
        Ok(())
    }

    /// An address changes, silently or not.
    pub(crate) async fn address(&mut self, at: Moment) -> Result<(), SimulateError> {
        let key = one_of(&self.references.addresses, &mut self.random);
        let number = self.random.between(1, 999);
        let (column, value) = if self.random.chance(0.5) {
            ("address_line_1", format!("{number} O''Keefe''s Row, Unit {}", self.random.between(1, 40)))
        } else {
            ("phone", format!("1632 96{:04}", self.random.between(0, 9999)))
        };
        let stamp = self.maybe_stamped(at);
        let statement = format!("UPDATE address SET {column} = '{value}'{stamp} WHERE address_id = {key}");
        self.session.run("changing an address", &statement).await?;
        self.record(at, Kind::Address, Some(key), 1);
        Ok(())
    }

    /// A department moves or gets another manager, silently or not.
    pub(crate) async fn department(&mut self, at: Moment) -> Result<(), SimulateError> {
        let key = one_of(&self.references.departments, &mut self.random);
        let (column, value) = if self.random.chance(0.5) {
            ("location", *self.random.pick(&["Manchester", "Leeds", "York", "Hull", "Bradford"]).unwrap_or(&"Leeds"))
        } else {
            ("manager", *self.random.pick(&["Perpetua Lisle", "Amos Threlkeld", "Ida O''Keefe"]).unwrap_or(&""))
        };
        let stamp = self.maybe_stamped(at);
        let statement = format!("UPDATE department SET {column} = '{value}'{stamp} WHERE department_id = {key}");
        self.session.run("changing a department", &statement).await?;
        self.record(at, Kind::Department, Some(key), 1);
        Ok(())
    }

    fn maybe_stamped(&mut self, at: Moment) -> String {
        if self.random.chance(0.5) { format!(", last_updated = '{at}'") } else { String::new() }
    }

    /// An order, a column of it, and another value for that.
    async fn choose(&mut self, at: Moment, table: OrderTable) -> Result<Option<Change>, SimulateError> {
        let held = self.held(table.name());
        let Some(key) = existing(&self.session, table.name(), &held, &mut self.random).await? else { return Ok(None) };
        let columns = if table == OrderTable::Sales { SALES } else { PURCHASES };
        let column = *self.random.pick(columns).unwrap_or(&"agreed_delivery_date");
        let query = format!("SELECT {column}::text FROM {name} WHERE {name}_id = {key}", name = table.name());
        let rows = self.session.run("reading an order", &query).await?;
        let Some(from) = rows.into_iter().flatten().flatten().next() else { return Ok(None) };
        let to = self.other_value(at, column, &from);
        Ok((to != from).then_some(Change { table, column, key, from, to }))
    }

    fn other_value(&mut self, at: Moment, column: &str, from: &str) -> String {
        let random = &mut self.random;
        let other = |keys: &[i32], random: &mut crate::random::Random| {
            let others: Vec<i32> = keys.iter().copied().filter(|key| key.to_string() != from).collect();
            random.pick(&others).map_or_else(|| from.to_owned(), ToString::to_string)
        };
        match column {
            "staff_id" => other(&self.references.staff, random),
            "agreed_delivery_location_id" => other(&self.references.addresses, random),
            "design_id" => other(&self.references.designs, random),
            "item_code" => letters(7, random),
            _ => {
                // Most deliveries move by days, a few by more than a year.
                let most = if random.chance(0.05) { 617 } else { 30 };
                let days = random.between(1, most);
                Moment::of_date(from).unwrap_or(at).plus_days(days as f64).date()
            }
        }
    }
}

impl Change {
    fn statement(&self) -> String {
        let (name, column) = (self.table.name(), self.column);
        format!("UPDATE {name} SET {column} = {} WHERE {name}_id = {}", quote_literal(&self.to), self.key)
    }
}
