"""Ten questions of astronomers over real catalogues: asked by `elqui query`, checked with DuckDB, written to docs/queries.md.

usage: queries.py --elqui BINARY --real DIR --work DIR [--only N] [--out FILE.md]
  --real   the folder of the real data (refcats/, lightcurves/, dia_tables/); Tycho-2 comes from Debian:
           apt-get install astrometry-data-tycho2-07-littleendian
  --work   tables and catalogues, kept between runs
Needs duckdb, astropy, numpy and pyarrow. The peer's queries are written by hand, its geometry is trigonometry of its own
(crates/archive/skydb/tests/answers/sky.py). Answers agree row by row, or the run ends with 1 and the page says which do not.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

import queries_data as data

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "crates/archive/skydb/tests/answers"))
import compare
import sky


@dataclass
class Question:
    title: str
    about: str
    adql: str
    duckdb: str
    ordered: bool = True
    tolerance: float = 1e-6


# Stars of both catalogues in one strip of declination or the next: what makes a join by distance possible in DuckDB.
STRIPS = """
WITH g AS (SELECT *, floor(dec * {per_degree})::INT AS strip FROM gaiadr3.bright),
     t AS (SELECT *, unnest([floor(dec * {per_degree})::INT - 1, floor(dec * {per_degree})::INT, floor(dec * {per_degree})::INT + 1]) AS strip FROM tycho2.star),
     pairs AS (SELECT g.*, t.star, t.ra AS tra, t.dec AS tdec, t.vt, sep(g.ra, g.dec, t.ra, t.dec) AS d FROM g JOIN t USING (strip)
               WHERE (abs(g.ra - t.ra) < {wide} / greatest(cos(radians(g.dec)), 1e-3) OR abs(abs(g.ra - t.ra) - 360) < {wide} / greatest(cos(radians(g.dec)), 1e-3))
               AND sep(g.ra, g.dec, t.ra, t.dec) < {near} AND {more})
"""

QUESTIONS = [
    Question(
        "How many bright stars are there of each magnitude, and how red are they?",
        "Gaia DR3 to G = 10. Each magnitude has about three times the stars of the one before, and about the same colour.",
        """SELECT FLOOR(phot_g_mean_mag) AS g, COUNT(*) AS stars, AVG(phot_bp_mean_mag - phot_rp_mean_mag) AS bp_rp
FROM gaiadr3.bright GROUP BY FLOOR(phot_g_mean_mag) ORDER BY g""",
        "SELECT floor(phot_g_mean_mag) AS g, COUNT(*) AS stars, AVG(phot_bp_mean_mag - phot_rp_mean_mag) AS bp_rp FROM gaiadr3.bright GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "Where on the sky are the bright stars?",
        "Counts by HEALPix cell of order 3 (53.7 square degrees): the richest cells lie along the Milky Way, in Carina, Vela, Cygnus, Centaurus and Sagittarius.",
        """SELECT TOP 8 ivo_healpix_index(3, ra, dec) AS cell, COUNT(*) AS stars,
       COORD1(ivo_healpix_center(3, ivo_healpix_index(3, ra, dec))) AS ra_centre,
       COORD2(ivo_healpix_center(3, ivo_healpix_index(3, ra, dec))) AS dec_centre
FROM gaiadr3.bright GROUP BY ivo_healpix_index(3, ra, dec) ORDER BY stars DESC, cell""",
        "SELECT healpix(3, ra, dec) AS cell, COUNT(*) AS stars, centre_ra(3, cell) AS ra_centre, centre_dec(3, cell) AS dec_centre FROM gaiadr3.bright GROUP BY cell ORDER BY stars DESC, cell LIMIT 8",
    ),
    Question(
        "How well do Gaia and Tycho-2 agree?",
        "All pairs within 2 arcsec of 482,176 and 1,871,011 stars: a sky join. Sixteen years of proper motion lie between the two epochs.",
        """SELECT COUNT(*) AS pairs, AVG(d) AS mean_arcsec, MAX(d) AS max_arcsec, AVG(vt - g) AS vt_minus_g
