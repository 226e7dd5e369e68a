"""The table of the real data: process the frames, compare with what others measured, print Markdown.

usage: realdata.py --elqui BINARY [--forced BINARY] [--data FOLDER] [--work FOLDER] [--out FILE.md] [--check]
  --forced the example `forced_psfex` of elqui-fits (default: examples/ beside the elqui binary)
  --data   the data pack (default: $ELQUI_REALDATA)
  --check  exit with 1 when a figure misses its bar
Needs astropy, numpy and pyarrow; source-extractor (apt) for the comparison with it.
"""

import argparse
import gzip
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cchain
import decam
import numpy as np
import pyarrow.parquet as pq
import sdss_sex
from astropy.io import fits

SDSS = [("004192", "0300", "g"), ("004192", "0300", "r"), ("006377", "0399", "g"), ("006377", "0399", "r")]
BANDS = "ugriz"
SCALE = 0.396
NOTES = """With source-extractor: sources that both flag as clean and single, of S/N > 20. It measures the image whose sky elqui subtracted,
with the pixels of other sources left out (`MASK_TYPE BLANK`); what its own sky changes is a row of its own. Errors are its own.
Compared are the same circles (FLUX_APER, apNNFlux), FLUX_AUTO with kronFlux before its aperture correction, XWIN with xWin (or,
where a table has none, with the PSF fit's x, without a bar), and shapes: X2WIN and company are moments inside a round Gaussian window
and not corrected for it, elqui's are adaptive, so that the ellipticity of the former is about half; twice the one is compared with the
other, in units of 2 / (S/N).

DECam: the cutouts hold a galaxy with a faint neighbour, and a star of magnitude 10.5 with a faint source on its diffraction spike; no star
is there to fit a PSF with. So the PSF is found again on stars drawn from the PSFEx models, forced fluxes are compared with the same
fits in numpy, stars are added by numpy, and the errors of the weights are tested by differences between opposite sides of the galaxy
(16 px and more from its middle; its light is not quite symmetric, which the mean shows). Fluxes over epochs use the survey's zero
points and its corrections of each exposure's WCS."""


def run(command):
    start = time.time()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:3]))} ... failed: {(done.stdout + done.stderr).strip()[-900:]}")
    return time.time() - start


def expected_lsst(path):
    """The LSST pipelines' sources of a frame as a dict of arrays."""
    with gzip.open(path, "rt") as f:
        names = f.readline().lstrip("#").split()
        rows = [line.split() for line in f]
    out = {}
    for k, name in enumerate(names):
        column = [r[k] for r in rows]
        if name.find("flag") >= 0:
            out[name] = np.array([c == "True" for c in column])
        else:
            out[name] = np.array([float(c) if c not in ("-",) else np.nan for c in column])
    return out


def nearest(x1, y1, x2, y2):
    """Index of, and distance to, the nearest of set 2 for each of set 1."""
    index, distance = np.full(len(x1), -1), np.full(len(x1), np.inf)
    order = np.argsort(y2)
    ys = y2[order]
    for k in range(len(x1)):
        a, b = np.searchsorted(ys, [y1[k] - 5, y1[k] + 5])
        near = order[a:b]
        if len(near):
            d = np.hypot(x2[near] - x1[k], y2[near] - y1[k])
            j = int(np.argmin(d))
            index[k], distance[k] = near[j], d[j]
    return index, distance


