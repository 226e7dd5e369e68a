//! Pages: together what one question gives, whatever is inserted or removed between them.

use super::*;
use elqui_registry::{Cursor, DatasetQuery, Select};

fn pages(r: &mut Registry, query: &DatasetQuery, size: usize) -> Vec<String> {
    let (mut query, mut all) = (query.clone(), Vec::new());
    query.select.limit = Some(size);
    loop {
        let page = r.datasets_page(&query).unwrap_or_else(|e| panic!("{query:?}: {e}"));
        assert!(page.items.len() <= size);
        all.extend(page.items.iter().map(|d| format!("{} {}", d.run, d.name)));
        // As a web service would: by its text.
        query.select.after = match page.next {
            Some(next) => Some(next.to_string().parse().unwrap()),
            None => return all,
        };
    }
}

/// A page is full with one, and nothing can follow it.
fn one_of_a_type_without_dimensions(r: &mut Registry) {
    dataset_type(r, "summary", &[]);
    for run in ["u/run1", "u/run2"] {
        r.insert_datasets(run, "summary", &[new(DataId::new())]).unwrap();
    }
    for (collection, all) in [("u/run1", 1), ("u/all", 2)] {
        for (first, order) in [(true, ""), (false, ""), (true, "ingest_date")] {
            let mut query = DatasetQuery::new("summary", &[collection], "");
            (query.find_first, query.select.order_by) = (first, order.into());
            for size in [1, 2] {
                let found = pages(r, &query, size);
                assert_eq!(found.len(), if first { 1 } else { all }, "{query:?}");
            }
        }
    }
    let mut select = Select { limit: Some(1), ..Select::default() };
    let page = r.data_ids_page(&[], &[], &select).unwrap();
    assert_eq!(page.items.len(), 1);
    select.after = page.next;
    assert!(select.after.is_none() || r.data_ids_page(&[], &[], &select).unwrap().items.is_empty());
}

pub fn pages_fit_together(r: &mut Registry) {
    fill(r);
    images(r, "u/run1");
    // Fields that are unknown of some.
    for v in 31..=36_i64 {
        let one = DimensionRecord::new("visit").with("instrument", "Sim").with("visit", v);
        let one = one.with("physical_filter", "Sim-r").with("day_obs", 20_260_101_i64);
        let one = if v % 3 == 0 { one } else { one.field("airmass", 1.0 + (v % 2) as f64 / 3.0) };
        r.insert_records(&[one]).unwrap();
    }
    r.register_collection("u/run2", CollectionKind::Run, "").unwrap();
    let some = |v: std::ops::RangeInclusive<i64>| -> Vec<_> {
        v.flat_map(|v| (0..DETECTORS).map(move |d| new(visit_id(v, d)))).collect()
    };
    r.insert_datasets("u/run2", "image", &some(18..=20)).unwrap();
    r.insert_datasets("u/run2", "image", &some(31..=36)).unwrap();
    r.register_collection("u/all", CollectionKind::Chained, "").unwrap();
    r.set_chain("u/all", &["u/run2", "u/run1"]).unwrap();
    for collection in ["u/run1", "u/run2", "u/all"] {
        for condition in
            ["", "band = 'r'", "visit OVERLAPS BOX(20, 0, 9, 1) OR visit > 30", "exposure > 3"]
        {
            for order in [
                "",
                "-visit, detector",
                "band, -visit",
                "visit.airmass, -detector",
                "-visit.airmass",
                "ingest_date",
            ] {
                for first in [true, false] {
                    let mut query = DatasetQuery::new("image", &[collection], condition);
                    query.select.order_by = order.into();
                    query.find_first = first;
                    let all = r.datasets(&query).unwrap();
                    let all: Vec<String> =
                        all.iter().map(|d| format!("{} {}", d.run, d.name)).collect();
                    for size in [7, 1000] {
                        assert_eq!(pages(r, &query, size), all, "{query:?}");
                    }
                }
            }
        }
    }
    one_of_a_type_without_dimensions(r);

    // Data ids, some of which the sky brings.
    let select =
        |order: &str| Select { order_by: order.into(), limit: Some(9), ..Select::default() };
    for order in ["", "-visit", "visit.exposure_time_s, -detector"] {
        let mut paged = select(order);
        let all = r
            .data_ids(&["visit", "detector"], &[], &Select { limit: None, ..select(order) })
            .unwrap();
        let mut found = Vec::new();
        loop {
            let page = r.data_ids_page(&["visit", "detector"], &[], &paged).unwrap();
            found.extend(page.items);
            let Some(next) = page.next else { break };
            paged.after = Some(next);
        }
        assert_eq!(found, all, "{order}");
        assert_eq!(found.len(), 26 * 4);
    }

    // What is inserted or removed meanwhile.
    let mut query = DatasetQuery::new("image", &["u/run1"], "");
    query.select.limit = Some(10);
    let first = r.datasets_page(&query).unwrap();
    assert_eq!(first.items.len(), 10);
    // The last one that was seen goes; one before it and one after it come.
    r.remove_datasets(&[first.items[9].id, first.items[0].id]).unwrap();
    r.insert_datasets("u/run1", "image", &[new(visit_id(1, 0)), new(visit_id(31, 0))]).unwrap();
    query.select.after = first.next.clone();
    query.select.limit = Some(100);
    let rest = r.datasets_page(&query).unwrap();
    assert_eq!(rest.items.len(), 70 + 1);
    assert!(rest.items.iter().all(|d| !first.items.contains(d)));
    assert!(rest.next.is_none());

    // A cursor belongs to one question.
    query.select.condition = "band = 'r'".into();
    refused(r.datasets_page(&query), &["another question", "begin again"]);
    query.select.after = None;
    query.select.offset = 3;
    refused(r.datasets_page(&query), &["not both"]);
    refused("0.x'; DROP TABLE dataset".parse::<Cursor>(), &["not one that a page ended with"]);
    query.select.offset = 0;
    query.select.condition = "visit > 0".into();
    query.select.order_by = "exposure".into();
    refused(r.datasets_page(&query), &["`exposure`", "order by what belongs to it alone"]);
}
