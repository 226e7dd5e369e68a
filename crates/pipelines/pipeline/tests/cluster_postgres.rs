//! With PostgreSQL each job registers what it made; there are no records and no merge.
#![cfg(feature = "postgres")]

mod cluster_common;
mod fake_slurm;
#[path = "../../../archive/registry/tests/server/mod.rs"]
mod server;

use cluster_common::*;
use elqui_butler::Universe;
use elqui_pipeline::cluster::{Site, Slurm, restart, status, submit};
use elqui_pipeline::{PostgresAt, RegistryAt, RepositoryConfig};
use elqui_registry::Location;
use fake_slurm::Fake;

fn config(server: &server::Server, schema: &str) -> RepositoryConfig {
    let Location::Postgres { url, schema } = server.at(schema) else { panic!("no server") };
    let registry = RegistryAt { sqlite: None, postgres: Some(PostgresAt { url, schema }) };
    RepositoryConfig { registry, ..RepositoryConfig::default() }
}

#[test]
fn jobs_register_themselves() {
    let server = server::Server::start("");
    let dir = tempfile::tempdir().unwrap();
    let gate = dir.path().join("gate");
    let sky = make_with(dir.path(), &text("prefix: x", &gate), &config(&server, "cluster"));
    let site = Site { data_ids: 6, ..Site::default() };
    let folder = dir.path().join("sub");
    let submission = sky.submission(&folder, vec!["/opt/elqui".into()], site.clone());
    assert!(!submission.settings.records);
    let (slurm, fake) = (Slurm { site }, Fake::default());
    assert_eq!(submit(&submission, &slurm, &fake).unwrap().now, 2, "no merge");
    // Eight jobs at once, and one of them twice.
    let run = |group: usize, parts: usize| {
        std::thread::scope(|scope| {
            for k in 0..parts {
                let folder = &folder;
                scope.spawn(move || part(folder, group, k, &format!("node{k}"), "100"));
            }
        });
    };
    run(0, 8);
    part(&folder, 0, 3, "again", "100").unwrap();
    for k in 0..8 {
        fake.set(0, k, "COMPLETED");
    }
    fake.run_all();
    let told = status(&submission, &slurm, &fake).unwrap();
    let step = |name: &str| told.steps.iter().find(|s| s.label == name).unwrap();
    assert_eq!((step("b").done, step("join").done, step("shout").failed), (48, 16, 16), "{told}");
    assert!(told.failures[0].why.contains("the gate is shut") && told.merge.is_none(), "{told}");
    elqui_codec::atomic_write_bytes(&gate, b"").unwrap();
    let submitted = restart(&submission, &tasks(), Universe::standard(), &slurm, &fake).unwrap();
    assert_eq!((submitted.quanta, submitted.now), (16, 1));
    fake.run_all();
    assert!(status(&submission, &slurm, &fake).unwrap().is_complete());
    let (count, hosts) = sky.check();
    assert_eq!(count, QUANTA);
    assert!(hosts.len() >= 8 && !hosts.contains(&"again".to_string()), "{hosts:?}");
    assert!(std::fs::read_dir(folder.join("records")).unwrap().next().is_none());
    assert!(&sky.made() == wanted(), "artifacts differ");
}
