//! Newton's method in two dimensions.

/// Solve `f(x, y) = target` from `start`.
///
/// `f` returns the value and its Jacobian `[[df0/dx, df0/dy], [df1/dx, df1/dy]]`. Steps are
/// halved while they do not reduce the residual. Returns the solution when the last step is
/// below `tolerance` (in the units of x and y); `None` when it does not converge.
pub fn newton_2d(
    f: impl Fn(f64, f64) -> ([f64; 2], [[f64; 2]; 2]),
    target: [f64; 2],
    start: [f64; 2],
    tolerance: f64,
    max_iterations: usize,
) -> Option<[f64; 2]> {
    let [mut x, mut y] = start;
    let (mut value, mut jac) = f(x, y);
    let norm = |v: [f64; 2]| (v[0] - target[0]).hypot(v[1] - target[1]);
    for _ in 0..max_iterations {
        let (r0, r1) = (target[0] - value[0], target[1] - value[1]);
        let det = jac[0][0] * jac[1][1] - jac[0][1] * jac[1][0];
        if !(det.abs() > 0.0) || !det.is_finite() {
            return None;
        }
        let dx = (jac[1][1] * r0 - jac[0][1] * r1) / det;
        let dy = (jac[0][0] * r1 - jac[1][0] * r0) / det;
        let before = norm(value);
        let mut step = 1.0;
        let (mut nx, mut ny);
        loop {
            (nx, ny) = (x + step * dx, y + step * dy);
            (value, jac) = f(nx, ny);
            // Near the solution rounding decides; accept small steps as they are.
            if norm(value) <= before || step * dx.hypot(dy) < 1e3 * tolerance || step < 1e-4 {
                break;
            }
            step *= 0.5;
        }
        let moved = step * dx.hypot(dy);
        (x, y) = (nx, ny);
        if !moved.is_finite() {
            return None;
        }
        if moved < tolerance {
            return Some([x, y]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_root() {
        let f = |x: f64, y: f64| ([x * x + y, y * y * y + x], [[2.0 * x, 1.0], [1.0, 3.0 * y * y]]);
        let [x, y] = newton_2d(f, [5.0, 10.0], [1.0, 1.0], 1e-12, 50).unwrap();
        let (v, _) = f(x, y);
        assert!((v[0] - 5.0).abs() < 1e-10 && (v[1] - 10.0).abs() < 1e-10);
    }
}
