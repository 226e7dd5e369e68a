//! What is written is read back the same, here and by astropy.

use elqui_base::{BoundedField, DetectorId, MjdTai, Polynomial2d, VisitId};
use elqui_fits::{
    ExposureFormatter, FitsError, FitsFile, HduKind, Writer, exposure_from, exposure_to_bytes,
    read_exposure, read_table, write_exposure, write_image, write_table,
};
use elqui_image::{
    BackgroundModel, Exposure, Header, Image, MaskPlane, PhotoCalib, PsfModel, Value, VisitInfo,
};
use elqui_schema::{Column, ColumnData, Table};
use elqui_wcs::Wcs;
use std::process::Command;

fn exposure() -> Exposure {
    let (w, h) = (61, 47);
    let mut header = Header::default();
    header.set("INSTRUME", Value::Str("simcam".into()), "camera");
    header.set("EXPTIME", Value::Float(30.1), "s");
    header.set("LONGTEXT", Value::Str("it's a long text ".repeat(12).trim_end().into()), "");
    header.set("ESO INS TEMP", Value::Float(-7.25e-3), "hierarch");
    let info = VisitInfo {
        instrument: "simcam".into(),
        visit: VisitId(u64::from(u32::MAX) * 9).0,
        detector: DetectorId(42).0,
        detector_name: "R22_S11".into(),
        band: "r".into(),
        physical_filter: "r_57".into(),
        observation_type: "science".into(),
        exposure_s: 30.1,
        mid_mjd_tai: MjdTai(61_000.123_456_789_01),
        boresight_ra: 0.1 + 0.2,
        boresight_dec: -30.000_000_1,
        pixel_scale_arcsec: 0.2,
        airmass: 1.234_567,
        object: "O'Neill's field".into(),
    };
    let image = Image::from_fn(w, h, |x, y| (x as f32).mul_add(0.37, -(y as f32)));
    let mask = Image::from_fn(w, h, |x, y| if (x + y) % 7 == 0 { 0x8000_0101 } else { 0 });
    let variance = Image::from_fn(w, h, |x, _| if x == 3 { f32::INFINITY } else { 4.0 + x as f32 });
    let mut e = Exposure::new(image, mask, variance, header, info).unwrap();
    e.gain = 1.7;
    let wcs = Wcs::tan([351.64, 0.1], [30.0, 23.0], [[-5.5e-5, 1e-7], [1.1e-7, 5.5e-5]]);
    e.wcs = Some(
        wcs.with_sip(3, vec![((2, 0), 1.3e-6), ((1, 2), -2e-9)], vec![((0, 2), 2.1e-6)])
            .with_size(61.0, 47.0),
    );
    let mut psf = PsfModel::from_profile(11, 0.5, 3.3, |x, y| (-0.3 * (x * x + y * y)).exp());
    psf.degree = 1;
    psf.components =
        (0..3).map(|k| psf.components[0].iter().map(|v| v * k as f32).collect()).collect();
    psf.center = [30.5, 23.5];
    psf.scale = [2.0 / 61.0, 2.0 / 47.0];
    e.psf = Some(psf);
    e.photo_calib = Some(PhotoCalib {
        njy_per_adu: 0.1 + 0.7,
        njy_per_adu_err: 1e-3,
        zero_point_mag: 31.642_275_032_520_94,
        zero_point_err_mag: 0.002,
        zero_point_map: Some(BoundedField::constant(31.64, 0.004)),
    });
    e.ap_corr.0.insert("psfFlux".into(), BoundedField::constant(1.01, 0.003));
    let polynomial = Polynomial2d {
        degree: 1,
        coefficients: vec![1.0, 1e-3 / 3.0, -2e-3],
        center: [30.5, 23.5],
        scale: [0.03, 0.04],
    };
    e.ap_corr.0.insert("kronFlux".into(), BoundedField { polynomial, covariance: Vec::new() });
    e.background = Some(BackgroundModel {
        width: w,
        height: h,
        cell_width: 32,
        cell_height: 32,
        level: Image::from_fn(2, 2, |x, y| 100.25 + (x + 2 * y) as f32),
        rms: Image::filled(2, 2, 3.5),
        error: Some(Image::from_fn(2, 2, |x, y| 0.1 + (x + y) as f32)),
        chebyshev: Some(Image::from_fn(3, 3, |i, j| 100.0 / 3.0 - (i * j) as f64)),
    });
    e
}

/// `ELQUI_PYTHON` with astropy, or a line that says why not.
fn astropy(script: &str, arguments: &[&str]) -> Option<String> {
    let python = std::env::var("ELQUI_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import astropy"]).output();
    if !there.is_ok_and(|o| o.status.success()) {
        println!("skipped: astropy is not there");
        return None;
    }
    let out = Command::new(&python).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8_lossy(&out.stdout).trim().to_string())
}

