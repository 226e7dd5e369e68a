//! The layout's text files: what hats writes, what others write, what is broken.

use elqui_hats::{
    HatsCatalog, HatsError, Pixel, Properties, Versions, list_partitions, parse_partition_info,
    partition_info_text,
};
use std::path::Path;
use std::time::Instant;

fn put(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[allow(clippy::disallowed_methods)] // A fixture.
    std::fs::write(path, text).unwrap();
}

const TABLE: &str = "#HATS catalog\nobs_collection=gaia\ndataproduct_type=object\nhats_nrows=7\n\
    hats_col_ra=ra\nhats_col_dec=dec\nhats_col_healpix=_healpix_29\nhats_npix_suffix=.parquet\n\
    hats_index_extra_column=None\nhats_order=1\nhats_version=v1.0\n";

#[test]
fn pixels() {
    let pixel = Pixel::new(3, 700).unwrap();
    assert_eq!(pixel.path(), "dataset/Norder=3/Dir=0/Npix=700.parquet");
    assert_eq!(
        Pixel::new(8, 123_456).unwrap().path_with("/"),
        "dataset/Norder=8/Dir=120000/Npix=123456"
    );
    assert_eq!(Pixel::from_path("a/Norder=3/Dir=0/Npix=700.snappy.parquet"), Some(pixel));
    assert_eq!(Pixel::from_path("a/Norder=3/Npix=99999"), None);
    assert_eq!((Pixel::new(30, 0), Pixel::new(0, 12)), (None, None));
    for child in pixel.children().unwrap() {
        assert!(pixel.contains(child) && !child.contains(pixel) && child.parent() == Some(pixel));
        assert!(
            pixel.contains29(child.range29().start) && pixel.contains29(child.range29().end - 1)
        );
    }
    assert!(Pixel::new(29, (12 << 58) - 1).unwrap().children().is_none());
    assert_eq!(Pixel::of_position(0, f64::NAN, 0.0), None);
}

#[test]
fn properties_text() {
    let text = "# note\n! note\nplain=a b \nkey\\ with\\:odd = x=y:z\ntabbed\tvalue\nlong=one \\\n   two\n\
        uni=caf\\u00e9 星\nempty=\nlast=1\nlast=2";
    let p = Properties::parse(text);
    let all: Vec<(&str, &str)> = p.iter().collect();
    assert_eq!(
        all,
        [
            ("plain", "a b"),
            ("key with:odd", "x=y:z"),
            ("tabbed", "value"),
            ("long", "one two"),
            ("uni", "café 星"),
            ("empty", ""),
            ("last", "2")
        ]
    );
    assert_eq!((p.get("empty"), p.text("empty")), (None, Some("")));
    let mut odd = Properties::new();
    odd.set("a=b c", " lead\nnew\\line\t").set("#k", "v#!").set("ключ", "значение");
    assert_eq!(Properties::parse(&odd.to_text("two\nlines")), odd);
    // Nothing that a damaged file holds stops the reader.
    for text in ["\\", "\\u12", "=", "=\n=", "\u{feff}a=1", "a=\\ud800", "a\\"] {
        Properties::parse(text);
    }
}

