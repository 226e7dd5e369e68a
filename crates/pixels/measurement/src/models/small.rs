//! Symmetric systems of a few unknowns, by Cholesky's factors, without the heap.

/// Inverse of a positive definite matrix; `None` when it is not.
pub fn invert<const N: usize>(a: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    // Scaled to a unit diagonal: unknowns differ by many orders of magnitude.
    let scale: [f64; N] = std::array::from_fn(|i| 1.0 / a[i][i].sqrt());
    if !scale.iter().all(|s| *s > 0.0 && s.is_finite()) {
        return None;
    }
    let mut l = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let mut sum = a[i][j] * scale[i] * scale[j];
            sum -= (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            if i == j {
                if !(sum > 1e-11) {
                    return None;
                }
                l[i][i] = sum.sqrt();
            } else {
                l[i][j] = sum / l[j][j];
            }
        }
    }
    // Inverse of the factor, then its square.
    let mut m = [[0.0; N]; N];
    for i in 0..N {
        let row: [f64; N] = std::array::from_fn(|j| {
            let sum: f64 = (j..i).map(|k| l[i][k] * m[k][j]).sum();
            if j == i { 1.0 / l[i][i] } else { -sum / l[i][i] }
        });
        m[i] = row;
    }
    Some(std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let sum: f64 = (i.max(j)..N).map(|k| m[k][i] * m[k][j]).sum();
            sum * scale[i] * scale[j]
        })
    }))
}

/// Solution of a x = b.
pub fn solve<const N: usize>(a: &[[f64; N]; N], b: &[f64; N]) -> Option<[f64; N]> {
    let inverse = invert(a)?;
    Some(std::array::from_fn(|i| (0..N).map(|j| inverse[i][j] * b[j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_solves() {
        let a = [[4e6, 2e3, 1e3], [2e3, 5.0, 1.0], [1e3, 1.0, 3.0]];
        let x = [1e-3, -2.0, 0.5];
        let b: [f64; 3] = std::array::from_fn(|i| (0..3).map(|j| a[i][j] * x[j]).sum());
        let got = solve(&a, &b).unwrap();
        assert!(got.iter().zip(x).all(|(g, x)| (g - x).abs() < 1e-9), "{got:?}");
        assert!(solve(&[[1.0, 2.0], [2.0, 1.0]], &[0.0, 0.0]).is_none());
    }
}
