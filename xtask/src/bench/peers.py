"""The same work as a stage of ours, with another tool: `peers.py WORK PARAMETERS`.

Prints one line of JSON: seconds and CPU seconds of the work alone, imports left out, and the peak of resident memory
of the whole process. What was made is read back only afterwards.
"""

import glob
import json
import os
import resource
import sys
import time

ORDER_COLUMNS = (
    "sales_order_id, created_at, last_updated, design_id, staff_id, counterparty_id, units_sold, unit_price, "
    "currency_id, agreed_delivery_date, agreed_payment_date, agreed_delivery_location_id"
)
FACT_COLUMNS = (
    "sales_order_id, created_date, created_time, last_updated_date, last_updated_time, sales_staff_id, "
    "counterparty_id, units_sold, unit_price, currency_id, design_id, agreed_payment_date, agreed_delivery_date, "
    "agreed_delivery_location_id"
)
FACT_OF_ORDER = (
    "sales_order_id, created_at::DATE AS created_date, created_at::TIME AS created_time, "
    "last_updated::DATE AS last_updated_date, last_updated::TIME AS last_updated_time, staff_id AS sales_staff_id, "
    "counterparty_id, units_sold, unit_price, currency_id, design_id, "
    "agreed_payment_date::DATE AS agreed_payment_date, agreed_delivery_date::DATE AS agreed_delivery_date, "
    "agreed_delivery_location_id"
)
DIMENSIONS = {
    "dim_design": "SELECT design_id, design_name, file_location, file_name FROM design",
    "dim_currency": "SELECT currency_id, currency_code, CASE currency_code WHEN 'GBP' THEN 'Pound Sterling' "
    "WHEN 'USD' THEN 'US Dollar' WHEN 'EUR' THEN 'Euro' END AS currency_name FROM currency",
    "dim_location": "SELECT address_id AS location_id, address_line_1, address_line_2, district, city, postal_code, "
    "country, phone FROM address",
    "dim_staff": "SELECT staff_id, first_name, last_name, department_name, coalesce(location, 'Unknown') AS location, "
    "email_address FROM staff JOIN department USING (department_id)",
    "dim_counterparty": "SELECT counterparty_id, counterparty_legal_name, address_line_1, address_line_2, district, "
    "city, postal_code, country, phone FROM counterparty JOIN address ON legal_address_id = address_id",
}
DAYS = (
    "SELECT d AS date_id, year(d)::INT AS year, month(d)::INT AS month, day(d)::INT AS day, "
    "isodow(d)::INT AS day_of_week, dayname(d) AS day_name, monthname(d) AS month_name, quarter(d)::INT AS quarter"
)


class Watch:
    """Times the work; the peak of memory is taken before anything is checked."""

    def __enter__(self):
        self.before = resource.getrusage(resource.RUSAGE_SELF)
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_):
        seconds = time.perf_counter() - self.started
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - self.before.ru_utime - self.before.ru_stime
        self.measured = {"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": after.ru_maxrss * 1024}


def duck(postgres=False):
    import duckdb

    database = duckdb.connect()
    database.execute("SET threads = 2")
    if postgres:
        import duckdb_extension_postgres_scanner as wheel

        file = glob.glob(os.path.dirname(wheel.__file__) + "/extensions/*/postgres_scanner.duckdb_extension")[0]
        database.execute(f"LOAD '{file}'")
    return database


def number(warehouse, query):
    """What a query of one number says, over a connection of its own."""
    database = duck(postgres=True)
    database.execute(f"ATTACH '{warehouse}' AS wh (TYPE postgres, READ_ONLY)")
    return database.execute(f"SELECT * FROM postgres_query('wh', '{query}')").fetchone()[0]


def checked(measured, files):
    """Rows and two sums of Parquet files with sales orders in them."""
    import pyarrow.compute as compute
    import pyarrow.parquet as parquet

    rows = units = 0
    price = 0
    size = 0
    for file in files:
        size += os.path.getsize(file)
        for batch in parquet.ParquetFile(file).iter_batches(columns=["units_sold", "unit_price"]):
            rows += batch.num_rows
            units += compute.sum(batch.column(0)).as_py() or 0
            price += round((compute.sum(batch.column(1)).as_py() or 0) * 100)
    return measured | {"rows": rows, "units": int(units), "cents": int(price), "bytes": size}


