//! What is imported is what `info` tells, `verify` finds whole and `export` gives back; damage is
//! found, file by file.

use elqui_catalog::source::{InDegrees, InputOptions, Inputs, RowSource, key_columns};
use elqui_catalog::{
    ExportRequest, ImportConfig, SkyRegion, export, felis_table, info, open_catalog, read_felis,
    text_types, verify,
};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Rows over the whole sky, with some close to one another.
fn rows(n: usize) -> String {
    let mut out = String::from("objectId,ra,dec,mag,name\n");
    let mut x = 12345u64;
    let mut next = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 11) as f64 / (1u64 << 53) as f64
    };
    for k in 0..n {
        let (ra, dec) = match k % 3 {
            0 => (360.0 * next(), (2.0 * next() - 1.0f64).asin().to_degrees()),
            _ => (45.0 + 0.2 * (next() - 0.5), 0.2 * (next() - 0.5)),
        };
        let name = if k % 7 == 0 { String::new() } else { format!("s, {k}") };
        let _ = writeln!(out, "{},{ra},{dec},{},\"{name}\"", 10 * k + 3, 15.0 + next());
    }
    out
}

fn import(folder: &TempDir, text: &str) -> PathBuf {
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, text).unwrap();
    let source = Inputs::open(&[file.display().to_string()], &InputOptions::default()).unwrap();
    let keys = key_columns(&source.schema(), None, None, None).unwrap();
    let source = InDegrees::new(source, &keys).unwrap();
    let mut config = ImportConfig::new("dr1.Object", &keys.ra, &keys.dec);
    config.id = keys.id;
    config.margin_arcsec = Some(30.0);
    config.rows_max = 800;
    config.row_group_rows = 256;
    config.page_rows = 64;
    let dir = folder.path().join("cat");
    elqui_catalog::import(&dir, &source, &config, &|_| {}).unwrap();
    dir
}

fn findings(dir: &Path) -> Vec<String> {
    let report = verify(dir, None, &|_, _| {}).unwrap();
    report.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn whole_catalogues_are_found_whole_and_told() {
    let folder = TempDir::new().unwrap();
    let dir = import(&folder, &rows(6000));
    let report = verify(&dir, None, &|_, _| {}).unwrap();
    assert_eq!(report.findings, [], "{:?}", report.findings);
    assert_eq!((report.rows, report.index_rows), (6000, 6000));
    assert!(report.margin_rows > 0, "the crowd at (45, 0) lies across partitions");
    let info = info(&dir, None).unwrap();
    assert_eq!((info.name.as_str(), info.rows), ("dr1.Object", 6000));
    assert_eq!(info.partitions, info.orders.values().sum::<usize>());
    assert_eq!((info.ra.as_deref(), info.dec.as_deref()), (Some("ra"), Some("dec")));
    assert_eq!(info.margins[0].arcsec, 30.0);
    assert_eq!(info.indexes[0].column, "objectId");
    let text = info.to_text();
    assert!(text.contains("6000") && text.contains("objectId"), "{text}");
    serde_json::to_string(&info).unwrap();
}

#[test]
fn damage_is_found_and_named() {
    let folder = TempDir::new().unwrap();
    let dir = import(&folder, &rows(3000));
    let catalog = open_catalog(&dir, None).unwrap();
    let part = catalog.partitions()[1].files[0].clone();
    let found = |wanted: &str| {
        let all = findings(&dir);
        assert!(all.iter().any(|f| f.contains(wanted)), "{wanted}: {all:?}");
    };
    let whole = |path: &Path| std::fs::read(path).unwrap();
    // The files may be shared with other names: new ones are put in their place.
    let put = |path: &Path, bytes: &[u8]| {
        let _ = std::fs::remove_file(path);
        std::fs::write(path, bytes).unwrap();
    };
    let good = whole(&part);
    let name = part.file_name().unwrap().to_str().unwrap().to_string();
    std::fs::remove_file(&part).unwrap();
    found(&format!("{name}`: it is missing"));
    put(&part, &good[..good.len() / 2]);
    found("cannot be read");
    put(&part, b"");
    found("cannot be read");
    // Another partition's rows under this one's name.
    put(&part, &whole(&catalog.partitions()[2].files[0]));
    found("outside the pixel");
    put(&part, &good);
    let stray = part.with_file_name("Npix=999999.parquet");
    std::fs::write(&stray, &good).unwrap();
    found("does not name it");
    std::fs::remove_file(stray).unwrap();
    let margin = catalog.margins()[0].partitions[0].files[0].clone();
    let kept = whole(&margin);
    std::fs::remove_file(&margin).unwrap();
    found("cannot be read");
    put(&margin, &kept);
    let map = catalog.root().join("skymap.fits");
    let kept = whole(&map);
    std::fs::remove_file(&map).unwrap();
    found("skymap.fits`: it is missing");
    put(&map, &kept);
    let info = catalog.root().join("partition_info.csv");
    let kept = std::fs::read_to_string(&info).unwrap();
    let last = kept.trim_end().rfind('\n').unwrap();
    put(&info, &kept.as_bytes()[..=last]);
    found("hats_nrows");
    put(&info, kept.as_bytes());
    assert_eq!(findings(&dir), [""; 0]);
}

#[test]
fn a_region_of_some_columns_comes_out_in_every_format() {
    let folder = TempDir::new().unwrap();
    let text = rows(3000);
    let dir = import(&folder, &text);
    let region = SkyRegion::Circle { ra: 45.0, dec: 0.0, radius: 0.05 };
    let expected = text.lines().skip(1).filter(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        region.contains(cells[1].parse().unwrap(), cells[2].parse().unwrap())
    });
    let mut expected: Vec<i64> =
        expected.map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
    expected.sort_unstable();
    assert!(expected.len() > 100);
    for ending in ["csv", "parquet", "vot", "fits"] {
        let out = folder.path().join(format!("out.{ending}"));
        let request = ExportRequest {
            columns: ["objectid", "dec", "ra", "name"].map(String::from).to_vec(),
            region: Some(region.clone()),
            ..Default::default()
        };
        let report = export(&dir, &request, &out, &|_, _| {}).unwrap();
        assert_eq!(report.rows as usize, expected.len(), "{ending}");
        let source = Inputs::open(&[out.display().to_string()], &InputOptions::default()).unwrap();
        let names: Vec<String> =
            source.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["objectId", "dec", "ra", "name"], "{ending}");
        let mut ids: Vec<i64> = Vec::new();
        let mut nulls = 0;
        for k in 0..source.parts() {
            for batch in source.part(k, None).unwrap() {
                let batch = batch.unwrap();
                use arrow::array::{Array, AsArray};
                let id = batch.column(0).as_primitive::<arrow::datatypes::Int64Type>();
                ids.extend(id.values());
                nulls += batch.column(3).null_count();
            }
        }
        ids.sort_unstable();
        assert_eq!(ids, expected, "{ending}");
        assert!(nulls > 0, "{ending}");
    }
    let all = folder.path().join("all.csv");
    assert_eq!(export(&dir, &ExportRequest::default(), &all, &|_, _| {}).unwrap().rows, 3000);
    let request = ExportRequest { columns: vec!["nothing".into()], ..Default::default() };
    let text = export(&dir, &request, &all, &|_, _| {}).unwrap_err().to_string();
    assert!(text.contains("`nothing`") && text.contains("info"), "{text}");
    let odd = folder.path().join("x.odd");
    assert!(export(&dir, &ExportRequest::default(), &odd, &|_, _| {}).is_err());
}

