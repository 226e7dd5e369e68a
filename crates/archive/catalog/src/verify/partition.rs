//! One partition: its file, its rows, and what they ask of margins, indexes and the sky map.

use super::{Finding, IMPORT_AGAIN, RESTORE, finding, unreadable};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};
use elqui_hats::{HatsCatalog, Partition, Pixel};
use elqui_sphere::healpix29;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

/// Points of a row's circle that are asked for the partition that they lie in.
const DIRECTIONS: usize = 8;

pub(super) struct Checks<'a> {
    pub catalog: &'a HatsCatalog,
    pub schema: &'a SchemaRef,
    pub skymap_order: Option<u8>,
    /// Of every margin cache.
    pub reach_arcsec: Vec<f64>,
    /// Columns with an index.
    pub ids: Vec<String>,
}

#[derive(Default)]
pub(super) struct Checked {
    pub readable: bool,
    pub rows: u64,
    pub findings: Vec<Finding>,
    /// Rows by cell of the sky map's order.
    pub sky: BTreeMap<u64, i64>,
    /// For each margin: cells of rows that must be in another partition's margin.
    pub margin: Vec<HashMap<Pixel, Vec<i64>>>,
    /// For each index: ids, and a sum that tells whether two sets of them agree.
    pub ids: Vec<(u64, u64)>,
}

