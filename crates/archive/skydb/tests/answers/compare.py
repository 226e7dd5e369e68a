"""Every query of this folder by `elqui query` and by independent engines, row by row.

usage: compare.py --elqui BINARY --work DIR [--only TEXT] [--importer elqui|hats] [--postgres DSN] [--jobs N]
  --work      tables and catalogues; kept between runs when it is not empty
  --importer  who writes the catalogues: `elqui catalog import`, or hats-import of PyPI (readers are tried on theirs)
  --postgres  a server with q3c: queries that have `-- q3c:` are asked there too
A query NAME.adql begins with comments: what it is; then, as wanted, `-- ordered` (rows are compared in their order), `-- subset: N`
(any N rows of the peer's), `-- tolerance: X` (relative, of numbers); then `-- duckdb:` and the peer's query, by hand.
Rows are multisets without `ordered`; numbers agree to 1e-9 (1e-6 where either side is a 32-bit float), NULL is NULL, NaN is NaN.
Names of columns must agree where the peer's is a plain word. Ends with 1 when an answer differs, with its first rows that do.
"""

import argparse
import datetime
import math
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import sky
import tables

HERE = Path(__file__).resolve().parent
SHAPES = {"POSITION", "POINT", "CIRCLE", "POLYGON", "BOX"}


@dataclass
class Query:
    name: str
    what: str = ""
    ordered: bool = False
    subset: int | None = None
    tolerance: float = 1e-9
    peers: dict = field(default_factory=dict)


def read(path):
    query, block = Query(path.stem), None
    for line in path.read_text().splitlines():
        if not line.startswith("--"):
            break
        text = line[2:].strip()
        key, _, value = text.partition(":")
        if key in ("duckdb", "q3c") and not value:
            block = query.peers.setdefault(key, [])
        elif block is not None:
            # Less indented it is a comment of the query.
            if not line.startswith("--    "):
                break
            block.append(text)
        elif text == "ordered":
            query.ordered = True
        elif key == "subset":
            query.subset = int(value)
        elif key == "tolerance":
            query.tolerance = float(value)
        else:
            query.what = f"{query.what} {text}".strip()
    query.peers = {k: "\n".join(v) for k, v in query.peers.items()}
    if not query.peers:
        sys.exit(f"{path}: no `-- duckdb:` in its comments")
    return query


# Values.


def plain(v):
    """A value of any engine in one form: number, text, None, or a tuple of a shape's word and numbers."""
    if isinstance(v, bool):
        return int(v)
    if isinstance(v, float) and math.isnan(v):
        return "NaN"
    if isinstance(v, datetime.datetime):
        return v.replace(tzinfo=None).isoformat(timespec="microseconds")
    if isinstance(v, dict):
        return ("POSITION", *(float(x) for x in v.values()))
    if isinstance(v, (list, tuple)):
        return tuple(plain(x) for x in v)
    if isinstance(v, bytes):
        return v.decode()
    if isinstance(v, str):
        words = v.split()
        if len(words) > 1 and words[0].upper() in SHAPES:
            try:
                return (words[0].upper().replace("POINT", "POSITION"), *(float(w) for w in words[1:] if w.upper() not in ("ICRS", "'ICRS'")))
            except ValueError:
                return v
    return v if v is None or isinstance(v, (int, float, str)) else float(v)


def rough(v):
    """For sorting: numbers that agree come out equal, mostly."""
    if isinstance(v, tuple):
        return (3, tuple(rough(x) for x in v))
    if v is None:
        return (0, 0)
    if isinstance(v, str):
        return (2, v)
    return (1, v if isinstance(v, int) or v == 0 or math.isinf(v) else float(f"{v:.5g}"))


def agree(a, b, tolerance):
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(agree(x, y, tolerance) for x, y in zip(a, b))
    if a is None or b is None or isinstance(a, (str, tuple)) or isinstance(b, (str, tuple)):
        return type(a) is type(b) and a == b
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b)) or abs(a - b) < 1e-13


class Answer:
    """Rows of plain values; `floats` says which columns are of 32 bits."""

    def __init__(self, names, floats, rows):
        self.names, self.floats, self.rows = names, floats, rows

    @classmethod
    def of(cls, table):
        floats = [pa.types.is_float32(t) for t in table.schema.types]
        columns = [[plain(v) for v in c.to_pylist()] for c in table.columns]
        return cls(list(table.column_names), floats, list(zip(*columns)) if table.num_rows else [])

    def unnamed(self):
        return Answer([f"?{n}" for n in self.names], self.floats, self.rows)


