//! What can go wrong, in the words of the person who has to fix it.

use totesys_postgres::{CodecError, ConnectionError, PostgresError, PostgresErrorKind};

use crate::LakeStamp;

/// Why the warehouse refused or failed. No variant carries a row's value.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// There is no connection.
    #[error("the warehouse cannot be reached")]
    Connect(#[source] Box<ConnectionError>),

    /// A statement failed.
    #[error("the warehouse failed while {doing} ({subject})")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// The table or star it was done to.
        subject: String,
        /// What PostgreSQL said, without row values.
        #[source]
        source: Box<PostgresError>,
    },

    /// The role may not do what loading needs.
    #[error("the warehouse role lacks a right needed for {doing} ({subject})")]
    Rights {
        /// What was being done.
        doing: &'static str,
        /// The schema, table or star it was done to.
        subject: String,
        /// What PostgreSQL said.
        #[source]
        source: Box<PostgresError>,
    },

    /// The main schema is absent and the role cannot create it.
    #[error("the warehouse has no schema `{schema}` and the role may not create it")]
    NoSchema {
        /// The schema of the settings.
        schema: String,
    },

    /// A name of the settings, or one made from a description, does not fit PostgreSQL.
    #[error("the name `{name}` cannot be used: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The warehouse belongs to another lake or another source.
    #[error("the warehouse is filled from another lake or source")]
    Stamp {
        /// What the warehouse was stamped with.
        found: Box<LakeStamp>,
        /// What this run brings.
        expected: Box<LakeStamp>,
    },

    /// The descriptions do not fit together or ask for what cannot be.
    #[error("`{table}` of star `{star}` cannot be kept: {problem}")]
    Plan {
        /// The star.
        star: String,
        /// The table, or the table and column.
        table: String,
        /// What is wrong.
        problem: &'static str,
    },

    /// A table is not what its description says, and the difference is not additive.
    #[error("column `{column}` of `{table}` should be `{expected}` and is `{found}`")]
    ShapeChanged {
        /// The table.
        table: String,
        /// The column, or the key.
        column: String,
        /// What the description says.
        expected: String,
        /// What the warehouse has.
        found: String,
    },

    /// A fact that no prepared star has.
    #[error("there is no fact `{fact}`")]
    NoSuchFact {
        /// The name that was asked for.
        fact: String,
        /// The facts there are.
        known: Vec<String>,
    },

    /// A key that is not of its fact's shape. Its value is not shown.
    #[error("the key does not fit `{fact}`")]
    UnfitKey {
        /// The fact.
        fact: String,
        /// The columns of its key with their types.
        key: Vec<String>,
    },

    /// A table of the warehouse was dropped while another that belongs to it stands.
    #[error("the warehouse lacks the table {table}, though {beside} is there")]
    TableMissing {
        /// The table that is gone, quoted.
        table: String,
        /// The table that shows it was there, quoted.
        beside: String,
    },

    /// Something else stands where a table or a view should.
    #[error("`{name}` should be a {expected} and is a {found}")]
    KindChanged {
        /// The name.
        name: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },

    /// A foreign key was dropped, and rows came or went that it would not have let.
    #[error("`{table}` has rows whose `{column}` is not in `{target}`, so that its foreign key cannot be made")]
    ForeignKeyBroken {
        /// The table.
        table: String,
        /// Its column.
        column: String,
        /// The dimension it points at.
        target: String,
    },

    /// A view was replaced by hand and cannot be made anew.
    #[error("the view `{view}` is not what the loader made, and other views depend on it")]
    ViewReplaced {
        /// The view.
        view: String,
    },

    /// A star that [`prepare`](crate::Warehouse::prepare) was not given.
    #[error("the star `{star}` was not prepared")]
    UnknownStar {
        /// The star.
        star: String,
    },

    /// A table the star does not describe.
    #[error("the star `{star}` does not write `{table}`")]
    UnknownTable {
        /// The star.
        star: String,
        /// The table.
        table: String,
    },

    /// A record batch does not have its table's columns.
    #[error("a record batch for `{table}` does not fit its description: column `{column}` {problem}")]
    BatchShape {
        /// The table.
        table: String,
        /// The first column that does not fit.
        column: String,
        /// How it does not fit.
        problem: &'static str,
    },

    /// A value cannot be written in PostgreSQL's format.
    #[error("a record batch for `{table}` cannot be encoded")]
    Codec {
        /// The table.
        table: String,
        /// What the codec said.
        #[source]
        source: Box<CodecError>,
    },

    /// A batch number or snapshot time PostgreSQL cannot hold.
    #[error("batch {batch} of star `{star}` has a number or snapshot time out of range")]
    Range {
        /// The star.
        star: String,
        /// The batch.
        batch: u64,
    },

    /// Batches of a star load in order, without gaps.
    #[error("batch {offered} of star `{star}` is out of order: the newest loaded batch is {newest}")]
    OutOfOrder {
        /// The star.
        star: String,
        /// The newest batch in the ledger.
        newest: u64,
        /// The batch that was offered.
        offered: u64,
    },

    /// The batch was made for another generation of its star than the warehouse holds.
    #[error(
        "a batch of generation {offered} of star `{star}` cannot be loaded: the warehouse holds generation {found}"
    )]
    OtherGeneration {
        /// The star.
        star: String,
        /// The generation of the warehouse.
        found: u64,
        /// The generation of the batch.
        offered: u64,
    },

    /// Two stars say different things about one dimension row in the same batch.
    #[error(
        "star `{star}` disagrees with `{owner}`, the owner of `{dimension}`, on {rows} rows (by `{key}`) of batch {batch}"
    )]
    Disagreement {
        /// The star whose batch was refused.
        star: String,
        /// The star that owns the dimension.
        owner: String,
        /// The dimension.
        dimension: String,
        /// Its key columns.
        key: String,
        /// How many rows differ.
        rows: u64,
        /// The batch both describe.
        batch: u64,
    },

    /// A rebuild needs schemas that are not there, and the role may not create them.
    #[error("the warehouse role may not create the schemas of a rebuild: {}", schemas.join(", "))]
    RebuildRights {
        /// The schemas that are missing, or that the role may not use.
        schemas: Vec<String>,
    },

    /// Tables or views that change places belong to somebody else.
    #[error("the warehouse role does not own what a rebuild replaces: {}", objects.join(", "))]
    NotOwner {
        /// The tables and views.
        objects: Vec<String>,
    },

    /// Tables that would be replaced show even their owner only what policies allow.
    #[error("tables that would be replaced have FORCE ROW LEVEL SECURITY: {}", tables.join(", "))]
    ForcedRowSecurity {
        /// The tables.
        tables: Vec<String>,
    },

    /// There is no rebuild to swap in.
    #[error("the schema `{schema}` holds no rebuild of star `{star}` to generation {generation}")]
    NoShadow {
        /// The star.
        star: String,
        /// The generation that was asked for.
        generation: u64,
        /// The schema a rebuild is kept in.
        schema: String,
    },

    /// A rebuild has not caught up with the warehouse it would replace.
    #[error("the rebuild is at batch {shadow} of star `{star}`, the warehouse at batch {main}")]
    ShadowBehind {
        /// The star that is behind.
        star: String,
        /// Its newest batch in the rebuild; 0 is none.
        shadow: u64,
        /// Its newest batch in the warehouse.
        main: u64,
    },

    /// The tables an earlier rebuild replaced are still kept.
    #[error("the schema `{schema}` still keeps the tables that an earlier rebuild replaced")]
    FormerKept {
        /// The schema they are in.
        schema: String,
    },

    /// There are no tables that a rebuild replaced.
    #[error("the schema `{schema}` keeps no tables that a rebuild replaced")]
    NoFormer {
        /// The schema they would be in.
        schema: String,
    },

    /// What is somebody else's stands in a schema that is a rebuild's own, or where a table has to go.
    #[error("the schema `{schema}` holds what no rebuild made: {}", objects.join(", "))]
    ForeignObjects {
        /// The schema.
        schema: String,
        /// What is in it, or depends on what is.
        objects: Vec<String>,
    },

    /// Tables that are to be dropped are in use by what is somebody else's.
    #[error("tables that would be dropped are still used: {}", dependents.join(", "))]
    StillUsed {
        /// What depends on them.
        dependents: Vec<String>,
        /// The schema of the tables that are to stay instead, if it is not the warehouse's own.
        instead: Option<String>,
    },

    /// A dimension that no prepared star has.
    #[error("there is no dimension `{dimension}`")]
    NoSuchDimension {
        /// The name that was asked for.
        dimension: String,
        /// The dimensions there are.
        known: Vec<String>,
    },

    /// The record ids of a fact are used up.
    #[error("`{table}` has no record ids left: its surrogate key is a 4-byte integer")]
    IdsExhausted {
        /// The fact.
        table: String,
    },
}

