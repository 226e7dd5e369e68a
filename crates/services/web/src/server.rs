//! Serving a router until the process is asked to stop.

use crate::WebError;
use axum::Router;
use axum::http::{Method, Uri};
use tokio::net::TcpListener;

/// Unknown addresses and wrong methods answer as every other failure does.
pub fn with_fallbacks(router: Router) -> Router {
    router
        .fallback(|uri: Uri| async move { WebError::NotFound { what: uri.path().to_string() } })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            WebError::BadRequest { reason: format!("{} does not take {method}", uri.path()) }
        })
}

/// Serve until Ctrl-C or SIGTERM; requests under way are finished.
pub async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop_signal()).await
}

async fn stop_signal() {
    let interrupt = async {
        // Without a handler the default action of the signal ends the process, which is right too.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}