def differences(query, ours, theirs):
    """What differs, as text; nothing when all is the same."""
    if len(ours.names) != len(theirs.names):
        return f"columns {ours.names}, the peer's {theirs.names}"
    for a, b in zip(ours.names, theirs.names):
        if re.fullmatch(r"[A-Za-z_]\w*", b) and a != b:
            return f"a column is named `{a}`, the peer's `{b}`"
    tolerances = [max(query.tolerance, 1e-6) if a or b else query.tolerance for a, b in zip(ours.floats, theirs.floats)]
    same = lambda x, y: all(agree(a, b, t) for a, b, t in zip(x, y, tolerances))
    wanted = query.subset if query.subset is not None else len(theirs.rows)
    if len(ours.rows) != wanted:
        return f"{len(ours.rows)} rows, the peer's {wanted}" + example("ours only", ours.rows, theirs.rows) + example("the peer's only", theirs.rows, ours.rows)
    if query.ordered:
        for k, (x, y) in enumerate(zip(ours.rows, theirs.rows)):
            if not same(x, y):
                return f"row {k + 1}: {x}\n   the peer's: {y}"
        return ""
    key = lambda row: tuple(rough(v) for v in row)
    mine, other = sorted(ours.rows, key=key), sorted(theirs.rows, key=key)
    if query.subset is None:
        left = [(x, y) for x, y in zip(mine, other) if not same(x, y)]
        mine, other = [x for x, _ in left], [y for _, y in left]
    for x in mine:
        k = next((k for k, y in enumerate(other) if same(x, y)), None)
        if k is None:
            near = min(other, key=lambda y: sum(not agree(a, b, t) for a, b, t in zip(x, y, tolerances)), default=None)
            return f"{len(mine)} rows to look at; ours {x}\n   the peer's nearest {near}"
        other.pop(k)
    return ""


def example(words, rows, others):
    found = set(map(str, others))
    only = [r for r in rows if str(r) not in found][:2]
    return f"\n   {words}: {only}" if only else ""


# Engines.


class Elqui:
    def __init__(self, program, work):
        self.program, self.catalogs = program, work / "catalogs"

    def run(self, *words):
        done = subprocess.run([str(w) for w in (self.program, *words)], capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(" ".join(done.stderr.split())[:400] or f"ended with {done.returncode}")

    def bring(self, name, how, source, importer):
        target = self.catalogs / name
        if how.ra is None:
            # No position, no cells: a plain file of the table's name.
            shutil.copy(source, self.catalogs / f"{name.split('.')[1]}.parquet")
        elif (target / "collection.properties").exists() or (target / "hats.properties").exists():
            pass
        elif importer == "hats":
            by_hats(name, how, source, self.catalogs)
        else:
            words = ["--out", target, "--name", name, "--ra", how.ra, "--dec", how.dec, "--margin", how.margin, "--rows-max", 1500]
            words += ["--id", how.id] if how.id else []
            words += ["--parent", self.catalogs / how.parent, "--parent-id", how.parent_id] if how.parent else []
            self.run("catalog", "import", source, *words)

    def ask(self, query):
        text = (HERE / f"{query.name}.adql").read_text()
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "answer.parquet"
            # The text begins with a comment, which must not be taken for an option.
            self.run("query", "--catalog", self.catalogs, "--format", "parquet", "--out", out, "--", text)
            return Answer.of(pq.read_table(out))


def by_hats(name, how, source, out):
    """A collection by hats-import: catalogue and margin (its id index wants another dask)."""
    from dask.distributed import Client, LocalCluster
    from hats_import import CollectionArguments, pipeline_with_client

    with tempfile.TemporaryDirectory() as scratch, LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as client:
        args = CollectionArguments(output_artifact_name=name, output_path=out, tmp_dir=scratch, progress_bar=False)
        args = args.catalog(input_file_list=[source], file_reader="parquet", ra_column=how.ra, dec_column=how.dec, catalog_type="object", pixel_threshold=1500)
        pipeline_with_client(args.add_margin(margin_threshold=how.margin, is_default=True), client)


class Duck:
    def __init__(self, folder):
        self.con = duckdb.connect()
        sky.teach(self.con)
        for name in tables.TABLES:
            schema, table = name.split(".")
            self.con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema if schema != 'public' else 'main'}")
            home = f"{schema}." if schema != "public" else ""
            self.con.execute(f"CREATE TABLE {home}{table} AS FROM '{folder}/{name}.parquet'")

    def ask(self, query):
        return Answer.of(self.con.sql(query.peers["duckdb"]).to_arrow_table())


