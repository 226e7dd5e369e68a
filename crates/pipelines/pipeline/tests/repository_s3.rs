//! A repository whose files are in a bucket: verify reads them in blocks, gc lists all pages and asks the registry
//! after that. The server is moto (`pip install 'moto[server]'`), started here on loopback.

#![cfg(feature = "s3")]
#![allow(clippy::disallowed_methods)] // A server's stand-in listens, and credentials come from the environment.

mod repository_common;

use elqui_butler::{DatasetRef, Datastore, Transfer};
use elqui_datastore::{S3Settings, S3Store};
use elqui_pipeline::{Repository, RepositoryConfig, S3At, StoreAt};
use repository_common::{data_id, fill, image};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BUCKET: &str = "elqui-repo";
/// An answer of S3 lists 1,000 objects.
const ORPHANS: usize = 1100;

struct Server(Child, u16);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server() -> Server {
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import moto.server, flask"]).output();
    assert!(
        there.is_ok_and(|o| o.status.success()),
        "no moto server: install it with {python} -m pip install 'moto[server]'"
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut start = Command::new(&python);
    start.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let server = Server(start.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(), port);
    let since = Instant::now();
    let request = format!(
        "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    loop {
        let mut answer = String::new();
        if let Ok(mut to) = TcpStream::connect(("127.0.0.1", port))
            && to.write_all(request.as_bytes()).is_ok()
            && to.read_to_string(&mut answer).is_ok()
            && answer.contains("200")
        {
            return server;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "the moto server does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn store(port: u16) -> S3Store {
    S3Store::open(&S3Settings {
        bucket: BUCKET.into(),
        prefix: "survey".into(),
        endpoint: format!("http://127.0.0.1:{port}"),
        region: "us-east-1".into(),
        credentials: Some(("testing".into(), "testing".into())),
        ..S3Settings::default()
    })
    .unwrap()
}

/// A process of its own has the credentials in its environment, as a user has.
#[test]
fn a_repository_in_a_bucket() {
    if std::env::var_os("AWS_ACCESS_KEY_ID").is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "a_repository_in_a_bucket", "--nocapture"]);
        again.env("AWS_ACCESS_KEY_ID", "testing").env("AWS_SECRET_ACCESS_KEY", "testing");
        assert!(again.status().unwrap().success());
        return;
    }
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let mut config = RepositoryConfig::default();
    let endpoint = format!("http://127.0.0.1:{}", server.1);
    let (bucket, prefix, region) = (BUCKET.into(), "survey".into(), "us-east-1".into());
    config.store = StoreAt { folder: None, s3: Some(S3At { bucket, prefix, endpoint, region }) };
    let mut r = Repository::create(dir.path(), &config).unwrap();
    fill(&mut r);
    let big: Vec<u8> = (0..20_000_000_u32).map(|k| (k % 251) as u8).collect();
    let ids: Vec<_> = (1..=4)
        .map(|v| r.put(&image(v, 0), "u/run", ".x", &big[..5000 * v as usize]).unwrap().id)
        .collect();
    let from = dir.path().join("1_0.fits");
    elqui_codec::atomic_write_bytes(&from, &big).unwrap();
    let raw = DatasetRef { dataset_type: "raw".into(), data_id: data_id("exposure", 1, 0) };
    let raw = r.put_file(&raw, "Sim/raw", &from, Transfer::Copy).unwrap();
    assert!(r.get(raw.id).unwrap() == big);

    // Damage in the bucket is found, of an object in several parts too.
    let behind = Arc::new(store(server.1));
    let path = |r: &mut Repository, id| r.artifact(id).unwrap().path;
    let (flipped, gone, whole) = (path(&mut r, ids[0]), path(&mut r, ids[1]), path(&mut r, raw.id));
    let mut other = big.clone();
    other[19_999_999] ^= 1;
    behind.put(&whole, &other).unwrap();
    behind.put(&flipped, &big[1..5001]).unwrap();
    behind.delete(&gone).unwrap();
    let report = r.verify(&mut |_| ()).unwrap();
    assert_eq!((report.files, report.bad.len()), (5, 3), "{:?}", report.bad);
    let e = r.get(ids[1]).unwrap_err().to_string();
    assert!(e.contains("s3://") && e.contains("restore") && e.contains(&ids[1].to_string()), "{e}");
    r.remove(&[ids[0], ids[1], raw.id]).unwrap();
    assert!(r.verify(&mut |_| ()).unwrap().bad.is_empty());

    // More orphans than an answer lists; what is named stays, and so does what is young.
    std::thread::scope(|s| {
        for k in 0..4 {
            let behind = behind.clone();
            s.spawn(move || {
                for n in (k..ORPHANS).step_by(4) {
                    behind.put(&format!("u/run/image/orphan_{n}"), b"").unwrap();
                }
            });
        }
    });
    let young = r.gc(3600.0, false).unwrap();
    assert_eq!((young.too_young, young.orphans.len()), (ORPHANS, 0));
    assert_eq!(r.gc(0.0, true).unwrap().orphans.len(), ORPHANS);
    assert_eq!(r.gc(0.0, false).unwrap().orphans.len(), ORPHANS);
    assert_eq!(behind.list("").unwrap().len(), 2);
    assert_eq!(r.get(ids[3]).unwrap(), &big[..20_000]);
}
