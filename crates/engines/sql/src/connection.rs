//! Connection strings: what of them is ours (`sslmode`, `sslrootcert`), and what is the driver's.
//!
//! The driver knows three of libpq's modes and no file of certificates, so both are taken out before it reads the
//! rest, which is handed on as it stands. Pairs `name = value` and URLs are read just as the driver reads them
//! (quotes, backslashes, blanks around `=`, `%` and two digits): what it would understand and we would not, would
//! make a connection weaker than what was asked for. What is in doubt is refused.
//!
//! - source: PostgreSQL's manual, 34.1.1 (connection strings), 34.19 (SSL support)

use crate::tls::{Check, Tls};
use postgres::config::{Config, SslMode};
use std::error::Error as _;

const OURS: [&str; 2] = ["sslmode", "sslrootcert"];

/// A connection string without what is ours, and how to connect.
pub struct Secured {
    pub config: Config,
    pub tls: Tls,
}

/// The driver's part of a string, and names and values of ours.
type Parts = (String, Vec<(String, String)>);

impl Secured {
    /// - errors: one line, without the string, which may hold a password
    pub fn read(url: &str) -> Result<Self, String> {
        let of_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let (rest, ours) = if of_url { parts_of_url(url) } else { parts_of_pairs(url) }?;
        // The last word on a setting counts.
        let option = |name| ours.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let mut config: Config = rest.parse().map_err(|e: postgres::Error| match e.source() {
            Some(why) => misread(&why.to_string()),
            None => "its connection string is not understood".to_string(),
        })?;
        if config.get_ssl_mode() != SslMode::Prefer {
            return Err(misread("sslmode is written in a way of its own"));
        }
        let roots = option("sslrootcert").filter(|r| !r.is_empty());
        // Who names the system's authorities wants them asked.
        let unsaid = if roots == Some("system") { "verify-full" } else { "prefer" };
        let (mode, check) = match (option("sslmode").unwrap_or(unsaid), roots) {
            ("disable", _) => (SslMode::Disable, Check::Nothing),
            ("allow" | "prefer", _) => (SslMode::Prefer, Check::Nothing),
            ("require", None) => (SslMode::Require, Check::Nothing),
            ("require" | "verify-ca", _) => (SslMode::Require, Check::Chain),
            ("verify-full", _) => (SslMode::Require, Check::ChainAndName),
            (other, _) => {
                return Err(format!(
                    "sslmode is `{other}`; there are disable, prefer, require, verify-ca, verify-full"
                ));
            }
        };
        config.ssl_mode(mode);
        Ok(Self { config, tls: Tls::new(check, roots)? })
    }
}

fn misread(why: &str) -> String {
    format!("its connection string is not understood: {why}")
}

fn parts_of_pairs(text: &str) -> Result<Parts, String> {
    let (mut driver, mut ours) = (Vec::new(), Vec::new());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        // Not repeated: it may be a part of a password.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(misread("a name before `=` is of letters"));
        }
        let value = after.trim_start().strip_prefix('=').and_then(|v| value_of(v.trim_start()));
        let Some((value, after)) = value else {
            return Err(misread("it is of `name=value`, and a value with blanks is quoted by '"));
        };
        if OURS.contains(&name) {
            ours.push((name.to_string(), value));
        } else {
            driver.push(&rest[..rest.len() - after.len()]);
        }
        rest = after.trim_start();
    }
    Ok((driver.join(" "), ours))
}

