//! The component side of the contract. Generated code and nothing else needs `unsafe` here.

use std::cell::RefCell;
use std::marker::PhantomData;

use star_contract::without_fields;

use crate::{Column, ColumnType, Delivery, Role, Session, Transform};

#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../contract/wit",
        world: "star",
        pub_export_macro: true,
    });
}

use bindings::exports::totesys::star::transform as wit;

/// Makes the star's transform; implemented by `export_star!`.
pub trait Make: 'static {
    /// A fresh transform for one batch.
    fn make() -> Box<dyn Transform>;
}

/// The component of a star.
pub struct Component<M>(PhantomData<M>);

/// The transformer resource of a star.
pub struct Transformer<M> {
    session: RefCell<Session>,
    star: PhantomData<M>,
}

impl<M: Make> wit::Guest for Component<M> {
    type Transformer = Transformer<M>;

    fn describe() -> wit::Description {
        let description = M::make().description().clone();
        wit::Description {
            star: description.star,
            version: description.version,
            inputs: description.inputs.into_iter().map(input).collect(),
            outputs: description.outputs.into_iter().map(output).collect(),
            extras: description.extras,
        }
    }
}

impl<M: Make> wit::GuestTransformer for Transformer<M> {
    fn new() -> Self {
        Self { session: RefCell::new(Session::new(M::make())), star: PhantomData }
    }

    fn push(&self, table: String, arrow_ipc: Vec<u8>) -> Result<wit::Outcome, String> {
        self.session.borrow_mut().push(&table, arrow_ipc).map(outcome).map_err(|error| error.to_string())
    }

    fn finish(&self) -> Result<wit::Outcome, String> {
        self.session.borrow_mut().finish().map(outcome).map_err(|error| error.to_string())
    }
}

fn outcome(outcome: crate::Outcome) -> wit::Outcome {
    let outputs = outcome.outputs.into_iter();
    let refused = outcome.refused.into_iter();
    wit::Outcome {
        outputs: outputs.map(|batch| wit::OutputBatch { table: batch.table, arrow_ipc: batch.arrow_ipc }).collect(),
        refused: refused
            .map(|row| wit::RefusedRow {
                table: row.table,
                push: row.push,
                row: row.row,
                column: row.column,
                code: row.code,
                text: row.text,
                extras: Vec::new(),
            })
            .collect(),
        extras: Vec::new(),
    }
}

fn input(input: crate::Input) -> wit::Input {
    wit::Input {
        table: input.table,
        columns: input.columns.into_iter().map(column).collect(),
        key: input.key,
        delivered: match input.delivery {
            Delivery::Changes => wit::Delivery::Changes,
            Delivery::Snapshot => wit::Delivery::Snapshot,
        },
        extras: input.extras,
    }
}

fn output(output: crate::Output) -> wit::Output {
    let created = output.created().into_iter().map(str::to_owned).collect();
    let references = output.references.into_iter();
    wit::Output {
        table: output.table,
        is: match output.role {
            Role::Fact => wit::Role::Fact,
            Role::Dimension => wit::Role::Dimension,
        },
        columns: output.columns.into_iter().map(column).collect(),
        business_key: output.business_key,
        surrogate_key: output.surrogate_key,
        references: references
            .map(|reference| wit::Reference {
                column: reference.column,
                table: reference.table,
                target: reference.target,
                extras: Vec::new(),
            })
            .collect(),
        keyed_by: output.keyed_by,
        created,
        extras: without_fields(output.extras),
    }
}

fn column(column: Column) -> wit::Column {
    let unconstrained = column.is_unconstrained();
    wit::Column {
        name: column.name,
        of: match column.column_type {
            ColumnType::Int16 => wit::ColumnType::Int16,
            ColumnType::Int32 => wit::ColumnType::Int32,
            ColumnType::Int64 => wit::ColumnType::Int64,
            ColumnType::Float64 => wit::ColumnType::Float64,
            ColumnType::Decimal { precision, scale } => {
                wit::ColumnType::Decimal(wit::DecimalType { precision, scale, unconstrained })
            }
            ColumnType::Text => wit::ColumnType::Text,
            ColumnType::Bool => wit::ColumnType::Boolean,
            ColumnType::Date => wit::ColumnType::Date,
            ColumnType::Time => wit::ColumnType::Time,
            ColumnType::Timestamp => wit::ColumnType::Timestamp,
            ColumnType::Timestamptz => wit::ColumnType::Timestamptz,
            ColumnType::Uuid => wit::ColumnType::Uuid,
            ColumnType::Bytes => wit::ColumnType::Bytes,
            ColumnType::Json => wit::ColumnType::Json,
        },
        nullable: column.nullable,
        extras: without_fields(column.extras),
    }
}
