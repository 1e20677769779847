//! The rows, as expressions over their keys.

use crate::schema::{ADDRESSES, COUNTERPARTIES, CURRENCIES, DESIGNS, PURCHASE_PAYMENT, RECEIPT, STAFF};

/// Of so many transactions in the real source so many were sales.
const REAL: (u64, u64) = (13_959, 9_845);

/// The real source's working days, and its sales orders a day at the most.
const WORKING_DAYS: u64 = 470;
const ORDERS_A_DAY: u64 = 31;

/// Of so many orders a day six in ten are paid under one timestamp, which makes at most 37 now and then.
const ORDERS_A_STAMP: u64 = 22;

/// So many sales orders still leave keys for the transactions.
pub(super) const MOST_ORDERS: u64 = 1_500_000_000;

/// How many rows there are, and over how many working days.
pub(super) struct Span {
    pub(super) sales: u64,
    pub(super) purchases: u64,
    days: u64,
}

impl Span {
    pub(super) fn new(sales: u64) -> Option<Self> {
        if !(1..=MOST_ORDERS).contains(&sales) {
            return None;
        }
        let purchases = (sales * (REAL.0 - REAL.1) + REAL.1 / 2) / REAL.1;
        let days = WORKING_DAYS.min((sales + purchases).div_ceil(ORDERS_A_DAY));
        Some(Self { sales, purchases, days })
    }

    pub(super) fn transactions(&self) -> u64 {
        self.sales + self.purchases
    }

