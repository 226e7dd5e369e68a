//! Tables as JSON: columns with their facts, rows as arrays. A missing number is null; an id past
//! 2^53 is text, since a browser's numbers cannot hold it.

use elqui_schema::{ColumnData, Table};
use serde_json::{Value, json};

const EXACT: u64 = 1 << 53;

/// The name of a column's type.
pub fn column_type(data: &ColumnData) -> &'static str {
    match data {
        ColumnData::F64(_) => "double",
        ColumnData::F32(_) => "float",
        ColumnData::I64(_) => "long",
        ColumnData::I32(_) => "int",
        ColumnData::Bool(_) => "boolean",
        ColumnData::Str(_) => "string",
    }
}

/// `[{name, type, unit, ucd, description}]`.
pub fn columns_json(table: &Table) -> Value {
    let facts = table.columns.iter().map(|c| {
        json!({"name": c.name, "type": column_type(&c.data), "unit": c.unit, "ucd": c.ucd,
               "description": c.description})
    });
    Value::Array(facts.collect())
}

fn cell(data: &ColumnData, row: usize) -> Value {
    match data {
        ColumnData::F64(v) => json!(v[row]),
        // The shortest digits of the f32, not the long tail of its f64.
        ColumnData::F32(v) => v[row].to_string().parse::<f64>().map_or(Value::Null, |x| json!(x)),
        ColumnData::I64(v) if v[row].unsigned_abs() > EXACT => json!(v[row].to_string()),
        ColumnData::I64(v) => json!(v[row]),
        ColumnData::I32(v) => json!(v[row]),
        ColumnData::Bool(v) => json!(v[row]),
        ColumnData::Str(v) => json!(v[row]),
    }
}

/// Rows as arrays of values in the order of the columns.
pub fn rows_json(table: &Table) -> Value {
    (0..table.rows())
        .map(|r| table.columns.iter().map(|c| cell(&c.data, r)).collect::<Value>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use elqui_schema::Column;

    #[test]
    fn what_json_cannot_say_is_null_or_text() {
        let mut t = Table::new("t");
        t.push(Column::new("f", ColumnData::F32(vec![0.1, f32::NAN]))).unwrap();
        t.push(Column::new("id", ColumnData::I64(vec![7, i64::MAX]))).unwrap();
        assert_eq!(rows_json(&t).to_string(), r#"[[0.1,7],[null,"9223372036854775807"]]"#);
        assert_eq!(columns_json(&t)[1]["type"], "long");
    }
}
