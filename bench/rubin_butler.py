"""Rubin's side of `butler.py`: lsst-daf-butler, lsst-pipe-base and lsst-ctrl-mpexec from PyPI.

usage: rubin_butler.py WHAT DIR [--files DIR] [--count N] [--checksums] [--processes N] [--db URL --schema NAME]
  ingest   --count files of --files, `Butler.ingest(transfer="direct")`, dimension records are there
  fill     a registry of 1,000,000 datasets (registry rows alone), for `query`
  query    1,000 of them by exposure and detector, as datasets and as data ids
  graph    the quantum graph of --count quanta of the two steps in rubin_steps.py
  run      the same graph, executed by the separable executor, in this process or in --processes of their own
Prints a line of JSON a measurement: what, n, wall_s, cpu_s (this process and its ended children). Data ids and
refs are made before the clock starts.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, DatasetType, FileDataset

RUN = "Sim/raw/all"
DETECTORS = 100
SHAPES = {
    "10 exposures x 100 detectors": "instrument='Sim' AND exposure IN (5000..5009) AND detector IN (0..99)",
    "100 exposures x 10 detectors": "instrument='Sim' AND exposure IN (700..799) AND detector IN (40..49)",
}


def say(what, count, seconds):
    wall, cpu = seconds
    print(json.dumps(dict(what=what, n=count, wall_s=wall, cpu_s=cpu)), flush=True)


def clocks():
    t = os.times()
    return time.perf_counter(), t.user + t.system + t.children_user + t.children_system


def timed(work):
    before = clocks()
    value = work()
    return value, tuple(a - b for a, b in zip(clocks(), before))


def made(args, exposures):
    config = {"datastore": {"checksum": args.checksums}}
    if args.db:
        config["registry"] = {"db": args.db, "namespace": args.schema}
    Butler.makeRepo(args.dir, config=config)
    butler = Butler.from_config(args.dir, writeable=True)
    registry = butler.registry
    sim = dict(instrument="Sim")
    registry.insertDimensionData(
        "instrument", dict(name="Sim", visit_max=10**7, exposure_max=10**7, detector_max=1000, class_name="x")
    )
    registry.insertDimensionData("physical_filter", dict(sim, name="r1", band="r"))
    registry.insertDimensionData("day_obs", dict(sim, id=20260101))
    registry.insertDimensionData("group", dict(sim, name="g"))
    registry.insertDimensionData("detector", *[dict(sim, id=d, full_name=f"D{d}") for d in range(DETECTORS)])
    fixed = dict(sim, physical_filter="r1", day_obs=20260101, group="g", exposure_time=30.0)
    registry.insertDimensionData("exposure", *[dict(fixed, id=e, obs_id=f"o{e}") for e in range(exposures)])
    raw = DatasetType("raw", ["instrument", "exposure", "detector"], "StructuredDataDict", universe=butler.dimensions)
    registry.registerDatasetType(raw)
    registry.registerRun(RUN)
    return butler, raw


def refs(butler, raw, first, last):
    for e in range(first, last):
        for d in range(DETECTORS):
            data_id = DataCoordinate.standardize(
                instrument="Sim", exposure=e, detector=d, universe=butler.dimensions
            )
            yield DatasetRef(raw, data_id, run=RUN)


def ingested(args, count):
    butler, raw = made(args, -(-count // DETECTORS))
    paths = (os.path.join(args.files, f"raw_{k}.fits") for k in range(count))
    files = [FileDataset(path=p, refs=[ref]) for p, ref in zip(paths, refs(butler, raw, 0, count // DETECTORS))]
    _, seconds = timed(lambda: butler.ingest(*files, transfer="direct"))
    return butler, seconds


def fill(args):
    butler, raw = made(args, 10000)
    for first in range(0, 10000, 1000):
        butler.registry._importDatasets(list(refs(butler, raw, first, first + 1000)))


def query(args):
    butler = Butler.from_config(args.dir)
    for shape, where in SHAPES.items():
        def datasets():
            return butler.query_datasets("raw", collections=RUN, where=where, limit=None)

        def data_ids():
            with butler.query() as q:
                q = q.join_dataset_search("raw", collections=RUN).where(where)
                return list(q.data_ids(["instrument", "exposure", "detector"]))

        for name, work in (("datasets", datasets), ("data ids", data_ids)):
            assert len(work()) == 1000
            times = 10
            _, (wall, cpu) = timed(lambda: [work() for _ in range(times)])
            say(f"query {name}, {shape}", 1000, (wall / times, cpu / times))


def graph(args, execute):
    from lsst.pipe.base import Pipeline
    from lsst.pipe.base.separable_pipeline_executor import SeparablePipelineExecutor

    detectors = min(DETECTORS, args.count // 2)
    butler, _ = ingested(args, max(DETECTORS, args.count // 2))
    butler = Butler.from_config(args.dir, collections=[RUN], run="u/run", writeable=True)
    pipeline = Pipeline("speed")
    pipeline.addTask("rubin_steps.IsrTask", "isr")
    pipeline.addTask("rubin_steps.FindTask", "find")
    executor = SeparablePipelineExecutor(butler)
    where = f"instrument='Sim' AND detector < {detectors}"
    built, seconds = timed(lambda: executor.build_quantum_graph(pipeline, where=where))
    count = len(built)
    assert count == args.count, count
    say("graph", count, seconds)
    if not execute:
        return
    executor.pre_execute_qgraph(built, register_dataset_types=True, save_versions=False)
    _, seconds = timed(lambda: executor.run_pipeline(built, num_proc=args.processes))
    found = butler.query_datasets("catalogue", collections="u/run", limit=None)
    assert len(found) == count // 2, len(found)
    say("run" if args.processes == 1 else "run in processes", count, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["ingest", "fill", "query", "graph", "run"])
    parser.add_argument("dir")
    parser.add_argument("--files")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--checksums", action="store_true")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--db")
    parser.add_argument("--schema", default="rubin")
    args = parser.parse_args()
    if args.what == "ingest":
        _, seconds = ingested(args, args.count)
        say("ingest with checksums" if args.checksums else "ingest", args.count, seconds)
    elif args.what == "fill":
        fill(args)
    elif args.what == "query":
        query(args)
    else:
        graph(args, args.what == "run")


if __name__ == "__main__":
    main()
