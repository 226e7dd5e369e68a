"""The SDSS frames measured by source-extractor and by elqui: rows of the table of real data.

Same gain and saturation; apertures of the same radii (3, 6, 9, 12 px) with the pixels of other sources left out
(MASK_TYPE BLANK); the Kron factor 2.5 of both. source-extractor measures the image whose sky elqui has subtracted
(BACK_TYPE MANUAL), so that the measurements are compared; what its own sky changes is a row of its own.
Compared are sources that both flag as clean and single, of S/N > 20 (aperture of 6 px). What compares with what:
- FLUX_APER with apNNFlux (sums of the same circles), FLUX_AUTO with kronFlux (source-extractor
  takes its ellipse from isophotal moments, elqui from adaptive ones; elqui's aperture correction is taken out)
- XWIN_IMAGE, YWIN_IMAGE with xWin, yWin where the table has them, else with x, y (the PSF fit)
- shapes: X2WIN and company are moments inside a round Gaussian window and are not corrected for it; elqui's are
  adaptive, with a Gaussian of the source's own shape. With a window as wide as the source the former's ellipticity
  is half of the latter's: 2 e(WIN) is compared with e(adaptive), and the directions where e > 0.15.
"""

import json

import cchain
import numpy as np
import pyarrow.parquet as pq
from astropy.io import fits

NAMES = ("ap03", "ap06", "ap09", "ap12", "ap17")


def spread(v):
    return 1.4826 * np.median(np.abs(v - np.median(v)))


def correction(path, flux, x, y):
    """The aperture correction that an exposure's file states for a flux, at places."""
    d = fits.getdata(path, "APCORR")
    d = d[(d["flux"] == flux) & (d["part"] == "coefficient")]
    if len(d) == 0:
        return np.ones_like(x)
    u, v = (x - d["x_center"][0]) * d["x_scale"][0], (y - d["y_center"][0]) * d["y_scale"][0]
    terms = [u ** (t - j) * v**j for t in range(d["degree"][0] + 1) for j in range(t + 1)]
    return np.tensordot(d["value"][np.argsort(d["index"])], terms, 1)


