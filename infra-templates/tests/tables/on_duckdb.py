"""Runs the views of golden/tables.json on DuckDB, which stands in for Athena.

    on_duckdb.py                                        cases made by hand
    on_duckdb.py --lake FOLDER --warehouse URL          a real lake, compared with its warehouse

Tables are made as Glue describes them, "$path" is the name of a file, and `UNNEST(x) AS a(…)`, by which Athena makes
columns of the fields of rows, is written as DuckDB has it. Everything else runs as it stands. Needs duckdb, of the
version in tests/emulator/requirements.in, and, for a warehouse, psql.
"""

import argparse
import base64
import csv
import glob
import io
import json
import os
import re
import subprocess
import tempfile

import duckdb

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../golden/tables.json")
BUCKETS = "s3://acme-totesys-"
FACTS = {
    "fact_sales_order": "sales_order_id",
    "fact_purchase_order": "purchase_order_id",
    "fact_payment": "payment_id",
}


def tables():
    with open(GOLDEN) as golden:
        return [table["Properties"]["TableInput"] for table in json.load(golden)["Resources"].values()]


def parts(text):
    """What commas divide outside of <…>."""
    found, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += (letter == "<") - (letter == ">")
        if letter == "," and depth == 0:
            found.append(text[start:index])
            start = index + 1
    return found + [text[start:]]


def duckdb_type(hive):
    kind, _, inner = hive.partition("<")
    inner = inner[:-1]
    if kind == "array":
        return duckdb_type(inner) + "[]"
    if kind == "map":
        return "MAP({}, {})".format(*map(duckdb_type, parts(inner)))
    if kind == "struct":
        fields = (field.split(":", 1) for field in parts(inner))
        return "STRUCT(" + ", ".join(f'"{name}" {duckdb_type(field)}' for name, field in fields) + ")"
    return {"string": "VARCHAR", "binary": "BLOB"}.get(hive, hive.upper())


def add_table(db, table, place):
    name, storage = table["Name"], table["StorageDescriptor"]
    folder = storage["Location"].replace(BUCKETS, place)
    path = f"""replace(filename, '{place}', '{BUCKETS}') AS "$path\""""
    columns = storage["Columns"]
    if "JsonSerDe" in storage["SerdeInfo"]["SerializationLibrary"]:
        types = ", ".join(f"'{column['Name']}': '{duckdb_type(column['Type'])}'" for column in columns)
        # A map is unnested into keys and values; DuckDB does that with entries.
        entries = lambda column: f'map_entries("{column["Name"]}")' if column["Type"].startswith("map") else f'"{column["Name"]}"'
        shown = ", ".join(f'{entries(column)} AS "{column["Name"]}"' for column in columns)
        source = f"read_json('{folder}**/*.json', format='newline_delimited', columns={{{types}}}, filename=true)"
    else:
        files = glob.glob(folder + "**/*.parquet", recursive=True)
        if not files:
            shown = ", ".join(f'NULL::{duckdb_type(column["Type"])} AS "{column["Name"]}"' for column in columns)
            db.execute(f'CREATE VIEW "{name}" AS SELECT {shown}, \'\' AS "$path" WHERE false')
            return
        source = f"read_parquet({files!r}, union_by_name=true, hive_partitioning=false, filename=true)"
        there = {column[0].lower(): column[1] for column in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}

        def stored(column):
            column_name, kind = column["Name"], duckdb_type(column["Type"])
            if column_name not in there:
                return f'NULL::{kind} AS "{column_name}"'
            # As Athena reads a time of Parquet's into a bigint.
            return f'epoch_us("{column_name}") AS "{column_name}"' if there[column_name] == "TIME" else f'"{column_name}"'

        shown = ", ".join(map(stored, columns))
    db.execute(f'CREATE VIEW "{name}" AS SELECT {shown}, {path} FROM {source}')


def in_duckdb(sql):
    return re.sub(r"UNNEST\(([\w.]+)\) AS (\w+)\(([^)]*)\)", r"LATERAL (SELECT UNNEST(\1, max_depth := 2)) AS \2(\3)", sql)


