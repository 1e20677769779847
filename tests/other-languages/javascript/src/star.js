// What an order is worth: units times price, exact to the cent. Nothing here knows that it becomes a component.
import * as arrow from './arrow.js';

const extras = [];
const column = (name, of) => ({ name, of, nullable: false, extras });
const int32 = { tag: 'int32' };
const text = { tag: 'text' };
const decimal = (precision, scale) => ({ tag: 'decimal', val: { precision, scale, unconstrained: false } });

const description = {
  star: 'language',
  version: '0.1.0',
  inputs: [
    {
      table: 'currency',
      columns: [column('currency_id', int32), column('currency_code', text)],
      key: ['currency_id'],
      delivered: 'snapshot',
      extras,
    },
    {
      table: 'sales_order',
      columns: [
        column('sales_order_id', int32),
        column('currency_id', int32),
        column('units_sold', int32),
        column('unit_price', decimal(10, 2)),
      ],
      key: ['sales_order_id'],
      delivered: 'changes',
      extras,
    },
  ],
  outputs: [
    {
      table: 'dim_currency_code',
      is: 'dimension',
      columns: [column('currency_id', int32), column('currency_code', text)],
      businessKey: ['currency_id'],
      surrogateKey: undefined,
      references: [],
      keyedBy: undefined,
      created: [],
      extras,
    },
    {
      table: 'fact_order_value',
      is: 'fact',
      columns: [column('sales_order_id', int32), column('currency_id', int32), column('value', decimal(18, 2))],
      businessKey: ['sales_order_id'],
      surrogateKey: 'order_value_record_id',
      references: [{ column: 'currency_id', table: 'dim_currency_code', target: 'currency_id', extras }],
      keyedBy: 'sales_order',
      created: [],
      extras,
    },
  ],
  extras,
};

/** The smallest unscaled value that a decimal(18,2) cannot hold. */
const TOO_LARGE = 10n ** 18n;

export const describe = () => description;

/** One batch of the star. */
export class Batch {
  #currencies = new Set();
  #pushes = 0;
  #written = 0;
  #refused = 0;
  #log;

  /** `log` takes a level and a text. */
  constructor(log) {
    this.#log = log;
  }

  push(table, stream) {
    const push = this.#pushes++;
    const rows = arrow.read(stream);
    if (table === 'currency') return this.#currency(rows);
    if (table === 'sales_order') return this.#salesOrder(rows, push);
    throw new Error(`${table} is no input`);
  }

  finish() {
    this.#log('debug', `${this.#written} orders written, ${this.#refused} refused`);
    return { outputs: [], refused: [], extras };
  }

  #currency(rows) {
    const ids = rows.int32('currency_id');
    for (const id of ids) this.#currencies.add(id);
    const columns = { currency_id: arrow.int32(ids), currency_code: arrow.text(rows.text('currency_code')) };
    return outcome('dim_currency_code', columns, []);
  }

  #salesOrder(rows, push) {
    const [ids, currencies, units] = ['sales_order_id', 'currency_id', 'units_sold'].map(rows.int32);
    const price = rows.decimal('unit_price', 10, 2);
    const [good, refused] = [[], []];
    const values = new BigInt64Array(rows.length);
    const refuse = (row, column, code, text) => {
      refused.push({ table: 'sales_order', push, row, column, code, text, extras });
    };
    for (let row = 0; row < rows.length; row++) {
      const value = BigInt(units[row]) * price(row);
      if (!this.#currencies.has(currencies[row])) {
        refuse(row, 'currency_id', 'unknown-currency', `there is no currency ${currencies[row]}`);
      } else if (value >= TOO_LARGE || value <= -TOO_LARGE) {
        refuse(row, 'unit_price', 'value-out-of-range', 'units times price has more than 18 digits');
      } else {
        values[good.length] = value;
        good.push(row);
      }
    }
    this.#written += good.length;
    this.#refused += refused.length;
    const columns = {
      sales_order_id: arrow.int32(good.map((row) => ids[row])),
      currency_id: arrow.int32(good.map((row) => currencies[row])),
      value: arrow.decimal(values.subarray(0, good.length), 18, 2),
    };
    return outcome('fact_order_value', columns, refused);
  }
}

function outcome(table, columns, refused) {
  const [{ length }] = Object.values(columns);
  const outputs = length === 0 ? [] : [{ table, arrowIpc: arrow.write(columns) }];
  return { outputs, refused, extras };
}
