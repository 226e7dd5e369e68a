//! Laws of every table format, and hostile files.

use elqui_schema::{Column, ColumnData, SourceTable, Table};
use elqui_tables::{
    csv_bytes, parquet_bytes, parse_csv, parse_parquet, read_table_file, write_table_file,
};

fn sample() -> Table {
    let mut t = Table::new("Sample");
    let mut flux = Column::new("psfFlux", ColumnData::F64(vec![1.5, f64::NAN, -1e-300, 1e22]));
    flux.unit = "nJy".into();
    flux.ucd = "phot.flux.density".into();
    flux.description = "Flux, with \"quotes\", commas and ünïcode ☄".into();
    t.push(flux).unwrap();
    t.push(Column::new("rad", ColumnData::F32(vec![0.1, f32::INFINITY, 3.0e-9, f32::NAN])))
        .unwrap();
    t.push(Column::new("id", ColumnData::I64(vec![i64::MAX, i64::MIN, 0, -7]))).unwrap();
    t.push(Column::new("n", ColumnData::I32(vec![1, 2, 3, i32::MIN]))).unwrap();
    t.push(Column::new("flag", ColumnData::Bool(vec![true, false, true, true]))).unwrap();
    let names = ["α Cen", "a,b", "line\nbreak \"q\"", "#hash"].map(String::from).to_vec();
    t.push(Column::new("name", ColumnData::Str(names))).unwrap();
    t.metadata = vec![("zeta".into(), "1".into()), ("alpha".into(), "ß".into())];
    t
}

/// Equality where NaN equals NaN.
fn same(a: &ColumnData, b: &ColumnData) -> bool {
    match (a, b) {
        (ColumnData::F64(a), ColumnData::F64(b)) => {
            a.iter().zip(b).all(|(x, y)| x == y || (x.is_nan() && y.is_nan())) && a.len() == b.len()
        }
        (ColumnData::F32(a), ColumnData::F32(b)) => {
            a.iter().zip(b).all(|(x, y)| x == y || (x.is_nan() && y.is_nan())) && a.len() == b.len()
        }
        _ => a == b,
    }
}

#[test]
fn parquet_keeps_everything_and_is_deterministic() {
    let t = sample();
    let bytes = parquet_bytes(&t).unwrap();
    for _ in 0..20 {
        assert_eq!(parquet_bytes(&t.clone()).unwrap(), bytes);
    }
    let back = parse_parquet(bytes, "memory").unwrap();
    assert_eq!((&back.name, &back.metadata), (&t.name, &t.metadata));
    for (a, b) in t.columns.iter().zip(&back.columns) {
        assert_eq!((&a.name, &a.unit, &a.ucd), (&b.name, &b.unit, &b.ucd));
        assert_eq!(a.description, b.description);
        assert!(same(&a.data, &b.data), "{}", a.name);
    }
}

#[test]
fn a_source_table_is_described_and_an_empty_one_is_a_table_too() {
    let t = SourceTable::with_rows(0).to_table();
    let back = parse_parquet(parquet_bytes(&t).unwrap(), "memory").unwrap();
    assert_eq!(back.rows(), 0);
    let ra = back.column("ra").unwrap();
    assert_eq!((ra.unit.as_str(), ra.ucd.as_str()), ("deg", "pos.eq.ra;meta.main"));
    assert_eq!(back.column("psfFlux").unwrap().unit, "adu");
    let back = parse_csv(&csv_bytes(&t).unwrap(), "memory").unwrap();
    assert_eq!((back.rows(), back.columns.len()), (0, t.columns.len()));
}

#[test]
fn csv_keeps_the_values() {
    let t = sample();
    let back = parse_csv(&csv_bytes(&t).unwrap(), "Sample").unwrap();
    for (a, b) in t.columns.iter().zip(&back.columns) {
        assert_eq!(a.name, b.name);
        match (&a.data, &b.data) {
            (ColumnData::F32(a), ColumnData::F64(b)) => {
                assert!(a.iter().zip(b).all(|(x, y)| *x == *y as f32 || x.is_nan() && y.is_nan()));
            }
            (ColumnData::I32(a), ColumnData::I64(b)) => {
                assert!(a.iter().zip(b).all(|(x, y)| i64::from(*x) == *y));
            }
            (a, b) => assert!(same(a, b), "{a:?} {b:?}"),
        }
    }
}

