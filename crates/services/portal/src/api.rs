//! The addresses of the page.
//!
//! | address | answer |
//! |---|---|
//! | `GET /api/summary` | title, tables with counts, bands, visits |
//! | `GET /api/images` | the exposures that have a picture |
//! | `GET /api/images/VISIT/DETECTOR.png` (`.fits`) | the picture |
//! | `GET /api/sources?visit=&detector=` | sources to draw |
//! | `GET /api/source?id=` | a source's row, and the id of its object |
//! | `GET /api/object?id=` | an object's row |
//! | `GET /api/lightcurve?objectId=` | time, band, flux, error |
//! | `POST /api/query` (SQL as text) | columns and rows, or an error of one line |

use crate::state::PortalState;
use crate::{assets, catalog};
use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use elqui_schema::{ColumnData, Table};
use elqui_web::{Principal, WebError, columns_json, rows_json, with_fallbacks};
use serde::Deserialize;
use serde_json::{Value, json};

/// Longest query that is read.
const SQL_BYTES_MAX: usize = 64 * 1024;

type Answer = Result<Json<Value>, WebError>;

/// The page and its API.
pub fn router(state: PortalState) -> Router {
    let api = Router::new()
        .route("/api/summary", get(summary))
        .route("/api/images", get(images))
        .route("/api/images/{visit}/{file}", get(image))
        .route("/api/sources", get(sources))
        .route("/api/source", get(source))
        .route("/api/object", get(object))
        .route("/api/lightcurve", get(lightcurve))
        .route("/api/query", post(query))
        .layer(axum::extract::DefaultBodyLimit::max(SQL_BYTES_MAX))
        .with_state(state);
    with_fallbacks(api).fallback(page)
}

async fn page(uri: Uri) -> Response {
    match assets::asset(uri.path()) {
        Some(response) => response,
        None => WebError::NotFound { what: uri.path().to_string() }.into_response(),
    }
}

fn table_json(table: &Table) -> Value {
    json!({"columns": columns_json(table), "rows": rows_json(table)})
}

/// Distinct texts of a column, in their order.
fn texts(table: &Table, name: &str) -> Vec<String> {
    match table.column_any_case(name).map(|c| &c.data) {
        Some(ColumnData::Str(v)) => v.clone(),
        _ => Vec::new(),
    }
}

async fn summary(State(state): State<PortalState>) -> Answer {
    let facts = state.engine.tables();
    let mut visits = Value::Array(Vec::new());
    let mut bands = Vec::new();
    if let Some(visit) = catalog::table(&facts, "Visit") {
        let wanted = [
            "visit",
            "band",
            "physical_filter",
            "ra",
            "dec",
            "expMidptMJD",
            "expTime",
            "airmass",
            "instrument",
        ];
        let list = catalog::columns(visit, &wanted);
        if !list.is_empty() {
            let sql = format!("SELECT {} FROM Visit ORDER BY {}", list.join(", "), list[0]);
            let t = catalog::ask(state.engine.as_ref(), &sql).await?;
            bands = texts(&t, "band");
            visits = table_json(&t);
        }
    }
    if bands.is_empty() {
        bands = state.images.list().into_iter().map(|i| i.band).collect();
    }
    bands.retain(|b| !b.is_empty());
    bands.sort_by_key(|b| band_order(b));
    bands.dedup();
    Ok(Json(json!({
        "title": state.title,
        "version": env!("CARGO_PKG_VERSION"),
        "tables": facts,
        "bands": bands,
        "images": state.images.list().len(),
        "visits": visits,
    })))
}

/// Bands from blue to red, others after them by name.
fn band_order(band: &str) -> (usize, String) {
    ("ugrizy".find(band).unwrap_or(9), band.to_string())
}

async fn images(State(state): State<PortalState>) -> Answer {
    let list = blocking(move || Ok(state.images.list())).await?;
    Ok(Json(json!({"images": list})))
}

/// Run what reads files off the threads that answer requests.
async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, WebError> + Send + 'static,
) -> Result<T, WebError> {
    tokio::task::spawn_blocking(f)
        .await
        .unwrap_or_else(|e| Err(WebError::Internal { reason: e.to_string() }))
}

async fn image(
    State(state): State<PortalState>,
    Path((visit, file)): Path<(i64, String)>,
) -> Result<Response, WebError> {
    let unknown = || WebError::NotFound { what: format!("image {visit}/{file}") };
    let (detector, ending) = file.split_once('.').ok_or_else(unknown)?;
    let detector: i32 = detector.parse().map_err(|_| unknown())?;
    let (fits, media) = match ending {
        "png" => (false, "image/png"),
        "fits" => (true, "application/fits"),
        _ => return Err(unknown()),
    };
    let bytes = blocking(move || {
        let read = if fits {
            state.images.fits(visit, detector)
        } else {
            state.images.png(visit, detector)
        };
        read.map_err(|e| WebError::NotFound { what: e.to_string() })
    });
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, bytes.await?).into_response())
}

/// A parameter that is missing or no number is the asker's mistake, told in one line.
type Params<T> = Result<Query<T>, axum::extract::rejection::QueryRejection>;

fn params<T>(query: Params<T>) -> Result<T, WebError> {
    query.map(|q| q.0).map_err(|e| WebError::BadRequest { reason: e.body_text() })
}

#[derive(Deserialize)]
struct Exposure {
    visit: i64,
    detector: i32,
}

async fn sources(State(state): State<PortalState>, query: Params<Exposure>) -> Answer {
    let at = params(query)?;
    let t = catalog::sources(state.engine.as_ref(), at.visit, at.detector).await?;
    Ok(Json(table_json(&t)))
}

#[derive(Deserialize)]
struct Id {
    id: i64,
}

async fn source(State(state): State<PortalState>, query: Params<Id>) -> Answer {
    let id = params(query)?.id;
    let row = catalog::source_row(state.engine.as_ref(), id).await?;
    let object = catalog::object_of(state.engine.as_ref(), &row).await?;
    let mut answer = table_json(&row);
    // As text: a browser's number cannot hold every id.
    answer["objectId"] = json!(object.map(|id| id.to_string()));
    Ok(Json(answer))
}

async fn object(State(state): State<PortalState>, query: Params<Id>) -> Answer {
    let id = params(query)?.id;
    Ok(Json(table_json(&catalog::object_row(state.engine.as_ref(), id).await?)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectId {
    object_id: i64,
}

async fn lightcurve(State(state): State<PortalState>, query: Params<ObjectId>) -> Answer {
    let id = params(query)?.object_id;
    Ok(Json(table_json(&catalog::lightcurve(state.engine.as_ref(), id).await?)))
}

async fn query(State(state): State<PortalState>, sql: String) -> Answer {
    if sql.trim().is_empty() {
        return Err(WebError::BadRequest { reason: "the query is empty".into() });
    }
    let start = std::time::Instant::now();
    let answer = state.engine.query(&Principal::Anonymous, &sql, state.limits).await?;
    let mut value = table_json(&answer.table);
    value["truncated"] = json!(answer.truncated);
    value["rowsMax"] = json!(state.limits.rows_max);
    value["seconds"] = json!(start.elapsed().as_secs_f64());
    Ok(Json(value))
}
