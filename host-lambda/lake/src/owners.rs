//! Who may change the rows of a dimension that several stars write.

use std::collections::BTreeMap;

use crate::StarEntry;
use star_contract::Role;

/// The owner of each shared dimension among `stars`: who owned it before; else who wrote it before, alone; else the
/// first of `order` that writes it.
#[must_use]
pub fn owners(
    stars: &BTreeMap<String, StarEntry>,
    owned: &BTreeMap<String, String>,
    before: &BTreeMap<String, StarEntry>,
    order: &[String],
) -> BTreeMap<String, String> {
    let mut writers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let rank = |star: &str| order.iter().position(|candidate| candidate == star).unwrap_or(usize::MAX);
    for (star, entry) in stars {
        for output in entry.description.outputs.iter().filter(|output| output.role == Role::Dimension) {
            writers.entry(&output.table).or_default().push(star);
        }
    }
    let writes = |entry: &StarEntry, table: &str| entry.description.output(table).is_some();
    let owner = |(table, mut stars): (&str, Vec<&str>)| {
        if stars.len() < 2 {
            return None;
        }
        stars.sort_by_key(|star| {
            let was_owner = owned.get(table).is_some_and(|owner| owner == star);
            let wrote = before.get(*star).is_some_and(|entry| writes(entry, table));
            (!was_owner, !wrote, rank(star))
        });
        Some((table.to_owned(), (*stars.first()?).to_owned()))
    };
    writers.into_iter().filter_map(owner).collect()
}

#[cfg(test)]
mod tests {
    use star_contract::{Description, Output};

    use super::*;

    fn star(name: &str, tables: &[&str]) -> (String, StarEntry) {
        let output = |table: &&str| Output {
            table: (*table).to_owned(),
            role: Role::Dimension,
            columns: Vec::new(),
            business_key: Vec::new(),
            surrogate_key: None,
            references: Vec::new(),
            keyed_by: None,
            extras: Vec::new(),
        };
        let description = Description {
            star: name.to_owned(),
            version: String::new(),
            inputs: Vec::new(),
            outputs: tables.iter().map(output).collect(),
            extras: Vec::new(),
        };
        let entry = StarEntry {
            digest: String::new(),
            contract_version: String::new(),
            version: String::new(),
            description,
            artefacts: BTreeMap::new(),
        };
        (name.to_owned(), entry)
    }

    #[test]
    fn an_owner_stays_and_a_newcomer_takes_nothing() {
        let order = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let none = (BTreeMap::new(), BTreeMap::new());
        let first = BTreeMap::from([star("a", &["day", "own"]), star("b", &["day"])]);
        let owned = owners(&first, &none.0, &none.1, &order(&["b", "a"]));
        assert_eq!(owned, BTreeMap::from([("day".to_owned(), "b".to_owned())]));
        // Another order later changes no owner.
        assert_eq!(owners(&first, &owned, &first, &order(&["a", "b"])), owned);
        // A star that comes to write what only `a` wrote does not own it, though it sorts before.
        let more = BTreeMap::from([star("a", &["day", "own"]), star("b", &["day"]), star("0", &["own"])]);
        let owned = owners(&more, &owned, &first, &order(&["0"]));
        assert_eq!(owned["own"], "a");
        // An owner that writes it no more loses it.
        let less = BTreeMap::from([star("a", &["day"]), star("b", &["other"]), star("0", &["day"])]);
        assert_eq!(owners(&less, &owned, &more, &[])["day"], "a");
    }
}
