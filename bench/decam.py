"""DECam cutouts with their own PSFEx models, weights and data quality: rows of the table of real data.

Forced fluxes come from `cargo run -p elqui-fits --example forced_psfex`; what they are compared with is
here: PSFEx's sum evaluated and shifted by Fourier phases, the PSF fit and the sky in numpy alone.
"""

import json
import subprocess
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

# What the cutouts show: a galaxy in the middle of testcase3, a star of magnitude 10.5 in that of testcase6,
# and one faint source near the edge of each (pixels of the frame named).
FAINT = {"testcase3": ("150412_073257", 18.5, 8.0), "testcase6": ("181215_051332", 92.5, 7.0)}


class Psfex:
    """A PSFEx model of sampling step 1: its samples at a place, in numpy."""

    def __init__(self, path, row=0):
        self.path, self.row = path, row
        t = fits.getdata(path)[row]
        self.cube, self.degree = np.asarray(t["psf_mask"], dtype=float), int(t["poldeg1"])
        self.zero, self.scale = (t["polzero1"], t["polzero2"]), (t["polscal1"], t["polscal2"])

    def samples(self, x, y):
        u, v = (x + 1 - self.zero[0]) / self.scale[0], (y + 1 - self.zero[1]) / self.scale[1]
        terms = [u**i * v**j for j in range(self.degree + 1) for i in range(self.degree + 1 - j)]
        psf = np.tensordot(terms, self.cube, 1)
        return psf / psf.sum()

    def draw(self, x, y, shape, samples=None):
        """The PSF of a source at (x, y) on an image of this shape."""
        psf = self.samples(x, y) if samples is None else samples
        n = len(psf)
        ix, iy = round(x), round(y)
        f = np.fft.fftfreq(n)
        phase = np.exp(-2j * np.pi * (f[None, :] * (x - ix) + f[:, None] * (y - iy)))
        psf = np.fft.ifft2(np.fft.fft2(psf) * phase).real
        out, h = np.zeros(shape), n // 2
        x0, x1, y0, y1 = max(ix - h, 0), min(ix + h + 1, shape[1]), max(iy - h, 0), min(iy + h + 1, shape[0])
        if x0 < x1 and y0 < y1:
            out[y0:y1, x0:x1] = psf[y0 - iy + h : y1 - iy + h, x0 - ix + h : x1 - ix + h]
        return out


class Frame:
    def __init__(self, image, calib, ccds):
        self.image, self.weight, self.dq = image, Path(str(image).replace("_ooi_", "_oow_")), Path(str(image).replace("_ooi_", "_ood_"))
        stem, self.ccd = image.name.removesuffix(".fits").rsplit(".", 1)
        with fits.open(image) as hdus:
            self.data, header = hdus[-1].data.astype(float), hdus[-1].header
        self.wcs = WCS(header)
        self.inverse = fits.getdata(self.weight).astype(float) * (fits.getdata(self.dq) == 0)
        psf = next(p for p in sorted((calib).glob("psfex*/**/*-psfex.fits")) if stem in p.name)
        names = list(fits.getdata(psf)["ccdname"])
        self.psf = Psfex(psf, names.index(self.ccd))
        sky = fits.getdata(next(p for p in (calib / "sky-single").glob("**/*-splinesky.fits") if f"{stem}-{self.ccd}" in p.name))[0]
        self.level = self.bilinear(sky)
        row = next(r for r in ccds if stem in r["image_filename"])
        self.stem, self.band, self.zero = stem, row["filter"], row["ccdzpt"] + 2.5 * np.log10(row["exptime"])
        # The survey's correction of this exposure's WCS to Gaia, arcsec.
        self.offset = row["ccdraoff"], row["ccddecoff"]

    def bilinear(self, sky):
        """The pipeline's sky (a spline over some 250 px) at the middle of the cutout."""
        y, x = (n / 2 + o for n, o in zip(self.data.shape, (sky["y0"], sky["x0"])))
        rows = [np.interp(x, sky["xgrid"], row) for row in sky["gridvals"]]
        return float(np.interp(y, sky["ygrid"], rows))

    def to_pixel(self, ra, dec):
        """Of true positions: the survey adds the offset to the reference point of the WCS."""
        dra, ddec = self.offset
        return self.wcs.all_world2pix(np.subtract(ra, dra / 3600 / np.cos(np.radians(dec))), np.subtract(dec, ddec / 3600), 0)

    def to_sky(self, x, y):
        """Of pixels, by the file's own WCS: what the photometry is asked for."""
        return self.wcs.all_pix2world(x, y, 0)

    def plane(self, x, y):
        """Sky image: a plane through an annulus of 9 to 16 px about (x, y), clipped."""
        j, i = np.indices(self.data.shape)
        r = np.hypot(i - x, j - y)
        use = (r > 9) & (r < 16) & (self.inverse > 0)
        design = np.stack([np.ones(r.size), (i - x).ravel(), (j - y).ravel()], 1)
        d, u = self.data.ravel(), use.ravel()
        for _ in range(5):
            c = np.linalg.lstsq(design[u], d[u], rcond=None)[0]
            left = d - design @ c
            u = use.ravel() & (np.abs(left) < 2.5 * np.std(left[u]))
        return (design @ c).reshape(self.data.shape)

    def ours(self, binary, x, y, work, image=None, sky=None):
        """Fluxes, errors, flags and our pixels of places, by elqui."""
        image_path, sky_path = self.image, str(sky if np.isscalar(sky) else work / "sky.fits")
        if not np.isscalar(sky):
            fits.writeto(work / "sky.fits", sky.astype(np.float32), overwrite=True)
        if image is not None:
            image_path = work / "image.fits"
            with fits.open(self.image) as hdus:
                fits.PrimaryHDU(image.astype(np.float32), hdus[-1].header).writeto(image_path, overwrite=True)
        text = "\n".join(f"{a:.10f} {b:.10f}" for a, b in zip(*self.to_sky(x, y)))
        command = [binary, image_path, self.weight, self.dq, self.psf.path, str(self.psf.row), sky_path]
        done = subprocess.run([str(c) for c in command], input=text, check=True, capture_output=True, text=True)
        return np.array([line.split() for line in done.stdout.splitlines()], dtype=float).T

    def numpy(self, x, y, sky, fwhm):
        """The same fits in numpy: least squares of equal weights, errors from the weight image."""
        half, out = max(3, int(np.ceil(1.6 * fwhm))), []
        for a, b in zip(x, y):
            p = self.psf.draw(a, b, self.data.shape)
            j, i = np.indices(p.shape)
            near = (np.abs(i - round(a)) <= half) & (np.abs(j - round(b)) <= half) & (self.inverse > 0)
            p = p * near
            pp = np.sum(p * p)
            variance = np.where(self.inverse > 0, 1 / np.maximum(self.inverse, 1e-30), 0)
            out.append((np.sum(p * (self.data - sky)) / pp, np.sqrt(np.sum(p * p * variance)) / pp))
        return np.array(out).T


