"""Tables and peers' copies of them for skydb.py: made once, kept in the work folder.

- objects: objectId, ra, dec (deg, uniform on the sky) and twenty float32 columns f00..f19 (normal, 22 +- 2), unsorted
- pair_a, pair_b: 1,000,000 rows each at ra 30..60, dec -5..5; b is a with 0.3 arcsec of jitter a coordinate for 80%, the rest moved, shuffled
Seeds 1 (objects), 2 (a), 3 (b) with numpy's default_rng. Each file appears by a rename when it is whole.
Peers: PostgreSQL with q3c, its rows in the order of q3c_ang2ipix, loaded by binary COPY; DuckDB's own file, sorted by dec;
HATS catalogues of the pair by hats-import, for LSDB.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH = 1_000_000
BOX = np.sin(np.radians([-5, 5]))


def part_of(path):
    return path.with_name(path.name + ".part")


def make_objects(path, rows, seed, box=False):
    if path.exists():
        return path
    rng, writer = np.random.default_rng(seed), None
    for start in range(0, rows, BATCH):
        n = min(BATCH, rows - start)
        if box:
            ra, dec = rng.uniform(30, 60, n), np.degrees(np.arcsin(rng.uniform(*BOX, n)))
        else:
            ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
        columns = {"objectId": np.arange(start, start + n), "ra": ra, "dec": dec}
        columns |= {f"f{k:02d}": rng.normal(22, 2, n).astype(np.float32) for k in range(20)}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(part_of(path), table.schema, compression="zstd")
        writer.write_table(table, row_group_size=122880)
    writer.close()
    part_of(path).rename(path)
    return path


def make_pair(path, other):
    if path.exists():
        return path
    a = pq.read_table(other)
    rng, n = np.random.default_rng(3), a.num_rows
    ra, dec = a["ra"].to_numpy().copy(), a["dec"].to_numpy().copy()
    dec = dec + rng.normal(0, 0.3 / 3600, n)
    ra = ra + rng.normal(0, 0.3 / 3600, n) / np.cos(np.radians(dec))
    moved = rng.random(n) > 0.8
    ra[moved] = rng.uniform(30, 60, moved.sum())
    dec[moved] = np.degrees(np.arcsin(rng.uniform(*BOX, moved.sum())))
    b = a.set_column(1, "ra", pa.array(ra)).set_column(2, "dec", pa.array(dec))
    pq.write_table(b.take(pa.array(rng.permutation(n))), part_of(path), compression="zstd")
    part_of(path).rename(path)
    return path


def duck_sorted(path, source):
    """DuckDB's own file of the same rows; the seconds that it took, None when it was there."""
    import duckdb

    if path.exists():
        return None
    con = duckdb.connect()
    con.execute(f"SET temp_directory = '{path.parent}/duck_spill'")
    start = time.perf_counter()
    con.execute(f"COPY (FROM '{source}' ORDER BY dec) TO '{part_of(path)}' (FORMAT parquet, COMPRESSION zstd)")
    took = time.perf_counter() - start
    part_of(path).rename(path)
    return took


def hats_of(path, source, out):
    """A collection by hats-import with a margin of 5 arcsec."""
    from dask.distributed import Client, LocalCluster
    from hats_import import CollectionArguments, pipeline_with_client

    if (path / "collection.properties").exists():
        return path
    shutil.rmtree(path, ignore_errors=True)
    scratch = out / "hats_import_tmp"
    scratch.mkdir(exist_ok=True)
    quiet = {"progress_bar": False, "simple_progress_bar": False, "tmp_dir": scratch}
    args = CollectionArguments(output_artifact_name=path.name, output_path=out, **quiet)
    args = args.catalog(
        input_file_list=[source], file_reader="parquet", ra_column="ra", dec_column="dec", catalog_type="object",
        pixel_threshold=200_000, lowest_healpix_order=3, highest_healpix_order=8,
    ).add_margin(margin_threshold=5.0, is_default=True)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", local_directory=scratch) as cluster:
        with Client(cluster) as client:
            pipeline_with_client(args, client)
    shutil.rmtree(scratch, ignore_errors=True)
    return path


SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "shared_buffers": "3GB", "work_mem": "256MB",
    "maintenance_work_mem": "1GB", "max_wal_size": "8GB", "effective_cache_size": "12GB", "random_page_cost": "1.1",
    "synchronous_commit": "off", "wal_level": "minimal", "max_wal_senders": "0", "jit": "off",
}
COPY_TYPES = {"int64": (">i8", "bigint"), "double": (">f8", "double precision"), "float": (">f4", "real")}


class Postgres:
    """A server of its own on the loopback; its folder is kept, so its tables are loaded once."""

    def __init__(self, folder):
        import psycopg

        bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not bins:
            raise RuntimeError("PostgreSQL is not installed (apt-get install postgresql postgresql-15-q3c)")
        self.bin, self.dir, self.data = bins[-1].parent, folder, folder / "data"
        folder.mkdir(exist_ok=True)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        if not (self.data / "PG_VERSION").exists():
            self.call("initdb", "-D", self.data, "-U", "elqui", "-A", "trust", "--locale=C", "-E", "UTF8")
        self.stop()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = "".join(f"{key} = '{value}'\n" for key, value in {**SETTINGS, "port": port}.items())
        (self.data / "postgresql.auto.conf").write_text(words)
        self.call("pg_ctl", "-D", self.data, "-l", folder / "log", "-w", "-t", "120", "start")
        self.con = psycopg.connect(f"host=127.0.0.1 port={port} user=elqui dbname=postgres", autocommit=True)
        for extension in ("q3c", "pg_prewarm"):
            self.con.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")

    def call(self, program, *arguments):
        command = [str(self.bin / program), *map(str, arguments)]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd="/tmp", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        subprocess.run(
            ["runuser", "-u", "postgres", "--"][: 4 if os.getuid() == 0 else 0]
            + [str(self.bin / "pg_ctl"), "-D", str(self.data), "-m", "fast", "-w", "stop"],
            check=False, cwd="/tmp", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def load(self, table, path):
        """The rows of a Parquet file, clustered on the sky, with a primary key; nothing when they are there."""
        rows = pq.ParquetFile(path).metadata.num_rows
        there = self.con.execute("SELECT reltuples FROM pg_class WHERE relname = %s", (table,)).fetchone()
        if there and abs(there[0] - rows) < 1 + rows / 1000:
            return None
        start = time.perf_counter()
        with self.con.transaction():
            self.copy(f"{table}_raw", pq.ParquetFile(path))
            self.con.execute(f"DROP TABLE IF EXISTS {table}")
            self.con.execute(f"CREATE TABLE {table} AS SELECT * FROM {table}_raw ORDER BY q3c_ang2ipix(ra, dec)")
            self.con.execute(f"DROP TABLE {table}_raw")
        self.con.execute(f"CREATE INDEX {table}_q3c ON {table} (q3c_ang2ipix(ra, dec))")
        self.con.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (objectid)")
        self.con.execute(f"VACUUM (ANALYZE, FREEZE) {table}")
        return time.perf_counter() - start

    def copy(self, table, file):
        """COPY's binary form has rows of one size here: a numpy structure is its bytes."""
        schema, fields, columns = file.schema_arrow, [("n", ">i2")], []
        for name, kind in zip(schema.names, schema.types):
            code, sql = COPY_TYPES[str(kind)]
            fields += [(f"size of {name}", ">i4"), (name, code)]
            columns.append(f"{name.lower()} {sql}")
        row = np.dtype(fields)
        self.con.execute(f"DROP TABLE IF EXISTS {table}")
        self.con.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        with self.con.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for batch in file.iter_batches(100_000):
                rows = np.empty(batch.num_rows, row)
                rows["n"] = len(schema.names)
                for name in schema.names:
                    rows[f"size of {name}"] = row[name].itemsize
                    rows[name] = batch.column(name).to_numpy()
                copy.write(rows.tobytes())
            copy.write(b"\xff\xff")

    def warm(self, table):
        for relation in (table, f"{table}_q3c", f"{table}_pkey"):
            self.con.execute("SELECT pg_prewarm(%s::regclass)", (relation,))