FROM (SELECT DISTANCE(g.ra, g.dec, t.ra, t.dec) * 3600 AS d, t.vt AS vt, g.phot_g_mean_mag AS g
      FROM gaiadr3.bright AS g JOIN tycho2.star AS t ON DISTANCE(g.ra, g.dec, t.ra, t.dec) < 2.0 / 3600) AS pairs""",
        STRIPS.format(per_degree=1000, wide=0.0006, near="2.0 / 3600", more="true")
        + "SELECT COUNT(*) AS pairs, AVG(d * 3600) AS mean_arcsec, MAX(d * 3600) AS max_arcsec, AVG(vt::DOUBLE - phot_g_mean_mag::DOUBLE) AS vt_minus_g FROM pairs",
    ),
    Question(
        "Which bright stars move fastest?",
        "A star of similar magnitude 8 to 130 arcsec away in the older catalogue and none at the newer place is mostly the same star, sixteen years ago."
        " Motions in arcsec a year. alpha Centauri's two stars, 61 Cygni, Lalande 21185, epsilon Indi and mu"
        " Cassiopeiae are found, as is known of them. Where Tycho-2 has no mean place but the observed one of about 1991 (alpha Centauri, Arcturus) the motion"
        " comes out half as large again.",
        """SELECT TOP 12 g.source_id, g.ra, g.dec, g.phot_g_mean_mag AS g_mag, t.vt, DISTANCE(g.ra, g.dec, t.ra, t.dec) * 3600 / 16 AS motion
FROM gaiadr3.bright AS g JOIN tycho2.star AS t ON DISTANCE(g.ra, g.dec, t.ra, t.dec) < 130.0 / 3600
WHERE DISTANCE(g.ra, g.dec, t.ra, t.dec) > 8.0 / 3600 AND t.vt - g.phot_g_mean_mag BETWEEN -0.1 AND 1.2 AND g.phot_g_mean_mag < 7.5
  AND NOT EXISTS (SELECT s.star FROM tycho2.star AS s WHERE DISTANCE(g.ra, g.dec, s.ra, s.dec) < 8.0 / 3600)
ORDER BY motion DESC""",
        STRIPS.format(per_degree=25, wide=0.0365, near="130.0 / 3600", more="g.phot_g_mean_mag < 7.5")
        + """SELECT source_id, ra, dec, phot_g_mean_mag AS g_mag, vt, d * 3600 / 16 AS motion FROM pairs
WHERE d > 8.0 / 3600 AND vt - phot_g_mean_mag BETWEEN -0.1 AND 1.2 AND source_id NOT IN (SELECT source_id FROM pairs WHERE d < 8.0 / 3600) ORDER BY motion DESC LIMIT 12""",
    ),
    Question(
        "Which stars around the Pleiades move with them?",
        "Motions from the two epochs within 2 degrees of the cluster, in mas a year; its own is (+20, -45). Members brighter than G = 8.",
        """SELECT source_id, phot_g_mean_mag AS g_mag, pm_ra, pm_dec FROM
 (SELECT g.source_id, g.phot_g_mean_mag, (g.ra - t.ra) * COS(RADIANS(g.dec)) * 3.6e6 / 16 AS pm_ra, (g.dec - t.dec) * 3.6e6 / 16 AS pm_dec
  FROM gaiadr3.bright AS g JOIN tycho2.star AS t ON DISTANCE(g.ra, g.dec, t.ra, t.dec) < 3.0 / 3600
  WHERE CONTAINS(POINT(g.ra, g.dec), CIRCLE(56.75, 24.12, 2)) = 1) AS moving
WHERE POWER(pm_ra - 20, 2) + POWER(pm_dec + 45, 2) < 144 AND phot_g_mean_mag < 8
ORDER BY g_mag""",
        """SELECT g.source_id, g.phot_g_mean_mag AS g_mag, (g.ra - t.ra) * cos(radians(g.dec)) * 3.6e6 / 16 AS pm_ra, (g.dec - t.dec) * 3.6e6 / 16 AS pm_dec
FROM (SELECT * FROM gaiadr3.bright WHERE sep(ra, dec, 56.75, 24.12) < 2) g, (SELECT * FROM tycho2.star WHERE dec BETWEEN 22 AND 26.2 AND ra BETWEEN 54 AND 60) t
WHERE sep(g.ra, g.dec, t.ra, t.dec) < 3.0 / 3600 AND pow((g.ra - t.ra) * cos(radians(g.dec)) * 3.6e6 / 16 - 20, 2) + pow((g.dec - t.dec) * 3.6e6 / 16 + 45, 2) < 144
AND g.phot_g_mean_mag < 8 ORDER BY g_mag""",
    ),
    Question(
        "Where were the nearest stars of a field at the turn of the century?",
        "Gaia DR2 in a piece of Stripe 82: distance in parsec, motion in mas a year, the place moved back from 2015.5 to 2000.",
        """SELECT TOP 8 id, 1000 / parallax AS parsec, SQRT(pmra * pmra + pmdec * pmdec) AS motion,
       COORD1(ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, 0.0, 2015.5, 2000.0)) AS ra2000,
       COORD2(ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, 0.0, 2015.5, 2000.0)) AS dec2000
FROM gaiadr2.s82 WHERE parallax > 10 * parallax_error ORDER BY parallax DESC""",
        """SELECT id, 1000 / parallax AS parsec, sqrt(pmra * pmra + pmdec * pmdec) AS motion, epoch_ra(ra, dec, parallax, pmra, pmdec, 0.0::DOUBLE, -15.5::DOUBLE) AS ra2000,
