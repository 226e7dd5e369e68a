//! PostgreSQL through TLS, with certificates that the test makes by `openssl`.
#![cfg(feature = "postgres")]

mod server;
mod suite;

use elqui_registry::{Location, Registry};
use server::Server;
use std::path::Path;
use std::process::Command;

fn openssl(dir: &Path, args: &str) {
    let done = Command::new("openssl").args(args.split(' ')).current_dir(dir).output();
    let done = done.expect("openssl is needed: apt-get install openssl");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// An authority, and a certificate of it for the name `localhost` alone.
fn certificates(server: &Server) {
    let dir = server.dir.path();
    let write = |name: &str, text: &str| {
        std::io::Write::write_all(
            &mut std::fs::File::create_new(dir.join(name)).unwrap(),
            text.as_bytes(),
        )
        .unwrap();
    };
    write("names", "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n");
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        dir,
        &format!("req -x509 {new} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"),
    );
    openssl(
        dir,
        &format!("req -x509 {new} -days 2 -subj /CN=other -keyout other.key -out other.pem"),
    );
    openssl(dir, &format!("req {new} -subj /CN=server -keyout server.key -out server.csr"));
    openssl(
        dir,
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
    for name in ["server.key", "server.pem"] {
        let path = dir.join(name);
        server.hand_over(&path);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
    }
}

#[test]
fn encrypted_and_verified() {
    let server = Server::start("");
    certificates(&server);
    let dir = server.dir.path();
    let path = |name: &str| dir.join(name).display().to_string();
    let with = |host: &str, rest: &str| Location::Postgres {
        url: format!(
            "host={host} hostaddr=127.0.0.1 port={} user=elqui dbname=postgres {rest}",
            server.port
        ),
        schema: "t_tls".into(),
    };
    let fails = |at: &Location, part: &str| {
        let text = Registry::open(at).err().unwrap().to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text}");
    };
    // A server that has none yet.
    drop(Registry::create(&with("localhost", "sslmode=prefer")).unwrap());
    for asked in ["sslmode=require", "sslmode = require", "sslmode= 'require'"] {
        fails(&with("localhost", asked), "server does not support TLS");
    }
    server.down();
    let mut conf =
        std::fs::OpenOptions::new().append(true).open(dir.join("data/postgresql.conf")).unwrap();
    let lines = format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
        path("server.pem"),
        path("server.key")
    );
    std::io::Write::write_all(&mut conf, lines.as_bytes()).unwrap();
    // From now on nobody comes in without TLS.
    let hba = dir.join("data/pg_hba.conf");
    let mut hba = std::fs::OpenOptions::new().write(true).truncate(true).open(hba).unwrap();
    std::io::Write::write_all(&mut hba, b"hostssl all all 127.0.0.1/32 trust\n").unwrap();
    server.up();

    let (ca, other, own) = (path("ca.pem"), path("other.pem"), path("server.pem"));
    fails(&with("localhost", "sslmode=disable"), "no pg_hba.conf entry");
    for good in [
        with("localhost", "sslmode=prefer"),
        with("localhost", "sslmode=require"),
        with("elsewhere.example", "sslmode=require"),
        with("elsewhere.example", &format!("sslmode=verify-ca sslrootcert={ca}")),
        with("elsewhere.example", &format!("sslmode=require sslrootcert={ca}")),
        with("localhost", &format!("sslmode=verify-full sslrootcert={ca}")),
        with("localhost", &format!("sslmode=verify-full sslrootcert={own}")),
        Location::Postgres {
            url: format!(
                "postgresql://elqui@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
                server.port,
                ca.replace('/', "%2F")
            ),
            schema: "t_tls".into(),
        },
    ] {
        let mut r = Registry::open(&good).unwrap_or_else(|e| panic!("{good:?}: {e}"));
        assert!(r.collections("*").unwrap().is_empty());
    }
    fails(
        &with("elsewhere.example", &format!("sslmode=verify-full sslrootcert={ca}")),
        "not valid for name",
    );
    fails(&with("localhost", &format!("sslmode=verify-full sslrootcert={other}")), "certificate");
    fails(&with("localhost", &format!("sslmode=require sslrootcert={other}")), "certificate");
    fails(&with("localhost", "sslmode=verify-full sslrootcert=/no/such.pem"), "/no/such.pem");
    fails(&with("localhost", "sslmode=maybe"), "verify-full");
    // Work goes through it as ever.
    let mut r =
        Registry::open(&with("localhost", &format!("sslmode=verify-full sslrootcert={ca}")))
            .unwrap();
    suite::fill(&mut r);
    assert_eq!(suite::images(&mut r, "u/run").len(), 80);
}