def sdss(elqui, data, work, rows):
    s82 = data / "sdss_s82"
    out = work / "sdss"
    frames = [s82 / f"fpC/fpC-{run_}-{band}4-{field}.fit.gz" for run_, field, band in SDSS]
    seconds = run([elqui, "process", *frames, "--refcat", s82 / "refcat/stars.fits.gz", "--out", out])
    ref = fits.getdata(s82 / "refcat/stars.fits.gz")
    for (run_, field, band), frame in zip(SDSS, frames):
        stem = frame.name.removesuffix(".fit.gz")
        table = pq.read_table(out / f"{stem}.sources.parquet").to_pydict()
        ours = {k: np.array(v) for k, v in table.items()}
        summary = json.loads((out / f"{stem}.summary.json").read_text())
        njy_per_adu = 10 ** (0.4 * (31.4 - summary["zeroPointMag"]))
        name = f"SDSS {int(run_)} {band}"

        # Positions against the reference stars of r < 20.
        bright = (ref["r"] < 20) & (ref["r"] > 14)
        ok = ours["detect_isPrimary"] & ~ours["pixelFlags_saturatedCenter"] & ~ours["pixelFlags_edge"]
        dec = np.radians(np.nanmedian(ours["dec"]))
        ra_ours = (ours["ra"][ok] + 180) % 360 - 180
        index, distance = nearest(
            ref["ra"][bright] * np.cos(dec) * 3600, ref["dec"][bright] * 3600, ra_ours * np.cos(dec) * 3600, ours["dec"][ok] * 3600
        )
        hit = distance < 1.0
        dra = (ra_ours[index[hit]] - ref["ra"][bright][hit]) * np.cos(dec) * 3.6e6
        ddec = (ours["dec"][ok][index[hit]] - ref["dec"][bright][hit]) * 3.6e6
        keep = np.hypot(dra - np.median(dra), ddec - np.median(ddec)) < 300
        rms = np.sqrt(np.mean(dra[keep] ** 2)), np.sqrt(np.mean(ddec[keep] ** 2))
        rows.append((name, "position rms to reference, r < 20 (RA, Dec)", f"{rms[0]:.1f}, {rms[1]:.1f} mas ({keep.sum()} of {hit.sum()} stars)", "< 45 mas", max(rms) < 45))

        # The LSST pipelines' sources.
        lsst = expected_lsst(s82 / f"expected_lsst/src_{int(run_)}_{band}.txt.gz")
        flux, err = lsst["base_PsfFlux_instFlux"], lsst["base_PsfFlux_instFluxErr"]
        good = (
            ~lsst["base_SdssCentroid_flag"]
            & ~lsst["base_PixelFlags_flag_edge"]
            & ~lsst["base_PixelFlags_flag_saturated"]
            & (flux / err > 20)
        )
        lx, ly = lsst["base_SdssCentroid_x"], lsst["base_SdssCentroid_y"]
        index, distance = nearest(lx[good], ly[good], ours["x"], ours["y"])
        found = distance < 1.0
        rows.append((name, "LSST sources of S/N > 20 found within 1 px", f"{100 * found.mean():.2f}% of {good.sum()}", ">= 99%", found.mean() >= 0.99))

        ratio = ours["ap06Flux"][index[found]] / njy_per_adu / lsst["base_CircularApertureFlux_6_0_instFlux"][good][found]
        ratio = ratio[np.isfinite(ratio)]
        rows.append((name, "6 px aperture flux over LSST's, median", f"{np.median(ratio):.4f}", "1 +- 0.005", abs(np.median(ratio) - 1) < 0.005))

        # Ours of that S/N that LSST did not find; explained when flagged for a real reason.
        snr = ours["psfFlux"] / ours["psfFluxErr"]
        flagged = (
            ours["pixelFlags_edge"] | ours["pixelFlags_saturated"] | ours["centroid_flag"] | ours["pixelFlags_offimage"]
        )
        mine = (snr > 20) & ours["detect_isPrimary"] & ~flagged
        everything = np.isfinite(lx) & np.isfinite(ly)
        _, distance = nearest(ours["x"][mine], ours["y"][mine], lx[everything], ly[everything])
        # LSST's footprint of a saturated star hides its neighbours: within 40 px of one is explained.
        saturated = lsst["base_PixelFlags_flag_saturatedCenter"] & everything
        _, far = nearest_wide(ours["x"][mine], ours["y"][mine], lx[saturated], ly[saturated])
        # That catalogue ends some 130 rows below the frame's top: what is above it is explained.
        extra = (distance > 2.0) & (far > 40) & (ours["y"][mine] < ly[everything].max())
        for k in np.flatnonzero(extra):
            print(f"{name}: not in LSST's: x {ours['x'][mine][k]:.1f} y {ours['y'][mine][k]:.1f} S/N {snr[mine][k]:.0f}", file=sys.stderr)
        rows.append((name, "ours of S/N > 20 unmatched and unexplained", f"{100 * extra.mean():.2f}% ({extra.sum()} of {mine.sum()})", "<= 2%", extra.mean() <= 0.02))

        # The survey's own calibration and PSF.
        ts = fits.getdata(s82 / f"calib/tsField-{run_}-4-40-{field}.fit")[0]
        b = BANDS.index(band)
        exposure = 53.907456
        truth = -(ts["aa"][b] + ts["kk"][b] * ts["airmass"][b]) + 2.5 * np.log10(exposure)
        difference = summary["zeroPointMag"] - truth
        rows.append((name, "zero point minus tsField's", f"{difference:+.4f} +- {summary['zeroPointErrMag']:.4f} mag", "+- 0.03", abs(difference) < 0.03))
        width = fits.getdata(s82 / f"calib/psField-{run_}-4-{field}.fit.gz", 6)[0]["psf_width"][b]
        got = summary["psfFwhmArcsec"]
        rows.append((name, "PSF width, ours over psField's", f"{got:.3f} / {width:.3f} = {got / width:.3f}", "1 +- 0.03", abs(got / width - 1) < 0.03))
    if cchain.have("source-extractor"):
        for (run_, field, band), frame in zip(SDSS, frames):
            stem = frame.name.removesuffix(".fit.gz")
            sdss_sex.compare(frame, out, stem, work, f"SDSS {int(run_)} {band}", nearest, rows)
    rows.append(("SDSS", "four frames, wall time", f"{seconds:.1f} s", "", True))


