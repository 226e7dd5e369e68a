//! Queries of the kinds that the public tutorials of Rubin, SDSS, Gaia and the VO teach, in our words.

mod common;
use common::good;
use elqui_adql::{Adql, DataFusion, DuckDb, PostgresQ3c};
use sqlparser::dialect::{DuckDbDialect, GenericDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;

const QUERIES: &[&str] = &[
    // Rubin: objects around a place.
    "SELECT coord_ra, coord_dec FROM dp1.Object WHERE CONTAINS(POINT('ICRS', coord_ra, coord_dec), CIRCLE('ICRS', 53.13, -28.10, 0.05)) = 1",
    "SELECT TOP 1000 objectId, g_psfFlux, r_psfFlux FROM dp1.Object ORDER BY objectId",
    "SELECT objectId, scisql_nanojanskyToAbMag(g_psfFlux) AS gmag, scisql_nanojanskyToAbMag(r_psfFlux) AS rmag FROM dp1.Object WHERE CONTAINS(POINT('ICRS', coord_ra, coord_dec), CIRCLE('ICRS', 53.13, -28.10, 0.5)) = 1 AND r_extendedness = 1 AND g_psfFlux > 360",
    "SELECT objectId, scisql_nanojanskyToAbMagSigma(g_psfFlux, g_psfFluxErr) AS gerr FROM dp02_dc2_catalogs.Object WHERE scisql_s2PtInCircle(coord_ra, coord_dec, 62, -37, 0.2) = 1",
    "SELECT COUNT(*) AS n FROM dp1.Object WHERE scisql_s2PtInBox(coord_ra, coord_dec, 52.9, -28.3, 53.3, -27.9) = 1",
    "SELECT objectId FROM dp1.Object WHERE qserv_areaspec_circle(53.1, -28.1, 0.01)",
    "SELECT objectId FROM dp1.Object WHERE qserv_areaspec_box(53.0, -28.2, 53.1, -28.0) AND r_psfFlux > 1e4",
    "SELECT objectId FROM dp1.Object WHERE qserv_areaspec_poly(53.0, -28.2, 53.2, -28.2, 53.1, -28.0)",
    "SELECT objectId FROM dp1.Object WHERE scisql_s2PtInCPoly(coord_ra, coord_dec, 53.0, -28.2, 53.2, -28.2, 53.1, -28.0) = 1",
    "SELECT coord_ra AS ra, coord_dec AS dec, scisql_nanojanskyToAbMag(i_psfFlux) AS imag FROM dp1.Object WHERE coord_ra BETWEEN 53 AND 53.2 AND coord_dec BETWEEN -28.2 AND -28 AND scisql_nanojanskyToAbMag(i_psfFlux) < 22 ORDER BY imag DESC",
    // Rubin: light curves.
    "SELECT fs.objectId, fs.visit, fs.band, fs.psfFlux, fs.psfFluxErr FROM dp1.ForcedSource AS fs WHERE fs.objectId = 611255759837069401",
    "SELECT f.band, f.psfFlux, v.obsStartMJD FROM dp1.ForcedSource AS f JOIN dp1.Visit AS v ON v.visit = f.visit WHERE f.objectId = 611 ORDER BY v.obsStartMJD",
    "SELECT diaObjectId, ra, dec, nDiaSources FROM dp1.DiaObject WHERE nDiaSources > 30 AND nDiaSources < 100 AND CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 53.0, -28.0, 1)) = 1",
    "SELECT diaSourceId, band, psfFlux, midpointMjdTai, snr FROM dp1.DiaSource WHERE diaObjectId = 609788942606139423 AND snr > 5 ORDER BY midpointMjdTai",
    "SELECT o.diaObjectId, AVG(s.psfFlux) AS mean, COUNT(*) AS n FROM dp1.DiaObject o INNER JOIN dp1.DiaSource s USING (diaObjectId) WHERE s.band = 'r' GROUP BY o.diaObjectId HAVING COUNT(*) >= 10",
    "SELECT band, MIN(psfFlux) AS faintest, MAX(psfFlux) AS brightest FROM dp1.DiaSource WHERE diaObjectId IN (1, 2, 3) GROUP BY band",
    "SELECT TOP 20 diaObjectId, r_psfFluxSigma / r_psfFluxMean AS scatter FROM dp1.DiaObject WHERE r_psfFluxMean > 0 ORDER BY scatter DESC",
    "SELECT s.visit, s.detector, s.psfFlux FROM dp1.Source AS s WHERE s.visit = 2024110800245 AND s.detector = 0 AND s.pixelFlags_bad = 0",
    // Rubin: tables of visits and images.
    "SELECT visit, band, seeing FROM dp1.CcdVisit WHERE band = 'i' AND seeing < 1.0 ORDER BY seeing",
    "SELECT band, COUNT(visit) AS visits FROM dp1.Visit GROUP BY band ORDER BY visits DESC",
    "SELECT lsst_tract, lsst_patch FROM dp1.CoaddPatches WHERE CONTAINS(POINT('ICRS', 53.13, -28.10), s_region) = 1",
    "SELECT obs_id, s_region, t_min FROM ivoa.ObsCore WHERE calib_level = 2 AND dataproduct_type = 'image' AND INTERSECTS(s_region, CIRCLE('ICRS', 53.1, -28.1, 0.3)) = 1",
    "SELECT obs_id FROM ivoa.ObsCore WHERE instrument_name ILIKE 'lsst%' AND t_min > 60623.2 AND t_max < 60623.4 AND CONTAINS(POINT(s_ra, s_dec), REGION('BOX 53 -28 2 2')) = 1",
    "SELECT table_name, description FROM tap_schema.tables WHERE schema_name = 'dp1' ORDER BY table_name",
    "SELECT column_name, datatype, unit FROM tap_schema.columns WHERE table_name = 'dp1.Object' AND column_name LIKE '%Flux%'",
    // Rubin: solar system.
    "SELECT s.ssObjectId, o.H, s.heliocentricDist, d.band, d.psfFlux FROM dp1.SSSource AS s JOIN dp1.SSObject AS o ON s.ssObjectId = o.ssObjectId JOIN dp1.DiaSource d ON d.diaSourceId = s.diaSourceId WHERE o.numObs > 20",
    "SELECT FLOOR(H * 2) / 2 AS bin, COUNT(*) AS n FROM dp1.SSObject GROUP BY FLOOR(H * 2) / 2 ORDER BY bin",
    // Near neighbours, in every spelling.
    "SELECT TOP 10 a.objectId, b.objectId, DISTANCE(POINT(a.coord_ra, a.coord_dec), POINT(b.coord_ra, b.coord_dec)) * 3600 AS sep FROM dp1.Object a JOIN dp1.Object b ON DISTANCE(POINT(a.coord_ra, a.coord_dec), POINT(b.coord_ra, b.coord_dec)) < 5.0 / 3600 WHERE a.objectId < b.objectId",
    "SELECT o.objectId, g.source_id FROM dp1.Object AS o, gaiadr3.gaia_source AS g WHERE 1 = CONTAINS(POINT('ICRS', o.coord_ra, o.coord_dec), CIRCLE('ICRS', g.ra, g.dec, 1.0 / 3600))",
    "SELECT o.objectId, g.source_id FROM dp1.Object o LEFT JOIN gaiadr3.gaia_source g ON DISTANCE(o.coord_ra, o.coord_dec, g.ra, g.dec) <= 0.0003",
    "SELECT a.objectId FROM dp1.Object a, dp1.Object b WHERE scisql_angSep(a.coord_ra, a.coord_dec, b.coord_ra, b.coord_dec) < 0.001 AND a.objectId <> b.objectId AND scisql_s2PtInCircle(a.coord_ra, a.coord_dec, 53, -28, 0.1) = 1",
    "SELECT objectId FROM dp1.Object WHERE CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(53, -28, 0.1)) = 1 OR CONTAINS(POINT(coord_ra, coord_dec), CIRCLE(10, 20, 0.1)) = 1",
    "SELECT a.objectId FROM dp1.Object a WHERE NOT EXISTS (SELECT b.objectId FROM dp1.Object b WHERE DISTANCE(POINT(a.coord_ra, a.coord_dec), POINT(b.coord_ra, b.coord_dec)) < 0.002 AND a.objectId != b.objectId)",
    // SDSS.
    "SELECT TOP 10 objid, ra, dec FROM dr17.PhotoObj WHERE ra > 185 AND ra < 185.1 AND dec > 15 AND dec < 15.1",
    "SELECT p.objid, p.ra, p.dec, p.u, p.g, p.r, p.i, p.z, s.z AS redshift FROM dr17.PhotoObj AS p JOIN dr17.SpecObj AS s ON s.bestobjid = p.objid WHERE s.class = 'GALAXY' AND s.zWarning = 0 AND s.z BETWEEN 0.1 AND 0.12",
    "SELECT class, COUNT(*) AS n, AVG(z) AS mean_z FROM dr17.SpecObj GROUP BY class ORDER BY n DESC",
    "SELECT objid FROM dr17.PhotoObj WHERE u - g < 0.4 AND g - r < 0.7 AND r - i > 0.4 AND i - z > 0.4 AND type = 6",
    "SELECT COUNT(*) FROM dr17.PhotoObj WHERE BITWISE_AND(flags, 0x10000000) = 0 AND mode = 1",
    "SELECT objid, modelMag_g - modelMag_r AS g_r FROM dr17.PhotoObj WHERE clean = 1 AND modelMag_r - extinction_r < 17.77 AND petroRad_r > 3",
    "SELECT s.specobjid, s.plate, s.mjd, s.fiberid FROM dr17.SpecObj s WHERE s.class = 'QSO' AND s.z > 4 AND s.zWarning = 0 ORDER BY s.z DESC",
    "SELECT run, camcol, COUNT(*) AS n FROM dr17.PhotoObj GROUP BY run, camcol HAVING COUNT(*) > 1000 ORDER BY run, camcol",
    "SELECT p.objid, z.z, z.zErr FROM dr17.PhotoObj p LEFT OUTER JOIN dr17.PhotoZ z ON z.objid = p.objid WHERE p.r < 20 AND (z.nnCount > 95 OR z.nnCount IS NULL)",
    "SELECT objid, ra, dec FROM dr17.PhotoObj WHERE 1 = CONTAINS(POINT(ra, dec), POLYGON(180, 0, 181, 0, 181, 1, 180, 1)) AND type = 3",
    "SELECT ROUND(z, 1) AS zbin, COUNT(*) AS n FROM dr17.SpecObj WHERE class = 'GALAXY' GROUP BY ROUND(z, 1) ORDER BY zbin",
    "SELECT subclass FROM dr17.SpecObj WHERE class = 'STAR' AND subclass LIKE 'M%' UNION SELECT subclass FROM dr17.SpecObj WHERE subclass LIKE 'L%'",
    "SELECT objid FROM dr17.PhotoObj EXCEPT SELECT bestobjid FROM dr17.SpecObj",
    "SELECT objid FROM dr17.PhotoObj INTERSECT ALL SELECT bestobjid FROM dr17.SpecObj WHERE survey = 'boss'",
    "SELECT POWER(10, 0.4 * (22.5 - modelMag_r)) AS nmgy, LOG10(petroRad_r), SQRT(err_r) FROM dr17.PhotoObj WHERE MOD(objid, 1000) = 7",
    "SELECT CASE WHEN g - r > 0.7 THEN 'red' WHEN g - r IS NULL THEN 'none' ELSE 'blue' END AS colour, COUNT(*) AS n FROM dr17.PhotoObj GROUP BY CASE WHEN g - r > 0.7 THEN 'red' WHEN g - r IS NULL THEN 'none' ELSE 'blue' END",
    "SELECT AVG(d.n) FROM (SELECT run, COUNT(*) AS n FROM dr17.PhotoObj GROUP BY run) AS d WHERE d.n > 10",
    // Gaia.
    "SELECT source_id, phot_g_mean_mag + 5 * LOG10(parallax) - 10 AS mg, bp_rp FROM gaiadr3.gaia_source WHERE parallax / parallax_error > 10 AND ruwe < 1.4",
    "SELECT ivo_healpix_index(6, ra, dec) AS hpx, COUNT(*) AS n, AVG(phot_g_mean_mag) FROM gaiadr3.gaia_source GROUP BY hpx",
    "SELECT source_id, SQRT(pmra * pmra + pmdec * pmdec) AS pm FROM gaiadr3.gaia_source WHERE DISTANCE(56.75, 24.12, ra, dec) < 2 AND pmra BETWEEN 17 AND 23",
    "SELECT COORD1(ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, radial_velocity, 2016.0, 2000.0)) AS ra2000 FROM gaiadr3.gaia_source WHERE source_id = 1",
    "SELECT TOP 5 source_id FROM gaiadr3.gaia_source WHERE CONTAINS(POINT(ra, dec), MOC('4/100-110 5/500')) = 1",
    "SELECT IN_UNIT(pmra, 'arcsec/yr') AS pm, IN_UNIT(parallax, 'arcsec') FROM gaiadr3.gaia_source",
    "SELECT COALESCE(radial_velocity, 0.0) AS rv, UPPER('x') || 'y' FROM gaiadr3.gaia_source WHERE radial_velocity IS NOT NULL",
    "WITH near AS (SELECT * FROM gaiadr3.gaia_source WHERE parallax > 50), bright AS (SELECT source_id FROM near WHERE phot_g_mean_mag < 6) SELECT n.source_id, n.parallax FROM near n JOIN bright b ON b.source_id = n.source_id ORDER BY 2 DESC OFFSET 3",
    "SELECT g.source_id, (SELECT COUNT(*) FROM dr17.PhotoObj p WHERE p.r < g.phot_g_mean_mag) AS fainter FROM gaiadr3.gaia_source g WHERE g.ra < 1",
    "SELECT source_id FROM gaiadr3.gaia_source WHERE phot_g_mean_mag > (SELECT AVG(phot_g_mean_mag) FROM gaiadr3.gaia_source)",
    // The VO.
    "SELECT * FROM ivoa.obscore WHERE em_min < 5e-7 AND em_max > 5e-7 AND t_exptime > 100",
    "SELECT obs_id FROM ivoa.obscore WHERE ivo_hasword(instrument_name, 'camera') = 1 AND ivo_nocasematch(obs_id, 'a%') = 1",
    "SELECT gavo_to_mjd(obstime) FROM t WHERE obstime > TIMESTAMP '2026-01-01T00:00:00'",
    "SELECT DISTINCT band FROM dp1.Visit WHERE expMidptMJD BETWEEN 60000 AND 61000",
    "SELECT ivo_histogram(phot_g_mean_mag, 0, 20, 10) FROM gaiadr3.gaia_source",
];

#[test]
fn queries_of_tutorials_check_and_render() {
    assert!(QUERIES.len() >= 60, "{}", QUERIES.len());
    for text in QUERIES {
        let checked = good(text);
        let fusion = checked.render(&DataFusion).unwrap();
        Parser::parse_sql(&GenericDialect {}, &fusion).unwrap_or_else(|e| panic!("{e}\n{fusion}"));
        // The other engines lack some functions, and say so in one line; what they give is SQL.
        if let Ok(sql) = checked.render(&DuckDb) {
            Parser::parse_sql(&DuckDbDialect {}, &sql).unwrap_or_else(|e| panic!("{e}\n{sql}"));
        }
        if let Ok(sql) = checked.render(&PostgresQ3c) {
            Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap_or_else(|e| panic!("{e}\n{sql}"));
        }
        let again = checked.render(&Adql).unwrap();
        let twice = good(&again);
        assert_eq!(twice.render(&Adql).unwrap(), again, "{text}");
        assert_eq!(twice.columns, checked.columns, "{again}");
        assert_eq!(twice.terms.len(), checked.terms.len(), "{again}");
        assert_eq!(twice.render(&DataFusion).unwrap(), fusion, "{again}");
    }
}

#[test]
fn engines_get_their_own_words() {
    let checked = good(
        "SELECT TOP 5 LOG(ra) AS l, source_id/2 FROM gaiadr3.gaia_source WHERE DISTANCE(ra, dec, 10.0, -5.0) < 0.1 ORDER BY l OFFSET 2",
    );
    assert_eq!(
        checked.render(&DataFusion).unwrap(),
        "SELECT ln(\"gaia_source\".\"ra\") AS \"l\", (\"gaia_source\".\"source_id\" / 2) AS \"col2\" FROM \"gaiadr3\".\"gaia_source\" AS \"gaia_source\" WHERE adql_in_region(\"gaia_source\".\"ra\", \"gaia_source\".\"dec\", 'CIRCLE 10 -5 0.1', false) ORDER BY \"l\" LIMIT 5 OFFSET 2"
    );
    let duck = checked.render(&DuckDb).unwrap();
    assert!(duck.contains("// 2)") && duck.contains("degrees(2 * asin("), "{duck}");
    let postgres = checked.render(&PostgresQ3c).unwrap();
    assert!(postgres.contains("q3c_radial_query("), "{postgres}");
    assert_eq!(
        checked.render(&Adql).unwrap(),
        "SELECT TOP 5 LOG(\"gaia_source\".\"ra\") AS \"l\", (\"gaia_source\".\"source_id\" / 2) AS \"col2\" FROM \"gaiadr3\".\"gaia_source\" AS \"gaia_source\" WHERE DISTANCE(\"gaia_source\".\"ra\", \"gaia_source\".\"dec\", 10.0, (- 5.0)) < 0.1 ORDER BY \"l\" OFFSET 2"
    );
}

#[test]
fn results_are_described() {
    let c = good(
        "SELECT psfflux, S.PSFFLUX AS f, AVG(psfFlux) AS m, COUNT(*), scisql_nanojanskyToAbMag(psfFlux), psfFlux + psfFluxErr AS s FROM dp1.Source AS s GROUP BY 1, psfFluxErr",
    );
    let shown: Vec<String> =
        c.columns.iter().map(|c| format!("{}/{}/{}/{}", c.name, c.ty, c.unit, c.ucd)).collect();
    let ucd = &c.columns[0].ucd;
    assert_eq!(
        shown,
        [
            format!("psfFlux/DOUBLE PRECISION/nJy/{ucd}"),
            format!("f/DOUBLE PRECISION/nJy/{ucd}"),
            format!("m/DOUBLE PRECISION/nJy/stat.mean;{ucd}"),
            "count/BIGINT//meta.number".to_string(),
            "scisql_nanojanskytoabmag/DOUBLE PRECISION/mag/phot.mag".to_string(),
            "s/DOUBLE PRECISION/nJy/".to_string(),
        ]
    );
    assert!(!c.columns[0].description.is_empty() && !c.columns[1].description.is_empty());
    assert_eq!(c.columns[2].description, "avg of psfFlux");
}
