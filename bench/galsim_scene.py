"""A scene drawn by GalSim: the facts of bench/scenes/*.yaml by another renderer, and the truth.

usage: galsim_scene.py bench/scenes/dense.yaml --out DIR [--size 4096] [--psf moffat|kolmogorov] [--seed N] [--jobs 2]

Writes into DIR: image.fits (adu, sky included, no WCS), truth.csv, reference.csv (stars of mag < 21),
psf.fits (cube of noiseless effective PSFs, 61 x 61 px, total light 1) with their places in psf.csv,
scene.yaml and wcs.fits (the true WCS in an empty image). Pixel (0, 0) is the centre of the first one.

Unlike elqui's simulator: pixels integrate the light (GalSim's FFT convolution with the pixel), Sersic
profiles are whole (no truncation, n = 1 and 4), fluxes are totals to infinity, the noise is numpy's.
The PSF is a Moffat function (beta 3), or a Kolmogorov one convolved with an obscured Airy disc; its
size grows with the square of the distance from the centre, and so does its (radial) ellipticity.
Counts of a smaller --size are scaled by area. Same seed, same scene, on any number of jobs.
"""

import argparse
import multiprocessing
import time
from pathlib import Path

import astropy.units as u
import galsim
import numpy as np
import yaml
from astropy.io import fits
from astropy.time import Time

from scene_facts import FACTS, GALAXY_LAW, place, true_wcs

MARGIN = 50
STAMP_MAX = 1200


def accuracy(s, flux):
    """GalSim's parameters for a source of so many electrons: at most some 20 of them are misplaced. The other
    PSF's wings fall slowly: up to 1/500 of the light comes back from beyond the stamp, spread all over it."""
    threshold = 2e-3 if s["psf"] != "moffat" else 5e-4 if flux < 4e4 else 5e-5 if flux < 4e5 else 1e-6
    return galsim.GSParams(folding_threshold=threshold, maxk_threshold=1e-4, kvalue_accuracy=1e-6, maximum_fft_size=16384)


def psf_profile(s, x, y, params):
    """The optical PSF at a place, in pixels; the pixel itself is GalSim's `method='auto'`."""
    rr, direction = place(s, x, y)
    fwhm = s["fwhm_arcsec"] / s["pixel_scale_arcsec"]
    if s["psf"] == "moffat":
        psf = galsim.Moffat(beta=3, fwhm=fwhm, gsparams=params)
    else:
        airy = galsim.Airy(lam_over_diam=0.0155 / s["pixel_scale_arcsec"], obscuration=0.61, gsparams=params)
        psf = galsim.Convolve(galsim.Kolmogorov(fwhm=fwhm, gsparams=params), airy, gsparams=params)
    return psf.dilate(1 + s["fwhm_growth"] * rr).shear(g=s["ellipticity"] * rr, beta=direction * galsim.radians)


def magnitudes(rng, n, slope, bright, faint):
    low = 10 ** (slope * (bright - faint))
    return faint + np.log10(rng.uniform(low, 1, n)) / slope


