//! Where things stand: the main schema, and the side tables beside it.

use std::time::Duration;

use tokio_postgres::{Client, GenericClient};
use totesys_postgres::qualified;

use crate::WarehouseError;
use crate::error::while_doing;

/// What the side tables' names begin with when they stand in the main schema.
const PREFIX: &str = "_totesys_";

/// The name of the lock on what is made or moved.
pub(crate) const PREPARE: &str = "prepare";

/// The most bytes of a name PostgreSQL keeps.
const MAX_NAME: usize = 63;

/// How the warehouse is laid out and how long it may take.
#[derive(Debug, Clone)]
pub struct WarehouseOptions {
    /// The schema of the facts, dimensions and views.
    pub schema: String,
    /// The schema of the side tables; `<schema>_totesys` when unset. When the role can neither create
    /// nor use it, the side tables stand in the main schema under the prefix `_totesys_`.
    pub side_schema: Option<String>,
    /// The longest a single statement may run; zero is no limit.
    pub statement_timeout: Duration,
    /// The longest a statement may wait for a lock; zero is no limit.
    pub lock_timeout: Duration,
}

/// The names of everything, decided once per connection.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) schema: String,
    side: Side,
}

#[derive(Debug, Clone)]
enum Side {
    Schema(String),
    Prefix,
}

impl Places {
    /// Finds out where the side tables are, or where they can be created.
    pub(crate) async fn find(client: &Client, options: &WarehouseOptions) -> Result<(Self, Standing), WarehouseError> {
        let schema = checked(&options.schema)?;
        let side = match &options.side_schema {
            Some(side) => checked(side)?,
            None => checked(&format!("{schema}_totesys"))?,
        };
        let row = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1::text),
                        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                WHERE n.nspname = $1::text AND c.relname = $3::text),
                        EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                WHERE n.nspname = $2::text AND c.relname = 'stamp'),
                        coalesce((SELECT has_schema_privilege(oid, 'CREATE') AND has_schema_privilege(oid, 'USAGE')
                                  FROM pg_namespace WHERE nspname = $2::text),
                                 has_database_privilege(current_database(), 'CREATE'))",
                &[&schema, &side, &format!("{PREFIX}stamp")],
            )
            .await
            .map_err(while_doing("looking for the schema", &schema))?;
        let (schema_exists, prefixed, beside, can_be_beside): (bool, bool, bool, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let separate = side != schema && !prefixed && (beside || can_be_beside);
        let side = if separate { Side::Schema(side) } else { Side::Prefix };
        let standing = Standing { schema_exists, stamped: if separate { beside } else { prefixed } };
        Ok((Self { schema, side }, standing))
    }

    /// A fact, dimension or view, quoted.
    pub(crate) fn table(&self, name: &str) -> String {
        qualified(&self.schema, name)
    }

    /// A side table, quoted.
    pub(crate) fn side(&self, name: &str) -> String {
        qualified(self.side_schema(), &self.side_name(name))
    }

    /// A side table's bare name.
    pub(crate) fn side_name(&self, name: &str) -> String {
        match &self.side {
            Side::Schema(_) => name.to_owned(),
            Side::Prefix => format!("{PREFIX}{name}"),
        }
    }

    /// What a side table is called where the side tables have a schema of their own; none for another's table.
    pub(crate) fn side_base<'a>(&self, name: &'a str) -> Option<&'a str> {
        match &self.side {
            Side::Schema(_) => Some(name),
            Side::Prefix => name.strip_prefix(PREFIX),
        }
    }

    /// Whether a side table stands.
    pub(crate) async fn has_side(&self, client: &impl GenericClient, name: &str) -> Result<bool, WarehouseError> {
        let row = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                                WHERE n.nspname::text = $1 AND c.relname::text = $2)",
                &[&self.side_schema(), &self.side_name(name)],
            )
            .await
            .map_err(while_doing("looking for a side table", name))?;
        Ok(row.get(0))
    }

    /// The same layout under other names.
    pub(crate) fn elsewhere(&self, schema: String, side: String) -> Self {
        let side = match self.side {
            Side::Schema(_) => Side::Schema(side),
            Side::Prefix => Side::Prefix,
        };
        Self { schema, side }
    }

    /// Whether the side tables stand in the main schema.
    pub(crate) fn is_one_schema(&self) -> bool {
        matches!(self.side, Side::Prefix)
    }

    /// The main schema and, if it is another, the side tables'.
    pub(crate) fn schemas(&self) -> Vec<&str> {
        let mut schemas = vec![self.schema.as_str(), self.side_schema()];
        schemas.dedup();
        schemas
    }

    /// Refuses a side table whose name PostgreSQL would cut short.
    pub(crate) fn check_side_name(&self, name: &str) -> Result<(), WarehouseError> {
        let name = self.side_name(name);
        if name.len() > MAX_NAME {
            return Err(WarehouseError::Name { name, problem: "a side table's name is longer than 63 bytes" });
        }
        Ok(())
    }

    /// The schema the side tables are in.
    pub(crate) fn side_schema(&self) -> &str {
        match &self.side {
            Side::Schema(side) => side,
            Side::Prefix => &self.schema,
        }
    }

    /// Waits for loads of a star.
    pub(crate) async fn lock_star(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        star: &str,
    ) -> Result<(), WarehouseError> {
        self.lock(transaction, &format!("star {star}")).await
    }

    /// Waits for loads that write a shared dimension.
    pub(crate) async fn lock_dimension(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        dimension: &str,
    ) -> Result<(), WarehouseError> {
        self.lock(transaction, &format!("dimension {dimension}")).await
    }

    /// Waits for the advisory lock of a name within this warehouse; the transaction's end releases it.
    pub(crate) async fn lock(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        name: &str,
    ) -> Result<(), WarehouseError> {
        transaction
            .execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                &[&format!("totesys warehouse {} {name}", self.schema)],
            )
            .await
            .map_err(while_doing("waiting for another load", name))?;
        Ok(())
    }
}

/// What was found of a warehouse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) schema_exists: bool,
    pub(crate) stamped: bool,
}

pub(crate) fn checked(name: &str) -> Result<String, WarehouseError> {
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_NAME {
        "it is longer than 63 bytes"
    } else if name.contains('\0') {
        "it has a NUL byte"
    } else if name.starts_with("pg_") {
        "PostgreSQL keeps names that begin with `pg_` for itself"
    } else {
        return Ok(name.to_owned());
    };
    Err(WarehouseError::Name { name: name.chars().take(MAX_NAME).collect(), problem })
}
