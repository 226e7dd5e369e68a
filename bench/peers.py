"""Elqui beside source-extractor, PSFEx, SCAMP, sep and cfitsio on one simulated frame: speed and accuracy.

usage: peers.py --elqui BINARY --read-time BINARY [--scene FILE.yaml] [--rounds N] [--galsim DIR ...]
                [--science FILE.md] [--fits FILE.md] [--out FILE.md]
  --galsim   scenes of galsim_scene.py, measured by elqui and by the C chain
  --science  Markdown of the Rust harness (example `frame_science`), included
  --fits     what the example `fits` prints (microseconds of the expensive fits), included
One thread each; CPU seconds (user + system) of the whole process, the least of N rounds, the
programs taking turns so that all see the same machine. A peer that is absent is said and left out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import cchain
import numpy as np
import scene_metrics
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

ONE_THREAD = dict(os.environ, OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1")


def sep_seconds(path):
    import fitsio
    import sep

    data = np.ascontiguousarray(fitsio.read(str(path)), dtype=np.float32)
    sep.set_extract_pixstack(5_000_000)
    sep.set_sub_object_limit(8192)
    start = time.process_time()
    background = sep.Background(data)
    data = data - background
    objects = sep.extract(data, 1.5, err=background.globalrms)
    for r in (3, 6, 9, 12, 17):
        sep.sum_circle(data, objects["x"], objects["y"], float(r), err=background.globalrms)
    return time.process_time() - start, len(objects)


def read_seconds(path):
    """cfitsio's read into an array of ordinary memory pages, as a C program has them: numpy asks the
    kernel for huge ones, which halves the time of any reader alike."""
    code = (
        "import fitsio, time, sys\n"
        "best = 9.0\n"
        "for _ in range(7):\n"
        "    start = time.perf_counter()\n"
        "    fitsio.read(sys.argv[1])\n"
        "    best = min(best, time.perf_counter() - start)\n"
        "print(best)\n"
    )
    env = dict(os.environ, NUMPY_MADVISE_HUGEPAGE="0")
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True, env=env)
    return float(done.stdout)


class Scene:
    """A frame and its truth: of `elqui simulate`, or drawn by GalSim."""

    def __init__(self, folder):
        self.folder = folder
        self.truth = scene_metrics.Truth(folder)
        self.image = next(p for p in (folder / "scene.fits", folder / "image.fits") if p.exists())
        self.reference = next(p for p in (folder / "refcat.parquet", folder / "reference.csv") if p.exists())
        # What the C programs are told, as their users would: gain, scale and a saturation level.
        s = self.truth.s
        self.facts = s["gain"], s["pixel_scale_arcsec"], 0.95 * s["saturation_adu"]

    def stars(self):
        """The reference catalogue at the epoch of the frame, for SCAMP."""
        s = self.truth.s
        if self.reference.suffix == ".csv":
            t = np.genfromtxt(self.reference, delimiter=",", names=True)
            r = {k: t[k] for k in t.dtype.names}
        else:
            import pyarrow.parquet as pq

            r = {k: np.array(v) for k, v in pq.read_table(self.reference).to_pydict().items()}
        epoch = Time(s["mjd_utc"] + 0.5 * s["exposure_s"] / 86400, format="mjd").jyear
        years = epoch - r["epoch"][0]
        return dict(
            ra=r["ra"] + r["pm_ra_cosdec"] * years / 3.6e6 / np.cos(np.radians(r["dec"])), dec=r["dec"] + r["pm_dec"] * years / 3.6e6,
            ra_error=np.hypot(r["ra_error"], years * r["pm_error"]), mag=r[f"{s['band']}_mag"], epoch=epoch,
        )  # fmt: skip

    def rough_header(self):
        """SCAMP needs a WCS to start from: the header's pointing and scale, north up."""
        h, s = fits.getheader(self.image), self.truth.s
        w, k = WCS(naxis=2), s["pixel_scale_arcsec"] / 3600
        w.wcs.ctype, w.wcs.crval, w.wcs.crpix = ["RA---TAN", "DEC--TAN"], [h["RA"], h["DEC"]], [(s["width"] + 1) / 2, (s["height"] + 1) / 2]
        w.wcs.cd = [[-k, 0], [0, k]]
        header = w.to_header()
        header["FILTER"], header["EXPTIME"] = s["band"], s["exposure_s"]
        return header

    def extract(self, name, **options):
        return cchain.extract(self.image, self.folder / "chain", *self.facts, name=name, **options)


