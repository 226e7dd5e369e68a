//! Source detection: matched filter, threshold, footprints and peaks.
//!
//! [`find_streaks`] and [`mask_streaks`] take satellite trails out first. [`detect`] filters a sky-subtracted image with the PSF's width, keeps what stands above a
//! signal-to-noise threshold as [`Footprint`](elqui_image::Footprint)s, and finds the peaks in each.

// `!(x > 0.0)` is said where NaN has to be refused with the rest.
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod bits;
mod config;
mod detect;
mod filter;
mod peaks;
mod runs;
mod saturated;
mod second;
mod streaks;

pub use config::{DetectionConfig, DetectionError};
pub use detect::{Detections, detect, detect_with_psf};
pub use filter::{kernel_sigma, signal_to_noise};
pub use streaks::{Streak, StreakConfig, find_streaks, mask_streaks};

use elqui_image::{Footprint, Mask, MaskPlane};

/// Set the bit of `plane` on the footprints' pixels.
pub fn mark(mask: &mut Mask, footprints: &[Footprint], plane: MaskPlane) {
    let (width, height) = (mask.width() as i32, mask.height() as i32);
    for span in footprints.iter().flat_map(|f| &f.spans) {
        let (x0, x1) = (span.x0.max(0), span.x1.min(width - 1));
        if span.y < 0 || span.y >= height || x0 > x1 {
            continue;
        }
        let row = mask.row_mut(span.y as usize);
        row[x0 as usize..=x1 as usize].iter_mut().for_each(|b| *b |= plane.bit());
    }
}

/// Set EDGE on the ring of `pixels` along the image's border, where the filter's kernel is cut.
pub fn mark_edge(mask: &mut Mask, pixels: usize) {
    let (width, height) = (mask.width(), mask.height());
    let edge = MaskPlane::Edge.bit();
    let reach = pixels.min(width);
    for y in 0..height {
        let row = mask.row_mut(y);
        if y < pixels || y + pixels >= height {
            row.iter_mut().for_each(|b| *b |= edge);
        } else {
            row[..reach].iter_mut().for_each(|b| *b |= edge);
            row[width - reach..].iter_mut().for_each(|b| *b |= edge);
        }
    }
}