/// The value that a text begins with, and what comes after it.
fn value_of(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let body = text.strip_prefix('\'').unwrap_or(text);
    let (mut value, mut chars) = (String::new(), body.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if quoted => return Some((value, &body[at + 1..])),
            c if !quoted && c.is_whitespace() => return Some((value, &body[at..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (!quoted && !body.is_empty()).then_some((value, ""))
}

fn parts_of_url(url: &str) -> Result<Parts, String> {
    // To the driver all before the first `@` is a user and a password, parameters too.
    let host = url.find('@').map_or(0, |at| at + 1);
    if url[..host].split_once('?').is_some_and(|(_, after)| after.contains('=')) {
        return Err(misread("`@` of a parameter is written %40, `?` of a password %3F"));
    }
    let Some(mark) = url[host..].find('?').map(|at| host + at) else {
        return Ok((url.to_string(), Vec::new()));
    };
    let (mut driver, mut ours) = (Vec::new(), Vec::new());
    for part in url[mark + 1..].split('&') {
        match part.split_once('=').map(|(name, value)| (percent_decoded(name), value)) {
            Some((name, value)) if OURS.contains(&name.as_str()) => {
                ours.push((name, percent_decoded(value)));
            }
            _ => driver.push(part),
        }
    }
    Ok((format!("{}?{}", &url[..mark], driver.join("&")), ours))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |k: usize| after.get(k).and_then(|d| char::from(*d).to_digit(16));
        match digit(0).zip(digit(1)).filter(|_| first == b'%') {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Config {
        Secured::read(url).unwrap_or_else(|e| panic!("{url}: {e}")).config
    }

    #[test]
    fn what_is_asked_is_never_weakened() {
        for url in [
            "host=h sslmode=require",
            "host=h sslmode = require",
            "host=h sslmode =require user=u",
            "sslmode=\n\t'require'host=h",
            "host=h sslmode=re\\quire",
            "host=h sslmode='verify\\-full'",
            "host=h password='sslmode=disable' sslmode= verify-ca",
            "host=h sslmode=disable sslmode=require",
            "postgresql://h/d?sslmode=require",
            "postgres://h/d?ssl%6Dode=%72equire",
            "postgresql://u:p?w@h/d?sslmode=require",
            "postgresql://h?sslmode=require&",
            "host=h sslrootcert=system",
        ] {
            assert_eq!(read(url).get_ssl_mode(), SslMode::Require, "{url}");
        }
        assert_eq!(read("host=h").get_ssl_mode(), SslMode::Prefer);
        assert_eq!(read("host=h sslmode = disable").get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn the_rest_is_the_drivers_as_it_stands() {
        let config = read("host = h password='a  b \\' c' sslmode = require user=u");
        assert_eq!(config.get_password(), Some(b"a  b ' c".as_slice()));
        assert_eq!(config.get_user(), Some("u"));
        let config = read("postgresql://u:p?w@h/d?sslmode=require&connect_timeout=3");
        assert_eq!((config.get_user(), config.get_dbname()), (Some("u"), Some("d")));
        assert_eq!(config.get_password(), Some(b"p?w".as_slice()));
        assert!(config.get_connect_timeout().is_some());
        // A folder with a blank in its name.
        for url in [
            "host=h sslmode=verify-ca sslrootcert='/no such/ca.pem'",
            "host=h sslmode=verify-ca sslrootcert = /no\\ such/ca.pem",
            "postgresql://h/d?sslmode=verify-ca&sslrootcert=%2Fno%20such%2Fca.pem",
        ] {
            let text = Secured::read(url).err().unwrap();
            assert!(text.contains("`/no such/ca.pem`"), "{url}: {text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_without_a_password() {
        for (url, why) in [
            ("host=h sslmode=always", "verify-full"),
            ("host=h sslmode=''", "verify-full"),
            ("host=h sslmode=REQUIRE", "verify-full"),
            ("postgresql://h/d?sslmode=", "verify-full"),
            ("host=h SSLMODE=require", "not understood"),
            ("host=h sslmode=verify-full sslrootcert=/no/such", "/no/such"),
            ("host=h port=secret", "not understood"),
            ("host=h password=my secret user=u", "not understood"),
            ("host=h password='secret sslmode=require", "not understood"),
            ("host=h =secret sslmode=require", "not understood"),
            ("host=h sslmode", "not understood"),
            ("host=h sslmode=", "not understood"),
            (" postgres://u:secret@h/d?sslmode=require", "not understood"),
            // To the driver all before the `@` would be a user.
            ("postgresql://h/d?sslmode=require&password=secret@x", "%40"),
        ] {
            let text = Secured::read(url).err().unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(text.contains(why) && !text.contains("secret"), "{url}: {text}");
        }
    }
}