    /// The statement that fills a table, and sets its sequence.
    pub(super) fn statement(&self, table: &str, seed: u64) -> String {
        let (columns, values) = match table {
            "sales_order" => (
                "sales_order_id, created_at, last_updated, design_id, staff_id, counterparty_id, units_sold, \
                 unit_price, currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id",
                format!(
                    "s, at, at, {design}, {staff}, {counterparty}, {units}, {price}, {currency}, {delivery}, \
                     (due)::text, {location}",
                    design = pick("g >> 40", 4095, DESIGNS),
                    staff = pick("h >> 1", 255, STAFF),
                    counterparty = pick(COUNTERPARTY_BITS, 255, COUNTERPARTIES),
                    units = UNITS,
                    price = UNIT_PRICE,
                    currency = pick(CURRENCY_BITS, 15, CURRENCIES),
                    delivery = DELIVERY,
                    location = pick("g >> 52", 255, ADDRESSES),
                ),
            ),
            "purchase_order" => (
                "purchase_order_id, created_at, last_updated, staff_id, counterparty_id, item_code, item_quantity, \
                 item_unit_price, currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id",
                format!(
                    "k - s, at, at, {staff}, {counterparty}, {code}, {items}, {price}, {currency}, {delivery}, \
                     (due)::text, {location}",
                    staff = pick("h >> 1", 255, STAFF),
                    counterparty = pick(COUNTERPARTY_BITS, 255, COUNTERPARTIES),
                    code = "upper(lpad(to_hex((g >> 40) & 16777215) || to_hex((h >> 3) & 15), 7, '0'))",
                    items = ITEMS,
                    price = ITEM_PRICE,
                    currency = pick(CURRENCY_BITS, 15, CURRENCIES),
                    delivery = DELIVERY,
                    location = pick("g >> 52", 255, ADDRESSES),
                ),
            ),
            "transaction" => (
                "transaction_id, transaction_type, sales_order_id, purchase_order_id, created_at, last_updated",
                "k, (CASE WHEN sale THEN 'SALE' ELSE 'PURCHASE' END)::\"TransactionType\", \
                 CASE WHEN sale THEN s END, CASE WHEN NOT sale THEN k - s END, at, at"
                    .to_owned(),
            ),
            _ => (
                "payment_id, created_at, last_updated, transaction_id, counterparty_id, payment_amount, currency_id, \
                 payment_type_id, paid, payment_date, company_ac_number, counterparty_ac_number",
                format!(
                    "k, at, CASE WHEN paid THEN {stamp} ELSE at END, k, {counterparty}, \
                     CASE WHEN sale THEN {UNITS} * {UNIT_PRICE} ELSE {ITEMS} * {ITEM_PRICE} END, {currency}, \
                     CASE WHEN sale THEN {RECEIPT} ELSE {PURCHASE_PAYMENT} END, paid, (due)::text, \
                     10000000 + (g & 67108863), 10000000 + ((g >> 26) & 67108863)",
                    stamp = self.stamp(),
                    counterparty = pick(COUNTERPARTY_BITS, 255, COUNTERPARTIES),
                    currency = pick(CURRENCY_BITS, 15, CURRENCIES),
                ),
            ),
        };
        let needs_paid = if table == "payment" { self.paid() } else { "false".to_owned() };
        let rows = format!(
            "SELECT *, {needs_paid} AS paid FROM (
                 SELECT *, (at + interval '1 second' * ((g & 1048575) % 518400))::date AS due FROM (
                     SELECT k, s, sale, {at} AS at, hashint8extended(k, {first}) AS h, hashint8extended(k, {second}) AS g
                     FROM ({keys} OFFSET 0) numbered OFFSET 0) drawn OFFSET 0) dated OFFSET 0",
            at = self.created_at(),
            keys = self.keys(table),
            // The hash takes a signed seed.
            first = i64::from_ne_bytes(seed.to_ne_bytes()),
            second = i64::from_ne_bytes((!seed).to_ne_bytes()),
        );
        let last = match table {
            "sales_order" => self.sales,
            "purchase_order" => self.purchases,
            _ => self.transactions(),
        };
        // One more column than the table has would be an error, so the values are named.
        format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM ({rows}) r; \
             SELECT setval(pg_get_serial_sequence('{table}', '{table}_id'), {last})"
        )
    }

    /// The transactions `k` a table has rows of, each with the number `s` of sales up to it and whether it is a sale.
    /// Sales and purchases are spread evenly.
    fn keys(&self, table: &str) -> String {
        let (sales, all) = (self.sales, self.transactions());
        if table == "sales_order" {
            return format!(
                "SELECT (s * {all} + {sales} - 1) / {sales} AS k, s, true AS sale FROM generate_series(1::bigint, {sales}) s"
            );
        }
        let purchases_only = if table == "purchase_order" { "WHERE NOT sale" } else { "" };
        format!(
            "SELECT k, s, sale FROM (
                 SELECT k, k * {sales} / {all} AS s, k * {sales} / {all} > (k - 1) * {sales} / {all} AS sale
                 FROM generate_series(1::bigint, {all}) k OFFSET 0) every {purchases_only}"
        )
    }

    /// The moments of the orders: evenly over the working hours of the working days.
    fn created_at(&self) -> String {
        let (days, all) = (self.days, self.transactions());
        let day = format!("((k - 1) * {days} / {all})");
        format!(
            "timestamp '2022-11-07 08:00' + interval '1 millisecond' * ({day} / 5 * 604800000 + {day} % 5 * 86400000 \
             + ((k - 1) * {days} % {all}) * 39600000 / {all})"
        )
    }

    /// Whether it is paid: it was due on a working day after that of the order, and not after the last one.
    fn paid(&self) -> String {
        let last = (self.days - 1) / 5 * 7 + (self.days - 1) % 5;
        // The first day is a Monday.
        format!("(due - date '2022-11-07') % 7 < 5 AND due > at::date AND due <= date '2022-11-07' + {last}")
    }

    /// When it was paid. With more orders a day than the real source has there are more stamps a day, so that no
    /// more payments share one.
    fn stamp(&self) -> String {
        let stamps = (self.transactions() / self.days / ORDERS_A_STAMP).max(1);
        format!("due + interval '1 millisecond' * (28511000 + (h & 1048575) % {stamps})")
    }
}

/// What both an order and its payment say has to come from the same bits of the hash.
const COUNTERPARTY_BITS: &str = "h >> 9";
const CURRENCY_BITS: &str = "h >> 17";
const UNITS: &str = "(1001 + ((h >> 21) & 1048575) % 98999)";
const UNIT_PRICE: &str = "(((200 + ((h >> 41) & 1048575) % 300)::numeric) * 0.01)";
const ITEMS: &str = "(1 + ((h >> 21) & 1048575) % 999)";
const ITEM_PRICE: &str = "(((300 + ((h >> 41) & 1048575) % 99700)::numeric) * 0.01)";

/// Up to a week after the order.
const DELIVERY: &str = "((at + interval '1 second' * (((g >> 20) & 1048575) % 604800))::date)::text";

/// A key from 1 on, drawn by some bits of a hash.
fn pick(bits: &str, mask: i64, keys: i64) -> String {
    format!("1 + (({bits}) & {mask}) % {keys}")
}
