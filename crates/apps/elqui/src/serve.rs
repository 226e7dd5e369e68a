//! `elqui serve`: the page over catalogues and processed frames.

use crate::error::CliError;
use crate::outputs;
use crate::query;
use elqui_portal::{FolderImages, ImageProvider, NoImages, PortalState, router};
use elqui_skydb::{QueryLimits, SkyDb};
use elqui_web::{Answer, EngineFn, Limits, QueryFailure, TableFacts};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Serve catalogues and frames as a page.
///
/// Example: elqui serve --catalog elqui-demo/catalog --images elqui-demo/processed
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Catalogue folders (default: elqui-demo/catalog).
    #[arg(long = "catalog", value_name = "DIR")]
    pub catalogs: Vec<PathBuf>,
    /// Folder of processed frames with their previews (default: `processed` beside the catalogue).
    #[arg(long, value_name = "DIR")]
    pub images: Option<PathBuf>,
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: String,
}

pub fn run(args: &Args) -> Result<(), CliError> {
    let catalogs = query::folders(&args.catalogs)?;
    let beside = catalogs[0].parent().unwrap_or(Path::new(".")).join("processed");
    let images = args.images.clone().or_else(|| beside.is_dir().then_some(beside));
    serve("Elqui", &catalogs, images.as_deref(), &args.listen)
}

/// Serve until the process is asked to stop; the address is printed once it listens.
pub fn serve(
    title: &str,
    catalogs: &[PathBuf],
    images: Option<&Path>,
    listen: &str,
) -> Result<(), CliError> {
    let db = Arc::new(
        SkyDb::open_with_threads(catalogs, rayon::current_num_threads()).map_err(CliError::work)?,
    );
    let facts = db
        .tables()
        .iter()
        .map(|t| TableFacts {
            name: t.name.clone(),
            description: t.description.clone(),
            rows: t.rows,
            columns: t.columns.iter().map(|c| c.name.clone()).collect(),
        })
        .collect();
    let images: Arc<dyn ImageProvider> = match images {
        Some(folder) => Arc::new(FolderImages::open(folder).map_err(CliError::work)?),
        None => Arc::new(NoImages),
    };
    let engine = EngineFn::new(facts, {
        let db = db.clone();
        move |sql: String, limits: Limits| {
            let db = db.clone();
            async move {
                let limits = QueryLimits {
                    rows_max: limits.rows_max,
                    time_max_s: limits.time_max_s,
                    ..QueryLimits::default()
                };
                db.query_async(&sql, limits)
                    .await
                    .and_then(|r| Ok(Answer { table: r.table()?, truncated: r.truncated }))
                    .map_err(|e| QueryFailure { code: e.code().into(), message: e.to_string() })
            }
        }
    });
    let page = router(PortalState::new(title, Arc::new(engine), images));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(rayon::current_num_threads())
        .enable_all()
        .build()
        .map_err(|e| CliError::work(format!("cannot start the server: {e}")))?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
            CliError::work(format!("cannot listen on {listen}: {e}; choose another --listen"))
        })?;
        let address = listener.local_addr().map_err(CliError::work)?;
        outputs::say(&format!("the page is at http://{address}/ (Ctrl-C ends it)"))?;
        elqui_web::serve(listener, page).await.map_err(CliError::work)
    })
}
