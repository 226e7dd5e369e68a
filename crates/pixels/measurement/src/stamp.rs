//! The pixels that one source is measured on.
//!
//! A square copy of the exposure about the source in which
//! - pixels without a value (rejected planes, not finite, variance unknown) are 0 and masked,
//! - cosmic rays that were interpolated keep the value they were filled with: apertures and moments sum
//!   them, the fits leave them out,
//! - pixels of other detections are 0, so that their light is not counted as this source's,
//! - for a child, the parent's pixels hold the child's share only.

use elqui_image::wide::widest;
use elqui_image::{Bbox, Exposure, HeavyFootprint, Image, Mask, MaskPlane};

/// Bit of the stamp's mask: fits leave the pixel out.
pub const UNUSABLE: u32 = 1;
/// Bit of the stamp's mask: the pixel belongs to a detection (this one or another).
pub const DETECTED: u32 = 2;
/// Bit of the stamp's mask: the pixel has no value (it is unusable too).
pub const EMPTY: u32 = 4;
/// Bit of the stamp's mask: the pixel belongs to another detection (its value here is 0).
pub const OTHER: u32 = 8;

/// Which parent owns each pixel: its index + 1, or 0.
pub type Owners = Image<u32>;

#[derive(Default)]
pub struct Stamp {
    /// Image position of the stamp's first pixel.
    pub x0: i32,
    pub y0: i32,
    pub image: Image<f32>,
    pub variance: Image<f32>,
    pub mask: Mask,
}

/// Paint the parents' spans.
pub fn owners<'a>(
    width: usize,
    height: usize,
    footprints: impl Iterator<Item = &'a elqui_image::Footprint>,
) -> Owners {
    let mut owners = Image::filled(width, height, 0u32);
    for (k, footprint) in footprints.enumerate() {
        for s in &footprint.spans {
            let (x0, x1) = (s.x0.max(0), s.x1.min(width as i32 - 1));
            if s.y >= 0 && s.y < height as i32 && x0 <= x1 {
                owners.row_mut(s.y as usize)[x0 as usize..=x1 as usize].fill(k as u32 + 1);
            }
        }
    }
    owners
}

/// What decides which pixels are a source's own.
pub struct Scene<'a> {
    pub exposure: &'a Exposure,
    pub owners: &'a Owners,
    pub reject: u32,
}

impl Scene<'_> {
    /// The stamp of half-width `half` about pixel (x, y) for the parent of index `parent`;
    /// `None` when it misses the image.
    pub fn stamp(
        &self,
        middle: (i32, i32),
        half: i32,
        parent: usize,
        child: Option<&HeavyFootprint>,
    ) -> Option<Stamp> {
        let mut stamp = Stamp::default();
        self.cut(middle, half, parent, child, &mut stamp).then_some(stamp)
    }

    /// As [`stamp`](Self::stamp), into memory that is reused; false when it misses the image.
    pub fn cut(
        &self,
        (x, y): (i32, i32),
        half: i32,
        parent: usize,
        child: Option<&HeavyFootprint>,
        stamp: &mut Stamp,
    ) -> bool {
        let side = (2 * half + 1) as usize;
        let b = self.exposure.image.bbox().intersect(&Bbox::new(x - half, y - half, side, side));
        if b.is_empty() {
            return false;
        }
        let own = parent as u32 + 1;
        (stamp.x0, stamp.y0) = (b.x0, b.y0);
        stamp.image.reshape(b.width, b.height);
        stamp.variance.reshape(b.width, b.height);
        stamp.mask.reshape(b.width, b.height);
        let (x0, x1) = (b.x0 as usize, b.x1() as usize);
        let whole = self.exposure;
        widest(
            #[inline(always)]
            || {
                for k in 0..b.height {
                    let row = b.y0 as usize + k;
                    let from = Pixels {
                        owner: &self.owners.row(row)[x0..x1],
                        values: &whole.image.row(row)[x0..x1],
                        variances: &whole.variance.row(row)[x0..x1],
                        planes: &whole.mask.row(row)[x0..x1],
                    };
                    let at = k * b.width..(k + 1) * b.width;
                    let image = &mut stamp.image.data_mut()[at.clone()];
                    let variance = &mut stamp.variance.data_mut()[at.clone()];
                    let bits = &mut stamp.mask.data_mut()[at];
                    copy(&from, own, self.reject, (&mut *image, variance, &mut *bits));
                    if let Some(child) = child {
                        share_of(child, own, (b.x0, row as i32), from.owner, bits, image);
                    }
                }
            },
        );
        true
    }
}

