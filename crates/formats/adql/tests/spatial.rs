//! Spatial predicates are found in every spelling, with their place in the boolean tree.

mod common;
use common::good;
use elqui_adql::tree::JoinKind;
use elqui_adql::{Clause, Position, Predicate, Shape, SpatialTerm, Step};
use elqui_sphere::SkyRegion;

fn terms(condition: &str) -> Vec<SpatialTerm> {
    good(&format!("SELECT a.id FROM t1 a, t2 b WHERE {condition}")).terms
}

fn circle(t: &SpatialTerm) -> (f64, f64, f64, bool) {
    let Predicate::InRegion { position, region, inclusive } = &t.predicate else { panic!("{t:?}") };
    assert_eq!(position.columns(), Some(("a", "ra", "dec")), "{t:?}");
    let Shape::Region(SkyRegion::Circle { ra, dec, radius }) = region else { panic!("{t:?}") };
    (*ra, *dec, *radius, *inclusive)
}

#[test]
fn a_cone_in_every_spelling() {
    for text in [
        "1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25))",
        "CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25)) = 1",
        "contains(point('ICRS', A.RA, a.DEC), circle('ICRS GEOCENTER', 10, -20.5, 0.25)) = 1",
        "CONTAINS(POINT(a.ra, a.dec), CIRCLE(POINT(10, -20.5), 0.5 / 2)) <> 0",
        "CONTAINS(POINT(a.ra, a.dec), REGION('CIRCLE ICRS 10 -20.5 0.25')) = 1",
        "CONTAINS(POINT(a.ra, a.dec), CAST('10 -20.5 0.25' AS CIRCLE)) = 1",
        "CONTAINS(POINT(10, -20.5), CIRCLE(a.ra, a.dec, 0.25)) = 1",
        "INTERSECTS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25)) = 1",
        "INTERSECTS(CIRCLE(10, -20.5, 0.25), POINT(a.ra, a.dec)) = 1",
        "DISTANCE(POINT(a.ra, a.dec), POINT(10, -20.5)) <= 0.25",
        "DISTANCE(a.ra, a.dec, 10, -20.5) <= 900.0 / 3600",
        "0.25 >= DISTANCE(10, -20.5, a.ra, a.dec)",
        "scisql_s2PtInCircle(a.ra, a.dec, 10, -20.5, 0.25) = 1",
        "scisql_s2PtInCircle(a.ra, a.dec, 10, -20.5, 0.25)",
        "scisql_angSep(a.ra, a.dec, 10, -20.5) <= 0.25",
        "qserv_areaspec_circle(10, -20.5, 0.25)",
        "(((1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25)))))",
    ] {
        let found = terms(text);
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(circle(&found[0]), (10.0, -20.5, 0.25, true), "{text}");
        assert!(found[0].required(), "{text}");
    }
    let open = terms("DISTANCE(a.ra, a.dec, 10, -20.5) < 0.25");
    assert_eq!(circle(&open[0]), (10.0, -20.5, 0.25, false));
    let outside = terms("0 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25))");
    assert!(outside[0].negated && !outside[0].required());
    // A range of coordinates is not geometry, nor is a distance from below, nor a constant.
    for text in [
        "a.ra BETWEEN 1 AND 2 AND a.dec BETWEEN 3 AND 4",
        "DISTANCE(a.ra, a.dec, 10, -20.5) > 0.25",
        "1 = CONTAINS(POINT(1, 2), CIRCLE(1, 2, 3))",
        "CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25)) + 1 = 2",
    ] {
        assert!(terms(text).is_empty(), "{text}");
    }
}

