"""The sky database beside PostgreSQL + q3c, DuckDB, LSDB and astropy, on the same rows in one run.

usage: skydb.py --elqui BINARY --speed BINARY --work DIR [--rows N] [--cones N] [--only TEXT] [--add FILE.json] [--out FILE.md]
  --speed  the example `skydb_speed`: opens catalogues once, times queries in its process
  --work   a folder that is kept: tables and the peers' copies (about 8 GB for 10,000,000 rows; skydb_data.py says what)
  --rows   100000000 for the rows of that size (needs 30 GB; no peers but DuckDB)
  --only   one group: import, scan, cone, match or self
  --add    measurements of runs before this one (other groups, other sizes); this one's are added
Warm: each measurement comes after others of its kind. The positions of cones are random rows, each asked once. Nothing keeps results.
The answers of all are compared: rows of every query by number, those of some cones value by value. Between the marks of
FILE.md, or at its end, the table is written. A peer that is absent is said, and its cells stay empty.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import skydb_data as data
import skydb_peers as peers
import skydb_report as report

SCANS = {
    "scan count avg min": "SELECT COUNT(*) AS n, AVG(f00) AS a, MIN(f01) AS b FROM {table}",
    "scan 20 averages": "SELECT " + ", ".join(f"AVG(f{k:02d}) AS a{k}" for k in range(20)) + " FROM {table}",
    "scan colour cut": "SELECT COUNT(*) AS n FROM {table} WHERE f00 - f01 > 2 AND f02 < 20",
}
NEAR = "DISTANCE(a.ra, a.dec, b.ra, b.dec)"
PAIRS = f"SELECT a.objectId AS a_id, b.objectId AS b_id FROM bench.pair_a AS a JOIN bench.pair_b AS b ON {NEAR} < 1.0 / 3600"
NEAREST = f"SELECT a.objectId AS id, MIN({NEAR}) AS sep FROM bench.pair_a AS a JOIN bench.pair_b AS b ON {NEAR} < 1.0 / 3600 GROUP BY a.objectId"
SELF = f"SELECT COUNT(*) AS n FROM bench.objects AS a JOIN bench.objects AS b ON {NEAR} < 5.0 / 3600 WHERE a.objectId < b.objectId"
PAIRS_TRUE, NEAREST_TRUE = 796_871, 796_285


def measured(command):
    """Wall and CPU seconds and peak memory of a program that must succeed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        err.seek(0)
        if child.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {' '.join(err.read().split())[-600:]}")
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}