impl WarehouseError {
    /// What the reader should do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Connect(source) => return source.hint(),
            Self::Database { source, .. } => return source.hint(),
            Self::Rights { subject, .. } => format!(
                "grant the role USAGE and CREATE on the warehouse's schema, TEMPORARY on its database, and make it \
                 the owner of the tables it loads (here: {subject})"
            ),
            Self::NoSchema { schema } => format!(
                "let an administrator run CREATE SCHEMA {} AUTHORIZATION <the role>, or grant the role CREATE on the \
                 database",
                totesys_postgres::quote_identifier(schema)
            ),
            Self::Name { .. } => "choose a shorter name; PostgreSQL keeps 63 bytes of a name".to_owned(),
            Self::Stamp { found, expected } => format!(
                "the warehouse belongs to {found}; this run is for {expected}: point the settings at the right \
                 warehouse, or at an empty schema"
            ),
            Self::Plan { .. } => "correct the component's description or the catalog's owners".to_owned(),
            Self::ShapeChanged { .. } => "only new nullable columns are added by themselves; change the table by hand \
                                          or give the component another schema"
                .to_owned(),
            Self::TableMissing { .. } => "somebody dropped it: restore it from a backup of the warehouse, or load the \
                                          lake into an empty schema"
                .to_owned(),
            Self::KindChanged { name, .. } => {
                format!("drop or rename `{name}`; what the loader keeps there is its own")
            }
            Self::ForeignKeyBroken { target, .. } => format!(
                "restore the rows of `{target}` from a backup of the warehouse, or load the lake into an empty schema"
            ),
            Self::ViewReplaced { view } => {
                format!("drop the views that depend on `{view}` and the view itself: the next run makes it anew")
            }
            Self::UnknownStar { .. } | Self::UnknownTable { .. } => {
                "the catalog record of this run must describe it".to_owned()
            }
            Self::BatchShape { .. } | Self::Codec { .. } => {
                "the component's output does not match its own description: publish a corrected component".to_owned()
            }
            Self::Range { .. } => "the manifest of this batch is damaged".to_owned(),
            Self::OutOfOrder { newest, .. } => format!("load batch {} next", newest.saturating_add(1)),
            Self::Disagreement { dimension, .. } => format!(
                "both components must derive `{dimension}` alike: publish versions that share its code, then load \
                 again"
            ),
            Self::OtherGeneration { found, offered, .. } if found > offered => {
                "a rebuild was swapped in meanwhile; the next run goes on with it".to_owned()
            }
            Self::OtherGeneration { star, .. } => format!(
                "a rebuild of this star is committed and not swapped in yet: run `cargo xtask transform rebuild --star \
                 {star}` to finish it"
            ),
            Self::RebuildRights { schemas } => {
                let quoted: Vec<String> =
                    schemas.iter().map(|schema| totesys_postgres::quote_identifier(schema)).collect();
                format!("create the schemas {} beforehand and let the role own them", quoted.join(", "))
            }
            Self::NotOwner { .. } => "make the role their owner, or a member of the role that owns them".to_owned(),
            Self::ForcedRowSecurity { .. } => "ALTER TABLE … NO FORCE ROW LEVEL SECURITY for the swap, and make the \
                                               policies by hand on the tables that take their places"
                .to_owned(),
            Self::NoShadow { star, .. } => format!("run `cargo xtask transform rebuild --star {star}`"),
            Self::ShadowBehind { .. } => "run the rebuild again: it goes on where it stopped".to_owned(),
            Self::FormerKept { .. } => "accept that rebuild or undo it first".to_owned(),
            Self::NoFormer { .. } => "no rebuild was swapped in, or the last one was accepted or undone".to_owned(),
            Self::ForeignObjects { .. } => "move them to another schema or drop them, then try again".to_owned(),
            Self::StillUsed { instead: Some(schema), .. } => format!(
                "point them at the tables of {} first, or drop them, then try again",
                totesys_postgres::quote_identifier(schema)
            ),
            Self::StillUsed { instead: None, .. } => {
                "let them read the tables of the warehouse, or drop them, then try again".to_owned()
            }
            Self::NoSuchDimension { known, .. } => format!("the dimensions there are: {}", known.join(", ")),
            Self::NoSuchFact { known, .. } => format!("the facts there are: {}", known.join(", ")),
            Self::UnfitKey { key, .. } => format!("its key is {}, one argument each", key.join(" and ")),
            Self::IdsExhausted { table } => format!(
                "rename the warehouse's schema, keep it as an archive, and load `{table}` and the other tables into a new \
                 one"
            ),
        })
    }

    /// Whether a shadow lacks what was loaded meanwhile.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::ShadowBehind { .. })
    }

    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect(source) => source.is_transient(),
            Self::Database { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}

/// Turns what PostgreSQL said into an error that knows what was being done.
pub(crate) fn while_doing(doing: &'static str, subject: &str) -> impl FnOnce(tokio_postgres::Error) -> WarehouseError {
    let subject = subject.to_owned();
    move |error| {
        let source = Box::new(PostgresError::from(error));
        if source.kind() == PostgresErrorKind::InsufficientPrivilege {
            WarehouseError::Rights { doing, subject, source }
        } else {
            WarehouseError::Database { doing, subject, source }
        }
    }
}
