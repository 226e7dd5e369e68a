"""The C chain that elqui is compared with: source-extractor, PSFEx and SCAMP, each run on one frame.

All run with one thread; every function returns CPU seconds (user + system) with its results. `have` says
whether a program is there: what is absent is said and left out.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

COLUMNS = """NUMBER X_IMAGE Y_IMAGE X_WORLD Y_WORLD XWIN_IMAGE YWIN_IMAGE ERRAWIN_IMAGE ERRBWIN_IMAGE ERRTHETAWIN_IMAGE
X2WIN_IMAGE Y2WIN_IMAGE XYWIN_IMAGE X2_IMAGE Y2_IMAGE XY_IMAGE FLUX_AUTO FLUXERR_AUTO KRON_RADIUS FLUX_APER(5) FLUXERR_APER(5)
FLUX_RADIUS ELONGATION BACKGROUND CLASS_STAR SNR_WIN FLAGS""".split()
KERNEL = "CONV NORM\n1 2 1\n2 4 2\n1 2 1\n"
# Diameters of elqui's apertures ap03 to ap17, pixels.
APERTURES = (6, 12, 18, 24, 34)
STAMP = 45


def have(program):
    found = shutil.which(program) is not None
    if not found:
        print(f"skipped: {program} is not installed (apt)", file=sys.stderr)
    return found


def cpu(command, cwd=None, env=None):
    """CPU and wall seconds, and peak memory (bytes), of one command."""
    start = time.time()
    process = subprocess.Popen([str(c) for c in command], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env)
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed: {error.decode(errors='replace')[-400:]}")
    return usage.ru_utime + usage.ru_stime, time.time() - start, usage.ru_maxrss * 1024


def extract(image, folder, gain, scale, saturation, stamps=False, name="sex", psf=None, **options):
    """Run source-extractor: what `cpu` gives, and the path of the catalogue.

    `stamps` adds star images and writes a LDAC catalogue, as PSFEx and SCAMP read them; `psf` adds
    MAG_PSF's fit with that PSFEx model.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    columns = COLUMNS + ([f"VIGNET({STAMP},{STAMP})"] if stamps else []) + (["XPSF_IMAGE", "YPSF_IMAGE", "FLUX_PSF", "FLUXERR_PSF"] if psf else [])
    (folder / f"{name}.param").write_text("\n".join(columns) + "\n")
    (folder / "default.conv").write_text(KERNEL)
    (folder / "empty.sex").write_text("")
    path = folder / f"{name}.cat"
    settings = {
        "PARAMETERS_NAME": folder / f"{name}.param", "FILTER_NAME": folder / "default.conv", "STARNNW_NAME": "/usr/share/source-extractor/default.nnw",
        "CATALOG_TYPE": "FITS_LDAC" if stamps else "FITS_1.0", "CATALOG_NAME": path, "DETECT_THRESH": 1.5, "GAIN": gain, "PIXEL_SCALE": scale,
        "PHOT_APERTURES": ",".join(map(str, APERTURES)), "NTHREADS": 1, "VERBOSE_TYPE": "QUIET", "MEMORY_PIXSTACK": 5_000_000, "SATUR_LEVEL": saturation,
        "SATUR_KEY": "NONE", "GAIN_KEY": "NONE",
    } | ({"PSF_NAME": psf} if psf else {}) | options  # fmt: skip
    command = ["source-extractor", image, "-c", folder / "empty.sex"]
    for key, value in settings.items():
        command += [f"-{key}", value]
    return cpu(command), path


def catalogue(path):
    """Columns of a catalogue (plain or LDAC)."""
    with fits.open(path) as hdus:
        data = hdus[-1].data
        return {k: np.array(data[k]) for k in data.names if k != "VIGNET"}


def psfex(ldac, folder, degree=2, **options):
    """Run PSFEx on a LDAC catalogue: what `cpu` gives, and the path of the model."""
    folder, ldac = Path(folder).resolve(), Path(ldac).resolve()
    (folder / "empty.psfex").write_text("")
    settings = {
        "PSF_SIZE": f"{STAMP},{STAMP}", "PSFVAR_DEGREES": degree, "CHECKPLOT_TYPE": "NONE", "CHECKPLOT_DEV": "NULL", "CHECKIMAGE_TYPE": "NONE", "WRITE_XML": "N",
        "NTHREADS": 1, "VERBOSE_TYPE": "QUIET", "PHOTFLUX_KEY": "FLUX_APER(4)", "PHOTFLUXERR_KEY": "FLUXERR_APER(4)",
    } | options  # fmt: skip
    command = ["psfex", ldac, "-c", folder / "empty.psfex"]
    for key, value in settings.items():
        command += [f"-{key}", value]
    return cpu(command, cwd=folder), Path(ldac).with_suffix(".psf")