epoch_dec(ra, dec, parallax, pmra, pmdec, 0.0::DOUBLE, -15.5::DOUBLE) AS dec2000 FROM gaiadr2.s82 WHERE parallax > 10 * parallax_error ORDER BY parallax DESC LIMIT 8""",
        tolerance=1e-9,
    ),
    Question(
        "How do magnitudes of Gaia and Pan-STARRS compare?",
        "Pairs within 0.5 arcsec in that field, in bins of the colour g - r: G minus r, AB magnitudes of the fluxes. Gaia's wide band"
        " sees red stars brighter than r does.",
        """SELECT FLOOR(gr * 2) / 2 AS g_minus_r, COUNT(*) AS stars, AVG(gmr) AS gaia_minus_r, STDDEV(gmr) AS scatter FROM
 (SELECT scisql_nanojanskyToAbMag(p.g_flux) - scisql_nanojanskyToAbMag(p.r_flux) AS gr,
         scisql_nanojanskyToAbMag(a.phot_g_mean_flux) - scisql_nanojanskyToAbMag(p.r_flux) AS gmr
  FROM gaiadr2.s82 AS a JOIN ps1.s82 AS p ON DISTANCE(a.ra, a.dec, p.ra, p.dec) < 0.5 / 3600
  WHERE p.r_flux BETWEEN 36308 AND 3630780) AS matched
WHERE gr BETWEEN -0.5 AND 2 GROUP BY FLOOR(gr * 2) / 2 ORDER BY g_minus_r""",
        """SELECT floor(gr * 2) / 2 AS g_minus_r, COUNT(*) AS stars, AVG(gmr) AS gaia_minus_r, stddev_samp(gmr) AS scatter FROM
(SELECT abmag(p.g_flux) - abmag(p.r_flux) AS gr, abmag(a.phot_g_mean_flux) - abmag(p.r_flux) AS gmr FROM gaiadr2.s82 a, ps1.s82 p
WHERE abs(a.dec - p.dec) < 0.001 AND sep(a.ra, a.dec, p.ra, p.dec) < 0.5 / 3600 AND p.r_flux BETWEEN 36308 AND 3630780) WHERE gr BETWEEN -0.5 AND 2 GROUP BY 1 ORDER BY 1""",
    ),
    Question(
        "What are the periods of variable stars of each kind?",
        "Periodic variables of LINEAR: days and magnitudes. Fundamental-mode RR Lyrae stars pulsate in about 0.58 days, those of the first overtone in 0.34.",
        """SELECT kind, COUNT(*) AS n, MIN(period) AS shortest, MEDIAN(period) AS middle, MAX(period) AS longest, AVG(amplitude) AS amplitude, AVG(ug) AS u_minus_g
FROM linear.variable GROUP BY kind ORDER BY n DESC""",
        """SELECT kind, COUNT(*) AS n, MIN(period) AS shortest, median(period) AS middle, MAX(period) AS longest, AVG(amplitude) AS amplitude, AVG(ug) AS u_minus_g
FROM linear.variable GROUP BY kind ORDER BY n DESC""",
    ),
    Question(
        "Which kinds of variable stars are among the bright ones?",
        "The General Catalogue of Variable Stars against Gaia within 3 arcsec: the ten most frequent kinds, the brightest of each.",
        """SELECT TOP 10 v.kind, COUNT(*) AS n, MIN(g.phot_g_mean_mag) AS brightest, AVG(g.phot_bp_mean_mag - g.phot_rp_mean_mag) AS bp_rp
FROM gcvs.variable AS v JOIN gaiadr3.bright AS g ON 1 = CONTAINS(POINT(v.ra, v.dec), CIRCLE(g.ra, g.dec, 3.0 / 3600))
GROUP BY v.kind ORDER BY n DESC, kind""",
        """WITH v AS (SELECT *, floor(dec * 500)::INT AS strip FROM gcvs.variable),
g AS (SELECT *, unnest([floor(dec * 500)::INT - 1, floor(dec * 500)::INT, floor(dec * 500)::INT + 1]) AS strip FROM gaiadr3.bright)
SELECT v.kind, COUNT(*) AS n, MIN(g.phot_g_mean_mag) AS brightest, AVG(g.phot_bp_mean_mag - g.phot_rp_mean_mag) AS bp_rp FROM v JOIN g USING (strip)
WHERE sep(v.ra, v.dec, g.ra, g.dec) < 3.0 / 3600 GROUP BY v.kind ORDER BY n DESC, v.kind LIMIT 10""",
    ),
    Question(
        "Which transient candidates were seen more than once, and how did they change?",
        "Differences of DECam images of 2015 by LSST's pipelines: a join of objects and their sources; fluxes in nJy, times in days.",
        """SELECT TOP 10 o.diaObjectId, o.ra, o.dec, COUNT(*) AS n, MAX(s.midpointMjdTai) - MIN(s.midpointMjdTai) AS days, MIN(s.psfFlux) AS faintest, MAX(s.psfFlux) AS brightest
