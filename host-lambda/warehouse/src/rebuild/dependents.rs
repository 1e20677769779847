//! What other people made of our tables, or put beside them.

use tokio_postgres::Transaction;

use crate::WarehouseError;
use crate::error::while_doing;
use crate::place::Places;
use crate::rebuild::ours::{OurTable, Ours};

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
/// publications, checks, statistics, comments. Foreign keys see [`foreign_keys`].
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
             UNION ALL
             SELECT pg_describe_object('pg_constraint'::regclass, k.oid, 0)
             FROM pair p JOIN pg_constraint k ON k.conrelid = p.old AND k.contype = 'c'
             WHERE NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = p.new AND n.contype = 'c'
                               AND pg_get_constraintdef(n.oid) = pg_get_constraintdef(k.oid))
             UNION ALL
             SELECT pg_describe_object('pg_statistic_ext'::regclass, s.oid, 0)
             FROM pair p JOIN pg_statistic_ext s ON s.stxrelid = p.old
             UNION ALL
             SELECT 'comment on ' || pg_describe_object('pg_class'::regclass, p.old, d.objsubid)
             FROM pair p JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = p.old
             LEFT JOIN pg_attribute a ON d.objsubid <> 0 AND a.attrelid = p.old AND a.attnum = d.objsubid
             LEFT JOIN pg_attribute b ON b.attrelid = p.new AND b.attname = a.attname AND NOT b.attisdropped
             WHERE (d.objsubid = 0 OR b.attnum IS NOT NULL)
               AND NOT EXISTS (SELECT FROM pg_description n WHERE n.classoid = d.classoid AND n.objoid = p.new
                               AND n.objsubid = coalesce(b.attnum, 0))
             ORDER BY 1",
            &[&old, &new],
        )
        .await
        .map_err(while_doing("looking for what was added to tables", "pg_depend"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The foreign keys of tables to others than these, by their numbers.
pub(super) async fn foreign_keys(
    transaction: &Transaction<'_>,
    tables: &[u32],
    but_not: &[u32],
) -> Result<Vec<(u32, String)>, WarehouseError> {
    let rows = transaction
        .query(
            "SELECT k.oid, pg_describe_object('pg_constraint'::regclass, k.oid, 0) FROM pg_constraint k
             WHERE k.contype = 'f' AND k.conrelid = ANY ($1) AND k.confrelid <> ALL ($2) ORDER BY 2",
            &[&tables, &but_not],
        )
        .await
        .map_err(while_doing("looking for foreign keys", "pg_constraint"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Those of [`foreign_keys`] whose like the tables that took the places lack.
pub(super) async fn lost_keys(
    transaction: &Transaction<'_>,
    keys: Vec<(u32, String)>,
    old: &[u32],
    new: &[u32],
) -> Result<Vec<String>, WarehouseError> {
    let oids: Vec<u32> = keys.iter().map(|(oid, _)| *oid).collect();
    let rows = transaction
        .query(
            "WITH fk AS MATERIALIZED (
                 SELECT k.oid, k.conrelid, k.confrelid,
                        ARRAY(SELECT a.attname::text FROM pg_attribute a
                              WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey) ORDER BY 1) AS columns
                 FROM pg_constraint k
                 WHERE k.contype = 'f' AND (k.oid = ANY ($1::oid[]) OR k.conrelid = ANY ($3::oid[]))
             )
             SELECT k.oid FROM fk k JOIN unnest($2::oid[], $3::oid[]) AS p (old, new) ON p.old = k.conrelid
             WHERE k.oid = ANY ($1::oid[])
               AND NOT EXISTS (SELECT FROM fk n WHERE n.conrelid = p.new AND n.confrelid = k.confrelid
                               AND n.columns = k.columns)",
            &[&oids, &old, &new],
        )
        .await
        .map_err(while_doing("looking for foreign keys", "pg_constraint"))?;
    let lost: Vec<u32> = rows.iter().map(|row| row.get(0)).collect();
    Ok(keys.into_iter().filter(|(oid, _)| lost.contains(oid)).map(|(_, said)| said).collect())
}

/// What stands where tables have to go, other than what is about to leave.
pub(super) async fn in_the_way(
    transaction: &Transaction<'_>,
    places: &Places,
    coming: &[OurTable],
    leaving: &[u32],
) -> Result<(), WarehouseError> {
    let (schemas, names): (Vec<&str>, Vec<&str>) = coming
        .iter()
        .map(|table| (if table.beside { places.side_schema() } else { &places.schema }, table.name.as_str()))
        .unzip();
    let rows = transaction
        .query(
            "SELECT n.nspname::text, pg_describe_object('pg_class'::regclass, c.oid, 0)
             FROM unnest($1::text[], $2::text[]) AS t (schema, name)
             JOIN pg_namespace n ON n.nspname::text = t.schema
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname::text = t.name
             WHERE c.oid <> ALL ($3::oid[]) ORDER BY 1, 2",
            &[&schemas, &names, &leaving],
        )
        .await
        .map_err(while_doing("looking for what is in the way", &places.schema))?;
    match rows.first() {
        None => Ok(()),
        Some(first) => {
            let objects = rows.iter().map(|row| row.get(1)).collect();
            Err(WarehouseError::ForeignObjects { schema: first.get(0), objects })
        }
    }
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