class PsfexModel:
    """A model that PSFEx wrote, drawn at a source's place by Lanczos-4 interpolation (numpy)."""

    def __init__(self, path):
        with fits.open(path) as hdus:
            h, self.cube = hdus[1].header, hdus[1].data["PSF_MASK"][0].astype(float)
        self.step, self.degree = h["PSF_SAMP"], h["POLDEG1"] if h["POLNAXIS"] else 0
        self.zero = [h.get(f"POLZERO{k}", 0.0) for k in (1, 2)]
        self.scale = [h.get(f"POLSCAL{k}", 1.0) for k in (1, 2)]
        self.accepted, self.loaded = h.get("ACCEPTED"), h.get("LOADED")

    def stamp(self, x, y, half, dx=0.0, dy=0.0):
        """Pixels about (x, y) (0-based), the source off the middle one by (dx, dy); unit sum."""
        u, v = (x + 1 - self.zero[0]) / self.scale[0], (y + 1 - self.zero[1]) / self.scale[1]
        terms = [u**i * v**j for j in range(self.degree + 1) for i in range(self.degree + 1 - j)]
        samples = np.tensordot(terms, self.cube, 1)

        def weights(n, shift):
            at = n // 2 + (np.arange(-half, half + 1) - shift) / self.step
            t = at[:, None] - np.arange(n)[None, :]
            return np.where(np.abs(t) < 4, np.sinc(t) * np.sinc(t / 4), 0)

        out = weights(samples.shape[0], dy) @ samples @ weights(samples.shape[1], dx).T
        return out / out.sum()


def scamp(ldac, reference, header, folder):
    """Run SCAMP on a LDAC catalogue with a reference catalogue (columns ra, dec, errors in mas, mag at the
    frame's epoch) and the header's rough WCS: what `cpu` gives, and the solved header (or None)."""
    folder, ldac = Path(folder).resolve(), Path(ldac).resolve()
    (folder / "empty.scamp").write_text("")
    ldac.with_suffix(".ahead").write_text("".join(f"{c!s:<80}".rstrip() + "\n" for c in header.cards) + "END\n")
    deg = reference["ra_error"] / 3.6e6
    columns = [
        fits.Column("X_WORLD", "1D", unit="deg", array=reference["ra"]), fits.Column("Y_WORLD", "1D", unit="deg", array=reference["dec"]),
        fits.Column("ERRA_WORLD", "1E", unit="deg", array=deg), fits.Column("ERRB_WORLD", "1E", unit="deg", array=deg),
        fits.Column("ERRTHETA_WORLD", "1E", unit="deg", array=0 * deg), fits.Column("MAG", "1E", unit="mag", array=reference["mag"]),
        fits.Column("MAGERR", "1E", unit="mag", array=np.full(len(deg), 0.01)), fits.Column("OBSDATE", "1D", unit="yr", array=np.full(len(deg), reference["epoch"])),
    ]  # fmt: skip
    table = fits.BinTableHDU.from_columns(columns, name="LDAC_OBJECTS")
    text = fits.Header().tostring(padding=False).ljust(80)
    field = fits.BinTableHDU.from_columns([fits.Column("Field Header Card", f"{len(text)}A", array=[text], dim=f"(80,{len(text) // 80})")], name="LDAC_IMHEAD")
    fits.HDUList([fits.PrimaryHDU(), field, table]).writeto(folder / "reference.cat", overwrite=True)
    settings = {
        "ASTREF_CATALOG": "FILE", "ASTREFCAT_NAME": folder / "reference.cat", "ASTREFMAG_KEY": "MAG", "CHECKPLOT_TYPE": "NONE", "CHECKPLOT_DEV": "NULL",
        "WRITE_XML": "N", "NTHREADS": 1, "VERBOSE_TYPE": "QUIET", "ASTRINSTRU_KEY": "FILTER", "SN_THRESHOLDS": "10,30", "POSANGLE_MAXERR": 5, "POSITION_MAXERR": 2,
        "PIXSCALE_MAXERR": 1.05, "SOLVE_PHOTOM": "N",
    }  # fmt: skip
    command = ["scamp", ldac, "-c", folder / "empty.scamp"]
    for key, value in settings.items():
        command += [f"-{key}", value]
    used = cpu(command, cwd=folder)
    head = ldac.with_suffix(".head")
    if not head.exists():
        return used, None
    # Its HISTORY names the author in UTF-8, which FITS does not have.
    text = head.read_text(errors="replace").encode("ascii", "replace").decode()
    return used, fits.Header.fromstring(text, sep="\n")
