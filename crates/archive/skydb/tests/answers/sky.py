"""Geometry for the peer, written apart from Elqui's: DuckDB macros by spherical trigonometry, HEALPix and epochs by numpy.

Degrees. `sep` haversine; `side` of a great circle (positive to the left of a -> b); `inside4`, `inside3` a convex polygon, either turn;
`bearing` at the first position towards the second, from north through east. `healpix(order, ra, dec)` nested (Gorski et al. 2005,
doi:10.1086/427976); `epoch_ra`, `epoch_dec` linear motion in space (Hipparcos volume 1, section 1.5.5), mas, mas/yr, km/s, years.
"""

import numpy as np

MACROS = """
CREATE MACRO sep(r1, d1, r2, d2) AS degrees(2 * asin(least(1, sqrt(pow(sin(radians(d2 - d1) / 2), 2)
    + cos(radians(d1)) * cos(radians(d2)) * pow(sin(radians(r2 - r1) / 2), 2)))));
CREATE MACRO side(r, d, r1, d1, r2, d2) AS
    cos(radians(d)) * cos(radians(r)) * (cos(radians(d1)) * sin(radians(r1)) * sin(radians(d2)) - sin(radians(d1)) * cos(radians(d2)) * sin(radians(r2)))
    + cos(radians(d)) * sin(radians(r)) * (sin(radians(d1)) * cos(radians(d2)) * cos(radians(r2)) - cos(radians(d1)) * cos(radians(r1)) * sin(radians(d2)))
    + sin(radians(d)) * cos(radians(d1)) * cos(radians(d2)) * sin(radians(r2 - r1));
-- On the side of each edge where the third corner is: both turns, and not the triangle opposite on the sky.
CREATE MACRO inside3(r, d, r1, d1, r2, d2, r3, d3) AS
    side(r, d, r1, d1, r2, d2) * side(r3, d3, r1, d1, r2, d2) >= 0 AND side(r, d, r2, d2, r3, d3) * side(r1, d1, r2, d2, r3, d3) >= 0
    AND side(r, d, r3, d3, r1, d1) * side(r2, d2, r3, d3, r1, d1) >= 0;
CREATE MACRO inside4(r, d, r1, d1, r2, d2, r3, d3, r4, d4) AS
    inside3(r, d, r1, d1, r2, d2, r3, d3) OR inside3(r, d, r1, d1, r3, d3, r4, d4);
CREATE MACRO inbox(r, d, r0, d0, w, h) AS
    inside4(r, d, r0 - w / 2, d0 - h / 2, r0 + w / 2, d0 - h / 2, r0 + w / 2, d0 + h / 2, r0 - w / 2, d0 + h / 2);
CREATE MACRO bearing(r1, d1, r2, d2) AS degrees(atan2(sin(radians(r2 - r1)) * cos(radians(d2)),
    cos(radians(d1)) * sin(radians(d2)) - sin(radians(d1)) * cos(radians(d2)) * cos(radians(r2 - r1))));
-- Distance of a position from the arc of a great circle (shorter than 90 degrees).
CREATE MACRO arc(r, d, r1, d1, r2, d2) AS CASE
    WHEN cos(radians(bearing(r1, d1, r2, d2) - bearing(r1, d1, r, d))) < 0 THEN sep(r, d, r1, d1)
    WHEN cos(radians(bearing(r2, d2, r1, d1) - bearing(r2, d2, r, d))) < 0 THEN sep(r, d, r2, d2)
    ELSE degrees(abs(asin(greatest(-1, least(1, sin(radians(sep(r1, d1, r, d))) * sin(radians(bearing(r1, d1, r, d) - bearing(r1, d1, r2, d2)))))))) END;
CREATE MACRO abmag(flux) AS CASE WHEN flux > 0 AND NOT isnan(flux) THEN 31.4 - 2.5 * log10(flux::DOUBLE) END;
"""


