//! Connected components of runs (8-connectivity) by union-find, in one pass over the runs.
//!
//! - input: spans sorted by y, then x, not touching within a row
//! - output: for each component its spans (indices), components in the order of their first span

use elqui_image::Span;

/// Index of the component of each span, and the number of components.
pub(crate) fn label(spans: &[Span]) -> (Vec<u32>, usize) {
    let mut parent: Vec<u32> = (0..spans.len() as u32).collect();
    let mut above = 0usize;
    for k in 0..spans.len() {
        let s = spans[k];
        // Runs of the row above that touch this one, corners included.
        while above < k
            && (spans[above].y < s.y - 1
                || (spans[above].y == s.y - 1 && spans[above].x1 + 1 < s.x0))
        {
            above += 1;
        }
        let mut j = above;
        while j < k && spans[j].y == s.y - 1 && spans[j].x0 <= s.x1 + 1 {
            unite(&mut parent, j as u32, k as u32);
            j += 1;
        }
    }
    let mut labels = vec![0u32; spans.len()];
    let mut count = 0u32;
    for k in 0..spans.len() {
        let root = find(&mut parent, k as u32) as usize;
        // The root is the component's first span, so its label exists by now.
        if root == k {
            labels[k] = count;
            count += 1;
        } else {
            labels[k] = labels[root];
        }
    }
    (labels, count as usize)
}

/// Spans of each component, in order.
pub(crate) fn components(spans: &[Span]) -> Vec<Vec<Span>> {
    let (labels, count) = label(spans);
    let mut sizes = vec![0usize; count];
    labels.iter().for_each(|&l| sizes[l as usize] += 1);
    let mut out: Vec<Vec<Span>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (s, &l) in spans.iter().zip(&labels) {
        out[l as usize].push(*s);
    }
    out
}

fn find(parent: &mut [u32], mut k: u32) -> u32 {
    while parent[k as usize] != k {
        let up = parent[parent[k as usize] as usize];
        parent[k as usize] = up;
        k = up;
    }
    k
}

fn unite(parent: &mut [u32], a: u32, b: u32) {
    let (a, b) = (find(parent, a), find(parent, b));
    let (low, high) = (a.min(b), a.max(b));
    parent[high as usize] = low;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(y: i32, x0: i32, x1: i32) -> Span {
        Span { y, x0, x1 }
    }

    #[test]
    fn corners_connect_and_a_u_is_one() {
        let spans = [span(0, 0, 0), span(0, 4, 4), span(1, 1, 1), span(1, 4, 5), span(2, 2, 3)];
        assert_eq!(label(&spans), (vec![0, 0, 0, 0, 0], 1));
        let apart = [span(0, 0, 1), span(0, 3, 4), span(2, 0, 4)];
        assert_eq!(label(&apart), (vec![0, 1, 2], 3));
    }
}
