//! From the bindings of one contract version to plain values. The bindings of two versions have the same types twice,
//! so this is a macro: what differs, a version says in `decimal` and `created`.

macro_rules! translation {
    () => {
        use star_contract as plain;

        use exports::totesys::star::transform as wit;

        pub(super) fn description(found: wit::Description) -> plain::Description {
            plain::Description {
                star: found.star,
                version: found.version,
                inputs: found.inputs.into_iter().map(input).collect(),
                outputs: found.outputs.into_iter().map(output).collect(),
                extras: found.extras,
            }
        }

        fn input(found: wit::Input) -> plain::Input {
            plain::Input {
                table: found.table,
                columns: found.columns.into_iter().map(column).collect(),
                key: found.key,
                delivery: match found.delivered {
                    wit::Delivery::Changes => plain::Delivery::Changes,
                    wit::Delivery::Snapshot => plain::Delivery::Snapshot,
                },
                extras: found.extras,
            }
        }

        fn output(found: wit::Output) -> plain::Output {
            let created = created(&found);
            let references = found.references.into_iter();
            let mut output = plain::Output {
                table: found.table,
                role: match found.is {
                    wit::Role::Fact => plain::Role::Fact,
                    wit::Role::Dimension => plain::Role::Dimension,
                },
                columns: found.columns.into_iter().map(column).collect(),
                business_key: found.business_key,
                surrogate_key: found.surrogate_key,
                references: references
                    .map(|found| plain::Reference { column: found.column, table: found.table, target: found.target })
                    .collect(),
                keyed_by: found.keyed_by,
                extras: found.extras,
            };
            if let Some(created) = created {
                output.extras = plain::without_fields(output.extras);
                output.set_created(&created);
            }
            output
        }

        fn column(found: wit::Column) -> plain::Column {
            let mut unconstrained = None;
            let column_type = match found.of {
                wit::ColumnType::Int16 => plain::ColumnType::Int16,
                wit::ColumnType::Int32 => plain::ColumnType::Int32,
                wit::ColumnType::Int64 => plain::ColumnType::Int64,
                wit::ColumnType::Float64 => plain::ColumnType::Float64,
                wit::ColumnType::Decimal(found) => {
                    unconstrained = decimal(&found);
                    plain::ColumnType::Decimal { precision: found.precision, scale: found.scale }
                }
                wit::ColumnType::Text => plain::ColumnType::Text,
                wit::ColumnType::Boolean => plain::ColumnType::Bool,
                wit::ColumnType::Date => plain::ColumnType::Date,
                wit::ColumnType::Time => plain::ColumnType::Time,
                wit::ColumnType::Timestamp => plain::ColumnType::Timestamp,
                wit::ColumnType::Timestamptz => plain::ColumnType::Timestamptz,
                wit::ColumnType::Uuid => plain::ColumnType::Uuid,
                wit::ColumnType::Bytes => plain::ColumnType::Bytes,
                wit::ColumnType::Json => plain::ColumnType::Json,
            };
            let mut column =
                plain::Column { name: found.name, column_type, nullable: found.nullable, extras: found.extras };
            if let Some(unconstrained) = unconstrained {
                column.extras = plain::without_fields(column.extras);
                if unconstrained {
                    column.unconstrain();
                }
            }
            column
        }

        pub(super) fn outcome(found: wit::Outcome) -> plain::Outcome {
            let outputs = found.outputs.into_iter();
            let refused = found.refused.into_iter();
            plain::Outcome {
                outputs: outputs
                    .map(|batch| plain::OutputBatch { table: batch.table, arrow_ipc: batch.arrow_ipc })
                    .collect(),
                refused: refused
                    .map(|row| plain::RefusedRow {
                        table: row.table,
                        push: row.push,
                        row: row.row,
                        column: row.column,
                        code: row.code,
                        text: row.text,
                    })
                    .collect(),
            }
        }

        impl totesys::star::log::Host for crate::state::State {
            fn message(&mut self, level: totesys::star::log::Level, text: String) {
                use totesys::star::log::Level;
                self.log(
                    match level {
                        Level::Debug => "debug",
                        Level::Info => "info",
                        Level::Warn => "warn",
                    },
                    &text,
                );
            }
        }
    };
}

pub(super) use translation;
