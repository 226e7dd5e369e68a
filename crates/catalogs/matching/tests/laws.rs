//! Matching: wraps, poles, NaN, ties; reference catalogues with their many column names.

use elqui_base::separation;
use elqui_matching::*;
use elqui_schema::{Column, ColumnData, Table};

fn view<'a>(ra: &'a [f64], dec: &'a [f64]) -> PointView<'a> {
    PointView { ra, dec }
}

#[test]
fn right_ascension_wraps_and_may_be_negative() {
    let (ra, dec) = ([0.0, 359.9999, 10.0], [0.0, 0.0, 5.0]);
    let (rb, db) = ([-0.0001, 360.0, 370.0], [0.0, 0.0, 5.0]);
    let pairs: Vec<(usize, usize)> =
        match_sky(view(&ra, &dec), view(&rb, &db), 0.1).iter().map(|m| (m.a, m.b)).collect();
    assert_eq!(pairs, [(0, 1), (1, 0), (2, 2)]);
}

#[test]
fn poles_and_nan() {
    let (ra, dec) = ([0.0, 180.0, f64::NAN, 5.0], [89.9999, 89.9999, 0.0, f64::NAN]);
    let (rb, db) = ([90.0, f64::NAN], [90.0, 1.0]);
    let found = match_sky(view(&ra, &dec), view(&rb, &db), 1.0);
    assert_eq!(found.len(), 2);
    assert!((found[0].separation_arcsec - 0.36).abs() < 1e-6);
    assert_eq!(match_sky_symmetric(view(&ra, &dec), view(&rb, &db), 1.0).len(), 1);
    assert!(match_sky(view(&ra, &dec), view(&[], &[]), 1.0).is_empty());
}

#[test]
fn trees_agree_with_brute_force() {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let ra: Vec<f64> = (0..500).map(|_| uniform() * 0.1 - 0.05).collect();
    let dec: Vec<f64> = (0..500).map(|_| uniform() * 0.1 + 60.0).collect();
    let tree = SkyTree::new(&ra, &dec);
    let all = match_sky_all(view(&ra, &dec), view(&ra, &dec), 20.0);
    let mut count = 0;
    for a in 0..500 {
        for b in 0..500 {
            count += usize::from(separation(ra[a], dec[a], ra[b], dec[b]).arcsec() <= 20.0);
        }
        assert_eq!(tree.nearest(ra[a] - 360.0, dec[a], 1.0).unwrap().0, a);
    }
    assert_eq!(all.len(), count);
    let points: Vec<[f64; 2]> = ra.iter().zip(&dec).map(|(a, d)| [*a, *d]).collect();
    let (grid, plane) = (PlaneGrid::new(&points, 0.003), PlaneTree::new(&points));
    for _ in 0..2000 {
        let (x, y) = (uniform() * 0.12 - 0.06, uniform() * 0.12 + 59.99);
        assert_eq!(grid.nearest(x, y).map(|n| n.0), plane.nearest(x, y, 0.003).map(|n| n.0));
    }
}

#[test]
fn equal_points_are_no_trouble() {
    let ra = vec![5.0; 200];
    let dec = vec![5.0; 200];
    let tree = SkyTree::new(&ra, &dec);
    let near = tree.within(5.0, 5.0, 0.1);
    assert_eq!(near.len(), 200);
    assert_eq!(near[0].0, 0);
    assert_eq!(match_sky_symmetric(view(&ra, &dec), view(&ra, &dec), 0.1).len(), 1);
}

fn table(columns: &[(&str, &[f64])]) -> Table {
    let mut t = Table::new("refs");
    for (name, values) in columns {
        t.push(Column::new(*name, ColumnData::F64(values.to_vec()))).unwrap();
    }
    t
}

#[test]
fn columns_are_recognised() {
    let tycho =
        table(&[("ra_deg", &[-10.0, 30.0]), ("dec_deg", &[1.0, 46.0]), ("VTmag", &[7.0, 99.0])]);
    let c = RefCatalog::from_table(&tycho, "clear").unwrap();
    assert_eq!((c.stars[0].ra, c.stars[0].mag, c.photometric), (350.0, 7.0, false));
    assert!(c.stars[1].mag.is_nan());

    let sdss = table(&[
        ("ra", &[1.0]),
        ("dec", &[2.0]),
        ("g", &[17.0]),
        ("r", &[16.0]),
        ("r_err", &[0.01]),
    ]);
    let c = RefCatalog::from_table(&sdss, "r").unwrap();
    assert_eq!((c.stars[0].mag, c.stars[0].mag_err, c.photometric), (16.0, 0.01, true));

    let lsst = table(&[
        ("coord_ra", &[1.0]),
        ("coord_dec", &[0.5]),
        ("r_flux", &[3631.0]),
        ("r_fluxErr", &[36.31]),
    ]);
    let c = RefCatalog::from_table(&lsst, "r").unwrap();
    assert!((c.stars[0].ra - 1f64.to_degrees()).abs() < 1e-12);
    assert!((c.stars[0].mag - 22.5).abs() < 1e-3 && (c.stars[0].mag_err - 0.010857).abs() < 1e-5);
}

#[test]
fn a_missing_column_is_named_with_those_there() {
    let t = table(&[("alpha", &[1.0]), ("dec", &[2.0])]);
    let error = RefCatalog::from_table(&t, "r").unwrap_err().to_string();
    assert!(error.contains("right ascension") && error.contains("alpha, dec"), "{error}");
    let map = ColumnMap { ra: "alpha".into(), ..ColumnMap::default() };
    assert_eq!(RefCatalog::from_table_with(&t, "r", &map).unwrap().stars[0].ra, 1.0);
}
