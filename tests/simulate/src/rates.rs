//! How often things happen.

use serde::Serialize;

use crate::SimulateError;

/// The days over which the rare events of the real database were counted.
pub(crate) const PERIOD_DAYS: f64 = 84.0;

macro_rules! rates {
    ($($(#[doc = $doc:literal])* $field:ident = $name:literal, $default:literal;)*) => {
        /// How often things happen. The defaults are what was measured between real snapshots, or, for what was
        /// not seen there, seldom enough not to disturb and often enough to be met in a simulated quarter.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        pub struct Rates {
            $($(#[doc = $doc])* pub $field: f64,)*
        }

        impl Default for Rates {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Rates {
            /// Names, as [`Rates::set`] takes them, with their defaults.
            pub const NAMES: &[(&str, f64)] = &[$(($name, $default)),*];

            fn field(&mut self, name: &str) -> Option<&mut f64> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

rates! {
    /// Sales orders a working day.
    sales = "sales", 22.0;
    /// Purchase orders a working day.
    purchases = "purchases", 9.0;
    /// New designs a working day.
    designs = "designs", 0.86;
    /// Sales orders changed silently, in 84 days.
    silent_sales = "silent-sales", 24.0;
    /// Purchase orders changed silently, in 84 days.
    silent_purchases = "silent-purchases", 10.0;
    /// Designs changed silently, in 84 days.
    silent_designs = "silent-designs", 4.0;
    /// Orders changed silently and changed back some hours or days later, in 84 days.
    there_and_back = "there-and-back", 4.0;
    /// Transactions that commit after later-stamped ones, in 84 days.
    late_commits = "late-commits", 21.0;
    /// Transactions that write inside savepoints, in 84 days.
    savepoints = "savepoints", 42.0;
    /// Addresses changed, in 84 days.
    addresses = "addresses", 3.0;
    /// Departments changed, in 84 days.
    departments = "departments", 2.0;
    /// Orders, payments or transactions deleted, in 84 days.
    deletions = "deletions", 6.0;
    /// The share of what was deleted that comes back under its key, from 0 to 1.
    returning = "returning", 0.5;
}

impl Rates {
    /// Sets a rate by its name.
    ///
    /// # Errors
    /// When there is no such rate, or the number cannot be one.
    pub fn set(&mut self, name: &str, rate: f64) -> Result<(), SimulateError> {
        let most = if name == "returning" { 1.0 } else { 1e6 };
        let field = self.field(name).ok_or_else(|| SimulateError::UnknownRate { name: name.to_owned() })?;
        if !(0.0..=most).contains(&rate) {
            return Err(SimulateError::BadRate { name: name.to_owned(), most });
        }
        *field = rate;
        Ok(())
    }

    /// Only orders and payments: nothing silent, late or deleted.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            silent_sales: 0.0,
            silent_purchases: 0.0,
            silent_designs: 0.0,
            there_and_back: 0.0,
            late_commits: 0.0,
            savepoints: 0.0,
            addresses: 0.0,
            departments: 0.0,
            deletions: 0.0,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_set_by_name() {
        let mut rates = Rates::default();
        assert_eq!((rates.sales, rates.purchases, rates.silent_sales), (22.0, 9.0, 24.0));
        for (name, default) in Rates::NAMES {
            assert_eq!(rates.field(name).copied(), Some(*default));
            rates.set(name, 0.25).unwrap();
        }
        assert_eq!(rates.silent_designs, 0.25);
        assert!(matches!(rates.set("sale", 1.0), Err(SimulateError::UnknownRate { .. })));
        for (name, wrong) in [("sales", -1.0), ("sales", f64::NAN), ("sales", 1e7), ("returning", 1.5)] {
            assert!(matches!(rates.set(name, wrong), Err(SimulateError::BadRate { .. })), "{name} {wrong}");
        }
    }
}