def population(s, rng):
    """Structured array of what is on and about the image."""
    area = (s["width"] + 2 * MARGIN) * (s["height"] + 2 * MARGIN) / 4096**2
    ns, ng = round(s["stars"] * area), round(s["galaxies"] * area)
    n = ns + ng
    kinds = "id,x,y,ra,dec,flux_e,mag,is_star,radius_px,axis_ratio,angle_deg,sersic_n".split(",")
    o = np.zeros(n, dtype=[(k, "i8" if k in ("id", "is_star") else "f8") for k in kinds])
    o["id"], o["is_star"][:ns] = np.arange(1, n + 1), 1
    o["x"], o["y"] = (rng.uniform(-MARGIN, s[side] + MARGIN, n) - 0.5 for side in ("width", "height"))
    o["mag"] = np.concatenate([magnitudes(rng, ns, s["star_slope"], *s["star_mag"]), magnitudes(rng, ng, s["galaxy_slope"], *s["galaxy_mag"])])
    o["flux_e"] = 10 ** (0.4 * (s["zero_point_mag"] - o["mag"])) * s["exposure_s"]
    g = o[ns:]
    law = GALAXY_LAW | s.get("galaxy_law", {})
    bulge = rng.uniform(size=ng) < law["bulge_fraction"]
    g["sersic_n"] = np.where(bulge, 4, 1)
    # Effective radius along the major axis.
    decades = law["radius_slope"] * (g["mag"] - 21) + law["radius_scatter_dex"] * rng.normal(size=ng)
    g["radius_px"] = np.clip(law["radius_arcsec"] * 10**decades, *law["radius_range_arcsec"]) / s["pixel_scale_arcsec"]
    g["axis_ratio"] = np.where(bulge, rng.uniform(*law["bulge_axis_ratio"], ng), rng.uniform(*law["disc_axis_ratio"], ng))
    g["angle_deg"] = rng.uniform(0, 180, ng)
    return o


def draw(job):
    """Sum of some objects' light, electrons."""
    s, objects = job
    image = galsim.ImageF(s["width"], s["height"], xmin=0, ymin=0)
    for o in objects:
        x, y, flux = o["x"], o["y"], o["flux_e"]
        params = accuracy(s, flux)
        profile = psf_profile(s, x, y, params)
        if not o["is_star"]:
            body = galsim.Sersic(n=o["sersic_n"], half_light_radius=o["radius_px"] * np.sqrt(o["axis_ratio"]), gsparams=params)
            body = body.shear(q=o["axis_ratio"], beta=o["angle_deg"] * galsim.degrees)
            profile = galsim.Convolve(body, profile, gsparams=params)
        profile = profile.withFlux(flux)
        n = min(profile.getGoodImageSize(1.0), STAMP_MAX) | 1
        stamp = profile.drawImage(nx=n, ny=n, scale=1, center=galsim.PositionD(x, y), dtype=np.float32)
        overlap = stamp.bounds & image.bounds
        if overlap.isDefined():
            image[overlap] += stamp[overlap]
    return image.array


def reference(s, o, rng, wcs_time):
    """Stars with errors like Gaia's, as positions at J2016.0 with proper motions."""
    stars = o[(o["is_star"] == 1) & (o["mag"] < s["reference_faint_mag"])]
    n, years = len(stars), wcs_time.jyear - 2016.0
    error = np.hypot(0.03, 0.5 * 10 ** (0.25 * (stars["mag"] - 20)))
    error_mag = np.hypot(0.003, 0.02 * 10 ** (0.3 * (stars["mag"] - 20)))
    pm = rng.normal(0, 3, (2, n))
    mas, cos = 1 / 3.6e6, np.cos(np.radians(stars["dec"]))
    east, north = (rng.normal(size=n) * error - pm[k] * years for k in (0, 1))
    columns = dict(
        id=stars["id"], ra=stars["ra"] + east * mas / cos, dec=stars["dec"] + north * mas, ra_error=error, dec_error=error,
        pm_ra_cosdec=pm[0], pm_dec=pm[1], pm_error=np.full(n, 1e-3), epoch=np.full(n, 2016.0),
        r_mag=stars["mag"] + error_mag * rng.normal(size=n), r_mag_err=error_mag,
    )  # fmt: skip
    return {(k.replace("r_", s["band"] + "_", 1) if k.startswith("r_") else k): v for k, v in columns.items()}


