//! Joins against a join by hand: every pair looked at, overlaps by points that both shapes hold.

use super::*;
use elqui_registry::{DatasetQuery, Select};
use elqui_sphere::{healpix_center, healpix_index, healpix_vertices};
use std::collections::BTreeSet;

const WIDTH: f64 = 0.18;
const HEIGHT: f64 = 0.2;
/// Points a side of the grid that stands for a detector.
const GRID: usize = 200;

fn keys(ids: &[DataId], names: &[&str]) -> BTreeSet<Vec<String>> {
    let value = |id: &DataId, n: &str| id.get(n).map(ToString::to_string).unwrap_or_default();
    ids.iter().map(|id| names.iter().map(|n| value(id, n)).collect()).collect()
}

fn texts<const N: usize>(of: [i64; N]) -> Vec<String> {
    of.iter().map(ToString::to_string).collect()
}

/// A camera whose visits have no region of their own, exposures 2 to a visit, and patches.
fn big(r: &mut Registry) {
    fill(r);
    let big = |e: &str| DimensionRecord::new(e).with("instrument", "Big");
    let mut all = vec![big("instrument")];
    all.push(big("physical_filter").with("physical_filter", "Big-r").with("band", "r"));
    for d in 0..3_i64 {
        all.push(big("detector").with("detector", d));
    }
    for v in 1..=6_i64 {
        let one = big("visit").with("visit", v).with("physical_filter", "Big-r");
        all.push(one.with("day_obs", 20_260_101_i64));
        for e in [10 * v, 10 * v + 1] {
            let one = big("exposure").with("exposure", e).with("physical_filter", "Big-r");
            all.push(one.with("day_obs", 20_260_101_i64));
            if v != 4 {
                all.push(big("visit_definition").with("exposure", e).with("visit", v));
            }
        }
        for d in 0..3_i64 {
            let one = big("visit_detector_region").with("visit", v).with("detector", d);
            all.push(one.region(looked(v, d)));
        }
    }
    let rings = |e: &str| DimensionRecord::new(e).with("skymap", "rings");
    all.extend([rings("skymap"), rings("tract").with("tract", 1).region(square(42.0, 4.0))]);
    all.push(rings("tract").with("tract", 2).region(square(52.0, 4.0)));
    for (p, at) in PATCHES {
        all.push(rings("patch").with("tract", 1).with("patch", p).region(square(at, 0.5)));
    }
    r.insert_records(&all).unwrap();
}

const PATCHES: [(i64, f64); 4] = [(0, 41.0), (1, 42.1), (2, 42.6), (3, 43.7)];

fn square(ra: f64, size: f64) -> SkyRegion {
    SkyRegion::Box { ra, dec: 0.0, width: size, height: size }
}

fn looked(visit: i64, detector: i64) -> SkyRegion {
    let ra = 40.0 + visit as f64 * 0.9 + 0.2 * detector as f64;
    SkyRegion::Box { ra, dec: 0.0, width: WIDTH, height: HEIGHT }
}

fn apart(a: &SkyRegion, b: &SkyRegion) -> bool {
    // All boxes here are on the equator, so right ascensions alone tell.
    let (SkyRegion::Box { ra: p, width: v, .. }, SkyRegion::Box { ra: q, width: w, .. }) = (a, b)
    else {
        return true;
    };
    (p - q).abs() > (v + w) / 2.0
}

