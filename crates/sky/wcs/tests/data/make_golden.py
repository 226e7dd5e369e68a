#!/usr/bin/env python3
"""What astropy (wcslib) says about world coordinates.

make_golden.py OUT.json          random headers of every kind -> the golden file
make_golden.py --real DIR        headers of the FITS files under DIR -> stdout, same format
"""
import glob, json, sys, warnings
import erfa
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

warnings.simplefilter("ignore")
KEYS = ("CTYPE CUNIT CRVAL CRPIX CD CDELT CROTA PC PV A_ B_ AP_ BP_ LONPOLE LATPOLE RADE "
        "EQUINOX EPOCH NAXIS1 NAXIS2 ZNAXIS1 ZNAXIS2").split()


def to_icrs(header, world):
    """Results in ICRS (FK5 J2000 counts as ICRS). Frames by ERFA: astropy ties the galactic
    system to FK5, and precesses FK5 by a later model than its own (IAU 1976)."""
    lon = 1 if header["CTYPE1"].split("-")[0] in ("DEC", "GLAT") else 0
    ra, dec = world[:, lon], world[:, 1 - lon]
    if "GL" in header["CTYPE1"]:
        return np.degrees(erfa.g2icrs(np.radians(ra), np.radians(dec)))
    equinox = header.get("EQUINOX", 2000.0)
    if header.get("RADESYS") == "FK5" and equinox != 2000.0:
        v = erfa.s2c(np.radians(ra), np.radians(dec))
        p = erfa.pmat76(2451545.0, (equinox - 2000.0) * 365.25)
        return np.degrees(erfa.c2s(erfa.trxp(p, v)))
    return ra, dec


def longitude_first(header):
    """wcslib mixes up the polynomials of TPV when the latitude comes first."""
    if not header["CTYPE1"].startswith("DEC--TPV"):
        return header
    out = {}
    for k, v in header.items():
        if k[:5] in ("CTYPE", "CRVAL"):
            k = f"{k[:5]}{3 - int(k[5])}"
        elif k[:2] in ("CD", "PV"):
            k = f"{k[:2]}{3 - int(k[2])}{k[3:]}"
        out[k] = v
    return out


def case(name, header, points):
    full = fits.Header()
    full["SIMPLE"], full["BITPIX"], full["NAXIS"] = True, -32, 2
    for k in ("NAXIS1", "NAXIS2"):
        full[k] = header[k]
    asked = longitude_first(header)
    for k, v in asked.items():
        full[k] = v
    w = WCS(full)
    world = np.array([w.all_pix2world([p], 0)[0] for p in points])
    ra, dec = to_icrs(asked, world)
    none = lambda v: float(v) if np.isfinite(v) else None
    rows = [[float(p[0]), float(p[1]), none(a), none(d)] for p, a, d in zip(points, ra % 360, dec)]
    return {"name": name, "cards": header, "points": rows}


