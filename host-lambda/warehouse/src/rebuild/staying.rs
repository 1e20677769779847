//! What stays where it is when tables change places: the facts of stars that nobody describes any more. No rebuild
//! makes them anew, and they are loaded no longer; so their tables, their views and what the ledger says of them stay.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{GenericClient, Transaction};
use totesys_postgres::{quote_identifier, quote_literal};

use crate::error::while_doing;
use crate::place::Places;
use crate::rebuild::dependents;
use crate::rebuild::ours::{OurTable, Ours};
use crate::{WarehouseError, generation, ledger};

/// The shared tables that have rows of one star each.
const OF_STARS: [&str; 3] = ["loads", "fact_loads", generation::TABLE];

/// The stars that stay, and their tables.
#[derive(Debug, Default)]
pub(super) struct Staying {
    /// The stars.
    pub(super) stars: Vec<String>,
    /// Their facts and dimensions, and the dimensions those refer to.
    pub(super) tables: BTreeSet<String>,
}

impl Staying {
    /// Finds what belongs to loaded stars that are not among those that go, less the tables that go anyway.
    pub(super) async fn find(
        client: &impl GenericClient,
        places: &Places,
        stars: &BTreeSet<String>,
        going: &BTreeSet<String>,
    ) -> Result<Self, WarehouseError> {
        let mut staying = Self::default();
        if !places.has_side(client, "loads").await? || !places.has_side(client, "fact_loads").await? {
            return Ok(staying);
        }
        let doing = || while_doing("looking for stars that are described no longer", &places.schema);
        let query = format!(
            "SELECT DISTINCT ON (fact) fact, star FROM {} ORDER BY fact, last_id DESC",
            places.side("fact_loads")
        );
        let rows = client.query(&query, &[]).await.map_err(doing())?;
        let loaded_by: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        staying
            .tables
            .extend(loaded_by.iter().filter(|(_, star)| !stars.contains(*star)).map(|(fact, _)| fact.clone()));
        for row in ledger::newest_of_all(client, places).await? {
            if !stars.contains(&row.star) {
                // Its facts without any version, and its dimensions.
                let tables = row.report.tables.into_iter().map(|table| table.table);
                staying.tables.extend(tables.filter(|table| !loaded_by.contains_key(table)));
                staying.stars.push(row.star);
            }
        }
        staying.tables.retain(|table| !going.contains(table));
        let facts: Vec<&String> = staying.tables.iter().collect();
        let referred = client
            .query(
                "SELECT DISTINCT t.relname::text FROM pg_constraint k
                 JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace AND n.oid = t.relnamespace
                 WHERE k.contype = 'f' AND n.nspname::text = $1 AND c.relname::text = ANY ($2)",
                &[&places.schema, &facts],
            )
            .await
            .map_err(doing())?;
        let referred = referred.iter().map(|row| row.get::<_, String>(0)).filter(|table| !going.contains(table));
        staying.tables.extend(referred);
        Ok(staying)
    }

    /// Has the shared tables say of the stars that stay what they said before, and nothing else.
    pub(super) async fn carry_rows(
        &self,
        transaction: &Transaction<'_>,
        from: &Places,
        to: &Places,
    ) -> Result<(), WarehouseError> {
        for name in OF_STARS {
            let (old, new) = (from.side(name), to.side(name));
            let doing = || while_doing("carrying rows of other stars over", name);
            if !from.has_side(transaction, name).await? {
                continue;
            }
            let columns = common_columns(transaction, &old, &new).await?;
            // A fact may have gone to another star since: then the loads of the one that stays are none of its rows.
            let tables: Vec<&String> = self.tables.iter().collect();
            let kept = if name == "fact_loads" { "AND fact = ANY ($2)" } else { "AND $2::text[] IS NOT NULL" };
            let delete = format!("DELETE FROM {new} WHERE star = ANY ($1) {kept}");
            let insert =
                format!("INSERT INTO {new} ({columns}) SELECT {columns} FROM {old} WHERE star = ANY ($1) {kept}");
            for statement in [delete, insert] {
                transaction.execute(&statement, &[&self.stars, &tables]).await.map_err(doing())?;
            }
        }
        Ok(())
    }
}

/// What in the tables that stay names tables that go: let go before they do, and taken up again with those that come.
#[derive(Debug, Default)]
pub(super) struct Ties {
    keys: Vec<Key>,
    views: Vec<View>,
}

/// A foreign key of a table that stays.
#[derive(Debug)]
struct Key {
    table: String,
    name: String,
    definition: String,
    /// Its columns and those it refers to.
    columns: Vec<String>,
    targets: Vec<String>,
    target: OurTable,
    described: String,
}

/// A view of ours that reads what goes.
#[derive(Debug)]
struct View {
    create: String,
    described: String,
}

impl Ties {
    /// Lets the foreign keys go, and notes the views.
    pub(super) async fn release(
        transaction: &Transaction<'_>,
        places: &Places,
        staying: &Ours,
        going: &Ours,
    ) -> Result<Self, WarehouseError> {
        let keys = Self::keys(transaction, &staying.tables, &going.tables).await?;
        for Key { table, name, .. } in &keys {
            let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
            transaction.batch_execute(&drop).await.map_err(while_doing("letting a foreign key go", table))?;
        }
        let reading = dependents::views_reading(transaction, staying, &going.table_oids()).await?;
        let mut views = Vec::new();
        for name in reading {
            let oid = staying.views.get(&name).copied().unwrap_or_default();
            let row = transaction
                .query_one(
                    "SELECT pg_get_viewdef(oid), reloptions, pg_describe_object('pg_class'::regclass, oid, 0)
                     FROM pg_class WHERE oid = $1",
                    &[&oid],
                )
                .await
                .map_err(while_doing("reading a view", &name))?;
            let options: Vec<String> = row.get::<_, Option<Vec<String>>>(1).unwrap_or_default();
            let options: Vec<String> = options
                .iter()
                .filter_map(|option| option.split_once('='))
                .map(|(name, value)| format!("{} = {}", quote_identifier(name), quote_literal(value)))
                .collect();
            let options = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
            let definition: String = row.get(0);
            let create = format!("CREATE OR REPLACE VIEW {}{options} AS {definition}", places.table(&name));
            views.push(View { create, described: row.get(2) });
        }
        Ok(Self { keys, views })
    }

