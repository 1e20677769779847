//! The contract implemented by hand, so that every promise of it can be broken.

use author_kit::guest::bindings::exports::totesys::star::transform::{
    Column, ColumnType, Delivery, Description, Guest, GuestTransformer, Input, Outcome, Output, OutputBatch,
    RefusedRow, Role,
};
use author_kit::guest::bindings::totesys::star::log;

use crate::BEHAVIOURS;

struct Hostile;
struct Transformer;

author_kit::guest::bindings::export!(Hostile with_types_in author_kit::guest::bindings);

fn id() -> Column {
    Column { name: "id".into(), of: ColumnType::Int32, nullable: false, extras: vec![] }
}

impl Guest for Hostile {
    type Transformer = Transformer;

    fn describe() -> Description {
        let input = |table: &&str| Input {
            table: (*table).to_owned(),
            columns: vec![id()],
            key: vec!["id".into()],
            delivered: Delivery::Changes,
            extras: vec![],
        };
        Description {
            star: "hostile".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            inputs: BEHAVIOURS.iter().map(input).collect(),
            outputs: vec![Output {
                table: "dim_hostile".into(),
                is: Role::Dimension,
                columns: vec![id()],
                business_key: vec!["id".into()],
                surrogate_key: None,
                references: vec![],
                keyed_by: None,
                extras: vec![],
            }],
            extras: vec![],
        }
    }
}

impl GuestTransformer for Transformer {
    fn new() -> Self {
        Self
    }

    fn push(&self, table: String, arrow_ipc: Vec<u8>) -> Result<Outcome, String> {
        match table.as_str() {
            "loop" => loop {
                std::hint::black_box(&arrow_ipc);
            },
            "allocate" => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    held.push(vec![1; 1 << 20]);
                    std::hint::black_box(&held);
                }
            }
            "recurse" => Err(recurse(&arrow_ipc).to_string()),
            "trap" => panic!("a guest may panic"),
            "fail" => Err("the star gives up".into()),
            "no-arrow" => Ok(rows("dim_hostile", b"this is no Arrow stream".to_vec())),
            "truncated-arrow" => {
                let half = arrow_ipc.len() / 2;
                Ok(rows("dim_hostile", arrow_ipc[..half].to_vec()))
            }
            "wrong-schema" => Ok(rows("dim_hostile", renamed(arrow_ipc))),
            "unknown-output" => Ok(rows("dim_other", arrow_ipc)),
            "flood" => Ok(Outcome {
                outputs: (0..4_096)
                    .map(|_| OutputBatch { table: "dim_hostile".into(), arrow_ipc: arrow_ipc.clone() })
                    .collect(),
                refused: vec![],
                extras: vec![],
            }),
            "log-flood" => {
                let line = "x".repeat(1 << 16);
                for _ in 0..4_096 {
                    log::message(log::Level::Info, &line);
                }
                Ok(rows("dim_hostile", arrow_ipc))
            }
            "refuse-beyond" => Ok(refused(&table, u32::MAX, 1)),
            "refuse-again" => Ok(refused(&table, 0, 1_000)),
            "many-codes" => {
                let mut outcome = refused(&table, 0, 100);
                for (row, refusal) in (0..).zip(&mut outcome.refused) {
                    (refusal.row, refusal.code) = (row, format!("hostile-{row}"));
                }
                Ok(outcome)
            }
            _ => Ok(rows("dim_hostile", arrow_ipc)),
        }
    }

    fn finish(&self) -> Result<Outcome, String> {
        Ok(Outcome { outputs: vec![], refused: vec![], extras: vec![] })
    }
}

fn rows(table: &str, arrow_ipc: Vec<u8>) -> Outcome {
    Outcome { outputs: vec![OutputBatch { table: table.to_owned(), arrow_ipc }], refused: vec![], extras: vec![] }
}

/// One row refused so many times.
fn refused(table: &str, row: u32, times: usize) -> Outcome {
    let refusal = RefusedRow {
        table: table.to_owned(),
        push: 0,
        row,
        column: None,
        code: "hostile".into(),
        text: String::new(),
        extras: vec![],
    };
    Outcome { outputs: vec![], refused: vec![refusal; times], extras: vec![] }
}

/// The same stream with its column `id` called `di`.
fn renamed(mut stream: Vec<u8>) -> Vec<u8> {
    if let Some(at) = stream.windows(4).position(|bytes| bytes == b"id\0\0") {
        stream[at..at + 2].copy_from_slice(b"di");
    }
    stream
}

fn recurse(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let frame = [bytes.len() as u64; 64];
    std::hint::black_box(&frame);
    frame[bytes.len() % 64] + recurse(std::hint::black_box(bytes))
}