def centroid(frame, x, y, sky):
    """Windowed centroid, Gaussian of sigma 2 px."""
    j, i = np.indices(frame.data.shape)
    for _ in range(20):
        w = np.exp(-((i - x) ** 2 + (j - y) ** 2) / 8) * (frame.inverse > 0)
        total = np.sum(w * (frame.data - sky))
        x, y = x + 2 * np.sum(w * (frame.data - sky) * (i - x)) / total, y + 2 * np.sum(w * (frame.data - sky) * (j - y)) / total
    return x, y


def psf_room(elqui, frame, fwhm, work):
    """FWHM that `elqui process` finds on stars drawn from a frame's PSFEx model."""
    rng = np.random.default_rng(1)
    image = np.full((1024, 1024), 500.0)
    for flux in 10 ** rng.uniform(3.2, 5.5, 300):
        x, y = rng.uniform(0, 1023, 2)
        image += flux * frame.psf.draw(x, y, image.shape)
    image += rng.normal(size=image.shape) * np.sqrt(np.maximum(image, 1) / 4)
    header = fits.Header({"GAIN": 4.0, "RDNOISE": 0.0, "SATURATE": 6e4, "EXPTIME": 60.0})
    fits.writeto(work / "drawn.fits", image.astype(np.float32), header, overwrite=True)
    subprocess.run([elqui, "process", work / "drawn.fits", "--out", work / "drawn", "--no-preview"], check=True, capture_output=True)
    return json.loads((work / "drawn/drawn.summary.json").read_text())["psfHalfMaximumPixels"]


