//! The adaptive map: which HEALPix pixels become partitions.
//!
//! - input: rows of each cell of the finest order
//! - a pixel with more rows than allowed is split into its four children, down to the finest
//!   order; pixels without rows get no partition
//! - source: HATS 1.0, "adaptive tiling"

use elqui_hats::Pixel;

/// Pixels and their rows, along the sky. `roots` are the pixels to start from: the twelve of
/// order 0, or those of a catalogue that is added to.
pub(super) fn adaptive(
    counts: Vec<u64>,
    order_max: u8,
    rows_max: u64,
    roots: &[Pixel],
) -> Vec<(Pixel, u64)> {
    let mut levels = vec![counts];
    for _ in 0..order_max {
        let finer: &[u64] = levels.last().map_or(&[], Vec::as_slice);
        let coarser = finer.as_chunks::<4>().0.iter().map(|c| c.iter().sum()).collect();
        levels.push(coarser);
    }
    levels.reverse();
    let mut found = Vec::new();
    let mut open: Vec<Pixel> = roots.to_vec();
    open.sort();
    open.reverse();
    while let Some(pixel) = open.pop() {
        let rows = rows_of(&levels, pixel);
        if rows == 0 {
            continue;
        }
        match pixel.children().filter(|_| rows > rows_max && pixel.order < order_max) {
            Some(children) => open.extend(children.into_iter().rev()),
            None => found.push((pixel, rows)),
        }
    }
    found
}

fn rows_of(levels: &[Vec<u64>], pixel: Pixel) -> u64 {
    let level = levels.get(usize::from(pixel.order));
    let cell = usize::try_from(pixel.index).ok();
    level.zip(cell).and_then(|(l, c)| l.get(c)).copied().unwrap_or(0)
}

/// The twelve pixels of order 0.
pub(super) fn base_pixels() -> Vec<Pixel> {
    (0..12).filter_map(|k| Pixel::new(0, k)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_where_it_must_and_drops_the_empty() {
        let mut counts = vec![0u64; 12 * 16];
        counts[0] = 5;
        counts[1] = 5;
        counts[17] = 3;
        let map = adaptive(counts.clone(), 2, 8, &base_pixels());
        let told: Vec<(u8, u64, u64)> = map.iter().map(|(p, n)| (p.order, p.index, *n)).collect();
        assert_eq!(told, [(2, 0, 5), (2, 1, 5), (0, 1, 3)]);
        // What cannot be split further stays whole.
        let map = adaptive(counts, 2, 1, &base_pixels());
        assert_eq!(map.iter().map(|m| m.1).sum::<u64>(), 13);
        assert_eq!(map.len(), 3);
    }
}
