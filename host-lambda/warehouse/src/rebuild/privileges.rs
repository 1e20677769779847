//! Who may do what with a table, carried over to the one that takes its place.

use tokio_postgres::Transaction;

use crate::WarehouseError;
use crate::error::while_doing;

/// Gives tables exactly the grants that others have, those of their columns and sequences included. A table whose rows
/// were shown by policies shows none until somebody makes policies for it: no grant must show more than before.
pub(super) async fn carry_over(
    transaction: &Transaction<'_>,
    from: &[u32],
    onto: &[u32],
) -> Result<(), WarehouseError> {
    let statements = grants(transaction, from, onto).await?;
    let statements: Vec<String> = statements.into_iter().map(|(_, statement)| statement).collect();
    run(transaction, &statements).await
}

/// The statements that give relations the grants of others, each with the relation it is about. Their own grants of
/// now are what a view that is made anew will lack.
pub(super) async fn grants(
    transaction: &Transaction<'_>,
    from: &[u32],
    onto: &[u32],
) -> Result<Vec<(u32, String)>, WarehouseError> {
    let rows = transaction
        .query(
            "WITH pair AS MATERIALIZED (SELECT * FROM unnest($1::oid[], $2::oid[]) AS p (old, new)),
             sequence AS (
                 SELECT d.refobjid AS relation, a.attname, s.oid
                 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = ANY ($1::oid[] || $2::oid[]) AND d.deptype IN ('a', 'i')
             ), relation AS (
                 SELECT p.new AS about, p.old, p.new FROM pair p
                 UNION ALL
                 SELECT p.new, o.oid, n.oid FROM pair p
                 JOIN sequence o ON o.relation = p.old JOIN sequence n ON n.relation = p.new AND n.attname = o.attname
             ), named AS (
                 SELECT r.about, r.new, o.relacl AS from_acl, o.relrowsecurity AND NOT n.relrowsecurity AS hides_rows,
                        n.relowner, n.relacl AS acl, r.old <> r.new AS other,
                        CASE n.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || r.new::regclass::text AS name,
                        acldefault(CASE n.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, o.relowner)
                            AS owners_acl
                 FROM relation r JOIN pg_class o ON o.oid = r.old JOIN pg_class n ON n.oid = r.new
             ), step AS (
                 SELECT r.about, 1 AS turn, 'REVOKE ALL' AS what, r.name, 'FROM' AS whom, a.grantee, false AS may_grant
                 FROM named r, aclexplode(r.acl) a WHERE r.other AND a.grantee <> r.relowner
                 UNION
                 SELECT r.about, 2, 'GRANT ' || a.privilege_type, r.name, 'TO', a.grantee, a.is_grantable
                 FROM named r, aclexplode(coalesce(r.from_acl, r.owners_acl)) a WHERE a.grantee <> r.relowner
                 UNION
                 SELECT p.new, 3, format('GRANT %s (%I)', a.privilege_type, n.attname),
                        'TABLE ' || p.new::regclass::text, 'TO', a.grantee, a.is_grantable
                 FROM pair p
                 JOIN pg_attribute o ON o.attrelid = p.old AND o.attacl IS NOT NULL AND NOT o.attisdropped
                 JOIN pg_attribute n ON n.attrelid = p.new AND n.attname = o.attname AND NOT n.attisdropped,
                 aclexplode(o.attacl) a
             )
             SELECT about, turn, format('%s ON %s %s %s%s', what, name, whom,
                 CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                 CASE WHEN may_grant THEN ' WITH GRANT OPTION' ELSE '' END) FROM step
             UNION ALL
             SELECT about, 0, format('ALTER %s ENABLE ROW LEVEL SECURITY', name) FROM named WHERE hides_rows
             ORDER BY 2, 3",
            &[&from, &onto],
        )
        .await
        .map_err(while_doing("reading grants", "pg_class"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(2))).collect())
}

/// Carries statements of [`grants`] out.
pub(super) async fn run(transaction: &Transaction<'_>, statements: &[String]) -> Result<(), WarehouseError> {
    for statement in statements {
        transaction.batch_execute(statement).await.map_err(while_doing("carrying grants over", statement))?;
    }
    Ok(())
}