FROM dia.DiaObject AS o JOIN dia.DiaSource AS s ON s.diaObjectId = o.diaObjectId
WHERE s.psfFlux IS NOT NULL
GROUP BY o.diaObjectId, o.ra, o.dec HAVING COUNT(*) > 1 ORDER BY brightest DESC""",
        """SELECT o.diaObjectId, o.ra, o.dec, COUNT(*) AS n, MAX(s.midpointMjdTai) - MIN(s.midpointMjdTai) AS days, MIN(s.psfFlux) AS faintest, MAX(s.psfFlux) AS brightest
FROM dia.DiaObject o, dia.DiaSource s WHERE s.diaObjectId = o.diaObjectId AND s.psfFlux IS NOT NULL GROUP BY ALL HAVING COUNT(*) > 1 ORDER BY brightest DESC LIMIT 10""",
    ),
]


def peer(folder):
    con = duckdb.connect()
    sky.teach(con)
    for name in data.CATALOGS:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
        con.execute(f"CREATE TABLE {name} AS FROM '{folder}/{name}.parquet'")
    return con


class Elqui:
    def __init__(self, program, catalogs):
        self.program, self.catalogs = program, catalogs

    def run(self, *words):
        done = subprocess.run([str(w) for w in (self.program, *words)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(" ".join(done.stderr.split())[:600])
        return done.stdout

    def bring(self, name, source, key):
        target = self.catalogs / name
        if not (target / "collection.properties").exists():
            self.run("catalog", "import", source, "--out", target, "--name", name, "--ra", "ra", "--dec", "dec", "--id", key, "--margin", 30)

    def ask(self, adql):
        """The table as it is printed, and as it is."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "answer.parquet"
            self.run("query", adql, "--catalog", self.catalogs, "--format", "parquet", "--out", out)
            return self.run("query", adql, "--catalog", self.catalogs).rstrip(), compare.Answer.of(pq.read_table(out))


PAGE = """# Ten questions to real catalogues

Made by `bench/queries.py --elqui target/release/elqui --real REALDATA --work DIR`: public catalogues, imported with `elqui catalog import`, asked with
`elqui query`. Every answer below was compared row by row with DuckDB {duckdb}'s, whose queries and geometry are written apart. What
the tables are and how they were made from the published files is said in `bench/queries_data.py`.

    elqui catalog import gaiadr3.bright.parquet --out catalogs/gaiadr3.bright --name gaiadr3.bright --ra ra --dec dec --id source_id --margin 30
    elqui query "SELECT ..." --catalog catalogs

| table | rows |
|---|---|
{rows}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elqui", type=Path)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", type=int)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    tables, catalogs = args.work.resolve() / "tables", args.work.resolve() / "catalogs"
    data.make(args.real, tables)
    catalogs.mkdir(exist_ok=True)
    con = peer(tables)
    elqui = Elqui(args.elqui.resolve(), catalogs) if args.elqui else None
    for name, (_, key) in data.CATALOGS.items():
        if elqui:
            elqui.bring(name, tables / f"{name}.parquet", key)
    rows = "\n".join(f"| {n} | {con.sql(f'SELECT COUNT(*) FROM {n}').fetchall()[0][0]:,} |" for n in data.CATALOGS)
    page, wrong = [PAGE.format(duckdb=duckdb.__version__, rows=rows)], []
    for k, q in enumerate(QUESTIONS, 1):
        if args.only and k != args.only:
            continue
        theirs = con.sql(q.duckdb)
        if not elqui:
            print(q.title, theirs.fetchall(), sep="\n")
            continue
        try:
            printed, ours = elqui.ask(q.adql)
            why = compare.differences(compare.Query(q.title, ordered=q.ordered, tolerance=q.tolerance), ours, compare.Answer.of(theirs.to_arrow_table()))
        except Exception as e:
            printed, why = "", str(e)
        if why:
            wrong.append(f"{k}: {why}")
        print(f"{k}. {q.title}\n{printed}\n{why}")
        page.append(f"## {k}. {q.title}\n\n{q.about}\n\n```sql\n{q.adql}\n```\n\n```\n{printed}\n```\n" + (f"\nNot as DuckDB has it: {why}\n" if why else ""))
    if args.out and not wrong:
        args.out.write_text("\n".join(page))
    sys.exit("\n".join(["wrong:", *wrong]) if wrong else 0)


if __name__ == "__main__":
    main()