#[test]
fn partition_lists() {
    let parse = |text: &str| parse_partition_info(text, Path::new("p.csv"));
    let list = parse("Npix,Norder,num_rows,Dir\r\n5,1,70,0\r\n0,0,3,0\r\n5,1,70,0\r\n").unwrap();
    let told: Vec<_> = list.iter().map(|(p, n)| (p.order, p.index, *n)).collect();
    assert_eq!(told, [(0, 0, Some(3)), (1, 5, Some(70))]);
    assert_eq!(parse(&partition_info_text(&list)).unwrap(), list);
    for (text, part) in [
        ("", "line 1: the columns"),
        ("Norder\n1", "line 1: the columns"),
        ("Norder,Npix\n1,x", "line 2: `x` is not a number"),
        ("Norder,Npix\n1,48", "line 2: order 1 has no pixel 48"),
        ("Norder,Npix\n300,0", "line 2: order 300"),
        ("Norder,Npix\n0,0\n2,3", "line 3: Norder=2 Npix=3 lies inside Norder=0 Npix=0"),
        ("Norder,Npix\n1", "line 2: `` is not a number"),
    ] {
        let told = parse(text).unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_collection_and_its_tables() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    put(
        &d.join("collection.properties"),
        "obs_collection=g\nhats_primary_table_url=t\nall_margins=m20 m5\n\
        default_margin=m5\nall_indexes=id i\ndefault_index=id\n",
    );
    put(&d.join("t/hats.properties"), TABLE);
    put(&d.join("t/partition_info.csv"), "Norder,Npix\n1,5\n0,0\n");
    put(&d.join("t/dataset/Norder=0/Dir=0/Npix=0.parquet"), "");
    for (name, arcsec) in [("m20", "20.0"), ("m5", "5.0")] {
        let text = format!(
            "obs_collection={name}\ndataproduct_type=margin\nhats_margin_threshold={arcsec}\n"
        );
        put(&d.join(name).join("properties"), &text);
        put(&d.join(name).join("partition_info.csv"), "Norder,Npix\n1,5\n");
    }
    put(
        &d.join("i/hats.properties"),
        "obs_collection=i\ndataproduct_type=index\nhats_index_column=id\n",
    );
    for part in ["part.0.parquet", "part.1.parquet", "_x"] {
        put(&d.join("i/dataset/index").join(part), "");
    }
    let c = HatsCatalog::open(d).unwrap();
    assert_eq!(
        (c.name(), c.ra_column(), c.healpix_column()),
        ("g", Some("ra"), Some("_healpix_29"))
    );
    assert_eq!((c.rows().unwrap(), c.version(), c.partitions().len()), (Some(7), None, 2));
    assert!(c.properties().hats_index_extra_columns().is_empty());
    assert_eq!(c.margin_for(3.0).unwrap().name, "m5");
    assert_eq!(c.margin_for(7.0).unwrap().name, "m20");
    assert!(c.margin_for(21.0).is_none() && c.margins()[1].is_default);
    let pixel = Pixel::new(1, 5).unwrap();
    assert!(c.margins()[0].partition(pixel).is_some());
    assert_eq!(c.index_on("id").unwrap().files.len(), 2);
    assert_eq!(c.partition_at(pixel.range29().start).unwrap().pixel, pixel);
    assert!(c.partition_at(pixel.range29().end).is_none());
    // The plain table alone; a file that is missing is named.
    let t = HatsCatalog::open(d.join("t")).unwrap();
    assert!(t.margins().is_empty() && t.name() == "gaia");
    let told = t.check_files().unwrap_err().to_string();
    assert!(told.contains("Norder=1/Dir=0/Npix=5.parquet"), "{told}");
    assert_eq!(c.missing_files().len(), 3);
}

#[test]
fn partitions_without_a_list() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    put(&d.join("properties"), &TABLE.replace(".parquet", "/"));
    put(&d.join("dataset/Norder=2/Dir=0/Npix=9/b.parquet"), "");
    put(&d.join("dataset/Norder=2/Dir=0/Npix=9/a.parquet"), "");
    put(&d.join("dataset/_metadata"), "");
    let c = HatsCatalog::open(d).unwrap();
    assert_eq!(c.partitions()[0].files.len(), 2);
    assert!(c.partitions()[0].files.is_sorted());
    put(&d.join("dataset/Norder=0/Dir=0/Npix=0/a.parquet"), "");
    assert!(list_partitions(d, "/").unwrap_err().to_string().contains("lies inside"));
}

#[test]
fn what_is_no_catalogue() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let told = |path: &Path| HatsCatalog::open(path).unwrap_err();
    assert!(matches!(told(&d.join("none")), HatsError::Read { .. }));
    assert!(matches!(told(d), HatsError::NotACatalog { .. }));
    put(&d.join("old/catalog_info.json"), "{}");
    assert!(matches!(told(&d.join("old")), HatsError::Legacy { .. }));
    put(&d.join("far/collection.properties"), "hats_primary_table_url=s3://x/y\n");
    assert!(told(&d.join("far")).to_string().contains("another machine"));
    put(&d.join("bare/collection.properties"), "obs_collection=x\n");
    assert!(told(&d.join("bare")).to_string().contains("hats_primary_table_url"));
    put(&d.join("i/hats.properties"), "dataproduct_type=index\n");
    assert!(told(&d.join("i")).to_string().contains("no table of positions"));
}

#[test]
fn versions() {
    let p = Properties::parse(
        "v0002.rows=5\nv0001.rows=3\nv0001.created=2026-01-01T00:00:00Z\ntag.DR1=v0001\n",
    );
    let versions = Versions::from_properties(&p);
    assert_eq!(versions.list[0].tags, ["DR1"]);
    assert_eq!(Versions::from_properties(&versions.to_properties()), versions);
    let resolve = |asked: &str| versions.resolve(Path::new("c"), asked).map_err(|e| e.to_string());
    for asked in ["DR1", "v0001", "1"] {
        assert_eq!(resolve(asked).unwrap(), "v0001");
    }
    assert!(resolve("DR2").unwrap_err().contains("it has v0001 (DR1), v0002"));
}

#[test]
fn a_hundred_thousand_partitions_open_at_once() {
    let dir = tempfile::tempdir().unwrap();
    put(&dir.path().join("hats.properties"), TABLE);
    let pixels: Vec<_> = (0..100_000).map(|k| (Pixel::new(7, k).unwrap(), Some(k))).collect();
    put(&dir.path().join("partition_info.csv"), &partition_info_text(&pixels));
    let start = Instant::now();
    let catalog = HatsCatalog::open(dir.path()).unwrap();
    assert_eq!(catalog.partitions().len(), 100_000);
    assert!(start.elapsed().as_secs_f64() < 2.0);
}
