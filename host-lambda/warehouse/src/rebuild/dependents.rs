//! What other people made of our tables, or put beside them.

use tokio_postgres::Transaction;

use crate::WarehouseError;
use crate::error::while_doing;
use crate::place::Places;
use crate::rebuild::ours::Ours;

/// What depends on these tables or views and would stand in the way of dropping them: views, materialized views,
/// foreign keys, functions. Not what belongs to the tables themselves, nor the views among `but_not`.
pub(super) async fn of(
    transaction: &Transaction<'_>,
    relations: &[u32],
    but_not: &[u32],
) -> Result<Vec<String>, WarehouseError> {
    // Whoever names a table's row type or its sequence depends on the table as well.
    let rows = transaction
        .query(
            "WITH ours AS MATERIALIZED (
                 SELECT 'pg_class'::regclass AS classid, c.oid AS objid FROM pg_class c WHERE c.oid = ANY ($1::oid[])
                 UNION ALL
                 SELECT 'pg_type'::regclass, y.oid FROM pg_type y WHERE y.typrelid = ANY ($1::oid[])
                 UNION ALL
                 SELECT 'pg_type'::regclass, y.typarray FROM pg_type y
                 WHERE y.typrelid = ANY ($1::oid[]) AND y.typarray <> 0
                 UNION ALL
                 SELECT 'pg_class'::regclass, s.oid
                 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = ANY ($1::oid[]) AND d.deptype IN ('a', 'i')
             )
             SELECT DISTINCT CASE r.rulename WHEN '_RETURN' THEN pg_describe_object('pg_class'::regclass, r.ev_class, 0)
                                             ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END
             FROM ours o
             JOIN pg_depend d ON d.refclassid = o.classid AND d.refobjid = o.objid AND d.deptype = 'n'
             LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
             WHERE NOT coalesce(r.ev_class = ANY ($2::oid[]), false)
               AND NOT EXISTS (SELECT FROM pg_depend b JOIN ours p ON b.refclassid = p.classid AND b.refobjid = p.objid
                               WHERE b.classid = d.classid AND b.objid = d.objid AND b.deptype IN ('a', 'i'))
             ORDER BY 1",
            &[&relations, &but_not],
        )
        .await
        .map_err(while_doing("looking for what depends on tables", "pg_depend"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What stands in schemas and is not ours, sequences of our tables being ours.
pub(super) async fn strangers(
    transaction: &Transaction<'_>,
    schemas: &[&str],
    ours: &[u32],
) -> Result<Vec<String>, WarehouseError> {
    let rows = transaction
        .query(
            "SELECT pg_describe_object(d.classid, d.objid, 0)
             FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid
             WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n' AND n.nspname::text = ANY ($1::text[])
               AND NOT (d.classid = 'pg_class'::regclass AND d.objid = ANY ($2::oid[]))
               AND NOT EXISTS (SELECT FROM pg_depend b
                               WHERE b.classid = d.classid AND b.objid = d.objid AND b.refclassid = 'pg_class'::regclass
                                 AND b.refobjid = ANY ($2::oid[]) AND b.deptype IN ('a', 'i'))
             ORDER BY 1",
            &[&schemas, &ours],
        )
        .await
        .map_err(while_doing("looking for what else a schema holds", &schemas.join(", ")))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Refuses schemas of a rebuild that hold more than what is ours.
pub(super) async fn refuse_strangers(
    transaction: &Transaction<'_>,
    places: &Places,
    ours: &[u32],
) -> Result<(), WarehouseError> {
    let objects = strangers(transaction, &places.schemas(), ours).await?;
    if objects.is_empty() {
        return Ok(());
    }
    Err(WarehouseError::ForeignObjects { schema: places.schema.clone(), objects })
}

/// What was added to tables and the ones that take their places lack: columns, indexes, triggers, rules, policies,
/// publications.
pub(super) async fn left_behind(
    transaction: &Transaction<'_>,
    old: &[u32],
    new: &[u32],
) -> Result<Vec<String>, WarehouseError> {
    let rows = transaction
        .query(
            "WITH pair AS MATERIALIZED (SELECT * FROM unnest($1::oid[], $2::oid[]) AS p (old, new)),
             indexes AS MATERIALIZED (
                 SELECT i.indexrelid, i.indrelid, i.indisunique,
                        ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnatts) k
                              ORDER BY k) AS columns,
                        coalesce(pg_get_expr(i.indpred, i.indrelid), '') AS condition
                 FROM pg_index i WHERE i.indrelid = ANY ($1::oid[] || $2::oid[])
             )
             SELECT pg_describe_object('pg_class'::regclass, p.old, a.attnum)
             FROM pair p JOIN pg_attribute a ON a.attrelid = p.old AND a.attnum > 0 AND NOT a.attisdropped
             WHERE NOT EXISTS (SELECT FROM pg_attribute b
                               WHERE b.attrelid = p.new AND b.attname = a.attname AND NOT b.attisdropped)
             UNION ALL
             SELECT pg_describe_object('pg_class'::regclass, i.indexrelid, 0)
             FROM pair p JOIN indexes i ON i.indrelid = p.old
             WHERE NOT EXISTS (SELECT FROM indexes j
                               WHERE j.indrelid = p.new AND j.columns = i.columns AND j.condition = i.condition
                                 AND j.indisunique >= i.indisunique)
             UNION ALL
             SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0)
             FROM pair p JOIN pg_trigger t ON t.tgrelid = p.old AND NOT t.tgisinternal
             UNION ALL
             SELECT pg_describe_object('pg_rewrite'::regclass, r.oid, 0)
             FROM pair p JOIN pg_rewrite r ON r.ev_class = p.old
             UNION ALL
             SELECT pg_describe_object('pg_policy'::regclass, l.oid, 0)
             FROM pair p JOIN pg_policy l ON l.polrelid = p.old
             UNION ALL
             SELECT pg_describe_object('pg_publication_rel'::regclass, u.oid, 0)
             FROM pair p JOIN pg_publication_rel u ON u.prrelid = p.old
             ORDER BY 1",
            &[&old, &new],
        )
        .await
        .map_err(while_doing("looking for what was added to tables", "pg_depend"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The views of ours that read these tables.
pub(super) async fn views_reading(
    transaction: &Transaction<'_>,
    ours: &Ours,
    tables: &[u32],
) -> Result<Vec<String>, WarehouseError> {
    let rows = transaction
        .query(
            "SELECT DISTINCT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
             WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
               AND d.refobjid = ANY ($1::oid[]) AND r.ev_class = ANY ($2::oid[])",
            &[&tables, &ours.view_oids()],
        )
        .await
        .map_err(while_doing("looking for views", "pg_depend"))?;
    let reading: Vec<u32> = rows.iter().map(|row| row.get(0)).collect();
    Ok(ours.views.iter().filter(|(_, oid)| reading.contains(oid)).map(|(name, _)| name.clone()).collect())
}
