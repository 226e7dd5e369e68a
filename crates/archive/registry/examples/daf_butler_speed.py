"""What `registry_speed` measures, with lsst-daf-butler (pip install lsst-daf-butler).

    python daf_butler_speed.py DIR ingest     100,000 raw-like datasets: Butler.ingest, in place, of empty files
    python daf_butler_speed.py DIR query      1,000 of 1,000,000 datasets by exposure and detector

DIR is replaced. Data ids and DatasetRefs are made before the clock starts.
"""

import os
import shutil
import sys
import time

from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, DatasetType, FileDataset

root, what = sys.argv[1:]
exposures, detectors = (1000 if what == "ingest" else 10000), 100
run = "Sim/raw/all"

shutil.rmtree(root, ignore_errors=True)
Butler.makeRepo(root)
butler = Butler.from_config(root, writeable=True)
registry, universe = butler.registry, butler.dimensions

registry.insertDimensionData(
    "instrument",
    dict(name="Sim", visit_max=10**7, exposure_max=10**7, detector_max=1000, class_name="x"),
)
registry.insertDimensionData("physical_filter", dict(instrument="Sim", name="r1", band="r"))
registry.insertDimensionData("day_obs", dict(instrument="Sim", id=20260101))
registry.insertDimensionData("group", dict(instrument="Sim", name="g"))
registry.insertDimensionData(
    "detector", *[dict(instrument="Sim", id=d, full_name=f"D{d}") for d in range(detectors)]
)
registry.insertDimensionData(
    "exposure",
    *[
        dict(instrument="Sim", id=e, obs_id=f"o{e}", physical_filter="r1", day_obs=20260101, group="g",
             exposure_time=30.0)
        for e in range(exposures)
    ],
)
raw = DatasetType("raw", ["instrument", "exposure", "detector"], "StructuredDataDict", universe=universe)
registry.registerDatasetType(raw)
registry.registerRun(run)


def refs(first, last):
    for e in range(first, last):
        for d in range(detectors):
            data_id = DataCoordinate.standardize(instrument="Sim", exposure=e, detector=d, universe=universe)
            yield DatasetRef(raw, data_id, run=run)


if what == "ingest":
    files = []
    for k, ref in enumerate(refs(0, exposures)):
        path = os.path.join(root, f"raw_{k}.yaml")
        open(path, "w").close()
        files.append(FileDataset(path=path, refs=[ref]))
    start = time.perf_counter()
    butler.ingest(*files, transfer="direct")
    print(f"ingest of {len(files)} datasets: {time.perf_counter() - start:.2f} s")
else:
    for first in range(0, exposures, 1000):
        registry._importDatasets(list(refs(first, first + 1000)))
    for where in (
        "instrument='Sim' AND exposure IN (5000..5009) AND detector IN (0..99)",
        "instrument='Sim' AND exposure IN (700..799) AND detector IN (40..49)",
    ):
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            found = butler.query_datasets("raw", collections=run, where=where, limit=None)
            best = min(best, time.perf_counter() - start)
            assert len(found) == 1000
        print(f"query of 1,000 of 1,000,000, {where}: {1e3 * best:.1f} ms")
