//! PostgreSQL keeps the contract.
#![cfg(feature = "postgres")]

mod server;
mod suite;

use elqui_registry::{Location, Registry};
use server::Server;

#[test]
fn postgresql_keeps_the_contract() {
    let server = Server::start("");
    suite::contract(&mut |name| Registry::create(&server.at(&format!("t_{name}"))).unwrap());

    let at = server.at("t_writers");
    suite::fill(&mut Registry::create(&at).unwrap());
    suite::writers(&|| Registry::open(&at).unwrap(), 16);
    let chains = server.at("t_prependers");
    drop(Registry::create(&chains).unwrap());
    suite::collections::prependers(&|| Registry::open(&chains).unwrap(), 8);

    let twice = Registry::create(&at).err().unwrap().to_string();
    assert!(twice.contains("there is a registry already"), "{twice}");
    let none = Registry::open(&server.at("t_none")).err().unwrap().to_string();
    assert!(none.contains("elqui repo init"), "{none}");
    let odd = Registry::open(&server.at("x; DROP")).err().unwrap().to_string();
    assert!(odd.contains("small letters"), "{odd}");
    let mut gone = server.at("t");
    if let Location::Postgres { url, .. } = &mut gone {
        *url = "host=127.0.0.1 port=1 user=elqui password=secret".into();
    }
    let text = Registry::open(&gone).err().unwrap().to_string();
    assert!(text.contains("is the server running") && !text.contains("secret"), "{text}");
}