/// A number from id and cell; sums of it are the same in any order.
pub(super) fn mix(id: i64, cell: i64) -> u64 {
    let mut x = id.cast_unsigned() ^ cell.cast_unsigned().rotate_left(32);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A column as 64-bit integers, unsigned ones by their bits where they do not fit.
pub(super) fn integers(batch: &RecordBatch, name: &str) -> Option<Int64Array> {
    let array = batch.column_by_name(name)?;
    if array.data_type() == &DataType::UInt64 {
        let values = array.as_primitive::<arrow::datatypes::UInt64Type>();
        return Some(values.iter().map(|v| v.map(u64::cast_signed)).collect());
    }
    Some(cast(array, &DataType::Int64).ok()?.as_primitive::<Int64Type>().clone())
}

fn floats(batch: &RecordBatch, name: Option<&str>) -> Option<Float64Array> {
    let array: &ArrayRef = batch.column_by_name(name?)?;
    Some(cast(array, &DataType::Float64).ok()?.as_primitive::<Float64Type>().clone())
}

impl Checks<'_> {
    pub(super) fn partition(&self, partition: &Partition) -> Checked {
        let mut out = Checked {
            readable: true,
            margin: vec![HashMap::new(); self.reach_arcsec.len()],
            ids: vec![(0, 0); self.ids.len()],
            ..Default::default()
        };
        if partition.files.is_empty() {
            let path = self.catalog.root().join(partition.pixel.path());
            out.readable = false;
            out.findings.push(finding(&path, "it is missing", RESTORE));
        }
        for path in &partition.files {
            self.file(path, partition.pixel, &mut out);
        }
        if let Some(said) = partition.rows.filter(|said| out.readable && *said != out.rows) {
            let path = self.catalog.root().join(elqui_hats::PARTITION_INFO);
            let problem =
                format!("{} has {said} rows by it, {} in its file", partition.pixel, out.rows);
            out.findings.push(finding(&path, problem, IMPORT_AGAIN));
        }
        out
    }

    fn file(&self, path: &Path, pixel: Pixel, out: &mut Checked) {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                out.readable = false;
                return out.findings.push(finding(path, "it is missing", RESTORE));
            }
            Err(e) => {
                out.readable = false;
                return out.findings.push(unreadable(path, e));
            }
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .map(|b| b.with_batch_size(65_536))
            .and_then(|b| Ok((b.schema().clone(), b.build()?)));
        let (schema, reader) = match reader {
            Ok(reader) => reader,
            Err(e) => {
                out.readable = false;
                return out.findings.push(unreadable(path, e));
            }
        };
        let names = |s: &SchemaRef| -> Vec<(String, DataType)> {
            s.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
        };
        if names(&schema) != names(self.schema) {
            let problem = "its columns are not those of `dataset/_common_metadata`";
            out.findings.push(finding(path, problem, IMPORT_AGAIN));
        }
        let mut last = i64::MIN;
        let mut told = Told::default();
        for batch in reader {
            match batch {
                Ok(batch) => last = self.rows(&batch, pixel, last, path, &mut told, out),
                Err(e) => {
                    out.readable = false;
                    out.findings.push(unreadable(path, e));
                    return;
                }
            }
        }
    }

    /// Check a batch; the cell of its last row.
    fn rows(
        &self,
        batch: &RecordBatch,
        pixel: Pixel,
        mut last: i64,
        path: &Path,
        told: &mut Told,
        out: &mut Checked,
    ) -> i64 {
        let first = out.rows;
        out.rows += batch.num_rows() as u64;
        let ra = floats(batch, self.catalog.ra_column());
        let dec = floats(batch, self.catalog.dec_column());
        let healpix = self.catalog.healpix_column().unwrap_or("_healpix_29");
        let Some(cells) = integers(batch, healpix) else {
            if !std::mem::replace(&mut told.column, true) {
                let problem = format!("it has no column `{healpix}`");
                out.findings.push(finding(path, problem, IMPORT_AGAIN));
            }
            return last;
        };
        let whole = self.catalog.healpix_order() == 29;
        let range = pixel.range29();
        let ids: Vec<Option<Int64Array>> =
            self.ids.iter().map(|name| integers(batch, name)).collect();
        // A child stands where its parent does.
        let own_place = self.catalog.properties().get("elqui_parent").is_none();
        for row in 0..batch.num_rows() {
            let cell = if cells.is_null(row) { -1 } else { cells.value(row) };
            let at = first + row as u64 + 1;
            if cell < last && !std::mem::replace(&mut told.order, true) {
                let problem = format!("row {at} breaks the order of `{healpix}`");
                out.findings.push(finding(path, problem, IMPORT_AGAIN));
            }
            last = cell;
            let inside = u64::try_from(cell).is_ok_and(|c| range.contains(&c));
            if whole && !inside && !std::mem::replace(&mut told.inside, true) {
                let problem = format!("row {at} lies outside the pixel {pixel}");
                out.findings.push(finding(path, problem, IMPORT_AGAIN));
            }
            if let Some(order) = self.skymap_order.filter(|_| inside && whole) {
                let shift = 2 * u32::from(29 - order.min(29));
                *out.sky.entry(cell.cast_unsigned() >> shift).or_default() += 1;
            }
            for (sum, id) in out.ids.iter_mut().zip(&ids) {
                if let Some(id) = id.as_ref().filter(|id| !id.is_null(row)) {
                    *sum = (sum.0 + 1, sum.1.wrapping_add(mix(id.value(row), cell)));
                }
            }
            let (Some(ra), Some(dec)) = (&ra, &dec) else { continue };
            if !own_place || !whole || ra.is_null(row) || dec.is_null(row) {
                continue;
            }
            let (ra, dec) = (ra.value(row), dec.value(row));
            if healpix29(ra, dec).cast_signed() != cell
                && !std::mem::replace(&mut told.position, true)
            {
                let problem = format!("row {at}: `{healpix}` is not the cell of its position");
                out.findings.push(finding(path, problem, IMPORT_AGAIN));
            }
            for (margin, reach) in out.margin.iter_mut().zip(&self.reach_arcsec) {
                self.neighbours(pixel, ra, dec, reach / 3600.0, |other| {
                    margin.entry(other).or_default().push(cell);
                });
            }
        }
        last
    }

    /// Other partitions that hold a point of the circle about a position: the row is in their
    /// margins.
    fn neighbours(
        &self,
        own: Pixel,
        ra: f64,
        dec: f64,
        radius_deg: f64,
        mut found: impl FnMut(Pixel),
    ) {
        // A hair inside, for the rounding of either side.
        let r = (radius_deg * (1.0 - 1e-6)).to_radians();
        let range = own.range29();
        let (sin_dec, cos_dec) = dec.to_radians().sin_cos();
        let mut seen: [Option<Pixel>; DIRECTIONS] = [None; DIRECTIONS];
        for k in 0..DIRECTIONS {
            let angle = std::f64::consts::TAU * k as f64 / DIRECTIONS as f64;
            let sin_other = sin_dec * r.cos() + cos_dec * r.sin() * angle.cos();
            let east = (angle.sin() * r.sin() * cos_dec).atan2(r.cos() - sin_dec * sin_other);
            let other_dec = sin_other.clamp(-1.0, 1.0).asin().to_degrees();
            let cell = healpix29(ra + east.to_degrees(), other_dec);
            if range.contains(&cell) {
                continue;
            }
            let Some(partition) = self.catalog.partition_at(cell) else { continue };
            if !seen.contains(&Some(partition.pixel)) {
                seen[k] = Some(partition.pixel);
                found(partition.pixel);
            }
        }
    }
}

/// What has been told of a file: once is enough.
#[derive(Default)]
struct Told {
    column: bool,
    order: bool,
    inside: bool,
    position: bool,
}