def chain(scene):
    """The C chain once: CPU seconds of its parts, and what it measured."""
    seconds, found = {}, {}
    if not cchain.have("source-extractor"):
        return seconds, found
    folder, psf = scene.folder / "chain", None
    (seconds["source-extractor with star images"], _, _), ldac = scene.extract("stars", stamps=True)
    if cchain.have("psfex"):
        (seconds["PSFEx"], _, _), psf = cchain.psfex(ldac, folder, SAMPLE_MINSN=100)
        found["psf"] = cchain.PsfexModel(psf)
        (seconds["source-extractor with PSF fluxes"], _, _), catalogue = scene.extract("psfflux", psf=psf)
    else:
        _, catalogue = scene.extract("plain")
    found["catalogue"] = cchain.catalogue(catalogue)
    if cchain.have("scamp"):
        (seconds["SCAMP"], _, _), header = cchain.scamp(ldac, scene.stars(), scene.rough_header(), folder)
        if header is not None:
            header = {k: v for k, v in header.items() if k and k not in ("HISTORY", "COMMENT")}
            with warnings.catch_warnings():  # TAN with PV terms is what SCAMP writes
                warnings.simplefilter("ignore")
                found["wcs"] = WCS(fits.Header(header))
    return seconds, found


def chain_metrics(truth, found):
    """The C chain's catalogue against the truth, as `scene_metrics.elqui` has it."""
    c, gain = found["catalogue"], truth.s["gain"]
    x, y = c["XWIN_IMAGE"] - 1, c["YWIN_IMAGE"] - 1
    alone = scene_metrics.isolated(truth, 4 / truth.s["pixel_scale_arcsec"])
    index = scene_metrics.match(truth, c["X_IMAGE"] - 1, c["Y_IMAGE"] - 1, 2.5)
    ok = alone & np.where(index >= 0, (c["FLAGS"] == 0)[index], False)
    error = np.sqrt(0.5 * (c["ERRAWIN_IMAGE"] ** 2 + c["ERRBWIN_IMAGE"] ** 2))
    flux = (c["FLUX_PSF"], c["FLUXERR_PSF"]) if "FLUX_PSF" in c else (c["FLUX_APER"][:, 2], c["FLUXERR_APER"][:, 2])
    return dict(
        sources=len(x), stars=scene_metrics.stars(truth, index, x, y, flux[0] * gain, (flux[1] * gain, error, error), ok),
        galaxies=scene_metrics.galaxies(truth, index, {"FLUX_AUTO": c["FLUX_AUTO"] * gain}, alone),
        completeness=scene_metrics.completeness(truth, index, alone), spurious=scene_metrics.spurious(truth, c["X_IMAGE"] - 1, c["Y_IMAGE"] - 1),
        psf=scene_metrics.psf_residuals(truth, lambda x, y, dx, dy: found["psf"].stamp(x, y, scene_metrics.HALF, dx, dy)) if "psf" in found else None,
        wcs_mas=scene_metrics.wcs_error(truth, found["wcs"]) if "wcs" in found else None,
    )  # fmt: skip


def process(elqui, scene, options=()):
    return cchain.cpu([elqui, "--threads", "1", "process", scene.image, "--refcat", scene.reference, "--out", scene.folder / "out", *options], env=ONE_THREAD)


