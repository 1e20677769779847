//! The tables and views of the loader, told from what others keep in the same schemas.

use std::collections::{BTreeMap, BTreeSet};

use star_contract::Role;
use tokio_postgres::Transaction;

use crate::WarehouseError;
use crate::error::while_doing;
use crate::place::Places;
use crate::side;
use crate::star::Star;

/// A table of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OurTable {
    /// Its bare name.
    pub(super) name: String,
    /// Whether it is a side table.
    pub(super) beside: bool,
    pub(super) oid: u32,
}

impl OurTable {
    /// Its quoted name at these places.
    pub(super) fn at(&self, places: &Places) -> String {
        let schema = if self.beside { places.side_schema() } else { &places.schema };
        totesys_postgres::qualified(schema, &self.name)
    }
}

/// What the names of a fact's or dimension's side tables end with.
const SUFFIXES: [&str; 4] = ["head", "waiting", "deletions", "origin"];

/// What is ours in one pair of schemas.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// Facts, dimensions and side tables, less the table of views.
    pub(super) tables: Vec<OurTable>,
    /// The views that were made for facts, by name.
    pub(super) views: BTreeMap<String, u32>,
    /// The table of views.
    pub(super) view_table: Option<u32>,
}

/// How far to look for tables that no description names any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those that have side tables.
    SideTables,
    /// Those that a fact refers to as well: right where nobody else should have any table.
    References,
}

impl Ours {
    /// Finds the facts and dimensions that are named, what earlier descriptions left, and all their side tables.
    pub(super) async fn find(
        transaction: &Transaction<'_>,
        places: &Places,
        named: &BTreeSet<String>,
        reach: Reach,
    ) -> Result<Self, WarehouseError> {
        let doing = || while_doing("looking for the tables of the warehouse", &places.schema);
        let rows = transaction
            .query(
                "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.oid
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname::text IN ($1, $2) AND c.relkind IN ('r', 'p', 'v')",
                &[&places.schema, &places.side_schema()],
            )
            .await
            .map_err(doing())?;
        let (mut tables, mut views) = (BTreeMap::new(), BTreeMap::new());
        for row in &rows {
            let (schema, name, kind, oid): (String, String, String, u32) =
                (row.get(0), row.get(1), row.get(2), row.get(3));
            if kind != "v" {
                tables.insert((schema, name), oid);
            } else if schema == places.schema {
                views.insert(name, oid);
            }
        }
        let standing = Standing { places, tables };
        let mut ours = Self { view_table: standing.beside(side::VIEWS), ..Self::default() };
        let mut names = standing.names(named);
        if reach == Reach::References {
            let facts: Vec<u32> = names.iter().filter_map(|name| standing.main(name)).collect();
            let referred = transaction
                .query(
                    "SELECT DISTINCT c.relname::text FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid
                     JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE k.contype = 'f' AND k.conrelid = ANY ($1) AND n.nspname::text = $2",
                    &[&facts, &places.schema],
                )
                .await
                .map_err(doing())?;
            names.extend(referred.iter().map(|row| row.get::<_, String>(0)));
        }
        ours.tables = standing.tables_of(&names);
        if ours.view_table.is_some() {
            let made = transaction
                .query(&format!("SELECT view FROM {}", places.side(side::VIEWS)), &[])
                .await
                .map_err(doing())?;
            let made: BTreeSet<String> = made.iter().map(|row| row.get(0)).collect();
            views.retain(|name, _| made.contains(name));
            ours.views = views;
        }
        Ok(ours)
    }

    /// Everything by its number, which it keeps wherever it moves: tables, views and the table of views.
    pub(super) fn all(&self) -> Vec<u32> {
        self.table_oids().into_iter().chain(self.view_oids()).chain(self.view_table).collect()
    }

    pub(super) fn table_oids(&self) -> Vec<u32> {
        self.tables.iter().map(|table| table.oid).collect()
    }

