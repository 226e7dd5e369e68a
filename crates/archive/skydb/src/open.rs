//! From folders to tables: catalogues in HATS layout, folders of them, folders of Parquet.

use crate::engine::Engine;
use crate::error::{SkyDbError, one_line};
use crate::folders;
use crate::functions::point_type;
use crate::names::RELEASE;
use crate::plain::{described_field, open_plain};
use crate::storage::{IdIndex, OpenFile, Parent, SkyTable, TableFile};
use crate::types::{ColumnInfo, TableInfo};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use elqui_hats::{COLLECTION_PROPERTIES, HatsCatalog, TABLE_PROPERTIES};
use elqui_schema::felis;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Open all of `roots`, and make their tables known to the engine.
pub async fn open_all(
    engine: &Engine,
    roots: &[PathBuf],
    version: Option<&str>,
) -> Result<Vec<TableInfo>, SkyDbError> {
    let mut tables: BTreeMap<(String, String), (TableInfo, PathBuf)> = BTreeMap::new();
    let mut note = |info: TableInfo, path: &Path| {
        let key = (info.schema.to_lowercase(), info.name.to_lowercase());
        if let Some((_, first)) = tables.get(&key) {
            return Err(SkyDbError::Twice {
                table: format!("{}.{}", info.schema, info.name),
                first: first.display().to_string(),
                second: path.display().to_string(),
            });
        }
        tables.insert(key, (info, path.to_path_buf()));
        Ok(())
    };
    let mut plain = Vec::new();
    let mut catalogues: Vec<(PathBuf, SkyTable)> = Vec::new();
    for root in roots {
        let inside = catalogues_in(root);
        for path in &inside {
            catalogues.push((path.clone(), open_hats(path, version)?));
        }
        // A folder of catalogues may hold plain files besides.
        if inside.is_empty() {
            plain.push(root.clone());
        } else if !inside.contains(root) && folders::has_plain(root, &inside) {
            plain.push(root.clone());
        }
    }
    link_parents(&mut catalogues);
    for (path, table) in catalogues {
        let t = &table;
        note(table_info(&t.schema_name, &t.name, &t.description, &t.schema, t.rows), &path)?;
        engine.register_catalogue(Arc::new(table))?;
    }
    for (name, paths) in folders::find(&plain)? {
        let (table, rows) = open_plain(engine, &name, &paths).await?;
        let description = felis::table(&name).map(|t| t.description.clone()).unwrap_or_default();
        let info = table_info(RELEASE, &name, &description, &table.schema(), Some(rows));
        note(info, &paths[0])?;
        engine.register(RELEASE, &name, table)?;
    }
    Ok(tables.into_values().map(|t| t.0).collect())
}

/// A child is asked for its parents' ids through the parent's own index, where both are open.
fn link_parents(catalogues: &mut [(PathBuf, SkyTable)]) {
    for k in 0..catalogues.len() {
        let Some(parent) = catalogues[k].1.parent.clone() else { continue };
        let found = catalogues.iter().find(|(_, t)| t.is_parent(&parent));
        let Some(index) = found.and_then(|(_, t)| t.indexes.first()) else { continue };
        let own = IdIndex::new(parent.column, index.files.clone(), index.healpix.clone());
        let own = own.of_column(index.id_column());
        let child = &mut catalogues[k].1;
        if child.indexes.iter().all(|i| i.column != own.column) {
            child.indexes.push(Arc::new(own));
        }
    }
}

/// Whether a folder is a catalogue or a collection in HATS layout.
pub fn is_catalogue(path: &Path) -> bool {
    [COLLECTION_PROPERTIES, TABLE_PROPERTIES].iter().any(|f| path.join(f).is_file())
        || path.join("properties").is_file() && path.join("dataset").is_dir()
}

/// The catalogues in HATS layout at a path: itself, or the folders in it.
fn catalogues_in(root: &Path) -> Vec<PathBuf> {
    if is_catalogue(root) {
        return vec![root.to_path_buf()];
    }
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| is_catalogue(p)).collect();
    found.sort();
    found
}

