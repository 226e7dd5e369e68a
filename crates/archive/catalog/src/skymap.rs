//! `skymap.fits`: rows by HEALPix cell.
//!
//! - a FITS binary table, nested numbering, counts as 64-bit integers: all cells in order, or,
//!   where more than half are empty, number and count of the others (as hats writes it)

use std::fmt::Display;

const BLOCK: usize = 2880;

/// The file's bytes from the counts of all cells of an order.
pub(crate) fn skymap_bytes(order: u8, counts: &[i64]) -> Vec<u8> {
    let filled = counts.iter().filter(|c| **c > 0).count();
    let explicit = filled * 2 < counts.len();
    let mut out = Vec::new();
    for (key, value) in [("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0"), ("EXTEND", "T")] {
        card(&mut out, key, value);
    }
    end(&mut out);
    let rows = if explicit { filled } else { counts.len() };
    text(&mut out, "XTENSION", "BINTABLE");
    card(&mut out, "BITPIX", 8);
    card(&mut out, "NAXIS", 2);
    card(&mut out, "NAXIS1", if explicit { 16 } else { 8 });
    card(&mut out, "NAXIS2", rows);
    card(&mut out, "PCOUNT", 0);
    card(&mut out, "GCOUNT", 1);
    let columns: &[&str] = if explicit { &["PIXEL", "VALUE"] } else { &["VALUE"] };
    card(&mut out, "TFIELDS", columns.len());
    for (k, name) in columns.iter().enumerate() {
        text(&mut out, &format!("TTYPE{}", k + 1), name);
        text(&mut out, &format!("TFORM{}", k + 1), "K");
    }
    text(&mut out, "EXTNAME", "SKYMAP");
    text(&mut out, "PIXTYPE", "HEALPIX");
    text(&mut out, "ORDERING", "NESTED");
    text(&mut out, "COORDSYS", "C");
    card(&mut out, "NSIDE", 1u64 << order);
    if explicit {
        text(&mut out, "INDXSCHM", "EXPLICIT");
        card(&mut out, "OBS_NPIX", filled);
    } else {
        text(&mut out, "INDXSCHM", "IMPLICIT");
        card(&mut out, "FIRSTPIX", 0);
        card(&mut out, "LASTPIX", counts.len().saturating_sub(1));
        text(&mut out, "OBJECT", "FULLSKY");
    }
    end(&mut out);
    for (count, cell) in counts.iter().zip(0i64..).filter(|(c, _)| !explicit || **c > 0) {
        if explicit {
            out.extend_from_slice(&cell.to_be_bytes());
        }
        out.extend_from_slice(&count.to_be_bytes());
    }
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

fn card(out: &mut Vec<u8>, key: &str, value: impl Display) {
    out.extend_from_slice(format!("{key:<8}= {value:>20}{:50}", "").as_bytes());
}

fn text(out: &mut Vec<u8>, key: &str, value: &str) {
    let value = format!("'{value:<8}'");
    out.extend_from_slice(format!("{key:<8}= {value:<70}").as_bytes());
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:<80}", "END").as_bytes());
    out.resize(out.len().next_multiple_of(BLOCK), b' ');
}