#[test]
fn csv_types_are_inferred() {
    let text = "\u{feff}# a comment\r\nra, n ,id,flag,name,gap\r\n1,2,9007199254740993,True,x,\r\n1e3,,,false,,NaN\r\n";
    let t = parse_csv(text.as_bytes(), "t").unwrap();
    let kinds: Vec<_> = t.columns.iter().map(|c| (c.name.as_str(), &c.data)).collect();
    assert_eq!(kinds[0], ("ra", &ColumnData::F64(vec![1.0, 1000.0])));
    assert!(matches!(kinds[1], ("n", ColumnData::F64(v)) if v[0] == 2.0 && v[1].is_nan()));
    assert_eq!(kinds[2], ("id", &ColumnData::I64(vec![9_007_199_254_740_993, 0])));
    assert_eq!(kinds[3].1, &ColumnData::Bool(vec![true, false]));
    assert_eq!(kinds[4].1, &ColumnData::Str(vec!["x".into(), String::new()]));
    assert!(matches!(kinds[5].1, ColumnData::F64(v) if v.iter().all(|x| x.is_nan())));
    let t = parse_csv(b"a\tb\n1\t2\n", "t").unwrap();
    assert_eq!(t.columns.len(), 2);
}

#[test]
fn what_is_wrong_with_a_csv_is_said_with_its_line() {
    let say = |text: &[u8]| parse_csv(text, "cat.csv").unwrap_err().to_string();
    assert_eq!(say(b"a,b\n1,2\n3\n"), "`cat.csv`, line 3: 1 fields where the header has 2");
    assert_eq!(say(b"a,b\n1,2\n\n3,4,5\n"), "`cat.csv`, line 4: 3 fields where the header has 2");
    assert_eq!(say(b"a\n\xff\xfe\n"), "`cat.csv`, line 2: the text is not UTF-8");
    assert!(say(b"").contains("no header line"));
    assert!(say(b"a,a\n1,2\n").contains("two columns are named `a`"));
    assert!(say(b"a,\n1,2\n").contains("column 2 has no name"));
    assert!(say(b"SIMPLE\0\0").contains("binary"));
}

#[test]
fn hostile_parquet_is_an_error_and_never_a_panic() {
    let good = parquet_bytes(&sample()).unwrap();
    for cut in 0..good.len() {
        assert!(parse_parquet(good[..cut].to_vec(), "cut").is_err());
    }
    // Bytes turned over may give other values, but must not stop the program.
    for k in 0..good.len() {
        let mut bad = good.clone();
        bad[k] ^= 0x55;
        if let Err(e) = parse_parquet(bad, "bad.parquet") {
            assert!(!e.to_string().contains('\n'), "{e}");
        }
    }
}

#[test]
fn files_are_chosen_by_their_ending_and_errors_name_them() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["t.parquet", "t.csv"] {
        let path = folder.path().join(name);
        write_table_file(&path, &sample()).unwrap();
        assert_eq!(read_table_file(&path).unwrap().rows(), 4);
    }
    let say = |name: &str| read_table_file(&folder.path().join(name)).unwrap_err().to_string();
    assert!(say("none.csv").contains("none.csv`: no such file"));
    assert!(say("x.docx").contains(".parquet, .pq, .csv and .tsv"));
    std::fs::write(folder.path().join("fake.parquet"), "ra,dec\n1,2\n").unwrap();
    assert!(say("fake.parquet").contains("PAR1"));
    let lost = folder.path().join("no/such/t.parquet");
    assert!(write_table_file(&lost, &sample()).unwrap_err().to_string().contains("t.parquet"));
}