def random_cases():
    rng = np.random.default_rng(20261123)
    out = []
    wide = {"CAR": 170, "AIT": 160, "MOL": 160, "HPX": 178, "ARC": 150, "ZEA": 120, "STG": 120,
            "SIN": 50, "TAN": 70}

    def base(code, suffix="", scale=None, latitude_first=False):
        scale = scale or 10 ** rng.uniform(-5.5, -3)
        n1, n2 = (int(v) for v in rng.integers(500, 5000, 2))
        lon, lat = (2, 1) if latitude_first else (1, 2)
        h = {"NAXIS1": n1, "NAXIS2": n2, f"CTYPE{lon}": f"RA---{code}{suffix}",
             f"CTYPE{lat}": f"DEC--{code}{suffix}", f"CRVAL{lon}": rng.uniform(0, 360),
             f"CRVAL{lat}": np.degrees(np.arcsin(rng.uniform(-1, 1))),
             "CRPIX1": rng.uniform(-0.5, 1.5) * n1, "CRPIX2": rng.uniform(-0.5, 1.5) * n2,
             "RADESYS": "ICRS"}
        angle, flip = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
        c, s = np.cos(angle), np.sin(angle)
        m = scale * np.array([[c, -s], [s, c]]) @ np.array([[flip, 0.01 * rng.normal()], [0, 1.02]])
        return h, m, scale

    def cd(h, m):
        for i in range(2):
            for j in range(2):
                h[f"CD{i+1}_{j+1}"] = float(m[i, j])

    def spread(h, n=8):
        return rng.uniform([-0.5, -0.5], [h["NAXIS1"] - 0.5, h["NAXIS2"] - 0.5], (n, 2)).round(3)

    for code in ("TAN", "SIN", "ARC", "ZEA", "STG", "CAR", "AIT", "MOL", "HPX"):
        for k in range(3):  # a camera's field
            h, m, _ = base(code, latitude_first=k == 2)
            if code in ("CAR", "AIT", "MOL", "HPX"):
                h["CRVAL1" if k < 2 else "CRVAL2"] = rng.uniform(0, 360)
            if k == 1:
                h["LONPOLE"] = rng.uniform(-180, 180)
                if code in ("CAR", "AIT", "MOL", "HPX"):
                    h["CRVAL2"] = rng.uniform(-5, 5)
                    h["LONPOLE"] = rng.choice([-1, 1]) * rng.uniform(0, 70)
                    h["LONPOLE"] += 180 * (h["CRVAL2"] < 0)  # else no pole fits
                    h["LATPOLE"] = rng.choice([-90.0, 90.0])
            cd(h, m)
            out.append((f"{code} field {k}", h, spread(h)))
        # the whole sky: some points are outside
        h, m, _ = base(code, scale=1.0)
        h["CRPIX1"], h["CRPIX2"] = 180.5, 90.5
        h["NAXIS1"], h["NAXIS2"] = 360, 180
        h["CDELT1"], h["CDELT2"] = -1.0, 1.0
        r = wide[code]
        p = np.column_stack([rng.uniform(-r, r, 14), rng.uniform(-min(r, 89), min(r, 89), 14)])
        if code not in ("CAR", "AIT", "MOL", "HPX"):
            p[:, 1] = rng.uniform(-r, r, 14)
        out.append((f"{code} wide", h, (p + [179.5, 89.5]).round(3)))
    for code, pv in (("SIN", (0.1, -0.2)), ("SIN", (-0.9, 0.4)), ("HPX", (4, 3)), ("HPX", (6, 3)),
                     ("HPX", (4, 2))):
        h, m, _ = base(code, scale=0.002 if code == "SIN" else 0.03)
        h["PV2_1"], h["PV2_2"] = pv
        h["CRPIX1"], h["CRPIX2"] = h["NAXIS1"] / 2, h["NAXIS2"] / 2
        if code == "HPX":
            h["CRVAL2"] = 0.0
        cd(h, m)
        out.append((f"{code} PV {pv}", h, spread(h, 14)))
    for k in range(4):  # the other ways to write the matrix
        h, m, s = base("TAN", latitude_first=k == 3)
        h["CDELT1"], h["CDELT2"] = -s, 1.1 * s
        if k % 2 == 0:
            for i in range(2):
                for j in range(2):
                    h[f"PC{i+1}_{j+1}"] = float(m[i, j] / s)
            if k == 2:
                del h["PC1_1"], h["PC2_2"]
        else:
            h["CROTA1" if k == 3 else "CROTA2"] = rng.uniform(-180, 180)
        out.append((f"matrix {k}", h, spread(h)))
    for order in (2, 3, 4, 5, 9):  # SIP, with and without its inverse keywords
        h, m, s = base("TAN", "-SIP" if order != 4 else "")
        size = max(h["NAXIS1"], h["NAXIS2"])
        for a in "AB":
            h[f"{a}_ORDER"] = order
            for i in range(order + 1):
                for j in range(order + 1 - i):
                    if i + j >= (1 if order == 3 else 2):
                        h[f"{a}_{i}_{j}"] = rng.normal() * 5 / size ** (i + j)
        if order == 5:
            for a in ("AP", "BP"):
                h[f"{a}_ORDER"], h[f"{a}_2_0"] = 2, 1e-9
            h["PV1_5"] = 0.1  # a leftover that must not count
            h["PV2_1"] = 0.2
        cd(h, m)
        out.append((f"SIP order {order}", h, spread(h)))
    for k in range(4):  # TPV, SCAMP's PV on TAN, radial terms, latitude first
        h, m, s = base("TAN" if k == 1 else "TPV", scale=7e-5, latitude_first=k == 3)
        for axis in (1, 2):
            for i in range(40 if k == 2 else 11):
                d = [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] + [4] * 5 + [5] * 7 + [6] * 7 + [7] * 9
                if k != 2 and i == 3:
                    continue
                h[f"PV{axis}_{i}"] = (1.0 if i == 1 else 0.0) + rng.normal() * 1e-3
        cd(h, m)
        out.append((f"TPV {k}", h, spread(h)))
    for k, extra in enumerate(({"RADESYS": "FK5", "EQUINOX": 2000.0}, {"RADESYS": "FK5",
                               "EQUINOX": 1975.0}, {"CTYPE1": "GLON-ZEA", "CTYPE2": "GLAT-ZEA"},
                               {"CUNIT1": "arcsec", "CUNIT2": "arcsec"})):
        h, m, s = base("TAN", scale=1e-4)
        h.update(extra)
        cd(h, m)
        if k == 3:
            for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "CRVAL1", "CRVAL2"):
                h[key] *= 3600
        out.append((f"frame {k}", h, spread(h)))
    for dec in (90.0, -90.0, 89.9999):
        h, m, s = base("TAN", scale=5e-5)
        h["CRVAL2"] = dec
        h["CRPIX1"], h["CRPIX2"] = h["NAXIS1"] / 2, h["NAXIS2"] / 2
        cd(h, m)
        out.append((f"pole {dec}", h, spread(h)))
    return [case(*c) for c in out]


def real_cases(folder):
    rng = np.random.default_rng(1)
    seen, out = set(), []
    for path in sorted(glob.glob(folder + "/**/*.fit*", recursive=True)):
        try:
            with fits.open(path) as hdus:
                for hdu in hdus:
                    h = hdu.header
                    if not str(h.get("CTYPE1", "")).startswith("RA-"):
                        continue
                    cards = {k: v for k, v in h.items() if any(k.startswith(p) for p in KEYS)
                             and isinstance(v, (int, float, str)) and len(k) <= 8}
                    cards["NAXIS1"], cards["NAXIS2"] = hdu.shape[1], hdu.shape[0]
                    key = (cards["CRVAL1"], cards["CRPIX1"], cards.get("CD1_1"))
                    if key in seen:
                        continue
                    seen.add(key)
                    p = rng.uniform([-0.5, -0.5], [cards["NAXIS1"] - 0.5, cards["NAXIS2"] - 0.5], (20, 2))
                    out.append(case(path[len(folder):].lstrip("/"), cards, p))
        except (OSError, ValueError, TypeError) as error:
            print(path, error, file=sys.stderr)
    return out


if __name__ == "__main__":
    if sys.argv[1] == "--real":
        json.dump(real_cases(sys.argv[2]), sys.stdout)
    else:
        cases = random_cases()
        with open(sys.argv[1], "w") as f:
            f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