def connect(place):
    """The database over a folder with the buckets; `place` is what their paths begin with."""
    db = duckdb.connect()
    db.execute("SET integer_division = true")
    views = {}
    for table in tables():
        if table["TableType"] == "VIRTUAL_VIEW":
            encoded = table["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
            views[table["Name"]] = json.loads(base64.b64decode(encoded))
        else:
            add_table(db, table, place)
    while views:
        left = {}
        for name, view in views.items():
            try:
                db.execute(f'CREATE VIEW "{name}" AS {in_duckdb(view["originalSql"])}')
            except duckdb.CatalogException as error:
                # It reads a view that comes later.
                left[name], last = view, error
                continue
            found = [(column[0], column[1]) for column in db.execute(f'DESCRIBE "{name}"').fetchall()]
            names = {"timestamp(3)": "TIMESTAMP", "varbinary": "BLOB"}
            said = [(column["name"], names.get(column["type"], column["type"].upper())) for column in view["columns"]]
            assert found == said, f"{name} has {found} and says {said}"
        if len(left) == len(views):
            raise last
        views = left
    return db


def compare(lake, warehouse):
    """What the views of a real lake say, and what its warehouse does."""
    db, differences = connect(lake + "/totesys-"), 0

    def loaded(sql):
        copy = f"COPY ({sql}) TO STDOUT (FORMAT csv, NULL '<null>')"
        answer = subprocess.run(["psql", warehouse, "-c", copy], capture_output=True, text=True, check=True).stdout
        return sorted(map(tuple, csv.reader(io.StringIO(answer))))

    def say(what, here, there):
        nonlocal differences
        differences += here != there
        print(f"{what:34} lake {len(here):8} warehouse {len(there):8}  {'same' if here == there else 'DIFFERENT'}")

    views = db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal AND view_name LIKE '%\\_current' ESCAPE '\\'")
    for (view,) in sorted(views.fetchall()):
        columns = [column for column in db.execute(f'DESCRIBE "{view}"').fetchall() if column[0] != "lake_batch"]
        text = lambda name, kind: f"CASE WHEN \"{name}\" THEN 't' ELSE 'f' END" if kind == "BOOLEAN" else f'CAST("{name}" AS varchar)'
        rows = db.execute(f"SELECT {', '.join(text(*column[:2]) for column in columns)} FROM \"{view}\"").fetchall()
        here = sorted(tuple("<null>" if value is None else value for value in row) for row in rows)
        table = view if view.startswith("fact_") else view.removesuffix("_current")
        time = lambda name: f"to_char(\"{name}\"::time, 'HH24:MI:SS.US')" if name.endswith("_time") else f'"{name}"'
        say(view, here, loaded(f"SELECT {', '.join(time(column[0]) for column in columns)} FROM totesys.{table}"))
    for fact, key in FACTS.items():
        gone = db.execute(f"SELECT {key}, lake_deleted_in FROM {fact}_deleted").fetchall()
        history = f"totesys.{fact}_history"
        last = f"NOT EXISTS (SELECT FROM {history} n WHERE n.{key} = h.{key} AND n.batch > h.batch)"
        there = loaded(f"SELECT {key}, deleted_in FROM {history} h WHERE deleted_in IS NOT NULL AND {last}")
        say(f"{fact}_deleted", sorted((str(row[0]), str(row[1])) for row in gone), there)
    assert differences == 0, f"{differences} differ"


class Lake:
    """A lake made by hand, in a folder."""

    def __init__(self, folder):
        self.place = folder + "/"

    def path(self, key):
        path = self.place + key
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def record(self, key, record):
        with open(self.path(key), "w") as file:
            file.write(json.dumps(record))

    def parquet(self, key, rows):
        duckdb.sql(f"COPY ({rows}) TO '{self.path(key)}' (FORMAT parquet)")

    def file(self, table, name, rows):
        """A file of transformed rows; gives its key."""
        key = f"parquets/{table}/day=2026-01-01/{name}.parquet"
        self.parquet("transformed-data/" + key, rows)
        return key

    def transformation(self, star, batch, keys, released=(), generation=0):
        place = f"generations/{star}/{generation}" if generation else f"stars/{star}"
        record = {"batch": str(batch), "star": star, "outputs": outputs(*keys), "released": list(released)}
        if generation:
            record["generation"] = str(generation)
        self.record(f"transformation-times/{place}/{batch}.json", record)


def outputs(*keys):
    return [{"table": "x", "role": "fact", "rows": "1", "files": [{"key": key}]} for key in keys]


def payments(*rows):
    row = "SELECT {} AS payment_id, {}::DECIMAL(10, 2) AS payment_amount, TIME '01:02:03.004' AS created_time"
    return " UNION ALL ".join(row.format(*values) for values in rows)


def kinds(*rows):
    return " UNION ALL ".join("SELECT {} AS payment_type_id, '{}' AS payment_type_name".format(*row) for row in rows)


def currencies(*rows):
    return " UNION ALL ".join("SELECT {} AS currency_id, '{}' AS currency_code".format(*row) for row in rows)


def by_hand():
    """Released rows, owners, generations and sets of keys, in a lake small enough to be read."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        lake.record("code/catalog/1.json", {"number": "9", "owners": {}})
        # Rebuild 2 went back to batch 4, rebuild 3 to batch 3; rebuild 1 never counted.
        generations = {"payments": [{"number": "2", "from": "4"}, {"number": "3", "from": "3"}]}
        lake.record("code/catalog/2.json", {"number": "10", "owners": {"dim_currency": "sales"}, "generations": generations})
        fact, kind, currency = "fact_payment", "dim_payment_type", "dim_currency"

        lake.transformation("payments", 1, [lake.file(fact, "1", payments((1, 10), (2, 20), (5, 50)))])
        of_2 = [lake.file(fact, "2", payments((1, 11))), lake.file(kind, "2", kinds((1, "NEW")))]
        lake.transformation("payments", 2, of_2)
        for batch, generation in [(3, 0), (3, 1), (4, 2)]:
            overtaken = lake.file(fact, f"{batch}-generation{generation}", payments((1, 666)))
            lake.transformation("payments", batch, [overtaken], generation=generation)
        lake.transformation("payments", 3, [lake.file(fact, "3", payments((1, 12)))], generation=3)
        # Batch 4 takes rows at last that batches 1 and 2 observed: of key 1 there are newer versions.
        old = [lake.file(fact, "4-from-1-overtaken", payments((1, 1)))]
        old.append(lake.file(kind, "4-from-1-overtaken", kinds((1, "OLD"), (2, "GAP"))))
        released = [
            {"observed_batch": "1", "overtaken": True, "outputs": outputs(*old)},
            {"observed_batch": "2", "outputs": outputs(lake.file(fact, "4-from-2", payments((3, 30))))},
        ]
        lake.transformation("payments", 4, [lake.file(fact, "4", payments((4, 40)))], released, generation=3)
        lake.file(fact, "9-of-an-attempt-that-came-to-nothing", payments((1, 999)))
        lake.record("transformation-times/failures/payments/9.json", {"batch": "9", "star": "payments", "reason": "no"})

        # Sales owns the currencies. Of what purchases brings only the first of a key that sales has not stands.
        for star, batch, rows in [
            ("sales", 1, currencies((1, "GBP"))),
            ("sales", 2, currencies((1, "GBX"))),
            ("purchases", 3, currencies((2, "EUR"))),
            ("purchases", 9, currencies((1, "ZZZ"), (2, "ZZZ"))),
        ]:
            lake.transformation(star, batch, [lake.file(currency, f"{batch}-{star}", rows)])

        # Batch 2 has every key but 5; what batch 3 has is of an earlier one; batch 5 was not transformed yet.
        keys = "data/payment/batch=2/keys.parquet"
        lake.parquet("ingestion/" + keys, "SELECT unnest([1, 2, 3, 4]) AS payment_id")
        lake.parquet("ingestion/data/payment/batch=2/rows.parquet", "SELECT 5 AS payment_id")
        sets = {
            1: {"changed": True},
            2: {"changed": True, "keys": {"rows": "4", "files": [{"key": keys}]}},
            3: {"changed": False, "keys": {"rows": "0", "files": []}},
            5: {"changed": True, "keys": {"rows": "0", "files": []}},
        }
        for batch, entry in sets.items():
            lake.record(f"ingestion/manifests/{batch}.json", {"batch": str(batch), "tables": {"payment": entry}})
        db = connect(lake.place)

        def check(sql, expected):
            found = db.execute(sql).fetchall()
            assert found == expected, f"{sql}\ngives {found}\nand not {expected}"

        amounts = f"SELECT payment_id, CAST(payment_amount AS int), lake_batch FROM {fact}_current ORDER BY 1"
        gone = f"SELECT payment_id, lake_deleted_in FROM {fact}_deleted ORDER BY 1"
        check(amounts, [(1, 12, 3), (2, 20, 1), (3, 30, 2), (4, 40, 4)])
        check(gone, [(5, 2)])
        check(f"SELECT DISTINCT created_time FROM {fact}_current", [("01:02:03.004000",)])
        check(f"SELECT payment_type_id, payment_type_name FROM {kind}_current ORDER BY 1", [(1, "NEW"), (2, "GAP")])
        check(f"SELECT currency_id, currency_code FROM {currency}_current ORDER BY 1", [(1, "GBX"), (2, "EUR")])
        # Once batch 5 is transformed, the source that had no rows any more has deleted everything.
        lake.transformation("payments", 5, [], generation=3)
        check(gone, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 2)])
        check(f"SELECT count(*) FROM {fact}_current", [(0,)])
    print("the views say what they should of a lake made by hand")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--lake", help="the folder with the buckets, such as target/totesys/demo/lake/buckets")
    arguments.add_argument("--warehouse", help="its warehouse, as psql takes it")
    given = arguments.parse_args()
    if given.lake:
        compare(given.lake, given.warehouse)
    else:
        by_hand()