def decam(elqui, binary, data, work, rows):
    """Add the rows of DECam (what, quantity, measured, bar, reached)."""
    warnings.simplefilter("ignore")
    folder = work / "decam"
    folder.mkdir(parents=True, exist_ok=True)
    opposite, difference, places, given_back, widths = [], [], [], [], {}
    for case, (best, x0, y0) in FAINT.items():
        base = data / "decam_legacypipe" / case
        ccds = fits.getdata(base / "survey-ccds-1.fits.gz")
        frames = [Frame(p, base / "calib", ccds) for p in sorted(base.glob("images/**/*_ooi_*.fits"))]
        first = next(f for f in frames if best in f.stem)
        at = first.to_sky(*centroid(first, x0, y0, first.plane(x0, y0)))
        true = at[0] + first.offset[0] / 3600 / np.cos(np.radians(at[1])), at[1] + first.offset[1] / 3600
        epochs = {}
        for f in frames:
            x, y = (float(v) for v in f.to_pixel(*true))
            sky = f.plane(x, y)
            o = f.ours(binary, [x], [y], folder, sky=sky)
            fwhm = o[5, 0]
            n = f.numpy([x], [y], sky, fwhm)
            widths[f.stem] = f, fwhm
            places.append(np.hypot(o[0, 0] - x, o[1, 0] - y))
            # Nanomaggies by the survey's zero point.
            scale = 10 ** (0.4 * (22.5 - f.zero))
            epochs.setdefault(f.band, []).append((o[2, 0] * scale, o[3, 0] * scale))
            difference += list((o[2] - n[0]) / (0.1 * n[1] + 0.002 * np.abs(n[0])))
            gx, gy = (g.ravel() for g in np.meshgrid(np.arange(6, f.data.shape[1] - 6, 4.0) + 0.3, np.arange(6, f.data.shape[0] - 6, 4.0) - 0.2))
            if case == "testcase3":
                # Opposite sides of the galaxy, 16 px and more from its middle, hold the same light.
                cx, cy = centroid(f, f.data.shape[1] / 2, f.data.shape[0] / 2, f.level)
                far = lambda a, b: (np.hypot(a - cx, b - cy) > 16) & (np.hypot(a - x, b - y) > 3 * fwhm)
                pair = far(gx, gy) & far(2 * cx - gx, 2 * cy - gy) & (gy > cy)
                px, py = np.concatenate([gx[pair], 2 * cx - gx[pair]]), np.concatenate([gy[pair], 2 * cy - gy[pair]])
                o = f.ours(binary, px, py, folder, sky=f.level)
                n = f.numpy(px, py, f.level, fwhm)
                one, other = np.split(o, 2, axis=1)
                good = (one[4] == 0) & (other[4] == 0)
                opposite += list(((one[2] - other[2]) / np.hypot(one[3], other[3]))[good])
                difference += list(((o[2] - n[0]) / (0.1 * n[1] + 0.002 * np.abs(n[0])))[o[4] == 0])
            # Stars added by numpy: what their places give more than before.
            pick = np.argsort(np.abs(gx - 20) + np.abs(gy - 30))[:1]
            for a, b in zip(gx[pick] + 0.17, gy[pick] + 0.31):
                flux = 50 * np.sqrt(1 / np.median(f.inverse[f.inverse > 0])) * 6
                with_star = f.data + flux * f.psf.draw(a, b, f.data.shape)
                more = f.ours(binary, [a], [b], folder, image=with_star, sky=f.level)
                less = f.ours(binary, [a], [b], folder, sky=f.level)
                if more[4, 0] == 0:
                    given_back.append((more[2, 0] - less[2, 0]) / flux)
        text, chi2, dof = [], 0.0, 0
        for band, values in sorted(epochs.items()):
            flux, error = np.array(values).T
            mean = np.sum(flux / error**2) / np.sum(error**-2)
            chi2, dof = chi2 + np.sum(((flux - mean) / error) ** 2), dof + len(flux) - 1
            text.append(f"{band} " + ", ".join(f"{v:.2f} +- {e:.2f}" for v, e in values))
        note = "" if case == "testcase3" else " (on the star's diffraction spike, which differs between epochs)"
        limit = {5: 15.1, 3: 11.3}[dof]
        rows.append((f"DECam {case}", "faint source over epochs, nanomaggies" + note, "; ".join(text), "", True))
        bar = f"< {limit} (99%)" if not note else ""
        rows.append((f"DECam {case}", "its chi2 about a constant flux in each band", f"{chi2:.1f} for {dof} degrees", bar, chi2 < limit or not bar))
    opposite, difference, given_back = np.array(opposite), np.abs(difference), np.array(given_back)
    rows.append(("DECam", "places by our TPV against astropy's", f"{max(places):.4f} px at most ({len(places)} frames)", "< 0.01 px", max(places) < 0.01))
    worst, n = difference.max(), len(difference)
    rows.append(("DECam", "forced fluxes against numpy's with the same PSFEx models", f"{worst:.2f} x (0.1 error + 0.2% of the flux) at most, median {np.median(difference):.2f} ({n})", "< 1", worst < 1))
    bias = np.abs(given_back - 1).max()
    rows.append(("DECam", "stars added by numpy: flux given back", f"{given_back.mean():.4f} +- {given_back.std():.4f} ({len(given_back)} frames)", "1 +- 0.005", bias < 0.005))
    width, mean = np.std(opposite), np.mean(opposite)
    rows.append(("DECam testcase3", "pulls of flux differences across the galaxy (the weights' errors)", f"width {width:.2f}, mean {mean:+.2f} ({len(opposite)} pairs)", "width 0.8-1.2", abs(width - 1) < 0.2))
    chosen = {f.band: (f, w) for f, w in widths.values()}
    found = {band: (psf_room(elqui, f, w, folder), w) for band, (f, w) in sorted(chosen.items())}
    worst = max(abs(a / b - 1) for a, b in found.values())
    text = ", ".join(f"{band} {a:.3f} / {b:.3f}" for band, (a, b) in found.items())
    rows.append(("DECam", "FWHM found on stars drawn from PSFEx's models, over the models' own (px)", text, "1 +- 0.02", worst < 0.02))