fn open_hats(path: &Path, version: Option<&str>) -> Result<SkyTable, SkyDbError> {
    let fail = |reason: String| SkyDbError::Open { path: path.display().to_string(), reason };
    let catalog = match version {
        Some(v) => HatsCatalog::open_version(path, v),
        None => HatsCatalog::open(path),
    }
    .map_err(|e| fail(one_line(e)))?;
    let mut files = Vec::new();
    for partition in catalog.partitions() {
        for file in &partition.files {
            files.push(TableFile {
                path: file.clone(),
                cells: partition.pixel.range29(),
                rows: partition.rows.filter(|_| partition.files.len() == 1),
            });
        }
    }
    let first = files.first().ok_or_else(|| fail("it has no partitions".into()))?;
    // One that is gone or damaged is told when it is needed.
    let sample = OpenFile::open(&first.path).or_else(|e| match files.last() {
        Some(last) if files.len() > 1 => OpenFile::open(&last.path).map_err(|_| e),
        _ => Err(e),
    })?;
    let (schema_name, name) = match catalog.name().rsplit_once('.') {
        Some((s, n)) => (s.to_string(), n.to_string()),
        None => (RELEASE.to_string(), catalog.name().to_string()),
    };
    // Tables of the release are written as its schema has them; others keep the name they were given.
    let known = felis::tables().iter().find(|t| t.name.eq_ignore_ascii_case(&name));
    let name = match known {
        Some(t) if schema_name == RELEASE => t.name.clone(),
        _ => name,
    };
    let fields: Vec<Field> = sample
        .arrow
        .schema()
        .fields()
        .iter()
        // Another file may lack what this one has.
        .map(|f| described_field(&name, f.as_ref().clone().with_nullable(true)))
        .collect();
    let known = |c: &str| fields.iter().any(|f| f.name() == c);
    let position = catalog
        .ra_column()
        .zip(catalog.dec_column())
        .filter(|(ra, dec)| known(ra) && known(dec))
        .map(|(ra, dec)| (ra.to_string(), dec.to_string()));
    let healpix = catalog
        .healpix_column()
        .or(Some("_healpix_29"))
        .filter(|c| known(c) && catalog.healpix_order() == 29)
        .map(str::to_string);
    let indexes = catalog
        .indexes()
        .iter()
        .filter(|i| {
            let signed =
                fields.iter().any(|f| *f.name() == i.column && f.data_type().is_signed_integer());
            signed && healpix.is_some()
        })
        .map(|i| {
            let cells = healpix.clone().unwrap_or_default();
            Arc::new(IdIndex::new(i.column.clone(), i.files.clone(), cells))
        })
        .collect();
    let rows = catalog.rows().map_err(|e| fail(one_line(e)))?;
    let mut table = SkyTable::new(schema_name, name, Arc::new(Schema::new(fields)), files);
    table.description =
        felis::table(&table.name).map(|t| t.description.clone()).unwrap_or_default();
    table.position = position;
    table.healpix = healpix;
    table.indexes = indexes;
    table.rows = rows;
    let fact = |key: &str| catalog.properties().text(key).map(str::to_string);
    // A catalogue whose parent is not named is still placed by somebody else's positions.
    table.parent = fact("elqui_parent").map(|column| Parent {
        table: fact("elqui_parent_table").unwrap_or_default(),
        stamp: fact("elqui_parent_stamp").unwrap_or_default(),
        column,
    });
    table.stamp = catalog.stamp();
    Ok(table)
}

fn table_info(
    schema_name: &str,
    name: &str,
    description: &str,
    schema: &SchemaRef,
    rows: Option<u64>,
) -> TableInfo {
    let columns = schema
        .fields()
        .iter()
        .map(|f| {
            let fact = |key: &str| f.metadata().get(key).cloned().unwrap_or_default();
            ColumnInfo {
                name: f.name().clone(),
                datatype: shape_of(f).map_or_else(|| datatype(f.data_type()), str::to_string),
                unit: fact("unit"),
                ucd: fact("ucd"),
                description: fact("description"),
            }
        })
        .collect();
    TableInfo {
        schema: schema_name.into(),
        name: name.into(),
        description: description.into(),
        rows,
        columns,
    }
}

/// Columns that hold geometry: positions as `{ra, dec}`, texts that say so (DALI's and ADQL's xtypes).
fn shape_of(f: &Field) -> Option<&'static str> {
    if *f.data_type() == point_type() {
        return Some("point");
    }
    let text = matches!(f.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let xtype = f.metadata().get("xtype")?.to_lowercase();
    let kind = xtype.strip_prefix("adql:").unwrap_or(&xtype);
    let known = ["region", "circle", "polygon", "moc", "shape", "range", "point"];
    (text && known.contains(&kind)).then_some("region")
}

fn datatype(t: &DataType) -> String {
    match t {
        DataType::Float64 => "double".into(),
        DataType::Float32 => "float".into(),
        DataType::Int64 | DataType::UInt64 | DataType::UInt32 => "long".into(),
        DataType::Int32 | DataType::UInt16 => "int".into(),
        DataType::Int16 | DataType::UInt8 => "short".into(),
        DataType::Int8 => "byte".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Dictionary(_, v) => datatype(v),
        DataType::Timestamp(..) => "timestamp".into(),
        other => other.to_string().to_lowercase(),
    }
}
