//! The page over made-up data, for working on it and for its tests without a survey.
//!
//! `cargo run -p elqui-portal --example serve_fixture -- 127.0.0.1:8080` prints the address.

#[path = "../tests/fixture/mod.rs"]
mod fixture;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/", listener.local_addr()?);
    elqui_web::serve(listener, elqui_portal::router(fixture::state())).await
}
