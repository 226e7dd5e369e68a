//! The one rule, and which outside libraries may enter where.

use crate::house::{House, Room, WINGS};

/// An outside library and the only places that may import it: wings, or rooms as `wing/room`.
struct Guest {
    name: &'static str,
    places: &'static [&'static str],
    why: &'static str,
}

const fn guest(name: &'static str, places: &'static [&'static str], why: &'static str) -> Guest {
    Guest { name, places, why }
}

const APPS: &[&str] = &["apps"];
const SERVERS: &[&str] = &["services", "apps"];
const COLUMNS: &[&str] = &["formats", "archive", "services", "apps"];

const GUESTS: [Guest; 36] = [
    guest("datafusion", &["archive/skydb"], "one room knows the SQL engine"),
    guest("sqlparser", &["formats/adql"], "one room knows the SQL parser"),
    guest("axum", SERVERS, "HTTP is for the services"),
    guest("tower", SERVERS, "HTTP is for the services"),
    guest("tower-http", SERVERS, "HTTP is for the services"),
    guest("hyper", SERVERS, "HTTP is for the services"),
    guest(
        "tokio",
        &["engines", "archive", "services", "apps"],
        "algorithms and formats are not asynchronous",
    ),
    guest(
        "futures",
        &["archive", "services", "apps"],
        "algorithms and formats are not asynchronous",
    ),
    guest("pulp", &["pixels/image"], "one room knows the processor's vectors"),
    guest("object_store", &["archive"], "only the archive knows where things are kept"),
    guest(
        "blake3",
        &["archive/datastore", "archive/catalog"],
        "the sums of artifacts and of catalogue files are theirs",
    ),
    guest("rusqlite", &["engines/sql"], "one room knows the registry's database"),
    guest("postgres", &["engines/sql"], "one room knows the registry's database"),
    guest("sqlx", &["engines/sql"], "one room knows the registry's database"),
    guest("rustls", &["engines/sql"], "one room knows the registry's database"),
    guest("rustls-native-certs", &["engines/sql"], "one room knows the registry's database"),
    guest("tokio-rustls", &["engines/sql"], "one room knows the registry's database"),
    guest("whoami", &["engines/sql"], "one room knows the registry's database"),
    guest("reqwest", SERVERS, "the network is for the services"),
    guest("clap", APPS, "only the apps read arguments"),
    guest("miette", APPS, "only the apps report errors to people"),
    guest("anyhow", APPS, "every other room names its errors"),
    guest("indicatif", APPS, "only the apps draw progress bars"),
    guest("plotters", APPS, "only the apps draw plots"),
    guest("arrow", COLUMNS, "algorithms use the house's own tables"),
    guest("parquet", COLUMNS, "algorithms use the house's own tables"),
    guest("fitsio-pure", &["formats/fits"], "one room knows the FITS library"),
    guest("fitsio", &["formats/fits"], "one room knows the FITS library"),
    guest("quick-xml", &["formats", "services"], "XML stops at the formats"),
    guest("rust-embed", &["services/portal"], "one room holds the page"),
    guest("rustfft", &["pixels"], "transforms are pixel arithmetic"),
    guest("realfft", &["pixels"], "transforms are pixel arithmetic"),
    guest("faer", &["sky", "pixels", "catalogs"], "linear algebra is for algorithms"),
    guest("kiddo", &["catalogs"], "trees of positions are for the catalogues"),
    guest(
        "rayon",
        &["pixels", "catalogs", "formats", "archive", "pipelines", "services", "apps"],
        "the sky wing starts no threads",
    ),
    guest("rand", &["pixels/simulate"], "only the simulation is random"),
];

/// Everything that is wrong, one line each.
pub fn check(house: &House) -> Vec<String> {
    let mut problems = house.lost.clone();
    for (index, wing) in WINGS.iter().enumerate() {
        let mut rooms = house.rooms.iter().filter(|r| r.wing == index).peekable();
        if let (Some(_), Some(root)) = (rooms.peek(), wing.root)
            && !rooms.any(|r| r.name == root)
        {
            problems.push(format!("the wing `{}` has no root `{root}`", wing.name));
        }
    }
    let all = house.rooms.iter().map(|r| (&r.package, &r.description));
    for (package, description) in all.chain(house.outside.iter().map(|(p, d)| (p, d))) {
        if description.trim().is_empty() {
            problems.push(format!("`{package}` has no description in its Cargo.toml"));
        }
    }
    for room in &house.rooms {
        for door in &room.doors {
            let found = match house.room_of(door) {
                Some(other) => wrong_door(room, other),
                None if house.outside.iter().any(|(name, _)| name == door) => {
                    Some(format!("`{door}` is no room"))
                }
                None => wrong_guest(room, door),
            };
            if let Some(why) = found {
                problems.push(format!("{} must not import {door}: {why}", room.path()));
            }
        }
    }
    problems
}

/// Why this room may not import that one.
fn wrong_door(room: &Room, other: &Room) -> Option<String> {
    let (here, there) = (&WINGS[room.wing], &WINGS[other.wing]);
    if other.wing > room.wing {
        return Some(format!("the wing `{}` lies below `{}`", there.name, here.name));
    }
    if other.wing == room.wing && here.root != Some(other.name.as_str()) {
        return Some(match here.root {
            Some(root) => format!("inside `{}` only its root `{root}` is shared", here.name),
            None => format!("no room of `{}` is shared", here.name),
        });
    }
    let pixels_room = there.name == "pixels" && other.name != "image";
    if here.name == "catalogs" && pixels_room {
        return Some("from `pixels` the wing `catalogs` takes only `image`".into());
    }
    if other.name == "simulate" && here.name != "apps" {
        return Some("what is tested must not know the simulation (dev-dependencies may)".into());
    }
    None
}

/// Why this room may not use that library.
fn wrong_guest(room: &Room, library: &str) -> Option<String> {
    let guest = GUESTS.iter().find(|g| g.name == library)?;
    let path = room.path();
    let welcome = guest.places.iter().any(|p| *p == WINGS[room.wing].name || *p == path);
    (!welcome).then(|| format!("{} (it belongs in {})", guest.why, guest.places.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn package(path: &str, doors: &[&str]) -> Value {
        let name = format!("elqui-{}", path.rsplit('/').next().unwrap());
        let doors: Vec<Value> = doors
            .iter()
            .map(|d| match d.strip_prefix("dev:") {
                Some(name) => json!({"name": name, "kind": "dev"}),
                None => json!({"name": d, "kind": null}),
            })
            .collect();
        json!({
            "name": name,
            "description": "A room.",
            "manifest_path": format!("/somewhere/crates/{path}/Cargo.toml"),
            "dependencies": doors,
        })
    }

    fn problems(rooms: &[(&str, &[&str])]) -> Vec<String> {
        let roots = ["sky/base", "pixels/image", "catalogs/matching", "archive/butler"];
        let mut packages: Vec<Value> = roots.iter().map(|r| package(r, &[])).collect();
        packages.extend(rooms.iter().map(|(path, doors)| package(path, doors)));
        check(&House::read(&json!({ "packages": packages })).unwrap())
    }

    #[test]
    fn downhill_and_to_the_root_is_allowed() {
        let found = problems(&[
            ("pixels/isr", &["elqui-base", "elqui-image", "rayon", "serde"]),
            ("catalogs/photometry", &["elqui-image", "elqui-matching", "dev:elqui-isr"]),
            ("archive/skydb", &["datafusion", "tokio"]),
            ("apps/elqui", &["elqui-isr", "elqui-skydb", "clap"]),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn wrong_doors_are_named() {
        let cases: [(&str, &str, &str); 8] = [
            ("pixels/isr", "elqui-butler", "the wing `archive` lies below `pixels`"),
            ("pixels/psf", "elqui-isr", "inside `pixels` only its root `image` is shared"),
            ("catalogs/photometry", "elqui-isr", "from `pixels` the wing `catalogs` takes only"),
            ("archive/instrument", "datafusion", "one room knows the SQL engine"),
            ("pixels/psf", "tokio", "not asynchronous"),
            ("archive/skydb", "axum", "HTTP is for the services"),
            ("sky/wcs", "rayon", "starts no threads"),
            ("archive/instrument", "elqui-simulate", "must not know the simulation"),
        ];
        for (path, door, why) in cases {
            let found = problems(&[("pixels/isr", &[]), ("pixels/simulate", &[]), (path, &[door])]);
            assert_eq!(found.len(), 1, "{found:?}");
            let start = format!("{path} must not import {door}: ");
            assert!(found[0].starts_with(&start) && found[0].contains(why), "{found:?}");
        }
    }

    #[test]
    fn strangers_and_silent_rooms_are_named() {
        let mut silent = package("sky/wcs", &[]);
        silent["description"] = Value::Null;
        let packages =
            json!({"packages": [package("sky/base", &[]), silent, package("cellar/wine", &[])]});
        let found = check(&House::read(&packages).unwrap());
        assert!(found.iter().any(|p| p.contains("`cellar`, which is no wing")), "{found:?}");
        assert!(found.iter().any(|p| p.contains("`elqui-wcs` has no description")), "{found:?}");
        let rootless = json!({"packages": [package("sky/wcs", &[])]});
        let found = check(&House::read(&rootless).unwrap());
        assert_eq!(found, ["the wing `sky` has no root `base`"]);
    }

    #[test]
    fn the_map_shows_doors_and_roots() {
        let packages = [package("sky/base", &[]), package("sky/wcs", &["elqui-base", "serde"])];
        let map = House::read(&json!({ "packages": packages })).unwrap().map();
        assert!(map.contains("  base*"), "{map}");
        assert!(map.lines().any(|l| l.trim().starts_with("wcs") && l.ends_with("base")), "{map}");
    }
}
