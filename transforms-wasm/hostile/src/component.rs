//! The contract implemented by hand, so that every promise of it can be broken.

mod exhaust;
mod flatbuffer;
mod outcomes;
mod streams;
mod tricks;

use author_kit::guest::bindings::exports::totesys::star::transform::{Description, Guest, GuestTransformer, Outcome};
use author_kit::guest::bindings::totesys::star::log;

use outcomes::{codes, flood, nothing, refused, rows};

/// The output most behaviours write: its only column is `id`.
const OUTPUT: &str = "dim_hostile";

/// The output with a decimal and a text.
const PRICED: &str = "dim_priced";

/// More than a call may give back under the limits of the tests, and less than the memory they allow.
const ENORMOUS: usize = 12 << 20;

struct Hostile;
struct Transformer;

author_kit::guest::bindings::export!(Hostile with_types_in author_kit::guest::bindings);

impl Guest for Hostile {
    type Transformer = Transformer;

    fn describe() -> Description {
        tricks::disturb("describe");
        tricks::description()
    }
}

impl GuestTransformer for Transformer {
    fn new() -> Self {
        tricks::disturb("new");
        Self
    }

    fn push(&self, table: String, arrow_ipc: Vec<u8>) -> Result<Outcome, String> {
        if let Some((output, stream)) = streams::crafted(&table) {
            return Ok(rows(output, stream));
        }
        match table.as_str() {
            "behave" => Ok(rows(tricks::output(), arrow_ipc)),

            "loop" => exhaust::spin(),
            "loop-and-log" => loop {
                log::message(log::Level::Debug, "once more");
            },
            "allocate" => exhaust::allocate(),
            "grow-memory" => exhaust::grow_memory(),
            "grow-memory-in-vain" => {
                exhaust::grow_memory_in_vain();
                Ok(rows(OUTPUT, arrow_ipc))
            }
            "recurse" => Err(exhaust::recurse_wide(&arrow_ipc).to_string()),
            "recurse-deep" => Err(exhaust::recurse().to_string()),
            "trap" => panic!("a guest may panic"),
            "unreachable" => core::arch::wasm32::unreachable(),
            "index-beyond" => Err(arrow_ipc[std::hint::black_box(usize::MAX)].to_string()),
            "divide-by-zero" => Err((arrow_ipc.len() / std::hint::black_box(0)).to_string()),
            "fail" => Err("the star gives up".into()),
            "fail-long" => Err("x".repeat(1 << 20)),
            "fail-enormous" => Err("x".repeat(ENORMOUS)),

            "flood" => Ok(flood(OUTPUT, &arrow_ipc, 4_096)),
            "flood-empty" => Ok(flood(OUTPUT, &[], 200_000)),
            "huge-output" => Ok(rows(OUTPUT, vec![0; ENORMOUS])),
            "log-flood" => {
                let line = "x".repeat(1 << 16);
                for _ in 0..4_096 {
                    log::message(log::Level::Info, &line);
                }
                Ok(rows(OUTPUT, arrow_ipc))
            }
            "log-enormous" => {
                log::message(log::Level::Warn, &"x".repeat(ENORMOUS));
                Ok(rows(OUTPUT, arrow_ipc))
            }

            "unknown-output" => Ok(rows("dim_other", arrow_ipc)),
            "long-output" => Ok(rows(&"x".repeat(1 << 16), arrow_ipc)),
            "wrong-schema" => Ok(rows(OUTPUT, streams::renamed(arrow_ipc))),
            "no-arrow" => Ok(rows(OUTPUT, b"this is no Arrow stream".to_vec())),
            "empty-arrow" => Ok(rows(OUTPUT, Vec::new())),
            "truncated-arrow" => {
                let half = arrow_ipc.len() / 2;
                Ok(rows(OUTPUT, arrow_ipc[..half].to_vec()))
            }
            "trailing-garbage" => Ok(rows(OUTPUT, [arrow_ipc.as_slice(), b"and so on"].concat())),

            "refuse-first" => Ok(refused(&table, 0, 1)),
            "refuse-beyond" => Ok(refused(&table, u32::MAX, 1)),
            "refuse-one-beyond" => Ok(refused(&table, streams::ROWS, 1)),
            "refuse-other-push" => Ok(outcomes::altered(&table, |row| row.push = 1)),
            "refuse-other-table" => Ok(refused("behave", 0, 1)),
            "refuse-other-column" => Ok(outcomes::altered(&table, |row| row.column = Some("nothing".into()))),
            "refuse-again" => Ok(refused(&table, 0, 1_000)),
            "refuse-flood" => Ok(refused(&table, 0, 100_000)),
            "refuse-long" => Ok(outcomes::altered(&table, |row| row.text = "x".repeat(1 << 20))),
            "refuse-enormous" => Ok(outcomes::altered(&table, |row| row.text = "x".repeat(ENORMOUS))),
            "empty-code" => Ok(outcomes::altered(&table, |row| row.code = String::new())),
            "long-code" => Ok(outcomes::altered(&table, |row| row.code = "x".repeat(65))),
            "shouted-code" => Ok(outcomes::altered(&table, |row| row.code = "HOSTILE".into())),
            "many-codes" => Ok(codes(&table, streams::ROWS)),

            // A name of the list that is not above.
            _ => panic!("there is no such behaviour"),
        }
    }

    fn finish(&self) -> Result<Outcome, String> {
        tricks::disturb("finish");
        match tricks::word() {
            "finish-fail" => Err("the star gives up at last".into()),
            "finish-flood" => Ok(flood(OUTPUT, &streams::plain(), 1_000)),
            "finish-unknown-output" => Ok(rows("dim_other", streams::plain())),
            "finish-refuse-beyond" => Ok(refused("behave", u32::MAX, 1)),
            "finish-refuse" => Ok(refused("behave", 0, 1)),
            _ => Ok(nothing()),
        }
    }
}