def healpix(order, ra, dec):
    """Nested indices of positions."""
    nside = 1 << order
    z, phi = np.sin(np.radians(dec)), np.radians(ra) % (2 * np.pi)
    turn = phi / (np.pi / 2)
    # Equatorial belt: lines of ascending and descending edges.
    up = np.floor(nside * (0.5 + turn - 0.75 * z)).astype(np.int64)
    down = np.floor(nside * (0.5 + turn + 0.75 * z)).astype(np.int64)
    a, b = up // nside, down // nside
    face = np.where(a == b, np.where(a == 4, 4, a + 4), np.where(a < b, a, b + 8))
    x, y = down % nside, nside - 1 - up % nside
    # Caps.
    cap = np.abs(z) > 2 / 3
    quarter = np.minimum(turn.astype(np.int64), 3)
    part = turn - quarter
    # 1 - |z| by the half angle, which keeps its digits near the pole.
    width = nside * np.sqrt(3 * 2 * np.sin(np.radians(90 - np.abs(dec)) / 2) ** 2)
    p = np.minimum((part * width).astype(np.int64), nside - 1)
    q = np.minimum(((1 - part) * width).astype(np.int64), nside - 1)
    north = z > 0
    face = np.where(cap, np.where(north, quarter, quarter + 8), face)
    x = np.where(cap, np.where(north, nside - 1 - q, p), x)
    y = np.where(cap, np.where(north, nside - 1 - p, q), y)
    out = np.zeros(len(z), np.int64)
    for k in range(order):
        out |= ((x >> k) & 1) << (2 * k) | ((y >> k) & 1) << (2 * k + 1)
    return (face.astype(np.int64) << (2 * order)) | out


def centre(order, cell):
    """Centres of nested cells."""
    nside, face = 1 << order, cell >> (2 * order)
    x, y = np.zeros_like(cell), np.zeros_like(cell)
    for k in range(order):
        x |= ((cell >> (2 * k)) & 1) << k
        y |= ((cell >> (2 * k + 1)) & 1) << k
    row = face // 4
    ring = (row + 2) * nside - x - y - 1
    polar = (ring < nside) | (ring > 3 * nside)
    short = np.where(ring < nside, ring, np.where(ring > 3 * nside, 4 * nside - ring, nside))
    z = np.where(ring < nside, 1 - short**2 / (3 * nside**2), np.where(ring > 3 * nside, short**2 / (3 * nside**2) - 1, 4 / 3 - 2 * ring / (3 * nside)))
    # Longitudes in eighths of a turn, of the face's middle and of the cell in it.
    middle = np.where(row == 1, 2 * (face % 4), 2 * (face % 4) + 1)
    eighths = middle + np.where(polar, (x - y) / short, (x - y) / nside)
    return (eighths * 45) % 360, np.degrees(np.arcsin(z))


def moved(ra, dec, parallax, pmra, pmdec, velocity, years):
    """Positions after some years, as if the stars move on straight lines."""
    a, d = np.radians(ra), np.radians(dec)
    r = np.array([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    east = np.array([-np.sin(a), np.cos(a), np.zeros_like(a)])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    mas = np.radians(1 / 3.6e6)
    outward = velocity * parallax / 4.740470463533349 * mas
    u = r * (1 + outward * years) + (east * pmra + north * pmdec) * mas * years
    return np.degrees(np.arctan2(u[1], u[0])) % 360, np.degrees(np.arctan2(u[2], np.hypot(u[0], u[1])))


def teach(con):
    """A DuckDB connection with all of them."""
    import pyarrow as pa

    con.execute(MACROS)

    def column(values, kind):
        return pa.array(values, type=kind)

    # DuckDB itself gives NULL for NULL, and counts the parameters.
    def cells(order, ra, dec):
        return column(healpix(int(order[0].as_py()), np.asarray(ra), np.asarray(dec)) if len(ra) else [], pa.int64())

    def epoch(which):
        def run(ra, dec, parallax, pmra, pmdec, velocity, years):
            found = moved(*(np.asarray(c) for c in (ra, dec, parallax, pmra, pmdec, velocity, years)))
            return column(found[which], pa.float64())

        return run

    def middle(which):
        def run(order, cell):
            found = centre(int(order[0].as_py()), np.asarray(cell))
            return column(found[which], pa.float64())

        return run

    numbers = ["DOUBLE"] * 7
    con.create_function("centre_ra", middle(0), ["INTEGER", "BIGINT"], "DOUBLE", type="arrow")
    con.create_function("centre_dec", middle(1), ["INTEGER", "BIGINT"], "DOUBLE", type="arrow")
    con.create_function("healpix", cells, ["INTEGER", "DOUBLE", "DOUBLE"], "BIGINT", type="arrow")
    con.create_function("epoch_ra", epoch(0), numbers, "DOUBLE", type="arrow")
    con.create_function("epoch_dec", epoch(1), numbers, "DOUBLE", type="arrow")
