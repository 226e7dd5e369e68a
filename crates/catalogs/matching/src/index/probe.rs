//! One question to a [`SkyIndex`]: which entries can lie in a circle.

use super::{Entry, SkyIndex};
use elqui_base::Cap;

/// Entries up to which a bin is read through instead of searched.
const SCAN_MAX: usize = 16;

impl SkyIndex {
    /// Call `f(entry, sure)` for every entry that lies in the circle (`sure`) or may.
    #[inline]
    pub(super) fn visit(&self, cap: &Cap, f: &mut impl FnMut(&Entry, bool)) {
        if self.zones.is_empty() {
            return;
        }
        let zone = |dec: f64| (dec - self.south) * self.zones_per_deg;
        // The same expression gave the zones of the entries, and it is monotonic: no slack is needed.
        let (low, high) = (zone(cap.dec() - cap.reach()), zone(cap.dec() + cap.reach()));
        if high < 0.0 || low >= self.zones.len() as f64 + 1.0 {
            return;
        }
        let last = self.zones.len() - 1;
        let (west, east) = (cap.ra() - cap.width(), cap.ra() + cap.width());
        for z in (low.max(0.0) as usize).min(last)..=(high as usize).min(last) {
            if cap.width() >= 180.0 {
                self.window(z, 0.0, 360.0, cap, 0.0, f);
                continue;
            }
            self.window(z, west, east, cap, 0.0, f);
            if west < 0.0 {
                self.window(z, west + 360.0, 360.0, cap, -360.0, f);
            }
            if east >= 360.0 {
                self.window(z, 0.0, east - 360.0, cap, 360.0, f);
            }
        }
    }

    /// Entries of a zone from `west` to `east`; `shift` turns them to the side of 0 of the centre.
    #[inline]
    fn window(
        &self,
        z: usize,
        west: f64,
        east: f64,
        cap: &Cap,
        shift: f64,
        f: &mut impl FnMut(&Entry, bool),
    ) {
        let zone = &self.zones[z];
        if east < zone.west || west > zone.east {
            return;
        }
        let start = self.starts[zone.bin(west)] as usize;
        let end = self.starts[zone.bin(east) + 1] as usize;
        let mut entries = &self.entries[start..end];
        if entries.len() > SCAN_MAX {
            entries = &entries[entries.partition_point(|e| e.ra < west)..];
        }
        for entry in entries {
            if entry.ra > east {
                break;
            }
            if entry.ra < west || (entry.dec - cap.dec()).abs() > cap.reach() {
                continue;
            }
            if let Some(sure) = cap.quick(entry.ra - cap.ra() + shift, entry.dec) {
                f(entry, sure);
            }
        }
    }
}
