"""The butler and the pipelines beside Rubin's, in one run: ingest, queries, quantum graphs, executors.

usage: butler.py --speed BINARY [--rounds N] [--only TEXT] [--count N] [--work DIR] [--add FILE.json] [--out FILE.md]
  --speed  the example `butler_speed` (built with the feature postgres)
  --only   one group of rows: ingest, graph, run, query or postgres
  --add    measurements of runs before this one (other groups, more rounds); this one's are added
Run by the Python that has lsst-daf-butler, lsst-pipe-base and lsst-ctrl-mpexec (PyPI). The two take turns, each
measurement in a process of its own on a repository of its own; medians of N rounds. A ratio is theirs over ours, of the
seconds a dataset or quantum. Between the marks of FILE.md, or at its end, the table is written. A peer that is
absent or fails is said, and its cells stay empty.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARKS = "<!-- butler.py begin -->", "<!-- butler.py end -->"
ENV = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
ENV["PYTHONPATH"] = str(HERE)


def measured(command):
    """The lines that a program prints, each with the peak memory of its process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, env=ENV, cwd=HERE)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            words = " ".join(err.read().split())[-400:]
            raise RuntimeError(f"{' '.join(str(c) for c in command)}: {words}")
        found = [json.loads(line) for line in out.read().splitlines() if line.startswith("{")]
    for one in found:
        one["mib"] = usage.ru_maxrss / 1024
    return found


