//! The house: its wings in order, its rooms, and their doors, from `cargo metadata`.

use serde_json::Value;
use std::fmt::Write;

pub struct Wing {
    pub name: &'static str,
    /// The starred room, which the wing's other rooms may import.
    pub root: Option<&'static str>,
}

const fn wing(name: &'static str, root: Option<&'static str>) -> Wing {
    Wing { name, root }
}

/// In the order in which data flows.
pub const WINGS: [Wing; 9] = [
    wing("sky", Some("base")),
    wing("pixels", Some("image")),
    wing("catalogs", Some("matching")),
    wing("formats", Some("codec")),
    wing("engines", Some("sql")),
    wing("archive", Some("butler")),
    wing("pipelines", Some("pipeline")),
    wing("services", Some("web")),
    wing("apps", None),
];

/// One crate under `crates/WING/ROOM`.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    pub package: String,
    /// Index into `WINGS`.
    pub wing: usize,
    pub name: String,
    pub description: String,
    /// Packages of its normal and build dependencies.
    pub doors: Vec<String>,
}

impl Room {
    pub fn path(&self) -> String {
        format!("{}/{}", WINGS[self.wing].name, self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct House {
    pub rooms: Vec<Room>,
    /// Packages of the workspace outside `crates/`: name and description.
    pub outside: Vec<(String, String)>,
    /// What is not where the map has a place for it.
    pub lost: Vec<String>,
}

impl House {
    /// From the output of `cargo metadata --no-deps`.
    pub fn read(metadata: &Value) -> Result<Self, String> {
        let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
        let mut house = Self::default();
        for package in packages {
            let text = |key: &str| package[key].as_str().unwrap_or("").to_string();
            let manifest = text("manifest_path").replace('\\', "/");
            let parts: Vec<&str> = manifest.rsplit('/').skip(1).take(3).collect();
            let [room, wing, "crates"] = parts[..] else {
                house.outside.push((text("name"), text("description")));
                continue;
            };
            let Some(index) = WINGS.iter().position(|w| w.name == wing) else {
                house.lost.push(format!("`{}` lies in `{wing}`, which is no wing", text("name")));
                continue;
            };
            house.rooms.push(Room {
                package: text("name"),
                wing: index,
                name: room.to_string(),
                description: text("description"),
                doors: doors(package),
            });
        }
        let rank = |r: &Room| (r.wing, WINGS[r.wing].root != Some(r.name.as_str()), r.name.clone());
        house.rooms.sort_by_key(rank);
        Ok(house)
    }

    pub fn room_of(&self, package: &str) -> Option<&Room> {
        self.rooms.iter().find(|r| r.package == package)
    }

    /// Wings, rooms and their doors within the house, one room a line.
    pub fn map(&self) -> String {
        let mut out = String::new();
        for (index, wing) in WINGS.iter().enumerate() {
            let _ = writeln!(out, "{}/", wing.name);
            for room in self.rooms.iter().filter(|r| r.wing == index) {
                let star = if wing.root == Some(room.name.as_str()) { "*" } else { "" };
                let doors: Vec<&str> = room
                    .doors
                    .iter()
                    .filter_map(|d| self.room_of(d))
                    .map(|r| r.name.as_str())
                    .collect();
                let _ =
                    writeln!(out, "  {:<14} {}", format!("{}{star}", room.name), doors.join(" "));
            }
        }
        out
    }
}

fn doors(package: &Value) -> Vec<String> {
    let mut names: Vec<String> = package["dependencies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|d| d["kind"].as_str() != Some("dev"))
        .filter_map(|d| d["name"].as_str().map(str::to_string))
        .collect();
    names.sort();
    names.dedup();
    names
}