    pub(super) fn view_oids(&self) -> Vec<u32> {
        self.views.values().copied().collect()
    }

    /// Takes what belongs to these facts and dimensions out: their tables, side tables and views. The table of views
    /// stays.
    pub(super) fn take(&mut self, places: &Places, names: &BTreeSet<String>) -> Self {
        let of_one = names.iter().flat_map(|name| SUFFIXES.map(|suffix| places.side_name(&format!("{name}_{suffix}"))));
        let beside: BTreeSet<String> = of_one.collect();
        let (taken, left) = std::mem::take(&mut self.tables)
            .into_iter()
            .partition(|table| if table.beside { beside.contains(&table.name) } else { names.contains(&table.name) });
        self.tables = left;
        let views: BTreeSet<String> = names.iter().flat_map(|fact| views_of_fact(fact)).collect();
        let (taken_views, left) =
            std::mem::take(&mut self.views).into_iter().partition(|(view, _)| views.contains(view));
        self.views = left;
        Self { tables: taken, views: taken_views, view_table: None }
    }

    /// The facts and dimensions, less side tables.
    pub(super) fn names(&self) -> BTreeSet<String> {
        self.tables.iter().filter(|table| !table.beside).map(|table| table.name.clone()).collect()
    }

    /// The table of this name, if it stands.
    pub(super) fn like(&self, other: &OurTable) -> Option<&OurTable> {
        self.tables.iter().find(|table| (&table.name, table.beside) == (&other.name, other.beside))
    }
}

/// The tables of both schemas, whoever made them.
struct Standing<'a> {
    places: &'a Places,
    tables: BTreeMap<(String, String), u32>,
}

impl Standing<'_> {
    fn main(&self, name: &str) -> Option<u32> {
        self.tables.get(&(self.places.schema.clone(), name.to_owned())).copied()
    }

    fn beside(&self, name: &str) -> Option<u32> {
        self.tables.get(&(self.places.side_schema().to_owned(), self.places.side_name(name))).copied()
    }

    /// The facts and dimensions that are named, and those that have a side table, as far as they stand.
    fn names(&self, named: &BTreeSet<String>) -> BTreeSet<String> {
        let beside = self.tables.keys().filter(|(schema, _)| schema == self.places.side_schema());
        let left = beside
            .filter_map(|(_, name)| self.places.side_base(name))
            .filter_map(|name| name.strip_suffix("_head").or_else(|| name.strip_suffix("_origin")));
        named.iter().cloned().chain(left.map(str::to_owned)).filter(|name| self.main(name).is_some()).collect()
    }

    /// These tables and the side tables that belong to them.
    fn tables_of(&self, names: &BTreeSet<String>) -> Vec<OurTable> {
        let of_one = names.iter().flat_map(|name| SUFFIXES.map(|suffix| format!("{name}_{suffix}")));
        let main = names.iter().filter_map(|name| Some((name.clone(), false, self.main(name)?)));
        let beside = side::shared()
            .map(str::to_owned)
            .chain(of_one)
            .filter_map(|name| Some((self.places.side_name(&name), true, self.beside(&name)?)));
        main.chain(beside).map(|(name, beside, oid)| OurTable { name, beside, oid }).collect()
    }
}

/// The facts and dimensions of stars.
pub(super) fn described(stars: &[Star]) -> BTreeSet<String> {
    stars.iter().flat_map(|star| &star.tables).map(|shape| shape.table.clone()).collect()
}

/// The views that bringing the warehouse in line makes: those of the described facts.
pub(super) fn views_of(stars: &[Star]) -> BTreeSet<String> {
    let facts = stars.iter().flat_map(|star| star.tables_of(Role::Fact));
    facts.flat_map(|(_, shape)| views_of_fact(&shape.table)).collect()
}

fn views_of_fact(fact: &str) -> [String; 2] {
    ["current", "history"].map(|of| format!("{fact}_{of}"))
}
