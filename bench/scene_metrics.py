"""What a program measured on a simulated frame against the truth: an independent check of the Rust harness.

usage: scene_metrics.py TRUTH_DIR OUT_DIR [--json FILE]
  TRUTH_DIR  of `elqui simulate SCENE.yaml` (with the scene file copied into it as scene.yaml), or of galsim_scene.py
  OUT_DIR    of `elqui process`: NAME.sources.parquet, NAME.exposure.fits, NAME.summary.json

CR is the Cramer-Rao bound of each star from the Fisher matrix of (flux, x, y, local sky) on 41 x 41 pixels
with the true PSF, photon noise of star and sky, and read noise; numpy alone. Fluxes are compared in
electrons (the zero point is a row of its own). S/N is the true flux over its bound.
Isolated: no other true object brighter than 1/50 of it within 4". Saturated stars are left out.
Positions, fluxes and pulls leave out 5 sigma about the median (their part is printed).
"""

import argparse
import json
from pathlib import Path

import numpy as np
import yaml
from astropy.io import fits
from astropy.wcs import WCS

from scene_facts import FACTS, moffat, true_wcs

BINS = [(5, 20), (20, 50), (50, 100), (100, 500), (500, 1e9)]
HALF = 20
CLIP = 5.0
PHASES = [(0.0, 0.0), (0.3, 0.1), (-0.2, 0.4), (0.5, -0.3)]


class Truth:
    """The scene: facts, objects, PSF."""

    def __init__(self, folder):
        folder = Path(folder)
        self.s = s = FACTS | yaml.safe_load((folder / "scene.yaml").read_text())
        if (folder / "truth.csv").exists():
            t = np.genfromtxt(folder / "truth.csv", delimiter=",", names=True)
            self.t = {k: t[k] for k in t.dtype.names}
            self.cube = fits.getdata(folder / "psf.fits").astype(float)
            places = np.genfromtxt(folder / "psf.csv", delimiter=",", names=True)
            self.grid = [np.unique(places[k]) for k in "xy"]
        else:
            import pyarrow.parquet as pq

            self.t = {k: np.array(v) for k, v in pq.read_table(folder / "truth.parquet").to_pydict().items()}
            self.cube = None
        self.t["is_star"] = self.t["is_star"].astype(bool)
        self.sky_e = 10 ** (0.4 * (s["zero_point_mag"] - s["sky_mag_arcsec2"])) * s["pixel_scale_arcsec"] ** 2 * s["exposure_s"]
        self.noise_e2 = self.sky_e + s["read_noise_e"] ** 2
        self.zero_adu = s["zero_point_mag"] + 2.5 * np.log10(s["exposure_s"] / s["gain"])
        self.wcs, _ = true_wcs(s)

    def psf(self, x, y, half=HALF, dx=0.0, dy=0.0):
        """Pixels about (x, y), the source off the middle one by (dx, dy); total light 1."""
        if self.cube is None:
            return moffat(self.s, x, y, half, dx, dy)
        gx, gy = self.grid
        i, j = (np.clip(np.searchsorted(g, v) - 1, 0, len(g) - 2) for g, v in ((gx, x), (gy, y)))
        u, v = (x - gx[i]) / (gx[i + 1] - gx[i]), (y - gy[j]) / (gy[j + 1] - gy[j])
        n = len(gx)
        p = (1 - v) * ((1 - u) * self.cube[j * n + i] + u * self.cube[j * n + i + 1]) + v * ((1 - u) * self.cube[(j + 1) * n + i] + u * self.cube[(j + 1) * n + i + 1])
        if dx or dy:
            f = np.fft.fftfreq(len(p))
            p = np.fft.ifft2(np.fft.fft2(p) * np.exp(-2j * np.pi * (f[None, :] * dx + f[:, None] * dy))).real
        c = len(p) // 2
        return p[c - half : c + half + 1, c - half : c + half + 1]

    def bound(self, x, y, flux):
        """Cramer-Rao errors of flux (e), x and y (px)."""
        dx, dy, h = x - round(x), y - round(y), 0.05
        p = self.psf(x, y, HALF, dx, dy)
        px = (self.psf(x, y, HALF, dx + h, dy) - self.psf(x, y, HALF, dx - h, dy)) / (2 * h)
        py = (self.psf(x, y, HALF, dx, dy + h) - self.psf(x, y, HALF, dx, dy - h)) / (2 * h)
        d = np.stack([p, flux * px, flux * py, np.ones_like(p)]).reshape(4, -1)
        fisher = (d / (self.noise_e2 + flux * np.maximum(p, 0)).ravel()) @ d.T
        return np.sqrt(np.diag(np.linalg.inv(fisher)))[:3]


