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
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        _ => "localhost".to_string(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    line_for(&text, [&host, &port, database, user])
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
    use super::line_for;

    #[test]
    fn lines_of_a_password_file() {
        let text = "# one\ndb:5432:survey:elqui:first\n*:*:*:elqui:a\\:b\\\\c\nshort:line\n";
        let find = |host, user| line_for(text, [host, "5432", "survey", user]);
        assert_eq!(find("db", "elqui").unwrap(), "first");
        assert_eq!(find("other", "elqui").unwrap(), "a:b\\c");
        assert_eq!(find("db", "nobody"), None);
    }
}
