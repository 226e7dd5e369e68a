//! HEALPix cells as a dimension that has no records: numbers, borders, and where they come from.
//!
//! - number: NUNIQ, 4 * 4^order + nested index, so one number says order and place (IVOA MOC 2.0)
//! - values: a dataset's own key, or those that an expression lists, or those of datasets that exist
//! - differs from `daf_butler`: any order in one dimension; the overlap is exact, not by a common level

use super::compile::Compiler;
use super::names::bounded;
use crate::error::RegistryError;
use crate::error::Result;
use crate::registry::Registry;
use crate::schema::CELL_ORDER;
use elqui_base::UnitVector;
use elqui_butler::expression::{Compare, Expr, Item, Node};
use elqui_sphere::{healpix_center, healpix_index, healpix_vertices};
use elqui_sql::SqlValue;
use std::collections::BTreeSet;

/// Numbers that one expression may list.
const ASKED_MAX: usize = 1_000_000;
/// The least number: cell 0 of order 0.
pub(crate) const NUNIQ_MIN: i64 = 4;
/// Beyond the last cell of order 29.
const NUNIQ_END: i64 = 1 << 62;
/// Sides of a cell are drawn through the corners of cells of this order: off by less than 0.5 arcsec.
const BORDER_ORDER: u8 = 8;
/// At least so many pieces a side, as a power of two, where cells are smaller than that.
const BORDER_DEPTH_MIN: u8 = 2;

/// A cell of the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub order: u8,
    pub index: u64,
}

impl Cell {
    /// `None` for a number that no cell has.
    pub fn of(nuniq: i64) -> Option<Self> {
        if !(NUNIQ_MIN..NUNIQ_END).contains(&nuniq) {
            return None;
        }
        let order = (nuniq.ilog2() / 2 - 1) as u8;
        Some(Self { order, index: (nuniq - (1 << (2 * (order + 1)))) as u64 })
    }

    pub fn contains(self, ra: f64, dec: f64) -> bool {
        healpix_index(self.order, ra, dec) == self.index
    }

    pub fn center(self) -> (f64, f64) {
        healpix_center(self.order, self.index)
    }

    /// Points of the border, in turn: the corners of the small cells along it.
    pub fn border(self) -> Vec<UnitVector> {
        let depth = BORDER_ORDER.saturating_sub(self.order).max(BORDER_DEPTH_MIN);
        let depth = depth.min(29 - self.order);
        let n = 1_u64 << depth;
        let corner = |x: u64, y: u64, which: usize| {
            let small = (self.index << (2 * depth)) | spread(x) | (spread(y) << 1);
            let (ra, dec) = healpix_vertices(self.order + depth, small)[which];
            UnitVector::from_ra_dec_deg(ra, dec)
        };
        let [south, east, north, west] = [0, 1, 2, 3];
        let mut points = Vec::with_capacity(4 * n as usize);
        points.extend((0..n).map(|k| corner(k, 0, south)));
        points.extend((0..n).map(|k| corner(n - 1, k, east)));
        points.extend((0..n).rev().map(|k| corner(k, n - 1, north)));
        points.extend((0..n).rev().map(|k| corner(0, k, west)));
        points
    }
}

/// The bits of a number with a gap after each: x of a nested index.
fn spread(x: u64) -> u64 {
    (0..32).fold(0, |all, bit| all | ((x >> bit & 1) << (2 * bit)))
}

/// The first and last cell of the registry's order in or around a numbered one, as SQL.
pub(super) fn bounds(column: &str) -> (String, String) {
    let (mut low, mut high) = ("CASE".to_string(), "CASE".to_string());
    for order in 0..=29_u32 {
        let (start, end) = (1_i64 << (2 * (order + 1)), 1_i64 << (2 * (order + 2)));
        let index = format!("({column} - {start})");
        let (first, last) = match u32::from(CELL_ORDER).checked_sub(order) {
            Some(up) => {
                let size = 1_i64 << (2 * up);
                (format!("{index} * {size}"), format!("{index} * {size} + {}", size - 1))
            }
            None => {
                let up = format!("{index} / {}", 1_i64 << (2 * (order - u32::from(CELL_ORDER))));
                (up.clone(), up)
            }
        };
        low += &format!(" WHEN {column} < {end} THEN {first}");
        high += &format!(" WHEN {column} < {end} THEN {last}");
    }
    (low + " END", high + " END")
}

/// The same for one number.
fn bounds_of(nuniq: i64) -> Option<(i64, i64)> {
    let cell = Cell::of(nuniq)?;
    let index = cell.index as i64;
    Some(match CELL_ORDER.checked_sub(cell.order) {
        Some(up) => (index << (2 * up), ((index + 1) << (2 * up)) - 1),
        None => {
            let up = index >> (2 * (cell.order - CELL_ORDER));
            (up, up)
        }
    })
}

