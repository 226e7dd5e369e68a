//! An index as bytes.
//!
//! All numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ELQUIBLX` |
//! | 4 | version, 1 |
//! | 4 | boxes along each number of a code |
//! | 4, 4, 4 | stars, lists, quads |
//! | 4 | zero |
//! | 8 a star | right ascension (u32, circle / 2^32), declination (i32, 90 deg = 2^30), brightest first |
//! | a list | side of its cells (f64, rad), stars (u32), zero (u32), the cell of each star (u32), then the number of each (u32); by cell, brightest first |
//! | 8 a quad | code: cx, cy + 0.5, dx, dy + 0.5 (u16, 1 / 65535), in the order of the boxes |
//! | 16 a quad | its stars A, B, C, D (u32) |
//! | 8 | checksum of all before: FNV-1a over 8-byte words (the last one filled with zeros) |
//!
//! A star's place is rounded to 0.3 mas. What does not fit together is refused, whoever wrote it.

use crate::blind::cells::CellList;
use crate::blind::index::BlindIndex;
use crate::error::AstrometryError;
use elqui_base::UnitVector;

const MAGIC: &[u8; 8] = b"ELQUIBLX";
const VERSION: u32 = 1;
const RA_STEPS: f64 = 4_294_967_296.0 / 360.0;
const DEC_STEPS: f64 = 1_073_741_824.0 / 90.0;

fn to_fixed(ra: f64, dec: f64) -> (u32, i32) {
    let ra = (ra.rem_euclid(360.0) * RA_STEPS).round() as u64;
    (ra as u32, (dec * DEC_STEPS).round() as i32)
}

fn from_fixed(ra: u32, dec: i32) -> [f64; 3] {
    UnitVector::from_ra_dec_deg(f64::from(ra) / RA_STEPS, f64::from(dec) / DEC_STEPS).0
}

/// A direction as it is after writing and reading.
pub(crate) fn rounded(ra: f64, dec: f64) -> [f64; 3] {
    let (a, d) = to_fixed(ra, dec);
    from_fixed(a, d)
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xCBF2_9CE4_8422_2325, |hash, chunk| {
        let mut word = [0u8; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

impl BlindIndex {
    pub fn to_bytes(&self) -> Vec<u8> {
        let listed: usize = self.lists.iter().map(|l| l.rows().len()).sum();
        let mut out = Vec::with_capacity(
            48 + 8 * self.stars.len() + 16 * self.lists.len() + 8 * listed + 24 * self.quads.len(),
        );
        out.extend_from_slice(MAGIC);
        let counts = [self.boxes, self.stars.len(), self.lists.len(), self.quads.len(), 0];
        out.extend_from_slice(&VERSION.to_le_bytes());
        counts.iter().for_each(|&c| out.extend_from_slice(&(c as u32).to_le_bytes()));
        for s in &self.stars {
            let (ra, dec) = UnitVector(*s).to_ra_dec_deg();
            let (ra, dec) = to_fixed(ra, dec);
            out.extend_from_slice(&ra.to_le_bytes());
            out.extend_from_slice(&dec.to_le_bytes());
        }
        for list in &self.lists {
            out.extend_from_slice(&list.side.to_le_bytes());
            out.extend_from_slice(&(list.rows().len() as u32).to_le_bytes());
            out.extend_from_slice(&0u32.to_le_bytes());
            list.cells().iter().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
            list.rows().iter().for_each(|r| out.extend_from_slice(&r.to_le_bytes()));
        }
        self.codes.iter().flatten().for_each(|c| out.extend_from_slice(&c.to_le_bytes()));
        self.quads.iter().flatten().for_each(|s| out.extend_from_slice(&s.to_le_bytes()));
        let sum = checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AstrometryError> {
        let mut reader = Reader { rest: bytes };
        if reader.take(8)? != MAGIC {
            return Err(bad("these bytes are not an index of stars"));
        }
        let version = reader.word()?;
        if version != VERSION {
            return Err(AstrometryError::Index {
                reason: format!(
                    "it is of version {version}, this program reads {VERSION}; build it again"
                ),
            });
        }
        let body = &bytes[..bytes.len() - 8];
        let mut stored = [0u8; 8];
        stored.copy_from_slice(&bytes[bytes.len() - 8..]);
        if u64::from_le_bytes(stored) != checksum(body) {
            return Err(bad("its checksum is wrong: it is damaged or cut short; build it again"));
        }
        let [boxes, stars, lists, quads] =
            [reader.count()?, reader.count()?, reader.count()?, reader.count()?];
        reader.word()?;
        if !(boxes == 16 || boxes == 32) || stars < 4 || lists == 0 || lists > 64 {
            return Err(bad("its counts make no sense"));
        }
        let stars: Vec<[f64; 3]> = reader
            .take(8 * stars)?
            .chunks_exact(8)
            .map(|c| {
                from_fixed(
                    u32::from_le_bytes([c[0], c[1], c[2], c[3]]),
                    i32::from_le_bytes([c[4], c[5], c[6], c[7]]),
                )
            })
            .collect();
        let lists = (0..lists)
            .map(|_| read_list(&mut reader, stars.len()))
            .collect::<Result<Vec<_>, _>>()?;
        let codes: Vec<[u16; 4]> = reader
            .take(8 * quads)?
            .chunks_exact(8)
            .map(|c| std::array::from_fn(|k| u16::from_le_bytes([c[2 * k], c[2 * k + 1]])))
            .collect();
        let quads: Vec<[u32; 4]> = reader
            .take(16 * quads)?
            .chunks_exact(16)
            .map(|c| {
                std::array::from_fn(|k| {
                    u32::from_le_bytes([c[4 * k], c[4 * k + 1], c[4 * k + 2], c[4 * k + 3]])
                })
            })
            .collect();
        if quads.iter().flatten().any(|&s| s as usize >= stars.len()) || reader.rest.len() != 8 {
            return Err(bad("its parts do not fit together"));
        }
        Ok(Self::assemble(stars, lists, codes, quads, boxes))
    }
}

fn read_list(reader: &mut Reader<'_>, stars: usize) -> Result<CellList, AstrometryError> {
    let mut side = [0u8; 8];
    side.copy_from_slice(reader.take(8)?);
    let side = f64::from_le_bytes(side);
    if !(side > 0.0 && side <= std::f64::consts::PI) {
        return Err(bad("a list's cells have no size"));
    }
    let count = reader.count()?;
    reader.word()?;
    let mut words = || -> Result<Vec<u32>, AstrometryError> {
        let bytes = reader.take(count.saturating_mul(4))?;
        Ok(bytes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    };
    let (cells, rows) = (words()?, words()?);
    if rows.iter().any(|&r| r as usize >= stars) {
        return Err(bad("a list names a star that is not there"));
    }
    CellList::from_sorted(cells, rows, side).ok_or_else(|| bad("a list is out of order"))
}

fn bad(reason: &str) -> AstrometryError {
    AstrometryError::Index { reason: reason.into() }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], AstrometryError> {
        // The checksum at the end is no part of the body.
        if self.rest.len() < 8 || count > self.rest.len() - 8 {
            return Err(bad("it is cut short; build it again"));
        }
        let (head, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(head)
    }

    fn word(&mut self) -> Result<u32, AstrometryError> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn count(&mut self) -> Result<usize, AstrometryError> {
        Ok(self.word()? as usize)
    }
}
