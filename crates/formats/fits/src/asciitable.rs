//! ASCII tables.
//!
//! - source: FITS Standard 4.0, sec. 7.2
//! - an empty number is NaN (0 in an integer column)

use crate::bintable::unique;
use crate::error::{FitsError, Result};
use crate::file::{FitsFile, Hdu};
use crate::shape::integer;
use elqui_schema::{Column, ColumnData, Table};

impl FitsFile {
    pub(crate) fn read_ascii_table(&self, hdu: &Hdu) -> Result<Table> {
        let bad =
            |why: String| FitsError::Header { file: self.name().into(), hdu: hdu.label(), why };
        let header = &hdu.header;
        let axis = |k: usize| hdu.shape.axes.get(k).copied().unwrap_or(0) as usize;
        let row_len = axis(0);
        let n = integer(header, "TFIELDS").unwrap_or(0);
        if !(0..=9999).contains(&n) {
            return Err(bad(format!("TFIELDS = {n} is not between 0 and 9999")));
        }
        let data = self.data(hdu)?;
        let rows: Vec<&[u8]> = data.chunks_exact(row_len.max(1)).take(axis(1)).collect();
        let mut table = Table::new(hdu.name.clone());
        for k in 1..=n {
            let text = |key: &str| header.text(&format!("{key}{k}")).unwrap_or_default();
            let form = text("TFORM").to_ascii_uppercase();
            let start = integer(header, &format!("TBCOL{k}")).unwrap_or(0);
            let digits: String = form.chars().skip(1).take_while(char::is_ascii_digit).collect();
            let length: usize = digits.parse().unwrap_or(1);
            let from = usize::try_from(start - 1)
                .ok()
                .filter(|f| f.checked_add(length).is_some_and(|end| end <= row_len));
            let from =
                from.ok_or_else(|| bad(format!("TBCOL{k}, TFORM{k} are outside the row")))?;
            let cells: Vec<String> = rows
                .iter()
                .map(|r| String::from_utf8_lossy(&r[from..from + length]).trim().to_string())
                .collect();
            let null = text("TNULL");
            let missing = |c: &str| c.is_empty() || (!null.is_empty() && c == null);
            let (scale, zero) = (
                header.number(&format!("TSCAL{k}")).unwrap_or(1.0),
                header.number(&format!("TZERO{k}")).unwrap_or(0.0),
            );
            let float = |c: &String| {
                let v = c.replace(['D', 'd'], "E").parse::<f64>();
                if missing(c) { f64::NAN } else { v.unwrap_or(f64::NAN) * scale + zero }
            };
            let data = match form.bytes().next() {
                Some(b'A') => ColumnData::Str(cells),
                Some(b'I') if scale == 1.0 && zero == 0.0 => {
                    ColumnData::I64(cells.iter().map(|c| c.parse().unwrap_or(0)).collect())
                }
                Some(b'I' | b'F' | b'E' | b'D') => {
                    ColumnData::F64(cells.iter().map(float).collect())
                }
                _ => return Err(bad(format!("TFORM{k} = `{form}` is not understood"))),
            };
            let name = text("TTYPE");
            let name = if name.is_empty() { format!("col{k}") } else { name };
            table.columns.push(Column {
                name: unique(&table, name),
                unit: text("TUNIT"),
                ucd: String::new(),
                description: String::new(),
                data,
            });
        }
        Ok(table)
    }
}