class Postgres:
    """A server of its own on a free port of the loopback, stopped at the end."""

    def __init__(self):
        bins = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not bins:
            raise RuntimeError("PostgreSQL is not installed (apt-get install postgresql)")
        self.bin = bins[-1].parent
        self.dir = Path(tempfile.mkdtemp(prefix="elqui-bench-pg-"))
        if os.getuid() == 0:
            shutil.chown(self.dir, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        data = self.dir / "data"
        self.call("initdb", "-D", data, "-U", "elqui", "-A", "trust", "--locale=C", "-E", "UTF8")
        options = f"-h 127.0.0.1 -p {self.port} -k ''"
        self.call("pg_ctl", "-D", data, "-l", self.dir / "log", "-w", "-o", options, "start")
        # What daf_butler's calibration collections need.
        self.call("psql", "-h", "127.0.0.1", "-p", self.port, "-U", "elqui", "postgres", "-qc", "CREATE EXTENSION btree_gist")
        self.ours = f"host=127.0.0.1 port={self.port} user=elqui dbname=postgres"
        self.theirs = f"postgresql://elqui@127.0.0.1:{self.port}/postgres"
        self.number = 0

    def call(self, program, *arguments):
        command = [str(self.bin / program), *map(str, arguments)]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd="/tmp", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def schema(self):
        self.number += 1
        return f"bench_{self.number}"

    def drop(self, schema):
        self.call("psql", "-h", "127.0.0.1", "-p", self.port, "-U", "elqui", "postgres", "-qc", f"DROP SCHEMA {schema} CASCADE")

    def stop(self):
        with contextlib.suppress(Exception):
            self.call("pg_ctl", "-D", self.dir / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.dir, ignore_errors=True)


class Bench:
    def __init__(self, args):
        self.args = args
        self.ours, self.theirs, self.failed = {}, {}, []
        self.work = Path(args.work or tempfile.mkdtemp(prefix="elqui-bench-"))
        self.work.mkdir(parents=True, exist_ok=True)
        self.files = self.work / "files"
        self.postgres = None
        if args.add and args.add.exists():
            self.ours, self.theirs, self.failed = json.loads(args.add.read_text())

    def wanted(self, group):
        return not self.args.only or group.startswith(self.args.only)

    def raws(self, count):
        """Files of one FITS block; no two have the same bytes."""
        self.files.mkdir(exist_ok=True)
        for k in range(count):
            path = self.files / f"raw_{k}.fits"
            if not path.exists():
                path.write_bytes((f"{{'raw': {k}}}".encode()).ljust(2880))

    def folder(self, name):
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def take(self, whose, prefix, command):
        start = time.perf_counter()
        try:
            found = measured(command)
        except (RuntimeError, OSError) as e:
            self.failed.append(str(e))
            print(f"failed: {e}", file=sys.stderr)
            return
        for one in found:
            whose.setdefault(prefix + one["what"], []).append(one)
            each = one["wall_s"] / one["n"] if one["n"] else one["wall_s"]
            side = "ours  " if whose is self.ours else "theirs"
            print(f"{side} {prefix}{one['what']}: {one['wall_s']:.4f} s, {one['cpu_s']:.4f} CPU s, {each:.3g} s each", flush=True)
        print(f"       ({time.perf_counter() - start:.0f} s in all)", flush=True)

    def us(self, prefix, *words):
        self.take(self.ours, prefix, [self.args.speed, *words])

    def them(self, prefix, *words):
        self.take(self.theirs, prefix, [sys.executable, HERE / "rubin_butler.py", *words])

    def ingest(self, round, postgres):
        count, prefix = self.args.count, "PostgreSQL: " if postgres else ""
        for how, flags in (("in_place", []), ("checksums", ["--checksums"])):
            at, db = [], []
            if postgres:
                at = [postgres.ours, postgres.schema()]
                db = ["--db", postgres.theirs, "--schema", postgres.schema()]
            self.us(prefix, "ingest", self.folder("ours"), self.files, count, how, *at)
            self.them(prefix, "ingest", self.folder("theirs"), "--files", self.files, "--count", count, *flags, *db)
            if postgres:
                for schema in (at[1], db[3]):
                    with contextlib.suppress(subprocess.CalledProcessError):
                        postgres.drop(schema)
        if not postgres and round == 0:
            self.us("", "verify", self.work / "ours")
        if not postgres:
            self.us("", "ingest", self.folder("ours"), self.files, count, "checksums+given")

    def queries(self, rounds, postgres):
        prefix = "PostgreSQL: " if postgres else ""
        at, db = [], []
        if postgres:
            at = [postgres.ours, postgres.schema()]
            db = ["--db", postgres.theirs, "--schema", postgres.schema()]
        ours, theirs = self.folder("ours"), self.folder("theirs")
        self.us(prefix, "fill", ours, *at)
        self.them(prefix, "fill", theirs, *db)
        if postgres:
            # Both as autovacuum leaves them after a while.
            postgres.call("psql", "-h", "127.0.0.1", "-p", postgres.port, "-U", "elqui", "postgres", "-qc", "VACUUM ANALYZE")
        for _ in range(rounds):
            self.us(prefix, "query", ours, *at)
            self.them(prefix, "query", theirs)

    def quanta(self, round):
        self.us("", "graph", self.folder("ours"), 10_000)
        self.them("", "graph", self.folder("theirs"), "--files", self.files, "--count", 10_000)
        if round == 0:
            self.us("1,000,000 quanta: ", "graph", self.folder("ours"), 1_000_000)

    def executors(self, round):
        def run(*words):
            self.them("run: ", "run", self.folder("theirs"), "--files", self.files, "--count", *words)

        self.us("run: ", "run", self.folder("ours"), 10_000)
        self.us("run: ", "run_files", self.folder("ours"), 2000)
        run(200)
        self.us("run: ", "isolated", self.folder("ours"), 200)
        if round == 0:
            run(20, "--processes", 2)

    def all(self):
        self.raws(max(self.args.count, 5000))
        rounds = self.args.rounds
        for round in range(rounds):
            if self.wanted("ingest"):
                self.ingest(round, None)
            if self.wanted("graph"):
                self.quanta(round)
            if self.wanted("run"):
                self.executors(round)
        if self.wanted("query"):
            self.queries(rounds, None)
        if self.wanted("postgres"):
            try:
                self.postgres = Postgres()
            except (RuntimeError, OSError, subprocess.CalledProcessError) as e:
                self.failed.append(f"no PostgreSQL rows: {e}")
            else:
                for round in range(rounds):
                    self.ingest(round, self.postgres)
                self.queries(rounds, self.postgres)


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def seconds(value):
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{value * factor:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


QUERIES = [
    f"query {what}, {shape}"
    for what in ("datasets", "data ids")
    for shape in ("10 exposures x 100 detectors", "100 exposures x 10 detectors")
]
# Name, label, bar in words, whole or a quantum, checks (of ours, ratio of CPU, ratio of wall).
ROWS = [
    ("ingest", "ingest of {n} files in place, each looked at, SQLite", ">= 20x", False),
    ("ingest with checksums", "the same, each file read for its checksum", ">= 20x", False),
    ("ingest with checksums, records given with each file", "the same, records of the dimensions given with every file", "", False),
    ("verify", "verify of them", "", False),
    *[(q, q.replace("query", "1,000 of 1,000,000") + ", SQLite", ">= 20x, < 10 ms", False) for q in QUERIES],
    ("graph", "quantum graph of {n} quanta", "< 2 s", False),
    ("1,000,000 quanta: graph", "quantum graph of {n} quanta", "< 120 s, < 4 GiB", False),
    ("1,000,000 quanta: graph saved", "the same saved", "", False),
    ("1,000,000 quanta: graph loaded", "and loaded", "", False),
    ("run: run, no files", "executor, a quantum, in process, outputs registered, a store that keeps nothing", "< 1 ms", True),
    ("run: run", "the same in a repository, files flushed (theirs are not)", "", True),
    ("run: run in processes", "executor, a quantum in a process of its own", "", True),
    ("PostgreSQL: ingest", "ingest of {n} files in place, each looked at, PostgreSQL", ">= 20x", False),
    ("PostgreSQL: ingest with checksums", "the same, each file read for its checksum", ">= 20x", False),
    *[("PostgreSQL: " + q, q.replace("query", "1,000 of 1,000,000") + ", PostgreSQL", ">= 20x, < 10 ms", False) for q in QUERIES],
]


def table(bench):
    lines = [
        "| what | ours: wall, CPU, peak | theirs: wall, CPU, peak | theirs / ours: wall, CPU | bar |",
        "|---|---|---|---|---|",
    ]

    def cell(rounds, each):
        n = median(rounds, "n") if each else 1
        memory = f", {median(rounds, 'mib'):.0f} MiB"
        text = f"{seconds(median(rounds, 'wall_s') / n)}, {seconds(median(rounds, 'cpu_s') / n)}{memory}"
        return text + (f" ({median(rounds, 'n'):.0f} quanta)" if each else "")

    for name, label, bar, each in ROWS:
        ours, theirs = bench.ours.get(name), bench.theirs.get(name)
        if not ours:
            continue
        ratio = ""
        if theirs:
            def over(key):
                mine = median(ours, key) / (median(ours, "n") or 1)
                return f"{median(theirs, key) / median(theirs, 'n') / mine:.0f}x" if mine else "-"

            ratio = f"{over('wall_s')}, {over('cpu_s')}"
        count = f"{int(median(ours, 'n')):,}"
        lines.append(
            f"| {label.format(n=count)} | {cell(ours, each)} | {cell(theirs, each) if theirs else ''} | {ratio} | {bar} |"
        )
    return "\n".join(lines)


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("lsst-daf-butler", "lsst-pipe-base", "lsst-ctrl-mpexec", "SQLAlchemy"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found) or "not installed"


TEXT = """## The butler beside Rubin's

Made by `bench/butler.py --speed target/release/examples/butler_speed` ({rounds} rounds) on {cores} cores shared with other work, Python {python},
{versions}. Medians; each measurement in a process and a repository of its own, the two taking turns. Where other programs run,
CPU seconds (of all threads and ended children) say more than wall seconds. Ours uses all cores; Rubin's is one thread except where it says processes.

{table}

*Ingest.* Files of 2,880 bytes; the dimensions' records are there; data ids and refs of Rubin's are made before the clock starts, ours after it.
Both look at each file (existence and size), check each data id against its records by foreign keys, and commit one transaction.
Rubin's: `Butler.ingest(transfer="direct")`, with `datastore.checksum` BLAKE2b of each file; ours: `Repository::ingest`, `Transfer::Direct`, BLAKE3.
*Queries.* Theirs `query_datasets` and `query().join_dataset_search().data_ids()`, ours `datasets` and `data_ids`; the expressions are the same.
*Graphs.* Two steps (raw -> image -> catalogue) on exposure and detector. Theirs: `SeparablePipelineExecutor.build_quantum_graph` of two `PipelineTask`s.
*Executors.* Steps that do nothing. Theirs: `SeparablePipelineExecutor.run_pipeline` (each quantum writes its output and its metadata; no logs), in processes with
`num_proc=2`, which imports the stack in each. Ours reads, writes and registers output and provenance; in processes the same program is started again.
{failed}"""


def write(path, text):
    """Between the marks, or at the end."""
    old = path.read_text() if path.exists() else ""
    block = f"{MARKS[0]}\n{text.rstrip()}\n{MARKS[1]}\n"
    before, mark, rest = old.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2].lstrip("\n") if mark else ""
    path.write_text(before.rstrip("\n") + ("\n\n" if before.strip() else "") + block + ("\n" + after if after else ""))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=100_000, help="files of an ingest")
    parser.add_argument("--only", help="ingest, query, graph, run or postgres")
    parser.add_argument("--work", help="a folder that is kept")
    parser.add_argument("--add", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.speed = args.speed.resolve()
    bench = Bench(args)
    try:
        bench.all()
    finally:
        if args.add:
            args.add.write_text(json.dumps([bench.ours, bench.theirs, bench.failed]))
        if bench.postgres:
            bench.postgres.stop()
        if not args.work:
            shutil.rmtree(bench.work, ignore_errors=True)
    counts = sorted({len(r) for r in bench.theirs.values()})
    rounds = "no" if not counts else f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else counts[0]
    failed = "".join(f"\nNot measured: {why}\n" for why in sorted(set(bench.failed)))
    text = TEXT.format(
        rounds=rounds, cores=os.cpu_count(), python=platform.python_version(), versions=versions(), table=table(bench), failed=failed
    )
    print(text)
    if args.out:
        write(args.out, text)


if __name__ == "__main__":
    main()
