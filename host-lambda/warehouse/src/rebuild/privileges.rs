//! Who may do what with a table, carried over to the one that takes its place.

use tokio_postgres::{Row, Transaction};

use crate::WarehouseError;
use crate::error::while_doing;

/// Gives tables exactly the grants that others have, those of their columns and sequences included. A table whose rows
/// were shown by policies shows none until somebody makes policies for it: no grant must show more than before.
pub(super) async fn carry_over(
    transaction: &Transaction<'_>,
    from: &[u32],
    onto: &[u32],
) -> Result<(), WarehouseError> {
    let grants = grants(transaction, from, onto).await?;
    run(transaction, grants.iter().map(|grant| &grant.statement)).await
}

/// Gives tables, whose schema is another by now, what the default privileges of their owner are there.
pub(super) async fn defaults(transaction: &Transaction<'_>, tables: &[u32]) -> Result<(), WarehouseError> {
    let rows = transaction
        .query(
            "WITH relation AS (
                 SELECT t.oid, 'r'::\"char\" AS kind FROM unnest($1::oid[]) AS t (oid)
                 UNION ALL
                 SELECT d.objid, 'S' FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                   AND d.refobjid = ANY ($1::oid[]) AND d.deptype IN ('a', 'i')
             )
             SELECT format('GRANT %s ON %s %s TO %s%s', a.privilege_type,
                 CASE r.kind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, r.oid::regclass,
                 CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                 CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
             FROM relation r JOIN pg_class c ON c.oid = r.oid
             JOIN pg_default_acl d ON d.defaclrole = c.relowner AND d.defaclnamespace = c.relnamespace
                  AND d.defaclobjtype = r.kind,
             aclexplode(d.defaclacl) a WHERE a.grantee <> c.relowner ORDER BY 1",
            &[&tables],
        )
        .await
        .map_err(while_doing("reading default privileges", "pg_default_acl"))?;
    let statements: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    run(transaction, statements.iter()).await
}

/// A statement that gives a relation something of another.
#[derive(Debug)]
pub(super) struct Grant {
    /// The relation that had it.
    pub(super) about: u32,
    /// The column it is about, if it is about one, and how that is called.
    pub(super) column: Option<(String, String)>,
    pub(super) statement: String,
}

/// The statements that give relations the owner and the grants of others. Their own of now are what a view that is
/// made anew will lack. An owner is given where the role may, and keeps its rights through it.
pub(super) async fn grants(
    transaction: &Transaction<'_>,
    from: &[u32],
    onto: &[u32],
) -> Result<Vec<Grant>, WarehouseError> {
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
                        n.relowner, n.relacl AS acl, r.old <> r.new AS other, n.relkind, o.relowner AS former_owner,
                        pg_has_role(o.relowner, 'USAGE')
                            AND (has_schema_privilege(o.relowner, n.relnamespace, 'CREATE')
                                 OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)) AS may_own,
                        CASE n.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || r.new::regclass::text AS name,
                        acldefault(CASE n.relkind WHEN 'S' THEN 's'::\"char\" ELSE 'r'::\"char\" END, o.relowner)
                            AS owners_acl
                 FROM relation r JOIN pg_class o ON o.oid = r.old JOIN pg_class n ON n.oid = r.new
             ), owned AS (
                 SELECT r.*, CASE WHEN r.may_own THEN r.former_owner ELSE r.relowner END AS owner FROM named r
             ), step AS (
                 SELECT r.about, NULL::name AS of_column, 1 AS turn, 'REVOKE ALL' AS what, r.name, 'FROM' AS whom,
                        a.grantee, false AS may_grant
                 FROM owned r, aclexplode(r.acl) a WHERE r.other AND a.grantee NOT IN (r.relowner, r.owner)
                 UNION
                 SELECT r.about, NULL, 2, 'GRANT ' || a.privilege_type, r.name, 'TO', a.grantee, a.is_grantable
                 FROM owned r, aclexplode(coalesce(r.from_acl, r.owners_acl)) a WHERE a.grantee <> r.owner
                 UNION
                 SELECT p.new, o.attname, 3, format('GRANT %s (%I)', a.privilege_type, n.attname),
                        'TABLE ' || p.new::regclass::text, 'TO', a.grantee, a.is_grantable
                 FROM pair p
                 JOIN pg_attribute o ON o.attrelid = p.old AND o.attacl IS NOT NULL AND NOT o.attisdropped
                 JOIN pg_attribute n ON n.attrelid = p.new AND n.attname = o.attname AND NOT n.attisdropped,
                 aclexplode(o.attacl) a
             )
             SELECT about, of_column::text,
                 CASE WHEN of_column IS NOT NULL THEN
                     (SELECT pg_describe_object('pg_class'::regclass, about, attnum) FROM pg_attribute
                      WHERE attrelid = about AND attname = of_column) END,
                 turn, format('%s ON %s %s %s%s', what, name, whom,
                 CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                 CASE WHEN may_grant THEN ' WITH GRANT OPTION' ELSE '' END) FROM step
             UNION ALL
             SELECT about, NULL, NULL, 0, format('ALTER %s ENABLE ROW LEVEL SECURITY', name) FROM named WHERE hides_rows
             UNION ALL
             SELECT about, NULL, NULL, -1, format('ALTER %s OWNER TO %I', name, pg_get_userbyid(owner))
             FROM owned WHERE relkind <> 'S' AND may_own
               AND (owner <> relowner OR NOT other AND pg_get_userbyid(owner) <> current_user)
             ORDER BY 4, 5",
            &[&from, &onto],
        )
        .await
        .map_err(while_doing("reading grants", "pg_class"))?;
    let column = |row: &Row| Some((row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?));
    let grant = |row| Grant { about: Row::get(row, 0), column: column(row), statement: Row::get(row, 4) };
    Ok(rows.iter().map(grant).collect())
}

/// Carries statements out that give privileges.
pub(super) async fn run(
    transaction: &Transaction<'_>,
    statements: impl Iterator<Item = &String>,
) -> Result<(), WarehouseError> {
    for statement in statements {
        transaction.batch_execute(statement).await.map_err(while_doing("carrying grants over", statement))?;
    }
    Ok(())
}
