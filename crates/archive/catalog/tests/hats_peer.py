"""What hats and lsdb (PyPI) see in a collection: `hats_peer.py DIR` prints one JSON line.

Opens the collection, the table, the margin and the index; searches a cone and an id. The Rust
test beside it compares the numbers.
"""

import contextlib
import io
import json
import sys
import warnings

warnings.filterwarnings("ignore")
import hats
import lsdb
from hats.io.skymap import read_skymap
from hats.io.validation import is_valid_catalog

RA, DEC, RADIUS_ARCSEC, ID = 0.5, 0.25, 1800.0, 1234


def main(folder):
    collection = hats.read_hats(folder)
    table = hats.read_hats(collection.main_catalog_dir)
    margin = hats.read_hats(collection.default_margin_catalog_dir)
    index = hats.read_hats(collection.default_index_catalog_dir)
    catalog = lsdb.open_catalog(folder)
    cone = catalog.cone_search(RA, DEC, RADIUS_ARCSEC).compute()
    by_id = catalog.id_search(values={"objectId": [ID]}).compute()
    matched = catalog.crossmatch(catalog, radius_arcsec=1.0, n_neighbors=1, suffixes=("_a", "_b")).compute()
    return {
        "rows": int(table.catalog_info.total_rows),
        "read": len(catalog.compute()),
        "partitions": len(table.get_healpix_pixels()),
        "valid": all(is_valid_catalog(c.catalog_path, strict=True) for c in (table, margin)),
        "skymap": int(read_skymap(table, None).sum()),
        "margin_rows": int(margin.catalog_info.total_rows),
        "margin_arcsec": float(margin.catalog_info.margin_threshold),
        "index_column": index.catalog_info.indexing_column,
        "cone": sorted(int(i) for i in cone["objectId"]),
        "by_id": [float(by_id["ra"].iloc[0]), float(by_id["dec"].iloc[0])],
        "matched_with_itself": int((matched["objectId_a"] == matched["objectId_b"]).sum()),
    }


if __name__ == "__main__":
    # Progress bars of lsdb are no part of the answer.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        answer = main(sys.argv[1])
    print(json.dumps(answer))
