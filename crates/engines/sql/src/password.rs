//! The password of a connection from `~/.pgpass`, as `psql` finds it, so that none is written in a repository.
//!
//! Lines `host:port:database:user:password`, `*` for any, `\` before `:` and `\`. A file that others may read
//! is passed over, as `psql` does.

use postgres::config::{Config, Host};
use std::path::Path;

/// The first line that fits.
pub fn find(config: &Config) -> Option<String> {
    let file = std::env::home_dir()?.join(".pgpass");
    if !private(&file) {
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    let wanted = wanted(config)?;
    line_for(&text, wanted.each_ref().map(String::as_str))
}

/// Host, port, database and user. Where no user is named, the driver takes the system's; where no database is,
/// the server takes the one that is called as the user.
fn wanted(config: &Config) -> Option<[String; 4]> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        _ => "localhost".to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = match config.get_user() {
        Some(user) => user.to_string(),
        None => whoami::username().ok()?,
    };
    let database = config.get_dbname().unwrap_or(&user).to_string();
    Some([host, port, database, user])
}

#[cfg(unix)]
fn private(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|m| m.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn private(file: &Path) -> bool {
    file.is_file()
}

fn line_for(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|l| !l.starts_with('#')).find_map(|line| {
        let mut fields = vec![String::new()];
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            let last = fields.len() - 1;
            match c {
                '\\' => fields[last].extend(chars.next()),
                ':' => fields.push(String::new()),
                c => fields[last].push(c),
            }
        }
        let [head @ .., password] = fields.as_slice() else { return None };
        let fits = head.len() == 4 && head.iter().zip(wanted).all(|(f, w)| f == "*" || f == w);
        fits.then(|| password.clone())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file() {
        let text = "# one\ndb:5432:survey:elqui:first\n*:*:*:elqui:a\\:b\\\\c\nshort:line\n";
        let find = |host, user| line_for(text, [host, "5432", "survey", user]);
        assert_eq!(find("db", "elqui").unwrap(), "first");
        assert_eq!(find("other", "elqui").unwrap(), "a:b\\c");
        assert_eq!(find("db", "nobody"), None);
    }

    /// As `elqui repo init --postgres postgresql://host/db` leaves it.
    #[cfg(unix)]
    #[test]
    fn without_a_user_it_is_the_systems() {
        let told = std::process::Command::new("id").arg("-un").output().unwrap();
        let me = String::from_utf8(told.stdout).unwrap().trim().to_string();
        let text = format!("host:5432:db:{me}:first\nhost:5432:{me}:{me}:own\n");
        for (url, password) in [
            ("postgresql://host/db", "first"),
            ("host=host dbname=db", "first"),
            ("postgresql://host", "own"),
        ] {
            let wanted = wanted(&url.parse().unwrap()).unwrap();
            let found = line_for(&text, wanted.each_ref().map(String::as_str));
            assert_eq!(found.as_deref(), Some(password), "{url}");
        }
    }
}
