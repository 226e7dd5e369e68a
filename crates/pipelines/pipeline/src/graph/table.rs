//! Rows of numbers, each kept once: how a million data ids fit in little memory.

/// A row's number.
pub type Row = u32;
/// No row.
pub const NONE: Row = u32::MAX;

/// Rows of one width. The first `key` columns tell rows apart; what follows belongs to them.
#[derive(Debug, Clone, Default)]
pub struct RowTable {
    width: usize,
    key: usize,
    count: u32,
    cells: Vec<i64>,
    /// Open addressing: row numbers, or `NONE`. A power of two, at most half full.
    slots: Vec<Row>,
}

impl RowTable {
    pub fn new(width: usize, key: usize) -> Self {
        Self { width, key, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn row(&self, row: Row) -> &[i64] {
        let start = row as usize * self.width;
        &self.cells[start..start + self.width]
    }

    pub fn find(&self, key: &[i64]) -> Option<Row> {
        if self.slots.is_empty() {
            return None;
        }
        let row = self.slots[self.place(key)];
        (row != NONE).then_some(row)
    }

    /// The number of a row, which is added when its key is new.
    pub fn intern(&mut self, row: &[i64]) -> Row {
        if 2 * (self.len() + 1) > self.slots.len() {
            self.grow();
        }
        let place = self.place(&row[..self.key]);
        if self.slots[place] == NONE {
            self.slots[place] = self.count;
            self.cells.extend_from_slice(row);
            self.count += 1;
        }
        self.slots[place]
    }

    fn place(&self, key: &[i64]) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash(key) as usize & mask;
        while self.slots[at] != NONE && self.row(self.slots[at])[..self.key] != key[..self.key] {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        self.slots = vec![NONE; (4 * (self.len() + 1)).next_power_of_two().max(16)];
        for row in 0..self.count {
            let place = self.place(&self.row(row)[..self.key]);
            self.slots[place] = row;
        }
    }
}

/// Fixed, so that nothing differs between runs. Keys are ours: nobody gains by collisions.
fn hash(key: &[i64]) -> u64 {
    let mut h = 0x9e37_79b9_7f4a_7c15_u64;
    for v in key {
        h = (h ^ *v as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h ^= h >> 32;
    }
    h
}

/// For each of some things a list of rows, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edges {
    pub ends: Vec<u32>,
    pub rows: Vec<Row>,
}

impl Edges {
    pub fn of(&self, thing: usize) -> &[Row] {
        let start = if thing == 0 { 0 } else { self.ends[thing - 1] as usize };
        &self.rows[start..self.ends[thing] as usize]
    }

    /// From pairs `thing << 32 | row`, in any order and repeated or not.
    pub fn from_pairs(mut pairs: Vec<u64>, things: usize) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut ends = vec![0; things];
        for pair in &pairs {
            ends[(pair >> 32) as usize] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        Self { ends, rows: pairs.into_iter().map(|p| p as u32).collect() }
    }

    pub fn pairs(&self) -> Vec<u64> {
        let one = |t: usize| self.of(t).iter().map(move |r| pair(t as u32, *r));
        (0..self.ends.len()).flat_map(one).collect()
    }
}

pub fn pair(thing: u32, row: Row) -> u64 {
    u64::from(thing) << 32 | u64::from(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_once() {
        let mut table = RowTable::new(3, 2);
        for k in 0..5000_i64 {
            assert_eq!(table.intern(&[k / 50, k % 50, k]) as i64, k);
        }
        for k in 0..5000_i64 {
            assert_eq!(table.find(&[k / 50, k % 50]), Some(k as u32));
            assert_eq!(table.intern(&[k / 50, k % 50, -1]) as i64, k);
        }
        assert_eq!((table.len(), table.find(&[100, 0])), (5000, None));
        assert_eq!(table.row(4999), [99, 49, 4999]);
        let mut none = RowTable::new(0, 0);
        assert_eq!(
            (none.find(&[]), none.intern(&[]), none.intern(&[]), none.len()),
            (None, 0, 0, 1)
        );
    }

    #[test]
    fn edges_from_pairs_and_back() {
        let edges = Edges::from_pairs(vec![pair(2, 7), pair(0, 1), pair(2, 3), pair(2, 7)], 4);
        assert_eq!(edges.of(0), [1]);
        assert!(edges.of(1).is_empty() && edges.of(3).is_empty());
        assert_eq!(edges.of(2), [3, 7]);
        assert_eq!(Edges::from_pairs(edges.pairs(), 4), edges);
    }
}
