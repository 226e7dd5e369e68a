//! The command line.

pub const HELP: &str = "\
frame_science: the table of a frame's science, as Markdown
  --scene FILE.yaml   a scene (repeatable); default: the scene of the simulator's defaults
  --external DIR,...  frames drawn by another program (repeatable; those of one list add up to one table):
                      image.fits, truth.csv, reference.csv, psf.fits, psf.csv, wcs.fits, scene.yaml
  --seeds N           this many frames of each scene, with seeds from the scene's on (default 1)
  --size N            cut scenes to N pixels a side, keeping the densities
  --exact-reference   a reference catalogue without errors
  --variants          besides, short tables: seeing 0.6, 1.0, 1.5 arcsec; rotated and dithered; effects
  --config FILE.yaml  configuration of the steps, as `elqui process --config`
  --no-faint          leave out the second frame of each seed, with faint stars added for the 50% point
  --dump DIR          write stars, galaxies and spurious detections as CSV
  --fits NAMES        expensive fits to switch on: cmodel,gaap,trail; their cost comes from runs of their own
  --only NAMES        rows whose key contains one of these (comma separated)
  --out FILE.md       write the tables
  --json FILE         write the rows as numbers";

#[derive(Debug, Default)]
pub struct Options {
    pub scenes: Vec<String>,
    pub external: Vec<String>,
    pub seeds: u64,
    pub size: Option<usize>,
    pub exact_reference: bool,
    pub variants: bool,
    pub config: Option<String>,
    pub no_faint: bool,
    pub dump: Option<String>,
    pub fits: Vec<String>,
    pub only: Vec<String>,
    pub out: Option<String>,
    pub json: Option<String>,
}

impl Options {
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut out = Self { seeds: 1, ..Self::default() };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| format!("{name} wants a value"));
            let list = |text: String| text.split(',').map(String::from).collect::<Vec<_>>();
            let number = |text: String| text.parse::<u64>().map_err(|e| format!("{name}: {e}"));
            match name.as_str() {
                "--scene" => out.scenes.push(value()?),
                "--external" => out.external.push(value()?),
                "--seeds" => out.seeds = number(value()?)?.max(1),
                "--size" => out.size = Some(number(value()?)?.clamp(256, 8192) as usize),
                "--exact-reference" => out.exact_reference = true,
                "--variants" => out.variants = true,
                "--no-faint" => out.no_faint = true,
                "--dump" => out.dump = Some(value()?),
                "--config" => out.config = Some(value()?),
                "--fits" => out.fits = list(value()?),
                "--only" => out.only = list(value()?),
                "--out" => out.out = Some(value()?),
                "--json" => out.json = Some(value()?),
                other => return Err(format!("`{other}` is not known; see --help")),
            }
        }
        Ok(out)
    }
}
