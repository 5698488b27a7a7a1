"""One peer, in a process of its own.

    systems.py load SYSTEM LAKE DATABASE [--asked]    fills its own tables from the lake's data files
    systems.py ask SYSTEM LAKE DATABASE               answers questions, JSON lines as `benches/src/bin/suite.rs` has them

Each is set up as somebody would who knows it: see the classes. With `--asked` its tables have the columns only that
`questions.py` names, and take what fits on a disk.
"""

import json
import os
import re
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from environment import HERE

THREADS = 2


def data_files(lake):
    return str(lake / "tenants" / "*" / "m365_audit" / "event_date=*" / "*.parquet")


def write_arrow(path, table):
    import pyarrow.ipc

    with pyarrow.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def columns_of(lake, is_asked_only):
    """Names and DuckDB's types of what the data files have."""
    columns = DuckDB.connect().execute(f"DESCRIBE SELECT * FROM {DuckDB.parquet(lake)}").fetchall()
    named = set(re.findall(r"\w+", (HERE / "questions.py").read_text()))
    return [(name, kind) for name, kind, *_ in columns if name in named or not is_asked_only]


class DuckDB:
    """Its own table, in order of time, for the zone maps; an index on `id`; times without a zone. Texts are compressed
    as it chooses (DICT_FSST): by zstd the records take a quarter of the disk, and searching them twice the time. So
    they are only where the disk has to do (`--asked`)."""

    modules = ["duckdb"]

    def __init__(self, lake, database):
        self.connection = self.connect(database, read_only=True)

    @staticmethod
    def connect(database=":memory:", **options):
        import duckdb

        connection = duckdb.connect(str(database), config={"threads": THREADS}, **options)
        connection.execute("SET TimeZone = 'UTC'")
        # Where the latest rows are asked for, other columns are read for those alone; by default up to 50 rows.
        connection.execute("SET late_materialization_max_rows = 1000")
        return connection

    @staticmethod
    def parquet(lake):
        return f"read_parquet('{data_files(lake)}', union_by_name = true, hive_partitioning = true)"

    @classmethod
    def load(cls, lake, database, is_asked_only):
        connection = cls.connect(database)
        connection.execute("SET parquet_metadata_cache = true")
        source = cls.parquet(lake)
        columns = columns_of(lake, is_asked_only)
        types = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
        how = {"raw": " USING COMPRESSION zstd"} if is_asked_only else {}
        declared = ", ".join(f"{name} {types.get(kind, kind)}{how.get(name, '')}" for name, kind in columns)
        values = ", ".join(f"{name}::{types[kind]}" if kind in types else name for name, kind in columns)
        connection.execute(f"CREATE TABLE m365_audit ({declared})")
        # A day after the other: sorting all records with all their columns at once needs the disk many times over.
        for [day] in connection.execute(f"SELECT DISTINCT event_date FROM {source} ORDER BY 1").fetchall():
            connection.execute(
                f"INSERT INTO m365_audit SELECT {values} FROM {source} WHERE event_date = DATE '{day}' ORDER BY creation_time"
            )
        connection.execute("CREATE INDEX by_id ON m365_audit (id)")
        connection.execute("CHECKPOINT")
        connection.close()

    def ask(self, question):
        return self.connection.sql(question["sql"]).to_arrow_table()

    def to_arrow(self, result):
        return result


class DuckDBOnParquet(DuckDB):
    """The lake's data files, with their footers kept in memory."""

    load = None

    def __init__(self, lake, database):
        self.connection = self.connect()
        self.connection.execute("SET parquet_metadata_cache = true")
        self.connection.execute(f"CREATE VIEW m365_audit AS SELECT * FROM {self.parquet(lake)}")


