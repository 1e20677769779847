//! Arrow IPC streams written by hand, each with one thing wrong.

use super::flatbuffer::{Field, encode};
use super::{OUTPUT, PRICED};

/// The rows of a crafted batch, and of what tests push.
pub(super) const ROWS: u32 = 100;

/// Far beyond any stream.
const FAR: i64 = 1 << 40;

/// A message's header type.
const SCHEMA: i8 = 1;
const DICTIONARY: i8 = 2;
const BATCH: i8 = 3;

/// A column's type: its number, and its table.
const INT: i8 = 2;
const UTF8: i8 = 5;
const DECIMAL: i8 = 7;
const LIST: i8 = 12;
const STRUCT: i8 = 13;

/// A body compression's codec.
const LZ4: i8 = 0;
const ZSTD: i8 = 1;

/// What ends a stream.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// What a batch's message says, and the body that follows it.
struct Batch {
    length: i64,
    /// Length and NULLs of each column.
    nodes: Vec<(i64, i64)>,
    /// Offset and length of each buffer.
    buffers: Vec<(i64, i64)>,
    codec: Option<i8>,
    body: Vec<u8>,
    /// The body's length, where the message lies about it.
    declared: Option<i64>,
}

impl Batch {
    /// One column with the numbers from 0.
    fn plain() -> Self {
        let mut batch = Self {
            length: i64::from(ROWS),
            nodes: Vec::new(),
            buffers: Vec::new(),
            codec: None,
            body: Vec::new(),
            declared: None,
        };
        batch.column();
        batch.buffer((0..ROWS).flat_map(u32::to_le_bytes));
        batch
    }

    /// The same with a price, and a label of one letter.
    fn priced(price: i128) -> Self {
        let mut batch = Self::plain();
        batch.column();
        batch.buffer((0..ROWS).flat_map(|_| price.to_le_bytes()));
        batch.column();
        batch.buffer((0..=ROWS).flat_map(u32::to_le_bytes));
        batch.buffer((0..ROWS).map(|_| b'x'));
        batch
    }

    /// Begins a column without NULLs: its first buffer, which would say where they are, is empty.
    fn column(&mut self) {
        self.nodes.push((i64::from(ROWS), 0));
        self.buffers.push((0, 0));
    }

    /// Appends a buffer to the body.
    fn buffer(&mut self, bytes: impl Iterator<Item = u8>) {
        let at = self.body.len();
        self.body.extend(bytes);
        self.buffers.push((at as i64, (self.body.len() - at) as i64));
        self.body.resize(self.body.len().next_multiple_of(8), 0);
    }

    /// Gives the first column a buffer that says which of its first eight rows are not NULL; all others are not.
    fn validity(&mut self, bits: u8, nulls: i64) {
        self.buffer((0..ROWS.div_ceil(8)).map(|byte| if byte == 0 { bits } else { 0xff }));
        self.buffers.swap_remove(0);
        self.nodes[0].1 = nulls;
    }

    /// Says that the values are compressed, and so long when they are not.
    fn compress(&mut self, codec: i8, unpacked: i64) {
        self.body = unpacked.to_le_bytes().into_iter().chain(std::mem::take(&mut self.body)).collect();
        self.buffers[1] = (0, self.body.len() as i64);
        self.codec = Some(codec);
    }

    fn header(&self) -> Vec<Field> {
        let codec = self.codec.map(|codec| Field::Table(vec![Field::I8(codec), Field::I8(0)]));
        vec![
            Field::I64(self.length),
            Field::Pairs(self.nodes.clone()),
            Field::Pairs(self.buffers.clone()),
            codec.unwrap_or(Field::Absent),
        ]
    }

    fn message(&self) -> Vec<u8> {
        self.under(BATCH, self.header())
    }

    fn under(&self, kind: i8, header: Vec<Field>) -> Vec<u8> {
        message(kind, header, self.declared.unwrap_or(self.body.len() as i64), &self.body)
    }
}