#[test]
fn a_felis_schema_gives_types_units_and_words() {
    let folder = TempDir::new().unwrap();
    let yaml = "name: s\n\"@id\": \"#s\"\ntables:\n- name: T\n  columns:\n  - {name: objectId, datatype: long, ivoa:ucd: meta.id;meta.main, nullable: false}\n  - {name: ra, datatype: double, ivoa:unit: deg, description: Where}\n  - {name: code, datatype: string, length: 8}\n  - {name: n, datatype: short}\n  - {name: gone, datatype: float}\n";
    let path = folder.path().join("s.yaml");
    std::fs::write(&path, yaml).unwrap();
    let schema = read_felis(&path).unwrap();
    let table = felis_table(&schema, "dr1.t").unwrap();
    let rows = folder.path().join("r.csv");
    std::fs::write(&rows, "OBJECTID,ra,code,n,more\n1,2,007,3,x\n").unwrap();
    let options = InputOptions { types: text_types(table), ..Default::default() };
    let source = Inputs::open(&[rows.display().to_string()], &options).unwrap();
    let source = elqui_catalog::Described::new(source, table);
    assert_eq!(
        (source.missing(), source.extra()),
        (&["gone".to_string()][..], &["more".to_string()][..])
    );
    let batch = source.part(0, None).unwrap().next().unwrap().unwrap();
    let fields = batch.schema();
    assert_eq!(fields.field(0).name(), "objectId");
    assert_eq!(fields.field(1).metadata()["unit"], "deg");
    assert_eq!(fields.field(3).data_type(), &arrow::datatypes::DataType::Int16);
    use arrow::array::AsArray;
    assert_eq!(batch.column(2).as_string::<i32>().value(0), "007");
    let text = felis_table(&elqui_catalog::read_felis(&path).unwrap(), "x").map(|t| t.name.clone());
    assert_eq!(text.unwrap(), "T");
    std::fs::write(&path, "name: s\nresources: {b: {uri: no.yaml}}\ntables: []\n").unwrap();
    assert!(read_felis(&path).unwrap_err().to_string().contains("no.yaml"));
}

/// The real files, where `$ELQUI_REALDATA` has them.
#[test]
fn real_catalogues_are_imported_and_found_whole() {
    let Some(root) = std::env::var_os("ELQUI_REALDATA").map(PathBuf::from) else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let inputs = [
        ("refcats/lsst_htm/189584.fits.gz", 2762),
        ("refcats/lsst_htm/ps1_pv3_3pi_20170110_189584_refcats.fits.gz", 17827),
        ("refcats/tycho2/tycho2_hatp32_1deg.csv", 0),
    ];
    for (name, wanted) in inputs {
        let file = root.join(name);
        if !file.is_file() {
            println!("skipped: {} is not there", file.display());
            continue;
        }
        let source = Inputs::open(&[file.display().to_string()], &InputOptions::default()).unwrap();
        let keys = key_columns(&source.schema(), None, None, None).unwrap();
        let source = InDegrees::new(source, &keys).unwrap();
        let folder = TempDir::new().unwrap();
        let mut config = ImportConfig::new("real.refcat", &keys.ra, &keys.dec);
        config.id = keys.id;
        config.margin_arcsec = Some(10.0);
        config.rows_max = 2000;
        let dir = folder.path().join("cat");
        let done = elqui_catalog::import(&dir, &source, &config, &|_| {}).unwrap();
        assert!(wanted == 0 || done.rows == wanted, "{name}: {} rows", done.rows);
        assert_eq!(findings(&dir), [""; 0], "{name}");
        let info = info(&dir, None).unwrap();
        assert!(
            info.columns.iter().any(|c| c.name == keys.ra && matches!(c.unit.as_str(), "deg" | ""))
        );
    }
}