class Bench:
    def __init__(self, args):
        self.args, self.work = args, args.work.resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.size = f"{args.rows // 1_000_000}m" if args.rows >= 1_000_000 else str(args.rows)
        self.objects = data.make_objects(self.work / f"objects{self.size}.parquet", args.rows, 1)
        self.catalogs = self.work / f"catalogs{self.size}"
        self.catalogs.mkdir(exist_ok=True)
        self.small = args.rows <= 10_000_000
        self.found, self.problems = {}, []
        t = pq.read_table(self.objects, columns=["objectId", "ra", "dec"])
        self.ids, self.ra, self.dec = (t[c].to_numpy() for c in t.column_names)

    def wanted(self, group):
        return not self.args.only or group.startswith(self.args.only)

    def put(self, row, who, **values):
        self.found.setdefault(row, {}).setdefault(who, {}).update(values)
        told = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items())
        print(f"{row} | {who} | {told}", flush=True)

    def attempt(self, what, action):
        """A peer or a step that may be absent: said, not fatal."""
        try:
            return action()
        except Exception as e:
            self.problem(f"{what}: {type(e).__name__}: {' '.join(str(e).split())[-500:]}")

    def problem(self, words):
        self.problems.append(words)
        print(f"problem: {words}", file=sys.stderr, flush=True)

    def same(self, what, values):
        """All who answered must have said the same."""
        values = {who: v for who, v in values.items() if v is not None}
        if len(set(values.values())) > 1:
            self.problem(f"{what}: answers differ: {values}")

    # Storage.

    def imports(self):
        target = self.catalogs / "objects"
        if self.wanted("import") or not (target / "collection.properties").exists():
            rounds = []
            for _ in range(self.args.rounds if self.small else 1):
                shutil.rmtree(target, ignore_errors=True)
                rounds.append(self.import_one(self.objects, "objects", 10))
            best = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
            size = sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
            self.put("import", "ours", gb=size / 1e9, **best)
        if not self.small:
            return
        for which, path in self.pairs().items():
            if not (self.catalogs / f"pair_{which}" / "collection.properties").exists():
                self.import_one(path, f"pair_{which}", 5)

    def import_one(self, path, name, margin):
        words = ["--id", "objectId", "--margin", margin]
        return measured([self.args.elqui, "catalog", "import", path, "--out", self.catalogs / name, "--name", f"bench.{name}", *words])

    def pairs(self):
        a = data.make_objects(self.work / "pairA.parquet", 1_000_000, 2, box=True)
        return {"a": a, "b": data.make_pair(self.work / "pairB.parquet", a)}

    def duck_import(self):
        sorted_file = self.work / f"duck_sorted{self.size}.parquet"
        if self.wanted("import"):
            sorted_file.unlink(missing_ok=True)
        took = data.duck_sorted(sorted_file, self.objects)
        if took:
            self.put("import", "duckdb", wall_s=took)
        return sorted_file

    # Ours, in one process.

    def ours(self, groups, rounds=1, tell=True):
        catalogs = [w for c in sorted(self.catalogs.iterdir()) if c.is_dir() for w in ("--catalog", c)]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "queries.json"
            file.write_text(json.dumps([{"name": n, "warm": warm, "sql": sql} for n, (warm, sql) in groups.items()]))
            command = [self.args.speed, *catalogs, "--queries", file, "--rounds", rounds]
            done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        if done.returncode:
            return self.problem(f"skydb_speed: {' '.join(done.stderr.split())[-600:]}")
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for one in found if tell else []:
            self.put(one["name"], "ours", **{k: v for k, v in one.items() if k != "name"})
        return found

    def answer(self, sql):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "answer.parquet"
            catalogs = [w for c in sorted(self.catalogs.iterdir()) if c.is_dir() for w in ("--catalog", c)]
            words = ["--format", "parquet", "--out", out, "--max-rows", 10_000_000]
            cost = measured([self.args.elqui, "query", sql, *catalogs, *words])
            return pq.read_table(out), cost

    # Queries.

    def cones(self, postgres, duck_file):
        import duckdb

        n, rng = self.args.cones, np.random.default_rng(7)
        rows = rng.permutation(len(self.ids))[: 2 * n]
        places = [(float(self.ra[k]), float(self.dec[k])) for k in rows]
        thousand = float(np.degrees(np.arccos(1 - 2 * 1000 / len(self.ids))))
        kinds = {"cone 60 arcsec": ("objectId, ra, dec, f00", 60 / 3600), "cone of 1000 rows": ("*", thousand), "cone of 1 degree": ("*", 1.0)}
        groups = {}
        for name, (columns, r) in kinds.items():
            sql = [f"SELECT {columns} FROM bench.objects WHERE CONTAINS(POINT(ra, dec), CIRCLE({a!r}, {d!r}, {r!r})) = 1" for a, d in places]
            groups[name] = (sql[n:], sql[:n])
        by_id = [f"SELECT * FROM bench.objects WHERE objectId = {int(self.ids[k])}" for k in rows]
        groups["by id"] = (by_id[n:], by_id[:n])
        self.ours(groups)
        asked = {name: [(*p, r) for p in places] for name, (_, r) in kinds.items()} | {"by id": [(int(self.ids[k]),) for k in rows]}
        con = duckdb.connect()
        for name, queries in asked.items():
            columns = kinds.get(name, ("*", 0))[0]
            warm, timed = queries[n:], queries[:n]
            if postgres:
                for how, mode in (("fetched", "auto"), ("raw", "force_generic_plan")):
                    postgres.con.execute(f"SET plan_cache_mode = {mode}")
                    run = getattr(peers.PostgresCones(postgres.con, "objects", columns), how)
                    self.put(name, f"postgres {how}", **peers.timed(run, warm, timed))
            if duck_file:
                few = max(5, n // 20)
                run = peers.duck_id(con, self.objects) if name == "by id" else peers.duck_cone(con, duck_file, columns)
                self.put(name, "duckdb", **peers.timed(run, warm[:3], timed[:few]), queries=few)
            counts = {who: v.get("rows") for who, v in self.found.get(name, {}).items() if "queries" not in v}
            self.same(f"rows of {name}", counts)
            if postgres:
                self.attempt(f"values of {name}", lambda: self.compare(name, postgres, columns, groups[name][1][:10], timed[:10]))

    def compare(self, name, postgres, columns, ours, theirs):
        """Some queries value by value: `elqui query` against PostgreSQL; the time of the program besides."""
        walls, places = [], peers.PostgresCones(postgres.con, "objects", columns)
        for sql, query in zip(ours, theirs):
            table, cost = self.answer(sql)
            walls.append(cost["wall_s"])
            table = table.drop_columns([c for c in table.column_names if c.startswith("_healpix")])
            mine = sorted(zip(*(c.to_pylist() for c in table.columns)))
            if mine != sorted(places.rows(query)):
                self.problem(f"values of {name}: {sql}: {len(mine)} rows of ours differ from PostgreSQL's")
        self.put(name, "program", median_ms=1e3 * statistics.median(walls), compared=len(walls))

    def scans(self, duck_file):
        import duckdb

        files = {"duckdb, the given file": self.objects, "duckdb, sorted by it": duck_file}
        main = [p for p in self.catalogs.glob("objects/v*/*/dataset/Norder=*") if p.parents[1].name.endswith("objects")]
        if main:
            files["duckdb, our files"] = f"{main[0].parent}/Norder=*/Dir=*/Npix=*.parquet"
        con = duckdb.connect()
        queries = {name: sql.format(table="bench.objects") for name, sql in SCANS.items()}
        # In turns: what else the machine does then falls on all of them.
        taken = {}
        for _ in range(3):
            found = {(one.pop("name"), "ours"): one for one in self.ours({n: ([q], [q] * 5) for n, q in queries.items()}, tell=False) or []}
            for name, sql in SCANS.items():
                for who, file in files.items():
                    if file:
                        found[name, who] = peers.timed(peers.duck_scan(con, sql, file), [0], range(5))
            for key, one in found.items():
                taken.setdefault(key, []).append(one)
        for (name, who), turns in taken.items():
            self.put(name, who, **{k: statistics.median(t[k] for t in turns) for k in ("median_ms", "p95_ms", "cpu_ms")})

    def scan_answers(self):
        import duckdb

        for name, sql in SCANS.items():
            ours = self.answer(sql.format(table="bench.objects"))[0].to_pylist()[0]
            theirs = duckdb.sql(sql.format(table=f"read_parquet('{self.objects}')")).to_arrow_table().to_pylist()[0]
            far = [k for k in theirs if abs(ours[k] - theirs[k]) > 1e-9 * abs(theirs[k])]
            if far:
                self.problem(f"{name}: {far} of ours are {[ours[k] for k in far]}, DuckDB's {[theirs[k] for k in far]}")

    def matches(self):
        self.ours({"match pairs": ([PAIRS], [PAIRS] * 5), "match nearest": ([NEAREST], [NEAREST] * 5)})
        paths = {k: data.hats_of(self.work / f"pair{k.upper()}_hats", p, self.work) for k, p in self.pairs().items()}
        for name, neighbours in (("match nearest", 1), ("match pairs", 10)):
            run = peers.lsdb_pairs(paths["a"], paths["b"], neighbours)
            for scheduler in ("threads", "synchronous"):
                took = peers.timed(lambda _: len(run(scheduler)), [0], range(5))
                self.put(name, f"lsdb {scheduler}", median_ms=took["median_ms"], p95_ms=took["p95_ms"], rows=took["rows"] // 5)
        a, b = (pq.read_table(p, columns=["objectId", "ra", "dec"]) for p in self.pairs().values())
        start = time.perf_counter()
        i, j = peers.astropy_pairs(a["ra"].to_numpy(), a["dec"].to_numpy(), b["ra"].to_numpy(), b["dec"].to_numpy(), 1)
        self.put("match pairs", "astropy", median_ms=1e3 * (time.perf_counter() - start), rows=len(i))
        truth = {"match pairs": PAIRS_TRUE, "match nearest": NEAREST_TRUE}
        for name, n in truth.items():
            rows = {who: v.get("rows") for who, v in self.found[name].items()}
            # Ours are the rows of five rounds.
            if rows.get("ours"):
                rows["ours"] = rows["ours"] // (5 if rows["ours"] > 2 * n else 1)
            self.same(name, rows | {"the recipe": n})
        ours = self.answer(PAIRS)[0]
        mine = np.sort(ours["a_id"].to_numpy() * 10_000_000 + ours["b_id"].to_numpy())
        theirs = np.sort(a["objectId"].to_numpy()[i] * 10_000_000 + b["objectId"].to_numpy()[j])
        if not np.array_equal(mine, theirs):
            self.problem(f"match pairs: {len(np.setxor1d(mine, theirs))} pairs are ours or astropy's only")

    def self_join(self):
        self.ours({"self join": ([], [SELF] * 3)})
        found = self.answer(SELF)[0]["n"][0].as_py()
        self.put("self join", "ours", pairs=found)
        start = time.perf_counter()
        pairs = len(peers.self_pairs(self.ra, self.dec, 5))
        self.put("self join", "scipy", median_ms=1e3 * (time.perf_counter() - start), pairs=pairs)
        self.same("pairs of the self join", {"ours": found, "scipy": pairs})

    def all(self):
        self.attempt("import", self.imports)
        duck_file = self.attempt("DuckDB", self.duck_import) if self.small else None
        if self.wanted("scan"):
            self.attempt("scans", lambda: self.scans(duck_file))
            self.attempt("answers of scans", self.scan_answers)
        if self.wanted("cone"):
            postgres = self.attempt("PostgreSQL", lambda: data.Postgres(self.work / "pg")) if self.small else None
            try:
                if postgres:
                    postgres.load("objects", self.objects)
                    postgres.warm("objects")
                self.attempt("cones", lambda: self.cones(postgres, duck_file))
            finally:
                if postgres:
                    postgres.stop()
        if self.small and self.wanted("match"):
            self.attempt("cross-match", self.matches)
        if self.small and self.wanted("self"):
            self.attempt("self join", self.self_join)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elqui", type=Path, required=True)
    parser.add_argument("--speed", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--cones", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3, help="of an import")
    parser.add_argument("--only", help="import, scan, cone, match or self")
    parser.add_argument("--add", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.elqui, args.speed = args.elqui.resolve(), args.speed.resolve()
    bench = Bench(args)
    bench.all()
    kept = json.loads(args.add.read_text()) if args.add and args.add.exists() else {}
    for row, whose in bench.found.items():
        kept.setdefault(str(args.rows), {}).setdefault(row, {}).update(whose)
    if args.add:
        args.add.write_text(json.dumps(kept, indent=1))
    text = report.text(kept, args, bench.problems)
    print(text)
    if args.out:
        report.write(args.out, text)
    sys.exit(1 if bench.problems else 0)


if __name__ == "__main__":
    main()
