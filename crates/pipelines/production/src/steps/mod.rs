//! The steps of the frame's way, as pipelines know them, and the pipelines that come with the program.
//!
//! Dataset types have Rubin's names where there is one: `raw`, `bias`, `dark`, `flat`,
//! `post_isr_image`, `visit_image`, `source`.

mod calibrate_image;
mod classes;
mod isr;
mod masters;
mod preview;

pub use calibrate_image::{CalibrateImage, CalibrateImageConfig};
pub use classes::{CAMERA, RAW_FRAME, REFERENCE_INDEX};
pub use isr::Isr;
pub use masters::{BuildBias, BuildDark, BuildFlat, MasterConfig};
pub use preview::Preview;

use elqui_pipeline::Tasks;

/// Name and text of each pipeline that comes with the program.
pub const PIPELINES: [(&str, &str); 2] = [
    ("frames", include_str!("../../../../../pipelines/frames.yaml")),
    ("calibs", include_str!("../../../../../pipelines/calibs.yaml")),
];

/// All tasks and pipelines of this room.
pub fn tasks() -> Tasks {
    let tasks = Tasks::new()
        .with::<BuildBias>()
        .with::<BuildDark>()
        .with::<BuildFlat>()
        .with::<Isr>()
        .with::<CalibrateImage>()
        .with::<Preview>();
    PIPELINES.iter().fold(tasks, |tasks, (name, text)| tasks.with_pipeline(name, text))
}
