#!/usr/bin/env python3
"""Do readers that are not ours see the same in a lake?

    benches/peers/readers.py LAKE

Opens every tenant's tables with Polars `scan_delta`, ClickHouse `deltaLakeLocal` (chdb) and DuckDB
`delta_scan`, and their data files with plain Parquet readers (Polars, DuckDB, PyArrow), and compares
counts, sums, bounds and map columns. Works beside a writer: an answer is right if it is that of one
version that was the latest during the read. Prints a table; exit code 1 if a reader disagrees or fails.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import environment

environment.enter()

from environment import DUCKDB_DELTA  # noqa: E402

# Table: facts as (name, kind, column).
FACTS = {
    "m365_audit": [
        ("rows", "rows", None),
        ("distinct id", "distinct", "id"),
        ("sum record_type", "sum", "record_type"),
        ("sum user_type", "sum", "user_type"),
        ("first creation_time", "first", "creation_time"),
        ("last creation_time", "last", "creation_time"),
        ("with parameters", "filled", "parameters"),
    ],
    "m365_content": [
        ("rows", "rows", None),
        ("distinct source", "distinct", "source"),
        ("sum records", "sum", "records"),
    ],
    "m365_rejects": [("rows", "rows", None), ("distinct reject_id", "distinct", "reject_id")],
}
DUCKDB_SQL = {
    "rows": "count(*)",
    "distinct": "count(DISTINCT {})",
    "sum": "coalesce(sum({}), 0)::BIGINT",
    "first": "epoch_us(min({}))",
    "last": "epoch_us(max({}))",
    "filled": "count(*) FILTER (cardinality({}) > 0)",
}
CLICKHOUSE_SQL = {
    "rows": "count()",
    "distinct": "uniqExact({})",
    "sum": "toInt64(ifNull(sum({}), 0))",
    "first": "toUnixTimestamp64Micro(min({}))",
    "last": "toUnixTimestamp64Micro(max({}))",
    "filled": "countIf(length({}) > 0)",
}


def polars_delta(table, facts, _files):
    import polars as pl

    return _polars(pl.scan_delta(table), facts)


def polars_files(_table, facts, files):
    import polars as pl

    columns = {column for _, _, column in facts if column}
    frames = [pl.scan_parquet(file, hive_partitioning=False) for file in files]
    present = [frame.select(pl.lit(1).alias("one"), *columns & set(frame.collect_schema())) for frame in frames]
    return _polars(pl.concat(present, how="diagonal"), facts)


# What a fact is where no file has its column: a plain reader can't know that the table has it.
WITHOUT_COLUMN = {"distinct": 0, "sum": 0, "first": None, "last": None, "filled": 0}


def _polars(frame, facts):
    import polars as pl

    expressions = {
        "rows": lambda _: pl.len(),
        "distinct": lambda c: pl.col(c).drop_nulls().n_unique(),
        "sum": lambda c: pl.col(c).sum(),
        "first": lambda c: pl.col(c).min().dt.epoch("us"),
        "last": lambda c: pl.col(c).max().dt.epoch("us"),
        "filled": lambda c: (pl.col(c).map.len() > 0).sum(),
    }
    there = set(frame.collect_schema()) | {None}
    known = [(name, kind, column) for name, kind, column in facts if column in there]
    row = frame.select(expressions[kind](column).alias(name) for name, kind, column in known).collect().row(0, named=True)
    return tuple(row.get(name, WITHOUT_COLUMN.get(kind)) for name, kind, _ in facts)


def clickhouse_delta(table, facts, _files):
    import chdb

    answer = chdb.query(f"SELECT {_sql(CLICKHOUSE_SQL, facts)} FROM deltaLakeLocal('{table}')", "JSONCompactEachRow")
    return [int(value) if value is not None else None for value in json.loads(answer.bytes())]


def duckdb_delta(table, facts, _files):
    import duckdb

    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    [extension] = DUCKDB_DELTA.glob("duckdb_extension_delta/extensions/*/delta.duckdb_extension")
    connection.execute(f"LOAD '{extension}'")
    return connection.execute(f"SELECT {_sql(DUCKDB_SQL, facts)} FROM delta_scan('{table}')").fetchone()


def duckdb_files(_table, facts, files):
    import duckdb

    source = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    connection = duckdb.connect()
    there = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()} | {None}
    known = [fact for fact in facts if fact[2] in there]
    answers = iter(connection.execute(f"SELECT {_sql(DUCKDB_SQL, known)} FROM {source}").fetchone())
    return tuple(next(answers) if column in there else WITHOUT_COLUMN[kind] for _, kind, column in facts)


def _sql(dialect, facts):
    return ", ".join(dialect[kind].format(column) for _, kind, column in facts)


def pyarrow_files(_table, facts, files):
    """Decodes every column of every file; tells the rows alone."""
    import pyarrow.parquet

    rows = sum(pyarrow.parquet.ParquetFile(file).read().num_rows for file in files)
    return [rows] + [None] * (len(facts) - 1)


READERS = [polars_delta, clickhouse_delta, duckdb_delta, polars_files, duckdb_files, pyarrow_files]


def main(lake):
    import deltalake

    tables = sorted(path for name in FACTS for path in lake.glob(f"tenants/*/{name}"))
    if not tables:
        sys.exit(f"no tables below {lake}/tenants")
    failures = 0
    for path in tables:
        facts = FACTS[path.name]
        before = deltalake.DeltaTable(str(path))
        files = [uri.removeprefix("file://") for uri in before.file_uris()]
        print(f"\n{path.relative_to(lake)}: version {before.version()}, {len(files)} files")
        print_row("reader", [name for name, _, _ in facts], "agrees")
        for reader in READERS if files else []:
            answer = run_reader(reader.__name__, path, files)
            versions = range(before.version(), deltalake.DeltaTable(str(path)).version() + 1)
            right = (expected(path, facts, version) for version in versions)
            agrees = answer is not None and any(agree(answer, values) for values in right)
            failures += not agrees
            print_row(reader.__name__, answer or ["failed"] * len(facts), "yes" if agrees else "NO")
    sys.exit(1 if failures else 0)


def run_reader(reader, table, files):
    """Runs a reader in a process of its own: they bring different versions of DuckDB."""
    environ = {**os.environ, "PYTHONPATH": str(DUCKDB_DELTA)} if reader == "duckdb_delta" else os.environ
    command = [sys.executable, Path(__file__).resolve(), "--reader", reader]
    given = json.dumps([str(table), files])
    # ClickHouse reads below the working directory only.
    done = subprocess.run(command, cwd=table, env=environ, input=given, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def expected(table, facts, version):
    """What a version holds, by the number of rows and values that every reader must find."""
    import polars as pl

    return _polars(pl.scan_delta(str(table), version=version), facts)


def agree(answer, values):
    return all(found is None or found == value for found, value in zip(answer, values, strict=True))


def print_row(name, cells, verdict):
    print(f"{name:<18}" + "".join(f"{'' if cell is None else cell:>21}" for cell in cells) + f"  {verdict}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--reader"]:
        table, files = json.load(sys.stdin)
        facts = FACTS[Path(table).name]
        reader = next(reader for reader in READERS if reader.__name__ == sys.argv[2])
        print(json.dumps(list(reader(table, facts, files))))
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]).resolve())
    else:
        sys.exit(__doc__)