def write_csv(path, columns):
    names = list(columns)
    integer = {k for k in names if np.asarray(columns[k]).dtype.kind == "i"}
    rows = zip(*(columns[k] for k in names))
    with open(path, "w") as f:
        f.write(",".join(names) + "\n")
        for row in rows:
            f.write(",".join(str(int(v)) if k in integer else f"{v:.12g}" for k, v in zip(names, row)) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("scene", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--psf", choices=("moffat", "kolmogorov"), default="moffat")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    start = time.time()
    s = FACTS | yaml.safe_load(args.scene.read_text()) | {"psf": args.psf}
    if args.size:
        s |= {"width": args.size, "height": args.size}
    if args.seed is not None:
        s["seed"] = args.seed
    args.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(s["seed"])
    wcs, wcs_header = true_wcs(s)
    middle = Time(s["mjd_utc"], format="mjd") + 0.5 * s["exposure_s"] * u.s
    objects = population(s, rng)
    objects["ra"], objects["dec"] = wcs.all_pix2world(objects["x"], objects["y"], 0)

    # As many parts whatever the jobs: floating sums come out the same.
    parts = [(s, objects[k::8]) for k in range(8)]
    with multiprocessing.Pool(args.jobs) as pool:
        light = sum(pool.imap(draw, parts), np.zeros((s["height"], s["width"])))
    sky = 10 ** (0.4 * (s["zero_point_mag"] - s["sky_mag_arcsec2"])) * s["pixel_scale_arcsec"] ** 2 * s["exposure_s"]
    image = rng.poisson(np.maximum(light + sky, 0)) + rng.normal(0, s["read_noise_e"], light.shape)
    image = np.minimum(image / s["gain"], s["saturation_adu"]).astype(np.float32)

    header = fits.Header()
    angle, reach = rng.uniform(0, 2 * np.pi), s["pointing_error_arcsec"] * np.sqrt(rng.uniform()) / 3600
    cards = dict(
        OBJECT="GALSIM", FILTER=s["band"], EXPTIME=s["exposure_s"], MJD_OBS=s["mjd_utc"], GAIN=s["gain"], RDNOISE=s["read_noise_e"],
        SATURATE=s["saturation_adu"], RA=s["ra_deg"] + reach * np.cos(angle) / np.cos(np.radians(s["dec_deg"])),
        DEC=s["dec_deg"] + reach * np.sin(angle), PIXSCALE=s["pixel_scale_arcsec"],
    )  # fmt: skip
    for key, value in cards.items():
        header[key.replace("_", "-")] = value
    header["DATE-OBS"] = Time(s["mjd_utc"], format="mjd").isot
    fits.writeto(args.out / "image.fits", image, header, overwrite=True)
    fits.PrimaryHDU(header=wcs_header).writeto(args.out / "wcs.fits", overwrite=True)

    on_image = (np.abs(objects["x"] - (s["width"] - 1) / 2) < s["width"] / 2) & (np.abs(objects["y"] - (s["height"] - 1) / 2) < s["height"] / 2)
    truth = objects[on_image]
    write_csv(args.out / "truth.csv", {k: truth[k] for k in truth.dtype.names})
    write_csv(args.out / "reference.csv", reference(s, objects, rng, middle))
    grid = [(x, y) for y in np.linspace(0, s["height"] - 1, 9).round() for x in np.linspace(0, s["width"] - 1, 9).round()]
    cube = [psf_profile(s, x, y, accuracy(s, 1e7)).drawImage(nx=61, ny=61, scale=1).array for x, y in grid]
    fits.writeto(args.out / "psf.fits", np.array(cube, dtype=np.float32), overwrite=True)
    write_csv(args.out / "psf.csv", {"x": [g[0] for g in grid], "y": [g[1] for g in grid]})
    note = f"# Drawn by bench/galsim_scene.py with GalSim {galsim.__version__}; PSF: {args.psf}, before the pixel\n"
    (args.out / "scene.yaml").write_text(note + yaml.safe_dump({k: s[k] for k in (*FACTS, "galaxy_law") if k in s}, sort_keys=False))
    print(f"{args.out}: {len(truth)} objects, {len(image)} px, sky {sky / s['gain']:.1f} adu, {time.time() - start:.0f} s")


if __name__ == "__main__":
    main()
