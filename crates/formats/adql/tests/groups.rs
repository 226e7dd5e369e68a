//! The rule of GROUP BY, values of spatial predicates outside of WHERE, constants, functions.

mod common;
use common::{catalog, good};
use elqui_adql::{Adql, DataFusion, check};

fn refused(text: &str) -> String {
    check(text, &catalog())
        .map(|c| format!("passes: {:?}", c.query))
        .unwrap_or_else(|e| e.to_string())
}

#[test]
fn results_outside_of_aggregates_are_terms_of_group_by() {
    for text in [
        "SELECT band, COUNT(*) FROM dp1.DiaSource GROUP BY band",
        "SELECT S.band, AVG(psfFlux) FROM dp1.DiaSource AS s GROUP BY BAND",
        "SELECT FLOOR(ra / 10) AS bin, COUNT(*) FROM dp1.DiaSource GROUP BY bin",
        "SELECT FLOOR(ra / 10) + 1, COUNT(*) FROM dp1.DiaSource GROUP BY FLOOR(ra/10)",
        "SELECT 10 * FLOOR(ra / 10) AS x, COUNT(*) FROM dp1.DiaSource GROUP BY 1 HAVING COUNT(*) > 2",
        "SELECT COUNT(*), MAX(ra) - MIN(ra), 'text', PI() FROM dp1.DiaSource",
        "SELECT CASE WHEN band = 'r' THEN 1 ELSE 0 END, COUNT(*) FROM dp1.DiaSource GROUP BY band",
        "SELECT d.diaObjectId, (SELECT COUNT(*) FROM dp1.DiaObject o WHERE o.diaObjectId = d.diaObjectId)
         FROM dp1.DiaSource d GROUP BY d.diaObjectId",
        "SELECT ivo_healpix_index(5, ra, dec), COUNT(*) FROM dp1.DiaSource GROUP BY ivo_healpix_index(5, ra, dec)",
        "SELECT band FROM dp1.DiaSource GROUP BY band HAVING AVG(psfFlux) > 3 AND band <> 'u'",
    ] {
        // The normal form keeps the rule.
        let once = good(text).render(&Adql).unwrap();
        assert_eq!(good(&once).render(&Adql).unwrap(), once);
    }
    for (text, place, name) in [
        ("SELECT band, ra, COUNT(*) FROM dp1.DiaSource GROUP BY band", "column 14", "ra"),
        ("SELECT ra, COUNT(*) FROM dp1.DiaSource", "column 8", "ra"),
        ("SELECT ra + MAX(dec) FROM dp1.DiaSource", "column 8", "ra"),
        ("SELECT ra * 2 FROM dp1.DiaSource GROUP BY ra * 3", "column 8", "ra"),
        ("SELECT COUNT(*) FROM dp1.DiaSource GROUP BY band HAVING snr > 5", "column 57", "snr"),
        ("SELECT band FROM dp1.DiaSource HAVING COUNT(*) > 1", "column 8", "band"),
    ] {
        let error = refused(text);
        assert!(error.contains(place) && error.contains(&format!("`{name}`")), "{text}: {error}");
        assert!(error.contains("GROUP BY"), "{error}");
    }
    assert!(refused("SELECT band FROM dp1.DiaSource GROUP BY 2").contains("no result column `2`"));
    assert!(refused("SELECT band FROM dp1.DiaSource GROUP BY 0").contains("no result column `0`"));
}

/// The work grows with the text, not with its square.
#[test]
fn many_results_and_many_terms() {
    let items = vec!["ra + dec"; 20_000].join(", ");
    let terms: Vec<String> = (0..20_000).map(|k| format!("ra+{k}")).collect();
    let text = format!("SELECT {items} FROM dp1.DiaSource GROUP BY {}", terms.join(","));
    let start = std::time::Instant::now();
    let error = refused(&text);
    assert!(error.contains("differs within a group") || error.contains("limit"), "{error}");
    assert!(start.elapsed().as_secs() < 5);
}

fn datafusion(text: &str) -> String {
    good(text).render(&DataFusion).unwrap()
}

