//! Files of real observatories, against the numbers that astropy read (see `data/README.md`).

use elqui_fits::FitsFile;
use std::path::Path;

#[test]
fn real_files_give_astropys_numbers() {
    let Ok(root) = std::env::var("ELQUI_REALDATA") else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let golden = include_str!("data/real_files.tsv");
    let mut checked = 0;
    for line in golden.lines().filter(|l| !l.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |k: usize| fields[k].parse::<f64>().unwrap();
        let hdu = number(1) as usize;
        // Several of these files were cut or blanked by others, who left the old checksums.
        let file = FitsFile::open(Path::new(&root).join(fields[0])).unwrap().ignore_checksums(true);
        if fields[2] == "0" {
            assert_eq!(file.read_table(hdu).unwrap().rows(), number(3) as usize, "{line}");
        } else {
            let image = file.read_image_f64(hdu).unwrap();
            let (w, h) = (image.width(), image.height());
            assert_eq!((w as f64, h as f64), (number(2), number(3)), "{line}");
            let sum: f64 = image.data().iter().filter(|v| v.is_finite()).sum();
            assert!((sum - number(4)).abs() <= 1e-9 * sum.abs().max(1.0), "{line}: {sum}");
            let middle = image.at(w / 2, h / 2);
            assert!(middle == number(5) || middle.is_nan(), "{line}: {middle}");
            let narrow = file.read_image(hdu).unwrap().at(w / 2, h / 2);
            assert!(narrow == middle as f32 || narrow.is_nan(), "{line}: {narrow}");
        }
        checked += 1;
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn odd_headers_are_understood() {
    let Ok(root) = std::env::var("ELQUI_REALDATA") else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let root = Path::new(&root);
    let hatp = FitsFile::open(root.join("hatp32_raw/HATP-32171220013343.FITS.gz")).unwrap();
    assert_eq!(hatp.header(0).unwrap().number("EXPTIME"), Some(60.0));
    let isis = FitsFile::open(root.join("wht_isis_raw/r2701242.fit.gz")).unwrap();
    let first = isis.first_image().unwrap();
    assert_eq!((first, isis.hdu(first).unwrap().size()), (1, Some((966, 4200))));
    let guider = root.join("cameras/lsst/guider/MC_C_20240918_000013_R00_SG0_guider.fits");
    assert_eq!(FitsFile::open(guider).unwrap().hdus().len(), 1 + 102);
    let psf = FitsFile::open(root.join("sdss_s82/calib/psField-004192-4-0300.fit.gz")).unwrap();
    // Eigen-images of the PSF are variable-length arrays of 51 x 31 and so on.
    let rows = psf.read_vectors(1, "RROWS").unwrap();
    assert!(rows.len() == 4 && rows.iter().all(|r| !r.is_empty()), "{}", rows.len());
}
