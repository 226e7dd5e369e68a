"""What skydb.py asks of the peers: each function runs one query, or times a list of them.

A list of queries is timed one by one after the queries of `warm`, each query once. Nothing keeps results.
"""

import time
import warnings

import numpy as np

# LSDB's libraries tell of changes to come.
warnings.filterwarnings("ignore")

HAVERSINE = (
    "2 * asin(sqrt(pow(sin(radians(dec - {dec!r}) / 2), 2)"
    " + cos(radians(dec)) * cos(radians({dec!r})) * pow(sin(radians(ra - {ra!r}) / 2), 2))) <= radians({r!r})"
)


def timed(run, warm, queries):
    """Milliseconds of each query, also of processor (of this process), and the rows of all."""
    for query in warm:
        run(query)
    walls, cpus, rows = [], [], 0
    for query in queries:
        start, cpu = time.perf_counter(), time.process_time()
        found = run(query)
        walls.append(1e3 * (time.perf_counter() - start))
        cpus.append(1e3 * (time.process_time() - cpu))
        rows += found
    return {"median_ms": float(np.median(walls)), "p95_ms": float(np.percentile(walls, 95)), "cpu_ms": float(np.median(cpus)), "rows": rows}


class PostgresCones:
    """Prepared statements, the answer in binary: as Python's rows (psycopg), or left in libpq's memory."""

    def __init__(self, con, table, columns):
        self.con, self.columns = con, columns
        self.cone = f"SELECT {columns} FROM {table} WHERE q3c_radial_query(ra, dec, $1, $2, $3)"
        self.id = f"SELECT {columns} FROM {table} WHERE objectid = $1"
        self.names = {}

    def rows(self, query):
        text, words = self.text(query)
        with self.con.cursor(binary=True) as cursor:
            # psycopg's own marks; the statement is prepared on the server.
            for k in range(len(words), 0, -1):
                text = text.replace(f"${k}", "%s")
            return cursor.execute(text, words, prepare=True).fetchall()

    def fetched(self, query):
        return len(self.rows(query))

    def raw(self, query):
        text, words = self.text(query)
        if text not in self.names:
            self.names[text] = name = f"bench_{id(self)}_{len(self.names)}".encode()
            self.con.pgconn.prepare(name, text.encode())
        arguments = [repr(w).encode() for w in words]
        return self.con.pgconn.exec_prepared(self.names[text], arguments, None, 1).ntuples

    def text(self, query):
        return (self.id, query) if len(query) == 1 else (self.cone, query)


def duck_cone(con, file, columns):
    """A cone of a file sorted by dec: the band by the statistics, then the distance."""

    def run(query):
        ra, dec, r = query
        near = HAVERSINE.format(ra=ra, dec=dec, r=r)
        band = f"dec BETWEEN {dec - r!r} AND {dec + r!r}"
        return con.sql(f"SELECT {columns} FROM '{file}' WHERE {band} AND {near}").to_arrow_table().num_rows

    return run


def duck_id(con, file):
    return lambda query: con.sql(f"FROM '{file}' WHERE objectId = {query[0]}").to_arrow_table().num_rows


def duck_scan(con, sql, files):
    def run(_):
        return con.sql(sql.format(table=f"read_parquet('{files}')")).to_arrow_table().num_rows

    return run


def lsdb_pairs(path_a, path_b, neighbours):
    """Pairs of a cross-match within 1 arcsec of two catalogues, from opening them to the ids in memory."""
    import dask
    import lsdb

    columns = ["objectId", "ra", "dec"]

    def run(scheduler):
        with dask.config.set(scheduler=scheduler):
            a, b = (lsdb.open_catalog(str(p), columns=columns) for p in (path_a, path_b))
            return a.crossmatch(b, radius_arcsec=1, n_neighbors=neighbours, suffixes=("_a", "_b")).compute(progress_bar=False)

    return run


def astropy_pairs(ra_a, dec_a, ra_b, dec_b, radius_arcsec):
    """All pairs of two lists of positions: row of a, row of b."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord, search_around_sky

    a, b = SkyCoord(ra_a, dec_a, unit="deg"), SkyCoord(ra_b, dec_b, unit="deg")
    i, j, _, _ = search_around_sky(a, b, radius_arcsec * u.arcsec)
    return i, j


def self_pairs(ra, dec, radius_arcsec):
    """Pairs (i < j) of one list within a radius, by a k-d tree of unit vectors: ordinary rows of arrays."""
    from scipy.spatial import cKDTree

    ra, dec = np.radians(ra), np.radians(dec)
    xyz = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    tree = cKDTree(xyz, balanced_tree=False, compact_nodes=False)
    return tree.query_pairs(2 * np.sin(np.radians(radius_arcsec / 3600) / 2), output_type="ndarray")
