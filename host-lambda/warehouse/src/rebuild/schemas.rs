//! The schemas a rebuild keeps its tables in: made when the role may, used when they are there.

use tokio_postgres::{GenericClient, Transaction};
use totesys_postgres::quote_identifier;

use crate::WarehouseError;
use crate::error::while_doing;

/// Refuses when one of the schemas can be neither used nor made.
pub(super) async fn check_rights(client: &impl GenericClient, schemas: &[&str]) -> Result<(), WarehouseError> {
    let lacking = client
        .query(
            "SELECT s.name FROM unnest($1::text[]) WITH ORDINALITY AS s (name, position)
             LEFT JOIN pg_namespace n ON n.nspname::text = s.name
             WHERE NOT coalesce(has_schema_privilege(n.oid, 'CREATE') AND has_schema_privilege(n.oid, 'USAGE'),
                                has_database_privilege(current_database(), 'CREATE'))
             ORDER BY s.position",
            &[&schemas],
        )
        .await
        .map_err(while_doing("looking for the schemas of a rebuild", &schemas.join(", ")))?;
    if lacking.is_empty() {
        return Ok(());
    }
    Err(WarehouseError::RebuildRights { schemas: lacking.iter().map(|row| row.get(0)).collect() })
}

/// Makes those that are missing. `CREATE SCHEMA IF NOT EXISTS` would ask for the right before it looks.
pub(super) async fn make(transaction: &Transaction<'_>, schemas: &[&str]) -> Result<(), WarehouseError> {
    let doing = || while_doing("creating the schemas of a rebuild", schemas.first().copied().unwrap_or_default());
    let missing = transaction
        .query(
            "SELECT s.name FROM unnest($1::text[]) AS s (name)
             WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname::text = s.name)",
            &[&schemas],
        )
        .await
        .map_err(doing())?;
    for schema in &missing {
        let create = format!("CREATE SCHEMA {}", quote_identifier(schema.get(0)));
        transaction.batch_execute(&create).await.map_err(doing())?;
    }
    Ok(())
}

/// Drops those that are empty. One that the role could not make again stays, and so does one that holds anything.
pub(super) async fn drop_empty(transaction: &Transaction<'_>, schemas: &[&str]) -> Result<(), WarehouseError> {
    let doing = || while_doing("dropping the schemas of a rebuild", schemas.first().copied().unwrap_or_default());
    let empty = transaction
        .query(
            "SELECT n.nspname::text FROM pg_namespace n
             WHERE n.nspname::text = ANY ($1::text[]) AND pg_has_role(n.nspowner, 'USAGE')
               AND has_database_privilege(current_database(), 'CREATE')
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_namespace'::regclass
                               AND d.refobjid = n.oid AND d.deptype = 'n')",
            &[&schemas],
        )
        .await
        .map_err(doing())?;
    for schema in &empty {
        let drop = format!("DROP SCHEMA {}", quote_identifier(schema.get(0)));
        transaction.batch_execute(&drop).await.map_err(doing())?;
    }
    Ok(())
}