#[test]
fn an_exposure_comes_back_the_same() {
    let e = exposure();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.fits");
    write_exposure(&path, &e).unwrap();
    let back = read_exposure(&path).unwrap();
    assert_eq!(back, e);
    // Twice through gives the same bytes.
    assert_eq!(exposure_to_bytes(&back).unwrap(), std::fs::read(&path).unwrap());
    use elqui_codec::Formatter;
    let bytes = ExposureFormatter.encode(&e).unwrap();
    assert_eq!(ExposureFormatter.decode(&bytes, "e").unwrap(), e);
}

#[test]
fn a_bare_exposure_comes_back_too() {
    let mut e = exposure();
    (e.wcs, e.psf, e.photo_calib, e.background) = (None, None, None, None);
    e.ap_corr.0.clear();
    let bytes = exposure_to_bytes(&e).unwrap();
    let back = exposure_from(&FitsFile::from_bytes(bytes, "bare").unwrap()).unwrap();
    assert_eq!(back, e);
}

#[test]
fn a_wcs_changed_in_the_header_counts() {
    let e = exposure();
    let mut bytes = exposure_to_bytes(&e).unwrap();
    let at = bytes.windows(10).position(|w| w == b"CRVAL1  = ").unwrap();
    bytes[at + 10..at + 30].copy_from_slice(b"               10.5 ");
    let file = FitsFile::from_bytes(bytes, "edited").unwrap();
    assert!(matches!(exposure_from(&file), Err(FitsError::Checksum { .. })));
    let back = exposure_from(&file.ignore_checksums(true)).unwrap();
    assert_eq!(back.wcs.unwrap().crval_deg()[0], 10.5);
}

#[test]
fn astropy_opens_an_exposure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.fits");
    write_exposure(&path, &exposure()).unwrap();
    let script = "
import sys, warnings
warnings.simplefilter('error')  # any doubt of astropy fails
from astropy.io import fits
from astropy.wcs import WCS
with fits.open(sys.argv[1], checksum=True) as h:
    h.verify('exception')
    w = WCS(h['IMAGE'].header)
    ra, dec = w.all_pix2world(30, 23, 0)
    sky = w.all_pix2world(50, 40, 0)
    i = h['IMAGE'].data
    print([x.name for x in h], i.shape, round(float(i[3, 5]), 4), h['MASK'].header['HIERARCH MP_NO_DATA'] if 'HIERARCH MP_NO_DATA' in h['MASK'].header else h['MASK'].header['MP_NO_DATA'], round(float(ra), 6), round(float(dec), 6), h['PSF'].data.shape, round(float(h['PHOTOCALIB'].data['njy_per_adu'][0]), 6), h[0].header['ELQUI BAND'], h[0].header['LONGTEXT'][:9], h['APCORR'].data['flux'][0], len(h['BACKGROUND_LEVEL'].data), float(sky[0]), float(sky[1]))
";
    let Some(text) = astropy(script, &[path.to_str().unwrap()]) else { return };
    let expected = "['PRIMARY', 'IMAGE', 'MASK', 'VARIANCE', 'WCS', 'PSF', 'PHOTOCALIB', 'PHOTOCALIB_MAP', 'APCORR', \
                    'BACKGROUND_LEVEL', 'BACKGROUND_RMS', 'BACKGROUND_ERROR', 'BACKGROUND_CHEBYSHEV'] (47, 61) -1.15 8 351.64 0.1 (3, 11, 11) 0.8 r it's a lo \
                    kronFlux 2";
    assert!(text.starts_with(expected), "{text}");
    let mut numbers = text.split(' ').rev().map(|t| t.parse::<f64>().unwrap());
    let (dec, ra) = (numbers.next().unwrap(), numbers.next().unwrap());
    let sky = exposure().wcs.unwrap().pixel_to_sky(50.0, 40.0);
    assert!((sky.0 - ra).abs() < 1e-9 && (sky.1 - dec).abs() < 1e-9, "{sky:?} {ra} {dec}");
}

fn table() -> Table {
    let mut t = Table::new("Source");
    for (name, unit, data) in [
        ("ra", "deg", ColumnData::F64(vec![1.5, f64::NAN, -0.1])),
        ("mag", "mag", ColumnData::F32(vec![20.5, 21.0, f32::NAN])),
        ("sourceId", "", ColumnData::I64(vec![i64::MIN, 7, i64::MAX])),
        ("n", "", ColumnData::I32(vec![-1, 0, 1])),
        ("flag", "", ColumnData::Bool(vec![true, false, true])),
        ("name", "", ColumnData::Str(vec!["a".into(), String::new(), "Aïn".into()])),
    ] {
        let mut c = Column::new(name, data);
        c.unit = unit.into();
        c.description = format!("the {name}");
        t.columns.push(c);
    }
    t
}