/// A message as it stands in a stream.
fn message(kind: i8, header: Vec<Field>, declared: i64, body: &[u8]) -> Vec<u8> {
    let mut metadata = encode(&[Field::I16(4), Field::I8(kind), Field::Table(header), Field::I64(declared)]);
    metadata.resize(metadata.len().next_multiple_of(8), 0);
    let mut out = vec![0xff; 4];
    out.extend((metadata.len() as u32).to_le_bytes());
    out.extend(metadata);
    out.extend(body);
    out
}

fn schema(columns: Vec<Vec<Field>>) -> Vec<u8> {
    message(SCHEMA, vec![Field::I16(0), Field::Tables(columns)], 0, &[])
}

/// A column of a schema.
fn column(name: &str, nullable: bool, kind: i8, of: Vec<Field>, dictionary: Field, children: Field) -> Vec<Field> {
    let name = Field::Text(name.to_owned());
    vec![name, Field::I8(nullable.into()), Field::I8(kind), Field::Table(of), dictionary, children]
}

fn leaf(name: &str, nullable: bool, kind: i8, of: Vec<Field>) -> Vec<Field> {
    column(name, nullable, kind, of, Field::Absent, Field::Tables(Vec::new()))
}

/// A signed integer of so many bits.
fn integer(bits: i32) -> Vec<Field> {
    vec![Field::I32(bits), Field::I8(1)]
}

fn id() -> Vec<Field> {
    leaf("id", false, INT, integer(32))
}

fn stream(columns: Vec<Vec<Field>>, batch: &Batch) -> Vec<u8> {
    [schema(columns), batch.message(), END.to_vec()].concat()
}

/// The stream that most of these are made from.
pub(super) fn plain() -> Vec<u8> {
    stream(vec![id()], &Batch::plain())
}

/// The output table and the stream of a behaviour, if it is one with a crafted stream.
pub(super) fn crafted(behaviour: &str) -> Option<(&'static str, Vec<u8>)> {
    let stream = |stream| Some((OUTPUT, stream));
    match behaviour {
        "behave-priced" | "decimal-beyond" => priced(behaviour),
        _ if behaviour.starts_with("text-") => priced(behaviour),

        "no-batches" => stream([schema(vec![id()]), END.to_vec()].concat()),
        "schema-only" => {
            let other = leaf("other", false, INT, integer(64));
            stream([schema(vec![other]), END.to_vec()].concat())
        }
        "no-schema" => stream([Batch::plain().message(), END.to_vec()].concat()),
        "two-schemas" => stream([schema(vec![id()]), plain()].concat()),
        "message-beyond" => stream([&[0xff; 4], &i32::MAX.to_le_bytes(), &[0; 64][..]].concat()),
        "nested-schema" => stream(self::stream(vec![nested(100)], &Batch::plain())),
        "schema-bomb" => stream(self::stream(vec![doubled(16)], &Batch::plain())),
        "dictionary" => stream(dictionary()),

        "more-columns" => {
            let mut batch = Batch::plain();
            batch.nodes.extend_from_within(..);
            batch.buffers.extend_from_within(..);
            stream(self::stream(vec![id(), leaf("more", false, INT, integer(32))], &batch))
        }
        "no-columns" => {
            let batch = Batch { nodes: Vec::new(), buffers: Vec::new(), ..Batch::plain() };
            stream(self::stream(Vec::new(), &batch))
        }
        "other-type" => {
            let mut batch = Batch::plain();
            batch.body = (0..u64::from(ROWS)).flat_map(u64::to_le_bytes).collect();
            batch.buffers[1].1 = batch.body.len() as i64;
            stream(self::stream(vec![leaf("id", false, INT, integer(64))], &batch))
        }
        "nulls" | "null-count-lie" => {
            let mut batch = Batch::plain();
            batch.validity(if behaviour == "nulls" { 0xfe } else { 0xff }, 1);
            stream(self::stream(vec![leaf("id", true, INT, integer(32))], &batch))
        }
        _ => stream(self::stream(vec![id()], &lying(behaviour)?)),
    }
}

