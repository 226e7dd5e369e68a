"""Facts that a scene file leaves to their defaults, its true WCS, and the PSF of elqui's own simulator."""

import numpy as np
from astropy.wcs import WCS

FACTS = dict(
    width=4096, height=4096, pixel_scale_arcsec=0.2, ra_deg=72.5, dec_deg=-30.2, rotation_deg=1.0, band="r", mjd_utc=61_366.1,
    exposure_s=30.0, zero_point_mag=28.36, sky_mag_arcsec2=21.2, read_noise_e=9.0, gain=1.5, saturation_adu=65_000.0,
    fwhm_arcsec=0.8, fwhm_growth=0.08, ellipticity=0.03, distortion_px=2.0, stars=2000, star_slope=0.2, star_mag=[13.0, 24.5],
    galaxies=4000, galaxy_slope=0.35, galaxy_mag=[17.5, 24.5], reference_faint_mag=21.0, pointing_error_arcsec=20.0, seed=1,
)  # fmt: skip


# Sizes (effective radius along the major axis) and axis ratios of galaxies; a scene's `galaxy_law` changes them.
GALAXY_LAW = dict(
    radius_arcsec=0.55, radius_slope=-0.12, radius_scatter_dex=0.15, radius_range_arcsec=[0.08, 4.0], bulge_fraction=0.33,
    disc_axis_ratio=[0.2, 1.0], bulge_axis_ratio=[0.55, 1.0],
)  # fmt: skip


def true_wcs(s):
    """TAN with a radial cubic that reaches `distortion_px` at the corner; also its header."""
    a, k = np.radians(s["rotation_deg"]), s["pixel_scale_arcsec"] / 3600
    w = WCS(naxis=2)
    w.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    w.wcs.crval = [s["ra_deg"], s["dec_deg"]]
    w.wcs.crpix = [(s["width"] + 1) / 2, (s["height"] + 1) / 2]
    w.wcs.cd = [[-k * np.cos(a), k * np.sin(a)], [k * np.sin(a), k * np.cos(a)]]
    header = w.to_header(relax=True)
    d = s["distortion_px"] / (np.hypot(s["width"], s["height"]) / 2) ** 3
    header.update({"A_ORDER": 3, "B_ORDER": 3, "A_3_0": d, "A_1_2": d, "B_2_1": d, "B_0_3": d})
    return WCS(header), header


def place(s, x, y):
    """Distance from the frame's centre (corner = 1) squared, and the direction."""
    r = np.hypot(s["width"], s["height"]) / 2
    px, py = (x - (s["width"] - 1) / 2) / r, (y - (s["height"] - 1) / 2) / r
    return px * px + py * py, np.arctan2(py, px)


def moffat(s, x, y, half, dx=0.0, dy=0.0):
    """Pixels of the Moffat function (beta 3) of elqui's simulator, sampled at their centres; total light 1."""
    rr, angle = place(s, x, y)
    fwhm = s["fwhm_arcsec"] / s["pixel_scale_arcsec"] * (1 + s["fwhm_growth"] * rr)
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / 3) - 1))
    stretch = np.sqrt((1 + s["ellipticity"] * rr) / (1 - s["ellipticity"] * rr))
    j, i = np.indices((2 * half + 1, 2 * half + 1)) - half
    u = ((i - dx) * np.cos(angle) + (j - dy) * np.sin(angle)) / (alpha * stretch)
    v = ((j - dy) * np.cos(angle) - (i - dx) * np.sin(angle)) * stretch / alpha
    return 2 / (np.pi * alpha * alpha) * (1 + u * u + v * v) ** -3