class ClickHouse:
    """A MergeTree in order of time, a part a month, with the skip indexes of somebody who looks for single values and for
    texts."""

    modules = ["chdb"]

    # Few values: dictionaries, as the manual advises.
    FEW = (
        "tenant_id operation workload organization_id result_status content_type record_type_name user_type_name user_id"
        " user_agent item_type event_source logon_error error_number client_info_string app_id client_app_id"
        " application_id source_ip client_ip organization_name platform"
    ).split()
    INDEXES = [
        "INDEX by_id id TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX by_source_ip source_ip TYPE bloom_filter(0.01) GRANULARITY 1",
        "INDEX by_user_id user_id TYPE bloom_filter(0.01) GRANULARITY 1",
        "INDEX by_session session_id TYPE bloom_filter(0.01) GRANULARITY 1",
        "INDEX by_correlation correlation_id TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX by_file source_file_name TYPE bloom_filter(0.01) GRANULARITY 1",
        "INDEX by_operation operation TYPE set(100) GRANULARITY 1",
        "INDEX in_object object_id TYPE text(tokenizer = 'splitByNonAlpha')",
        # Bloom filters of n-grams ruled nothing out for parts of GUIDs, and were as large.
        "INDEX in_raw raw TYPE text(tokenizer = 'splitByNonAlpha')",
    ]

    def __init__(self, lake, database):
        from chdb import session

        self.session = session.Session(str(database))
        self.session.query("USE lake")
        self.session.query(f"SET max_threads = {THREADS}")

    @classmethod
    def load(cls, lake, database, is_asked_only):
        from chdb import session

        # It reads files below the working directory only.
        os.chdir(lake)
        columns = columns_of(lake, is_asked_only)
        types = [f"{name} {cls.type_of(name, kind, name in cls.FEW)}" for name, kind in columns]
        files = f"file('{Path(data_files(lake)).relative_to(lake)}', Parquet)"
        database = session.Session(str(database))
        database.query("CREATE DATABASE IF NOT EXISTS lake ENGINE = Atomic")
        database.query(
            f"CREATE TABLE lake.m365_audit ({', '.join(types + cls.INDEXES)}) ENGINE = MergeTree ORDER BY creation_time"
            " PARTITION BY toYYYYMM(creation_time)"
            # Parts that were merged go at once: they are three times the table.
            " SETTINGS index_granularity = 8192, old_parts_lifetime = 1, cleanup_delay_period = 1,"
            " cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 1"
        )
        names = ", ".join(name for name, _ in columns)
        database.query(
            f"INSERT INTO lake.m365_audit ({names}) SELECT {names} FROM {files} SETTINGS schema_inference_mode = 'union',"
            f" use_hive_partitioning = 1, input_format_parquet_allow_missing_columns = 1, max_threads = {THREADS},"
            " input_format_null_as_default = 1, insert_null_as_default = 1"
        )
        database.query("OPTIMIZE TABLE lake.m365_audit FINAL")
        old = "SELECT count() FROM system.parts WHERE database = 'lake' AND NOT active"
        for _ in range(120):
            if str(database.query(old)).strip() == "0":
                break
            time.sleep(1)
        database.close()

    @staticmethod
    def type_of(name, kind, is_few):
        """Texts are never null, as the manual advises: an empty one is none."""
        plain = {
            "VARCHAR": "LowCardinality(String)" if is_few else "String",
            "BIGINT": "Nullable(Int64)",
            "BOOLEAN": "Nullable(Bool)",
            "DATE": "Date",
            "TIMESTAMP WITH TIME ZONE": "DateTime64(6, 'UTC')" if name == "creation_time" else "Nullable(DateTime64(6, 'UTC'))",
            "MAP(VARCHAR, VARCHAR)": "Map(LowCardinality(String), String)",
        }
        return plain.get(kind, "Map(LowCardinality(String), Tuple(old_value String, new_value String))")

    def ask(self, question):
        return self.session.query(question["sql"], "Arrow").bytes()

    def to_arrow(self, result):
        import pyarrow
        import pyarrow.ipc

        return pyarrow.ipc.open_file(pyarrow.BufferReader(result)).read_all() if result else pyarrow.table({})


class Polars:
    """The lake as a Delta table, lazily: the log tells the columns and rules files out."""

    modules = ["polars", "deltalake"]
    load = None

    def __init__(self, lake, database):
        import polars as pl

        [table] = lake.glob("tenants/*/m365_audit")
        self.audit = pl.scan_delta(str(table))

    def ask(self, question):
        import polars_questions

        return polars_questions.QUESTIONS[question["id"]](self.audit, question["values"]).collect()

    def to_arrow(self, result):
        return result.to_arrow()


SYSTEMS = {"duckdb": DuckDB, "duckdb-parquet": DuckDBOnParquet, "clickhouse": ClickHouse, "polars": Polars}


def answer(system, question):
    first, times = time.perf_counter(), []
    while True:
        start = time.perf_counter()
        result = system.ask(question)
        end = time.perf_counter()
        times.append((end - start) * 1000)
        if len(times) >= question["runs"] or end - first >= question["seconds"]:
            write_arrow(question["result"], system.to_arrow(result))
            return times


def ask(kind, lake, database):
    # Starting Python and loading programs is no part of opening data.
    for module in kind.modules:
        import_module(module)
    start = time.perf_counter()
    system = kind(lake, database)
    say({"open_ms": (time.perf_counter() - start) * 1000, "version": version(kind.modules[0])})
    for line in sys.stdin:
        question = json.loads(line)
        try:
            outcome = {"ms": answer(system, question)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this question's answer
            outcome = {"error": f"{type(error).__name__}: {error}"}
        say({"id": question["id"], **outcome})


def say(line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    action, system, *paths = (argument for argument in sys.argv[1:] if argument != "--asked")
    kind, paths = SYSTEMS[system], map(Path, paths)
    if action == "load":
        kind.load(*paths, "--asked" in sys.argv)
    else:
        ask(kind, *paths)