/// A piece of a row of the exposure, and whose it is.
struct Pixels<'a> {
    owner: &'a [u32],
    values: &'a [f32],
    variances: &'a [f32],
    planes: &'a [u32],
}

/// Copy what is usable. Plain loops without branches: these are the frame's most visited.
#[inline(always)]
fn copy(
    from: &Pixels<'_>,
    own: u32,
    reject: u32,
    (image, variance, bits): (&mut [f32], &mut [f32], &mut [u32]),
) {
    let n = from.owner.len();
    let (values, variances, planes) = (&from.values[..n], &from.variances[..n], &from.planes[..n]);
    let (image, variance, bits) = (&mut image[..n], &mut variance[..n], &mut bits[..n]);
    let mut any = 0;
    for i in 0..n {
        let (o, v, s) = (from.owner[i], values[i], variances[i]);
        let valued = (v.abs() <= f32::MAX) & (s >= 0.0) & (s <= f32::MAX);
        let free = (o == 0) | (o == own);
        bits[i] = if valued { 0 } else { UNUSABLE | EMPTY }
            | if free { 0 } else { OTHER }
            | if o != 0 { DETECTED } else { 0 };
        image[i] = if valued & free { v } else { 0.0 };
        variance[i] = if valued { s } else { 0.0 };
        any |= planes[i];
    }
    if any & reject == 0 {
        return;
    }
    // What is left to reject in a pixel whose cosmic ray was interpolated.
    let filled = MaskPlane::Cr.bit() | MaskPlane::Intrp.bit();
    let reject_filled = reject & !MaskPlane::Cr.bit();
    for i in 0..n {
        let m = planes[i];
        let empty = m & if m & filled == filled { reject_filled } else { reject } != 0;
        bits[i] |= if empty { EMPTY } else { 0 } | if m & reject != 0 { UNUSABLE } else { 0 };
        image[i] = if empty { 0.0 } else { image[i] };
        variance[i] = if empty { 0.0 } else { variance[i] };
    }
}

/// Put the child's share in place of its parent's light along a row from (x0, y) on.
#[inline(always)]
fn share_of(
    child: &HeavyFootprint,
    own: u32,
    (x0, y): (i32, i32),
    owner: &[u32],
    bits: &[u32],
    values: &mut [f32],
) {
    let n = owner.len();
    let (bits, values) = (&bits[..n], &mut values[..n]);
    let b = child.bbox;
    // The part of the row that the child's box has a share for; beyond it the child has none.
    let inside = y >= b.y0 && y < b.y1();
    let low = (b.x0 - x0).clamp(0, n as i32) as usize;
    let high = if inside { (b.x1() - x0).clamp(low as i32, n as i32) as usize } else { low };
    for (i, value) in values.iter_mut().enumerate() {
        let mine = (owner[i] == own) & (bits[i] & EMPTY == 0) & !((i >= low) & (i < high));
        *value = if mine { 0.0 } else { *value };
    }
    if low < high {
        let from = (x0 + low as i32 - b.x0) as usize;
        let row = &child.pixels.row((y - b.y0) as usize)[from..from + high - low];
        for (i, share) in (low..high).zip(row) {
            let mine = (owner[i] == own) & (bits[i] & EMPTY == 0);
            values[i] = if mine { *share } else { values[i] };
        }
    }
}
