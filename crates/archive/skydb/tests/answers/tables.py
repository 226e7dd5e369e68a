"""The tables that the queries ask: seeded, so that they are the same everywhere; names as Rubin, SDSS, Gaia and the standard have them.

usage: tables.py DIR      one SCHEMA.TABLE.parquet each; TABLES says how each is imported

Positions (deg, ICRS): a deep field at (53.1, -28.1), one across RA 0 at dec 2, one around the north pole, a cluster at (56.75, 24.12),
SDSS-like stripes, and the whole sky. In them are NULLs, NaNs (`y_psfFlux` alone), negative fluxes, bits of flags, texts beyond ASCII,
timestamps, booleans; points as structs {ra, dec} and shapes as texts in STC-S (xtype adql:REGION).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20261124
FIELD, CLUSTER = (53.1, -28.1), (56.75, 24.12)
BANDS = "ugrizy"


@dataclass
class How:
    """How `elqui catalog import` takes a table; without a position it stays plain Parquet."""

    ra: str | None = "ra"
    dec: str | None = "dec"
    id: str | None = None
    parent: str | None = None
    parent_id: str | None = None
    margin: float = 30.0


TABLES = {
    "dp1.Object": How("coord_ra", "coord_dec", "objectId"),
    "dp1.Source": How(id="sourceId"),
    "dp1.ForcedSource": How("coord_ra", "coord_dec", "forcedSourceId", "dp1.Object", "objectId"),
    "dp1.Visit": How(id="visit"),
    "dp1.DiaObject": How(id="diaObjectId"),
    "dp1.DiaSource": How(id="diaSourceId", parent="dp1.DiaObject", parent_id="diaObjectId"),
    "dp1.SSObject": How(None, None),
    "dp1.SSSource": How(None, None),
    "dp1.CoaddPatches": How("s_ra", "s_dec"),
    "ivoa.ObsCore": How("s_ra", "s_dec"),
    "dr17.PhotoObj": How(id="objid"),
    "dr17.SpecObj": How(id="specobjid"),
    "dr17.PhotoZ": How(id="objid"),
    "gaiadr3.gaia_source": How(id="source_id"),
    **{f"public.{t}": How() for t in ("t", "t1", "t2", "table1", "table2", "table3", "atable", "btable", "alpha_source")},
}


def around(rng, place, radius, n):
    """Uniform in a circle."""
    ra, dec = np.radians(place)
    c = 1 - rng.uniform(0, 1, n) * (1 - np.cos(np.radians(radius)))
    s, turn = np.sqrt(1 - c * c), rng.uniform(0, 2 * np.pi, n)
    lat = np.arcsin(np.clip(np.sin(dec) * c + np.cos(dec) * s * np.cos(turn), -1, 1))
    lon = ra + np.arctan2(s * np.sin(turn) * np.cos(dec), c - np.sin(dec) * np.sin(lat))
    return np.degrees(lon) % 360, np.degrees(lat)


def sky(rng, n):
    return rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))


def jitter(rng, ra, dec, arcsec):
    n = len(ra)
    d = dec + rng.normal(0, arcsec / 3600, n)
    return (ra + rng.normal(0, arcsec / 3600, n) / np.cos(np.radians(dec))) % 360, np.clip(d, -90, 90)


def holes(rng, values, share, kind=None):
    """Some of them NULL."""
    return pa.array(values, type=kind, mask=rng.random(len(values)) < share)


def f32(values):
    return np.asarray(values, dtype=np.float32)


def shape(kind, *parts):
    return [" ".join([kind, *(repr(float(x)) for x in row)]) for row in zip(*parts)]


def objects(rng):
    parts = [around(rng, FIELD, 0.7, 6000), around(rng, (0.0, 2.0), 0.5, 1500), around(rng, (0.0, 90.0), 1.0, 500), sky(rng, 4000)]
    ra, dec = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    n = len(ra)
    ids = 611_255_759_837_000_000 + rng.permutation(n * 7)[:n]
    out = {"objectId": ids, "coord_ra": ra, "coord_dec": dec}
    level = 10 ** rng.uniform(1.5, 5, n)
    for k, band in enumerate(BANDS):
        flux = level * 10 ** (0.15 * (k - 2) * rng.normal(1, 0.6, n)) + rng.normal(0, 60, n)
        if band == "y":
            flux[rng.random(n) < 0.02] = np.nan
        out[f"{band}_psfFlux"] = holes(rng, f32(flux), 0.03)
        out[f"{band}_psfFluxErr"] = holes(rng, f32(rng.uniform(20, 90, n)), 0.03)
    out["r_cModelFlux"] = holes(rng, f32(level * rng.uniform(0.9, 1.5, n)), 0.02)
    extended = (rng.random(n) < 0.6).astype(np.float32)
    for band in "gri":
        out[f"{band}_extendedness"] = holes(rng, extended, 0.01)
    out["refExtendedness"] = extended
    out["refBand"] = pa.array(rng.choice(list(BANDS), n))
    out["tract"], out["patch"] = rng.integers(5000, 5008, n), rng.integers(0, 100, n)
    out["detect_isPrimary"] = pa.array(rng.random(n) < 0.95)
    out["shape_flag"] = holes(rng, rng.random(n) < 0.1, 0.2)
    out["ebv"] = f32(rng.uniform(0, 0.3, n))
    return out


def visits(rng):
    n = 400
    ra, dec = around(rng, FIELD, 1.5, n)
    mjd = np.sort(60620 + rng.uniform(0, 40, n))
    start = ((mjd - 40587) * 86_400_000_000).astype("datetime64[us]")
    return {
        "visit": 2024_1101_00000 + np.arange(n) * 13, "ra": ra, "dec": dec, "band": pa.array(rng.choice(list(BANDS), n, p=[0.05, 0.25, 0.3, 0.25, 0.1, 0.05])),
        "expMidptMJD": mjd + 15 / 86400, "obsStartMJD": mjd, "obsStart": pa.array(start, type=pa.timestamp("us")),
        "expTime": rng.choice([15.0, 30.0, 38.0], n), "airmass": holes(rng, f32(rng.uniform(1, 1.8, n)), 0.05),
        "seeing": holes(rng, f32(rng.uniform(0.6, 1.8, n)), 0.05), "zeroPoint": f32(rng.normal(31.9, 0.1, n)),
    }


def sources(rng, obj, visit):
    n = 8000
    which, when = rng.integers(0, 6000, n), rng.integers(0, 400, n)
    ra, dec = jitter(rng, obj["coord_ra"][which], obj["coord_dec"][which], 0.05)
    flux, error = 10 ** rng.uniform(2, 5, n), rng.uniform(20, 90, n)
    return {
        "sourceId": 600_000_000_000_000_000 + np.arange(n) * 3, "visit": visit["visit"][when], "detector": pa.array(rng.integers(0, 9, n), type=pa.int16()),
        "band": visit["band"].take(pa.array(when)), "ra": ra, "dec": dec, "x": rng.uniform(0, 4071, n), "y": rng.uniform(0, 3999, n),
        "psfFlux": holes(rng, f32(flux), 0.02), "psfFluxErr": f32(error), "snr": f32(flux / error),
        "pixelFlags_bad": pa.array(rng.random(n) < 0.05), "pixelFlags": rng.integers(0, 1 << 12, n),
    }


def forced(rng, obj, visit):
    n = 30000
    which, when = rng.integers(0, 6500, n), rng.integers(0, 400, n)
    return {
        "forcedSourceId": np.arange(n) + 1, "objectId": obj["objectId"][which], "visit": visit["visit"][when],
        "detector": pa.array(rng.integers(0, 9, n), type=pa.int16()), "band": visit["band"].take(pa.array(when)),
        "coord_ra": obj["coord_ra"][which], "coord_dec": obj["coord_dec"][which],
        "psfFlux": holes(rng, f32(rng.normal(3000, 1500, n)), 0.02), "psfFluxErr": f32(rng.uniform(20, 90, n)),
        "psfDiffFlux": f32(rng.normal(0, 100, n)), "pixelFlags_bad": pa.array(rng.random(n) < 0.05),
    }


def differences(rng, visit):
    n, m = 1500, 12000
    ra, dec = around(rng, FIELD, 0.7, n)
    ids = 609_788_942_606_000_000 + np.arange(n) * 11
    which, when = np.minimum(rng.geometric(0.004, m), n) - 1, rng.integers(0, 400, m)
    flux = rng.normal(0, 3000, m)
    start = (np.datetime64("2024-11-01T00:00:00", "us") + (rng.uniform(0, 40, n) * 86_400e6).astype("timedelta64[us]")).astype("datetime64[us]")
    dia_object = {
        "diaObjectId": ids, "ra": ra, "dec": dec, "nDiaSources": np.bincount(which, minlength=n).astype(np.int32),
        "validityStart": pa.array(start, type=pa.timestamp("us")), "r_psfFluxMean": holes(rng, f32(rng.normal(2000, 1500, n)), 0.1),
        "r_psfFluxSigma": holes(rng, f32(rng.exponential(300, n)), 0.1),
    }
    sra, sdec = jitter(rng, ra[which], dec[which], 0.1)
    dia_source = {
        "diaSourceId": 600_000_000_000_000_001 + np.arange(m) * 5, "diaObjectId": ids[which], "visit": visit["visit"][when],
        "detector": pa.array(rng.integers(0, 9, m), type=pa.int16()), "ra": sra, "dec": sdec, "band": visit["band"].take(pa.array(when)),
        "psfFlux": holes(rng, f32(flux), 0.02), "psfFluxErr": f32(rng.uniform(50, 300, m)), "midpointMjdTai": np.asarray(visit["expMidptMJD"])[when],
        "snr": f32(np.abs(flux) / 120), "reliability": holes(rng, f32(rng.uniform(0, 1, m)), 0.05),
        "ssObjectId": pa.array(np.where(rng.random(m) < 0.1, rng.integers(0, 200, m), 0)), "isDipole": pa.array(rng.random(m) < 0.07),
    }
    return dia_object, dia_source


def solar_system(rng, dia_source):
    n = 200
    body = {
        "ssObjectId": np.arange(n), "H": holes(rng, f32(rng.uniform(8, 22, n)), 0.05), "G": f32(np.full(n, 0.15)), "numObs": rng.integers(1, 60, n).astype(np.int32),
        "designation": pa.array([f"20{20 + k % 6} {chr(65 + k % 24)}{chr(65 + (7 * k) % 24)}{k}" for k in range(n)]),
    }
    known = np.asarray(dia_source["ssObjectId"])
    rows = np.flatnonzero(known > 0)
    distance = rng.uniform(1.5, 5, len(rows))
    seen = {
        "ssObjectId": known[rows], "diaSourceId": dia_source["diaSourceId"][rows], "heliocentricDist": f32(distance),
        "topocentricDist": f32(distance - rng.uniform(-1, 1, len(rows))), "phaseAngle": f32(rng.uniform(0, 30, len(rows))),
    }
    return body, seen


def corners(ra, dec, size):
    h = size / 2
    w = h / np.cos(np.radians(dec))
    return ra - w, dec - h, ra + w, dec - h, ra + w, dec + h, ra - w, dec + h


def patches(rng):
    step = 0.25
    ra, dec = (a.ravel() for a in np.meshgrid(52.4 + step * np.arange(7), -28.7 + step * np.arange(6)))
    return {"lsst_tract": np.full(len(ra), 5063), "lsst_patch": np.arange(len(ra)), "s_ra": ra, "s_dec": dec, "s_region": shape("POLYGON", *corners(ra, dec, step))}


def obscore(rng):
    n = 300
    ra, dec = around(rng, FIELD, 2.0, n)
    mjd = 60620 + rng.uniform(0, 40, n)
    size = rng.uniform(0.1, 0.4, n)
    circle = rng.random(n) < 0.3
    region = np.where(circle, shape("CIRCLE", ra, dec, size), shape("POLYGON", *corners(ra, dec, size)))
    level = rng.integers(1, 4, n).astype(np.int32)
    return {
        "obs_id": [f"visit-{k:05d}" for k in range(n)], "obs_collection": pa.array(rng.choice(["LSSTComCam", "DECam", "Añil"], n)),
        "dataproduct_type": pa.array(rng.choice(["image", "cube", "measurements"], n, p=[0.8, 0.1, 0.1])), "calib_level": level,
        "access_url": holes(rng, [f"https://example.org/{k}?x=1&y='{k}'" for k in range(n)], 0.3), "s_ra": ra, "s_dec": dec, "s_fov": size,
        "s_region": region, "t_min": mjd, "t_max": mjd + 0.0004, "t_exptime": rng.choice([15.0, 30.0, 300.0], n), "em_min": rng.uniform(3.2e-7, 6e-7, n),
        "em_max": rng.uniform(6e-7, 1.1e-6, n), "instrument_name": pa.array(rng.choice(["LSSTComCam", "lsstCam", "DECam camera, chip 7", "Ωmega-CAM"], n)),
        "target_name": holes(rng, [f"field {k % 17} O'Neil" if k % 5 else "Straße 東" for k in range(n)], 0.1),
    }


def sdss(rng):
    n, m = 8000, 1500
    parts = [(rng.uniform(179.5, 181.5, 5000), rng.uniform(-0.5, 1.5, 5000)), (rng.uniform(184.9, 185.3, 1000), rng.uniform(14.9, 15.3, 1000)), sky(rng, 2000)]
    ra, dec = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    r = rng.uniform(14, 23, n)
    g = r + rng.normal(0.7, 0.4, n)
    i, kind = r - rng.normal(0.3, 0.2, n), rng.choice([3, 6], n)
    ids = 1_237_648_000_000_000_000 + np.arange(n) * 17
    photo = {"objid": ids, "ra": ra, "dec": dec, "type": kind.astype(np.int32), "mode": rng.choice([1, 2], n, p=[0.9, 0.1]).astype(np.int32)}
    photo |= {"run": rng.choice([752, 756, 1140, 2141], n).astype(np.int32), "camcol": rng.integers(1, 7, n).astype(np.int32), "field": rng.integers(11, 300, n).astype(np.int32)}
    photo |= {"u": f32(g + rng.normal(1.2, 0.5, n)), "g": f32(g), "r": f32(r), "i": f32(i), "z": holes(rng, f32(i - rng.normal(0.2, 0.2, n)), 0.02)}
    photo |= {"modelMag_g": f32(g + 0.01), "modelMag_r": f32(r + 0.02), "petroRad_r": f32(rng.exponential(2.5, n)), "extinction_r": f32(rng.uniform(0, 0.3, n))}
    photo |= {"flags": rng.integers(0, 1 << 40, n), "clean": rng.integers(0, 2, n).astype(np.int32), "err_r": f32(rng.uniform(0.005, 0.2, n))}
    which = rng.permutation(n)[:m]
    classes = rng.choice(["GALAXY", "STAR", "QSO"], m, p=[0.7, 0.2, 0.1])
    redshift = np.where(classes == "STAR", rng.normal(0, 0.0004, m), np.where(classes == "QSO", rng.uniform(0.3, 5, m), rng.uniform(0.01, 0.5, m)))
    sub = [rng.choice(["M3", "M5", "L1", "F9", "K7"]) if c == "STAR" else ("BROADLINE" if c == "QSO" else rng.choice(["STARFORMING", "AGN", ""])) for c in classes]
    spec = {
        "specobjid": 299_489_677_444_933_632 + np.arange(m) * 1024, "bestobjid": holes(rng, ids[which], 0.02), "class": pa.array(classes), "subclass": pa.array(sub),
        "z": f32(redshift), "zErr": f32(rng.uniform(1e-5, 1e-3, m)), "zWarning": rng.choice([0, 4, 16], m, p=[0.9, 0.06, 0.04]).astype(np.int32),
        "plate": rng.integers(266, 300, m).astype(np.int32), "mjd": rng.integers(51600, 52000, m).astype(np.int32), "fiberid": rng.integers(1, 641, m).astype(np.int32),
        "ra": ra[which], "dec": dec[which], "survey": pa.array(rng.choice(["sdss", "boss", "eboss"], m)),
    }
    has = rng.permutation(n)[: n // 2]
    return photo, spec, {"objid": ids[has], "ra": ra[has], "dec": dec[has], "z": f32(rng.uniform(0, 1, len(has))), "zErr": f32(rng.uniform(0.01, 0.2, len(has))), "nnCount": rng.integers(80, 101, len(has)).astype(np.int32)}


def gaia(rng, obj):
    near = jitter(rng, obj["coord_ra"][:2000], obj["coord_dec"][:2000], 0.4)
    wrap = jitter(rng, obj["coord_ra"][6000:6600], obj["coord_dec"][6000:6600], 0.4)
    pole = jitter(rng, obj["coord_ra"][7500:7700], obj["coord_dec"][7500:7700], 0.4)
    parts = [near, wrap, pole, around(rng, CLUSTER, 2.0, 500), sky(rng, 2700)]
    ra, dec = (np.concatenate([p[k] for p in parts]) for k in (0, 1))
    n = len(ra)
    member = np.zeros(n, bool)
    member[2800:3150] = True
    parallax = np.where(member, rng.normal(7.4, 0.2, n), rng.exponential(2, n) - 0.5)
    pmra, pmdec = np.where(member, rng.normal(20, 1.2, n), rng.normal(0, 8, n)), np.where(member, rng.normal(-45, 1.2, n), rng.normal(-5, 8, n))
    unknown = rng.random(n) < 0.05
    known = lambda v, kind=None: pa.array(v, type=kind, mask=unknown)
    g = rng.uniform(4, 20, n)
    return {
        "source_id": 4_295_806_720 + rng.permutation(n * 9)[:n].astype(np.int64) * 34_359_738, "ra": ra, "dec": dec, "parallax": known(parallax),
        "parallax_error": known(f32(rng.uniform(0.02, 0.5, n))), "pmra": known(pmra), "pmdec": known(pmdec), "phot_g_mean_mag": f32(g),
        "bp_rp": holes(rng, f32(rng.normal(1, 0.6, n)), 0.04), "ruwe": known(f32(1 + rng.exponential(0.2, n))),
        "radial_velocity": holes(rng, f32(rng.normal(0, 40, n)), 0.8), "phot_variable_flag": pa.array(rng.choice(["VARIABLE", "NOT_AVAILABLE"], n, p=[0.1, 0.9])),
        "random_index": rng.permutation(n), "has_xp_continuous": pa.array(rng.random(n) < 0.5),
    }


def point(ra, dec):
    return pa.StructArray.from_arrays([pa.array(ra), pa.array(dec)], ["ra", "dec"])


def standard(rng):
    """The tables of the standard's examples, around (25, -19.5), where its circles lie."""
    out = {}
    n = 60
    ra, dec = around(rng, (25.2, -19.8), 6, n)
    more = around(rng, (15.0, -9.0), 6, n)
    start = (np.datetime64("2013-12-31T12:00:00", "us") + (rng.uniform(0, 800, n) * 86_400e6).astype("timedelta64[us]")).astype("datetime64[us]")
    out["t"] = {
        "id": np.arange(n), "ra": ra, "dec": dec, "pos": point(ra, dec), "center": point(*more), "footprint": shape("CIRCLE", ra, dec, rng.uniform(0.5, 2, n)),
        "obstime": pa.array(start, type=pa.timestamp("us")), "em": rng.uniform(3e-7, 1e-6, n),
    }
    for name, seed in (("t1", 40), ("t2", 50)):
        ra, dec = around(rng, (25.0, -19.5), 4, seed)
        other = around(rng, (25.0, -19.5), 5, seed)
        third = around(rng, (25.0, -19.5), 5, seed)
        fourth = around(rng, (25.0, -19.5), 5, seed)
        out[name] = {
            "id": np.arange(seed), "ra": ra, "dec": dec, "center": point(*other), "footprint": shape("CIRCLE", ra, dec, rng.uniform(0.5, 3, seed)),
            "width": rng.uniform(1, 4, seed), "height": rng.uniform(1, 4, seed), "radius": rng.uniform(0.2, 2, seed), "base": point(*third),
            "target": shape("CIRCLE", *third, rng.uniform(0.2, 2, seed)), "spot": point(*fourth), "toppoint": point(ra, dec + 2),
            "bottomleft": point(ra + 2, dec - 1), "bottomright": point(ra - 2, dec - 1),
        }
    for k in (1, 2, 3):
        n = 30
        ids = np.arange(n) + 10 * k
        # The same rows where the ids are the same.
        out[f"table{k}"] = {"id": ids, "ra": (ids * 7.25) % 360, "dec": (ids * 3.5) % 180 - 90}
    n = 200
    ra, dec = sky(rng, n)
    names = np.array(["alpha", "beta", "xray", "a'b", "Ab", "ab", "Xeno", "β Cet"])
    out["atable"] = {"id": np.arange(n), "ra": ra, "dec": dec, "size": rng.integers(0, 9, n).astype(np.int32)}
    out["btable"] = {"id": np.arange(n), "ra": ra, "dec": dec, "Size": rng.integers(0, 9, n).astype(np.int32)}
    out["alpha_source"] = {"id": np.arange(n) // 2, "alpha_sourceid": np.arange(n) // 2, "ra": np.round(ra), "dec": dec, "name": holes(rng, rng.choice(names, n), 0.1)}
    return out


UNITS = {"ra": ("deg", "pos.eq.ra;meta.main"), "dec": ("deg", "pos.eq.dec;meta.main"), "coord_ra": ("deg", "pos.eq.ra;meta.main"), "coord_dec": ("deg", "pos.eq.dec;meta.main")}
UNITS |= {"s_ra": ("deg", "pos.eq.ra"), "s_dec": ("deg", "pos.eq.dec"), "em": ("m", "em.wl"), "em_min": ("m", "em.wl"), "em_max": ("m", "em.wl"), "pmra": ("mas/yr", "pos.pm"), "pmdec": ("mas/yr", "pos.pm"), "parallax": ("mas", "pos.parallax")}
REGIONS = {"s_region", "footprint", "target"}


def field(name, kind):
    unit, ucd = UNITS.get(name, ("nJy" if "Flux" in name else "", ""))
    facts = {"unit": unit, "ucd": ucd}
    if name in REGIONS:
        facts = {"ucd": "pos.outline", "xtype": "adql:REGION"}
    return pa.field(name, kind, metadata={k: v for k, v in facts.items() if v})


def make(folder):
    rng = np.random.default_rng(SEED)
    tables = {"dp1.Object": objects(rng), "dp1.Visit": visits(rng)}
    obj, visit = tables["dp1.Object"], tables["dp1.Visit"]
    tables["dp1.Source"], tables["dp1.ForcedSource"] = sources(rng, obj, visit), forced(rng, obj, visit)
    tables["dp1.DiaObject"], tables["dp1.DiaSource"] = differences(rng, visit)
    tables["dp1.SSObject"], tables["dp1.SSSource"] = solar_system(rng, tables["dp1.DiaSource"])
    tables["dp1.CoaddPatches"], tables["ivoa.ObsCore"] = patches(rng), obscore(rng)
    tables["dr17.PhotoObj"], tables["dr17.SpecObj"], tables["dr17.PhotoZ"] = sdss(rng)
    tables["gaiadr3.gaia_source"] = gaia(rng, obj)
    tables |= {f"public.{name}": columns for name, columns in standard(rng).items()}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in tables.items():
        arrays = {k: v if isinstance(v, (pa.Array, pa.ChunkedArray)) else pa.array(v) for k, v in columns.items()}
        schema = pa.schema([field(k, v.type) for k, v in arrays.items()])
        pq.write_table(pa.table(list(arrays.values()), schema=schema), folder / f"{name}.parquet")
    assert set(tables) == set(TABLES)


if __name__ == "__main__":
    make(sys.argv[1])