def compare(frame, out, stem, work, name, nearest, rows):
    """Rows for one frame that `elqui process` has written to `out`."""
    table = {k: np.array(v) for k, v in pq.read_table(out / f"{stem}.sources.parquet").to_pydict().items()}
    summary = json.loads((out / f"{stem}.summary.json").read_text())
    header = fits.getheader(out / f"{stem}.exposure.fits")
    with fits.open(frame) as hdus:
        raw = hdus[0].data.astype(np.float32) - 1000
    with fits.open(out / f"{stem}.exposure.fits") as hdus:
        flat = hdus["IMAGE"].data.astype(np.float32)
    folder = work / "sex"
    folder.mkdir(parents=True, exist_ok=True)
    settings = dict(PHOT_AUTOPARAMS="2.5,3.5", MASK_TYPE="BLANK")
    found = {}
    for kind, data, options in (("own", raw, {}), ("ours", flat, {"BACK_TYPE": "MANUAL", "BACK_VALUE": 0})):
        fits.writeto(folder / f"{stem}-{kind}.fits", data, overwrite=True)
        _, path = cchain.extract(folder / f"{stem}-{kind}.fits", folder, header["ELQUI GAIN"], 0.396, 0.9 * raw.max(), name=f"{stem}-{kind}", **settings, **options)
        found[kind] = cchain.catalogue(path)
    c = found["ours"]
    adu = 10 ** (-0.4 * (31.4 - summary["zeroPointMag"]))
    single = table["detect_isPrimary"] & (table["deblend_nChild"] == 0) & (table["parentSourceId"] == 0)
    single &= ~(table["pixelFlags_edge"] | table["pixelFlags_saturated"] | table["pixelFlags_cr"] | table["centroid_flag"] | table["shape_flag"])
    o = {k: v[single] for k, v in table.items()}
    clean = (c["FLAGS"] == 0) & (c["FLUX_APER"][:, 1] / c["FLUXERR_APER"][:, 1] > 20)
    index, distance = nearest(c["XWIN_IMAGE"][clean] - 1, c["YWIN_IMAGE"][clean] - 1, o["x"], o["y"])
    hit = distance < 1.0
    c, o = {k: v[clean][hit] for k, v in c.items()}, {k: v[index[hit]] for k, v in o.items()}
    n = int(hit.sum())
    what = f"{name} and source-extractor"

    texts, worst_ratio, worst_pull = [], 0.0, 0.0
    for k, ap in enumerate(NAMES[:4]):
        ours, theirs, error = o[f"{ap}Flux"] * adu, c["FLUX_APER"][:, k], c["FLUXERR_APER"][:, k]
        ok = np.isfinite(ours)
        ratio, pull = np.median((ours / theirs)[ok]), spread(((ours - theirs) / error)[ok])
        texts.append(f"{ap[2:]}: {ratio:.4f} ({pull:.2f})")
        worst_ratio, worst_pull = max(worst_ratio, abs(ratio - 1)), max(worst_pull, pull)
    rows.append((what, f"aperture fluxes, median ratio (scatter in errors), {n} sources", "; ".join(texts), "1 +- 0.005, < 1 error", worst_ratio < 0.005 and worst_pull < 1))

    other = found["own"]
    index, distance = nearest(c["XWIN_IMAGE"], c["YWIN_IMAGE"], other["XWIN_IMAGE"], other["YWIN_IMAGE"])
    near = distance < 1.0
    change = other["FLUX_APER"][index[near]] - c["FLUX_APER"][near]
    sky, noise = change[:, 3] / (np.pi * 144), np.median(c["FLUXERR_APER"][:, 3]) / np.sqrt(np.pi * 144)
    ratio = np.median(o["ap06Flux"][near] * adu / other["FLUX_APER"][index[near], 1])
    text = f"median {-np.median(sky) / noise:+.3f}, scatter {spread(sky) / noise:.3f}; 6 px flux ratio {ratio:.4f}"
    rows.append((what, "with source-extractor's own sky: change under sources, of the sky noise", text, "", True))

    kron, error = o["kronFlux"] * adu / correction(out / f"{stem}.exposure.fits", "kronFlux", o["x"], o["y"]), np.hypot(c["FLUXERR_AUTO"], o["kronFluxErr"] * adu)
    ok = np.isfinite(kron) & (c["FLUX_AUTO"] > 0)
    ratio, pull = np.median((kron / c["FLUX_AUTO"])[ok]), spread(((kron - c["FLUX_AUTO"]) / error)[ok])
    rows.append((what, "kronFlux before its aperture correction over FLUX_AUTO, median (scatter in errors of both)", f"{ratio:.4f} ({pull:.2f})", "1 +- 0.03, < 1 error", abs(ratio - 1) < 0.03 and pull < 1))

    windowed = "xWin" in o and np.isfinite(o["xWin"]).any()
    x, y = (o["xWin"], o["yWin"]) if windowed else (o["x"], o["y"])
    sigma = np.sqrt(0.5 * (c["ERRAWIN_IMAGE"] ** 2 + c["ERRBWIN_IMAGE"] ** 2))
    dx, dy = x - (c["XWIN_IMAGE"] - 1), y - (c["YWIN_IMAGE"] - 1)
    ok = np.isfinite(dx + dy)
    offset = np.median(dx[ok]), np.median(dy[ok])
    pull = spread(np.concatenate([dx / sigma, dy / sigma])[np.concatenate([ok, ok])])
    kind = "xWin, yWin" if windowed else "x, y (PSF fit)"
    bar = "0 +- 0.02 px, < 1 error" if windowed else ""
    rows.append((what, f"{kind} minus XWIN, YWIN: median (scatter in errors)", f"{offset[0]:+.4f}, {offset[1]:+.4f} px ({pull:.2f})", bar, not bar or (max(map(abs, offset)) < 0.02 and pull < 1)))

    t, s = o["ixx"] + o["iyy"], c["X2WIN_IMAGE"] + c["Y2WIN_IMAGE"]
    e, f = ((o["ixx"] - o["iyy"]) / t, 2 * o["ixy"] / t), ((c["X2WIN_IMAGE"] - c["Y2WIN_IMAGE"]) / s, 2 * c["XYWIN_IMAGE"] / s)
    # Error of an ellipticity of S/N nu: about 2 / nu for adaptive moments.
    error = 2 * o["psfFluxErr"] / o["psfFlux"]
    ok = np.isfinite(e[0] + e[1] + f[0] + f[1] + error)
    de = np.concatenate([(e[k] - 2 * f[k])[ok] for k in (0, 1)])
    pull = spread(de / np.concatenate([error[ok], error[ok]]))
    long = ok & (np.hypot(*e) > 0.15)
    turn = np.degrees(0.5 * (np.arctan2(e[1], e[0]) - np.arctan2(f[1], f[0])))
    turn = (turn[long] + 90) % 180 - 90
    text = f"median {np.median(de):+.4f}, scatter {spread(de):.4f} = {pull:.2f} errors; directions {np.median(turn):+.2f} +- {spread(turn):.2f} deg ({long.sum()} of e > 0.15)"
    rows.append((what, "ellipticities: adaptive minus 2 x windowed", text, "0 +- 0.01, < 1 error", abs(np.median(de)) < 0.01 and pull < 1))