pub fn relations_and_roots(r: &mut Registry) {
    big(r);
    // Exposures of visits: as `visit_definition` says, and nothing else.
    let of = |v: i64| if v == 4 { [].as_slice() } else { &[0, 1] };
    let mut by_hand = BTreeSet::new();
    for v in 1..=6_i64 {
        for e in of(v) {
            by_hand.extend((0..3).map(|d| texts([v, d, 10 * v + e])));
        }
    }
    let select = Select::condition("instrument = 'Big'");
    let names = ["visit", "detector", "exposure"];
    let found = r.data_ids(&names, &[], &select).unwrap();
    assert_eq!(found.len(), by_hand.len(), "none twice");
    assert_eq!(keys(&found, &names), by_hand);
    // With datasets of exposures that must be there.
    dataset_type(r, "frame", &["exposure", "detector"]);
    r.register_collection("u/frames", CollectionKind::Run, "").unwrap();
    let frame = |e: i64, d: i64| {
        new(DataId::new().with("instrument", "Big").with("exposure", e).with("detector", d))
    };
    r.insert_datasets(
        "u/frames",
        "frame",
        &[frame(10, 0), frame(11, 0), frame(21, 2), frame(40, 1)],
    )
    .unwrap();
    let found = r.data_ids(&names, &[("frame", &["u/frames"])], &select).unwrap();
    let by_hand = BTreeSet::from([texts([1, 0, 10]), texts([1, 0, 11]), texts([2, 2, 21])]);
    assert_eq!(keys(&found, &names), by_hand);

    // What has no place constrains nothing but what it names.
    for (condition, n) in [
        ("instrument = 'Big' AND tract = 1", 4 * 2),
        ("instrument = 'Sim' AND skymap = 'rings' AND tract = 1 AND band = 'r'", 4),
        ("instrument = 'Nobody' AND tract = 1", 0),
        ("instrument = 'Big' AND physical_filter = 'Big-r' AND tract = 1", 4),
        ("physical_filter GLOB 'Sim-*' AND instrument = 'Sim' AND patch = 2", 2),
        ("skymap = 'rings' AND patch IN (1, 2)", 4),
    ] {
        for names in [
            &["patch", "band"][..],
            &["tract", "patch", "band"],
            &["skymap", "tract", "patch", "band"],
        ] {
            let found = r.data_ids(names, &[], &Select::condition(condition));
            let found = found.unwrap_or_else(|e| panic!("{condition}: {e}"));
            assert_eq!(found.len(), n, "{condition}");
        }
    }
    let day = Select::condition("instrument = 'Big' AND day_obs = 20260101");
    refused(r.data_ids(&["patch", "band"], &[], &day), &["nothing relates", "day_obs"]);

    // A visit without a region is where its detectors are; one with a region is there.
    let patches: Vec<(i64, SkyRegion)> = PATCHES.map(|(p, at)| (p, square(at, 0.5))).into();
    let mut by_hand = BTreeSet::new();
    for v in 1..=6_i64 {
        for (p, region) in &patches {
            if (0..3).any(|d| !apart(&looked(v, d), region)) {
                by_hand.insert(texts([v, *p]));
            }
        }
    }
    assert!(by_hand.len() > 3 && by_hand.len() < 20, "{by_hand:?}");
    for names in [["visit", "patch"], ["patch", "visit"]] {
        let found = r.data_ids(&names, &[], &select).unwrap();
        assert_eq!(keys(&found, &["visit", "patch"]), by_hand);
        assert_eq!(found.len(), by_hand.len());
    }
    let of_patches = Select::condition("instrument = 'Big' AND visit = 3");
    let found = r.data_ids(&["patch", "band"], &[], &of_patches).unwrap();
    let here: BTreeSet<_> =
        by_hand.iter().filter(|k| k[0] == "3").map(|k| vec![k[1].clone()]).collect();
    assert_eq!(keys(&found, &["patch"]), here);
    let near =
        Select::condition("visit OVERLAPS CIRCLE(42.8, 0, 0.05) AND instrument IN ('Big', 'Sim')");
    assert_eq!(
        keys(&r.data_ids(&["visit"], &[], &near).unwrap(), &["instrument", "visit"]).len(),
        1
    );
    let near = Select::condition("visit OVERLAPS CIRCLE(30, 0, 0.05)");
    assert_eq!(r.data_ids(&["visit"], &[], &near).unwrap().len(), 1, "Sim has regions of its own");
    let both = Select::condition("instrument = 'Big' AND visit = 3 AND physical_filter = 'Big-r'");
    assert_eq!(keys(&r.data_ids(&["patch"], &[], &both).unwrap(), &["patch"]), here);
}

/// Whether a detector and a cell share a point.
fn meet(region: &SkyRegion, order: u8, index: u64) -> bool {
    let SkyRegion::Box { ra, dec, width, height } = *region else { return false };
    // Far ones need no look.
    let (x, y) = healpix_center(order, index);
    if elqui_base::separation(ra, dec, x, y).deg()
        > 2.0 * elqui_sphere::healpix_side_deg(order) + 0.3
    {
        return false;
    }
    let at = |k: usize, size: f64| ((k as f64 / GRID as f64) - 0.5) * size;
    let grid = |k: usize, j: usize| (ra + at(k, width), dec + at(j, height));
    let cell = healpix_vertices(order, index).into_iter().chain([healpix_center(order, index)]);
    cell.into_iter().any(|(x, y)| region.contains(x, y))
        || (0..=GRID).any(|k| {
            (0..=GRID).any(|j| {
                let (x, y) = grid(k, j);
                healpix_index(order, x, y) == index
            })
        })
}

