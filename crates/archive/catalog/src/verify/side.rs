//! Margin caches, id indexes and the sky map against the rows of the table.

use super::partition::{integers, mix};
use super::{IMPORT_AGAIN, RESTORE, VerifyReport, unreadable};
use arrow::array::{Array, RecordBatch};
use elqui_fits::FitsFile;
use elqui_hats::{HatsCatalog, Index, Margin, Pixel};
use elqui_schema::{Column, ColumnData};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

fn read(path: &Path, mut each: impl FnMut(&RecordBatch)) -> Result<(), String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|b| b.with_batch_size(65_536).build())
        .map_err(|e| e.to_string())?;
    for batch in reader {
        each(&batch.map_err(|e| e.to_string())?);
    }
    Ok(())
}

pub(super) fn margin(
    catalog: &HatsCatalog,
    margin: &Margin,
    wanted: &HashMap<Pixel, Vec<i64>>,
    report: &mut VerifyReport,
    step: &dyn Fn(),
) {
    let healpix = catalog.healpix_column().unwrap_or("_healpix_29");
    for partition in &margin.partitions {
        let range = partition.pixel.range29();
        let mut have: HashMap<i64, i64> = HashMap::new();
        let (mut rows, mut own, mut sorted, mut last) = (0u64, 0u64, true, i64::MIN);
        for path in &partition.files {
            let done = read(path, |batch| {
                rows += batch.num_rows() as u64;
                let Some(cells) = integers(batch, healpix) else { return };
                for cell in cells.iter().flatten() {
                    *have.entry(cell).or_default() += 1;
                    own += u64::from(u64::try_from(cell).is_ok_and(|c| range.contains(&c)));
                    sorted &= cell >= last;
                    last = cell;
                }
            });
            if let Err(e) = done {
                report.findings.push(unreadable(path, e));
            }
        }
        report.margin_rows += rows;
        let Some(path) = partition.files.first() else { continue };
        if let Some(said) = partition.rows.filter(|said| *said != rows) {
            report.find(path, format!("it has {rows} rows, {said} are said"), IMPORT_AGAIN);
        }
        if own > 0 {
            report.find(path, format!("{own} rows are the partition's own"), IMPORT_AGAIN);
        }
        if !sorted {
            report.find(path, format!("its rows are not sorted by `{healpix}`"), IMPORT_AGAIN);
        }
        let mut missing = 0u64;
        for cell in wanted.get(&partition.pixel).into_iter().flatten() {
            match have.get_mut(cell) {
                Some(n) if *n > 0 => *n -= 1,
                _ => missing += 1,
            }
        }
        if missing > 0 {
            let problem =
                format!("{missing} rows within {}\" are missing", margin.threshold_arcsec);
            report.find(path, problem, IMPORT_AGAIN);
        }
        step();
    }
    for (pixel, cells) in wanted {
        if margin.partition(*pixel).is_none() {
            let path = margin.root.join(pixel.path());
            let problem = format!("it is missing, {} rows belong there", cells.len());
            report.find(&path, problem, RESTORE);
        }
    }
}

