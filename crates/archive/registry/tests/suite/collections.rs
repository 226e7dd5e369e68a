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
