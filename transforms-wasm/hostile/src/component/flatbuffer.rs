//! Flatbuffers with any content, also what no writer of Arrow would write.

/// A field of a table. Its place in the table is its number.
#[derive(Clone)]
pub(super) enum Field {
    Absent,
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    Text(String),
    Table(Vec<Field>),
    Tables(Vec<Vec<Field>>),
    /// A vector that holds one table so many times.
    Repeated(usize, Vec<Field>),
    /// A vector of structs of two numbers.
    Pairs(Vec<(i64, i64)>),
}

/// Every field has a slot of its own width or more, which keeps all of them aligned.
const SLOT: usize = 8;

/// The flatbuffer of a root table.
pub(super) fn encode(root: &[Field]) -> Vec<u8> {
    let mut out = vec![0; 4];
    let at = table(&mut out, root);
    point(&mut out, 0, at);
    out
}

/// Zeros up to a place that is `rest` beyond a multiple of eight.
fn pad(out: &mut Vec<u8>, rest: usize) {
    while out.len() % 8 != rest {
        out.push(0);
    }
}

/// Writes at `slot` where `target` is from there.
fn point(out: &mut [u8], slot: usize, target: usize) {
    put(out, slot, &((target - slot) as u32).to_le_bytes());
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Appends a table and, after it, what it points at; says where the table is.
fn table(out: &mut Vec<u8>, fields: &[Field]) -> usize {
    pad(out, 0);
    let vtable = out.len();
    let present = fields.iter().filter(|field| !matches!(field, Field::Absent)).count();
    for length in [4 + 2 * fields.len(), 4 + SLOT * present] {
        out.extend((length as u16).to_le_bytes());
    }
    let mut offset = 4;
    for field in fields {
        let absent = matches!(field, Field::Absent);
        out.extend((if absent { 0 } else { offset } as u16).to_le_bytes());
        offset += if absent { 0 } else { SLOT };
    }
    // The table begins with four bytes, so its slots are aligned.
    pad(out, 4);
    let at = out.len();
    out.extend(((at - vtable) as u32).to_le_bytes());
    out.resize(at + 4 + SLOT * present, 0);
    let present = fields.iter().filter(|field| !matches!(field, Field::Absent));
    for (number, field) in present.enumerate() {
        value(out, at + 4 + SLOT * number, field);
    }
    at
}

/// Fills a slot: with a number, or with where a value is that is appended.
fn value(out: &mut Vec<u8>, slot: usize, field: &Field) {
    let target = match field {
        Field::Absent => return,
        Field::I8(number) => return put(out, slot, &number.to_le_bytes()),
        Field::I16(number) => return put(out, slot, &number.to_le_bytes()),
        Field::I32(number) => return put(out, slot, &number.to_le_bytes()),
        Field::I64(number) => return put(out, slot, &number.to_le_bytes()),
        Field::Text(text) => {
            let at = length(out, text.len());
            out.extend(text.bytes());
            out.push(0);
            at
        }
        Field::Table(fields) => table(out, fields),
        Field::Tables(tables) => {
            let at = length(out, tables.len());
            out.resize(at + 4 + 4 * tables.len(), 0);
            for (number, fields) in tables.iter().enumerate() {
                let target = table(out, fields);
                point(out, at + 4 + 4 * number, target);
            }
            at
        }
        Field::Repeated(times, fields) => {
            let at = length(out, *times);
            out.resize(at + 4 + 4 * times, 0);
            let target = table(out, fields);
            for number in 0..*times {
                point(out, at + 4 + 4 * number, target);
            }
            at
        }
        Field::Pairs(pairs) => {
            let at = length(out, pairs.len());
            for (first, second) in pairs {
                out.extend(first.to_le_bytes());
                out.extend(second.to_le_bytes());
            }
            at
        }
    };
    point(out, slot, target);
}

/// Appends the length that begins a vector, so that what follows is aligned; says where it is.
fn length(out: &mut Vec<u8>, length: usize) -> usize {
    pad(out, 4);
    let at = out.len();
    out.extend((length as u32).to_le_bytes());
    at
}
