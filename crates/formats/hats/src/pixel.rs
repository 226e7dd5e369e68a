//! One partition's cell of the sky: a HEALPix pixel, nested numbering.
//!
//! - order: 0 (12 cells) to 29; index: 0 to 12 x 4^order - 1

use elqui_sphere::{HEALPIX29_ORDER, healpix_index, healpix29_range};
use std::fmt;
use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pixel {
    pub order: u8,
    pub index: u64,
}

impl Pixel {
    /// `None` for an order past 29 or an index that the order does not have.
    pub fn new(order: u8, index: u64) -> Option<Self> {
        (order <= HEALPIX29_ORDER && index < 12u64 << (2 * u32::from(order)))
            .then_some(Self { order, index })
    }

    /// The pixel of an order that holds a position (deg); `None` off the sky.
    pub fn of_position(order: u8, ra: f64, dec: f64) -> Option<Self> {
        Self::new(order.min(HEALPIX29_ORDER), healpix_index(order, ra, dec))
    }

    /// Cells of order 29 inside.
    pub fn range29(self) -> Range<u64> {
        healpix29_range(self.order, self.index)
    }

    /// The pixel of a lower order that holds this one; this one itself for a higher order.
    pub fn at_order(self, order: u8) -> Self {
        let order = order.min(self.order);
        Self { order, index: self.index >> (2 * u32::from(self.order - order)) }
    }

    pub fn parent(self) -> Option<Self> {
        (self.order > 0).then(|| self.at_order(self.order - 1))
    }

    /// The four pixels of the next order; `None` at order 29.
    pub fn children(self) -> Option<[Self; 4]> {
        (self.order < HEALPIX29_ORDER).then(|| {
            [0, 1, 2, 3].map(|k| Self { order: self.order + 1, index: (self.index << 2) + k })
        })
    }

    /// Whether the other pixel lies inside this one (or is it).
    pub fn contains(self, other: Self) -> bool {
        other.order >= self.order && other.at_order(self.order) == self
    }

    pub fn contains29(self, healpix29: u64) -> bool {
        self.range29().contains(&healpix29)
    }

    /// `Dir=` of the path: pixels are kept ten thousand to a folder.
    pub fn dir(self) -> u64 {
        self.index / 10_000 * 10_000
    }

    /// `dataset/Norder=K/Dir=D/Npix=N.parquet`, below the catalogue's folder.
    pub fn path(self) -> String {
        self.path_with(".parquet")
    }

    /// The same with another `hats_npix_suffix`; "/" is a folder of files.
    pub fn path_with(self, suffix: &str) -> String {
        let suffix = if suffix == "/" { "" } else { suffix };
        let Self { order, index } = self;
        format!("dataset/Norder={order}/Dir={}/Npix={index}{suffix}", self.dir())
    }

    /// The pixel that a path names (`.../Norder=K/.../Npix=N...`).
    pub fn from_path(path: &str) -> Option<Self> {
        let number = |key: &str| -> Option<u64> {
            let rest = &path[path.rfind(key)? + key.len()..];
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().ok()
        };
        Self::new(u8::try_from(number("Norder=")?).ok()?, number("Npix=")?)
    }
}

/// Along the sky (by the first cell of order 29), the larger pixel first.
impl Ord for Pixel {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |p: &Self| (p.range29().start, p.order);
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Pixel {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Pixel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Norder={} Npix={}", self.order, self.index)
    }
}
