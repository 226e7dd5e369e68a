//! The contract against a real S3 server: moto (`pip install 'moto[server]'`), started here on loopback.
//! Skipped with a message where it is not installed.

#![cfg(feature = "s3")]
#![allow(clippy::disallowed_methods)] // A server's stand-in listens.

mod suite;

use elqui_butler::{Datastore, Transfer};
use elqui_datastore::{CachedStore, S3Settings, S3Store, checksum, checksum_stored};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const BUCKET: &str = "elqui-test";

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server with an empty bucket.
fn server() -> Server {
    let port = free_port();
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import moto.server, flask"]).output();
    assert!(
        there.is_ok_and(|o| o.status.success()),
        "no moto server: install it with {python} -m pip install 'moto[server]'"
    );
    let child = Command::new(&python)
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { child, port };
    let start = Instant::now();
    loop {
        if let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)) {
            let request = format!(
                "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let mut answer = String::new();
            if to.write_all(request.as_bytes()).is_ok()
                && to.read_to_string(&mut answer).is_ok()
                && answer.contains("200")
            {
                return server;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(30), "the moto server does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn settings(port: u16, prefix: &str) -> S3Settings {
    S3Settings {
        bucket: BUCKET.into(),
        prefix: prefix.into(),
        endpoint: format!("http://127.0.0.1:{port}"),
        region: "us-east-1".into(),
        credentials: Some(("testing".into(), "testing".into())),
        ..S3Settings::default()
    }
}

/// Between client and server: drops every third connection at once, and cuts every other answer
/// after 100,000 bytes, until `bad` are used up.
fn proxy(to: u16, bad: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = dropped.clone();
    std::thread::spawn(move || {
        for (n, client) in listener.incoming().map_while(Result::ok).enumerate() {
            let more = count.load(Ordering::Relaxed) < bad;
            if more && n % 3 == 0 {
                count.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let cut = more && n % 3 == 1;
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let (mut up_from, mut up_to) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut up_from, &mut up_to);
                let _ = up_to.shutdown(Shutdown::Write);
            });
            let count = count.clone();
            std::thread::spawn(move || {
                let (mut from, mut to) = (server, client);
                let limit = if cut { 100_000 } else { u64::MAX };
                let sent = std::io::copy(&mut (&mut from).take(limit), &mut to);
                if cut && sent.is_ok_and(|n| n == limit) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
            });
        }
    });
    (port, dropped)
}

#[test]
fn a_bucket_keeps_the_contract() {
    let server = server();
    suite::contract(&S3Store::open(&settings(server.port, "a/prefix")).unwrap());
    let behind = Arc::new(S3Store::open(&settings(server.port, "cached")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let cached = CachedStore::new(behind.clone(), dir.path(), 1 << 30).unwrap();
    suite::contract(&cached);
    // A copy needs no server; what is beside the prefix is not seen.
    cached.put("kept", b"here").unwrap();
    assert!(cached.local_path("kept").unwrap().starts_with(dir.path().canonicalize().unwrap()));
    let beside = S3Store::open(&settings(server.port, "a/pref")).unwrap();
    assert_eq!(beside.list("").unwrap(), []);
    let nobody = S3Settings { bucket: "no-such".into(), ..settings(server.port, "") };
    let e = S3Store::open(&nobody).unwrap().get("x").unwrap_err().to_string();
    assert!(e.contains("no such bucket"), "{e}");
}

#[test]
fn dropped_connections_lose_nothing() {
    let server = server();
    let (port, dropped) = proxy(server.port, 30);
    let store = S3Store::open(&settings(port, "flaky")).unwrap();
    let straight = S3Store::open(&settings(server.port, "flaky")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for k in 0..10u8 {
        let bytes = vec![k; 300_000];
        store.put(&format!("f{k}"), &bytes).unwrap();
        assert!(store.get(&format!("f{k}")).unwrap() == bytes);
        assert!(straight.get(&format!("f{k}")).unwrap() == bytes);
        let sum = checksum_stored(&store, &format!("f{k}")).unwrap();
        assert_eq!(sum, (checksum(&bytes), 300_000));
    }
    let big: Vec<u8> = (0..40_000_000_u32).map(|k| (k % 251) as u8).collect();
    let from = dir.path().join("big");
    elqui_codec::atomic_write_bytes(&from, &big).unwrap();
    store.put_file("big", &from, Transfer::Copy, true).unwrap();
    assert!(straight.get("big").unwrap() == big);
    assert_eq!(store.list("").unwrap().len(), 11);
    assert!(dropped.load(Ordering::Relaxed) > 3, "the proxy has dropped nothing");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = free_port();
    let at = S3Settings { retries_max: 1, retry_s: 2, ..settings(port, "") };
    let store = S3Store::open(&at).unwrap();
    for e in [
        store.put("x", b"y").unwrap_err(),
        store.get("x").unwrap_err(),
        store.list("").unwrap_err(),
        store.size_bytes("x").unwrap_err(),
    ] {
        assert_eq!(e.code(), "unreachable");
        let text = e.to_string();
        assert!(
            text.contains(BUCKET) && text.contains("endpoint") && !text.contains('\n'),
            "{text}"
        );
        assert!(!text.contains("testing"), "no secrets: {text}");
    }
}