def nearest_wide(x1, y1, x2, y2):
    if len(x2) == 0:
        return None, np.full(len(x1), np.inf)
    d = np.hypot(np.asarray(x1)[:, None] - x2[None, :], np.asarray(y1)[:, None] - y2[None, :])
    return None, d.min(axis=1)


def transit_fit(t, flux):
    """Depth and out-of-transit scatter: a trapezoid on a linear baseline, by a grid of its times."""
    best = None
    t0 = t - t.mean()
    for centre in np.linspace(t.min() + 0.06, t.max() - 0.06, 80):
        for duration in np.linspace(0.10, 0.15, 6):
            for ingress in (0.012, 0.018, 0.024):
                shape = np.clip((duration / 2 - np.abs(t - centre)) / ingress, 0, 1)
                design = np.stack([np.ones_like(t), t0, -shape], axis=1)
                use = np.isfinite(flux)
                for _ in range(3):
                    c, *_ = np.linalg.lstsq(design[use], flux[use], rcond=None)
                    residual = flux - design @ c
                    use = np.isfinite(flux) & (np.abs(residual) < 4 * np.nanstd(residual[use]))
                chi = np.sum(np.minimum(residual[np.isfinite(flux)] ** 2, 1e-3))
                if best is None or chi < best[0]:
                    oot = use & (shape == 0)
                    best = (chi, c[2] / c[0], np.std(residual[oot] / c[0]), centre, oot.sum(), len(t))
    return best


def hatp32(elqui, data, work, rows):
    out = work / "hatp32"
    frames = sorted((data / "hatp32_raw").glob("*.FITS.gz"))
    seconds = run([elqui, "process", *frames, "--refcat", data / "refcats/tycho2/tycho2_hatp32_1deg.csv", "--out", out])
    solved, rms = 0, []
    for f in frames:
        s = json.loads((out / f"{f.name.removesuffix('.FITS.gz')}.summary.json").read_text())
        if s["nAstrometryMatches"] >= 5:
            solved += 1
            rms.append(s["astrometryRmsMas"])
    rows.append(("HAT-P-32", "frames solved against Tycho-2 from a rough position and scale", f"{solved} of {len(frames)}, median rms {np.median(rms):.0f} mas", "all", solved == len(frames)))
    run([elqui, "lightcurve", out, "--target", "31.0427,46.6878", "--out", out / "lightcurve"])
    table = pq.read_table(out / "lightcurve/lightcurve.parquet").to_pydict()
    t, flux = np.array(table["midpointMjdTai"]), np.array(table["relativeFlux"])
    meta = json.loads((out / "lightcurve/lightcurve.json").read_text())
    n = len(meta["comparisonStars"])
    _, depth, scatter, centre, n_oot, n_all = transit_fit(t, flux)
    rows.append(("HAT-P-32", "transit depth", f"{100 * depth:.2f}% (mid-transit MJD {centre:.4f} TAI)", "2.5 +- 0.3%", abs(depth - 0.025) < 0.003))
    rows.append(("HAT-P-32", "out-of-transit scatter a frame", f"{100 * scatter:.2f}% ({n_oot} of {n_all} frames)", "< 0.8%", scatter < 0.008))
    rows.append(("HAT-P-32", "comparison stars", f"{n}", ">= 10", n >= 10))
    rows.append(("HAT-P-32", "71 frames, wall time", f"{seconds:.1f} s", "", True))