pub(super) fn index(
    catalog: &HatsCatalog,
    index: &Index,
    (ids, sum): (u64, u64),
    report: &mut VerifyReport,
    step: &dyn Fn(),
) {
    let (mut rows, mut total, mut last) = (0u64, 0u64, None::<i64>);
    let mut complete = true;
    for path in &index.files {
        let (mut sorted, mut placed) = (true, true);
        let done = read(path, |batch| {
            let (Some(id), Some(cell)) =
                (integers(batch, &index.column), integers(batch, "_healpix_29"))
            else {
                placed = false;
                return;
            };
            let place = integers(batch, "Norder").zip(integers(batch, "Npix"));
            for row in 0..batch.num_rows() {
                if id.is_null(row) {
                    continue;
                }
                let (value, at) = (id.value(row), cell.value(row));
                sorted &= last.is_none_or(|l| l <= value);
                last = Some(value);
                rows += 1;
                total = total.wrapping_add(mix(value, at));
                let partition = catalog.partition_at(at.cast_unsigned()).map(|p| p.pixel);
                placed &= match &place {
                    None => partition.is_some(),
                    Some((order, npix)) => partition.is_some_and(|p| {
                        i64::from(p.order) == order.value(row)
                            && p.index.cast_signed() == npix.value(row)
                    }),
                };
            }
        });
        if let Err(e) = done {
            complete = false;
            report.findings.push(unreadable(path, e));
        }
        if !sorted {
            report.find(path, format!("`{}` is not sorted", index.column), IMPORT_AGAIN);
        }
        if !placed {
            report.find(path, "it names partitions that are none", IMPORT_AGAIN);
        }
        step();
    }
    report.index_rows += rows;
    if complete && (rows, total) != (ids, sum) {
        let problem = match rows == ids {
            true => format!("it does not hold the table's values of `{}`", index.column),
            false => format!("it holds {rows} values of `{}`, the table {ids}", index.column),
        };
        report.find(&index.root, problem, IMPORT_AGAIN);
    }
}

pub(super) fn skymap(
    catalog: &HatsCatalog,
    order: u8,
    sky: &BTreeMap<u64, i64>,
    report: &mut VerifyReport,
) {
    let path = catalog.root().join("skymap.fits");
    if !path.is_file() {
        return report.find(&path, "it is missing", RESTORE);
    }
    let table = FitsFile::open(&path).and_then(|file| {
        let hdu = file.first_table()?;
        let mut table = file.read_table(hdu)?;
        if let (true, Some(field)) =
            (table.columns.is_empty(), file.table_layout(hdu)?.fields.first())
        {
            // healpy writes rows of 1024 cells.
            let values = file.read_vectors(hdu, &field.name)?.concat();
            table.columns.push(Column::new(field.name.clone(), ColumnData::F64(values)));
        }
        Ok(table)
    });
    let table = match table {
        Ok(table) => table,
        Err(e) => return report.findings.push(unreadable(&path, e)),
    };
    let whole = |data: &ColumnData| -> Vec<i64> {
        (0..data.len()).map(|k| data.number(k).unwrap_or(f64::NAN) as i64).collect()
    };
    let cells = 12u64 << (2 * u32::from(order.min(29)));
    let said: BTreeMap<u64, i64> = match table.columns.as_slice() {
        [pixel, value, ..] if pixel.name.eq_ignore_ascii_case("PIXEL") => {
            let pixels = whole(&pixel.data).into_iter().map(i64::cast_unsigned);
            pixels.zip(whole(&value.data)).filter(|(_, n)| *n != 0).collect()
        }
        // One value a cell, or (as healpy writes) 1024 of them a row.
        columns => {
            let parts: Vec<Vec<i64>> = columns.iter().map(|c| whole(&c.data)).collect();
            let rows = parts.first().map_or(0, Vec::len);
            let values = (0..rows).flat_map(|r| parts.iter().map(move |p| p[r]));
            let all: Vec<i64> = values.collect();
            if all.len() as u64 != cells {
                let problem = format!("it has {} cells where order {order} has {cells}", all.len());
                return report.find(&path, problem, IMPORT_AGAIN);
            }
            (0..).zip(all).filter(|(_, n)| *n != 0).collect()
        }
    };
    let differs = sky.iter().find(|(c, n)| said.get(c) != Some(n)).map(|(c, _)| *c);
    let differs = differs.or_else(|| said.keys().find(|c| !sky.contains_key(c)).copied());
    if let Some(cell) = differs {
        let (said, rows) = (said.get(&cell).unwrap_or(&0), sky.get(&cell).unwrap_or(&0));
        let problem = format!("cell {cell} has {said} rows by it, {rows} in the files");
        report.find(&path, problem, IMPORT_AGAIN);
    }
}