def adaptive_moments(p):
    """T = Mxx + Myy, e1, e2 of a noiseless stamp: moments with the Gaussian of their own shape."""
    j, i = np.indices(p.shape)
    m, c = np.eye(2) * 4.0, np.array(p.shape[::-1]) // 2 * 1.0
    for _ in range(200):
        q = np.linalg.inv(m)
        dx, dy = i - c[0], j - c[1]
        w = np.exp(-0.5 * (q[0, 0] * dx * dx + 2 * q[0, 1] * dx * dy + q[1, 1] * dy * dy)) * p
        total = w.sum()
        shift = np.array([(w * dx).sum(), (w * dy).sum()]) / total
        new = 2 * np.array([[(w * dx * dx).sum(), (w * dx * dy).sum()], [(w * dx * dy).sum(), (w * dy * dy).sum()]]) / total
        done = np.abs(new - m).max() < 1e-9
        m, c = new, c + 2 * shift
        if done:
            break
    t = m[0, 0] + m[1, 1]
    return t, (m[0, 0] - m[1, 1]) / t, 2 * m[0, 1] / t


def psf_residuals(truth, stamp):
    """dT/T and ellipticity residuals of a model `stamp(x, y, dx, dy)` on a 9 x 9 grid against the true PSF,
    each the mean over four places of the source in its pixel."""
    s, out = truth.s, []
    for y in np.linspace(0, s["height"] - 1, 9).round():
        for x in np.linspace(0, s["width"] - 1, 9).round():
            of = [(adaptive_moments(stamp(x, y, *d)), adaptive_moments(truth.psf(x, y, HALF, *d))) for d in PHASES]
            out.append(np.mean([(a[0] / b[0] - 1, a[1] - b[1], a[2] - b[2]) for a, b in of], axis=0))
    t, e1, e2 = np.array(out).T
    return {"mean": float(t.mean()), "rms": float(np.sqrt(np.mean(t * t))), "e_rms": float(np.sqrt(np.mean(e1 * e1 + e2 * e2) / 2)), "rms_middle": float(np.sqrt(np.mean(t.reshape(9, 9)[1:-1, 1:-1] ** 2)))}