# What `elqui process` writes beside a frame, and what a repository calls it.
PRODUCTS = {"exposure.fits": "visit_image", "sources.parquet": "source", "summary.json": "visit_image_summary", "preview.png": "preview"}


def through_a_repository(elqui, name, raws, refcat, processed, work, rows):
    """The frames ingested and run by `frames`: the same bytes as `elqui process` wrote into `processed`."""
    repo = work / f"{name}-repository"
    verb = [elqui, "repo", "--repo", repo]
    run([*verb, "init"])
    run([*verb, "ingest", raws, "--mode", "direct", "--run", "raw"])
    run([*verb, "put", refcat, "reference_catalog", "--run", "refcats"])
    seconds = run([elqui, "pipeline", "run", "frames", "--repo", repo, "--input", "raw,refcats", "--output", "frames"])
    run([*verb, "verify"])
    digest = lambda path: hashlib.sha256(path.read_bytes()).digest()
    equal, frames = 0, sorted(processed.glob("*.exposure.fits"))
    made = {t: {digest(f) for f in (repo / "store/frames").glob(f"*/{t}/**/*") if f.is_file()} for t in PRODUCTS.values()}
    for frame in frames:
        stem = frame.name.removesuffix(".exposure.fits")
        equal += all(digest(processed / f"{stem}.{s}") in made[t] for s, t in PRODUCTS.items())
    rows.append((name, "frames that a repository and `frames` give byte for byte as `elqui process` does", f"{equal} of {len(frames)}, {seconds:.1f} s", "all", equal == len(frames)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--elqui", type=Path, required=True)
    parser.add_argument("--forced", type=Path)
    parser.add_argument("--data", type=Path, default=os.environ.get("ELQUI_REALDATA") or None)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if not args.data or not Path(args.data).is_dir():
        print("skipped: ELQUI_REALDATA is not set or is no folder")
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        work = args.work or Path(scratch)
        sdss(args.elqui, Path(args.data), work, rows)
        hatp32(args.elqui, Path(args.data), work, rows)
        data = Path(args.data)
        s82 = data / "sdss_s82"
        through_a_repository(args.elqui, "SDSS", s82 / "fpC", s82 / "refcat/stars.fits.gz", work / "sdss", work, rows)
        tycho = data / "refcats/tycho2/tycho2_hatp32_1deg.csv"
        through_a_repository(args.elqui, "HAT-P-32", data / "hatp32_raw", tycho, work / "hatp32", work, rows)
        forced = args.forced or args.elqui.parent / "examples/forced_psfex"
        if forced.exists():
            decam.decam(args.elqui, forced.resolve(), Path(args.data), work, rows)
        else:
            print(f"skipped: DECam; {forced} is not built (cargo build --release -p elqui-fits --example forced_psfex)", file=sys.stderr)
    lines = ["| data | quantity | measured | bar | |", "|---|---|---|---|---|"]
    lines += [f"| {a} | {b} | {c} | {d} | {'' if not d else 'reached' if e else '**missed**'} |" for a, b, c, d, e in rows]
    text = "\n".join(lines)
    print(text)
    if args.out:
        args.out.write_text(
            "# What real frames give\n\nMade by `make realdata`, which runs `elqui process` and `elqui lightcurve` on the data pack and compares with what\n"
            "SDSS and the LSST pipelines measured on the same frames (`bench/realdata.py`).\n\n" + text + "\n\n" + NOTES + "\n\nDetrending of ISIS, NOT and LSSTCam-like raws: [detrending.md](detrending.md).\n"
        )
    missed = [r for r in rows if r[3] and not r[4]]
    if args.check and missed:
        sys.exit(f"{len(missed)} figures miss their bars: " + "; ".join(f"{r[0]} {r[1]}: {r[2]}" for r in missed))


if __name__ == "__main__":
    main()