class Postgres:
    """The tables with positions, under their names with `_` for the dot."""

    def __init__(self, dsn, folder):
        import psycopg

        self.con = psycopg.connect(dsn, autocommit=True)
        self.con.execute("CREATE EXTENSION IF NOT EXISTS q3c")
        for name, how in tables.TABLES.items():
            if how.ra:
                self.load(name.replace(".", "_").lower(), how, pq.read_table(folder / f"{name}.parquet"))

    def load(self, name, how, table):
        kinds = {"int64": "bigint", "int32": "integer", "int16": "smallint", "float": "real", "double": "double precision", "bool": "boolean", "string": "text", "timestamp[us]": "timestamp"}
        keep = [c for c in table.column_names if str(table.schema.field(c).type) in kinds]
        table = table.select(keep)
        columns = ", ".join(f'"{c.lower()}" {kinds[str(table.schema.field(c).type)]}' for c in keep)
        self.con.execute(f"DROP TABLE IF EXISTS {name}")
        self.con.execute(f"CREATE TABLE {name} ({columns})")
        with self.con.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
            for row in zip(*(c.to_pylist() for c in table.columns)):
                copy.write_row(row)
        self.con.execute(f"CREATE INDEX ON {name} (q3c_ang2ipix({how.ra}, {how.dec}))")
        self.con.execute(f"ANALYZE {name}")

    def ask(self, query):
        with self.con.cursor() as cursor:
            cursor.execute(query.peers["q3c"])
            # PostgreSQL folds names; 700 is its number of the 32-bit float.
            floats = [d.type_code == 700 for d in cursor.description]
            return Answer([d.name for d in cursor.description], floats, [tuple(plain(v) for v in row) for row in cursor.fetchall()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elqui", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--importer", choices=("elqui", "hats"), default="elqui")
    parser.add_argument("--postgres")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    queries = [read(p) for p in sorted(HERE.glob("*.adql")) if args.only in p.stem]
    with tempfile.TemporaryDirectory() as folder:
        work = (args.work or Path(folder)).resolve()
        source = work / "tables"
        if not source.exists():
            tables.make(source)
        (work / "catalogs").mkdir(exist_ok=True)
        elqui, duck = Elqui(args.elqui.resolve() if args.elqui else None, work), Duck(source)
        postgres = Postgres(args.postgres, source) if args.postgres else None
        if args.elqui or args.importer == "hats":
            for name, how in tables.TABLES.items():
                elqui.bring(name, how, source / f"{name}.parquet", args.importer)

        def ours(query):
            start = time.perf_counter()
            try:
                return elqui.ask(query), "", time.perf_counter() - start
            except Exception as e:
                return None, str(e), 0.0

        with ThreadPoolExecutor(args.jobs) as pool:
            answers = pool.map(ours, queries) if args.elqui else [(None, None, 0.0)] * len(queries)
            wrong = [one for query, answer in zip(queries, answers) for one in judge(query, answer, duck, postgres)]
    print(f"{len(queries)} queries, {len(wrong)} of them wrong" + "".join(f"\n  {w}" for w in wrong))
    sys.exit(1 if wrong else 0)


def judge(query, answer, duck, postgres):
    """Prints a line for a query; yields its name when something is wrong."""
    ours, refused, took = answer
    theirs = duck.ask(query)
    said = []
    if postgres and "q3c" in query.peers:
        if why := differences(query, postgres.ask(query).unnamed(), theirs.unnamed()):
            said.append(f"PostgreSQL and DuckDB differ: {why}")
    if refused is None:
        pass
    elif ours is None:
        said.append(refused)
    elif why := differences(query, ours, theirs):
        said.append(why)
    mark = "wrong" if said else "ok   "
    print(f"{mark} {query.name:28} {len(theirs.rows):6} rows {took * 1e3:6.0f} ms  {query.what}", *said, sep="\n   " if said else "", flush=True)
    if said:
        yield query.name


if __name__ == "__main__":
    main()