def beside(ours, theirs):
    """Accuracy of elqui and of the C chain, one row a quantity."""
    def bright(m, key, low=100):
        return next((r[key] for r in m["stars"] if r["snr"][0] == low), np.nan) if m else np.nan

    def psf(m):
        p = m and m.get("psf")
        return f"mean {p['mean']:+.1e}, rms {p['rms']:.1e}; e {p['e_rms']:.1e}" if p else "-"

    def galaxy(m):
        return "; ".join(f"{k}: " + ", ".join(f"{name} {v:+.0f}" for name, (v, n) in kinds.items()) for k, kinds in m["galaxies"].items()) if m else "-"

    def wcs(m):
        w = m and m.get("wcs_mas")
        return f"{w[0]:.2f}, {w[1]:.2f} mas" if w else "-"

    both = (ours, theirs)
    rows = [
        ("PSF model against the true PSF: dT/T, ellipticity rms", *(psf(m) for m in both)),
        ("stars of S/N 100-500: position rms over CR", *(f"{bright(m, 'position_over_cr'):.2f}" for m in both)),
        ("their PSF flux, scatter (bias), mmag", *(f"{bright(m, 'flux_scatter_mmag'):.1f} ({bright(m, 'flux_bias_mmag'):+.1f})" for m in both)),
        ("the same at S/N 20-50 (CR " + f"{bright(ours, 'cr_mmag', 20):.1f})", *(f"{bright(m, 'flux_scatter_mmag', 20):.1f} ({bright(m, 'flux_bias_mmag', 20):+.1f})" for m in both)),
        ("galaxies of S/N > 20: median flux error, mmag", *(galaxy(m) for m in both)),
        ("isolated stars half complete at S/N", *(f"{m['completeness']['half_at']:.2f}" if m else "-" for m in both)),
        ('sources without a true one of S/N > 2 within 1"', *(f"{100 * m['spurious']:.2f}% of {m['sources']}" if m else "-" for m in both)),
        ("WCS against the truth, rms a axis", *(wcs(m) for m in both)),
    ]
    return ["| quantity | elqui | source-extractor, PSFEx, SCAMP |", "|---|---|---|"] + ["| " + " | ".join(r) + " |" for r in rows]