#[test]
fn other_regions() {
    let region = |text: &str| match terms(&format!("1 = CONTAINS(POINT(a.ra, a.dec), {text})"))
        .remove(0)
        .predicate
    {
        Predicate::InRegion { region, .. } => region,
        other => panic!("{other:?}"),
    };
    let vertices = vec![(1.0, 2.0), (3.0, 2.0), (2.0, 4.0)];
    let triangle = Shape::Region(SkyRegion::Polygon { vertices });
    for text in [
        "POLYGON(1, 2, 3, 2, 2, 4)",
        "POLYGON('ICRS', POINT(1, 2), POINT(3, 2), POINT(2, 4))",
        "REGION('POLYGON ICRS 1 2 3 2 2 4')",
        "CAST('1 2 3 2 2 4' AS POLYGON)",
    ] {
        assert_eq!(region(text), triangle, "{text}");
    }
    let square = SkyRegion::Box { ra: 1.0, dec: 2.0, width: 3.0, height: 4.0 };
    assert_eq!(region("BOX(1, 2, 3, 4)"), Shape::Region(square));
    assert!(matches!(region("MOC('3/5-7')"), Shape::Moc(m) if m.cells() == [5, 6, 7]));
    assert!(matches!(region("MOC(6, CIRCLE(1, 2, 3))"), Shape::Moc(m) if m.contains(1.0, 2.0)));
    // What an engine is given can be read back.
    for text in [
        "BOX(1, 2, 3, 4)",
        "POLYGON(1, 2, 3, 2, 2, 4)",
        "MOC('3/5-7 4/100')",
        "CIRCLE(1, -2, 1e-5)",
    ] {
        let sql = good(&format!("SELECT id FROM t1 WHERE 1 = CONTAINS(POINT(ra, dec), {text})"))
            .render(&elqui_adql::DataFusion)
            .unwrap();
        let given = sql.split('\'').nth(1).unwrap();
        assert_eq!(elqui_adql::stc_s(given).unwrap(), region(text), "{sql}");
    }
    let row = terms("1 = CONTAINS(POINT(3, 4), b.footprint)").remove(0);
    assert!(matches!(
        row.predicate,
        Predicate::InShape { position: Position::Constant { .. }, .. }
    ));
    let overlap = terms("1 = INTERSECTS(b.footprint, CIRCLE(1, 2, 3))").remove(0);
    assert!(matches!(overlap.predicate, Predicate::Overlap { .. }));
}

#[test]
fn neighbours_and_places_in_the_tree() {
    let found = terms(
        "a.id > 3 AND (1 = CONTAINS(POINT(a.ra, a.dec), CIRCLE(10, -20.5, 0.25))
         OR NOT DISTANCE(POINT(a.ra, a.dec), POINT(b.ra, b.dec)) < a.radius)
         AND CONTAINS(a.center, CIRCLE(b.ra, b.dec, 0.1)) = 1",
    );
    assert_eq!(found.len(), 3);
    assert_eq!(found[0].path, [Step::And(1), Step::Or(0)]);
    assert_eq!(found[1].path, [Step::And(1), Step::Or(1), Step::Not]);
    assert_eq!(found[2].path, [Step::And(2)]);
    assert_eq!(found.iter().map(SpatialTerm::required).collect::<Vec<_>>(), [false, false, true]);
    assert!(matches!(&found[1].predicate, Predicate::Near { a, b, inclusive: false, .. }
        if a.columns() == Some(("a", "ra", "dec")) && b.columns() == Some(("b", "ra", "dec"))));
    assert!(matches!(
        &found[2].predicate,
        Predicate::Near { a: Position::Point(_), inclusive: true, .. }
    ));
    assert_eq!(found[2].at.line, 3);
}

#[test]
fn joins_and_subqueries() {
    let c = good(
        "SELECT a.id FROM t1 a LEFT JOIN t2 b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.001
         JOIN table3 c ON 1 = CONTAINS(POINT(c.ra, c.dec), CIRCLE(a.ra, a.dec, 0.002))
         WHERE EXISTS (SELECT d.id FROM table1 d WHERE DISTANCE(d.ra, d.dec, a.ra, a.dec) < 1)
         AND a.id IN (SELECT id FROM table2 WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3)))",
    );
    let places: Vec<_> = c.terms.iter().map(|t| (t.select, t.clause)).collect();
    assert_eq!(
        places,
        [
            (0, Clause::On { join: 0, kind: JoinKind::Left }),
            (0, Clause::On { join: 1, kind: JoinKind::Inner }),
            (1, Clause::Where),
            (2, Clause::Where),
        ]
    );
}