    async fn keys(
        transaction: &Transaction<'_>,
        staying: &[OurTable],
        going: &[OurTable],
    ) -> Result<Vec<Key>, WarehouseError> {
        let of = |tables: &[OurTable]| tables.iter().map(|table| table.oid).collect::<Vec<_>>();
        let rows = transaction
            .query(
                "SELECT k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid),
                        ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.conkey) WITH ORDINALITY AS u (number, turn)
                              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.turn),
                        ARRAY(SELECT quote_ident(a.attname) FROM unnest(k.confkey) WITH ORDINALITY AS u (number, turn)
                              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.turn),
                        k.confrelid, pg_describe_object('pg_constraint'::regclass, k.oid, 0)
                 FROM pg_constraint k
                 WHERE k.contype = 'f' AND k.conrelid = ANY ($1) AND k.confrelid = ANY ($2) AND k.conparentid = 0
                 ORDER BY 1, 2",
                &[&of(staying), &of(going)],
            )
            .await
            .map_err(while_doing("looking for foreign keys", "pg_constraint"))?;
        let key = |row: &tokio_postgres::Row| {
            let target = going.iter().find(|table| table.oid == row.get::<_, u32>(5))?.clone();
            Some(Key {
                table: row.get(0),
                name: row.get(1),
                definition: row.get(2),
                columns: row.get(3),
                targets: row.get(4),
                target,
                described: row.get(6),
            })
        };
        Ok(rows.iter().filter_map(key).collect())
    }

    /// Takes them up with what stands in the places now; what went stands in others. Says what could not be taken up,
    /// because the tables that came are of another shape.
    pub(super) async fn resume(
        self,
        transaction: &Transaction<'_>,
        places: &Places,
        gone: &Places,
    ) -> Result<Vec<String>, WarehouseError> {
        let mut lost = Vec::new();
        for key in self.keys {
            let (old, new) = (key.target.at(gone), key.target.at(places));
            let columns = common_columns(transaction, &old, &new).await?;
            let (table, name) = (&key.table, &key.name);
            let same = |left: (&str, &[String]), right: (&str, &[String])| -> String {
                let pairs = left.1.iter().zip(right.1).map(|(l, r)| format!("{}.{l} = {}.{r}", left.0, right.0));
                pairs.collect::<Vec<_>>().join(" AND ")
            };
            // Rows that only the star which stays had brought. What was checked before is not checked again.
            let valid = key.definition.trim_end_matches(" NOT VALID");
            let sql = format!(
                "INSERT INTO {new} ({columns}) SELECT {columns} FROM {old} o
                 WHERE EXISTS (SELECT FROM {table} f WHERE {}) AND NOT EXISTS (SELECT FROM {new} n WHERE {});
                 ALTER TABLE {table} ADD CONSTRAINT {name} {valid} NOT VALID",
                same(("f", &key.columns), ("o", &key.targets)),
                same(("n", &key.targets), ("o", &key.targets)),
            );
            if !attempt(transaction, &sql, table).await? {
                lost.push(key.described);
            }
        }
        for view in self.views {
            if !attempt(transaction, &view.create, &view.described).await? {
                lost.push(view.described);
            }
        }
        Ok(lost)
    }
}

/// Lets go the foreign keys of some tables to others that are to be dropped.
pub(super) async fn drop_keys(
    transaction: &Transaction<'_>,
    from: &Ours,
    dropped: &Ours,
) -> Result<(), WarehouseError> {
    for Key { table, name, .. } in Ties::keys(transaction, &from.tables, &dropped.tables).await? {
        let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
        transaction.batch_execute(&drop).await.map_err(while_doing("letting a foreign key go", &table))?;
    }
    Ok(())
}

/// Carries statements out or leaves no trace of them; says which.
async fn attempt(transaction: &Transaction<'_>, sql: &str, subject: &str) -> Result<bool, WarehouseError> {
    let doing = || while_doing("taking up what stays", subject);
    transaction.batch_execute("SAVEPOINT attempt").await.map_err(doing())?;
    let done = transaction.batch_execute(sql).await.map_err(doing());
    let end = match &done {
        Ok(()) => "RELEASE SAVEPOINT attempt",
        Err(error) if error.is_transient() => return done.map(|()| false),
        Err(error) => {
            tracing::warn!(subject, error = %error, "it does not fit the tables that came");
            "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt"
        }
    };
    transaction.batch_execute(end).await.map_err(doing())?;
    Ok(done.is_ok())
}

/// The columns that two tables have in common.
async fn common_columns(transaction: &Transaction<'_>, old: &str, new: &str) -> Result<String, WarehouseError> {
    let row = transaction
        .query_one(
            "SELECT coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), '')
             FROM pg_attribute a JOIN pg_attribute b ON b.attname = a.attname
             WHERE a.attrelid = to_regclass($1) AND b.attrelid = to_regclass($2) AND a.attnum > 0 AND b.attnum > 0
               AND NOT a.attisdropped AND NOT b.attisdropped AND b.attgenerated = ''",
            &[&old, &new],
        )
        .await
        .map_err(while_doing("comparing tables", new))?;
    Ok(row.get(0))
}
