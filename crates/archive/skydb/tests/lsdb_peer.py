"""LSDB and hats on the catalogues that compare.py had imported: they open, are valid, and give the answers that `elqui query` gives.

usage: lsdb_peer.py --work DIR [--elqui BINARY]
  --work   the folder of answers/compare.py (its `catalogs`)
Validity: hats' own strict check of the collection and all that is in it. Cones (across RA 0, at the pole), ids through the index, cross-matches
within an arcsecond with margins, and rows: LSDB's answers against DuckDB's over the same tables and against ours. Ends with 1 at a difference.
"""

import argparse
import logging
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import dask
import hats
import lsdb
from hats.io.validation import is_valid_catalog

sys.path.insert(0, str(Path(__file__).resolve().parent / "answers"))
import compare
import tables

dask.config.set(scheduler="synchronous")
CONES = [(53.1, -28.1, 0.2), (0.0, 2.0, 0.3), (359.95, 2.1, 0.25), (100.0, 89.8, 0.5), (53.7, -28.5, 0.01), (200.0, 10.0, 20.0)]


class Check:
    def __init__(self, args):
        self.catalogs, self.wrong = args.work.resolve() / "catalogs", []
        self.duck = compare.Duck(args.work.resolve() / "tables").con
        self.elqui = compare.Elqui(args.elqui.resolve(), args.work.resolve()) if args.elqui else None

    def same(self, what, **answers):
        """All answers are the same set."""
        sets = {who: a if isinstance(a, int) else frozenset(a) for who, a in answers.items() if a is not None}
        first = next(iter(sets.values()))
        if all(s == first for s in sets.values()):
            size = first if isinstance(first, int) else len(first)
            return print(f"ok    {what}: {size} by {', '.join(sets)}", flush=True)
        sizes = {who: s if isinstance(s, int) else len(s) for who, s in sets.items()}
        self.wrong.append(what)
        print(f"wrong {what}: {sizes}", flush=True)

    def ours(self, adql):
        if not self.elqui:
            return None
        import tempfile

        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "answer.parquet"
            self.elqui.run("query", adql, "--catalog", self.elqui.catalogs, "--format", "parquet", "--out", out)
            t = pq.read_table(out)
        columns = [c.to_pylist() for c in t.columns]
        return columns[0] if len(columns) == 1 else list(zip(*columns))

    def theirs(self, sql):
        rows = self.duck.execute(sql).fetchall()
        return [r[0] for r in rows] if rows and len(rows[0]) == 1 else rows

    def attempt(self, what, action):
        try:
            action()
        except Exception as e:
            self.wrong.append(what)
            print(f"wrong {what}: {type(e).__name__}: {e}", flush=True)

    def child(self):
        child = lsdb.open_catalog(str(self.catalogs / "dp1.DiaSource"), columns=["diaSourceId"])
        self.same("rows of dp1.DiaSource", lsdb=len(child.compute(progress_bar=False)), duckdb=self.theirs("SELECT COUNT(*) FROM dp1.DiaSource")[0])

    def valid(self, name):
        logged = []
        handler = logging.Handler()
        handler.emit = lambda record: logged.append(record.getMessage()) if record.levelno >= logging.WARNING else None
        logging.getLogger().addHandler(handler)
        root = self.catalogs / name
        collection = (root / "collection.properties").exists()
        paths = [root]
        if collection:
            main = hats.read_hats(root)
            paths.append(Path(str(main.main_catalog_dir)))
            paths += [root / m for m in main.all_margins or []] + [root / i for i in (main.all_indexes or {}).values()]
        for path in paths:
            if not is_valid_catalog(path, strict=True):
                self.wrong.append(str(path))
                print(f"wrong {path} is not valid: {'; '.join(logged[:3])}")
        logging.getLogger().removeHandler(handler)
        print(f"ok    {name}: {len(paths)} catalogues are valid" if not any(str(p) in self.wrong for p in paths) else "", flush=True)

    def cones(self, name, key, ra, dec):
        catalog = lsdb.open_catalog(str(self.catalogs / name), columns=[key, ra, dec])
        self.same(f"rows of {name}", lsdb=len(catalog.compute(progress_bar=False)), duckdb=self.theirs(f"SELECT COUNT(*) FROM {name}")[0])
        for a, d, r in CONES:
            found = catalog.cone_search(ra=a, dec=d, radius_arcsec=r * 3600).compute(progress_bar=False)[key].tolist()
            duck = self.theirs(f"SELECT {key} FROM {name} WHERE sep({ra}, {dec}, {a}, {d}) < {r}")
            adql = f"SELECT {key} FROM {name} WHERE CONTAINS(POINT({ra}, {dec}), CIRCLE({a}, {d}, {r})) = 1"
            self.same(f"{name} within {r} of {a}, {d}", lsdb=found, duckdb=duck, elqui=self.ours(adql))

    def matches(self):
        a = lsdb.open_catalog(str(self.catalogs / "dp1.Object"), columns=["objectId", "coord_ra", "coord_dec"])
        b = lsdb.open_catalog(str(self.catalogs / "gaiadr3.gaia_source"), columns=["source_id", "ra", "dec"])
        for radius in (1.0, 20.0):
            found = a.crossmatch(b, radius_arcsec=radius, n_neighbors=50, suffixes=("_a", "_b")).compute(progress_bar=False)
            pairs = list(zip(found["objectId_a"].tolist(), found["source_id_b"].tolist()))
            near = f"{radius} / 3600"
            duck = self.theirs(
                "SELECT o.objectId, g.source_id FROM dp1.Object o, gaiadr3.gaia_source g"
                f" WHERE abs(o.coord_dec - g.dec) < 0.006 AND sep(o.coord_ra, o.coord_dec, g.ra, g.dec) < {near}"
            )
            adql = f"SELECT o.objectId, g.source_id FROM dp1.Object AS o JOIN gaiadr3.gaia_source AS g ON DISTANCE(o.coord_ra, o.coord_dec, g.ra, g.dec) < {near}"
            self.same(f"pairs within {radius} arcsec", lsdb=pairs, duckdb=duck, elqui=self.ours(adql))

    def ids(self):
        catalog = lsdb.open_catalog(str(self.catalogs / "dp1.Object"), columns=["objectId", "coord_ra"])
        if not (catalog.hc_collection and catalog.hc_collection.all_indexes):
            return print("no index of ids: not asked")
        some = self.theirs("SELECT objectId FROM dp1.Object ORDER BY hash(objectId) LIMIT 5")
        for k in some:
            found = catalog.id_search(values={"objectId": k}).compute(progress_bar=False)["coord_ra"].tolist()
            adql = f"SELECT coord_ra FROM dp1.Object WHERE objectId = {k}"
            self.same(f"object {k}", lsdb=found, duckdb=self.theirs(f"SELECT coord_ra FROM dp1.Object WHERE objectId = {k}"), elqui=self.ours(adql))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--elqui", type=Path)
    args = parser.parse_args()
    check = Check(args)
    for name, how in tables.TABLES.items():
        if how.ra:
            check.attempt(name, lambda: check.valid(name))
    check.cones("dp1.Object", "objectId", "coord_ra", "coord_dec")
    check.cones("gaiadr3.gaia_source", "source_id", "ra", "dec")
    # A child table lies where its parents do, which LSDB's pruning by cells does not know: only its rows are counted.
    check.attempt("dp1.DiaSource", check.child)
    check.matches()
    check.ids()
    sys.exit(f"{len(check.wrong)} wrong: {check.wrong}" if check.wrong else 0)


if __name__ == "__main__":
    main()