/// The numbers that an expression's outermost terms allow; `None` when none of them says.
pub(super) fn listed(tree: &Node, dimension: &str) -> Result<Option<BTreeSet<i64>>> {
    let terms = match &tree.expr {
        Expr::And(terms) => terms.as_slice(),
        _ => std::slice::from_ref(tree),
    };
    let mut found: Option<BTreeSet<i64>> = None;
    for term in terms.iter().filter(|t| bounded(t) == Some(dimension)) {
        let mut these = BTreeSet::new();
        match &term.expr {
            Expr::Compare(Compare::Eq, _, value) => {
                these.extend(if let Expr::Int(v) = value.expr { Some(v) } else { None });
            }
            Expr::In(_, items, false) => {
                for item in items {
                    match item {
                        Item::One(Node { expr: Expr::Int(v), .. }) => {
                            these.insert(*v);
                        }
                        Item::Range(a, b, step) => {
                            let step = usize::try_from(*step).unwrap_or(1).max(1);
                            these.extend((*a..=*b).step_by(step).take(ASKED_MAX + 1));
                        }
                        Item::One(_) => {}
                    }
                }
            }
            _ => continue,
        }
        if these.len() > ASKED_MAX {
            let what = format!("the list of `{dimension}`");
            let why = format!("it has more than {ASKED_MAX} numbers; ask in parts");
            return Err(RegistryError::Refused { what, why });
        }
        found = Some(match found {
            Some(before) => before.intersection(&these).copied().collect(),
            None => these,
        });
    }
    Ok(found)
}

impl Registry {
    /// Keep numbers for the query that comes; returns the table to choose from.
    pub(super) fn ask_cells(&mut self, numbers: &BTreeSet<i64>) -> Result<String> {
        self.hits_last += 1;
        let query = self.hits_last;
        self.sql.batch(
            "CREATE TEMP TABLE IF NOT EXISTS asked_cell (query BIGINT NOT NULL, number BIGINT NOT NULL, \
             low BIGINT NOT NULL, high BIGINT NOT NULL, PRIMARY KEY (query, number))",
        )?;
        let old = [SqlValue::Int(self.hits_first)];
        self.sql.execute("DELETE FROM asked_cell WHERE query < ?", &old)?;
        let mut values = Vec::with_capacity(4 * numbers.len());
        for (number, (low, high)) in numbers.iter().filter_map(|n| Some((*n, bounds_of(*n)?))) {
            values.extend([query, number, low, high].map(SqlValue::Int));
        }
        self.sql.bulk_insert("asked_cell", &["query", "number", "low", "high"], &values)?;
        Ok(format!("(SELECT number, low, high FROM asked_cell WHERE query = {query})"))
    }
}

impl Compiler<'_, '_> {
    /// A number that no cell has is a slip of the pen, and not an empty answer.
    pub(super) fn check_cells(&self, node: &Node) -> Result<()> {
        let Some(dimension) = bounded(node) else { return Ok(()) };
        if !self.registry.universe.element(dimension).is_some_and(elqui_butler::Element::is_healpix)
        {
            return Ok(());
        }
        let numbers = listed(node, dimension)?.unwrap_or_default();
        match numbers.into_iter().find(|n| Cell::of(*n).is_none()) {
            Some(number) => self.wrong(
                node.at,
                format!("{number} is no HEALPix cell; numbers are 4 * 4^order + index, from 4"),
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bounds() {
        assert_eq!(Cell::of(3), None);
        assert_eq!(Cell::of(i64::MAX), None);
        for (nuniq, order, index) in [
            (4, 0, 0),
            (15, 0, 11),
            (16, 1, 0),
            (63, 1, 47),
            (4 << 16, 8, 0),
            ((1 << 62) - 1, 29, (12 << 58) - 1),
        ] {
            assert_eq!(Cell::of(nuniq), Some(Cell { order, index }), "{nuniq}");
        }
        assert_eq!(bounds_of(4), Some((0, 65_535)));
        assert_eq!(bounds_of((4 << 16) + 7), Some((7, 7)));
        assert_eq!(bounds_of((4 << 20) + 37), Some((2, 2)));
        let (low, high) = bounds("x");
        assert!(low.contains("WHEN x < 16 THEN (x - 4) * 65536 "), "{low}");
        assert!(high.contains("WHEN x < 16 THEN (x - 4) * 65536 + 65535 "), "{high}");
    }

    #[test]
    fn borders_lie_between_a_cell_and_its_neighbours() {
        for nuniq in [4, 9, 15, 20, 77, 4 << 16, (4 << 40) + 12_345] {
            let cell = Cell::of(nuniq).unwrap();
            let (ra, dec) = cell.center();
            let center = UnitVector::from_ra_dec_deg(ra, dec).0;
            let border = cell.border();
            assert!(border.len() >= 16);
            for p in border {
                let toward = |f: f64| {
                    let v: [f64; 3] = std::array::from_fn(|k| p.0[k] + f * (center[k] - p.0[k]));
                    let (ra, dec) = UnitVector::normalized(v).to_ra_dec_deg();
                    cell.contains(ra, dec)
                };
                assert!(toward(1e-3), "{nuniq}");
                assert!(!toward(-1e-2), "{nuniq}");
            }
        }
    }
}
