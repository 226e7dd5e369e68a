"""The section of docs/bench.md that skydb.py writes: measurements of all sizes, beside the bars."""

import contextlib
import os
import platform

MARKS = "<!-- skydb.py begin -->", "<!-- skydb.py end -->"
DUCKS = ("duckdb, the given file", "duckdb, sorted by it", "duckdb, our files")


def ms(value):
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"


def cell(one, *more):
    """Median, 95% and CPU, as far as they were measured."""
    if not one or "median_ms" not in one:
        return ""
    words = [ms(one["median_ms"])]
    if "p95" in more:
        words.append(f"p95 {ms(one['p95_ms'])}")
    if "cpu" in more and "cpu_ms" in one:
        words.append(f"{ms(one['cpu_ms'])} CPU")
    return ", ".join(words)


def ratio(ours, peer):
    return f"{ours['median_ms'] / peer['median_ms']:.2f}" if ours and peer and peer.get("median_ms") and ours.get("median_ms") else ""


def scans(rows):
    labels = {"scan count avg min": ("count, avg, min", "<= 1.2"), "scan 20 averages": ("20 averages", "<= 1.0"), "scan colour cut": ("colour-cut count", "<= 1.2")}
    lines = ["| scan | ours | " + " | ".join(d.replace("duckdb", "DuckDB") for d in DUCKS) + " | ours over each | bar |", "|---|---|---|---|---|---|---|"]
    for name, (label, bar) in labels.items():
        whose = rows.get(name)
        if whose:
            ours = whose.get("ours")
            over = ", ".join(r for d in DUCKS if (r := ratio(ours, whose.get(d))))
            lines.append(f"| {label} | {cell(ours, 'cpu')} | " + " | ".join(cell(whose.get(d), "cpu") for d in DUCKS) + f" | {over} | {bar} |")
    return lines if len(lines) > 2 else []


def cones(rows):
    bars = {
        "cone 60 arcsec": "<= 3 ms, p95 <= 8 ms, <= 1 ms CPU", "cone of 1000 rows": "<= 1.5 x PostgreSQL",
        "cone of 1 degree": "<= 20 ms", "by id": "<= 3 ms",
    }
    lines = [
        "| query | ours | PostgreSQL + q3c, psycopg | the same, plan kept, rows left in libpq | DuckDB, its sorted file | ours over PostgreSQL | by `elqui query`, start to end | bar |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, bar in bars.items():
        whose = rows.get(name)
        if whose:
            ours, sql, raw = whose.get("ours"), whose.get("postgres fetched"), whose.get("postgres raw")
            over = ", ".join(filter(None, (ratio(ours, sql), ratio(ours, raw))))
            lines.append(
                f"| {name} | {cell(ours, 'p95', 'cpu')} | {cell(sql, 'p95')} | {cell(raw, 'p95')} | {cell(whose.get('duckdb'))} | {over}"
                f" | {cell(whose.get('program'))} | {bar} |"
            )
    return lines if len(lines) > 2 else []


def joins(rows):
    lines = ["| join | ours | peers | bar |", "|---|---|---|---|"]
    labels = {
        "match pairs": ("1 M x 1 M within 1 arcsec, all pairs (796,871)", "<= 0.5 s"),
        "match nearest": ("the same, nearest of each (796,285)", "<= 0.5 s"),
        "self join": ("self join within 5 arcsec, pairs counted", "<= 8 s"),
    }
    names = {"lsdb threads": "LSDB, threads", "lsdb synchronous": "LSDB, synchronous", "astropy": "astropy search_around_sky (positions in memory)", "scipy": "scipy k-d tree (positions in memory)"}
    for name, (label, bar) in labels.items():
        whose = rows.get(name)
        if whose:
            others = "; ".join(f"{names[k]} {cell(v)}" for k, v in whose.items() if k in names)
            lines.append(f"| {label} | {cell(whose.get('ours'), 'cpu')} | {others} | {bar} |")
    return lines if len(lines) > 2 else []


def storage(rows):
    whose = rows.get("import", {})
    ours = whose.get("ours")
    if not ours:
        return []
    duck = whose.get("duckdb")
    sort = f"DuckDB sorting and writing one file {duck['wall_s']:.3g} s" if duck else ""
    return [
        "| import into HATS with margins and id index | peer | bar |",
        "|---|---|---|",
        f"| {ours['wall_s']:.3g} s, {ours['cpu_s']:.3g} CPU s, peak {ours['mib'] / 1024:.2f} GiB, {ours['gb']:.2f} GB written | {sort} | <= 15 s, <= 2 GiB |",
    ]


def growth(small, large):
    """How times grow from the small table to the large one."""
    lines = ["| query | small | large | large / small | bar |", "|---|---|---|---|---|"]
    for name, bar in [("cone 60 arcsec", "<= 1.5"), ("cone of 1000 rows", "<= 1.5"), ("by id", "<= 1.5")] + [(k, "<= 10") for k in small if k.startswith("scan")]:
        a, b = (rows.get(name, {}).get("ours") for rows in (small, large))
        if a and b:
            lines.append(f"| {name} | {cell(a, 'p95')} | {cell(b, 'p95')} | {ratio(b, a)} | {bar} |")
    return lines if len(lines) > 2 else []


def versions(work):
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("duckdb", "lsdb", "hats-import", "astropy", "psycopg", "scipy"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    with contextlib.suppress(OSError):
        found.append(f"PostgreSQL {(work / 'pg/data/PG_VERSION').read_text().strip()} with q3c")
    return ", ".join(found)


HEAD = """## The sky database beside PostgreSQL + q3c, DuckDB and LSDB

Made by `bench/skydb.py --elqui target/release/elqui --speed target/release/examples/skydb_speed --work DIR` on {cores} cores, Python {python}, {versions}.
Medians, warm; catalogues and connections are open before the clock starts. Positions of cones are random rows, {cones} of them, each asked
once after as many others; no result is kept anywhere. PostgreSQL: rows in the order of the sky, all in its buffers, prepared statements, binary
answers; as psycopg gives them to Python with PostgreSQL's own choice of plan, and with the plan kept and the answer left in libpq's memory. DuckDB: in
process, to Arrow. CPU is of all threads of the process; scans take turns, three each. Every answer's rows are counted against the peers', ten queries of each kind are compared
value by value with PostgreSQL's, pairs of the cross-match with astropy's one by one, scans with DuckDB's to 1e-9.
"""


def text(kept, args, problems):
    out = [HEAD.format(cores=os.cpu_count(), python=platform.python_version(), versions=versions(args.work), cones=args.cones)]
    for size, rows in sorted(kept.items(), key=lambda kv: int(kv[0])):
        out.append(f"### {int(size):,} rows\n")
        for block in (scans(rows), cones(rows), joins(rows), storage(rows)):
            if block:
                out.append("\n".join(block) + "\n")
    sizes = sorted(kept, key=int)
    if len(sizes) > 1:
        grown = growth(kept[sizes[0]], kept[sizes[-1]])
        if grown:
            out.append(f"### {int(sizes[-1]):,} rows beside {int(sizes[0]):,}\n\n" + "\n".join(grown) + "\n")
    out += [f"Not right or not measured: {p}\n" for p in problems]
    return "\n".join(out)


def write(path, words):
    """Between the marks, or at the end."""
    old = path.read_text() if path.exists() else ""
    block = f"{MARKS[0]}\n{words.rstrip()}\n{MARKS[1]}\n"
    before, mark, rest = old.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2].lstrip("\n") if mark else ""
    path.write_text(before.rstrip("\n") + ("\n\n" if before.strip() else "") + block + ("\n" + after if after else ""))
