// Columns out of and into the Arrow IPC streams of the contract: int32, text and decimals, none of them NULL.
import {
  Decimal,
  Field,
  Int32,
  RecordBatch,
  RecordBatchReader,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  Utf8,
  makeData,
} from 'apache-arrow/Arrow';

const encoder = new TextEncoder();

/** The rows of the one record batch of a stream, and a reader for each kind of column. */
export function read(stream) {
  const batches = [...RecordBatchReader.from(stream)];
  if (batches.length !== 1) throw new Error(`a push has one record batch, not ${batches.length}`);
  const [batch] = batches;
  const column = (name, expected) => {
    const found = batch.getChild(name);
    if (found?.type?.toString() !== expected) throw new Error(`no column ${name} of type ${expected}`);
    if (found.nullCount > 0) throw new Error(`NULL in ${name}`);
    return found;
  };
  return {
    length: batch.numRows,
    // The buffer of a column may be longer than the column.
    int32: (name) => column(name, 'Int32').data[0].values.subarray(0, batch.numRows),
    text: (name) => {
      const found = column(name, 'Utf8');
      return Array.from({ length: batch.numRows }, (_, row) => found.get(row));
    },
    /** The unscaled value by row: an array of BigInts would be garbage that outlives the push. */
    decimal: (name, precision, scale) => {
      // `values` are little-endian 32-bit words, four a row.
      const { values } = column(name, new Decimal(scale, precision, 128).toString()).data[0];
      const words = new BigInt64Array(values.buffer, values.byteOffset, 2 * batch.numRows);
      return (row) => (words[2 * row + 1] << 64n) | BigInt.asUintN(64, words[2 * row]);
    },
  };
}

/** A column of numbers. */
export function int32(values) {
  const type = new Int32();
  return makeData({ type, length: values.length, nullCount: 0, data: Int32Array.from(values) });
}

/** A column of texts. */
export function text(values) {
  const bytes = values.map((value) => encoder.encode(value));
  const valueOffsets = new Int32Array(values.length + 1);
  bytes.forEach((value, row) => (valueOffsets[row + 1] = valueOffsets[row] + value.length));
  const data = new Uint8Array(valueOffsets[values.length]);
  bytes.forEach((value, row) => data.set(value, valueOffsets[row]));
  return makeData({ type: new Utf8(), length: values.length, nullCount: 0, valueOffsets, data });
}

/** A column of decimals, from unscaled values of 64 bits. */
export function decimal(values, precision, scale) {
  const type = new Decimal(scale, precision, 128);
  const words = new BigInt64Array(2 * values.length);
  values.forEach((value, row) => {
    words[2 * row] = value;
    words[2 * row + 1] = value < 0n ? -1n : 0n;
  });
  return makeData({ type, length: values.length, nullCount: 0, data: new Uint32Array(words.buffer) });
}

/** One stream of one record batch, its columns in the given order. */
export function write(columns) {
  const names = Object.keys(columns);
  const fields = names.map((name) => new Field(name, columns[name].type, false));
  const children = names.map((name) => columns[name]);
  const data = makeData({ type: new Struct(fields), length: children[0].length, nullCount: 0, children });
  const writer = new RecordBatchStreamWriter();
  writer.write(new RecordBatch(new Schema(fields), data));
  return writer.finish().toUint8Array(true);
}