/// A batch whose numbers lie.
fn lying(behaviour: &str) -> Option<Batch> {
    let mut batch = Batch::plain();
    let values = &mut batch.buffers[1];
    match behaviour {
        "behave-crafted" => {}
        // Its body is longer than all its buffers: the rows are right, only the bytes are too many.
        "padded-output" => batch.body.resize(5 << 20, 0),
        "body-beyond" => batch.declared = Some(FAR),
        "negative-body" => batch.declared = Some(-1),
        "row-count-lie" => batch.length *= 10,
        "column-length-lie" => (batch.length, batch.nodes[0].0) = (FAR, FAR),
        "negative-length" => (batch.length, batch.nodes[0].0) = (-1, -1),
        "negative-null-count" => batch.nodes[0].1 = -1,
        "offset-beyond" => values.0 = FAR,
        "negative-offset" => values.0 = -8,
        "buffer-beyond" => values.1 = FAR,
        "negative-buffer" => values.1 = -1,
        "no-buffers" => batch.buffers.clear(),
        "compressed" => batch.compress(LZ4, i64::from(ROWS) * 4),
        "compressed-by-zstd" => batch.compress(ZSTD, i64::from(ROWS) * 4),
        "compression-bomb" => batch.compress(ZSTD, FAR),
        // The length by which Arrow says that a buffer of a compressed batch is not compressed.
        "compressed-in-name" => batch.compress(LZ4, -1),
        _ => return None,
    }
    Some(batch)
}

fn priced(behaviour: &str) -> Option<(&'static str, Vec<u8>)> {
    // 999.99, and twenty digits.
    let price = if behaviour == "decimal-beyond" { 99_999_999_999_999_999_999 } else { 99_999 };
    let mut batch = Batch::priced(price);
    let [.., (offsets, _), (letters, _)] = *batch.buffers.as_slice() else { return None };
    let (offsets, letters) = (offsets as usize, letters as usize);
    match behaviour {
        "behave-priced" | "decimal-beyond" => {}
        "text-no-utf8" => batch.body[letters] = 0xff,
        "text-offsets-beyond" => batch.body[offsets + 4 * ROWS as usize + 3] = 0x7f,
        "text-offsets-backwards" => batch.body[offsets + 4] = ROWS as u8,
        _ => return None,
    }
    let decimal = vec![Field::I32(5), Field::I32(2), Field::I32(128)];
    let columns = vec![id(), leaf("price", false, DECIMAL, decimal), leaf("label", false, UTF8, Vec::new())];
    Some((PRICED, stream(columns, &batch)))
}

/// The numbers of the plain stream by way of a dictionary.
fn dictionary() -> Vec<u8> {
    let batch = Batch::plain();
    let encoding = Field::Table(vec![Field::I64(1), Field::Table(integer(32)), Field::I8(0)]);
    let column = column("id", false, INT, integer(32), encoding, Field::Tables(Vec::new()));
    let values = batch.under(DICTIONARY, vec![Field::I64(1), Field::Table(batch.header()), Field::I8(0)]);
    [schema(vec![column]), values, batch.message(), END.to_vec()].concat()
}

/// Lists of lists, so deep.
fn nested(depth: usize) -> Vec<Field> {
    (0..depth).fold(id(), |inner, _| column("id", false, LIST, Vec::new(), Field::Absent, Field::Tables(vec![inner])))
}

/// A struct of two structs of two, so deep: each is written once, and read twice as often as the one it is in.
fn doubled(depth: usize) -> Vec<Field> {
    (0..depth).fold(id(), |inner, _| column("id", false, STRUCT, Vec::new(), Field::Absent, Field::Repeated(2, inner)))
}

/// A stream with its column `id` called `di`.
pub(super) fn renamed(mut stream: Vec<u8>) -> Vec<u8> {
    if let Some(at) = stream.windows(4).position(|bytes| bytes == b"id\0\0") {
        stream[at..at + 2].copy_from_slice(b"di");
    }
    stream
}