def elqui_psf(path):
    """The PSF that an exposure carries, as a function of place giving a stamp (its samples interpolated by sinc)."""
    with fits.open(path) as hdus:
        h, cube = hdus["PSF"].header, hdus["PSF"].data.astype(float)
    n, step, degree = cube.shape[-1], h["PSFSTEP"], h["PSFDEG"]
    half = min(HALF, int(n // 2 * step) - 1)

    def weights(shift):
        at = n // 2 + (np.arange(-half, half + 1) - shift) / step
        return np.sinc(at[:, None] - np.arange(n)[None, :])

    def stamp(x, y, dx=0.0, dy=0.0):
        u, v = (x - h["PSFX0"]) * h["PSFXS"], (y - h["PSFY0"]) * h["PSFYS"]
        samples = np.tensordot([u ** (t - j) * v**j for t in range(degree + 1) for j in range(t + 1)], cube, 1)
        return weights(dy) @ samples @ weights(dx).T

    return stamp


def match(truth, x, y, radius):
    """For each true object the measured source nearest to it within `radius` px (or -1), each used once."""
    t, cell = truth.t, {}
    for k, key in enumerate(zip((x // 16).astype(int), (y // 16).astype(int))):
        cell.setdefault(key, []).append(k)
    index, used = np.full(len(t["x"]), -1), set()
    for k in np.argsort(-t["flux_e"]):
        a, b = t["x"][k], t["y"][k]
        near = [m for i in (-1, 0, 1) for j in (-1, 0, 1) for m in cell.get((int(a // 16) + i, int(b // 16) + j), ()) if m not in used]
        if near:
            d = np.hypot(x[near] - a, y[near] - b)
            if d.min() < radius:
                index[k] = near[int(d.argmin())]
                used.add(index[k])
    return index


def isolated(truth, radius):
    """No other object brighter than 1/50 of it within `radius` px."""
    t = truth.t
    order = np.argsort(t["x"])
    xs, out = t["x"][order], np.ones(len(order), bool)
    for k in range(len(order)):
        a, b = np.searchsorted(xs, [t["x"][k] - radius, t["x"][k] + radius])
        near = order[a:b]
        near = near[(near != k) & (np.hypot(t["x"][near] - t["x"][k], t["y"][near] - t["y"][k]) < radius)]
        out[k] = not np.any(t["flux_e"][near] > 0.02 * t["flux_e"][k])
    return out


def clipped(v, limit=CLIP):
    """Mean, rms about zero and about the mean of what lies within `limit` robust sigma of the median; part left out."""
    v = v[np.isfinite(v)]
    if len(v) < 5:
        return dict(n=len(v), mean=np.nan, rms=np.nan, std=np.nan, out=np.nan)
    m = np.median(v)
    keep = np.abs(v - m) < limit * 1.4826 * np.median(np.abs(v - m))
    w = v[keep]
    return dict(n=int(keep.sum()), mean=float(w.mean()), rms=float(np.sqrt(np.mean(w * w))), std=float(w.std()), out=float(1 - keep.mean()))


def stars(truth, index, x, y, flux_e, errors, use, count_max=4000):
    """Positions, fluxes and pulls of matched isolated stars by S/N bin; `errors` are of flux (e), x, y or None."""
    t = truth.t
    peak = np.array([truth.psf(truth.s["width"] / 2, truth.s["height"] / 2, 3).max()]) * t["flux_e"] + truth.sky_e
    edge = np.minimum.reduce([t["x"], t["y"], truth.s["width"] - 1 - t["x"], truth.s["height"] - 1 - t["y"]])
    pick = np.flatnonzero(t["is_star"] & (index >= 0) & use & (peak < 0.85 * truth.s["saturation_adu"] * truth.s["gain"]) & (edge > 25))
    if len(pick) > count_max:
        pick = np.random.default_rng(1).choice(pick, count_max, replace=False)
    bounds = np.array([truth.bound(t["x"][k], t["y"][k], t["flux_e"][k]) for k in pick]).reshape(-1, 3)
    m, snr = index[pick], t["flux_e"][pick] / bounds[:, 0]
    df, dx, dy = flux_e[m] - t["flux_e"][pick], x[m] - t["x"][pick], y[m] - t["y"][pick]
    rows = []
    for low, high in BINS:
        b = (snr >= low) & (snr < high)
        position = clipped(np.concatenate([dx[b] / bounds[b, 1], dy[b] / bounds[b, 2]]))
        mas = clipped(np.concatenate([dx[b], dy[b]]) * truth.s["pixel_scale_arcsec"] * 1e3)
        relative = clipped(-2500 * np.log10(np.maximum(flux_e[m][b] / t["flux_e"][pick][b], 1e-3)))
        bound_mmag = 1085.7 * np.sqrt(np.mean((bounds[b, 0] / t["flux_e"][pick][b]) ** 2)) if b.any() else np.nan
        row = dict(snr=(low, high), n=int(b.sum()), position_over_cr=position["rms"], position_out=position["out"], position_mas=mas["std"], flux_bias_mmag=relative["mean"], flux_scatter_mmag=relative["std"], cr_mmag=float(bound_mmag), flux_out=relative["out"])
        if errors:
            for name, d, e in (("flux", df, errors[0]), ("x", dx, errors[1]), ("y", dy, errors[2])):
                pull = clipped(d[b] / e[m][b])
                row[f"pull_{name}"] = (pull["mean"], pull["std"])
        rows.append(row)
    return rows


def galaxies(truth, index, fluxes, use):
    """Median magnitude error of galaxies of S/N > 20 (all, n = 1, n = 4), for each kind of flux."""
    t, s = truth.t, truth.s
    p = truth.psf(s["width"] / 2, s["height"] / 2)
    sigma2 = 1 / (4 * np.pi * np.sum(p * p))
    radius = t["radius_px"] if "radius_px" in t else np.full(len(t["x"]), 0.5 / s["pixel_scale_arcsec"])
    area = 4 * np.pi * (sigma2 + radius**2 * t.get("axis_ratio", 0.6) / 1.4)
    snr = t["flux_e"] / np.sqrt(t["flux_e"] + area * truth.noise_e2)
    pick = ~t["is_star"] & (index >= 0) & (snr > 20) & use
    out = {}
    for name, flux in fluxes.items():
        dm = -2500 * np.log10(np.maximum(flux[index] / t["flux_e"], 1e-3))
        kinds = {"all": pick}
        if "sersic_n" in t:
            kinds |= {"n=1": pick & (t["sersic_n"] == 1), "n=4": pick & (t["sersic_n"] == 4)}
        out[name] = {k: (float(np.nanmedian(dm[v])), int(v.sum())) for k, v in kinds.items()}
    return out


def completeness(truth, index, use):
    """S/N (flux over sqrt(noise area x sky noise)) at which half of the isolated stars are found."""
    t, s = truth.t, truth.s
    area = np.array([1 / np.sum(truth.psf(x, y) ** 2) for x, y in zip(t["x"][use & t["is_star"]], t["y"][use & t["is_star"]])])
    pick = use & t["is_star"]
    snr = t["flux_e"][pick] / np.sqrt(area * truth.noise_e2)
    found = (index >= 0)[pick]
    # Logistic fit of found against S/N, by Newton.
    near = (snr > 2) & (snr < 12)
    a, b, f, z = 5.0, 2.0, found[near].astype(float), snr[near]
    for _ in range(100):
        q = 1 / (1 + np.exp(-b * (z - a)))
        g = np.array([np.sum((f - q) * -b), np.sum((f - q) * (z - a))])
        w = q * (1 - q)
        h = np.array([[np.sum(w * b * b), -np.sum(w * b * (z - a))], [-np.sum(w * b * (z - a)), np.sum(w * (z - a) ** 2)]])
        step = np.linalg.solve(h + 1e-9 * np.eye(2), g)
        a, b = a + np.clip(step[0], -0.5, 0.5), max(b + np.clip(step[1], -0.5, 0.5), 0.1)
    return {"half_at": float(a), "n": int(near.sum())}


def spurious(truth, x, y, flux_e=None):
    """Part of the sources without a true one of S/N > 2 within 1" (in brackets of 10,000)."""
    t = truth.t
    p = truth.psf(truth.s["width"] / 2, truth.s["height"] / 2)
    real = t["flux_e"] > 2 * np.sqrt(truth.noise_e2 / np.sum(p * p))
    cell = {}
    for a, b in zip(t["x"][real], t["y"][real]):
        cell.setdefault((int(a // 16), int(b // 16)), []).append((a, b))
    r = 1 / truth.s["pixel_scale_arcsec"]
    lone = [not any(np.hypot(a - c, b - d) < r for i in (-1, 0, 1) for j in (-1, 0, 1) for c, d in cell.get((int(a // 16) + i, int(b // 16) + j), ())) for a, b in zip(x, y)]
    return float(np.mean(lone))


def wcs_error(truth, wcs):
    """Rms per axis of a WCS against the true one, mas, on a grid."""
    s = truth.s
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0, s["width"] - 1, 21), np.linspace(0, s["height"] - 1, 21)))
    (a, b), (c, d) = truth.wcs.all_pix2world(x, y, 0), wcs.all_pix2world(x, y, 0)
    return float(np.sqrt(np.mean(((c - a) * np.cos(np.radians(b))) ** 2)) * 3.6e6), float(np.sqrt(np.mean((d - b) ** 2)) * 3.6e6)


def elqui(truth, out_dir):
    """All of it for the output of `elqui process`."""
    import pyarrow.parquet as pq

    out = Path(out_dir)
    name = next(out.glob("*.sources.parquet")).name.removesuffix(".sources.parquet")
    o = {k: np.array(v) for k, v in pq.read_table(out / f"{name}.sources.parquet").to_pydict().items()}
    summary = json.loads((out / f"{name}.summary.json").read_text())
    o = {k: v[o["detect_isPrimary"]] for k, v in o.items()}
    gain, scale = truth.s["gain"], truth.s["gain"] / 10 ** (0.4 * (31.4 - summary["zeroPointMag"]))
    alone = isolated(truth, 4 / truth.s["pixel_scale_arcsec"])
    index = match(truth, o["x"], o["y"], 2.5)
    ok = alone & np.where(index >= 0, ~(o["pixelFlags_edge"] | o["pixelFlags_saturated"] | o["centroid_flag"])[index], False)
    with fits.open(out / f"{name}.exposure.fits") as hdus:
        wcs = WCS(hdus["IMAGE"].header)
    kinds = {k: o[k] * scale for k in ("kronFlux", "cModelFlux") if k in o and np.isfinite(o[k]).any()}
    return dict(
        sources=len(o["x"]), gain=gain,
        stars=stars(truth, index, o["x"], o["y"], o["psfFlux"] * scale, (o["psfFluxErr"] * scale, o["xErr"], o["yErr"]), ok),
        galaxies=galaxies(truth, index, kinds, alone), completeness=completeness(truth, index, alone), spurious=spurious(truth, o["x"], o["y"]),
        psf=psf_residuals(truth, elqui_psf(out / f"{name}.exposure.fits")), wcs_mas=wcs_error(truth, wcs),
        zero_point_mmag=1e3 * (summary["zeroPointMag"] - truth.zero_adu), zero_point_err_mmag=1e3 * summary["zeroPointErrMag"],
    )  # fmt: skip


def markdown(m):
    """The numbers as Markdown."""
    lines = ["| S/N | stars | position rms / CR | mas | flux bias, mmag | flux scatter, mmag | CR, mmag | beyond 5 sigma | pulls flux, x, y (mean, width) |", "|---|---|---|---|---|---|---|---|---|"]
    for r in m["stars"]:
        if r["n"] < 5:
            continue
        pulls = ", ".join(f"{r[k][0]:+.2f} {r[k][1]:.2f}" for k in ("pull_flux", "pull_x", "pull_y") if k in r)
        high = "" if r["snr"][1] > 1e8 else r["snr"][1]
        lines.append(
            f"| {r['snr'][0]}-{high} | {r['n']} | {r['position_over_cr']:.3f} | {r['position_mas']:.2f} | {r['flux_bias_mmag']:+.2f} | {r['flux_scatter_mmag']:.2f} | {r['cr_mmag']:.2f} | {100 * max(r['position_out'], r['flux_out']):.1f}% | {pulls} |"
        )
    lines += ["", "| quantity | value |", "|---|---|"]
    for kind, values in m["galaxies"].items():
        lines.append(f"| galaxies of S/N > 20, {kind}: median error | " + ", ".join(f"{k} {v:+.1f} mmag ({n})" for k, (v, n) in values.items()) + " |")
    lines.append(f"| isolated stars half complete at S/N | {m['completeness']['half_at']:.2f} |")
    lines.append(f"| sources without a true one of S/N > 2 within 1\" | {100 * m['spurious']:.2f}% of {m['sources']} |")
    if m.get("psf"):
        p = m["psf"]
        lines.append(f"| PSF dT/T on a 9 x 9 grid | mean {p['mean']:+.1e}, rms {p['rms']:.1e} ({p['rms_middle']:.1e} off the edge); ellipticity rms {p['e_rms']:.1e} |")
    if m.get("wcs_mas"):
        lines.append(f"| WCS against the truth, rms a axis | {m['wcs_mas'][0]:.2f}, {m['wcs_mas'][1]:.2f} mas |")
    if "zero_point_mmag" in m:
        lines.append(f"| zero point against the truth | {m['zero_point_mmag']:+.2f} +- {m['zero_point_err_mmag']:.2f} mmag |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("truth", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    m = elqui(Truth(args.truth), args.out)
    print(markdown(m))
    if args.json:
        args.json.write_text(json.dumps(m, indent=1))


if __name__ == "__main__":
    main()
