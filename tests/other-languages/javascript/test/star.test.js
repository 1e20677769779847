import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as apache from 'apache-arrow';
import { Batch, describe } from '../src/star.js';

const quiet = () => {};

/** A stream of one record batch, through the library's builders: another way than the star writes its own. */
function stream(columns) {
  const vectors = Object.entries(columns).map(([name, [type, values]]) => [name, apache.vectorFromArray(values, type)]);
  return apache.tableToIPC(new apache.Table(Object.fromEntries(vectors)), 'stream');
}

/** The unscaled value as the four words the builders take. */
const words = (value) => new Uint32Array(BigInt64Array.of(BigInt.asIntN(64, value), value >> 64n).buffer);
const unscaled = (value) => {
  const [low, high] = new BigInt64Array(Uint32Array.from(value).buffer);
  return (high << 64n) | BigInt.asUintN(64, low);
};

const INT32 = new apache.Int32();
const TEXT = new apache.Utf8();

const currencies = (...rows) =>
  stream({ currency_id: [INT32, rows.map(([id]) => id)], currency_code: [TEXT, rows.map(([, code]) => code)] });

const orders = (...rows) =>
  stream({
    sales_order_id: [INT32, rows.map(([id]) => id)],
    currency_id: [INT32, rows.map(([, currency]) => currency)],
    units_sold: [INT32, rows.map(([, , units]) => units)],
    unit_price: [new apache.Decimal(2, 10, 128), rows.map(([, , , price]) => words(price))],
  });

/** A batch that knows two currencies. */
function started() {
  const batch = new Batch(quiet);
  batch.push('currency', currencies([1, 'GBP'], [2, 'USD']));
  return batch;
}

/** The rows of a stream, decimals as unscaled BigInts. */
function rows(bytes) {
  const table = apache.tableFromIPC(bytes);
  const plain = (value) => (ArrayBuffer.isView(value) ? unscaled(value) : value);
  return table.toArray().map((row) => Object.values(row.toJSON()).map(plain));
}

/** Name, type and nullability of every column of a stream. */
const shape = (bytes) =>
  apache.tableFromIPC(bytes).schema.fields.map((field) => [field.name, field.type.toString(), field.nullable]);

test('the dimension is the snapshot', () => {
  const { outputs, refused } = new Batch(quiet).push('currency', currencies([1, 'GBP'], [2, 'éü€😀'], [3, '']));
  assert.deepEqual(refused, []);
  assert.deepEqual(outputs.map((output) => output.table), ['dim_currency_code']);
  assert.deepEqual(shape(outputs[0].arrowIpc), [
    ['currency_id', 'Int32', false],
    ['currency_code', 'Utf8', false],
  ]);
  assert.deepEqual(rows(outputs[0].arrowIpc), [[1, 'GBP'], [2, 'éü€😀'], [3, '']]);
});

test('the fact is exact', () => {
  const { outputs, refused } = started().push(
    'sales_order',
    orders([1, 1, 3, 10n], [2, 2, 90_000_001, 99_999_999_99n], [3, 1, -7, 12_34n], [4, 1, 0, 5n], [5, 1, 6, -1n]),
  );
  assert.deepEqual(refused, []);
  assert.deepEqual(shape(outputs[0].arrowIpc), [
    ['sales_order_id', 'Int32', false],
    ['currency_id', 'Int32', false],
    ['value', 'Decimal[18e+2]', false],
  ]);
  assert.deepEqual(rows(outputs[0].arrowIpc), [
    [1, 1, 30n],
    // Beyond what a double holds exactly.
    [2, 2, 900_000_009_909_999_999n],
    [3, 1, -8_638n],
    [4, 1, 0n],
    [5, 1, -6n],
  ]);
});

test('a row is refused by its own push, the others are written', () => {
  const batch = started();
  const first = batch.push('sales_order', orders([1, 1, 1, 100n], [2, 3, 1, 100n]));
  const second = batch.push('sales_order', orders([3, 2, 2_147_483_647, 99_999_999_99n], [4, 2, 1, 100n]));
  const told = ({ table, push, row, column, code }) => [table, push, row, column, code];
  assert.deepEqual(first.refused.map(told), [['sales_order', 1, 1, 'currency_id', 'unknown-currency']]);
  assert.deepEqual(second.refused.map(told), [['sales_order', 2, 0, 'unit_price', 'value-out-of-range']]);
  assert.deepEqual(rows(first.outputs[0].arrowIpc), [[1, 1, 100n]]);
  assert.deepEqual(rows(second.outputs[0].arrowIpc), [[4, 2, 100n]]);
});

test('nothing is written where no row is left', () => {
  const { outputs, refused } = started().push('sales_order', orders([1, 9, 1, 1n]));
  assert.deepEqual(outputs, []);
  assert.equal(refused.length, 1);
});

test('an empty push is answered', () => {
  const { outputs, refused } = started().push('sales_order', orders());
  assert.deepEqual([outputs, refused], [[], []]);
});

test('what was not described is no input', () => {
  assert.throws(() => new Batch(quiet).push('design', currencies([1, 'GBP'])), /design is no input/);
  assert.throws(() => new Batch(quiet).push('sales_order', currencies([1, 'GBP'])), /no column sales_order_id/);
  assert.throws(() => new Batch(quiet).push('currency', new Uint8Array([1, 2, 3])));
  const missing = stream({ currency_id: [INT32, [1, null]], currency_code: [TEXT, ['GBP', 'USD']] });
  assert.throws(() => new Batch(quiet).push('currency', missing), /NULL in currency_id/);
});

test('the log has counts only', () => {
  const told = [];
  const batch = new Batch((...words) => told.push(words));
  batch.push('currency', currencies([1, 'GBP']));
  batch.push('sales_order', orders([1, 1, 1, 1n], [2, 2, 1, 1n]));
  batch.finish();
  assert.deepEqual(told, [['debug', '1 orders written, 1 refused']]);
});

test('a push of 65,536 rows keeps its order', () => {
  const many = Array.from({ length: 65_536 }, (_, row) => [row, 1 + (row % 2), row, 101n]);
  const { outputs } = started().push('sales_order', orders(...many));
  const found = rows(outputs[0].arrowIpc);
  assert.equal(found.length, many.length);
  assert.deepEqual(found[65_535], [65_535, 2, 6_619_035n]);
});

test('the outputs are described in the order they are written', () => {
  const outputs = describe().outputs.map(({ table, columns }) => [table, columns.map((column) => column.name)]);
  assert.deepEqual(outputs, [
    ['dim_currency_code', ['currency_id', 'currency_code']],
    ['fact_order_value', ['sales_order_id', 'currency_id', 'value']],
  ]);
});