def least(rounds):
    return {name: min(v) for name, v in rounds.items() if v}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--elqui", type=Path, required=True)
    parser.add_argument("--read-time", type=Path, required=True)
    parser.add_argument("--scene", type=Path, default=Path("bench/scenes/dense.yaml"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--galsim", type=Path, action="append", default=[])
    parser.add_argument("--science", type=Path, action="append", default=[])
    parser.add_argument("--fits", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    elqui = args.elqui.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        subprocess.run([elqui, "simulate", args.scene, "--out", work], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        shutil.copy(args.scene, work / "scene.yaml")
        scene = Scene(work)
        have_sex = cchain.have("source-extractor")
        seconds, ours, theirs_sep, peak, n_sep = {}, [], [], 0, 0
        for _ in range(args.rounds):
            if have_sex:
                used, plain = scene.extract("plain")
                seconds.setdefault("source-extractor, detection and measurement", []).append(used[0])
            used = process(elqui, scene)
            ours.append(used[0])
            peak = max(peak, used[2])
            s, n_sep = sep_seconds(scene.image)
            theirs_sep.append(s)
            parts, found = chain(scene)
            for name, s in parts.items():
                seconds.setdefault(name, []).append(s)
        timing = json.loads((work / "out/scene.timing.json").read_text())
        summary = json.loads((work / "out/scene.summary.json").read_text())
        read, checked, cfitsio = [], [], []
        for _ in range(args.rounds):
            done = subprocess.run([args.read_time, scene.image], check=True, capture_output=True, text=True)
            for values, v in zip((read, checked), done.stdout.split()):
                values.append(float(v))
            cfitsio.append(read_seconds(scene.image))
        best, elqui_cpu, ratio = least(seconds), min(ours), min(read) / min(cfitsio)
        steps = {s["step"]: s["cpu_s"] for s in timing["steps"]}
        sex_cpu = best.get("source-extractor, detection and measurement", np.nan)
        n_sex = len(fits.getdata(plain)) if have_sex else 0
        psf_cpu = steps.get("psf", np.nan)
        core = sum(steps.get(k, 0) for k in ("background", "detection", "deblending", "measurement"))
        whole = sum(best.get(k, np.nan) for k in ("source-extractor with star images", "PSFEx", "source-extractor with PSF fluxes", "SCAMP"))
        rows = [
            ("source-extractor, detection and measurement", f"{sex_cpu:.2f} CPU s", f"{n_sex} objects", ""),
            ("sep, background, extract, five apertures", f"{min(theirs_sep):.2f} CPU s", f"{n_sep} objects", ""),
            ("elqui: background, detection, deblending, measurement", f"{core:.2f} CPU s = {core / sex_cpu:.2f} x source-extractor", "with PSF fluxes and moments (last round)", "<= 1.2 s"),
            ("PSFEx, after source-extractor with star images", f"{best.get('PSFEx', np.nan):.2f} CPU s", f"and {best.get('source-extractor with star images', np.nan):.2f} for those", ""),
            ("elqui: PSF model", f"{psf_cpu:.2f} CPU s", f"{summary['nPsfStars']} stars", "<= 0.6 s"),
            ("SCAMP", f"{best.get('SCAMP', np.nan):.2f} CPU s", "one frame, from its rough position", ""),
            ("the C chain: source-extractor, PSFEx, source-extractor, SCAMP", f"{whole:.2f} CPU s", "without its photometric calibration", ""),
            ("`elqui process --refcat`, whole", f"{elqui_cpu:.2f} CPU s = {elqui_cpu / sex_cpu:.2f} x source-extractor, {elqui_cpu / whole:.2f} x the chain", f"{summary['nSources']} sources", "<= 4 s"),
            ("its peak memory", f"{peak / 2**30:.2f} GiB", "", "<= 1 GiB"),
            ("FITS f32 read, cfitsio (ordinary memory pages)", f"{min(cfitsio):.4f} s", "", ""),
            ("FITS f32 read, elqui", f"{min(read):.4f} s = {ratio:.2f} x cfitsio", "neither verifies checksums", "<= 1.5 x"),
            ("the same with its checksums verified", f"{min(checked):.4f} s", "as `elqui process` reads", ""),
        ]
        lines = ["| what | measured | | bar |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(r) + " |" for r in rows]
        lines += ["", "The steps of `elqui process` (last round, one thread):", "", "| step | CPU s |", "|---|---|"]
        lines += [f"| {s['step']} | {s['cpu_s']:.3f} |" for s in timing["steps"]]
        if args.fits:
            lines += ["", "## The expensive fits", "", "```", args.fits.read_text().strip(), "```"]
        if args.science:
            parts = [path.read_text().strip().replace("## ", "### ") for path in args.science]
            lines += ["", "## The science of a frame", "", "\n\n".join(parts)]
        lines += ["", f"## Accuracy beside the C chain: `{args.scene.name}`", "", "Computed by `bench/scene_metrics.py` from the files that each program wrote.", ""]
        lines += beside(scene_metrics.elqui(scene.truth, work / "out"), chain_metrics(scene.truth, found) if found else None)
        for folder in args.galsim:
            scene = Scene(folder)
            process(elqui, scene, ["--no-preview"])
            _, found = chain(scene)
            mine = scene_metrics.elqui(scene.truth, folder / "out")
            lines += ["", f"## GalSim's renderer: {folder.name}", ""] + beside(mine, chain_metrics(scene.truth, found) if found else None)
            lines += ["", "elqui by S/N:", "", scene_metrics.markdown(mine)]
        text = "\n".join(lines)
        print(text)
        if args.out:
            args.out.write_text(
                "# Speed and accuracy beside the peers\n\nMade by `make bench` (`bench/peers.py`): one simulated 4096 x 4096 frame (`bench/scenes/dense.yaml`), one thread, CPU seconds of whole\n"
                f"processes, the least of {args.rounds} rounds in one run on one machine. Ratios carry over to other machines; seconds do not.\n\n" + text + "\n"
            )
        good = not elqui_cpu > 2 * sex_cpu and ratio <= 1.5 and peak < 1.2 * 2**30
        sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
