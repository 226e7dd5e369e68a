//! Chains, tags, and what may be removed.

use super::*;
use elqui_registry::DatasetQuery;

pub fn chains_tags_and_removal(r: &mut Registry) {
    fill(r);
    let old = images(r, "u/old");
    r.register_collection("u/new", CollectionKind::Run, "").unwrap();
    let new_ids =
        r.insert_datasets("u/new", "image", &[new(visit_id(1, 1)), new(visit_id(2, 1))]).unwrap();
    for chain in ["u/all", "u/inner", "u/loop"] {
        assert!(r.register_collection(chain, CollectionKind::Chained, "for people").unwrap());
    }
    assert!(!r.register_collection("u/all", CollectionKind::Chained, "").unwrap());
    r.set_chain("u/inner", &["u/old"]).unwrap();
    r.set_chain("u/all", &["u/new", "u/inner", "u/old"]).unwrap();
    // The first in the order of the search wins.
    assert_eq!(r.find(&image(1, 1), &["u/all"]).unwrap().unwrap().id, new_ids[0]);
    assert_eq!(r.find(&image(1, 1), &["u/old", "u/all"]).unwrap().unwrap().id, old[1]);
    assert_eq!(r.find(&image(3, 1), &["u/all"]).unwrap().unwrap().id, old[9]);
    let mut query = DatasetQuery::new("image", &["u/all"], "detector = 1");
    let first = r.datasets(&query).unwrap();
    assert_eq!(first.len(), 20);
    assert_eq!(first[0].run, "u/new");
    assert_eq!(first[2].run, "u/old");
    query.find_first = false;
    assert_eq!(r.datasets(&query).unwrap().len(), 22);

    refused(r.set_chain("u/inner", &["u/all"]), &["u/inner", "u/all", "must not hold itself"]);
    refused(r.set_chain("u/inner", &["u/inner"]), &["must not hold itself"]);
    refused(r.set_chain("u/inner", &["u/old", "u/old"]), &["twice"]);
    refused(r.set_chain("u/old", &["u/new"]), &["run", "only chained"]);
    refused(r.set_chain("u/inner", &["u/nothing"]), &["no collection `u/nothing`"]);
    let listed = r.collections("u/*l*").unwrap();
    let names: Vec<&str> = listed.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["u/all", "u/loop", "u/old"]);
    assert_eq!(listed[0].children, ["u/new", "u/inner", "u/old"]);
    assert_eq!(listed[0].doc, "for people");

    r.register_collection("u/tag", CollectionKind::Tagged, "").unwrap();
    r.tag("u/tag", &[old[1], old[9]]).unwrap();
    r.tag("u/tag", &[new_ids[0]]).unwrap();
    assert_eq!(r.find(&image(1, 1), &["u/tag"]).unwrap().unwrap().id, new_ids[0]);
    let tagged = r.datasets(&DatasetQuery::new("image", &["u/tag"], "")).unwrap();
    assert_eq!(tagged.len(), 2);
    assert_eq!(tagged[1].run, "u/old");
    assert_eq!(r.untag("u/tag", &[old[9], old[10]]).unwrap(), 1);
    refused(r.tag("u/old", &[old[1]]), &["u/old", "run"]);
    let mut gone = *old[0].as_bytes();
    gone[0] ^= 1;
    refused(r.tag("u/tag", &[DatasetId::from_bytes(gone)]), &["no dataset"]);

    refused(r.remove_collection("u/old"), &["u/old", "take it out there first"]);
    r.set_chain("u/all", &[]).unwrap();
    r.set_chain("u/inner", &[]).unwrap();
    refused(r.remove_collection("u/old"), &["80 datasets"]);
    r.remove_datasets(&old).unwrap();
    r.remove_collection("u/old").unwrap();
    r.remove_collection("u/tag").unwrap();
    refused(r.find(&image(1, 1), &["u/tag"]), &["no collection `u/tag`"]);
    assert!(r.find(&image(1, 1), &["u/new"]).unwrap().is_some());
}

pub fn runs_come_first_in_chains(r: &mut Registry) {
    for run in ["u/a", "u/b", "u/c", "u/raw", "u/sky"] {
        r.register_collection(run, CollectionKind::Run, "").unwrap();
    }
    let children = |r: &mut Registry| r.collections("u/out").unwrap()[0].children.clone();
    // Made, with the rest once each and without itself.
    r.prepend_to_chain("u/out", "u/a", &["u/raw", "u/out", "u/sky", "u/raw", "u/a"]).unwrap();
    assert_eq!(children(r), ["u/a", "u/raw", "u/sky"]);
    r.prepend_to_chain("u/out", "u/b", &["u/sky", "u/c"]).unwrap();
    assert_eq!(children(r), ["u/b", "u/a", "u/raw", "u/sky", "u/c"]);
    r.prepend_to_chain("u/out", "u/raw", &[]).unwrap();
    r.prepend_to_chain("u/out", "u/raw", &["u/out"]).unwrap();
    assert_eq!(children(r), ["u/raw", "u/b", "u/a", "u/sky", "u/c"]);

    // What is refused changes nothing, and makes no chain.
    refused(r.prepend_to_chain("u/out", "u/out", &[]), &["u/out", "must not hold itself"]);
    r.prepend_to_chain("u/over", "u/out", &[]).unwrap();
    refused(r.prepend_to_chain("u/out", "u/a", &["u/over"]), &["u/over", "must not hold itself"]);
    refused(r.prepend_to_chain("u/new", "u/nothing", &[]), &["no collection `u/nothing`"]);
    refused(r.prepend_to_chain("u/new", "u/a", &["u/nothing"]), &["no collection `u/nothing`"]);
    refused(r.prepend_to_chain("u/a", "u/b", &[]), &["u/a", "run", "only chained"]);
    refused(r.prepend_to_chain("u new", "u/a", &[]), &["u new"]);
    assert!(r.collections("u?new").unwrap().is_empty());
    assert_eq!(children(r), ["u/raw", "u/b", "u/a", "u/sky", "u/c"]);
}

/// Writers that put runs of theirs first in one chain, which none of them finds made: no run is lost, and each
/// one's later runs are before the earlier ones.
pub fn prependers(open: &(dyn Fn() -> Registry + Sync), threads: usize) {
    const RUNS: usize = 6;
    let mut r = open();
    r.register_collection("p/raw", CollectionKind::Run, "").unwrap();
    let start = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        for t in 0..threads {
            let start = &start;
            scope.spawn(move || {
                let mut r = open();
                start.wait();
                for k in 0..RUNS {
                    let run = format!("p/{t}/{k}");
                    r.register_collection(&run, CollectionKind::Run, "").unwrap();
                    r.prepend_to_chain("p/out", &run, &["p/raw", "p/out"]).unwrap();
                }
            });
        }
    });
    let children = r.collections("p/out").unwrap().remove(0).children;
    assert_eq!(children.len(), threads * RUNS + 1, "{children:?}");
    assert_eq!(children.last().unwrap(), "p/raw");
    for t in 0..threads {
        let own: Vec<String> = (0..RUNS).rev().map(|k| format!("p/{t}/{k}")).collect();
        let found: Vec<&String> = children.iter().filter(|c| own.contains(c)).collect();
        assert_eq!(found, own.iter().collect::<Vec<_>>());
    }
}
