//! `FILE[EXT]`: which HDU of a file is meant.

use std::fmt;

/// An HDU by number (0 is the primary) or by EXTNAME and EXTVER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    Index(usize),
    Name(String, Option<i64>),
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(k) => write!(f, "{k}"),
            Self::Name(name, None) => write!(f, "`{name}`"),
            Self::Name(name, Some(v)) => write!(f, "`{name},{v}`"),
        }
    }
}

impl Extension {
    /// `2`, `MASK` or `MASK,3`.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Ok(k) = text.parse() {
            return Self::Index(k);
        }
        if let Some((name, version)) = text.rsplit_once(',')
            && let Ok(v) = version.trim().parse()
        {
            return Self::Name(name.trim().to_string(), Some(v));
        }
        Self::Name(text.to_string(), None)
    }
}

/// Path and extension of `FILE[EXT]`; without brackets at the end all of it is the path.
pub fn split_extension(text: &str) -> (&str, Option<Extension>) {
    if let Some(rest) = text.strip_suffix(']')
        && let Some((path, inner)) = rest.rsplit_once('[')
        && !path.is_empty()
        && !inner.trim().is_empty()
    {
        return (path, Some(Extension::parse(inner)));
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets() {
        let name = |n: &str, v| Some(Extension::Name(n.into(), v));
        assert_eq!(split_extension("a.fits"), ("a.fits", None));
        assert_eq!(split_extension("a.fits[2]"), ("a.fits", Some(Extension::Index(2))));
        assert_eq!(split_extension("a.fits[MASK]"), ("a.fits", name("MASK", None)));
        assert_eq!(split_extension("d[1]/a.fits[SCI, 2]"), ("d[1]/a.fits", name("SCI", Some(2))));
        assert_eq!(split_extension("[2]"), ("[2]", None));
        assert_eq!(split_extension("a[]"), ("a[]", None));
    }
}