#[test]
fn a_table_comes_back_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.fits");
    write_table(&path, &table()).unwrap();
    let back = read_table(&format!("{}[Source]", path.display())).unwrap();
    // NaN is not equal to itself: compare the text.
    assert_eq!(format!("{back:?}"), format!("{:?}", table()));
    let script = "
import sys
from astropy.table import Table
t = Table.read(sys.argv[1])
print(t.colnames, t['ra'].unit, t['sourceId'][2], t['flag'][0], t['name'][0], len(t))
";
    let Some(text) = astropy(script, &[path.to_str().unwrap()]) else { return };
    let expected =
        "['ra', 'mag', 'sourceId', 'n', 'flag', 'name'] deg 9223372036854775807 True a 3";
    assert_eq!(text, expected);
}

#[test]
fn an_empty_table_comes_back() {
    let mut t = Table::new("none");
    t.columns.push(Column::new("x", ColumnData::F64(Vec::new())));
    t.columns.push(Column::new("s", ColumnData::Str(Vec::new())));
    let mut w = Writer::new();
    w.table(&t, &Header::default()).unwrap();
    let back = FitsFile::from_bytes(w.into_bytes(), "t").unwrap().read_table(1).unwrap();
    assert_eq!(back, t);
}

#[test]
fn images_of_every_type_come_back() {
    let folder = tempfile::tempdir().unwrap();
    macro_rules! check {
        ($t:ty, $read:ident, $f:expr) => {{
            let path = folder.path().join(concat!(stringify!($t), ".fits"));
            let image: Image<$t> = Image::from_fn(33, 17, $f);
            write_image(&path, &image, &Header::default()).unwrap();
            let file = FitsFile::open(&path).unwrap();
            let back = file.$read(0).unwrap();
            assert_eq!(back.map(|v| v as $t), image);
            file.verify().unwrap();
        }};
    }
    check!(u8, read_image_i32, |x, y| (x * 7 + y) as u8);
    check!(i16, read_image, |x, y| (x as i16 - 5) * 900 + y as i16);
    check!(i32, read_image_i32, |x, y| (x as i32 - 9) * 60_000_001 + y as i32);
    check!(i64, read_image_f64, |x, y| (x as i64) << 40 | y as i64);
    check!(f32, read_image, |x, y| x as f32 * 0.1 - y as f32);
    check!(f64, read_image_f64, |x, y| x as f64 * 0.1 - y as f64);
}

#[test]
fn rice_is_lossless_for_integers_and_close_for_floats() {
    let mask: Image<i32> = Image::from_fn(200, 150, |x, y| if (x * y) % 11 == 0 { 256 } else { 0 });
    let noise = |x: usize, y: usize| {
        let k = (x as u32).wrapping_mul(2_654_435_761) ^ (y as u32).wrapping_mul(40_503);
        (k.wrapping_mul(747_796_405) >> 16) as f32 / 65_536.0
    };
    let image = Image::from_fn(200, 150, |x, y| 100.0 + 10.0 * noise(x, y));
    let mut header = Header::default();
    header.set("OBJECT", Value::Str("x".into()), "");
    let mut w = Writer::new();
    w.image_rice_i32("MASK", &mask, &header).unwrap();
    w.image_rice("IMAGE", &image, &header).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.fits.fz");
    w.save(&path).unwrap();
    let file = FitsFile::open(&path).unwrap();
    assert_eq!(file.hdu(1).unwrap().kind, HduKind::CompressedImage);
    assert_eq!(file.read_image_i32(1).unwrap(), mask);
    assert_eq!(file.read_image_u32(1).unwrap().at(0, 0), MaskPlane::NoData.bit());
    let back = file.read_image(file.find_name("image").unwrap()).unwrap();
    for (a, b) in back.data().iter().zip(image.data()) {
        assert!((a - b).abs() < 0.6, "{a} {b}");
    }
    assert_eq!(file.header(2).unwrap().text("OBJECT").unwrap(), "x");
    let script = "
import sys
from astropy.io import fits
with fits.open(sys.argv[1], checksum=True) as h:
    print(int(h['MASK'].data.sum()), round(float(h['IMAGE'].data.mean()), 2))
";
    let Some(text) = astropy(script, &[path.to_str().unwrap()]) else { return };
    let sum: i64 = mask.data().iter().map(|v| i64::from(*v)).sum();
    let mean = image.data().iter().map(|v| f64::from(*v)).sum::<f64>() / 30_000.0;
    let (a, b) = text.split_once(' ').unwrap();
    assert_eq!(a.parse::<i64>().unwrap(), sum);
    assert!((b.parse::<f64>().unwrap() - mean).abs() < 0.02, "{b} {mean}");
}