def fresh(folder):
    os.makedirs(folder, exist_ok=True)
    for file in glob.glob(folder + "/*"):
        os.remove(file)
    return folder


def extract_duckdb(p):
    out = fresh(p["folder"]) + "/sales_order.parquet"
    database = duck(postgres=True)
    with Watch() as watch:
        database.execute(f"ATTACH '{p['source']}' AS pg (TYPE postgres, READ_ONLY)")
        database.execute(f"COPY (SELECT * FROM pg.public.sales_order) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
    return checked(watch.measured, [out])


def extract_connectorx(p):
    import connectorx
    import pyarrow.parquet as parquet

    out = fresh(p["folder"]) + "/sales_order.parquet"
    with Watch() as watch:
        table = connectorx.read_sql(
            p["source"],
            f"SELECT {ORDER_COLUMNS} FROM sales_order",
            return_type="arrow",
            protocol="binary",
            partition_on="sales_order_id",
            partition_num=2,
        )
        parquet.write_table(table, out, compression="zstd")
    return checked(watch.measured, [out])


def transform_polars(p):
    import polars as pl

    out = fresh(p["folder"])
    ours = p["ingested"]
    with Watch() as watch:
        order = pl.scan_parquet(glob.glob(ours + "/sales_order/*/*.parquet"), glob=False)
        created, updated = pl.col("created_at"), pl.col("last_updated")
        fact = order.select(
            "sales_order_id",
            created.dt.date().alias("created_date"),
            created.dt.time().alias("created_time"),
            updated.dt.date().alias("last_updated_date"),
            updated.dt.time().alias("last_updated_time"),
            pl.col("staff_id").alias("sales_staff_id"),
            "counterparty_id",
            "units_sold",
            "unit_price",
            "currency_id",
            "design_id",
            pl.col("agreed_payment_date").str.to_date("%Y-%m-%d"),
            pl.col("agreed_delivery_date").str.to_date("%Y-%m-%d"),
            "agreed_delivery_location_id",
        )
        if p.get("engine") == "streaming":
            fact.sink_parquet(out + "/fact_sales_order.parquet", compression="zstd", compression_level=1)
            fact = pl.scan_parquet(out + "/fact_sales_order.parquet")
        else:
            whole = fact.collect()
            whole.write_parquet(out + "/fact_sales_order.parquet", compression="zstd", compression_level=1)
            fact = whole.lazy()
        names = ["created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date"]
        parts = [fact.select(pl.col(name).unique().alias("date_id")) for name in names]
        day = pl.col("date_id")
        dates = pl.concat(parts).unique().sort("date_id").select(
            "date_id",
            day.dt.year().alias("year"),
            day.dt.month().alias("month"),
            day.dt.day().alias("day"),
            day.dt.weekday().alias("day_of_week"),
            day.dt.strftime("%A").alias("day_name"),
            day.dt.strftime("%B").alias("month_name"),
            day.dt.quarter().alias("quarter"),
        )
        dates.collect().write_parquet(out + "/dim_date.parquet", compression="zstd", compression_level=1)
        tables = ["design", "currency", "address", "staff", "department", "counterparty"]
        small = {name: pl.scan_parquet(f"{ours}/{name}/*/*.parquet") for name in tables}
        context = pl.SQLContext(frames=small)
        for name, query in DIMENSIONS.items():
            rows = context.execute(query, eager=True)
            rows.write_parquet(f"{out}/{name}.parquet", compression="zstd", compression_level=1)
    return checked(watch.measured, [out + "/fact_sales_order.parquet"])


def transform_duckdb(p):
    out = fresh(p["folder"])
    database = duck()
    zstd = "(FORMAT parquet, COMPRESSION zstd)"
    with Watch() as watch:
        for name in ["design", "currency", "address", "staff", "department", "counterparty"]:
            database.execute(f"CREATE VIEW {name} AS FROM read_parquet('{p['ingested']}/{name}/*/*.parquet')")
        order = f"read_parquet('{p['ingested']}/sales_order/*/*.parquet')"
        fact = out + "/fact_sales_order.parquet"
        database.execute(f"COPY (SELECT {FACT_OF_ORDER} FROM {order}) TO '{fact}' {zstd}")
        named = ["created_date", "last_updated_date", "agreed_payment_date", "agreed_delivery_date"]
        days = " UNION ".join(f"SELECT DISTINCT {name} AS d FROM '{fact}'" for name in named)
        database.execute(f"COPY ({DAYS} FROM ({days}) ORDER BY d) TO '{out}/dim_date.parquet' {zstd}")
        for name, query in DIMENSIONS.items():
            database.execute(f"COPY ({query}) TO '{out}/{name}.parquet' {zstd}")
    return checked(watch.measured, [fact])


def load_duckdb(p):
    database = duck(postgres=True)
    with Watch() as watch:
        database.execute(f"ATTACH '{p['warehouse']}' AS wh (TYPE postgres)")
        files = f"read_parquet('{p['transformed']}/fact_sales_order/*/*.parquet')"
        database.execute(f"INSERT INTO wh.public.fact_sales_order ({FACT_COLUMNS}) SELECT {FACT_COLUMNS} FROM {files}")
    query = "SELECT count(*) AS n, sum(units_sold) AS units, sum(unit_price) AS price FROM fact_sales_order"
    rows, units, price = database.execute(f"SELECT * FROM postgres_query('wh', '{query}')").fetchone()
    return watch.measured | {"rows": rows, "units": int(units), "cents": int(round(price * 100))}


def changes_duckdb(p):
    out = fresh(p["folder"])
    database = duck(postgres=True)
    compared = [name.strip() for name in FACT_COLUMNS.split(",")]
    new = ", ".join("s." + name for name in compared)
    old = ", ".join("f." + name for name in compared)
    last = number(p["warehouse"], "SELECT max(sales_record_id) FROM fact_sales_order")
    with Watch() as watch:
        database.execute(f"ATTACH '{p['source']}' AS pg (TYPE postgres, READ_ONLY)")
        database.execute(f"ATTACH '{p['warehouse']}' AS wh (TYPE postgres)")
        changed = f"SELECT {ORDER_COLUMNS} FROM sales_order WHERE last_updated > ''{p['since']}''"
        database.execute(
            f"COPY (FROM postgres_query('pg', '{changed}')) TO '{out}/orders.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
        database.execute(
            f"COPY (SELECT {FACT_OF_ORDER} FROM '{out}/orders.parquet') TO '{out}/facts.parquet' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        database.execute("BEGIN")
        database.execute("CALL postgres_execute('wh', 'TRUNCATE staged')")
        database.execute(f"INSERT INTO wh.public.staged ({FACT_COLUMNS}) SELECT {FACT_COLUMNS} FROM '{out}/facts.parquet'")
        database.execute(
            "CALL postgres_execute('wh', 'ANALYZE staged; "
            f"INSERT INTO fact_sales_order ({FACT_COLUMNS}) SELECT {new} FROM staged s "
            "LEFT JOIN LATERAL (SELECT * FROM fact_sales_order f WHERE f.sales_order_id = s.sales_order_id "
            "ORDER BY sales_record_id DESC LIMIT 1) f ON true "
            f"WHERE ({new}) IS DISTINCT FROM ({old})')"
        )
        database.execute("COMMIT")
    rows = number(p["warehouse"], f"SELECT count(*) FROM fact_sales_order WHERE sales_record_id > {last}")
    return watch.measured | {"rows": rows}


def check(p):
    return checked({}, glob.glob(p["files"]))


if __name__ == "__main__":
    parameters = json.loads(sys.argv[2])
    print(json.dumps(globals()[sys.argv[1]](parameters)))
