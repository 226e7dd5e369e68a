//! Which collections hold datasets: what an export says of it, and what an import makes of that.
//!
//! An import asks before it writes anything whether tags and validities have room here. After its datasets are
//! registered it sets them one by one; each is passed over where it is set already, so an import that was cut
//! off is completed by the same import again.

use super::Repository;
use super::error::Result;
use super::manifest::Line;
use elqui_butler::{Collection, CollectionKind, Dataset, DatasetId, DatasetRef, Timespan};
use elqui_registry::DatasetQuery;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What an export says of collections.
#[derive(Default)]
pub(super) struct Membership {
    pub collections: Vec<Collection>,
    pub tags: BTreeMap<String, Vec<DatasetId>>,
    pub validities: Vec<(String, DatasetId, Timespan)>,
}

impl Repository {
    /// Why the collections cannot be as the export has them, if so.
    /// - `names`: of the export's datasets
    pub(super) fn no_room(
        &mut self,
        wanted: &Membership,
        names: &HashMap<DatasetId, &DatasetRef>,
    ) -> Result<Option<String>> {
        let here: HashMap<String, CollectionKind> =
            self.registry.collections("*")?.into_iter().map(|c| (c.name, c.kind)).collect();
        for one in &wanted.collections {
            if let Some(kind) = here.get(&one.name).filter(|kind| **kind != one.kind) {
                let (name, other) = (&one.name, one.kind);
                return Ok(Some(format!(
                    "`{name}` is a {other} collection there, a {kind} one here"
                )));
            }
        }
        for (collection, ids) in wanted.tags.iter().filter(|(c, _)| here.contains_key(*c)) {
            for (id, name) in ids.iter().filter_map(|id| Some((id, names.get(id)?))) {
                // Its type may not be here yet.
                let Ok(Some(found)) = self.registry.find(name, &[collection]) else { continue };
                if found.id != *id {
                    let why = format!("`{collection}` holds another {name} here: untag it first");
                    return Ok(Some(why));
                }
            }
        }
        let mut certified = HashMap::new();
        for (collection, id, validity) in &wanted.validities {
            let Some(name) = names.get(id).filter(|_| here.contains_key(collection)) else {
                continue;
            };
            let key = (collection, &name.dataset_type);
            // An unknown type has no validities yet.
            let found = certified.entry(key).or_insert_with(|| {
                self.registry.certified(&name.dataset_type, &[collection]).unwrap_or_default()
            });
            let other = found.iter().find(|c| {
                c.dataset.name == **name && c.validity.overlaps(*validity) && c.dataset.id != *id
            });
            if let Some(other) = other {
                return Ok(Some(format!(
                    "`{collection}` holds another {name} for {} here: decertify that time first",
                    other.validity
                )));
            }
        }
        Ok(None)
    }

    /// Set what is not set yet. A chain that is here already stays as it is.
    pub(super) fn set_membership(&mut self, wanted: &Membership) -> Result<()> {
        for one in &wanted.collections {
            let new = self.registry.register_collection(&one.name, one.kind, &one.doc)?;
            // One without children was made by an import that was cut off.
            let bare = |c: &Collection| c.children.is_empty();
            let empty = new || self.registry.collections(&one.name)?.iter().any(bare);
            if one.kind == CollectionKind::Chained && empty {
                let children: Vec<&str> = one.children.iter().map(String::as_str).collect();
                self.registry.set_chain(&one.name, &children)?;
            }
        }
        for (collection, ids) in &wanted.tags {
            self.registry.register_collection(collection, CollectionKind::Tagged, "")?;
            self.registry.tag(collection, ids)?;
        }
        for (collection, id, validity) in &wanted.validities {
            self.registry.register_collection(collection, CollectionKind::Calibration, "")?;
            if !self.registry.validities(*id)?.contains(&(collection.clone(), *validity)) {
                self.registry.certify(collection, &[*id], *validity)?;
            }
        }
        Ok(())
    }

    /// The collections that hold datasets, with their tags and validities; children before chains.
    pub(super) fn held_by(&mut self, datasets: &[&Dataset]) -> Result<Vec<Line>> {
        let all = self.registry.collections("*")?;
        let ids: HashSet<DatasetId> = datasets.iter().map(|d| d.id).collect();
        let mut held: HashSet<String> = datasets.iter().map(|d| d.run.clone()).collect();
        let mut inside = Vec::new();
        for dataset in datasets {
            for (collection, validity) in self.registry.validities(dataset.id)? {
                held.insert(collection.clone());
                inside.push(Line::Validity { collection, dataset: dataset.id, validity });
            }
        }
        for one in all.iter().filter(|c| c.kind == CollectionKind::Tagged) {
            for (name, _) in self.registry.counts(&[&one.name])? {
                let query = DatasetQuery::new(&name, &[&one.name], "");
                for dataset in self.registry.datasets(&query)? {
                    if ids.contains(&dataset.id) {
                        held.insert(one.name.clone());
                        let collection = one.name.clone();
                        inside.push(Line::Tag { collection, dataset: dataset.id });
                    }
                }
            }
        }
        let (mut chains, rest): (Vec<Collection>, Vec<Collection>) =
            all.into_iter().partition(|c| c.kind == CollectionKind::Chained);
        let rest = rest.into_iter().filter(|c| held.contains(&c.name));
        let mut lines: Vec<Line> = rest.map(Line::Collection).collect();
        // A chain comes when no other chain below it is to come.
        loop {
            let open: HashSet<String> = chains.iter().map(|c| c.name.clone()).collect();
            let ready = |c: &Collection| !c.children.iter().any(|child| open.contains(child));
            let (next, later): (Vec<_>, Vec<_>) = chains.into_iter().partition(ready);
            chains = later;
            if next.is_empty() {
                break;
            }
            for mut chain in next {
                chain.children.retain(|child| held.contains(child));
                if !chain.children.is_empty() {
                    held.insert(chain.name.clone());
                    lines.push(Line::Collection(chain));
                }
            }
        }
        lines.extend(inside);
        Ok(lines)
    }
}
