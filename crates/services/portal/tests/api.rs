//! The API over the made-up survey, by plain HTTP.

mod fixture;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use tokio::net::TcpListener;

async fn start() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(elqui_web::serve(listener, elqui_portal::router(fixture::state())));
    address
}

async fn ask(
    address: std::net::SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, Vec<u8>) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let bytes = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
    .await
    .unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&bytes[9..12]).parse().unwrap();
    (status, bytes[end + 4..].to_vec())
}

async fn json(address: std::net::SocketAddr, path: &str) -> Value {
    let (status, body) = ask(address, "GET", path, "").await;
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn everything_that_the_page_reads_is_there() {
    let at = start().await;
    let summary = json(at, "/api/summary").await;
    assert_eq!(summary["bands"], serde_json::json!(["g", "r"]));
    assert_eq!(summary["tables"][2]["rows"], 480);
    let images = json(at, "/api/images").await;
    let visit = images["images"][1]["visit"].as_i64().unwrap();
    let (status, png) = ask(at, "GET", &format!("/api/images/{visit}/0.png"), "").await;
    assert!(status == 200 && png.starts_with(b"\x89PNG"));
    let sources = json(at, &format!("/api/sources?visit={visit}&detector=0")).await;
    assert_eq!(sources["rows"].as_array().unwrap().len(), 120);
    let id = sources["rows"][3][0].as_str().expect("a great id is text");
    let source = json(at, &format!("/api/source?id={id}")).await;
    assert_eq!(source["objectId"], "5003");
    assert_eq!(source["rows"][0][0], id);
    let curve = json(at, "/api/lightcurve?objectId=5003").await;
    assert_eq!(curve["columns"][2]["unit"], "nJy");
    assert_eq!(curve["rows"].as_array().unwrap().len(), 4);
    let (status, page) = ask(at, "GET", "/", "").await;
    assert!(status == 200 && String::from_utf8_lossy(&page).contains("Elqui"));
}

#[tokio::test]
async fn failures_are_one_line_of_json() {
    let at = start().await;
    for (method, path, body, status, code) in [
        ("POST", "/api/query", "SELECT psfFlx FROM Source", 400, "unknown_name"),
        ("POST", "/api/query", "  ", 400, "bad_request"),
        ("GET", "/api/query", "", 400, "bad_request"),
        ("GET", "/api/sources?visit=1;DROP&detector=0", "", 400, "bad_request"),
        ("GET", "/api/images/7/0.png", "", 404, "not_found"),
        ("GET", "/api/images/7/0.exe", "", 404, "not_found"),
        ("GET", "/../../etc/passwd", "", 404, "not_found"),
        ("GET", "/nothing", "", 404, "not_found"),
    ] {
        let (got, answer) = ask(at, method, path, body).await;
        let answer: Value = serde_json::from_slice(&answer).expect(path);
        assert_eq!((got, answer["code"].as_str().unwrap()), (status, code), "{path}");
        assert!(!answer["message"].as_str().unwrap().contains('\n'));
    }
}