#[test]
fn spatial_predicates_are_values_too() {
    let inside = r#"adql_in_region("s"."ra", "s"."dec", 'CIRCLE 1 2 3', true)"#;
    let cone = "CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))";
    let from = "FROM dp1.DiaSource AS s";
    let sql = datafusion(&format!("SELECT {cone} AS x {from}"));
    assert!(sql.contains(&format!("CAST({inside} AS INTEGER)")), "{sql}");
    let sql = datafusion(&format!("SELECT CASE WHEN 1 = {cone} THEN 'a' ELSE 'b' END AS x {from}"));
    assert!(sql.contains(&format!("WHEN {inside} THEN 'a'")), "{sql}");
    let sql =
        datafusion(&format!("SELECT SUM(CASE WHEN {cone} = 0 THEN 1 ELSE 0 END) AS x {from}"));
    assert!(sql.contains(&format!("WHEN NOT ({inside}) THEN 1")), "{sql}");
    let sql = datafusion(&format!("SELECT {cone} AS x, COUNT(*) AS n {from} GROUP BY x"));
    assert!(sql.contains(&format!("GROUP BY CAST({inside} AS INTEGER)")), "{sql}");
    let sql = datafusion(&format!("SELECT AVG({cone}) AS x {from} ORDER BY x"));
    assert!(sql.contains(&format!("avg(CAST({inside} AS INTEGER))")), "{sql}");
    let sql = datafusion(&format!("SELECT MAX(ra) AS x {from} HAVING MAX({cone}) = 1"));
    assert!(sql.contains(&format!("HAVING max(CAST({inside} AS INTEGER)) = 1")), "{sql}");
}

#[test]
fn constant_shapes_are_values() {
    for (text, value) in [
        ("INTERSECTS(CIRCLE(10, 0, 1), CIRCLE(12, 0, 1.5))", "1"),
        ("INTERSECTS(CIRCLE(10, 0, 1), BOX(14, 0, 2, 2))", "0"),
        ("INTERSECTS(REGION('MOC 0/0-11'), POLYGON(1, 1, 2, 1, 2, 2))", "1"),
        ("CONTAINS(CIRCLE(10, 0, 1), CIRCLE(10, 0, 1.5))", "1"),
        ("CONTAINS(BOX(10, 0, 3, 3), CIRCLE(10, 0, 1.5))", "0"),
        ("CONTAINS(POINT(1, 1), CIRCLE(1, 1, 1))", "1"),
        ("CONTAINS(CIRCLE(1, 1, 1), REGION('MOC 0/0-11'))", "1"),
        ("CONTAINS(REGION('MOC 3/12'), REGION('MOC 2/3'))", "1"),
    ] {
        let sql = datafusion(&format!("SELECT {text} AS x, id FROM table1 WHERE 1 = {text}"));
        assert!(sql.contains(&format!("SELECT {value} AS \"x\"")), "{text}: {sql}");
        assert!(sql.contains(&format!("WHERE 1 = {value}")), "{text}: {sql}");
        // The text that users see again stays as it was.
        let normal = good(&format!("SELECT {text} AS x FROM table1")).render(&Adql).unwrap();
        assert!(normal.contains(&text[..8]), "{normal}");
    }
    let sql = datafusion("SELECT AREA(CIRCLE(0, 0, 180)) AS x FROM table1");
    assert!(sql.contains("41252.961249419"), "{sql}");
}

#[test]
fn functions_have_the_signatures_of_their_sources() {
    for call in [
        "ivo_healpix_index(17, 1, 1)",
        "ivo_healpix_index(17, POINT(ra, dec))",
        "ivo_healpix_center(0, 6)",
        "ivo_epoch_prop_pos(ra, dec, NULL, 300, -428.8, NULL, 2016.0, 1992.25)",
        "ivo_geom_transform('ICRS', 'GALACTIC', POINT(120, -23))",
        "ivo_to_jd('1910-12-31T06:00:00')",
        "ivo_to_mjd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))",
        "ivo_hasword('shown that', 'show')",
        "ivo_hashlist_has('red#green', 'red')",
        "ivo_nocasematch('abcabc', 'ab%')",
        "ivo_interval_overlaps(-3, -2, 2, 3)",
        "ivo_normal_random(10, 5)",
        "ivo_hms_to_degrees('3:34:45.4')",
        "ivo_dms_to_degrees('42d9m6.768s')",
        "scisql_dnToAbMagSigma(1, 1, 1, 1)",
        "scisql_dnToFlux(1, 1)",
        "scisql_fluxToDn(1, 1)",
        "scisql_abMagToDnSigma(20, 0.1, 1e6, 1)",
        "scisql_s2PtInEllipse(ra, dec, 1, 2, 30, 20, 45)",
        "scisql_s2PtInBox(ra, dec, 350, -1, 10, 1)",
    ] {
        datafusion(&format!("SELECT {call} AS x FROM table1"));
    }
    let sql = datafusion(
        "SELECT ivo_histogram(ra, 0, 360, 36) AS x, ivo_string_agg('a', '#') AS y FROM table1",
    );
    assert!(sql.contains("ivo_histogram"), "{sql}");
    let point = good("SELECT ivo_geom_transform('ICRS', 'GALACTIC', POINT(1, 2)) AS x FROM table1");
    assert_eq!(point.columns[0].ty, elqui_adql::Type::Point);
    let error = refused("SELECT ivo_simbadpoint('M 31') FROM table1");
    assert!(error.contains("column 8") && error.contains("POINT(ra, dec)"), "{error}");
}