pub fn healpix_cells_of_any_order(r: &mut Registry) {
    big(r);
    let nuniq = |order: u8, index: u64| (4_i64 << (2 * order)) + index as i64;
    let mut cells: BTreeSet<(u8, u64)> = BTreeSet::new();
    for order in [0, 2, 5, 7, 8, 9, 11, 13] {
        for k in 0..24 {
            let (ra, dec) = (40.85 + 0.11 * f64::from(k), 0.07 * f64::from(k % 4) - 0.1);
            cells.insert((order, healpix_index(order, ra, dec)));
        }
        cells.insert((order, healpix_index(order, 200.0, 45.0)));
    }
    let mut by_hand = BTreeSet::new();
    for v in 1..=6_i64 {
        for d in 0..3_i64 {
            let all = cells.iter().filter(|(o, i)| meet(&looked(v, d), *o, *i));
            by_hand.extend(all.map(|(o, i)| texts([v, d, nuniq(*o, *i)])));
        }
    }
    assert!(by_hand.len() > 60, "{}", by_hand.len());
    let list: Vec<String> = cells.iter().map(|(o, i)| nuniq(*o, *i).to_string()).collect();
    let list = list.join(", ");
    let names = ["visit", "detector", "healpix"];
    // The cells that an expression lists.
    let select = Select::condition(&format!("instrument = 'Big' AND healpix IN ({list})"));
    let found = r.data_ids(&names, &[], &select).unwrap();
    assert_eq!(keys(&found, &names), by_hand);
    assert_eq!(found.len(), by_hand.len());
    // Visits and detectors near cells that are not part of what is asked for.
    let found = r.data_ids(&["visit", "detector"], &[], &select).unwrap();
    let pairs: BTreeSet<Vec<String>> = by_hand.iter().map(|k| k[..2].to_vec()).collect();
    assert_eq!(keys(&found, &["visit", "detector"]), pairs);
    // Cells that datasets have.
    dataset_type(r, "tile", &["healpix"]);
    r.register_collection("u/tiles", CollectionKind::Run, "").unwrap();
    let tile = |o: u8, i: u64| new(DataId::new().with("healpix", nuniq(o, i)));
    let tiles: Vec<_> = cells.iter().map(|(o, i)| tile(*o, *i)).collect();
    r.insert_datasets("u/tiles", "tile", &tiles).unwrap();
    let big = Select::condition("instrument = 'Big'");
    let found = r.data_ids(&names, &[("tile", &["u/tiles"])], &big).unwrap();
    assert_eq!(keys(&found, &names), by_hand);
    for (v, d) in [(1, 0), (3, 2), (6, 1)] {
        let condition = format!("instrument = 'Big' AND visit = {v} AND detector = {d}");
        let found = r.datasets(&DatasetQuery::new("tile", &["u/tiles"], &condition)).unwrap();
        let ids: Vec<DataId> = found.into_iter().map(|d| d.name.data_id).collect();
        let mine = by_hand.iter().filter(|k| k[..2] == texts([v, d]));
        let mine: BTreeSet<Vec<String>> = mine.map(|k| vec![k[2].clone()]).collect();
        assert_eq!(keys(&ids, &["healpix"]), mine, "{condition}");
    }
    // Alone: those that are listed.
    let alone =
        r.data_ids(&["healpix"], &[], &Select::condition("healpix IN (4..7, 1024)")).unwrap();
    assert_eq!(alone.len(), 5);
    let tract = Select::condition(&format!("tract = 1 AND healpix IN ({list})"));
    assert!(r.data_ids(&["tract", "healpix"], &[], &tract).unwrap().len() > 8);
    refused(r.data_ids(&names, &[], &big), &["no records to choose from", "healpix IN ("]);
    let three = Select::condition("instrument = 'Big' AND healpix = 3");
    refused(r.data_ids(&names, &[], &three), &["column 32", "3 is no HEALPix cell"]);
    let bad = new(DataId::new().with("healpix", 3_i64));
    refused(r.insert_datasets("u/tiles", "tile", &[bad]), &["`3` as healpix", "4 * 4^order"]);
}
