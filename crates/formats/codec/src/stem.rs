//! The name of a dataset's file without the endings that say how it is packed.

use std::path::Path;

/// File name without folder, compression (`.gz`, `.fz`, `.bz2`, `.xz`, `.zst`) and one format
/// ending (`.fits`, `.fit`, `.fts`, `.csv`, ...); case does not matter. `r.2017.FITS.gz` gives
/// `r.2017`: other dots belong to the name.
pub fn file_stem(path: &Path) -> String {
    const PACKED: [&str; 5] = [".gz", ".fz", ".bz2", ".xz", ".zst"];
    const FORMATS: [&str; 14] = [
        ".fits", ".fit", ".fts", ".parquet", ".csv", ".tsv", ".ecsv", ".xml", ".vot", ".votable",
        ".json", ".yaml", ".yml", ".txt",
    ];
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let name = strip_any(&name, &PACKED);
    strip_any(name, &FORMATS).to_string()
}

fn strip_any<'a>(name: &'a str, endings: &[&str]) -> &'a str {
    for ending in endings {
        let Some(cut) = name.len().checked_sub(ending.len()) else { continue };
        // A name that is nothing but an ending (a hidden file) stays as it is.
        if cut > 0 && name.is_char_boundary(cut) && name[cut..].eq_ignore_ascii_case(ending) {
            return &name[..cut];
        }
    }
    name
}

/// A name from a header or a description as a part of a file's name.
pub fn safe_name(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
    name.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        for (path, stem) in [
            ("/a/b/HATP-32171220013343.FITS.gz", "HATP-32171220013343"),
            ("c4d_140818_232043_ooi_z_ls9.N12.fits", "c4d_140818_232043_ooi_z_ls9.N12"),
            ("x.fits.fz", "x"),
            ("x.fit", "x"),
            ("dir.fits/x", "x"),
            ("frame.FITS", "frame"),
            ("no.ending", "no.ending"),
            (".fits", ".fits"),
            ("é.fits", "é"),
            ("", ""),
        ] {
            assert_eq!(file_stem(Path::new(path)), stem, "{path}");
        }
    }
}
