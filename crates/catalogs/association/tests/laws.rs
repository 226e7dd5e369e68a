//! Association over visits, on made-up sources.

use elqui_association::*;
use elqui_schema::SourceTable;

/// Stars on a grid 20 arcsec wide across RA 0, seen in `visits`, with small deterministic jitters.
fn visit(k: usize, n: usize) -> SourceTable {
    let mut t = SourceTable::with_rows(n);
    for r in 0..n {
        // The order of rows changes from visit to visit.
        let star = (r * 7 + k * 3) % n;
        let jitter = ((star * 31 + k * 17) % 11) as f64 / 11.0 - 0.5;
        t.source_id[r] = (1000 * (k + 1) + r) as i64;
        t.visit[r] = 100 + k as i64;
        t.mid_mjd_tai[r] = 60_000.0 + k as f64;
        t.ra[r] = ((star % 5) as f64 * 20.0 - 40.0 + 0.1 * jitter) / 3600.0;
        t.ra[r] = t.ra[r].rem_euclid(360.0);
        t.dec[r] = ((star / 5) as f64 * 20.0 - 0.1 * jitter) / 3600.0;
        t.ra_err[r] = 1e-5;
        t.dec_err[r] = 1e-5;
        let vary = if star == 3 { 1.0 + 0.3 * (k as f64).sin() } else { 1.0 + 0.001 * jitter };
        t.psf_flux[r] = 1000.0 * (1.0 + star as f64 / 10.0) * vary;
        t.psf_flux_err[r] = 1.0;
        t.extendedness[r] = 0.0;
    }
    t
}

fn check_flags(t: &mut SourceTable) {
    t.psf_flux_flag.iter_mut().for_each(|f| *f = false);
    t.pixel_flags_saturated_center.iter_mut().for_each(|f| *f = false);
    t.deblend_n_child.iter_mut().for_each(|n| *n = 0);
}

#[test]
fn every_star_becomes_one_object() {
    let mut tables: Vec<SourceTable> = (0..8).map(|k| visit(k, 20)).collect();
    tables.iter_mut().for_each(check_flags);
    tables[2].ra[4] = f64::NAN;
    let visits: Vec<VisitSources> = tables
        .iter()
        .enumerate()
        .map(|(k, t)| VisitSources { sources: t, band: ["g", "r"][k % 2] })
        .collect();
    let objects = associate(&visits, &AssociationConfig::default());
    assert_eq!(objects.len(), 20);
    assert_eq!(objects, associate(&visits, &AssociationConfig::default()));
    assert_eq!(objects.members.iter().map(Vec::len).sum::<usize>(), 159);
    assert_eq!(objects.source_object[2][4], None);

    let table = object_table(&visits, &objects);
    assert_eq!(table.rows(), 20);
    assert!(table.column("coord_ra").is_some_and(|c| c.unit == "deg"));
    let index = table.numbers("g_varIndex").unwrap();
    let star3 = objects.nearest(20.0 / 3600.0, 0.0, 1.0).unwrap();
    for (o, v) in index.iter().enumerate() {
        assert_eq!(*v > 0.05, o == star3, "object {o}: {v}");
    }
    let forced = forced_source_table(&visits, &objects);
    assert_eq!(forced.rows(), 159);
    assert!(forced.column("psfFlux").is_some_and(|c| c.unit == "nJy"));

    let config = SeriesConfig { band: "g".into(), coverage_min: 0.7, ..SeriesConfig::default() };
    let s = series(&visits, &objects, 20.0 / 3600.0, 0.0, &config).unwrap();
    assert_eq!(s.frames.len(), 4);
    assert_eq!((s.objects[0], s.objects.len()), (star3, 20));
    assert!(s.flux.iter().all(|f| f[0].0.is_finite()));
    assert!(series(&visits, &objects, 50.0, 0.0, &config).is_err());
}

#[test]
fn two_close_stars_stay_two() {
    let mut t = visit(0, 2);
    check_flags(&mut t);
    (t.ra[0], t.dec[0], t.ra[1], t.dec[1]) = (0.0, 0.0, 0.4 / 3600.0, 0.0);
    let mut later = t.clone();
    later.mid_mjd_tai = vec![60_001.0; 2];
    let visits =
        [VisitSources { sources: &t, band: "r" }, VisitSources { sources: &later, band: "r" }];
    let objects = associate(&visits, &AssociationConfig::default());
    assert_eq!(objects.len(), 2);
    assert!(objects.members.iter().all(|m| m.len() == 2));
    assert!(associate(&[], &AssociationConfig::default()).is_empty());
}
