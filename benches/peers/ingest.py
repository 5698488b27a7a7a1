"""One peer's ingest, in a process of its own: `ingest.py SYSTEM INPUT_DIR OUTPUT_DIR`.

Prints a JSON object with the rows it stored and the columns it made. INPUT_DIR holds the same
records twice: `records.ndjson` and `blobs/*/*.json` (arrays, as the API delivers them); each peer
reads the form that it reads best.
"""

import json
import resource
import sys
from pathlib import Path

THREADS = 2
OPEN_FILES = 1 << 17


def duckdb_default(source, target):
    """What the manual shows. Columns come from a sample of 20,480 records."""
    return _duckdb(source, target, "")


def duckdb_full(source, target):
    """Every record is looked at for the columns, so that none is left out."""
    return _duckdb(source, target, ", sample_size = -1")


def _duckdb(source, target, options):
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    connection.execute(
        f"COPY (SELECT * FROM read_json('{source}/records.ndjson', format = 'newline_delimited'{options}))"
        f" TO '{target}/audit.parquet' (FORMAT parquet, COMPRESSION zstd)"
    )
    return _parquet_shape(target / "audit.parquet")


def polars(source, target):
    """Every record is looked at for the columns: the default, 100 records, fails on the rest.

    Polars writes no object without members; a column that holds nothing else is left out.
    """
    import polars as pl

    frame = pl.scan_ndjson(source / "records.ndjson", infer_schema_length=None)
    frame = frame.drop(name for name, kind in frame.collect_schema().items() if kind == pl.Struct([]))
    frame.sink_parquet(target / "audit.parquet", compression="zstd")
    return _parquet_shape(target / "audit.parquet")


def clickhouse(source, target):
    """The JSON type: a column for each path, made as paths come up."""
    from chdb import session

    # A wide part, which large ones are by default, has some files for each path, and several parts
    # are open at a time. Where the system forbids so many, parts are compact: one file each.
    wide = raise_open_files() >= OPEN_FILES
    settings = "" if wide else f" SETTINGS min_bytes_for_wide_part = {1 << 40}"
    database = session.Session(f"{target}/clickhouse")
    database.query("CREATE DATABASE IF NOT EXISTS lake ENGINE = Atomic")
    database.query(f"CREATE TABLE lake.audit (record JSON) ENGINE = MergeTree ORDER BY tuple(){settings}")
    database.query(
        f"INSERT INTO lake.audit SELECT * FROM file('{source}/records.ndjson', JSONAsObject)"
        f" SETTINGS max_threads = {THREADS}, max_insert_threads = {THREADS}"
    )
    rows = json.loads(database.query("SELECT count() AS rows FROM lake.audit", "JSONEachRow").bytes())["rows"]
    database.close()
    return {"rows": int(rows), "columns": "by path" if wide else "by path, compact"}


def raise_open_files():
    """Raises the limit of open files as far as wanted or allowed, and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (OPEN_FILES, hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
            return wanted
        except (PermissionError, ValueError):
            continue
    return hard


def _parquet_shape(path):
    import pyarrow.parquet

    metadata = pyarrow.parquet.read_metadata(path)
    return {"rows": metadata.num_rows, "columns": len(pyarrow.parquet.read_schema(path))}


SYSTEMS = {
    "duckdb": duckdb_default,
    "duckdb-full": duckdb_full,
    "polars": polars,
    "clickhouse": clickhouse,
}

if __name__ == "__main__":
    system, source, target = sys.argv[1:]
    print(json.dumps(SYSTEMS[system](Path(source), Path(target))))
